"""Several labels per text, or none: predicted, trained, measured, stored and read back."""

import csv
import json
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from conftest import make_model
from made_up import TopicCorpus, make_topics, read_json, write_json

import seqzoo
from seqzoo import cards, cli, hub, verification
from seqzoo.callbacks.choose_thresholds import ChooseThresholds, best_threshold
from seqzoo.callbacks.fit_statistics import FitStatistics
from seqzoo.measures import text_classification
from seqzoo.models.text_classifier import TextClassifier
from seqzoo.tasks.text_classification import TextClassification

QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


@pytest.fixture
def corpus() -> TopicCorpus:
    return TopicCorpus(batch_size=16, validation_size=60, min_frequency=1)


@pytest.fixture
def trained(corpus: TopicCorpus, tmp_path: Path) -> TextClassifier:
    """A bag that has learned the made-up topics, with thresholds from validation."""
    corpus.setup("fit")
    model = seqzoo.create_model("bow", corpus=corpus, max_features=300, hidden_size=3)
    task = seqzoo.create_task(model, optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.05))
    callbacks = [FitStatistics(), ChooseThresholds()]
    trainer = L.Trainer(default_root_dir=tmp_path, max_epochs=8, accelerator="cpu", callbacks=callbacks, **QUIET)
    trainer.fit(task, corpus)
    return model.eval()


def test_a_text_gets_every_label_that_reaches_its_threshold(trained: TextClassifier) -> None:
    both = trained.predict("grain oil barrel wheat crude harvest")
    assert set(both.labels) == {"grain", "oil"} and not both.truncated
    assert list(both.labels) == sorted(both.labels, key=lambda label: -both.scores[label])
    assert list(both.scores) == trained.labels and all(0 <= score <= 1 for score in both.scores.values())
    assert trained.predict("the and of").labels == ()
    trained.thresholds = [0.0, 1.0, 0.0]
    assert set(trained.predict("the and of").labels) == {trained.labels[0], trained.labels[2]}


def test_thresholds_are_chosen_on_validation_and_stored(
    trained: TextClassifier, corpus: TopicCorpus, tmp_path: Path
) -> None:
    probabilities = trained.logits(corpus.documents("validation")).double().sigmoid().numpy()
    wanted = best_threshold(probabilities.ravel(), corpus.targets("validation").ravel() == 1)
    assert trained.thresholds == [wanted] * 3 and wanted != 0.5
    again = seqzoo.load(trained.save_pretrained(tmp_path / "saved"))
    assert again.thresholds == trained.thresholds and again.multi_label
    texts = corpus.texts("validation")
    assert again.predict(texts) == trained.predict(texts)
    preprocessing = read_json(tmp_path / "saved" / "config.json")["preprocessing"]
    assert preprocessing == {"max_tokens": 512, "keep": "ends", "thresholds": trained.thresholds}


def test_a_model_of_one_class_per_text_stores_no_thresholds(tokenizer, tmp_path: Path) -> None:
    folder = make_model("bow", tokenizer).save_pretrained(tmp_path / "one")
    assert set(read_json(folder / "config.json")["preprocessing"]) == {"max_tokens", "keep"}
    assert not seqzoo.load(folder).multi_label


@pytest.mark.parametrize("thresholds", [[0.5], [0.5, 1.5], [0.5, "0.5"], 0.5, [True, False], "ab"])
def test_thresholds_must_be_one_probability_for_each_label(tokenizer, thresholds: object) -> None:
    with pytest.raises(ValueError, match="thresholds must be 2 probabilities"):
        TextClassifier("bow", tokenizer=tokenizer, labels=["a", "b"], thresholds=thresholds)


@pytest.mark.parametrize("thresholds", [None, [0.5], {"a": 0.5}])
def test_damaged_thresholds_in_a_checkpoint_are_named(tokenizer, tmp_path: Path, thresholds: object) -> None:
    folder = make_model("bow", tokenizer, thresholds=[0.5, 0.5]).save_pretrained(tmp_path / "model")
    config = read_json(folder / "config.json")
    config["preprocessing"]["thresholds"] = thresholds
    write_json(folder / "config.json", config)
    with pytest.raises(hub.CheckpointError, match="thresholds"):
        seqzoo.load(folder)


def test_the_best_threshold_is_where_f1_is_highest() -> None:
    random = np.random.default_rng(0)
    targets = random.random(200) < 0.2
    probabilities = (0.3 * targets + random.random(200)).clip(0, 1).round(2)  # with ties

    def f1(threshold: float) -> float:
        guesses = probabilities >= threshold
        return 2 * (guesses & targets).sum() / (guesses.sum() + targets.sum())

    found = best_threshold(probabilities, targets)
    assert f1(found) == pytest.approx(max(f1(threshold) for threshold in np.linspace(0, 1, 1001)))
    assert best_threshold(probabilities, np.zeros(200, bool)) == 0.5


def test_rare_labels_keep_the_common_threshold(trained: TextClassifier, corpus: TopicCorpus) -> None:
    task = TextClassification.from_model(trained)
    trainer = L.Trainer(max_epochs=0, accelerator="cpu", **QUIET)
    trainer.state.fn, trainer.datamodule = "fit", corpus
    positives = corpus.targets("validation").sum(0)
    ChooseThresholds(per_label=True, min_positives=int(positives.min()) + 1).on_validation_start(trainer, task)
    rare, common = trained.thresholds[positives.argmin()], {*trained.thresholds}
    ChooseThresholds().on_validation_start(trainer, task)
    assert rare == trained.thresholds[0] and len(common) > 1


def test_wrong_uses_of_thresholds_are_refused(corpus: TopicCorpus) -> None:
    corpus.setup("fit")
    several = seqzoo.create_model("bow", corpus=corpus, hidden_size=3)
    one = TextClassifier("bow", tokenizer=corpus.tokenizer, labels=["a", "b"])
    with pytest.raises(ValueError, match="threshold is for several labels"):
        seqzoo.create_task(one, threshold=0.3)
    with pytest.raises(ValueError, match="label_smoothing is for one class"):
        seqzoo.create_task(several, label_smoothing=0.1)
    with pytest.raises(ValueError, match="threshold must be from 0 to 1"):
        seqzoo.create_task(several, threshold=1.3)
    trainer = L.Trainer(max_epochs=0, accelerator="cpu", **QUIET)
    with pytest.raises(ValueError, match="remove ChooseThresholds"):
        ChooseThresholds().on_fit_start(trainer, TextClassification.from_model(one))
    trainer.datamodule = TopicCorpus(validation_size=0)
    with pytest.raises(ValueError, match="validation_size above 0"):
        ChooseThresholds().on_fit_start(trainer, TextClassification.from_model(several))
    assert seqzoo.create_task(several, threshold=0.3).model.thresholds == [0.3] * 3


def test_the_loss_is_binary_cross_entropy_summed_over_the_labels(corpus: TopicCorpus) -> None:
    corpus.setup("fit")
    task = seqzoo.create_task(seqzoo.create_model("bow", corpus=corpus, hidden_size=3))
    logits, targets = torch.randn(4, 3), torch.randint(0, 2, (4, 3))
    chosen = torch.where(targets == 1, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(task._loss(logits, targets), -chosen.log().sum(1).mean())


def test_the_squared_hinge_is_that_of_each_label_against_the_rest(corpus: TopicCorpus) -> None:
    corpus.setup("fit")
    task = seqzoo.create_task(seqzoo.create_model("bow", corpus=corpus, hidden_size=3), hinge_margin=2.0)
    logits = torch.tensor([[3.0, 1.0, -1.0], [0.0, -4.0, 0.0]])
    assert float(task._hinge(logits, torch.tensor([[1, 0, 1], [0, 0, 1]]))) == pytest.approx((9 + 9 + 4 + 4) / 2)
    assert float(task._hinge(logits, torch.tensor([0, 2]))) == pytest.approx((0 + 9 + 1 + 4 + 0 + 4) / 2)
    with pytest.raises(ValueError, match="hinge_margin must be above 0"):
        TextClassification("bow", hinge_margin=0.0)
    with pytest.raises(ValueError, match="label_smoothing belongs to cross-entropy"):
        TextClassification("bow", hinge_margin=1.0, label_smoothing=0.1)


def test_training_measures_what_evaluate_measures(trained: TextClassifier, corpus: TopicCorpus, tmp_path: Path) -> None:
    task = seqzoo.create_task(trained)
    (found,) = L.Trainer(default_root_dir=tmp_path, accelerator="cpu", **QUIET).test(task, corpus, verbose=False)
    test = corpus.read("test")
    wanted = verification.evaluate(trained, test.texts, test.targets)
    assert wanted["micro_f1"] > 0.8
    for kind in ("micro_f1", "macro_f1", "exact_match"):
        assert found[f"test_{kind}"] == pytest.approx(wanted[kind], abs=1e-6), kind
    assert found["test_loss"] == pytest.approx(wanted["log_loss"], abs=1e-5)


def test_a_run_goes_on_with_its_thresholds(trained: TextClassifier) -> None:
    task, checkpoint = TextClassification.from_model(trained), {}
    task.on_save_checkpoint(checkpoint)
    again = TextClassification("bow", {"max_features": 300, "hidden_size": 3})
    again.on_load_checkpoint(checkpoint)
    assert again.model.thresholds == trained.thresholds


def test_naive_bayes_weighs_each_label_against_the_rest(corpus: TopicCorpus) -> None:
    corpus.setup("fit")
    network = seqzoo.create_model("bow", corpus=corpus, weighting="naive-bayes", hidden_size=3).network
    network.fit_statistics(corpus.documents("train"), corpus.targets("train"), 3)
    row = int(network.table(torch.tensor([[corpus.tokenizer.words.index("wheat")]]))[0, 0])
    assert network.scale[row].argmax() == corpus.labels.index("grain") and network.scale[row].max() > 0


def test_the_command_prints_and_writes_several_labels(
    trained: TextClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.thresholds = [0.5] * 3
    folder, text = str(trained.save_pretrained(tmp_path / "model")), "wheat oil crude harvest barrel grain"
    assert cli.main(["predict", folder, text, "the and"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "grain " in first and ", " in first and first.endswith(text) and second.startswith("-\t")
    assert cli.main(["predict", folder, text, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"text", "labels", "scores", "truncated"}
    out = tmp_path / "out.csv"
    assert cli.main(["predict", folder, text, "the", "--out", str(out), "--separator", "; "]) == 0
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert set(rows[0]["labels"].split("; ")) == {"grain", "oil"} and rows[1]["labels"] == ""
    assert len(rows[0]["label_scores"].split("; ")) == 2


def test_the_command_evaluates_labels_between_separators_or_in_lists(
    trained: TextClassifier, corpus: TopicCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, test = str(trained.save_pretrained(tmp_path / "model")), corpus.read("test")
    named = [[corpus.labels[index] for index in np.flatnonzero(row)] for row in test.targets]
    comma, lists = tmp_path / "in.csv", tmp_path / "in.jsonl"
    with comma.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "topics"), *zip(test.texts, map("/".join, named), strict=True)])
    rows = [json.dumps({"text": text, "topics": topics}) for text, topics in zip(test.texts, named, strict=True)]
    lists.write_text("\n".join(rows), encoding="utf-8")
    wanted = verification.evaluate(trained, test.texts, test.targets)
    for path, extra in ((comma, ["--separator", "/"]), (lists, [])):
        given = ["--file", str(path), "--input", "text", "--target", "topics", "--json", "--quiet", *extra]
        assert cli.main(["evaluate", folder, *given]) == 0
        assert json.loads(capsys.readouterr().out) == pytest.approx(wanted)


def test_a_separator_without_use_or_within_a_label_is_refused(
    trained: TextClassifier, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(trained.save_pretrained(tmp_path / "model"))
    for arguments, said in (
        ([str(saved), "a", "--separator", "/"], "this one gives one"),
        ([folder, "a", "--separator", "oil"], "stands in the label 'oil'"),
        ([folder, "a", "--separator", ""], "at least one sign"),
    ):
        assert cli.main(["predict", *arguments]) == 2
        assert said in capsys.readouterr().err


def test_an_unknown_label_among_several_is_named_with_its_row(
    trained: TextClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text,topics\na,oil\nb,oil|gas\n", encoding="utf-8")
    folder = str(trained.save_pretrained(tmp_path / "model"))
    assert cli.main(["evaluate", folder, "--file", str(path), "--input", "text", "--target", "topics"]) == 2
    said = capsys.readouterr().err
    assert "row 2" in said and "'gas'" in said and "grain, oil, ship" in said


def test_a_users_file_may_give_several_labels(tmp_path: Path) -> None:
    texts, targets, labels = make_topics(60)
    rows = [
        {"text": text, "label": "|".join(label for label, there in zip(labels, row, strict=True) if there)}
        for text, row in zip(texts, targets, strict=True)
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    data = seqzoo.create_datamodule("csv", file=str(path), separator="|")
    train, test = data.read("train"), data.read("test")
    assert data.multi_label and data.labels == labels and train.targets.shape == (48, 3) and len(test.texts) == 12
    told = dict(zip(texts, targets.tolist(), strict=True))
    assert all(told[text] == row for text, row in zip(train.texts, train.targets.tolist(), strict=True))
    with pytest.raises(ValueError, match="no label under 'label'"):
        seqzoo.create_datamodule("csv", file=str(path)).read("train")


def test_a_card_of_several_labels_gives_micro_f1_first(trained: TextClassifier, corpus: TopicCorpus, tmp_path: Path) -> None:
    test = corpus.read("test")
    predicted = trained.predict(corpus.example)
    numbers = {
        "label": "Topics.",
        "test": {"split": "test", **verification.evaluate(trained, test.texts, test.targets)},
        "baselines": text_classification.majority(corpus.targets("train"), test.targets),
        "training": {"seeds_tried": {"1": 0.9}, "seed": 1, "epochs": 8, "seconds": 2.0, "machine": "this", "chosen": "So."},
        "data": {
            **corpus.source,
            "corpus": "topics",
            "language": ["en"],
            "citation": "nobody",
            "fingerprints": {"test": corpus.fingerprint("test")},
        },
        "speed": {"p50_ms": 1.0, "p95_ms": 2.0, "n": 3, "machine": "this", "peak_memory_mb": 4.0},
        "bytes": 1,
        "parameters": 1,
        "example": {"text": corpus.example, "labels": ["oil"], "scores": [predicted.scores["oil"]]},
        "limits": ["None."],
    }
    config = read_json(trained.save_pretrained(tmp_path / "model") / "config.json")
    readme = cards.render("topics-bow", config, numbers)
    for said in ("| test micro F1 | **", "texts whose labels are all right", "baseline: majority label", "# oil, "):
        assert said in readme, said
    assert "accuracy" not in readme
