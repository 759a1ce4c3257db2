"""Corpora of labelled series: files of their public forms, splits that do not mix, features that a plain transform gives."""

import math
import wave
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from made_up import write_json

import seqzoo
from seqzoo.corpora.labelled_series import IGNORED, LabelledSeriesDataModule, stratified
from seqzoo.corpora.ucr import read_ts, read_tsv
from seqzoo.measures import time_series_classification as measure
from seqzoo.preprocessing.audio import frames, log_mel, mel_filters, mfcc, read_wave
from seqzoo.preprocessing.events import Run, keep, match, median_filter, overlap, runs
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor, is_one_series

SOUND = {"sample_rate": 8_000, "frame": 200, "hop": 80, "n_mels": 20}
HEADER = """# A made-up problem
@problemName Made
@timeStamps false
@univariate true
@classLabel true up down
@data
"""


def write_ucr(folder: Path, n: int = 24, name: str = "Made") -> Path:
    """A training and a test file of rising and falling series, of unequal length."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("TRAIN", "TEST"):
        lines = []
        for index in range(n):
            steps = int(random.integers(10, 16))
            values = (1 - 2 * (index % 2)) * np.linspace(-1, 1, steps) + random.normal(0, 0.1, steps)
            lines.append(",".join(f"{value:.4f}" for value in values) + ":" + ("up", "down")[index % 2])
        (folder / f"{name}_{split}.ts").write_text(HEADER + "\n".join(lines) + "\n")
    return folder


def write_digits(folder: Path, recordings: int = 12, samples: int = 900) -> Path:
    """Spoken digits of two speakers as tones of different pitch."""
    random, rows = np.random.default_rng(0), []
    for speaker in ("ann", "ben"):
        for digit in range(10):
            for index in range(recordings):
                time = np.arange(samples + int(random.integers(0, 200))) / 8_000
                tone = 3_000 * np.sin(2 * np.pi * (300 + 300 * digit) * time) + random.normal(0, 100, len(time))
                rows.append((tone.astype(np.int16).tolist(), digit, speaker, index))
    folder.mkdir(parents=True, exist_ok=True)
    columns = dict(zip(("samples", "digit", "speaker", "index"), map(list, zip(*rows, strict=True)), strict=True))
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "all.parquet")
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits"))


def make_ucr(folder: Path, **options) -> LabelledSeriesDataModule:
    return seqzoo.create_datamodule("ucr", dataset="Made", data_dir=str(write_ucr(folder)), **options)


# Sound


def test_the_power_of_a_frame_is_a_plain_fourier_transforms():
    samples = np.random.default_rng(0).uniform(-1, 1, 300)
    found = log_mel(samples, **SOUND, low=0.0, high=4_000.0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, 201) / 201)
    step, bins = np.arange(200), np.arange(129)[:, None]
    filters = mel_filters(8_000, 256, 20, 0.0, 4_000.0)
    for number in range(len(found)):
        part = np.zeros(200)
        piece = samples[80 * number : 80 * number + 200]
        part[: len(piece)] = piece
        spectrum = (part * window * np.exp(-2j * np.pi * bins * step / 256)).sum(1)
        expected = np.log(np.maximum((abs(spectrum) ** 2 / (window**2).sum()) @ filters, 1e-10))
        np.testing.assert_allclose(found[number], expected, rtol=1e-5, atol=1e-5)


def test_a_tone_is_loudest_in_the_band_around_its_pitch():
    time = np.arange(4_000) / 8_000
    found = log_mel(np.sin(2 * np.pi * 1_000 * time), **SOUND, low=0.0, high=4_000.0)
    mels = 2595 * math.log10(1 + 4_000 / 700)
    middles = 700 * (10 ** (np.linspace(0, mels, 22)[1:-1] / 2595) - 1)
    assert found.mean(0).argmax() == np.abs(middles - 1_000).argmin()


def test_silence_is_finite_and_doubling_the_sound_adds_the_logarithm_of_four():
    samples = np.random.default_rng(0).uniform(-0.4, 0.4, 1_000)
    once, twice = (log_mel(factor * samples, **SOUND, low=0.0, high=4_000.0) for factor in (1, 2))
    np.testing.assert_allclose(twice - once, math.log(4), atol=1e-4)
    assert np.isfinite(log_mel(np.zeros(1_000), **SOUND, low=0.0, high=4_000.0)).all()


def test_mel_filters_overlap_so_that_each_pitch_between_their_middles_counts_once():
    filters = mel_filters(8_000, 1 << 14, 20, 100.0, 3_800.0)
    middles = filters.argmax(0)
    np.testing.assert_allclose(filters[middles[0] : middles[-1] + 1].sum(1), 1.0, atol=0.02)
    assert (np.diff(np.diff(middles)) >= -1).all()  # wider towards high pitch


def test_cepstral_coefficients_keep_the_length_of_a_frame():
    mels = np.random.default_rng(0).normal(size=(7, 20)).astype(np.float32)
    whole = mfcc(mels, 20)
    np.testing.assert_allclose((whole**2).sum(1), (mels**2).sum(1), rtol=1e-5)
    np.testing.assert_allclose(whole[:, 0], mels.mean(1) * math.sqrt(20), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(mfcc(mels, 5), whole[:, :5])


@pytest.mark.parametrize(("length", "count"), [(1, 1), (200, 1), (201, 2), (280, 2), (281, 3)])
def test_every_sample_is_in_a_frame(length, count):
    cut = frames(np.ones(length), 200, 80)
    assert cut.shape == (count, 200) and cut[-1].any()


def test_a_wave_file_of_another_rate_is_refused_with_the_way_out(tmp_path):
    samples = np.arange(-50, 50, dtype=np.int16)
    for rate, name in ((8_000, "right.wav"), (16_000, "wrong.wav")):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", None))
            file.writeframes(samples.astype("<i2").tobytes())
    np.testing.assert_array_equal(read_wave(tmp_path / "right.wav", 8_000), samples)
    with pytest.raises(ValueError, match=r"has 16000 samples a second .* needed are 8000 .*ffmpeg"):
        read_wave(tmp_path / "wrong.wav", 8_000)
    (tmp_path / "none.wav").write_bytes(b"no sound")
    with pytest.raises(ValueError, match=r"is not a \.wav file"):
        read_wave(tmp_path / "none.wav", 8_000)


# The preprocessor


def test_what_is_fitted_on_train_makes_its_mean_0_and_its_deviation_1():
    random = np.random.default_rng(0)
    train = [random.normal([3, -5], [2, 0.1], (int(random.integers(5, 30)), 2)).astype(np.float32) for _ in range(20)]
    train[0][2, 1] = np.nan
    fitted = LabelledSeriesPreprocessor(n_channels=2).fit(train)
    values = np.concatenate([fitted.transform(one) for one in train])
    np.testing.assert_allclose(values.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(values.std(0), 1.0, atol=1e-2)
    assert fitted.transform(train[0])[2, 1] == 0.0  # what is missing is the mean
    again = LabelledSeriesPreprocessor.from_json(fitted.to_json())
    assert again == fitted and again != LabelledSeriesPreprocessor(n_channels=2)


def test_each_series_own_scale_is_taken_where_asked_for():
    raw = np.array([[2.0], [4.0], [np.nan], [6.0]], np.float32)
    found = LabelledSeriesPreprocessor(scaling="series").transform(raw)
    np.testing.assert_allclose(found[:, 0], [-math.sqrt(1.5), 0, 0, math.sqrt(1.5)], atol=1e-6)
    assert (LabelledSeriesPreprocessor(scaling="series").transform(np.full((5, 1), 7.0, np.float32)) == 0).all()


def test_samples_may_be_integers_or_numbers_up_to_1():
    sound = LabelledSeriesPreprocessor("log-mel", scaling="none", **SOUND)
    whole = np.random.default_rng(0).integers(-9_000, 9_000, 2_000)
    first = sound.transform(sound.read(whole))
    for other in (whole.tolist(), whole.astype(np.int16), whole.astype(float), whole / 32_768, {"sample": whole.tolist()}):
        np.testing.assert_allclose(sound.transform(sound.read(other)), first, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(sound.transform(sound.read(torch.from_numpy(whole))), first)


def test_series_come_as_arrays_lists_columns_and_files(tmp_path):
    two = LabelledSeriesPreprocessor(n_channels=2)
    wanted = np.array([[1, 2], [3, np.nan], [5, 6]], np.float32)
    (tmp_path / "a.csv").write_text("left,right\n1,2\n3,\n5,6\n")
    for raw in (wanted, {"left": [1, 3, 5], "right": [2, None, 6]}, tmp_path / "a.csv", str(tmp_path / "a.csv")):
        np.testing.assert_array_equal(two.read(raw), wanted)
    np.testing.assert_array_equal(LabelledSeriesPreprocessor().read([1, None, 3]), np.array([[1], [np.nan], [3]]))


@pytest.mark.parametrize(
    ("raw", "error", "words"),
    [
        (["a", "b"], TypeError, "must be numbers"),
        ([], ValueError, "at least one step"),
        (np.ones((4, 3)), ValueError, r"of shape \(T,\) or \(T, 1\), got \(4, 3\)"),
        ([1.0, math.inf], ValueError, "finite"),
        ("series.txt", ValueError, r"must be .csv, got 'series.txt'"),
    ],
)
def test_what_is_no_series_is_refused(raw, error, words):
    with pytest.raises(error, match=words):
        LabelledSeriesPreprocessor().read(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [([0.5, 7.25], "from -1 to 1"), ([99_999, 2], "16 bits"), ([math.nan, 0.1], "NaN"), ("a.mp3", "must be .wav or .csv")],
)
def test_what_is_no_sound_is_refused(raw, words):
    with pytest.raises(ValueError, match=words):
        LabelledSeriesPreprocessor("log-mel", **SOUND).read(raw)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"features": "log_mel"}, "features must be one of"),
        ({"scaling": "minmax"}, "scaling must be one of"),
        ({"sample_rate": 8_000}, "nothing of sound"),
        ({"features": "log-mel", **SOUND, "n_mfcc": 13}, "n_mfcc belongs to mfcc"),
        ({"features": "mfcc", **SOUND, "n_mfcc": 21}, "n_mfcc belongs to mfcc"),
        ({"features": "log-mel", **SOUND, "n_mels": 100}, "too many"),
        ({"features": "log-mel", **SOUND, "high": 5_000.0}, "half the sample rate"),
        ({"mean": [1.0]}, "come together"),
        ({"mean": [1.0, 2.0], "std": [1.0, 1.0]}, "mean must be 1 numbers"),
        ({"mean": [0.0], "std": [0.0]}, "std must be above 0"),
        ({"n_channels": True}, "whole number"),
    ],
)
def test_an_impossible_preprocessor_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        LabelledSeriesPreprocessor(**arguments)


def test_one_series_is_told_from_several():
    one = ([1, 2.5], [None, 1], np.ones(3), np.ones((3, 2)), torch.ones(3), "a.csv", Path("a.wav"), {"value": [1]})
    several = ([[1, 2], [3]], [np.ones(3)], np.ones((2, 3, 1)), ["a.csv", "b.csv"], iter([1]), [])
    assert all(map(is_one_series, one)) and not any(map(is_one_series, several))


# Events


def test_runs_leave_out_background_and_what_does_not_count():
    classes = np.array([0, 0, 2, 2, 2, 0, 1, -100, -100, 1])
    assert runs(classes, background=0) == [Run(2, 2, 5), Run(1, 6, 7), Run(1, 9, 10)]


def test_the_median_takes_out_a_single_step():
    values = np.array([[0.0], [0], [1], [0], [0], [1], [1], [1]])
    assert median_filter(values, 3)[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert median_filter(values, 1) is values


def test_events_match_one_to_one_by_label_and_overlap():
    true = [(1, 0.0, 1.0), (2, 2.0, 3.0), (2, 3.5, 4.0)]
    assert match(true, true) == 3
    assert match([(1, 0.0, 0.5), (1, 0.5, 1.0)], true) == 1  # both overlap by half; a true one counts once
    assert match([(1, 0.0, 0.49)], true) == 0
    assert match([(3, 2.0, 3.0)], true) == 0
    assert match([], true) == match(true, []) == 0
    assert overlap((0, 2), (1, 3)) == pytest.approx(1 / 3) and overlap((0, 1), (2, 3)) == 0.0


def test_short_and_doubtful_events_are_dropped():
    from seqzoo.preprocessing.events import candidates

    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.2, 0.8]] * 4 + [[0.9, 0.1]] * 2 + [[0.4, 0.6]] * 2 + [[0.9, 0.1]])
    classes, scored = candidates(probabilities, 0, 1)
    assert classes.tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0]
    assert [one.run for one in keep(scored, 1, 0.0)] == [Run(1, 3, 7), Run(1, 9, 11)]
    assert [one.run for one in keep(scored, 3, 0.0)] == [one.run for one in keep(scored, 1, 0.7)] == [Run(1, 3, 7)]


# The archive's files


def test_ts_files_have_comments_missing_values_and_channels_of_unequal_length(tmp_path):
    text = "#made up\n@problemName A\n@univariate false\n@classLabel true b a\n@data\n1,2,?:3,4,5:b\n\n7:8:a\n"
    (tmp_path / "a.ts").write_text(text)
    file = read_ts(tmp_path / "a.ts")
    assert file.known == ["b", "a"] and file.labels == ["b", "a"]
    np.testing.assert_array_equal(file.series[0], np.array([[1, 3], [2, 4], [np.nan, 5]], np.float32))
    assert file.series[1].shape == (1, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@timeStamps true\n@classLabel true a b\n@data\n1,2:a\n", "time stamps"),
        ("@classLabel false\n@data\n1,2\n", "no class labels"),
        ("@targetLabel true\n@data\n1,2:3.5\n", "no class labels"),
        ("@classLabel true a b\n@data\n1,x:a\n", "line 3: numbers"),
        ("@classLabel true a b\n@data\n1,2:1:a\n", "line 3: numbers"),
        ("@classLabel true a b\n", "no series"),
    ],
)
def test_ts_files_of_another_form_are_refused(tmp_path, text, words):
    (tmp_path / "a.ts").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_ts(tmp_path / "a.ts")


def test_tsv_files_fill_up_short_series_at_their_end_alone(tmp_path):
    (tmp_path / "a.tsv").write_text("2\t1.5\tNaN\t3\n1.0000000e+00\t4\t5\tNaN\n-1\t1\t1\t1\n")
    file = read_tsv(tmp_path / "a.tsv")
    assert file.labels == ["2", "1", "-1"] and file.known == ["-1", "1", "2"]
    assert [len(one) for one in file.series] == [3, 2, 3] and np.isnan(file.series[0][1, 0])
    (tmp_path / "b.tsv").write_text("1\tx\n")
    with pytest.raises(ValueError, match="line 1"):
        read_tsv(tmp_path / "b.tsv")


def test_a_folder_without_the_files_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no Made_TRAIN.ts or Made_TRAIN.tsv"):
        seqzoo.create_datamodule("ucr", dataset="Made", data_dir=str(tmp_path)).read("train")
    with pytest.raises(FileNotFoundError, match=r"holds no all\.parquet and no \.wav"):
        seqzoo.create_datamodule("fsdd", data_dir=str(tmp_path)).read("train")


def test_a_label_that_train_does_not_have_is_refused(tmp_path):
    write_ucr(tmp_path)
    (tmp_path / "Made_TEST.ts").write_text(HEADER + "1,2:sideways\n")
    with pytest.raises(ValueError, match="'sideways' is none of up, down"):
        seqzoo.create_datamodule("ucr", dataset="Made", data_dir=str(tmp_path)).read("test")


@pytest.mark.parametrize("name", ["ecg5000", "fsdd", "fsdd_streams", "ucr"])
def test_a_corpus_says_what_its_card_needs_and_refuses_unknown_splits(name, tmp_path):
    given = {"dataset": "Made"} if name == "ucr" else {}
    data = seqzoo.create_datamodule(name, data_dir=str(tmp_path), **given)
    assert data.name == name and set(data.source) == {"type", "config"} and data.citation and data.limits
    with pytest.raises(ValueError, match="splits"):
        data.read("nonsense")


# Splits and batches


def test_a_stratified_draw_keeps_the_shares_and_one_of_each_class():
    targets = np.repeat([0, 1, 2, 3], [58, 30, 10, 2])
    held = stratified(targets, 20, seed=1)
    assert np.bincount(targets[held], minlength=4).tolist() in ([12, 6, 2, 0], [11, 6, 2, 1])
    assert len(set(held)) == 20 and (held == stratified(targets, 20, seed=1)).all()
    assert (held != stratified(targets, 20, seed=2)).any()
    left = np.setdiff1d(np.arange(100), stratified(targets, 96, seed=1))
    assert sorted(targets[left]) == [0, 1, 2, 3]
    assert len(stratified(targets, 0, seed=1)) == 0


def test_the_preprocessor_is_fitted_on_train_alone(tmp_path):
    data = make_ucr(tmp_path, validation_size=6)
    data.setup("fit")
    values = np.concatenate(data.series("train").series)
    assert data.preprocessor.mean == pytest.approx([values.mean()], abs=1e-5)
    assert len(data.series("train").series) == 18 and len(data.series("validation").series) == 6
    assert data.preprocessing == {"max_steps": max(len(one) for one in data.series("train").series)}


def test_batches_are_padded_with_0_and_hold_every_series_once(tmp_path):
    data = make_ucr(tmp_path, batch_size=5)
    data.setup()
    batches = list(data.train_dataloader())
    assert sum(len(batch.targets) for batch in batches) == 24
    for batch in batches:
        assert batch.values.dtype == torch.float32 and batch.targets.dtype == torch.int64
        outside = torch.arange(batch.values.shape[1]) >= batch.lengths[:, None]
        assert (batch.values[outside] == 0).all() and batch.values.shape[1] == batch.lengths.max()
    again = torch.cat([batch.targets for batch in data.test_dataloader()])
    assert again.bincount().tolist() == [12, 12]
    assert data.val_dataloader() == []


def test_training_series_are_changed_anew_and_test_series_never(tmp_path):
    data = make_ucr(tmp_path, noise=0.1, shift=2, gain=0.2, time_mask=3, batch_size=24)
    data.setup()
    torch.manual_seed(0)
    first, same = ([batch.values.sum().item() for batch in data.train_dataloader()] for _ in range(2))
    assert first == same  # the loader is seeded
    loader = data.train_dataloader()
    assert next(iter(loader)).values.sum() != next(iter(loader)).values.sum()
    test = [next(iter(data.test_dataloader())).values for _ in range(2)]
    torch.testing.assert_close(*test, rtol=0, atol=0)


def test_masks_are_spans_of_0_and_a_shift_moves_the_targets_too(digits):
    data = seqzoo.create_datamodule(
        "fsdd_streams", data_dir=str(digits), num_streams=4, digits=2, batch_size=4, shift=3, time_mask=5, channel_mask=4
    )
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    plain = {len(one): (one, target) for one, target in zip(data.inputs("train"), data.targets("train"), strict=True)}
    for values, length, target in zip(batch.values, batch.lengths.tolist(), batch.targets, strict=True):
        raw, classes = plain[length]
        values, target = values[:length].numpy(), target[:length].numpy()
        moves = [
            move
            for move in range(-3, 4)
            if ((np.roll(classes, move) == target) | (target == IGNORED)).all() and (target == IGNORED).sum() == abs(move)
        ]
        kept = (values != 0).any(1)[:, None] & (values != 0).any(0)
        assert any(np.array_equal(values[3:-3][kept[3:-3]], np.roll(raw, move, 0)[3:-3][kept[3:-3]]) for move in moves)
        assert (~kept.any(1)).sum() <= 5 and (~kept.any(0)).sum() <= 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"noise": -1.0}, "noise must be at least 0"),
        ({"noise": math.inf}, "noise must be at least 0"),
        ({"gain": 1.0}, "gain must be at least 0 and below 1"),
        ({"scaling": "minmax"}, "scaling must be one of"),
        ({"dataset": "../secrets"}, "dataset must be the name of one"),
    ],
)
def test_values_outside_their_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        seqzoo.create_datamodule("ucr", **{"dataset": "Made", **arguments})


def test_too_many_validation_series_are_refused(tmp_path):
    with pytest.raises(ValueError, match="validation_size must leave one of each class of 24"):
        make_ucr(tmp_path, validation_size=23).setup("fit")


def test_a_fingerprint_is_the_contents_and_not_the_files(tmp_path):
    first, second = make_ucr(tmp_path / "a"), make_ucr(tmp_path / "b", batch_size=3, validation_size=4)
    assert first.fingerprint("train") == second.fingerprint("train") != first.fingerprint("test")
    path = tmp_path / "b" / "Made_TRAIN.ts"
    path.write_text(path.read_text().replace(":up", ":down", 1))
    changed = seqzoo.create_datamodule("ucr", dataset="Made", data_dir=str(tmp_path / "b"))
    assert changed.fingerprint("train") != first.fingerprint("train")


def test_the_nearest_neighbour_is_the_one_of_least_distance():
    random = np.random.default_rng(0)
    train, test = ([random.normal(size=(6, 2)) for _ in range(n)] for n in (30, 40))
    targets = random.integers(0, 3, 30)
    found = measure.nearest_neighbour(train, targets, test)
    expected = [targets[np.argmin([np.square(one - other).sum() for other in train])] for one in test]
    assert found.tolist() == expected
    train[0][0, 0] = np.nan
    assert measure.nearest_neighbour(train, targets, test) is None


# Spoken digits


def test_digits_are_split_by_recording(digits):
    data = seqzoo.create_datamodule("fsdd", data_dir=str(digits), validation_recordings=2)
    parts = {split: data.part(split) for split in ("train", "validation", "test")}
    assert {split: sorted({one.index for one in part}) for split, part in parts.items()} == {
        "test": [0, 1, 2, 3, 4],
        "validation": [5, 6],
        "train": [7, 8, 9, 10, 11],
    }
    assert len(data.read("train").series) == 140 and len(data.series("train").series) == 100
    data.setup("fit")
    assert data.inputs("train")[0].shape[1] == 40
    assert np.bincount(data.targets("validation")).tolist() == [4] * 10


def test_digits_of_wave_files_are_those_of_the_table(digits, tmp_path):
    whole = seqzoo.create_datamodule("fsdd", data_dir=str(digits))
    for one in whole.recordings():
        with wave.open(str(tmp_path / f"{one.digit}_{one.speaker}_{one.index}.wav"), "wb") as file:
            file.setparams((1, 2, 8_000, 0, "NONE", None))
            file.writeframes(one.samples.astype("<i2").tobytes())
    write_json(tmp_path / "other.json", {})
    again = seqzoo.create_datamodule("fsdd", data_dir=str(tmp_path))
    assert again.fingerprint("test") == whole.fingerprint("test")


def make_streams(folder: Path, **options) -> LabelledSeriesDataModule:
    small = {"num_streams": 6, "digits": 3, "background_noise": 2.0}
    return seqzoo.create_datamodule("fsdd_streams", data_dir=str(folder), **{**small, **options})


def test_streams_are_spliced_from_recordings_of_their_own_split_alone(digits):
    data = make_streams(digits, background_noise=1.0)
    for split in ("train", "validation", "test"):
        lengths = {(one.digit, len(one.samples)) for one in data.part(split)}
        streams = data.read(split)
        assert streams.series[0].dtype == np.int16 and len(streams.series) == {"train": 6, "validation": 50}.get(split, 100)
        for samples, classes in zip(streams.series[:6], streams.targets, strict=False):
            assert samples.shape == (len(classes), 1)
            found = runs(classes, background=0)
            assert len(found) == 3 and all((run.label - 1, run.stop - run.start) in lengths for run in found)
            gaps = np.diff([0, *[edge for run in found for edge in run[1:]], len(classes)])[::2] / 8_000
            assert (gaps >= 0.099).all() and (gaps <= 1.0).all()
            loudness = [np.abs(samples[part].astype(float)).mean() for part in (classes == 0, classes > 0)]
            assert loudness[0] < 30 < loudness[1]


def test_each_test_recording_is_used_about_as_often_as_any_other(digits):
    data = make_streams(digits)
    counts = np.bincount([run.label for classes in data.read("test").targets for run in runs(classes, 0)])
    assert counts[0] == 0 and counts[1:].sum() == 300 and counts[1:].min() == counts[1:].max() == 30


def test_streams_are_the_same_each_time_unless_redrawn(digits):
    first, second, other = (make_streams(digits, split_seed=seed).fingerprint("train") for seed in (0, 0, 1))
    assert first == second != other


def test_frames_have_the_class_of_their_middle_sample(digits):
    data = make_streams(digits)
    data.setup("fit")
    raw = data.series("train").targets[0]
    found = data.targets("train")[0]
    assert len(found) == len(data.inputs("train")[0])
    assert found[:-3].tolist() == [raw[80 * frame + 100] for frame in range(len(found) - 3)]
    assert data.preprocessing["framewise"] and data.preprocessing["background"] == "silence"


# The real files


@pytest.mark.corpora
def test_the_heartbeats_have_the_archives_sizes_and_nearest_neighbours():
    data = seqzoo.create_datamodule("ecg5000")
    assert np.bincount(data.read("train").targets).tolist() == [292, 177, 10, 19, 2]
    assert np.bincount(data.read("test").targets).tolist() == [2627, 1590, 86, 175, 22]
    assert {one.shape for one in data.read("test").series} == {(140, 1)}
    found = measure.baselines(data, "test")  # the archive gives 1 - 0.0751
    assert found["nearest neighbour"] == pytest.approx(0.9249, abs=5e-5)


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("dataset", "sizes", "error"),
    [
        ("GunPoint", (50, 150, 150), 0.0867),
        ("ItalyPowerDemand", (67, 1029, 24), 0.0447),
        ("ArrowHead", (36, 175, 251), 0.2000),
        ("OSULeaf", (200, 242, 427), 0.4793),
    ],
)
def test_the_archives_sets_have_its_sizes_and_its_error_of_the_nearest_neighbour(dataset, sizes, error):
    data = seqzoo.create_datamodule("ucr", dataset=dataset)
    train, test = data.read("train"), data.read("test")
    assert (len(train.series), len(test.series), len(test.series[0])) == sizes
    assert 1 - measure.baselines(data, "test")["nearest neighbour"] == pytest.approx(error, abs=5e-5)


@pytest.mark.corpora
def test_the_spoken_digits_have_their_official_split():
    data = seqzoo.create_datamodule("fsdd")
    assert np.bincount(data.read("test").targets).tolist() == [30] * 10
    assert np.bincount(data.read("train").targets).tolist() == [270] * 10
    assert [len(data.part(split)) for split in ("train", "validation", "test")] == [2_400, 300, 300]
