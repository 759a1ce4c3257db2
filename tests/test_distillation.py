"""Soft labels from teachers, and a card made from a run folder."""

import json
import shutil
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from made_up import write_imdb

import seqzoo
from seqzoo import cards, cli, verification
from seqzoo.callbacks.soft_labels import SoftLabels
from seqzoo.preprocessing.tokenizer import Tokenizer


@pytest.fixture
def imdb(tmp_path: Path) -> L.LightningDataModule:
    data = seqzoo.create_datamodule("imdb", data_dir=str(write_imdb(tmp_path / "imdb")), validation_size=20, min_frequency=1)
    data.setup("fit")
    return data


@pytest.fixture
def teacher(imdb: L.LightningDataModule, tmp_path: Path) -> Path:
    model = seqzoo.create_model("bilstm", corpus=imdb, hidden_size=4, embedding_size=4)
    return model.save_pretrained(tmp_path / "teacher")


def trainer(root: Path) -> L.Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    return L.Trainer(default_root_dir=root, max_epochs=1, accelerator="cpu", **quiet)


def test_unlabelled_texts_get_the_mean_of_the_teachers(imdb, teacher: Path, tmp_path: Path) -> None:
    student = seqzoo.create_task(seqzoo.create_model("bilstm", corpus=imdb, hidden_size=4, embedding_size=4))
    fit = trainer(tmp_path / "run")
    fit.callbacks.append(SoftLabels(teachers=[str(teacher), str(teacher)]))
    fit.fit(student, imdb)
    documents, targets = imdb.training_set()
    labelled = len(imdb.texts("train"))
    assert len(documents) == len(targets) == labelled + len(imdb.texts("unsupervised"))
    assert set(np.unique(targets[:labelled])) == {0.0, 1.0}
    said = seqzoo.load(teacher).predict(imdb.texts("unsupervised")[:5])
    np.testing.assert_allclose(targets[labelled : labelled + 5], [list(one.scores.values()) for one in said], atol=2e-5)
    assert fit.global_step == -(-len(documents) // imdb.batch_size)


def test_a_teacher_trained_anew_is_asked_anew(imdb, teacher: Path, tmp_path: Path) -> None:
    callback, kept = SoftLabels(teachers=[str(teacher)]), tmp_path / "soft_labels.json"
    first = callback._ask(imdb, kept)
    np.testing.assert_array_equal(callback._ask(imdb, kept), first)
    with torch.no_grad():
        changed = seqzoo.load(teacher)
        changed.head.bias.add_(torch.tensor([3.0, 0.0]))
    changed.save_pretrained(teacher)
    assert np.all(callback._ask(imdb, kept)[:, 0] > first[:, 0])


def test_a_missing_teacher_is_named_before_any_work() -> None:
    with pytest.raises(ValueError, match="no model 'runs/nowhere/model'"):
        SoftLabels(teachers=["runs/nowhere/model"])


def test_a_teacher_with_other_labels_is_refused(imdb, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = seqzoo.create_model("bilstm", preprocessor=tokenizer, labels=["a", "b"], hidden_size=4)
    model.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="has the labels"):
        SoftLabels(teachers=[str(tmp_path / "other")])._ask(imdb, tmp_path / "kept.json")


def test_publishing_measures_a_run_and_writes_card_and_index(
    imdb, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, shelf = tmp_path / "run", tmp_path / "checkpoints"
    shutil.copytree(teacher, run / "model")
    recipe = "data: {class_path: seqzoo.corpora.imdb.IMDB, init_args: {validation_size: 20}}\n"
    (run / "model" / "recipe.yaml").write_text(recipe)
    training = {"seconds": 60.0, "epochs": 1, "steps": 3, "seed": 1, "machine": "this"}
    (run / "model" / "metrics.json").write_text(json.dumps({"training": training}))
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    monkeypatch.setattr("seqzoo.catalog.resource", lambda kind: tmp_path / kind)
    status = cli.main(["publish", str(run), "tiny", "--label", "Tiny.", "--seed", "1=0.5", "--chosen", "Not at all."])
    assert status == 0, capsys.readouterr().err
    numbers, test = cards.metrics(shelf / "tiny"), imdb.read("test")
    model = seqzoo.load(f"local-dir:{shelf / 'tiny'}")
    guesses = [model.labels.index(result.label) for result in model.predict(test.texts)]
    assert numbers["test"]["accuracy"] == np.mean(np.array(guesses) == test.targets)
    assert "Not at all." in (shelf / "tiny" / "README.md").read_text()
    assert set(json.loads((shelf / "index.json").read_text())["tiny"]["files"]) == {
        file.name for file in (shelf / "tiny").iterdir()
    }


def test_parts_of_the_test_split_are_scored_apart_on_the_card(
    imdb, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, name = tmp_path / "run", "tiny"
    shutil.copytree(teacher, run / "model")
    recipe = "data: {class_path: seqzoo.corpora.imdb.IMDB, init_args: {validation_size: 20}}\n"
    (run / "model" / "recipe.yaml").write_text(recipe)
    training = {"seconds": 60.0, "epochs": 1, "steps": 3, "seed": 1, "machine": "this"}
    (run / "model" / "metrics.json").write_text(json.dumps({"training": training}))
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    monkeypatch.setattr("seqzoo.catalog.resource", lambda kind: tmp_path / kind)
    monkeypatch.setattr("seqzoo.corpora.imdb.IMDB.scored_apart", ("train",))
    monkeypatch.setattr("seqzoo.corpora.imdb.IMDB.drawn", True)
    numbers = verification.publish(run, name, label="Tiny.", machine="this", seeds_tried={"1": 0.5}, chosen="Not at all.")
    apart = verification.evaluate(seqzoo.load(f"local-dir:{tmp_path / 'checkpoints' / name}"), *imdb.read("train"))
    assert numbers["parts"] == {"train": apart}
    card = (tmp_path / "checkpoints" / name / "README.md").read_text()
    assert f"| train accuracy, macro F1 | **{100 * apart['accuracy']:.2f} %** of 160, {apart['macro_f1']:.4f} |" in card
    assert "(imdb, drawn test)" in card
