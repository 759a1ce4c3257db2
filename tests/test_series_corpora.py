"""Series corpora: true to the published files' form, split by time without a leak, whole and in order across processes."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import seqzoo
from seqzoo import catalog
from seqzoo.corpora import series_datamodule
from seqzoo.corpora.ett import ETT
from seqzoo.corpora.jena import Jena
from seqzoo.corpora.series_datamodule import SPLITS, SeriesDataModule, fetch
from seqzoo.corpora.szeged import Szeged
from seqzoo.corpora.weather2020 import Weather2020

NAMES = [name for name in catalog.list_corpora() if issubclass(catalog.resolve("corpora", name), SeriesDataModule)]
PUBLIC = sorted(set(NAMES) - {"counting", "series_csv"})
FILES = {
    "air_passengers": "airline-passengers.csv",
    "ett": "ETTh1.csv",
    "jena": "jena_climate_2009_2016.csv",
    "szeged": "weatherHistory.csv",
    "weather2020": "weather.csv",
}
SHORT = {"context_length": 6, "horizon": 2, "delay": 3}


def numbers(columns: list[str], rows: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {column: random.normal(10, 3, rows).round(3) for column in columns}


def write_szeged(folder: Path) -> None:
    """Hours in local time across the change to summer time, in the file's disorder, with its repeats, hole and zeros."""
    local = pd.date_range("2006-03-20 23:00", periods=400, freq="h", tz="UTC").tz_convert("Europe/Budapest")
    table = pd.DataFrame({"Summary": "Clear", "Precip Type": "rain", **numbers(Szeged.columns, 400), "Loud Cover": 0.0})
    table.insert(0, "Formatted Date", [time.strftime("%Y-%m-%d %H:%M:%S.000 %z") for time in local])
    table.loc[[3, 4], "Pressure (millibars)"] = 0
    table.loc[5, "Humidity"] = 0
    table = pd.concat([table, table.iloc[100:110]]).drop(index=[250, 251])
    table.iloc[np.random.default_rng(1).permutation(len(table))].to_csv(folder / FILES["szeged"], index=False)


def write_jena(folder: Path) -> None:
    times = pd.date_range("2009-01-12 00:10", periods=1200, freq="10min").strftime("%d.%m.%Y %H:%M:%S")
    table = pd.DataFrame({"Date Time": times, **numbers(Jena.columns, 1200)})
    table.loc[7, "wv (m/s)"] = -9999.0
    table.drop(index=[20]).to_csv(folder / FILES["jena"], index=False)


def write_weather2020(folder: Path) -> None:
    times = pd.date_range("2020-01-01 00:10", periods=400, freq="10min")
    table = pd.DataFrame({"date": times, **numbers(Weather2020.columns, 400)})
    table.loc[[7, 8], "OT"] = -9999.0
    pd.concat([table, table.iloc[[30]]]).sort_index().drop(index=[40]).to_csv(folder / FILES["weather2020"], index=False)


def write_ett(folder: Path) -> None:
    times = pd.date_range("2016-07-01", periods=14_500, freq="h")
    pd.DataFrame({"date": times, **numbers(ETT.columns, 14_500)}).to_csv(folder / FILES["ett"], index=False)


def write_air_passengers(folder: Path) -> None:
    months = pd.date_range("1949-01", periods=144, freq="MS").strftime("%Y-%m")
    pd.DataFrame({"Month": months, "Passengers": range(112, 256)}).to_csv(folder / FILES["air_passengers"], index=False)


def write_series_csv(folder: Path) -> None:
    times = pd.date_range("2020-01-01", periods=100, freq="D")
    pd.DataFrame({"day": times, "name": "x", **numbers(["a", "b"], 100)}).to_csv(folder / "own.csv", index=False)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up files of the form of every corpus."""
    folder = tmp_path_factory.mktemp("series")
    for write in (write_szeged, write_jena, write_weather2020, write_ett, write_air_passengers, write_series_csv):
        write(folder)
    return folder


def make(name: str, folder: Path, **options: Any) -> SeriesDataModule:
    place = {"counting": {}, "series_csv": {"file": str(folder / "own.csv"), "time_column": "day"}}
    return seqzoo.create_datamodule(name, **{**place.get(name, {"data_dir": str(folder)}), **options})


def ready(name: str, folder: Path, **options: Any) -> SeriesDataModule:
    data = make(name, folder, **{**SHORT, **options})
    data.prepare_data()
    data.setup()
    return data


@pytest.mark.parametrize("name", NAMES)
def test_a_series_corpus_says_what_its_card_needs(name, folder):
    corpus = catalog.resolve("corpora", name)
    assert corpus.name == name and set(corpus.source) == {"type", "config"} and corpus.language == []
    assert corpus.citation and corpus.limits and corpus.fingerprinted == SPLITS
    data = make(name, folder)
    assert set(data.options) == {"context_length", "horizon", "sampling_step", "delay"}
    assert data.labels and set(data.labels) <= set(data.make_preprocessor().channels)


@pytest.mark.parametrize("name", NAMES)
def test_splits_follow_each_other_in_time_and_share_no_step(name, folder):
    data = ready(name, folder)
    borders = [data.split(split) for split in SPLITS]
    assert borders[0][0] == 0 and borders[0][1] == borders[1][0] and borders[1][1] == borders[2][0]
    assert all(start < stop <= len(data.series().values) for start, stop in borders)
    for split, (start, stop) in zip(SPLITS, borders, strict=True):
        windows = data.windows(split)
        reached = (SHORT["context_length"] - 1) + SHORT["delay"] if data.reaches_back and split != "train" else 0
        assert (windows.start, windows.stop) == (start - reached, stop)
        first = windows.start + (SHORT["context_length"] - 1) + SHORT["delay"]  # the first step that is forecast
        assert first >= start and first == (start if reached else start + SHORT["context_length"] - 1 + SHORT["delay"])
    with pytest.raises(ValueError, match=f"{name} has the splits train, validation, test, not 'dev'"):
        data.windows("dev")


@pytest.mark.parametrize("name", NAMES)
def test_scaling_is_that_of_the_training_rows(name, folder):
    data = ready(name, folder)
    values = data.series().part(*data.split("train")).values
    np.testing.assert_allclose(data.preprocessor.mean, np.nanmean(values, axis=0))
    np.testing.assert_allclose(data.preprocessor.std, np.nanstd(values, axis=0))
    batch = next(iter(data.val_dataloader()))
    assert batch.past.shape[1:] == (6, data.preprocessor.n_inputs) and batch.future.shape[1:] == (2, len(data.labels))
    assert torch.isfinite(batch.past).all() and (batch.future[~batch.observed] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_split_s_published_rows_read_as_the_split(name, folder):
    """What a user would hand to predict: the same steps, but for those that are missing at its ends."""
    data = ready(name, folder)
    for split in SPLITS:
        start, stop = data.split(split)
        rows, expected = data.preprocessor.read(data.rows(split)), data.series().part(start, stop)
        if expected.times is not None:
            assert (rows.times == expected.times).all() and "rows sorted" not in " ".join(rows.repairs)
        np.testing.assert_array_equal(rows.values, expected.values)


@pytest.mark.parametrize("name", NAMES)
def test_fingerprints_know_the_values_and_not_the_file(name, folder, tmp_path):
    prints = {split: ready(name, folder).fingerprint(split) for split in SPLITS}
    assert len(set(prints.values())) == 3
    again = ready(name, folder, **SHORT | {"context_length": 5})
    assert {split: again.fingerprint(split) for split in SPLITS} == prints
    if name in FILES:
        table = pd.read_csv(folder / FILES[name])
        table.iloc[::-1].to_csv(tmp_path / FILES[name], index=False)
        if name != "weather2020":  # of its repeated rows the first counts, whichever that is
            assert ready(name, tmp_path).fingerprint("test") == prints["test"]
        table.loc[len(table) // 4, again.columns[0]] += 1.0
        table.to_csv(tmp_path / FILES[name], index=False)
        changed = ready(name, tmp_path)
        assert changed.fingerprint("train") != prints["train"] and changed.fingerprint("test") == prints["test"]


def test_szeged_is_put_in_order_of_utc(folder):
    data = ready("szeged", folder)
    rows = data.series()
    assert len(rows.values) == 400 and str(rows.times[0]) == "2006-03-20 23:00:00+00:00"
    told = " ".join(rows.repairs)
    for words in ("2 values of 'Pressure", "1 value of 'Humidity'", "sorted", "10 rows dropped", "2 missing steps"):
        assert words in told
    assert data.preprocessor.channels[-2:] == ["Wind_x", "Wind_y"] and data.labels == ["Temperature (C)"]
    assert "Humidity is missing" in data.preprocessor.input_names and "hour_sin" in data.preprocessor.input_names
    assert [data.split(split) for split in SPLITS] == [(0, 200), (200, 300), (300, 400)]
    plain = ready("szeged", folder, wind_vector=False, calendar=[], indicators=False)
    assert plain.preprocessor.input_names == Szeged.columns


def test_jena_reads_day_first_times(folder):
    data = make("jena", folder)
    rows = data.series()
    assert str(rows.times[0]) == "2009-01-12 00:10:00" and len(rows.values) == 1200
    assert [text.partition(",")[0] for text in rows.repairs] == [
        "1 value of 'wv (m/s)' (-9999) taken as missing",
        "1 missing step inserted without values",
    ]
    assert data.options == {"context_length": 120, "horizon": 1, "sampling_step": 6, "delay": 144}
    short = make("jena", folder, context_length=4)
    short.setup()
    assert [len(short.windows(split)) for split in SPLITS] == [600 - (3 * 6 + 144), 300 - 162, 300 - 162]


def test_weather2020_as_published_takes_the_file_for_what_it_is(folder):
    data, published = ready("weather2020", folder), ready("weather2020", folder, as_published=True)
    assert len(data.series().values) == 400 and len(published.series().values) == 400  # one repeated, one left out
    assert np.isnan(data.series().values).sum() == 2 + 21 and not np.isnan(published.series().values).any()
    assert published.series().times is None and published.preprocessor.std[-1] > 100 > data.preprocessor.std[-1]
    assert len(data.labels) == 21
    with pytest.raises(ValueError, match="as_published takes the rows without their times"):
        make("weather2020", folder, as_published=True, calendar=["hour"])


def test_ett_has_the_benchmark_s_borders(folder):
    data = ready("ett", folder, context_length=720, horizon=96, delay=1)
    assert [data.split(split) for split in SPLITS] == [(0, 8640), (8640, 11_520), (11_520, 14_400)]
    assert [len(data.windows(split)) for split in SPLITS] == [8640 - 720 - 96 + 1, 2880 - 96 + 1, 2880 - 96 + 1]
    with pytest.raises(ValueError, match="variant must be one of h1, h2, m1, m2, got 'h3'"):
        make("ett", folder, variant="h3")
    with pytest.raises(FileNotFoundError, match=r"holds no ETTm1\.csv"):
        make("ett", folder, variant="m1").read()


def test_counting_counts_on():
    data = seqzoo.create_datamodule("counting", start=5.0, step=-2.5, length=100, context_length=3)
    data.setup()
    batch = data.windows("test").batch([0])
    units = data.preprocessor.inverse(torch.cat([batch.past, batch.future], dim=1))
    np.testing.assert_allclose(np.diff(units[0, :, 0]), -2.5, atol=1e-5)
    with pytest.raises(ValueError, match="step must not be 0"):
        seqzoo.create_datamodule("counting", step=0.0)


def test_a_file_of_one_s_own_needs_no_more_than_its_name(folder):
    data = ready("series_csv", folder)
    assert data.frequency == "D" and data.labels == ["a", "b"]
    assert [data.split(split) for split in SPLITS] == [(0, 60), (60, 80), (80, 100)]
    counted = make("series_csv", folder, time_column=None, targets=["b"], **SHORT)
    counted.setup()
    assert counted.series().times is None and counted.labels == ["b"]
    with pytest.raises(ValueError, match="no column 'c'"):
        make("series_csv", folder, columns=["a", "c"]).setup()
    with pytest.raises(ValueError, match="must leave some to train on"):
        make("series_csv", folder, validation_fraction=0.5, test_fraction=0.5)


def test_the_step_of_a_file_with_gaps_is_the_one_between_most_times(tmp_path):
    times = pd.date_range("2020-01-01", periods=60, freq="15min")
    pd.DataFrame({"when": times, "a": np.arange(60.0)}).drop(index=[7, 30]).to_csv(tmp_path / "own.csv", index=False)
    data = seqzoo.create_datamodule("series_csv", file=str(tmp_path / "own.csv"), time_column="when", **SHORT)
    data.setup()
    assert data.frequency == "15min" and len(data.series().values) == 60


# Batches


def test_every_process_gets_its_own_windows_and_all_get_all(folder, monkeypatch):
    data = ready("szeged", folder, batch_size=7)

    class Trainer:
        world_size, global_rank = 2, 0

    def served(loader: Any) -> list[list[int]]:
        return [list(indices) for indices in loader.sampler]

    parts = []
    for rank in range(2):
        trainer = Trainer()
        trainer.global_rank = rank
        data.trainer = trainer
        torch.manual_seed(3)
        parts.append({"train": served(data.train_dataloader()), "test": served(data.test_dataloader())})
    data.trainer = None
    together = sorted(index for part in parts for batch in part["test"] for index in batch)
    assert together == list(range(len(data.windows("test")))), "in testing each exactly once"
    assert len(parts[0]["train"]) == len(parts[1]["train"]), "in training as many steps everywhere"
    trained = {index for part in parts for batch in part["train"] for index in batch}
    assert trained == set(range(len(data.windows("train"))))
    assert parts[0]["train"][0] != sorted(parts[0]["train"][0]), "in random order"


def test_training_windows_may_be_strided_and_others_are_all_counted(folder):
    data, strided = ready("szeged", folder), ready("szeged", folder, stride=4)
    assert len(strided.windows("train")) == -(-len(data.windows("train")) // 4)
    assert len(strided.windows("test")) == len(data.windows("test"))


def test_a_preprocessor_that_is_given_is_kept(folder):
    """As when a loaded model is trained on: its scaling must not move."""
    given = ready("szeged", folder).preprocessor
    before = given.to_json()
    data = make("szeged", folder, **SHORT)
    data.preprocessor = given
    data.setup("fit")
    assert data.preprocessor is given and given.to_json() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"context_length": 0}, "context_length must be a whole number of at least 1"),
        ({"delay": 0}, "delay must be a whole number of at least 1"),
        ({"targets": ["Temperature"]}, r"no channel 'Temperature'; did you mean 'Temperature \(C\)'"),
        ({"calendar": ["hours"]}, "did you mean 'hour'"),
        ({"context_length": 100}, "szeged, validation: a window takes .* rows .* there are 100"),
    ],
)
def test_a_wrong_argument_is_named_before_it_costs_time(options, words, folder):
    with pytest.raises(ValueError, match=words):
        ready("szeged", folder, **options)


# Files


@pytest.mark.parametrize("name", PUBLIC)
def test_a_folder_without_the_file_names_what_it_lacks(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"corpus {name}: .* holds no {FILES[name]}"):
        make(name, tmp_path).prepare_data()


@pytest.mark.parametrize("name", PUBLIC)
def test_a_corpus_that_is_nowhere_says_how_to_get_it(name, no_corpora, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def unreachable(url: str, timeout: float) -> None:
        raise OSError("no network")

    monkeypatch.setattr(series_datamodule.urllib.request, "urlopen", unreachable)
    with pytest.raises(OSError, match=r"https://.*give its folder as data_dir, or set SEQZOO_DATA"):
        seqzoo.create_datamodule(name).prepare_data()


def test_a_fetched_file_is_kept_and_any_other_content_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "table.csv"
    source.write_text("a\n1\n")
    with pytest.raises(OSError, match="other contents than it had"):
        fetch("own", source.as_uri(), "0" * 64)
    assert not (tmp_path / "cache").exists()
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    kept = fetch("own", source.as_uri(), sha256)
    source.unlink()
    assert kept.read_text() == "a\n1\n" and fetch("own", source.as_uri(), sha256) == kept
    assert [path.name for path in kept.parent.iterdir()] == ["table.csv"]


# The published files


def last_value(data: SeriesDataModule, split: str) -> tuple[float, float]:
    """Mean absolute and mean squared error, standardised, of the last value of the targets."""
    errors = []
    for batch in data._loader(split):
        last = batch.past[:, -1:, data.preprocessor.target_indices]
        errors.append((batch.future - last)[batch.observed].double())
    whole = torch.cat(errors)
    return whole.abs().mean().item(), whole.square().mean().item()


@pytest.mark.corpora
def test_szeged_s_last_value_is_as_far_off_as_it_should_be():
    """2.463 and 2.209 are of the file's rows, sorted: 24 repeats and 3 missing hours move the third digit."""
    data = seqzoo.create_datamodule("szeged")
    data.prepare_data()
    data.setup()
    assert len(data.series().values) == 96_432
    assert [len(data.windows(split)) for split in SPLITS] == [48_073, 23_965, 23_965]
    mae = {split: last_value(data, split)[0] * data.preprocessor.std[0] for split in ("validation", "test")}
    assert mae == pytest.approx({"validation": 2.4626, "test": 2.2085}, abs=1e-4)
    table = data.table().assign(time=pd.to_datetime(data.table()["Formatted Date"], utc=True))
    unrepaired = table.sort_values("time", kind="stable")["Temperature (C)"].to_numpy()
    half, quarter = len(unrepaired) // 2, len(unrepaired) // 4
    for part, expected in ((unrepaired[half : half + quarter], 2.463), (unrepaired[half + quarter :], 2.209)):
        assert np.abs(part[119 + 24 :] - part[119:-24]).mean() == pytest.approx(expected, abs=5e-4)


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "options", "counts", "expected"),
    [
        ("ett", {}, [7825, 2785, 2785], (0.713, 1.294)),
        ("weather2020", {"as_published": True}, [36_072, 5175, 10_444], (0.254, 0.259)),
        ("weather2020", {}, [36_077, 5177, 10_445], (0.310, 0.327)),
    ],
)
def test_the_benchmarks_have_their_windows_and_the_error_of_the_last_value(name, options, counts, expected):
    data = seqzoo.create_datamodule(name, context_length=720, horizon=96, **options)
    data.prepare_data()
    data.setup()
    assert [len(data.windows(split)) for split in SPLITS] == counts
    assert last_value(data, "test") == pytest.approx(expected, abs=6e-4)


@pytest.mark.corpora
def test_air_passengers_has_its_months():
    data = seqzoo.create_datamodule("air_passengers")
    data.setup()
    assert len(data.series().values) == 144 and data.rows("test")["Month"].tolist()[:2] == ["1959-01", "1959-02"]
    assert [len(data.windows(split)) for split in SPLITS] == [73, 1, 13]
