"""A penalty that is the same for few texts and many."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from made_up import TinyCorpus

from seqzoo.callbacks.ridge import Ridge
from seqzoo.tasks.text_classification import TextClassification


def fit(folder: Path, optimizer: Any, strength: float = 2.0, **options: Any) -> L.Trainer:
    trainer = L.Trainer(
        default_root_dir=folder,
        max_steps=200,
        callbacks=[Ridge(strength=strength)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    task = TextClassification("embed_mlp", {"embedding_size": 8}, optimizer=optimizer)
    trainer.fit(task, datamodule=TinyCorpus(validation_size=40, **options))
    return trainer


def adam(weights: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, lr=0.05)


@pytest.mark.parametrize("size", [40, 160])
def test_the_decay_is_the_strength_by_the_number_of_texts(tmp_path, size):
    (optimizer,) = fit(tmp_path, adam, num_train=size).optimizers
    assert {group["weight_decay"] for group in optimizer.param_groups} == {2.0 / size}


def test_a_stronger_ridge_gives_smaller_weights(tmp_path):
    sizes = []
    for strength in (0.1, 100.0):
        trainer = fit(tmp_path, adam, strength)
        sizes.append(sum(float(weight.square().sum()) for weight in trainer.lightning_module.parameters()))
    assert sizes[1] < 0.5 * sizes[0]


def test_decay_beside_the_gradient_and_no_strength_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not AdamW"):
        fit(tmp_path, lambda weights: torch.optim.AdamW(weights, lr=0.01))
    with pytest.raises(ValueError, match="strength must be above 0"):
        Ridge(strength=0.0)
