"""Checkpoints of series by the real models, from a finished run to the Hub and back: each task by one way."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from made_up import read_json

import seqzoo
from seqzoo import cli, factory, measures, results, sharing, verification
from seqzoo.fitting import machine


def waves(root: Path) -> dict[str, Any]:
    """A series classifier's corpus, model and what its card must say."""
    folder, random = root / "ucr" / "Waves", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for split in ("TRAIN", "TEST"):
        rows = [
            "\t".join(
                [str(1 + n % 2), *(f"{np.sin(i * (0.2 + 0.3 * (n % 2))) + 0.1 * random.normal():.4f}" for i in range(24))]
            )
            for n in range(40)
        ]
        (folder / f"Waves_{split}.tsv").write_text("\n".join(rows) + "\n")
    return {
        "task": "time-series-classification",
        "corpus": {"class_path": "seqzoo.corpora.ucr.UCR", "init_args": {"dataset": "Waves"}},
        "model": {"architecture": "gru", "arguments": {"hidden_size": 8}},
        "says": ("| test accuracy | **", "baseline: nearest neighbour", 'model.predict("example.csv")'),
    }


def months(root: Path) -> dict[str, Any]:
    """A forecaster's: twelve years of months."""
    (root / "classic").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = [
        f"{1949 + n // 12}-{1 + n % 12:02d},{100 + n + 20 * np.sin(n * np.pi / 6) + random.normal():.1f}" for n in range(144)
    ]
    (root / "classic" / "airline-passengers.csv").write_text("\n".join(["Month,Passengers", *rows]) + "\n")
    return {
        "task": "time-series-forecasting",
        "corpus": {"class_path": "seqzoo.corpora.air_passengers.AirPassengers", "init_args": {"horizon": 6}},
        "model": {"architecture": "gru", "arguments": {"hidden_size": 8}},
        "says": ("| test mean absolute error | **", "of 19 windows", "baseline: last season", "Targets: `Passengers`"),
    }


SORTS: list[Callable[[Path], dict[str, Any]]] = [waves, months]


@pytest.fixture(params=SORTS, ids=lambda sort: sort.__name__)
def sort(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A task with its made-up corpus at hand; the current folder is empty."""
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path / "data"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return request.param(tmp_path / "data")


def make_run(sort: dict[str, Any], root: Path) -> Path:
    """A run's folder as `fit` leaves it, of an untrained model."""
    torch.manual_seed(0)
    name = sort["corpus"]["class_path"].split(".")[2]
    data = factory.create_datamodule(name, **sort["corpus"]["init_args"])
    model = factory.create_model(sort["model"]["architecture"], corpus=data, **sort["model"]["arguments"])
    class_path = f"seqzoo.tasks.{sort['task'].replace('-', '_')}"
    class_path += f".{''.join(word.title() for word in sort['task'].split('-'))}"
    recipe = {
        "seed_everything": 1,
        "model": {"class_path": class_path, "init_args": sort["model"]},
        "data": sort["corpus"],
        "trainer": {"max_epochs": 1, "default_root_dir": "runs/made-up"},
    }
    training = {"seconds": 1.0, "epochs": 1, "seed": 1, "machine": machine(), "versions": {"seqzoo": "0"}, "validation": {}}
    texts = {"recipe.yaml": yaml.safe_dump(recipe), "metrics.json": json.dumps({"training": training})}
    model.save_pretrained(root / "run" / "model", texts=texts)
    return root / "run"


@pytest.fixture
def published(sort: dict[str, Any], tmp_path: Path) -> Path:
    options = ["--label", "Made up", "--seed", "1=0.5", "--chosen", "Not chosen.", "--limit", "All.", "--license", "mit"]
    run = make_run(sort, tmp_path)
    assert cli.main(["publish", str(run), "made-up", *options, "--output", str(tmp_path / "made-up"), "--quiet"]) == 0
    return tmp_path / "made-up"


def test_a_run_becomes_a_checkpoint_whose_every_number_holds(sort, published, capsys):
    files = {"config.json", "model.safetensors", "scaler.json", "README.md", "metrics.json", "recipe.yaml", "example.csv"}
    assert {path.name for path in published.iterdir()} == files
    readme, numbers = (published / "README.md").read_text(encoding="utf-8"), read_json(published / "metrics.json")
    for said in (*sort["says"], "license: mit", "library_name: seqzoo", f"{numbers['speed']['p50_ms']:.1f} ms", "- All."):
        assert said in readme, said
    capsys.readouterr()
    assert cli.main(["verify", str(published), "--json", "--quiet"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    names = {number["name"] for number in report["numbers"] if number["verdict"] == "holds"}
    main = measures.main_metric(sort["task"], numbers["test"])
    assert {f"test {main}", "test n", "test sha256", "bytes", "parameters"} <= names
    assert any(name.startswith("example ") for name in names) and any(name.startswith("baseline ") for name in names)
    assert verification.cards.unverified(published, read_json(published / "metrics.json")) is None


def test_the_cards_example_is_predicted_from_its_file_by_the_command(sort, published, capsys):
    pytest.importorskip("seqzoo.series_cli")
    capsys.readouterr()
    assert cli.main(["predict", str(published), "--file", str(published / "example.csv"), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])


def test_it_is_pushed_and_comes_back_bit_for_bit(writer, sort, published):
    verification.stamp(verification.verify(str(published), speed=False))
    pushed = sharing.push(published, "tester/made-up")
    again = seqzoo.load(f"hf-hub:tester/made-up@{pushed.revision}")
    measure, example = measures.of(sort["task"]), measures.read_example(again.folder / measures.EXAMPLE)
    assert measure.told(again, example) == measure.told(seqzoo.load(published), example)
    assert (again.folder / "example.csv").read_bytes() == (published / "example.csv").read_bytes()


def test_its_run_is_recorded_with_its_numbers(sort, published, tmp_path, monkeypatch):
    recipe = tmp_path / "zoo" / "recipes" / "made-up.yaml"
    recipe.parent.mkdir(parents=True)
    shutil.copy(published / "recipe.yaml", recipe)
    monkeypatch.setattr("seqzoo.catalog.resource", lambda kind: tmp_path / "zoo" / kind)
    row = results.record(tmp_path / "run", tmp_path / "results")
    numbers = read_json(published / "metrics.json")["test"]
    main = measures.main_metric(sort["task"], numbers)
    assert json.loads(row["test_metrics"])[main] == pytest.approx(numbers[main], rel=0.05, abs=0.05), "but for float16"
    assert row["task"] == sort["task"] and row["recipe"] == "made-up"
