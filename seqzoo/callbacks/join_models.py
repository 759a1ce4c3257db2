"""Trained models as the parts of one network: weights copied by name and by word, votes added up."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from seqzoo import hub

__all__ = ["JoinModels"]

log = logging.getLogger(__name__)


class JoinModels(L.Callback):
    """Before training: each part of a network that has `parts` becomes that of a trained model; the head adds their logits.

    `sources` gives a checkpoint name or folder for each part, as `seqzoo.load` takes them; `weights` multiplies each
    one's logits (1 unless said otherwise). Vocabularies may differ: word vectors and n-grams are matched by word, and
    where a part has room for fewer n-grams than its source, those that weigh most stay. With `max_epochs: 0` the joined
    model is the result. A run that is resumed keeps what it has.

    Raises ValueError where a source has other labels or another architecture than its part.
    """

    def __init__(self, *, sources: dict[str, str], weights: dict[str, float] | None = None):
        if unknown := sorted(set(weights or {}) - set(sources)):
            raise ValueError(f"weights names {unknown[0]!r}, which is not among the sources {', '.join(sources)}")
        for name in sources.values():
            if "/" in name and not name.startswith("hf-hub:") and not Path(name.removeprefix("local-dir:")).is_dir():
                raise ValueError(f"there is no model {name!r}; train it first by its own recipe")
        self.sources, self.weights = dict(sources), dict.fromkeys(sources, 1.0) | (weights or {})

    @torch.no_grad()
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.ckpt_path is not None:
            return
        model = pl_module.model
        parts = getattr(model.network, "parts", ())
        if set(parts) != set(self.sources):
            raise ValueError(
                f"sources must name the parts of {pl_module.architecture} ({', '.join(parts) or 'it has none'}), "
                f"got {', '.join(self.sources)}"
            )
        model.head.bias.zero_()
        column = 0
        for part in parts:
            source, target = hub.load(self.sources[part]), getattr(model.network, part)
            if source.labels != model.labels or type(source.network) is not type(target):
                raise ValueError(
                    f"{self.sources[part]} is a {source.architecture} of {source.labels}; "
                    f"the part {part} needs {type(target).__name__} of {model.labels}"
                )
            state = self._state(source, target, model.tokenizer.words)
            try:
                target.load_state_dict(state)
            except RuntimeError as error:
                raise ValueError(f"{self.sources[part]} does not fit the part {part}: {error}") from None
            columns = slice(column, column := column + target.output_size)
            model.head.weight[:, columns] = self.weights[part] * source.head.weight
            model.head.bias += self.weights[part] * source.head.bias
            log.info("%s is %s, with weight %g", part, self.sources[part], self.weights[part])

    def _state(self, source: Any, target: Any, words: list[str]) -> dict[str, Tensor]:
        """The source network's tensors, its rows of words and n-grams in the order that the target counts them."""
        state, own = dict(source.network.state_dict()), source.tokenizer.words
        if "embedding.weight" in state:
            row = {word: index for index, word in enumerate(own)}
            wanted = words[: len(target.embedding.weight)]
            rows = [row.get(word, source.tokenizer.unknown_index) for word in wanted]
            state["embedding.weight"] = state["embedding.weight"][rows]
        if "table.keys" in state:
            index = {word: place for place, word in enumerate(words)}
            state |= _match(state, source.network.table, target.table, np.array([index.get(word, -1) for word in own]))
        return state


def _match(state: dict[str, Tensor], source: Any, target: Any, index: np.ndarray) -> dict[str, Tensor]:
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
