"""Training that starts from a trained model's weights, matched by name and by word."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from seqzoo import hub

__all__ = ["StartFrom", "check_source", "matched_state"]

log = logging.getLogger(__name__)


class StartFrom(L.Callback):
    """Before training: the network, and the head where the labels are the same, become those of a trained model.

    `source` is a checkpoint name or folder, as `seqzoo.load` takes it, of the same architecture and sizes. Its vocabulary
    may differ: word vectors and n-grams are matched by word, and a word that the source does not know starts as its
    unknown word. A run that is resumed keeps what it has.

    Raises ValueError where there is no such source or it does not fit.
    """

    def __init__(self, *, source: str):
        check_source(source)
        self.source = source

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.ckpt_path is not None:
            return
        source, model = hub.load(self.source), pl_module.model
        if type(source.network) is not type(model.network):
            raise ValueError(f"{self.source} is a {source.architecture}, not a {pl_module.architecture}")
        try:
            model.network.load_state_dict(matched_state(source, model.network, model.tokenizer.words))
        except RuntimeError as error:
            raise ValueError(f"{self.source} does not fit this network: {error}") from None
        if source.labels == model.labels:
            model.head.load_state_dict(source.head.state_dict())
        log.info(
            "starting from %s, %s", self.source, "head included" if source.labels == model.labels else "with a new head"
        )


def check_source(name: str) -> None:
    """ValueError where a source that reads like a folder is none."""
    if "/" in name and not name.startswith("hf-hub:") and not Path(name.removeprefix("local-dir:")).is_dir():
        raise ValueError(f"there is no model {name!r}; train it first by its own recipe")


def matched_state(source: Any, network: Any, words: list[str]) -> dict[str, Tensor]:
    """Tensors of a model's network, its rows of words and n-grams in the order that another network counts them.

    `words` are the other one's, by index. It may have room for fewer words (the first) or n-grams (those that weigh most).
    """
    state, own = dict(source.network.state_dict()), source.tokenizer.words
    if "embedding.weight" in state:
        row = {word: index for index, word in enumerate(own)}
        rows = [row.get(word, source.tokenizer.unknown_index) for word in words[: len(network.embedding.weight)]]
        state["embedding.weight"] = state["embedding.weight"][rows]
    if "table.keys" in state:
        index = {word: place for place, word in enumerate(words)}
        state |= _ngrams(state, source.network.table, network.table, np.array([index.get(word, -1) for word in own]))
    return state


def _ngrams(state: dict[str, Tensor], source: Any, target: Any, index: np.ndarray) -> dict[str, Tensor]:
    """Keys, scale and weight of the n-grams whose words the target knows; `index`: the target's id of each word, or -1."""
    keys, rows = state["table.keys"].numpy(), np.arange(1, source.size + 1)
    filled = keys < np.iinfo(np.int64).max
    rest, rows, known = keys[filled], rows[filled], np.ones(filled.sum(), bool)
    numbers = np.zeros(len(rest), np.int64)
    for place in range(source.order):
        digit, rest = rest % source.vocab_size, rest // source.vocab_size
        known &= (index[digit] >= 0) | (digit == 0)
        numbers += np.where(digit == 0, 0, index[digit]) * target.vocab_size**place
    numbers, rows = numbers[known], rows[known]
    heaviest = (state["scale"] * state["weight"])[rows].abs().amax(1).argsort(descending=True, stable=True)[: target.size]
    order = heaviest[np.argsort(numbers[heaviest.numpy()])]
    rows, numbers = torch.from_numpy(rows)[order], torch.from_numpy(numbers)[order]
    table = torch.full((target.size,), np.iinfo(np.int64).max)
    table[: len(numbers)] = numbers
    matched = {"table.keys": table}
    for name in ("scale", "weight"):
        matched[name] = state[name].new_zeros(target.size + 1, state[name].shape[1])
        matched[name][0] = state[name][0]
        matched[name][1 : len(rows) + 1] = state[name][rows]
    return matched
