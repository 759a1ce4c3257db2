"""The command on series: forecasts, classes, events and anomalies printed, written, drawn; wrong input refused in time."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from test_cli import refused, run  # noqa: F401  a fixture

import seqzoo
from seqzoo import catalog, hub, plots, series_cli
from seqzoo.models.anomaly_detector import AnomalyDetector
from seqzoo.models.forecaster import Forecaster
from seqzoo.models.series_classifier import SeriesClassifier
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor
from seqzoo.preprocessing.series import SeriesPreprocessor
from seqzoo.preprocessing.streams import StreamPreprocessor


def make_weather(steps: int) -> pd.DataFrame:
    hours, random = np.arange(steps), np.random.default_rng(0)
    return pd.DataFrame(
        {
            "time": pd.date_range("2020-01-01", periods=steps, freq="h"),
            "temperature": (10 + 5 * np.sin(2 * np.pi * hours / 24)).round(3),
            "pressure": (1000 + np.cumsum(random.normal(size=steps))).round(2),
        }
    )


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the temperature, six hours with quantiles."""
    torch.manual_seed(0)
    axis = {"time_column": "time", "frequency": "h", "calendar": ["hour"]}
    preprocessor = SeriesPreprocessor(["temperature", "pressure"], ["temperature"], **axis)
    preprocessor.fit(preprocessor.read(make_weather(300)))
    options = {"context_length": 12, "horizon": 6, "quantiles": [0.1, 0.5, 0.9]}
    model = Forecaster("gru", {"hidden_size": 4}, preprocessor=preprocessor, **options)
    return model.save_pretrained(tmp_path_factory.mktemp("forecaster") / "hourly")


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two columns without times."""
    table = make_weather(60)[["temperature", "pressure"]]
    preprocessor = SeriesPreprocessor(["temperature", "pressure"])
    preprocessor.fit(preprocessor.read(table))
    model = Forecaster("persistence", preprocessor=preprocessor, context_length=4, horizon=2)
    return model.save_pretrained(tmp_path_factory.mktemp("counting") / "counting")


def make_classifier(folder: Path, **options: object) -> Path:
    torch.manual_seed(0)
    preprocessor = LabelledSeriesPreprocessor(n_channels=1, scaling="series")
    chosen = {"preprocessor": preprocessor, "labels": ["noise", "tone"], "max_steps": 40, **options}
    return SeriesClassifier("gru", {"hidden_size": 4}, **chosen).save_pretrained(folder)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    make_weather(100).to_csv(tmp_path / "weather.csv", index=False)
    return tmp_path / "weather.csv"


@pytest.fixture
def waves(tmp_path: Path) -> list[Path]:
    """Two series of one channel."""
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for number, path in enumerate(paths, 1):
        path.write_text("value\n" + "".join(f"{np.sin(number * step):.3f}\n" for step in range(30)))
    return paths


@pytest.fixture
def not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""
    monkeypatch.setattr(hub, "load", lambda *_, **__: pytest.fail("a model was loaded"))
    monkeypatch.setattr(seqzoo, "load", hub.load, raising=False)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Forecasts


def test_a_forecast_is_printed_by_time_with_its_quantiles(run, forecaster, history):  # noqa: F811
    status, out, err = run("predict", forecaster, "--file", history)
    assert (status, err) == (0, "")
    head, *rows = [line.split("  ") for line in out.splitlines()]
    assert [cell.strip() for cell in head if cell] == ["time", "temperature", "temperature_0.1", "temperature_0.9"]
    wanted = seqzoo.load(forecaster).predict(history)
    assert len(rows) == 6 and rows[0][0] == "2020-01-05 04:00:00" == str(wanted.index[0])
    assert float(rows[0][1]) == pytest.approx(wanted["temperature"].iloc[0], rel=1e-5)


def test_a_forecast_as_json_is_one_object_per_step(run, forecaster, history):  # noqa: F811
    wanted = seqzoo.load(forecaster).predict(history, 2)
    for arguments in (["--file", history], [history]):
        status, out, _ = run("predict", forecaster, *arguments, "--json", "--horizon", 2)
        rows = [json.loads(line) for line in out.splitlines()]
        assert status == 0 and [row["time"] for row in rows] == [str(time) for time in wanted.index]
        assert [row["temperature_0.9"] for row in rows] == pytest.approx(wanted["temperature_0.9"].tolist())


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_a_forecast_is_written_to_a_file(run, forecaster, history, tmp_path, name):  # noqa: F811
    assert run("predict", forecaster, "--file", history, "--out", tmp_path / name)[:2] == (0, "")
    lines = (tmp_path / name).read_text().splitlines()
    rows = rows_of(tmp_path / name) if name.endswith("csv") else [json.loads(line) for line in lines]
    wanted = seqzoo.load(forecaster).predict(history)
    assert [float(row["temperature"]) for row in rows] == pytest.approx(wanted["temperature"].tolist())


def test_a_history_without_times_is_counted_on(run, counting, tmp_path):  # noqa: F811
    make_weather(10)[["pressure", "temperature"]].to_csv(tmp_path / "in.csv", index=False)
    status, out, _ = run("predict", counting, "--file", tmp_path / "in.csv", "--json", "--plot", tmp_path / "p.svg")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [row["step"] for row in rows] == [10, 11]
    assert rows[0]["temperature"] == pytest.approx(make_weather(10)["temperature"].iloc[-1], abs=1e-4)
    assert {"temperature", "pressure", "11"} <= texts_of(tmp_path / "p.svg")


def test_repairs_are_told_once_and_not_when_quiet(run, forecaster, tmp_path, caplog):  # noqa: F811
    make_weather(60).drop(index=40).iloc[::-1].to_csv(tmp_path / "in.csv", index=False)
    arguments = ["predict", forecaster, "--file", tmp_path / "in.csv", "--plot", tmp_path / "p.svg"]
    status, _, err = run(*arguments)
    assert status == 0 and "rows sorted" not in err, "the log alone says it"
    assert [record.message for record in caplog.records].count("rows sorted by time") == 1
    caplog.clear()
    assert run(*arguments, "--quiet")[0] == 0 and not caplog.records


# Drawings


def texts_of(path: Path) -> set[str]:
    """What is written in an SVG file."""
    return {element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")}


def test_a_forecast_is_drawn_with_its_history_and_interval(run, forecaster, history, tmp_path):  # noqa: F811
    assert run("predict", forecaster, "--file", history, "--plot", tmp_path / "p.svg")[0] == 0
    wanted = {"temperature", "measured", "forecast", "10 to 90 %", str(forecaster), "01-05 09:00"}
    assert wanted <= texts_of(tmp_path / "p.svg")
    tree = ElementTree.parse(tmp_path / "p.svg")
    lines = [one for one in tree.iter("{http://www.w3.org/2000/svg}polyline") if one.get("stroke") != "#ddd"]
    assert [len(one.get("points").split()) for one in lines] == [48, 6]
    assert [len(one.get("points").split()) for one in tree.iter("{http://www.w3.org/2000/svg}polygon")] == [12]


def test_missing_values_break_a_drawn_line_and_a_lonely_value_is_a_dot(tmp_path):
    values = [1.0, float("nan"), 2.0, 3.0]
    figure = plots.stack("<t>", [plots.panel("y", [("a", [0, 1, 2, 3], values), ("b", [5], [2.0])])])
    svg = plots.save(figure, tmp_path / "p.svg").read_text()
    assert svg.count("<circle") == 2 and svg.count('stroke-width="1.5"') == 3 and "&lt;t&gt;" in svg
    with pytest.raises(ValueError, match="nothing to plot"):
        plots.save(plots.stack("t", [plots.panel("y", [("a", [1], values[1:2])])]), tmp_path / "q.svg")
    assert not (tmp_path / "q.svg").exists()


def test_a_plot_as_png_is_drawn_by_matplotlib(run, forecaster, history, tmp_path):  # noqa: F811
    pytest.importorskip("matplotlib")
    assert run("predict", forecaster, "--file", history, "--plot", tmp_path / "p.png")[0] == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_png_is_refused_before_a_model_is_loaded(
    run,  # noqa: F811
    forecaster,
    history,
    tmp_path,
    monkeypatch,
    not_loaded,
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(run("predict", forecaster, "--file", history, "--plot", tmp_path / "p.png"), "seqzoo[plot]", ".svg")


def test_an_interval_may_end_at_the_median_and_the_history_reaches_as_far_as_the_forecast(tmp_path):
    axis = {"time_column": "time", "frequency": "h"}
    preprocessor = SeriesPreprocessor(["temperature"], **axis)
    rows = preprocessor.fit(preprocessor.read(make_weather(200))).read(make_weather(200))
    options = {"context_length": 12, "horizon": 1, "delay": 24, "quantiles": [0.5, 0.975]}
    model = Forecaster("gru", {"hidden_size": 4}, preprocessor=preprocessor, **options)
    figure = series_cli._forecast_figure(model, rows, model.predict_rows([rows])[0], "tomorrow")
    (panel,) = figure["panels"]
    assert panel["band"][0] == "50 to 97.5 %" and len(panel["lines"][0][1]) == 96


# What is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], ["no file 'nowhere.csv'"]),
        (["--file", "nowhere.csv"], ["no file 'nowhere.csv'"]),
        ([], ["give a file by --file"]),
        (["weather.csv", "weather.csv"], ["one file at a time"]),
        (["weather.csv", "--input", "x"], ["--input is for texts"]),
        (["weather.csv", "--separator", ";"], ["--separator is for texts"]),
        (["weather.csv", "--plot", "p.pdf"], ["--plot must end in", "p.pdf"]),
        (["weather.csv", "--plot", "no/p.svg"], ["there is no folder"]),
        (["weather.csv", "--out", "p.txt"], [".csv or .jsonl"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_files_are_refused_before_a_model_is_loaded(
    run,  # noqa: F811
    forecaster,
    history,
    monkeypatch,
    not_loaded,
    arguments,
    words,
):
    monkeypatch.chdir(history.parent)
    refused(run("predict", forecaster, *arguments), *words)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("time,temperature\n", [], ["no column 'pressure'"]),
        ("time,temperature,pressure\n2020-01-01,1,2\n", [], ["1 steps, and 12 are needed"]),
        (None, ["--horizon", "0"], ["horizon must be", "got 0"]),
        (None, ["--horizon", "7"], ["at most 6", "got 7"]),
    ],
    ids=str,
)
def test_a_wrong_history_is_one_clear_line(run, forecaster, history, content, options, words):  # noqa: F811
    if content:
        history.write_text(content)
    out = history.parent / "out.csv"
    refused(run("predict", forecaster, "--file", history, "--out", out, *options), *words)
    assert not out.exists()


@pytest.mark.parametrize("option", [["--plot", "p.svg"], ["--horizon", "2"]], ids=str)
def test_a_text_model_takes_neither_plot_nor_horizon(run, saved, not_loaded, option):  # noqa: F811
    refused(run("predict", saved, "lovely", *option), option[0], "for series")


# Classes and events


def test_each_file_of_a_series_gets_its_class(run, waves, tmp_path):  # noqa: F811
    folder = make_classifier(tmp_path / "model")
    wanted = seqzoo.load(folder).predict([str(path) for path in waves])
    status, out, _ = run("predict", folder, *waves)
    assert status == 0
    for line, path, result in zip(out.splitlines(), waves, wanted, strict=True):
        assert line.split() == [result.label, f"{result.score:.4f}", str(path)]
    rows = [json.loads(line) for line in run("predict", folder, *waves, "--json")[1].splitlines()]
    assert [row["scores"] for row in rows] == [pytest.approx(dict(result.scores)) for result in wanted]
    assert run("predict", folder, *waves, "--out", tmp_path / "out.csv")[0] == 0
    rows = rows_of(tmp_path / "out.csv")
    assert [row["label"] for row in rows] == [result.label for result in wanted] and "scores" not in rows[0]


def test_events_of_a_stream_are_told_one_by_one(run, waves, tmp_path):  # noqa: F811
    folder = make_classifier(tmp_path / "model", framewise=True)
    wanted = seqzoo.load(folder).predict(str(waves[0])).events
    assert wanted, "the made-up model finds some"
    status, out, _ = run("predict", folder, waves[0])
    head, *lines = out.splitlines()
    assert status == 0 and "start (steps)" in head and [line.split()[0] for line in lines] == [one.label for one in wanted]
    rows = [json.loads(line) for line in run("predict", folder, waves[0], "--json")[1].splitlines()]
    assert rows == [{"file": str(waves[0]), **vars(event)} for event in wanted]
    assert run("predict", folder, waves[0], "--out", tmp_path / "out.csv")[0] == 0
    rows = rows_of(tmp_path / "out.csv")
    assert [float(row["end"]) for row in rows] == [event.end for event in wanted]


def test_a_stream_without_events_says_so(run, waves, tmp_path):  # noqa: F811
    folder = make_classifier(tmp_path / "model", framewise=True, minimum_steps=1000)
    assert len(run("predict", folder, waves[0])[1].splitlines()) == 1, "the head of the table"
    assert run("predict", folder, waves[0], "--out", tmp_path / "out.csv")[0] == 0
    assert (tmp_path / "out.csv").read_text() == "file,label,start,end,score\n"


def test_a_classifier_draws_nothing_and_has_no_horizon(run, waves, tmp_path, not_loaded):  # noqa: F811
    folder = make_classifier(tmp_path / "model")
    refused(run("predict", folder, waves[0], "--plot", tmp_path / "p.svg"), "--plot draws forecasts and anomalies")
    refused(run("predict", folder, waves[0], "--horizon", 3), "--horizon belongs to forecasts")


# What is strange


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """300 quiet rows but for a leap."""
    random = np.random.default_rng(0)
    values = 0.1 * random.normal(size=300)
    values[250] = 9.0
    times = pd.date_range("2020-01-01", periods=300, freq="h")
    pd.DataFrame({"timestamp": times, "value": values.round(4)}).to_csv(tmp_path / "stream.csv", index=False)
    return tmp_path / "stream.csv"


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = AnomalyDetector("gru", {"hidden_size": 4}, preprocessor=StreamPreprocessor(), context_length=16)
    return model.save_pretrained(tmp_path / "detector")


def test_the_leap_of_a_stream_is_told_written_and_drawn(run, detector, stream, tmp_path):  # noqa: F811
    status, out, _ = run("predict", detector, "--file", stream, "--plot", tmp_path / "p.svg")
    assert status == 0 and any("2020-01-11 10:00:00" in line for line in out.splitlines())
    assert {"series", "score"} <= texts_of(tmp_path / "p.svg") and "<rect" in (tmp_path / "p.svg").read_text()
    wanted = seqzoo.load(detector).predict(str(stream))
    rows = [json.loads(line) for line in run("predict", detector, stream, "--json")[1].splitlines()]
    assert rows == [vars(window) for window in wanted.windows] and any(row["first"] <= 250 <= row["last"] for row in rows)
    assert run("predict", detector, stream, "--out", tmp_path / "out.csv")[0] == 0
    every = rows_of(tmp_path / "out.csv")
    assert [float(row["score"]) for row in every] == pytest.approx(wanted.scores.tolist())
    flagged = [int(row["row"]) for row in every if row["anomalous"] == "True"]
    assert flagged == [at for row in rows for at in range(row["first"], row["last"] + 1)] and "time" in every[0]


def test_a_quiet_stream_leaves_a_file_without_anomalies(run, detector, tmp_path):  # noqa: F811
    (tmp_path / "quiet.csv").write_text("value\n" + "0.5\n" * 200)
    assert run("predict", detector, tmp_path / "quiet.csv", "--out", tmp_path / "out.csv")[0] == 0
    rows = rows_of(tmp_path / "out.csv")
    assert len(rows) == 200 and {row["anomalous"] for row in rows} == {"False"}


def test_strange_series_are_told_by_file(run, waves, tmp_path):  # noqa: F811
    torch.manual_seed(0)
    options = {"method": "reconstruction", "context_length": 30}
    model = AnomalyDetector(
        "lstm_autoencoder",
        {"hidden_size": 4},
        preprocessor=LabelledSeriesPreprocessor(n_channels=1, scaling="series"),
        **options,
    )
    folder = model.save_pretrained(tmp_path / "model")
    for path, result in zip(waves, seqzoo.load(folder).predict([str(path) for path in waves]), strict=True):
        (row,) = [json.loads(line) for line in run("predict", folder, path, "--json")[1].splitlines()]
        assert (row["anomalous"], row["score"]) == (result.anomalous, pytest.approx(result.score))
    assert run("predict", folder, waves[0], "--plot", tmp_path / "p.svg")[0] == 0
    assert {"series", "error", "error of each step"} <= texts_of(tmp_path / "p.svg")
    refused(run("predict", folder, *waves), "one file at a time")


def test_every_series_task_has_its_way_of_predicting():
    assert set(series_cli.FORMS) == set(catalog.MODELS) - {"text-classification"}
