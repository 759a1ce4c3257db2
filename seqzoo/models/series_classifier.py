"""Series classifier: preprocessor, network and linear head; a raw series in, its class out, or which event when."""

from __future__ import annotations

import inspect
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
from seqzoo.preprocessing.events import Scored, candidates, keep
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor, is_one_series
from seqzoo.specs import SeriesSpec

__all__ = ["SeriesClassifier"]

WINDOW = 16  # batches whose series are sorted by length together, so that a generator is read in pieces
MOST_STEPS = 1 << 20
SETTINGS = ("background", "median_steps", "minimum_steps", "threshold")  # of events


@dataclass(frozen=True)
class Event:
    """What stands in a series from `start` to `end`, and the mean probability of its label there."""

    label: str
    start: float
    end: float
    score: float


@dataclass(frozen=True)
class Events:
    """One series' events in order, their times in `unit` (`seconds` or `steps`); the label of every step, before events
    that are too short or too doubtful are dropped.
    """

    events: tuple[Event, ...]
    labels: tuple[str, ...]
    unit: str


class SeriesClassifier(Pretrained):
    """A network with a linear head over its summary, one of `labels` per series; `framewise`, over each of its steps.

    Of a whole series the first `max_steps` steps (of the network's inputs: frames of sound) are read. A framewise model
    reads a longer one in pieces that overlap, and `predict` gives Events: each label's probability is median-filtered over
    `median_steps`, the likeliest label taken at each step, and every run of one is an event, unless the label is
    `background`, it is shorter than `minimum_steps`, or its mean probability is below `threshold`. These four are
    settings of the corpus, or chosen on its validation split (ChooseEvents), and stand in `preprocessing`.
    """

    task = "time-series-classification"

    def __init__(
        self,
        architecture: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        preprocessor: LabelledSeriesPreprocessor,
        labels: Sequence[str],
        max_steps: int = 1_000,
        framewise: bool = False,
        background: str | None = None,
        median_steps: int = 1,
        minimum_steps: int = 1,
        threshold: float = 0.0,
    ):
        super().__init__()
        self.check(architecture, arguments)
        check_labels(labels)
        if type(max_steps) is not int or not 1 <= max_steps <= MOST_STEPS:
            raise ValueError(f"max_steps must be a whole number from 1 to {MOST_STEPS}, got {max_steps!r}")
        if type(framewise) is not bool:
            raise ValueError(f"framewise must be true or false, got {framewise!r}")
        self.folder: Path | None = None  # where it was loaded from or last saved to
        self.architecture, self.arguments = architecture, dict(arguments or {})
        self.preprocessor, self.labels, self.max_steps, self.framewise = preprocessor, list(labels), max_steps, framewise
        self.set_events(background=background, median_steps=median_steps, minimum_steps=minimum_steps, threshold=threshold)
        self.spec = SeriesSpec(preprocessor.n_inputs, max_steps, 0)
        self.network = catalog.resolve("architectures", architecture)(self.spec, **self.arguments)
        self.head = nn.Linear(self._steps_size() if framewise else self.network.output_size, len(self.labels))

    @staticmethod
    def check(architecture: str, arguments: Mapping[str, Any] | None = None) -> None:
        """UnknownName or ValueError where no such network can classify a series."""
        network = catalog.resolve("architectures", architecture)
        catalog.check_arguments(architecture, network, arguments or {})
        annotation = inspect.signature(network, eval_str=True).parameters["spec"].annotation
        if SeriesSpec not in (annotation, *getattr(annotation, "__args__", ())):
            raise ValueError(f"{architecture} reads texts, no series; see seqzoo list architectures")
        if (gives := getattr(network, "gives", "encoded")) != "encoded":
            raise ValueError(f"{architecture} gives a {gives}; a classifier needs a network that encodes")

    def set_events(
        self, *, background: str | None, median_steps: int = 1, minimum_steps: int = 1, threshold: float = 0.0
    ) -> None:
        """How steps become events from now on; ValueError for a value outside its range."""
        if background is not None and background not in self.labels:
            raise ValueError(f"background must be one of {', '.join(self.labels)}, got {background!r}")
        if type(median_steps) is not int or not 1 <= median_steps < MOST_STEPS or median_steps % 2 == 0:
            raise ValueError(f"median_steps must be an odd number of at least 1, got {median_steps!r}")
        if type(minimum_steps) is not int or minimum_steps < 1:
            raise ValueError(f"minimum_steps must be a whole number of at least 1, got {minimum_steps!r}")
        if type(threshold) not in (int, float) or not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold must be from 0 to 1, got {threshold!r}")
        if not self.framewise and (background, median_steps, minimum_steps, threshold) != (None, 1, 1, 0.0):
            raise ValueError("background, median_steps, minimum_steps and threshold belong to framewise models")
        self.background, self.median_steps = background, median_steps
        self.minimum_steps, self.threshold = minimum_steps, threshold

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Our own arguments that stand under `preprocessing` in config.json; those of events only where there are any."""
        chosen = {"max_steps": self.max_steps}
        if not self.framewise:
            return chosen
        return {**chosen, "framewise": True, **{name: getattr(self, name) for name in SETTINGS}}

    def _steps_size(self) -> int:
        """Channels of the network's steps; those of most networks are its summary's, unless pooling makes two of one."""
        pooling = getattr(self.network, "pooling", None)
        return self.network.output_size // 2 if getattr(pooling, "how", "") == "max-mean" else self.network.output_size

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, C), (B,) -> logits (B, labels), framewise (B, T, labels), float32."""
        encoded = self.network(values, lengths)
        features = self._each_step(encoded.steps, values.shape[1]) if self.framewise else encoded.summary
        return nn.functional.linear(features.to(self.head.weight.dtype), self.head.weight, self.head.bias).float()

    def _each_step(self, steps: Tensor | None, length: int) -> Tensor:
        """(B, ceil(T / time_pool), D) -> (B, T, D): a shortened step stands for those that it came from."""
        time_pool = getattr(self.network, "time_pool", 1)
        if steps is None or steps.shape[1] != -(-length // time_pool):
            raise ValueError(
                f"{self.architecture} gives {'no steps' if steps is None else f'{steps.shape[1]} steps of {length}'}; a "
                "framewise model needs one for each (time_pool alone may shorten them)"
            )
        return steps if time_pool == 1 else steps.repeat_interleave(time_pool, 1)[:, :length]

    def predict(
        self, inputs: Any, *, batch_size: int = 32, progress: bool = False
    ) -> Classification | Events | list[Classification] | list[Events]:
        """The class (or the events) of one raw series, or of each of several, in their order.

        One series is an array (T,) or (T, channels), a list of numbers, the path of a .csv file, or of sound a .wav file's,
        as in LabelledSeriesPreprocessor.read; any other iterable is several. `truncated` says whether a series was
        longer than `max_steps`. Raises ValueError or TypeError for what is no series.
        """
        if is_one_series(inputs):
            return next(self.stream([inputs]))
        return list(bar(self.stream(inputs, batch_size=batch_size), inputs, progress, "series"))

    def stream(self, inputs: Iterable[Any], *, batch_size: int = 32) -> Iterator[Classification | Events]:
        """Results one after another, `inputs` read some hundreds at a time."""
        for window in self._windows(inputs, batch_size):
            for series, probabilities in zip(window, self.probabilities(window, batch_size=batch_size), strict=True):
                yield self._result(probabilities, len(series) > self.max_steps)

    def _windows(self, inputs: Iterable[Any], batch_size: int) -> Iterator[list[np.ndarray]]:
        """Network inputs of some raw series at a time."""
        check_batch_size(batch_size)
        inputs = iter(inputs)
        while window := list(islice(inputs, WINDOW * batch_size)):
            yield [self.preprocessor.transform(self.preprocessor.read(raw)) for raw in window]

    def _result(self, probabilities: np.ndarray, cut: bool) -> Classification | Events:
        if self.framewise:
            return self.events(probabilities)
        best, row = int(probabilities.argmax()), probabilities.tolist()
        return Classification(self.labels[best], row[best], dict(zip(self.labels, row, strict=True)), cut)

    def events(self, probabilities: np.ndarray) -> Events:
        """(T, labels) of one series -> its events."""
        classes, scored = self.decode(probabilities)
        time = self.preprocessor.time
        found = tuple(Event(self.labels[run.label], time(run.start), time(run.stop), score) for run, score in scored)
        return Events(found, tuple(self.labels[label] for label in classes.tolist()), self.preprocessor.unit)

    def decode(self, probabilities: np.ndarray) -> tuple[np.ndarray, list[Scored]]:
        """(T, labels) of one series -> the class of each step (T,), and its events in steps."""
        classes, scored = candidates(probabilities, self.background_index, self.median_steps)
        return classes, keep(scored, self.minimum_steps, self.threshold)

    @property
    def background_index(self) -> int | None:
        return None if self.background is None else self.labels.index(self.background)

    def encode(self, inputs: Any, *, batch_size: int = 32) -> Tensor:
        """The network's summary of one raw series (D,) or of each of several (N, D), float32, on the CPU."""
        one, rows = is_one_series(inputs), []
        for window in self._windows([inputs] if one else inputs, batch_size):
            rows += self._in_order(
                [series[: self.max_steps] for series in window],
                lambda values, lengths: self.network(values, lengths).summary.float(),
                batch_size,
            )
        encoded = torch.stack(rows) if rows else torch.zeros(0, self.network.output_size)
        return encoded[0] if one else encoded

    def probabilities(self, series: Sequence[np.ndarray], *, batch_size: int = 32) -> list[np.ndarray]:
        """Of each series (T, C) of network inputs: (labels,), framewise (T, labels), float64."""
        if not self.framewise:
            rows = self._in_order([one[: self.max_steps] for one in series], self, batch_size)
            return [row.double().softmax(-1).numpy() for row in rows]
        pieces = [(one, *piece) for one in series for piece in _pieces(len(one), self.max_steps)]
        rows = self._in_order([one[first:last] for one, first, last, _ in pieces], self, batch_size)
        kept = iter(
            row[keep.start - first : keep.stop - first].double().softmax(-1).numpy()
            for row, (_, first, _, keep) in zip(rows, pieces, strict=True)
        )
        return [np.concatenate([next(kept) for _ in _pieces(len(one), self.max_steps)]) for one in series]

    def batch(self, series: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Some series (T, C) -> values (B, T, C), 0 after each series' end, and lengths (B,)."""
        lengths = torch.tensor([len(one) for one in series])
        values = torch.zeros(len(series), int(lengths.max()), self.spec.n_channels)
        for row, one in enumerate(series):
            values[row, : len(one)] = torch.from_numpy(one)
        return values, lengths

    @torch.inference_mode()
    def _in_order(self, series: Sequence[np.ndarray], function: Any, batch_size: int) -> list[Tensor]:
        """Each series' row of `function(values, lengths)`, in eval mode, on the CPU; batches are of near-equal length."""
        device, was_training = self.head.weight.device, self.training
        order = sorted(range(len(series)), key=lambda index: len(series[index]))
        starts = range(0, len(order), batch_size)
        batches = [self.batch([series[index] for index in order[start : start + batch_size]]) for start in starts]
        self.eval()
        try:
            if device.type == "cpu":
                outputs = beside_each_other(function, batches)
            else:
                outputs = [function(values.to(device), lengths).cpu() for values, lengths in batches]
        finally:
            self.train(was_training)
        rows = (row for output in outputs for row in output)
        return [row for _, row in sorted(zip(order, rows, strict=True), key=lambda pair: pair[0])]

    @classmethod
    def from_parts(cls, parts: hub.Parts) -> SeriesClassifier:
        """A model from a checkpoint's verified parts; CheckpointError names the file and what is wrong in it."""
        config = parts.config
        if "scaler.json" not in parts.texts:
            raise hub.CheckpointError("config.json: files must list scaler.json")
        try:
            preprocessor = LabelledSeriesPreprocessor.from_json(parts.texts["scaler.json"])
        except ValueError as error:
            raise hub.CheckpointError(f"scaler.json: {error}") from None
        chosen = config["preprocessing"]
        if set(chosen) not in ({"max_steps"}, {"max_steps", "framewise", *SETTINGS}) or chosen.get("framewise") is False:
            raise hub.CheckpointError(
                f"config.json: preprocessing must give max_steps, and of a framewise model {', '.join(SETTINGS)} too, "
                f"got {chosen!r}"
            )
        with hub.shapes_only(parts.tensors):  # no memory before the shapes are known to fit
            model = cls(
                config["architecture"], config["arguments"], preprocessor=preprocessor, labels=config["labels"], **chosen
            )
        if config["spec"] != model.spec._asdict():
            raise hub.CheckpointError(
                f"config.json: spec {config['spec']!r} is not the preprocessor's {model.spec._asdict()!r}"
            )
        hub.fill(model, parts.tensors)
        return model


def _pieces(length: int, most: int) -> list[tuple[int, int, range]]:
    """From where to where each piece of a series is read, and which of its steps count: those away from its cut ends."""
    if length <= most:
        return [(0, length, range(length))]
    kept, margin = max(most // 2, 1), most // 4
    return [
        (max(0, start - margin), min(length, start + kept + margin), range(start, min(length, start + kept)))
        for start in range(0, length, kept)
    ]
