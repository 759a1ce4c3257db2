"""Series classifiers: prediction, checkpoints, training of whole series and of events, what a card tells of them."""

import json
import math
import wave
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from made_up import read_json, small_arguments, write_json
from test_labelled_corpora import make_streams, make_ucr, write_digits, write_ucr

import seqzoo
from seqzoo import catalog
from seqzoo.callbacks.choose_events import ChooseEvents, best_settings
from seqzoo.hub import CheckpointError, fingerprint
from seqzoo.measures import read_example, write_example
from seqzoo.measures import time_series_classification as measure
from seqzoo.models.series_classifier import SeriesClassifier, _pieces
from seqzoo.preprocessing.events import runs
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor
from seqzoo.tasks.time_series_classification import TimeSeriesClassification

LABELS = ["rest", "up", "down"]
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def encodes(name: str) -> bool:
    """Whether an architecture may classify series."""
    try:
        SeriesClassifier.check(name)
    except ValueError:
        return False
    return True


NAMES = [name for name in catalog.list_architectures() if encodes(name)]
FRAMEWISE = [
    name for name in ("rnn", "bilstm", "stacked_gru", "crnn", "fcn", "lstm_fcn", "tdnn", "transformer") if name in NAMES
]


def make_classifier(name: str = "gru", *, framewise: bool = False, n_channels: int = 2, **options) -> SeriesClassifier:
    """An untrained model of two channels whose output depends on every value, in eval mode."""
    torch.manual_seed(0)
    options = {"max_steps": 20, **({"background": "rest"} if framewise else {}), **options}
    preprocessor = options.pop("preprocessor", LabelledSeriesPreprocessor(scaling="none", n_channels=n_channels))
    arguments = options.pop("arguments", small_arguments(name, series=True))
    model = SeriesClassifier(name, arguments, preprocessor=preprocessor, labels=LABELS, framewise=framewise, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def make_series(n: int = 9, longest: int = 18, n_channels: int = 2) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=(int(random.integers(4, longest + 1)), n_channels)).astype(np.float32) for _ in range(n)]


def trainer(tmp_path: Path, epochs: int, **options) -> L.Trainer:
    return L.Trainer(max_epochs=epochs, default_root_dir=tmp_path, **{**QUIET, **options})


# Predicting


@pytest.mark.parametrize("name", NAMES)
def test_a_series_alone_and_among_others_has_the_same_class(name):
    model, series = make_classifier(name), make_series()
    together = model.predict(series, batch_size=4)
    assert [result.label for result in together] == [max(one.scores, key=one.scores.get) for one in together]
    for one, result in zip(series, together, strict=True):
        alone = model.predict(one)
        assert alone.scores == pytest.approx(result.scores, abs=1e-5)
        assert sum(alone.scores.values()) == pytest.approx(1.0) and not alone.truncated
    assert len({round(result.score, 4) for result in together}) > 1


@pytest.mark.parametrize("name", FRAMEWISE)
def test_every_step_has_a_class_and_padding_changes_none(name):
    model, series = make_classifier(name, framewise=True), make_series()
    for one, rows in zip(series, model.probabilities(series), strict=True):
        assert rows.shape == (len(one), 3)
        np.testing.assert_allclose(rows.sum(1), 1.0, atol=1e-6)
        np.testing.assert_allclose(model.probabilities([one])[0], rows, atol=1e-5)


def test_steps_that_the_network_shortens_stand_for_those_they_came_from():
    arguments = {"channels": 4, "hidden_size": 4, "num_layers": 1, "time_pool": 3}
    model = make_classifier("crnn", framewise=True, arguments=arguments)
    rows = model.probabilities(make_series(1, 12))[0]
    for start in range(0, len(rows), 3):
        np.testing.assert_array_equal(
            rows[start : start + 3], np.repeat(rows[start : start + 1], len(rows[start : start + 3]), 0)
        )
    with pytest.raises(ValueError, match="dense gives no steps"):
        make_classifier("dense", framewise=True).predict(make_series(1)[0])


def test_a_longer_series_is_cut_and_says_so():
    model, long = make_classifier(max_steps=10), make_series(1, 60)[0]
    long = np.concatenate([long] * 4)
    assert model.predict(long).truncated
    assert model.predict(long).scores == model.predict(long[:10]).scores
    assert not model.predict(long[:10]).truncated


def test_a_long_stream_is_read_in_pieces_that_overlap():
    assert _pieces(5, 8) == [(0, 5, range(5))]
    assert _pieces(10, 8) == [(0, 6, range(4)), (2, 10, range(4, 8)), (6, 10, range(8, 10))]
    for length, most in ((1, 1), (7, 1), (100, 16), (31, 8)):
        pieces = _pieces(length, most)
        assert [step for *_, kept in pieces for step in kept] == list(range(length))
        assert all(
            0 <= first <= kept.start and kept.stop <= last <= length and last - first <= most for first, last, kept in pieces
        )
    arguments = {"hidden_size": 4}  # each step sees few to its sides
    whole = make_classifier("tdnn", framewise=True, max_steps=1_000, arguments=arguments)
    cut = make_classifier("tdnn", framewise=True, max_steps=64, arguments=arguments)
    stream = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    np.testing.assert_allclose(cut.probabilities([stream])[0], whole.probabilities([stream])[0], atol=1e-5)


def test_events_are_runs_of_a_label_with_their_times(monkeypatch):
    rows = np.array([[1, 0, 0]] * 4 + [[0.1, 0.9, 0]] * 6 + [[1, 0, 0]] * 2 + [[0.4, 0, 0.6]] * 5 + [[1, 0, 0]] * 3)
    model = make_classifier("gru", framewise=True)
    found = model.events(rows)
    assert [(one.label, one.start, one.end) for one in found.events] == [("up", 4, 10), ("down", 12, 17)]
    assert [one.score for one in found.events] == pytest.approx([0.9, 0.6])
    assert found.unit == "steps" and found.labels[3:5] == ("rest", "up") and len(found.labels) == 20
    model.set_events(background="rest", threshold=0.7)
    assert [one.label for one in model.events(rows).events] == ["up"]
    model.set_events(background="rest", minimum_steps=6)
    assert [one.label for one in model.events(rows).events] == ["up"]
    sound = LabelledSeriesPreprocessor("log-mel", scaling="none", sample_rate=8_000, frame=200, hop=80, n_mels=10)
    in_seconds = make_classifier("gru", framewise=True, preprocessor=sound).events(rows)
    assert in_seconds.unit == "seconds"
    assert [(one.start, one.end) for one in in_seconds.events] == [(0.0475, 0.1075), (0.1275, 0.1775)]


def test_lists_files_and_arrays_are_the_same_series(tmp_path):
    model, values = make_classifier(n_channels=1), [0.5, -1.0, 2.0, 0.25, 3.0]
    (tmp_path / "a.csv").write_text("value\n" + "\n".join(map(str, values)))
    wanted = model.predict(values)
    for raw in (np.array(values), torch.tensor(values), tmp_path / "a.csv", str(tmp_path / "a.csv"), {"value": values}):
        assert model.predict(raw).scores == pytest.approx(wanted.scores)
    assert [one.label for one in model.predict([values, values])] == [wanted.label] * 2
    assert model.predict([]) == []


def test_a_wave_file_is_predicted_as_its_samples(tmp_path):
    sound = LabelledSeriesPreprocessor("mfcc", scaling="series", sample_rate=8_000, frame=200, hop=80, n_mels=20, n_mfcc=8)
    model = make_classifier("gru", preprocessor=sound)
    samples = np.random.default_rng(0).integers(-5_000, 5_000, 1_500).astype(np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", None))
        file.writeframes(samples.astype("<i2").tobytes())
    assert model.predict(tmp_path / "a.wav") == model.predict(samples)
    assert model.predict(samples / 32_768).scores == pytest.approx(model.predict(samples).scores, abs=1e-5)


def test_several_threads_and_batch_sizes_give_the_same(monkeypatch):
    model, series = make_classifier("bigru"), make_series(20)
    wanted = [result.score for result in model.predict(series)]
    torch.set_num_threads(2)
    try:
        assert [result.score for result in model.predict(iter(series), batch_size=3)] == pytest.approx(wanted, abs=1e-6)
    finally:
        torch.set_num_threads(1)
    with pytest.raises(ValueError, match="batch_size"):
        model.predict(series, batch_size=0)


def test_encode_gives_the_networks_summary():
    model, series = make_classifier("fcn"), make_series()
    assert model.encode(series).shape == (9, model.network.output_size)
    torch.testing.assert_close(model.encode(series[2]), model.encode(series)[2], rtol=1e-5, atol=1e-5)
    assert model.encode([]).shape == (0, model.network.output_size)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("bow", {"arguments": {}}, "bow reads texts, no series"),
        ("persistence", {"arguments": {}}, "persistence gives a forecast; a classifier needs"),
        ("lstm_autoencoder", {"arguments": {}}, "lstm_autoencoder gives a reconstruction"),
        ("gru", {"arguments": {"hidden": 3}}, "gru has no argument 'hidden'"),
        ("gru", {"max_steps": 0}, "max_steps must be a whole number from 1"),
        ("gru", {"framewise": True, "background": "sleep"}, "background must be one of rest, up, down, got 'sleep'"),
        ("gru", {"framewise": True, "median_steps": 4}, "median_steps must be an odd number"),
        ("gru", {"framewise": True, "minimum_steps": 0}, "minimum_steps"),
        ("gru", {"framewise": True, "threshold": 1.5}, "threshold must be from 0 to 1"),
        ("gru", {"threshold": 0.5}, "belong to framewise models"),
    ],
)
def test_an_impossible_model_is_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        make_classifier(name, **options)


# Checkpoints


@pytest.mark.parametrize(("name", "framewise"), [("fcn", False), ("lstm_fcn", False), ("crnn", True), ("gru", True)])
def test_a_checkpoint_predicts_the_same(tmp_path, name, framewise):
    model, series = make_classifier(name, framewise=framewise), make_series()
    if framewise:
        model.set_events(background="rest", median_steps=3, minimum_steps=2, threshold=0.25)
    again = seqzoo.load(model.save_pretrained(tmp_path / "saved"))
    assert type(again) is SeriesClassifier and not again.training
    assert again.predict(series) == model.predict(series)
    assert again.preprocessing == model.preprocessing and again.preprocessor == model.preprocessor
    config = read_json(tmp_path / "saved" / "config.json")
    assert config["task"] == "time-series-classification" and set(config["files"]) == {"model.safetensors", "scaler.json"}
    assert config["spec"] == {"n_channels": 2, "context_length": 20, "horizon": 0}


def test_half_precision_on_disk_predicts_nearly_the_same(tmp_path):
    model, series = make_classifier("crnn"), make_series()
    again = seqzoo.load(model.save_pretrained(tmp_path / "saved", half=True))
    for one, other in zip(model.predict(series), again.predict(series), strict=True):
        assert one.scores == pytest.approx(other.scores, abs=2e-2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preprocessing": {}}, "preprocessing must give max_steps"),
        ({"preprocessing": {"max_steps": 20, "framewise": False}}, "preprocessing must give max_steps"),
        ({"preprocessing": {"max_steps": "20"}}, "max_steps must be a whole number"),
        ({"preprocessing": {"max_steps": 10}}, "spec"),
        ({"labels": ["a", "a", "b"]}, "two different names"),
        ({"labels": ["a", "b"]}, "tensor 'head.*must be"),
        ({"architecture": "segrnn"}, "gives a forecast"),
        ({"arguments": {"hidden_size": 10**9}}, "."),
    ],
)
def test_a_config_that_does_not_fit_is_named(tmp_path, change, words):
    folder = make_classifier().save_pretrained(tmp_path / "saved")
    write_json(folder / "config.json", {**read_json(folder / "config.json"), **change})
    with pytest.raises(CheckpointError, match=words):
        seqzoo.load(folder)


@pytest.mark.parametrize("text", ["[]", "{", '{"features": "values"}', '{"mean": NaN}'])
def test_a_scaler_that_is_none_of_ours_is_named(tmp_path, text):
    folder = make_classifier().save_pretrained(tmp_path / "saved")
    (folder / "scaler.json").write_text(text)
    config = read_json(folder / "config.json")
    config["files"]["scaler.json"] = fingerprint(folder / "scaler.json")
    write_json(folder / "config.json", config)
    with pytest.raises(CheckpointError, match=r"scaler\.json"):
        seqzoo.load(folder)


def test_a_changed_model_is_not_pushed(tmp_path):
    model = make_classifier()
    with pytest.raises(ValueError, match="in no folder yet"):
        model.push_to_hub("me/model")
    model.save_pretrained(tmp_path / "saved")
    with torch.no_grad():
        model.head.bias.add_(1.0)
    with pytest.raises(ValueError, match="was changed since"):
        model.push_to_hub("me/model")


# Training


@pytest.mark.parametrize("name", ["fcn", "gru"])
def test_training_learns_what_rises_and_what_falls(tmp_path, name):
    data = make_ucr(tmp_path, batch_size=8, validation_size=6)
    L.seed_everything(1, verbose=False)
    arguments = {"channels": 8} if name == "fcn" else {"hidden_size": 8, "pooling": "max-mean"}
    task = TimeSeriesClassification(
        name,
        arguments,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.02),
        label_smoothing=0.05,
        class_weights=0.5,
    )
    run = trainer(tmp_path, 12)
    run.fit(task, datamodule=data)
    assert {"train_loss", "val_loss", "val_accuracy", "val_macro_f1"} <= set(run.callback_metrics)
    found = measure.evaluate(task.model, data, "test")
    assert found["accuracy"] >= 0.95 and found["n"] == 24 and found["truncated"] <= 24
    logged = run.test(task, datamodule=data, verbose=False)[0]
    assert logged["test_accuracy"] == pytest.approx(found["accuracy"])
    assert logged["test_macro_f1"] == pytest.approx(found["macro_f1"], abs=1e-6)
    assert measure.baselines(data, "test") == {"majority class": 0.5}  # series of unequal length have no nearest neighbour


def test_weights_of_classes_have_the_mean_1_and_favour_the_rare(tmp_path):
    data = make_ucr(tmp_path)
    data.setup("fit")
    data.splits["train"] = data.splits["train"]._replace(targets=np.repeat([0, 1], [20, 4]))
    task = TimeSeriesClassification("fcn", {"channels": 4}, class_weights=1.0)
    trainer(tmp_path, 1, max_steps=1).fit(task, datamodule=data)
    assert task.weights.tolist() == pytest.approx([0.6, 3.0])


def test_a_training_checkpoint_restores_the_model(tmp_path):
    data = make_ucr(tmp_path, validation_size=6)
    task = TimeSeriesClassification("fcn", {"channels": 4})
    run = trainer(tmp_path, 1)
    run.fit(task, datamodule=data)
    run.save_checkpoint(tmp_path / "last.ckpt")
    again = TimeSeriesClassification.load_from_checkpoint(tmp_path / "last.ckpt", map_location="cpu")
    series = data.series("validation").series
    assert again.model.eval().predict(series) == task.model.eval().predict(series)
    other = make_ucr(tmp_path / "other", scaling="series")
    with pytest.raises(ValueError, match="another preprocessor"):
        trainer(tmp_path, 2).fit(
            TimeSeriesClassification("fcn", {"channels": 4}), datamodule=other, ckpt_path=tmp_path / "last.ckpt"
        )


def test_a_model_made_for_a_corpus_is_trained_on(tmp_path):
    data = make_ucr(tmp_path)
    model = seqzoo.create_model("fcn", task="time-series-classification", corpus=data, channels=4)
    assert model.labels == ["up", "down"] and model.max_steps == 15
    before = model.head.weight.clone()
    task = seqzoo.create_task(model, label_smoothing=0.1)
    trainer(tmp_path, 1).fit(task, datamodule=data)
    assert task.model is model and not torch.equal(before, model.head.weight)
    alone = seqzoo.create_model(
        "gru", task="time-series-classification", preprocessor=LabelledSeriesPreprocessor(scaling="none"), labels=["a", "b"]
    )
    assert alone.eval().predict([1.0, 2.0]).label in ("a", "b")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"class_weights": 2.0}, "class_weights must be from 0 to 1"),
        ({"lr_scheduler_interval": "day"}, "lr_scheduler_interval"),
    ],
)
def test_an_impossible_task_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        TimeSeriesClassification("fcn", **options)


def test_a_network_that_forecasts_is_refused_before_any_data_is_read():
    with pytest.raises(ValueError, match="gives a forecast"):
        TimeSeriesClassification("dlinear")


# Events


@pytest.fixture(scope="module")
def spotter(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TimeSeriesClassification, L.LightningDataModule, dict[str, float]]:
    """A task trained to find tones in streams, its corpus, and what it logged."""
    folder = tmp_path_factory.mktemp("spotter")
    data = make_streams(write_digits(folder, samples=1_500), num_streams=60, batch_size=6, redraw=True, frame=400, hop=160)
    L.seed_everything(1, verbose=False)
    arguments = {"hidden_size": 16}
    optimizer = lambda parameters: torch.optim.AdamW(parameters, lr=0.01)  # noqa: E731
    task = TimeSeriesClassification("bigru", arguments, optimizer=optimizer)
    choose = ChooseEvents(median_steps=[1, 5], minimum_steps=[1, 4], threshold=[0.0, 0.5])
    run = trainer(
        folder, 8, callbacks=[choose], reload_dataloaders_every_n_epochs=1, check_val_every_n_epoch=8, num_sanity_val_steps=0
    )
    run.fit(task, datamodule=data)
    run.save_checkpoint(folder / "last.ckpt")
    return task, data, {name: float(value) for name, value in run.callback_metrics.items()}


def test_a_stream_of_tones_is_spotted(spotter):
    task, data, logged = spotter
    found = measure.evaluate(task.model.eval(), data, "validation")
    assert found["event_f1"] >= 0.9 and found["events"] == 150 and found["n"] == 50
    assert found["event_f1"] == pytest.approx(2 / (1 / found["event_precision"] + 1 / found["event_recall"]), abs=1e-6)
    assert logged["val_event_f1"] == pytest.approx(found["event_f1"], abs=0.02)  # one counts in frames, the other in samples
    assert logged["val_accuracy"] == pytest.approx(found["frame_accuracy"], abs=0.05)
    assert measure.baselines(data, "test") == {"no event at all": 0.0}


def test_the_settings_of_events_are_chosen_on_validation_and_travel(spotter, tmp_path):
    task, data, _ = spotter
    chosen = {key: task.model.preprocessing[key] for key in ("median_steps", "minimum_steps", "threshold")}
    again = TimeSeriesClassification.load_from_checkpoint(
        Path(task.trainer.default_root_dir) / "last.ckpt", map_location="cpu"
    )
    assert again.model.preprocessing == task.model.preprocessing
    loaded = seqzoo.load(task.model.save_pretrained(tmp_path / "saved"))
    assert loaded.preprocessing == task.model.preprocessing and chosen["median_steps"] in (1, 5)
    stream = data.read("test").series[0]
    assert loaded.predict(stream) == task.model.eval().predict(stream)


def test_new_streams_are_drawn_for_every_epoch(spotter):
    _, data, _ = spotter
    assert not np.array_equal(data.series("train").series[0], data.read("train").series[0])
    assert len(data.inputs("train")) == 60


def test_the_best_settings_have_the_highest_f1():
    truth = np.array([0] * 10 + [1] * 8 + [0] * 10)
    rows = np.eye(2)[truth] * 0.8 + 0.1
    rows[3] = [0.1, 0.9]  # a false event of one step
    grid = {"median_steps": [1, 3], "minimum_steps": [1, 4], "threshold": [0.0]}
    assert best_settings([rows], [truth], 0, grid) == {"median_steps": 1, "minimum_steps": 4, "threshold": 0.0}
    assert runs(truth, 0)[0].stop == 18


def test_events_are_not_chosen_for_whole_series(tmp_path):
    with pytest.raises(ValueError, match="classify every step"):
        trainer(tmp_path, 1, callbacks=[ChooseEvents()]).fit(TimeSeriesClassification("fcn"), datamodule=make_ucr(tmp_path))


# Cards


def test_the_example_of_a_card_is_told_the_same_from_its_file(tmp_path, spotter):
    task, streams, _ = spotter
    data = make_ucr(tmp_path)
    for model, corpus in ((make_classifier("fcn", n_channels=1), data), (task.model.eval(), streams)):
        example = measure.example(corpus)
        (tmp_path / "example.csv").write_text(write_example(example))
        assert (tmp_path / "example.csv").stat().st_size < 60_000
        told = measure.told(model, example)
        assert measure.is_told(told) and json.loads(json.dumps(told)) == told
        assert (
            measure.told(model, read_example(tmp_path / "example.csv"))
            == measure.told(model, tmp_path / "example.csv")
            == told
        )
        assert all(claimed == now for _, claimed, now, _ in measure.compare(told, told))
        assert 'model.predict("example.csv")' in measure.usage({"file": "example.csv", **told})
        assert len(measure.limits(model)) == 1
        sample = measure.sample(corpus, 5)
        assert sample == json.loads(json.dumps(sample)) == measure.sample(corpus, 5) and len(model.predict(sample)) == 5


@pytest.mark.parametrize(
    "entry",
    [{}, {"label": 3, "score": 1.0}, {"label": "a"}, {"events": "1 2", "starts": [0.1], "ends": [0.2], "scores": [1.0]}],
)
def test_what_tells_no_prediction_is_refused(entry):
    assert not measure.is_told(entry)


def test_metrics_of_whole_series_are_those_of_texts(tmp_path):
    data = make_ucr(tmp_path)
    model = make_classifier("fcn", n_channels=1)
    model.labels = ["up", "down", "other"]
    found = measure.evaluate(model, data, "test")
    results = model.predict(data.read("test").series)
    right = [
        result.label == ("up", "down")[target] for result, target in zip(results, data.read("test").targets, strict=True)
    ]
    assert found["accuracy"] == pytest.approx(np.mean(right))
    losses = [
        -math.log(result.scores[("up", "down")[target]])
        for result, target in zip(results, data.read("test").targets, strict=True)
    ]
    assert found["log_loss"] == pytest.approx(np.mean(losses))
    assert set(found) - {"n", "truncated"} <= set(measure.METRICS)
    for metric in ("accuracy", "macro_f1", "log_loss", "event_f1"):
        assert 0 < measure.tolerance(metric, 0.9, 300) < 0.1


def test_a_wrong_argument_is_refused_by_fit_before_any_data_is_read(tmp_path, capsys):
    from seqzoo.cli import main

    write_ucr(tmp_path / "Made")
    with pytest.raises(SystemExit):
        main(["fit", "--config", "ucr-gunpoint", "--model.init_args.arguments", '{"channels": 0}'])
    assert "channels" in capsys.readouterr().err
