"""Trained models as the parts of one network: weights copied by name and by word, votes added up."""

import logging

import lightning as L
import torch

from seqzoo import hub
from seqzoo.callbacks.start_from import check_source, matched_state

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
            check_source(name)
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
            try:
                target.load_state_dict(matched_state(source, target, model.tokenizer.words))
            except RuntimeError as error:
                raise ValueError(f"{self.sources[part]} does not fit the part {part}: {error}") from None
            columns = slice(column, column := column + target.output_size)
            model.head.weight[:, columns] = self.weights[part] * source.head.weight
            model.head.bias += self.weights[part] * source.head.bias
            log.info("%s is %s, with weight %g", part, self.sources[part], self.weights[part])
