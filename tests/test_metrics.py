"""Metrics of one class per text: training and verification measure the same, and what the definitions say."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
from conftest import make_model
from made_up import TinyCorpus

import seqzoo
from seqzoo import verification


def evaluate(probabilities: np.ndarray, targets: list[int]) -> dict[str, Any]:
    """The measure of a model that says these probabilities."""
    labels = [f"label {index}" for index in range(probabilities.shape[1])]
    said = [SimpleNamespace(scores=dict(zip(labels, row, strict=True)), truncated=False) for row in probabilities.tolist()]
    model = SimpleNamespace(labels=labels, multi_label=False, predict=lambda texts, progress: said)
    return verification.evaluate(model, [""] * len(targets), targets)


def certain(guesses: list[int], size: int, probability: float = 1.0) -> np.ndarray:
    rows = np.full((len(guesses), size), (1 - probability) / (size - 1))
    rows[np.arange(len(guesses)), guesses] = probability
    return rows


def test_training_and_verification_measure_the_same(corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus.setup("fit")
    model = make_model("bilstm", corpus.tokenizer, max_tokens=512)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(default_root_dir=tmp_path, accelerator="cpu", **quiet)
    (found,) = trainer.test(seqzoo.create_task(model), corpus, verbose=False)
    test = corpus.read("test")
    wanted = verification.evaluate(model, test.texts, test.targets)
    for kind in ("accuracy", "macro_f1", "micro_f1", "positive_f1", "mcc", "calibration_error"):
        assert found.pop(f"test_{kind}") == pytest.approx(wanted[kind], abs=1e-5), kind
    assert found == {"test_loss": pytest.approx(wanted["log_loss"], abs=1e-5)}


@pytest.mark.parametrize("size", [2, 3, 20])
def test_they_agree_with_torchmetrics_on_random_answers(size: int) -> None:
    import torch
    from torchmetrics.functional import classification as peer

    random = np.random.default_rng(size)
    probabilities, targets = random.dirichlet(np.full(size, 0.3), 500), random.integers(0, size, 500)
    found = evaluate(probabilities, targets.tolist())
    given = torch.from_numpy(probabilities), torch.from_numpy(targets), size
    assert found["mcc"] == pytest.approx(float(peer.multiclass_matthews_corrcoef(*given)), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(float(peer.multiclass_f1_score(*given, average="macro")), abs=1e-6)
    assert found["calibration_error"] == pytest.approx(float(peer.multiclass_calibration_error(*given, n_bins=15)), abs=1e-6)
    assert ("positive_f1" in found) == (size == 2)


def test_the_positive_class_is_the_second_of_two() -> None:
    found = evaluate(certain([1, 1, 0, 0, 0], 2), [1, 0, 1, 0, 0])
    assert found["positive_f1"] == pytest.approx(0.5) and found["accuracy"] == pytest.approx(0.6)


def test_guessing_one_class_has_no_correlation_and_a_perfect_model_the_highest() -> None:
    assert evaluate(certain([0, 0, 0], 3), [0, 1, 2])["mcc"] == 0.0
    assert evaluate(certain([0, 1, 2], 3), [0, 1, 2])["mcc"] == pytest.approx(1.0)


def test_calibration_error_is_the_gap_between_probability_and_accuracy() -> None:
    assert evaluate(certain([0] * 10, 2, 0.9), [0] * 9 + [1])["calibration_error"] == pytest.approx(0.0, abs=1e-9)
    assert evaluate(certain([0] * 10, 2, 0.9), [0] * 5 + [1] * 5)["calibration_error"] == pytest.approx(0.4)
