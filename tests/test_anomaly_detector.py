"""Anomaly detectors look back only, tell an alarm once, and come back from disk bit by bit."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_nab import write_nab

import seqzoo
from seqzoo.corpora.ecg5000_normal import ECG5000Normal
from seqzoo.corpora.nab import NAB
from seqzoo.measures import anomaly_detection as measures
from seqzoo.models.anomaly_detector import AnomalyDetector
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor
from seqzoo.preprocessing.streams import StreamPreprocessor
from seqzoo.preprocessing.surprise import excess, first_alarms, likelihood, normal_tail, spans, trailing_mean
from seqzoo.tasks.anomaly_detection import AnomalyDetection


def make_detector(**options) -> AnomalyDetector:
    torch.manual_seed(0)
    options = {"preprocessor": StreamPreprocessor(), "context_length": 16, "threshold": 0.05, **options}
    return AnomalyDetector("gru", {"hidden_size": 8}, **options).eval()


def make_autoencoder(**options) -> AnomalyDetector:
    torch.manual_seed(0)
    options = {"preprocessor": LabelledSeriesPreprocessor(scaling="none"), "context_length": 12, **options}
    return AnomalyDetector("lstm_autoencoder", {"hidden_size": 4}, method="reconstruction", **options).eval()


def make_columns(n_rows: int = 700, *, spike: int | None = 500, seed: int = 0) -> dict[str, list]:
    values = np.sin(np.arange(n_rows) / 7) + 0.05 * np.random.default_rng(seed).normal(size=n_rows)
    if spike is not None:
        values[spike] += 6.0
    times = np.datetime64("2021-03-01T00:00:00", "s") + np.arange(n_rows) * 600
    return {"timestamp": [str(time).replace("T", " ") for time in times], "value": values.tolist()}


def write_ecg(folder: Path) -> Path:
    """Files of ECG5000's form: normal series are sines, the others are turned upside down."""
    random = np.random.default_rng(0)
    for split, size in (("TRAIN", 40), ("TEST", 50)):
        lines = []
        for number in range(size):
            label = 1 + (number % 5 == 0) * (1 + number % 4)
            values = (1 if label == 1 else -1) * np.sin(np.arange(20) / 3) + 0.05 * random.normal(size=20)
            lines.append("\t".join(map(str, [label, *values])))
        (folder / f"ECG5000_{split}.tsv").write_text("\n".join(lines) + "\n")
    return folder


# Scores


def test_a_record_is_told_by_how_far_it_leaves_the_range():
    np.testing.assert_allclose(np.expm1(excess(np.array([0.0, 1.0, 0.5, 3.0, -1.0, 2.9])))[2:], [0, 2, 1 / 3, 0])


def test_a_trailing_mean_has_fewer_values_at_the_start():
    np.testing.assert_allclose(trailing_mean(np.array([2.0, 4.0, 6.0, 8.0]), 2), [2, 3, 5, 7])


def test_an_alarm_is_told_once_unless_what_follows_is_stranger():
    told = first_alarms(np.array([0, 0.5, 0.4, 0.6, 0.1, 0, 0, 0.2]), 3)
    np.testing.assert_array_equal(told, [0, 0.5, 0, 0.6, 0, 0, 0, 0.2])
    assert spans(told > 0, 3) == [(1, 3), (7, 7)]


def test_the_normal_tail_goes_on_where_probabilities_underflow():
    found = normal_tail(np.array([0.0, 1.6448536, 50.0]))
    np.testing.assert_allclose(found[:2], [np.log10(2), np.log10(20)], rtol=1e-6)
    assert 500 < found[2] < 600


def test_the_likelihood_rises_where_errors_do():
    errors = np.abs(np.random.default_rng(0).normal(size=500))
    errors[400:410] += 5
    assert likelihood(errors, 10).argmax() in range(405, 411)


# Prediction


def test_a_spike_is_flagged_where_and_when_it_is():
    columns = make_columns()
    found = make_detector().predict(columns)
    assert [(window.first, window.last) for window in found.windows] == [(500, 500)]
    assert found.windows[0].start == columns["timestamp"][500] and found.windows[0].score == found.scores[500]
    assert found.scores.shape == (700,) and found.scores.min() >= 0 and found.scores.max() < 1
    assert found.probation == 105 and not found.scores[:105].any() and found.threshold == 0.05


def test_rows_to_come_never_change_a_score():
    detector, columns = (
        make_detector(weights={"value": 1.0, "level": 0.5, "residual": 0.5, "likelihood": 0.1}),
        make_columns(),
    )
    whole = detector.predict(columns, probation=100).scores
    for n_rows in (101, 333, 512):
        part = detector.predict({name: values[:n_rows] for name, values in columns.items()}, probation=100).scores
        np.testing.assert_allclose(part, whole[:n_rows], atol=1e-5)


def test_all_forms_of_a_stream_give_the_same(tmp_path):
    detector, columns = make_detector(), make_columns()
    table = pd.DataFrame(columns)
    table.to_csv(tmp_path / "stream.csv", index=False)
    dated = table.assign(timestamp=pd.to_datetime(table["timestamp"]))
    wanted = detector.predict(columns)
    for raw in (table, dated, tmp_path / "stream.csv", np.array(columns["value"]), columns["value"]):
        found = detector.predict(raw)
        np.testing.assert_array_equal(found.scores, wanted.scores)
    assert detector.predict(dated).windows == wanted.windows
    assert [len(one.scores) for one in detector.predict([columns, table])] == [700, 700]
    assert detector.predict(columns["value"]).windows[0].start is None


def test_scale_and_level_of_a_stream_do_not_matter():
    columns = make_columns()
    moved = {**columns, "value": [1e6 + 300 * value for value in columns["value"]]}
    np.testing.assert_allclose(make_detector().predict(moved).scores, make_detector().predict(columns).scores, atol=1e-4)


def test_of_a_missing_value_nothing_is_told():
    columns = make_columns(spike=None)
    columns["value"][300] = None
    found = make_detector().predict(columns)
    assert np.isfinite(found.scores).all() and found.scores[300] == 0.0


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"values": [1.0] * 300}, "no column 'value'; did you mean 'values'"),
        ({"value": ["1", "x"] * 200}, "column 'value' must be numbers, got 'x'"),
        ({"value": [1.0] * 30}, "a stream of 30 rows has a probation of 4, which must be at least 20"),
        ({"value": [1.0] * 300, "timestamp": ["noon"] * 300}, "column 'timestamp' must hold times such as"),
        ({"value": [float("inf")] * 300}, "must be finite"),
        (np.zeros((300, 2)), "one value a row"),
    ],
)
def test_what_is_no_stream_is_refused(raw, message):
    with pytest.raises(ValueError, match=message):
        make_detector().predict(raw)


def test_time_of_day_needs_its_column():
    detector = make_detector(preprocessor=StreamPreprocessor(calendar=True))
    assert detector.predict(make_columns()).scores.shape == (700,)
    with pytest.raises(ValueError, match="it needs the column 'timestamp' too"):
        detector.predict(make_columns()["value"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": {"values": 1.0}}, "no term 'values'; did you mean 'value'"),
        ({"weights": {}}, "at least one"),
        ({"threshold": 2.0}, "threshold must be from 0 to 1"),
        ({"quiet": -1.0}, "quiet must be a share"),
        ({"method": "guess"}, "method must be one of"),
        ({"method": "reconstruction"}, "gives encoded; the method reconstruction needs"),
        ({"preprocessor": LabelledSeriesPreprocessor()}, "needs a StreamPreprocessor"),
        ({"labels": ["a", "b", "c"]}, "labels must be two"),
    ],
)
def test_settings_outside_their_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_detector(**change)


@pytest.mark.parametrize("arguments", [{"bidirectional": True}, {"reverse": True}])
def test_a_network_that_sees_the_future_is_refused(arguments):
    with pytest.raises(ValueError, match="sees rows that are still to come"):
        AnomalyDetector("gru", arguments, preprocessor=StreamPreprocessor())


def test_a_series_has_one_score_and_errors_of_each_step():
    series = [np.random.default_rng(seed).normal(size=12) for seed in range(5)]
    detector = make_autoencoder()
    found = detector.predict(series)
    assert [one.errors.shape for one in found] == [(12,)] * 5 and all(0 <= one.score < 1 for one in found)
    alone = detector.predict(series[3])
    assert alone.score == pytest.approx(found[3].score, abs=1e-6)
    with pytest.raises(ValueError, match="probation belongs to streams"):
        detector.predict(series[0], probation=4)


# Calibration


def test_the_threshold_of_streams_is_what_few_normal_rows_reach():
    detector = make_detector()
    streams = [make_columns(300, spike=None, seed=seed) for seed in range(6)]
    detector.calibrate(streams, false_alarms=0.01)
    scores = [detector.stream_scores(detector.preprocessor.read(one), 300)[150:] for one in streams]
    assert np.mean(np.concatenate(scores) >= detector.threshold) <= 0.015 and detector.threshold > 0


def test_the_threshold_of_series_parts_the_two_kinds():
    normal = [np.sin(np.arange(12) / 3) + 0.01 * seed for seed in range(6)]
    strange = [8 * one for one in normal[:3]]
    detector = make_autoencoder()
    detector.calibrate([*normal, *strange], np.arange(9) >= 6)
    assert [one.anomalous for one in detector.predict([*normal, *strange])] == [False] * 6 + [True] * 3
    with pytest.raises(ValueError, match="two normal validation series"):
        detector.calibrate(normal[:2], np.array([True, False]))


# Checkpoints


@pytest.mark.parametrize("make", [make_detector, make_autoencoder])
def test_save_and_load_keep_every_bit(make, tmp_path):
    model = make(threshold=0.125)
    again = seqzoo.load(model.save_pretrained(tmp_path / "saved"))
    assert type(again) is AnomalyDetector and again.preprocessing == model.preprocessing
    assert again.preprocessor == model.preprocessor and again.spec == model.spec
    raw = make_columns() if make is make_detector else np.arange(12.0)
    found, wanted = again.predict(raw), model.predict(raw)
    if make is make_detector:
        np.testing.assert_array_equal(found.scores, wanted.scores)
        assert found.windows == wanted.windows
    else:
        assert found.score == wanted.score


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "guess"}, "preprocessing must give"),
        ({"method": ["forecast"]}, "preprocessing must give"),
        ({"extra": 1}, "preprocessing must give"),
        ({"threshold": "high"}, "threshold must be a finite number"),
        ({"context_length": 17}, "spec"),
    ],
)
def test_a_changed_config_is_refused(change, message, tmp_path):
    folder = make_detector().save_pretrained(tmp_path / "saved")
    config = json.loads((folder / "config.json").read_text())
    config["preprocessing"] |= change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises((ValueError, seqzoo.hub.CheckpointError), match=message):
        seqzoo.load(folder)


# Training and measuring


def fit(data, task) -> None:
    import lightning as L

    trainer = L.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(task, datamodule=data)


def test_a_detector_of_streams_is_fitted_calibrated_and_measured(tmp_path):
    data = NAB(data_dir=str(write_nab(tmp_path)), context_length=16, batch_size=4)
    task = AnomalyDetection("gru", {"hidden_size": 8}, false_alarms=0.01)
    fit(data, task)
    assert 0.0 < task.model.threshold < 1.0 and task.model.threshold != 0.5
    found = measures.evaluate(task.model, data, "test")
    assert found["n"] == 3 and found["windows"] == 2 and found["nab_optimised"] > 50
    assert set(measures.baselines(data, "test")) == {"random", "windowed Gaussian"}
    checkpoint: dict = {}
    task.on_save_checkpoint(checkpoint)
    again = AnomalyDetection("gru", {"hidden_size": 8})
    again.on_load_checkpoint(json.loads(json.dumps(checkpoint)))
    assert again.model.preprocessing == task.model.preprocessing
    raw = measures.sample(data, 2)
    assert measures.is_told(measures.told(task.model, raw[0])) and len(raw) == 2


def test_an_autoencoder_is_fitted_on_normal_series_alone(tmp_path):
    data = ECG5000Normal(data_dir=str(write_ecg(tmp_path)), batch_size=8, validation_size=6)
    task = AnomalyDetection("lstm_autoencoder", {"hidden_size": 8})
    fit(data, task)
    assert not np.asarray(data.series("train").targets).any() and data.calibration()[1].sum() == 8
    found = measures.evaluate(task.model, data, "test")
    assert found["n"] == 50 and 0.0 <= found["auroc"] <= 1.0 and task.model.error_std > 0
    told = measures.told(task.model, measures.example(data))
    assert measures.is_told(told) and "score" in measures.usage({"file": "example.csv", **told})
    assert measures.baselines(data, "test")["distance to the mean normal series"] > 0.9


def test_auroc_and_average_precision_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    scores, anomalous = random.integers(0, 20, 300) / 20, random.random(300) < 0.3
    found = measures.of_scores(scores, scores >= 0.5, anomalous)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(anomalous, scores))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(anomalous, scores))
    assert found["f1"] == pytest.approx(metrics.f1_score(anomalous, scores >= 0.5))
