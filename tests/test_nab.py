"""The benchmark's score counts as the published program does; its corpus keeps rows, windows and probation."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from seqzoo.corpora.nab import NAB
from seqzoo.measures import nab

START = np.datetime64("2020-01-01T00:00:00", "s")


def make_stream(n_rows: int, *windows: tuple[int, int], name: str = "one.csv") -> nab.Stream:
    times = START + np.arange(n_rows) * 300
    return nab.Stream(name, times, [(times[first], times[last]) for first, last in windows])


def alarms(n_rows: int, *rows: int) -> np.ndarray:
    scores = np.zeros(n_rows)
    scores[list(rows)] = 1.0
    return scores


def plain_score(scores: np.ndarray, stream: nab.Stream, threshold: float, profile: nab.Profile) -> float:
    """The rules of the paper in a loop over rows, without normalisation."""
    values, window = nab.row_values(stream)
    best, total = dict.fromkeys(range(len(stream.windows)), -profile.missed), 0.0
    for row in range(nab.probation_length(len(scores)), len(scores)):
        if scores[row] >= threshold and window[row] < 0:
            total += profile.false * values[row]
        elif scores[row] >= threshold:
            best[window[row]] = max(best[window[row]], profile.found * values[row])
    return total + sum(best.values())


def write_nab(folder: Path, n_files: int = 3, n_rows: int = 600) -> Path:
    """Files of the benchmark's form: noise with a spike in a window, one file without windows."""
    random, windows = np.random.default_rng(0), {}
    for number in range(n_files):
        name, times = f"made/stream_{number}.csv", START + np.arange(n_rows) * 300
        values = np.sin(np.arange(n_rows) / 9) + 0.1 * random.normal(size=n_rows)
        windows[name] = []
        if number:
            values[400 + 10 * number] = 9.0
            windows[name] = [[str(times[row]).replace("T", " ") + ".000000" for row in (390, 450)]]
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows(
                [["timestamp", "value"], *zip([str(time).replace("T", " ") for time in times], values, strict=True)]
            )
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    return folder


def test_probation_is_15_percent_and_at_most_750_rows():
    assert [nab.probation_length(n) for n in (100, 1127, 4032, 5000, 22695)] == [15, 169, 604, 750, 750]


@pytest.mark.parametrize("profile", nab.PROFILES)
def test_finding_nothing_scores_0_and_finding_all_at_once_100(profile):
    stream = make_stream(200, (50, 70), (120, 140))
    perfect, nothing = alarms(200, 50, 120), np.full(200, 0.5)
    assert nab.optimised({"one.csv": perfect}, [stream], profile).score == pytest.approx(100.0)
    assert nab.optimised({"one.csv": nothing}, [stream], profile).score >= 0.0
    assert nab.at_thresholds({"one.csv": nothing}, [stream], {"one.csv": 0.6}, profile) == 0.0


def test_values_fall_from_1_at_a_windows_start_to_minus_1_far_behind_it():
    values, window = nab.row_values(make_stream(400, (100, 119)))
    assert values[100] == pytest.approx(1.0) and 0.0 < values[119] < 0.15 and values[50] == -1.0
    assert (np.diff(values[100:150]) < 0).all()
    assert values[119 + 19] == pytest.approx(2 / (1 + np.exp(5)) - 1)  # a window's width behind it
    assert values[119 + 57] == -1.0 and values[399] == -1.0
    assert (window[100:120] == 0).all() and (window != -1).sum() == 20


def test_alarms_in_probation_neither_cost_nor_earn():
    stream = make_stream(200, (100, 120))
    quiet, noisy = alarms(200, 100), alarms(200, 100, *range(30))
    assert nab.optimised({"one.csv": quiet}, [stream]).score == nab.optimised({"one.csv": noisy}, [stream]).score


@pytest.mark.parametrize("profile", nab.PROFILES)
def test_the_sweep_finds_the_best_of_all_thresholds(profile):
    random = np.random.default_rng(3)
    streams = [
        make_stream(150, (60, 80), (110, 115), name="a"),
        make_stream(90, name="b"),
        make_stream(120, (70, 90), name="c"),
    ]
    scores = {one.name: random.integers(0, 12, len(one.times)) / 12 for one in streams}
    weights = nab.PROFILES[profile]
    raw = {
        threshold: sum(plain_score(scores[one.name], one, threshold, weights) for one in streams)
        for threshold in (*np.unique(np.concatenate(list(scores.values()))), 2.0)
    }
    nothing, perfect = -3 * weights.missed, 3 * weights.found
    found = nab.optimised(scores, streams, profile)
    assert found.score == pytest.approx(100 * (max(raw.values()) - nothing) / (perfect - nothing))
    for threshold, total in raw.items():
        given = nab.at_thresholds(scores, streams, dict.fromkeys(scores, threshold), profile)
        assert given == pytest.approx(100 * (total - nothing) / (perfect - nothing))


def test_a_repeated_timestamp_limits_a_window_where_it_first_stands():
    stream = make_stream(100, (40, 60))
    stream.times[61] = stream.times[60]
    _, window = nab.row_values(stream)
    assert window[60] == 0 and window[61] == -1


def test_scores_that_do_not_fit_the_files_are_refused():
    stream = make_stream(100, (40, 60))
    with pytest.raises(ValueError, match=r"one.csv needs 100 scores, one for each row, got 99"):
        nab.optimised({"one.csv": np.zeros(99)}, [stream])
    with pytest.raises(ValueError, match=r"one.csv: scores must be finite"):
        nab.optimised({"one.csv": np.full(100, np.nan)}, [stream])
    with pytest.raises(ValueError, match="is not among its rows"):
        nab.row_values(stream._replace(windows=[(START - 5, START + 300)]))


def test_the_windowed_gaussian_is_that_of_the_values_before():
    values = np.random.default_rng(1).normal(size=60)
    scores = nab.windowed_gaussian(values, window=20, step=5)
    known = values[10:30]  # at row 33 the window has moved twice
    wanted = 1 - 0.5 * math.erfc(abs(values[33] - known.mean()) / known.std() / np.sqrt(2))
    assert scores[33] == pytest.approx(wanted) and scores[0] == 0.0


def test_the_corpus_keeps_rows_and_windows_and_trains_on_probation_alone(tmp_path):
    data = NAB(data_dir=str(write_nab(tmp_path)), context_length=16, batch_size=4)
    data.setup("fit")
    assert list(data.read()) == [f"made/stream_{number}.csv" for number in range(3)]
    assert [len(data.windows(name)) for name in data.read()] == [0, 1, 1]
    assert data.probation("made/stream_1.csv") == 90
    before = data.pieces("train"), data.pieces("validation"), data.fingerprint("train")
    for columns in data.read().values():
        columns["value"][90:] = [1e6] * len(columns["value"][90:])
    after = data.pieces("train"), data.pieces("validation"), data.fingerprint("train")
    for one, other in zip(before[0] + before[1], after[0] + after[1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert before[2] == after[2] and max(map(len, before[0])) == 32
    batch = next(iter(data.train_dataloader()))
    assert batch.values.shape == (4, 32, 2) and batch.values.isfinite().all()


def test_a_folder_without_the_windows_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"combined_windows\.json"):
        NAB(data_dir=str(tmp_path)).prepare_data()


@pytest.mark.corpora
def test_the_windowed_gaussian_reaches_its_published_figures():
    data = NAB()
    streams = [
        nab.Stream(name, np.array(columns["timestamp"], "datetime64[s]"), data.windows(name))
        for name, columns in data.read().items()
    ]
    assert len(streams) == 58 and sum(len(one.windows) for one in streams) == 116
    scores = {name: nab.windowed_gaussian(np.array(columns["value"])) for name, columns in data.read().items()}
    published = {"standard": 39.65, "reward_low_FP": 20.87, "reward_low_FN": 47.41}
    for profile, wanted in published.items():
        assert nab.optimised(scores, streams, profile).score == pytest.approx(wanted, abs=0.006)
