"""Runs are recorded once, by their recipe's name, and RESULTS.md is what the records say."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from made_up import LABELS, ROOT, write_imdb, write_json

import seqzoo
from seqzoo import catalog, cli, results
from seqzoo.preprocessing.tokenizer import Tokenizer

RECIPE = {
    "seed_everything": 1,
    "model": {
        "class_path": "seqzoo.tasks.text_classification.TextClassification",
        "init_args": {"architecture": "gru", "arguments": {"embedding_size": 8, "hidden_size": 8}},
    },
    "data": {"class_path": "seqzoo.corpora.imdb.IMDB", "init_args": {"validation_size": 20}},
    "trainer": {"max_epochs": 2, "default_root_dir": "runs/lectures/imdb-gru", "callbacks": [{"init_args": {"epochs": 3}}]},
}
LECTURES = "table,row,figure,unit,note,recipe\nIMDB,GRU,48.5,% accuracy,(guessed),lectures/imdb-gru\n"


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one recipe, one row of the lectures and a made-up corpus; the current folder."""
    write_imdb(tmp_path / "data" / "imdb")
    for folder in ("recipes/lectures", "results", "checkpoints"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "recipes" / "lectures" / "imdb-gru.yaml").write_text(yaml.safe_dump(RECIPE))
    (tmp_path / "results" / "lectures.csv").write_text(LECTURES)
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("seqzoo.catalog.resource", lambda kind: tmp_path / kind)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def make_run(zoo: Path, tokenizer: Tokenizer):
    """A finished run's folder, as `fit` leaves it, for a seed."""

    def make(seed: int, **trainer: object) -> Path:
        run = zoo / "runs" / "lectures" / ("imdb-gru" if seed == 1 else f"imdb-gru-seed{seed}")
        ran = {**RECIPE, "seed_everything": seed}
        ran["trainer"] = {**RECIPE["trainer"], "default_root_dir": str(run), "precision": None, **trainer}
        arguments = RECIPE["model"]["init_args"]["arguments"]
        torch.manual_seed(seed)
        model = seqzoo.create_model("gru", preprocessor=tokenizer, labels=LABELS, **arguments)
        training = {
            "seconds": 60.0 * seed,
            "epochs": 2,
            "validation": {"val_accuracy": 0.75},
            "machine": "this",
            "versions": {"seqzoo": "0", "torch": "1"},
        }
        texts = {"recipe.yaml": yaml.safe_dump(ran), "metrics.json": json.dumps({"training": training})}
        model.save_pretrained(run / "model", texts=texts)
        return run

    return make


def rows(zoo: Path) -> list[dict[str, str]]:
    with open(zoo / "results" / "runs.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_is_measured_on_test_and_recorded_with_its_own_seed(make_run, zoo, capsys):
    run = make_run(2)
    assert cli.main(["record", str(run), "--machine", "a calculator", "--json"]) == 0
    row, data = json.loads(capsys.readouterr().out), seqzoo.create_datamodule("imdb")
    test = data.read("test")
    guesses = [LABELS.index(result.label) for result in seqzoo.load(run / "model").predict(test.texts)]
    assert row["test_accuracy"] == pytest.approx(np.mean(np.array(guesses) == test.targets))
    (stored,) = rows(zoo)
    assert stored == {key: str(row.get(key, "")) for key in stored} and row.keys() <= stored.keys()
    assert json.loads(stored["test_metrics"])["n"] == 160 and stored["task"] == "text-classification"
    expected = ("lectures/imdb-gru", "gru", "imdb", "2", "0.75", "160", "a calculator", "seqzoo 0, torch 1", "120.0")
    keys = ("recipe", "architecture", "corpus", "seed", "validation_accuracy", "test_texts", "machine", "versions")
    assert tuple(stored[key] for key in (*keys, "training_seconds")) == expected
    assert stored["test_sha256"] == data.fingerprint("test")


def test_test_is_touched_once_per_run(make_run, zoo, monkeypatch, capsys):
    run = make_run(1)
    assert cli.main(["record", str(run)]) == 0
    monkeypatch.setattr("seqzoo.measures.text_classification.evaluate", lambda *_: pytest.fail("measured again"))
    assert cli.main(["record", str(run), str(run)]) == 0
    assert len(rows(zoo)) == 1 and "recorded already" in capsys.readouterr().out


def test_a_run_with_other_settings_than_its_recipe_is_refused(make_run, zoo, capsys):
    for trainer, words in (
        ({"max_epochs": 3}, "trainer.max_epochs is 3 and not 2"),
        ({"callbacks": None}, "trainer.callbacks is None"),
        ({"callbacks": [{"init_args": {"epochs": 4, "seed": 1}}]}, "trainer.callbacks.0.init_args.epochs is 4 and not 3"),
        ({"limit_train_batches": 5}, "trainer.limit_train_batches is 5 and not None"),
    ):
        assert cli.main(["record", str(make_run(1, **trainer))]) == 2
        assert words in capsys.readouterr().err
    assert not (zoo / "results" / "runs.csv").exists()


def test_what_is_no_run_is_named(make_run, zoo, capsys):
    assert cli.main(["record", str(zoo / "nowhere")]) == 2 and "holds no finished run" in capsys.readouterr().err
    assert cli.main(["record", str(make_run(1, default_root_dir="elsewhere"))]) == 2
    assert "give it by --recipe" in capsys.readouterr().err
    assert cli.main(["record", str(make_run(1)), "--recipe", "lectures/imdb-gr"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_results_give_mean_and_spread_over_seeds_beside_the_lectures_figure(make_run, zoo, capsys):
    assert cli.main(["results"]) == 0
    assert "| GRU | 48.5 (guessed) | not run | 0 |" in (zoo / "RESULTS.md").read_text()
    assert cli.main(["record", *(str(make_run(seed)) for seed in (1, 2))]) == 0
    assert cli.main(["results", "--check"]) == 2 and "write it by seqzoo results" in capsys.readouterr().err
    assert cli.main(["results"]) == 0 and cli.main(["results", "--check"]) == 0
    first, second = sorted(float(row["test_accuracy"]) for row in rows(zoo))
    expected = f"**{50 * (first + second):.2f}** ({100 * first:.2f} to {100 * second:.2f}) | 2 | - |"
    text = (zoo / "RESULTS.md").read_text()
    assert expected in text and "| 1.5 min | `lectures/imdb-gru` |" in text and "\nThis." in text
    capsys.readouterr()
    assert cli.main(["results", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["seeds"] == [1, 2] and row["figure"] == 0.485 and row["mean"] == pytest.approx((first + second) / 2)


def test_our_best_is_the_best_checkpoint_on_the_very_same_texts(make_run, zoo):
    results.record(make_run(1), zoo / "results")
    sha = rows(zoo)[0]["test_sha256"]
    index = {}
    for name, accuracy, test in (("good", 0.9, sha), ("better", 0.95, sha), ("elsewhere", 0.99, "0" * 64)):
        index[name] = {"repo_id": f"seqzoo/{name}", "revision": None, "label": name, "files": {}}
        (zoo / "checkpoints" / name).mkdir()
        numbers = {"test": {"split": "test", "accuracy": accuracy}, "data": {"fingerprints": {"test": test}}}
        write_json(zoo / "checkpoints" / name / "metrics.json", numbers)
    write_json(zoo / "checkpoints" / "index.json", index)
    (row,) = results.compare(zoo / "results")
    assert row["best"] == ("better", 0.95) and "95.00 `better`" in results.render([row])


def test_runs_of_an_earlier_state_of_a_recipe_do_not_count(make_run, zoo):
    results.record(make_run(1), zoo / "results")
    changed = {**RECIPE, "trainer": {**RECIPE["trainer"], "max_epochs": 5}, "seed_everything": 9}
    (zoo / "recipes" / "lectures" / "imdb-gru.yaml").write_text(yaml.safe_dump(changed))
    (row,) = results.compare(zoo / "results")
    assert row["seeds"] == [] and row["earlier"] == 1
    assert "not counted above: lectures/imdb-gru 1." in results.render([row])


def test_a_file_of_other_columns_or_none_is_refused(zoo):
    (zoo / "results" / "runs.csv").write_text("recipe,seed\nlectures/imdb-gru,1\n")
    with pytest.raises(ValueError, match="must have the columns recipe, architecture"):
        results.compare(zoo / "results")
    with pytest.raises(FileNotFoundError, match="give the folder"):
        results.compare(zoo / "nowhere")


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> Path:
    """This checkout itself."""
    monkeypatch.undo()
    return ROOT


def test_results_md_is_what_the_records_say(checkout):
    assert (checkout / "RESULTS.md").read_bytes() == results.content(checkout / "results")


def test_every_row_names_a_recipe_and_every_recipe_of_the_lectures_has_a_row(checkout):
    named = [row["recipe"] for row in results.compare(checkout / "results")]
    jena = catalog.list_recipes("lectures/jena-*")  # the same networks, for those who have the lectures' own file
    assert sorted(named) == [name for name in catalog.list_recipes("lectures/*") if name not in jena]
