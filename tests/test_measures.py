"""What is done around a checkpoint for any task: published, verified, pushed, recorded; on a made-up forecaster."""

import csv
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from made_up import read_json, write_json
from torch import nn

import seqzoo
from seqzoo import cards, catalog, cli, doctor, hub, measures, results, sharing, verification
from seqzoo.measures import Metric

TASK = "time-series-forecasting"
NEXT = {  # a recipe of it
    "seed_everything": 1,
    "model": {"class_path": "seqzoo.tasks.text_classification.TextClassification", "init_args": {"architecture": "steps"}},
    "data": {"class_path": "seqzoo.corpora.days.Days", "init_args": {"horizon": 1}},
    "trainer": {"max_epochs": 2, "default_root_dir": "runs/lectures/days-steps"},
}


class Steps(nn.Module):
    """Forecasts the next value as a multiple of the last."""

    task, architecture, labels = TASK, "steps", ["temperature"]

    def __init__(self, factor: float = 0.9):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([factor]))

    def predict(self, history: Any, horizon: int | None = None) -> Any:
        if isinstance(history, list):
            return [self.predict(one) for one in history]
        return float(self.factor.detach() * history["temperature"][-1])

    def save_pretrained(self, folder: Path, *, half: bool = False, texts: dict[str, str] | None = None) -> Path:
        config = {"task": TASK, "architecture": "steps", "arguments": {}, "labels": self.labels}
        config |= {"spec": {"n_channels": 1, "context_length": 3, "horizon": 1}, "preprocessing": {}}
        return hub.write(folder, config, self.state_dict(), {"scaler.json": "{}", **(texts or {})}, half=half)

    @classmethod
    def from_parts(cls, parts: hub.Parts) -> "Steps":
        model = cls()
        hub.fill(model, parts.tensors)
        return model


class Days:
    """Two hundred temperatures, the last hundred for the test."""

    name, source, language = "days", {"type": "made-up", "config": "days"}, []
    citation, limits, fingerprinted = "Nobody.", ["Made up."], ("train", "test")

    def __init__(self, *, horizon: int = 1):
        values = 10 * np.sin(np.arange(200) / 7) + 15
        self.values = {"train": values[:100], "test": values[100:]}

    def fingerprint(self, split: str) -> str:
        return {"train": "1", "test": "2"}[split] * 64


def histories(data: Days) -> list[dict[str, list[Any]]]:
    values = data.values["test"]
    return [
        {"when": [f"day {n + i}" for i in range(3)], "temperature": values[n : n + 3].tolist()}
        for n in range(len(values) - 3)
    ]


def forecasting() -> ModuleType:
    """The measures of the made-up task: the whole of what `seqzoo.measures` asks of such a file."""
    module = ModuleType(f"seqzoo.measures.{TASK.replace('-', '_')}")

    def evaluate(model: Any, data: Days, split: str, *, progress: bool = False) -> dict[str, Any]:
        errors = np.array(model.predict(histories(data))) - data.values[split][3:]
        return {"mae": float(np.abs(errors).mean()), "mse": float((errors**2).mean()), "n": len(errors)}

    def baselines(data: Days, split: str) -> dict[str, float]:
        return {"last value": float(np.abs(np.diff(data.values[split][2:])).mean())}

    def told(model: Any, example: dict[str, Any]) -> dict[str, Any]:
        return {"temperature": [model.predict(example)]}

    module.__dict__.update(
        MAIN={"mae": ["mae", "mse"]},
        HIGHER_IS_BETTER=False,
        METRICS={"mae": Metric("mean absolute error", 3, "{unit}"), "mse": Metric("mean squared error", 3)},
        NEEDED=("mse",),
        PIPELINE=TASK,
        ONE="forecast",
        MANY="histories",
        COUNTED=" windows",
        LABELS="Targets",
        evaluate=evaluate,
        baselines=baselines,
        tolerance=lambda kind, claimed, n: 1e-4 * abs(claimed),
        example=lambda data: histories(data)[0] | {"missing": [1.5, None, float("nan")]},
        told=told,
        is_told=lambda entry: isinstance(entry.get("temperature"), list),
        compare=measures.compare_plain,
        sample=lambda data, n: histories(data)[:n],
        unit=lambda data: "°C",
        limits=lambda model: ["Knows days alone."],
        rows=lambda config, numbers: measures.plain_rows(TASK, numbers),
        usage=lambda example: f'model.predict("example.csv")   # {example["temperature"][0]:.2f}',
    )
    return module


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty zoo that knows the made-up model, corpus and measures; the current folder."""
    module, resolve = forecasting(), catalog.resolve
    made_up = {("models", "forecaster"): Steps, ("corpora", "days"): Days}
    monkeypatch.setattr(catalog, "resolve", lambda room, name: made_up.get((room, name)) or resolve(room, name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(verification, "peak_memory", lambda *_: 200.0)  # a fresh process knows nothing of all this
    monkeypatch.setattr(catalog, "resource", lambda kind: tmp_path / kind)
    for folder in ("checkpoints", "results", "recipes/lectures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "checkpoints" / "index.json").write_text("{}")
    (tmp_path / "recipes" / "lectures" / "days-steps.yaml").write_text(yaml.safe_dump(NEXT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(zoo: Path, seed: int = 1, factor: float = 0.95) -> Path:
    """A finished run's folder."""
    run = zoo / "runs" / "lectures" / f"days-steps{'' if seed == 1 else f'-seed{seed}'}"
    recipe = {**NEXT, "seed_everything": seed, "trainer": {**NEXT["trainer"], "default_root_dir": str(run)}}
    training = {"seconds": 60.0, "epochs": 2, "seed": seed, "machine": "this", "versions": {"seqzoo": "0"}}
    training["validation"] = {"val_mae": 1.5}
    texts = {"recipe.yaml": yaml.safe_dump(recipe), "metrics.json": json.dumps({"training": training})}
    Steps(factor).save_pretrained(run / "model", texts=texts)
    return run


@pytest.fixture
def steps(zoo: Path) -> Path:
    """The published checkpoint."""
    named = {"label": "Tomorrow", "machine": "this machine", "seeds_tried": {"1": 1.5}, "chosen": "Not chosen."}
    verification.publish(make_run(zoo), "days-steps", **named)
    return zoo / "checkpoints" / "days-steps"


def test_a_card_of_forecasts_gives_its_error_in_its_unit_and_what_it_gains(steps):
    numbers, readme = read_json(steps / "metrics.json"), (steps / "README.md").read_text(encoding="utf-8")
    mae, last = numbers["test"]["mae"], numbers["baselines"]["last value"]
    worse = f"{abs(100 * (1 - mae / last)):.1f} % {'better' if mae < last else 'worse'}"
    for said in (
        f"| test mean absolute error | **{mae:.3f} °C** of 97 windows (days, official test) |",
        f"| test mean squared error | {numbers['test']['mse']:.3f} |",
        f"| baseline: last value | {last:.3f} °C; this one {worse} |",
        "| seeds tried | 1 (1.500 °C on validation); published: 1 |",
        "| one forecast on the CPU | p50",
        "(97 test histories one by one, this machine)",
        'model.predict("example.csv")   # ',
        "Targets: `temperature`. Architecture: `steps`.",
        "- Knows days alone.\n- Made up.",
    ):
        assert said in readme, said
    told = cards.metadata(readme)
    assert told["pipeline_tag"] == TASK and told["metrics"] == ["mae", "mse"] and told["language"] == []
    assert {one["type"] for one in told["model-index"][0]["results"][0]["metrics"]} == {"mae", "mse"}


def test_a_task_that_the_hub_has_no_pipeline_for_is_a_tag(steps, monkeypatch):
    monkeypatch.setattr(measures.of(TASK), "PIPELINE", None)
    told = cards.metadata(cards.card(steps, "days-steps"))
    assert "pipeline_tag" not in told and told["tags"] == ["seqzoo", TASK, "steps"]


def test_the_example_of_a_series_is_a_small_file_that_comes_back_as_it_went(steps, zoo):
    example = read_json(steps / "metrics.json")["example"]
    assert example["file"] == measures.EXAMPLE and cards.index()["days-steps"]["files"].keys() >= {measures.EXAMPLE}
    found = measures.read_example(steps / measures.EXAMPLE)
    wanted = measures.of(TASK).example(Days())
    assert found["when"] == wanted["when"] and found["temperature"] == wanted["temperature"]
    assert found["missing"] == pytest.approx([1.5, float("nan"), float("nan")], nan_ok=True)
    assert not list((zoo / "checkpoints").glob(".*")), "nothing is left beside it"


@pytest.mark.parametrize("content", [b"", b"a,b\n1\n", b"a,a\n1,2\n", b"\xff\n", b"a\n" + b"1\n" * (1 << 19)], ids=len)
def test_an_example_that_is_no_table_is_a_clear_error(tmp_path, content):
    (tmp_path / measures.EXAMPLE).write_bytes(content)
    with pytest.raises(ValueError, match=r"example\.csv"):
        measures.read_example(tmp_path / measures.EXAMPLE)
    with pytest.raises(ValueError, match="there is no"):
        measures.read_example(tmp_path / "nowhere.csv")


def test_too_long_an_example_is_refused_and_leaves_no_checkpoint(zoo, monkeypatch):
    monkeypatch.setattr(measures.of(TASK), "example", lambda data: {"temperature": [0.123456789] * 20_000})
    named = {"label": "x", "machine": "this", "seeds_tried": {}, "chosen": "x"}
    with pytest.raises(ValueError, match="at most 120000 bytes"):
        verification.publish(make_run(zoo), "days-steps", **named)
    assert {path.name for path in (zoo / "checkpoints").iterdir()} == {"index.json"}


def test_every_number_of_a_forecasters_card_is_measured_again(steps):
    report = verification.verify("days-steps", machine="another machine")
    assert report.holds, [number for number in report.numbers if number.verdict == "differs"]
    wanted = {"test sha256", "test mae", "test mse", "test n", "baseline last value", "example temperature", "p50_ms"}
    assert wanted <= {number.name for number in report.numbers}
    for change, wrong in (
        (("test", "mae"), "test mae"),
        (("baselines", "last value"), "baseline last value"),
        (("example", "temperature"), "example temperature"),
    ):
        numbers = read_json(steps / "metrics.json")
        place, key = numbers[change[0]], change[1]
        place[key] = [7.0] if isinstance(place[key], list) else place[key] + 0.5
        write_json(steps / "metrics.json", numbers)
        names = [
            number.name for number in verification.verify("days-steps", speed=False).numbers if number.verdict != "holds"
        ]
        assert wrong in names


@pytest.mark.parametrize(
    "change",
    [
        {"test": {"split": "test", "n": 97, "mae": 1.0}},
        {"test": {"split": "test", "n": 97, "mae": "1.0", "mse": 1.0}},
        {"example": {"file": "../../secret", "sha256": "0" * 64, "temperature": [1.0]}},
        {"example": {"file": "README.md", "sha256": "0" * 64, "temperature": [1.0]}},
        {"example": {"text": "a text", "file": "example.csv", "temperature": [1.0]}},
        {"example": {"file": "example.csv", "sha256": "0" * 64, "temperature": [1.0]}},
        {"example": {"file": "example.csv", "sha256": None, "temperature": [1.0]}},
        {"data": {"unit": 3}},
    ],
    ids=str,
)
def test_numbers_of_another_form_are_refused(steps, change):
    numbers = read_json(steps / "metrics.json")
    numbers |= {key: {**numbers[key], **value} if key == "data" else value for key, value in change.items()}
    with pytest.raises(ValueError, match=r"metrics\.json|example\.csv"):
        cards.check(steps, numbers, TASK)


def test_a_forecaster_is_pushed_with_its_example_and_loads_from_the_hub(writer, steps):
    verification.stamp(verification.verify("days-steps", speed=False))
    pushed = sharing.push(steps, "tester/days")
    loaded = seqzoo.load(f"hf-hub:tester/days@{pushed.revision}")
    wanted = {"config.json", "model.safetensors", "scaler.json", "README.md", "metrics.json", "recipe.yaml", "example.csv"}
    assert {path.name for path in loaded.folder.iterdir()} == wanted
    example = measures.read_example(loaded.folder / measures.EXAMPLE)
    assert loaded.predict(example) == seqzoo.load(steps).predict(example)
    (steps / "example.csv").write_text("temperature\n1\n")
    with pytest.raises(ValueError, match="not the one whose sha256"):
        sharing.push(steps, "tester/days")


LECTURES = """table,row,figure,unit,note,recipe
Temperature in 24 hours,last value,2.62,°C mean absolute error,,lectures/days-last
Temperature in 24 hours,steps,2.5,°C mean absolute error,,lectures/days-steps
"""


def test_runs_are_recorded_in_degrees_and_told_beside_the_last_value(steps, zoo, capsys):
    (zoo / "results" / "lectures.csv").write_text(LECTURES, encoding="utf-8")
    (zoo / "recipes" / "lectures" / "days-last.yaml").write_text(yaml.safe_dump(NEXT))
    last = make_run(zoo, 1, 1.0).rename(zoo / "runs" / "lectures" / "days-last")
    runs = [last, make_run(zoo, 1, 0.99), make_run(zoo, 2, 0.98), make_run(zoo, 3, 1.0)]
    texts = (last / "model" / "recipe.yaml").read_text().replace("days-steps", "days-last")
    hub.load(f"local-dir:{last / 'model'}").save_pretrained(last / "model", texts={"recipe.yaml": texts})
    assert cli.main(["record", *map(str, runs)]) == 0
    assert "seed 2: test mae" in capsys.readouterr().out
    with open(zoo / "results" / "runs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["recipe"] for row in rows] == ["lectures/days-last", *["lectures/days-steps"] * 3], "weights may be the same"
    assert {row["task"] for row in rows} == {TASK} and {row["validation_mae"] for row in rows} == {"1.5"}
    found = [float(row["test_mae"]) for row in rows]
    assert json.loads(rows[0]["test_metrics"])["mae"] == found[0] and rows[0]["test_accuracy"] == ""
    (first, own) = results.compare(zoo / "results")
    assert first["values"] == found[:1] and own["mean"] == pytest.approx(np.mean(found[1:])) and own["seeds"] == [1, 2, 3]
    assert own["best"][0] == "days-steps" and own["best"][1] == read_json(steps / "metrics.json")["test"]["mae"]
    text = results.render([first, own])
    spread = f"**{np.mean(found[1:]):.3f}** ({min(found[1:]):.3f} to {max(found[1:]):.3f})"
    gain = f"{100 * (1 - np.mean(found[1:]) / found[0]):+.1f} %"
    assert f"| steps | 2.50 | +4.6 % | {spread} | {gain} | 3 |" in text and "| last value | 2.62 | +0.0 % |" in text


def test_errors_by_horizon_are_told_beside_reported_ones(zoo):
    (zoo / "results" / "lectures.csv").write_text(LECTURES.splitlines()[0] + "\n")
    (zoo / "results" / "long_horizons.csv").write_text(
        "corpus,architecture,horizon,mse,mae,recipe\n"
        "days,steps,96,0.5,0.6,lectures/days-steps\ndays,steps,192,,,long-horizons/days-steps-192\n"
    )
    assert b"Long horizons" not in results.content(zoo / "results"), "nothing was run"
    results.record(make_run(zoo), zoo / "results")
    (row,) = csv.DictReader((zoo / "results" / "runs.csv").read_text().splitlines())
    text = results.content(zoo / "results").decode()
    assert f"| `steps` | ours | **{float(row['test_mse']):.3f}** / **{float(row['test_mae']):.3f}** | - |" in text
    assert "| `steps` | reported | 0.500 / 0.600 | - |" in text and "mean over 1 seed" in text


def test_a_file_of_runs_from_before_there_were_series_is_read(zoo):
    (zoo / "results" / "lectures.csv").write_text(LECTURES.splitlines()[0] + "\n")
    text = dict.fromkeys(results.EARLIER, "1") | {"recipe": "lectures/imdb", "weights_sha256": "x"}
    lines = [",".join(text), ",".join(text.values())]
    (zoo / "results" / "runs.csv").write_text("\n".join(lines) + "\n")
    results.record(make_run(zoo), zoo / "results")
    rows = list(csv.DictReader((zoo / "results" / "runs.csv").read_text().splitlines()))
    assert [row["task"] for row in rows] == ["", TASK] and rows[0] == text | dict.fromkeys(rows[0].keys() - text.keys(), "")


def test_evaluate_is_for_texts_and_names_verify(steps, capsys):
    (steps.parent / "a.csv").write_text("x,y\n1,2\n")
    arguments = ["evaluate", "days-steps", "--file", str(steps.parent / "a.csv"), "--input", "x", "--target", "y"]
    assert cli.main(arguments) == 2 and "seqzoo verify days-steps measures it" in capsys.readouterr().err


def test_info_tells_of_a_forecaster_and_its_corpus(steps, zoo, capsys):
    assert cli.main(["info", "days-steps", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["task"] == TASK and facts["test"]["n"] == 97 and facts["baselines"]["last value"] > 0
    assert cli.main(["info", "csv", "--json"]) == 0
    assert "labels" not in json.loads(capsys.readouterr().out), "they depend on the file"


def test_the_doctor_sees_that_an_example_was_changed(steps, zoo):
    assert not [line for line in doctor.examine(zoo / "cache")[1] if "days-steps" in line]
    (steps / measures.EXAMPLE).write_text("temperature\n1\n")
    assert any("example.csv is missing or not what the index says" in line for line in doctor.examine(zoo / "cache")[1])


def test_measures_of_an_unknown_task_are_a_clear_error():
    for task in ("os", "word-vectors", "../../x"):
        with pytest.raises(catalog.UnknownName, match="there is no task"):
            measures.of(task)


def test_a_checkpoint_of_another_task_is_no_baseline(zoo):
    (zoo / "checkpoints" / "words").mkdir()
    write_json(zoo / "checkpoints" / "words" / "config.json", {"task": "text-classification"})
    named = {"label": "x", "machine": "this", "seeds_tried": {}, "chosen": "x", "baselines": ["words"]}
    with pytest.raises(ValueError, match="words is a checkpoint of text-classification"):
        verification.publish(make_run(zoo), "days-steps", **named)
