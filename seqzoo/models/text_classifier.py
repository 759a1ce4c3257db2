"""Text classifier: tokenizer, network and linear head; raw text in, labels with probabilities out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqzoo import catalog, hub
from seqzoo.models._predicting import Classification, Pretrained, bar, beside_each_other, check_batch_size, check_labels
from seqzoo.preprocessing.tokenizer import Tokenizer, check_keep, truncate
from seqzoo.specs import TextSpec

__all__ = ["TextClassifier"]

WINDOW = 64  # batches whose texts are sorted by length together, so that a generator is read in pieces


@dataclass(frozen=True)
class MultiLabel:
    """One text's labels: those whose probability reaches their threshold, the likeliest first; every label's probability."""

    labels: tuple[str, ...]
    scores: Mapping[str, float]
    truncated: bool


class TextClassifier(Pretrained):
    """A network with a linear head over its summary, one of `labels` per text, or any number of them.

    With `thresholds`, one probability for each label, the labels of a text are independent of each other: `predict` gives
    MultiLabel instead of Classification. `max_tokens` limits what is read of a text; `keep` says which part of a longer
    one: its `start`, `end` or both `ends`. All that prediction needs is here, and all of it goes into a checkpoint.
    """

    task = "text-classification"

    def __init__(
        self,
        architecture: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        tokenizer: Tokenizer,
        labels: Sequence[str],
        max_tokens: int = 512,
        keep: str = "ends",
        thresholds: Sequence[float] | None = None,
    ):
        super().__init__()
        network = catalog.resolve("architectures", architecture)
        catalog.check_arguments(architecture, network, arguments or {})
        check_labels(labels)
        if type(max_tokens) is not int or max_tokens < 1:
            raise ValueError(f"max_tokens must be a whole number of at least 1, got {max_tokens!r}")
        check_keep(keep)
        if thresholds is not None:
            _check_thresholds(thresholds, len(labels))
        self.thresholds = None if thresholds is None else list(thresholds)
        self.folder: Path | None = None  # where it was loaded from or last saved to
        self.architecture, self.arguments = architecture, dict(arguments or {})
        self.tokenizer, self.labels, self.max_tokens, self.keep = tokenizer, list(labels), max_tokens, keep
        self.spec = TextSpec(len(tokenizer), tokenizer.pad_index, tokenizer.unknown_index)
        catalog.check_spec(architecture, network, self.spec)
        self.network = network(self.spec, **self.arguments)
        self.head = nn.Linear(self.network.output_size, len(self.labels))
        if hasattr(self.network, "initialise_head"):
            self.network.initialise_head(self.head)

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels, or none."""
        return self.thresholds is not None

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Our own arguments that stand under `preprocessing` in config.json; `thresholds` only where there are any."""
        chosen = {"max_tokens": self.max_tokens, "keep": self.keep}
        return chosen if self.thresholds is None else {**chosen, "thresholds": self.thresholds}

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) token ids, (B,) -> logits (B, labels), float32."""
        summary = self.network(tokens, lengths).summary
        return nn.functional.linear(summary.to(self.head.weight.dtype), self.head.weight, self.head.bias).float()

    def predict(
        self, inputs: str | Iterable[str], *, batch_size: int = 32, progress: bool = False
    ) -> Classification | MultiLabel | list[Classification] | list[MultiLabel]:
        """The class (or labels) of one text, or of each text of an iterable, in its order.

        An empty text, or one without a known word, is predicted from what the model knows without words. `truncated`
        says whether a text was longer than `max_tokens`. Raises TypeError for what is not a str, ValueError for a str
        that is not valid Unicode.
        """
        if isinstance(inputs, str):
            return next(self.stream([inputs]))
        return list(bar(self.stream(inputs, batch_size=batch_size), inputs, progress, "text"))

    def stream(self, texts: Iterable[str], *, batch_size: int = 32) -> Iterator[Classification | MultiLabel]:
        """Results one after another, `texts` read a few thousand at a time."""
        for logits, truncated in self._outputs(texts, self, batch_size):
            probabilities = logits.double().sigmoid() if self.multi_label else logits.double().softmax(-1)
            for row, cut in zip(probabilities.tolist(), truncated, strict=True):
                yield self._result(row, cut)

    def _result(self, row: list[float], cut: bool) -> Classification | MultiLabel:
        scores, order = dict(zip(self.labels, row, strict=True)), sorted(range(len(row)), key=lambda index: -row[index])
        if self.thresholds is None:
            return Classification(self.labels[order[0]], row[order[0]], scores, cut)
        return MultiLabel(tuple(self.labels[index] for index in order if row[index] >= self.thresholds[index]), scores, cut)

    def encode(self, inputs: str | Iterable[str], *, batch_size: int = 32) -> Tensor:
        """The network's summary of one text (D,) or of each of several (N, D), float32, on the CPU."""
        rows = [
            summary
            for summary, _ in self._outputs(
                [inputs] if isinstance(inputs, str) else inputs,
                lambda tokens, lengths: self.network(tokens, lengths).summary.float(),
                batch_size,
            )
        ]
        encoded = torch.cat(rows) if rows else torch.zeros(0, self.network.output_size)
        return encoded[0] if isinstance(inputs, str) else encoded

    def batch(self, documents: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Token ids of some texts, at most `max_tokens` each -> tokens (B, T), lengths (B,)."""
        lengths = torch.tensor([max(len(document), 1) for document in documents])
        tokens = torch.full((len(documents), int(lengths.max())), self.spec.pad_index)
        for row, document in enumerate(documents):
            tokens[row, : len(document)] = torch.from_numpy(document.astype(np.int64))
            if not len(document):
                tokens[row, 0] = self.spec.unknown_index
        return tokens, lengths

    @torch.inference_mode()
    def _outputs(self, texts: Iterable[str], function: Any, batch_size: int) -> Iterator[tuple[Tensor, list[bool]]]:
        """`function(tokens, lengths)` of every text in order, on the CPU, with which texts were truncated."""
        check_batch_size(batch_size)
        texts = iter(texts)
        while window := list(islice(texts, WINDOW * batch_size)):
            documents = self.tokenizer.encode(window)
            truncated = [len(document) > self.max_tokens for document in documents]
            documents = [truncate(document, self.max_tokens, self.keep) for document in documents]
            yield self._in_order(documents, function, batch_size), truncated

    def logits(self, documents: Sequence[np.ndarray], *, batch_size: int = 32) -> Tensor:
        """(N, labels) on the CPU, from the token ids of N texts of at most `max_tokens` each."""
        with torch.inference_mode():
            return self._in_order(documents, self, batch_size)

    def _in_order(self, documents: Sequence[np.ndarray], function: Any, batch_size: int) -> Tensor:
        """Batches of near-equal length through `function(tokens, lengths)`, in eval mode; rows in the documents' order."""
        device, was_training = self.head.weight.device, self.training
        order = sorted(range(len(documents)), key=lambda index: len(documents[index]))
        starts = range(0, len(order), batch_size)
        batches = [self.batch([documents[index] for index in order[start : start + batch_size]]) for start in starts]
        self.eval()
        try:
            if device.type == "cpu":
                outputs = torch.cat(beside_each_other(function, batches))
            else:
                outputs = torch.cat([function(tokens.to(device), lengths).cpu() for tokens, lengths in batches])
        finally:
            self.train(was_training)
        inverse = torch.empty(len(order), dtype=torch.int64)
        inverse[torch.tensor(order)] = torch.arange(len(order))
        return outputs[inverse]

    @property
    def saved_preprocessing(self) -> dict[str, Any]:
        """What stands under `preprocessing` in config.json: the tokenizer's settings too."""
        return {**self.preprocessing, **self.tokenizer.settings}

    @property
    def saved_texts(self) -> dict[str, str]:
        return {"tokenizer.json": self.tokenizer.to_json()}

    @classmethod
    def from_parts(cls, parts: hub.Parts) -> TextClassifier:
        """A model from a checkpoint's verified parts; CheckpointError names the file and what is wrong in it."""
        config = parts.config
        if "tokenizer.json" not in parts.texts:
            raise hub.CheckpointError("config.json: files must list tokenizer.json")
        try:
            tokenizer, preprocessing = Tokenizer.from_checkpoint(parts.texts["tokenizer.json"], config["preprocessing"])
        except ValueError as error:
            raise hub.CheckpointError(f"tokenizer.json: {error}") from None
        if set(preprocessing) - {"thresholds"} != {"max_tokens", "keep"} or preprocessing.get("thresholds", ()) is None:
            raise hub.CheckpointError(
                "config.json: preprocessing must give max_tokens and keep, and thresholds where a text may have several "
                f"labels, got {config['preprocessing']!r}"
            )
        with hub.shapes_only(parts.tensors):  # no memory before the shapes are known to fit
            model = cls(
                config["architecture"],
                config["arguments"],
                tokenizer=tokenizer,
                labels=config["labels"],
                **preprocessing,
            )
        if config["spec"] != model.spec._asdict():
            raise hub.CheckpointError(
                f"config.json: spec {config['spec']!r} is not the tokenizer's {model.spec._asdict()!r}"
            )
        hub.fill(model, parts.tensors)
        return model


def _check_thresholds(thresholds: Any, n_labels: int) -> None:
    """ValueError unless there is a probability for each label."""
    numbers = isinstance(thresholds, Sequence) and all(type(one) in (int, float) and 0 <= one <= 1 for one in thresholds)
    if not numbers or len(thresholds) != n_labels:
        raise ValueError(f"thresholds must be {n_labels} probabilities, one for each label, got {thresholds!r}")
