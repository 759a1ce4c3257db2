"""Anomaly detector: what a network cannot foretell of a stream, or cannot give back of a series, is strange."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqzoo import catalog, hub
from seqzoo.models._predicting import Pretrained, bar, beside_each_other, check_batch_size, check_labels
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor, is_one_series
from seqzoo.preprocessing.streams import Reading, StreamPreprocessor, filled
from seqzoo.preprocessing.surprise import excess, first_alarms, likelihood, normal_tail, spans, trailing_mean
from seqzoo.specs import SeriesSpec

__all__ = ["AnomalyDetector"]

METHODS = {"forecast": StreamPreprocessor, "reconstruction": LabelledSeriesPreprocessor}
TERMS = ("value", "level", "residual", "likelihood")
WEIGHTS = {"value": 1.0, "level": 0.25, "residual": 0.25}
SETTINGS = {  # what stands under `preprocessing` in config.json
    "forecast": ("method", "context_length", "threshold", "weights", "level_steps", "quiet"),
    "reconstruction": ("method", "context_length", "threshold", "error_mean", "error_std"),
}
LONGEST = 1 << 20
BATCH = 64  # pieces of a stream that go through the network together


@dataclass(frozen=True)
class Window:
    """A flagged part of a stream: its first and last row, their times (or None), and the highest score there."""

    first: int
    last: int
    start: str | None
    end: str | None
    score: float


@dataclass(frozen=True)
class Anomalies:
    """A stream's score at each row (T,), from 0 to 1; its flagged windows; the threshold that a flagged row reaches; how
    many rows at its start were its probation, of which nothing is told.
    """

    scores: np.ndarray
    windows: tuple[Window, ...]
    threshold: float
    probation: int


@dataclass(frozen=True)
class SeriesAnomaly:
    """Of a whole series: its score from 0 to 1, whether it reaches the threshold, and the error of each step (T,)."""

    score: float
    anomalous: bool
    errors: np.ndarray


class AnomalyDetector(Pretrained):
    """A network that has learned what is normal, and how strange that is which it has not expected.

    `method="forecast"` reads a stream of one value (StreamPreprocessor) with a causal network, whose linear head tells the
    change to the next scaled value. A row's score looks at earlier rows only; it is 1 - exp(-s), s the largest of these
    terms, each times its weight in `weights`:

    - `value`: how far the value leaves the range of all before it, log(1 + distance / width of the range);
    - `level`: the same of the mean of the last `level_steps` values;
    - `residual`: the same of the forecast's error, with its sign;
    - `likelihood`: the rolling anomaly likelihood of the absolute error over `level_steps` (Ahmad et al., 2017), -log10.

    A row scores 0 where one of the rows before it, `quiet` times the probation many, scored as much: an alarm is told once.

    `method="reconstruction"` reads whole series (LabelledSeriesPreprocessor, at most `context_length` steps) with a network
    that gives them back. The logarithm of a series' mean absolute error is held against its Gaussian on normal series,
    `error_mean` and `error_std`: with p the upper tail probability and s = -log10(p), the score is s / (1 + s).

    `threshold` is the score from which something is flagged. `calibrate` sets it, and the Gaussian, on validation data.
    """

    task = "anomaly-detection"

    def __init__(
        self,
        architecture: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        preprocessor: StreamPreprocessor | LabelledSeriesPreprocessor,
        labels: Sequence[str] = ("normal", "anomaly"),
        method: str = "forecast",
        context_length: int = 64,
        threshold: float = 0.5,
        weights: Mapping[str, float] | None = None,
        level_steps: int = 20,
        quiet: float = 0.2,
        error_mean: float = 0.0,
        error_std: float = 1.0,
    ):
        super().__init__()
        self.check(architecture, arguments, method)
        check_labels(labels)
        if len(labels) != 2:
            raise ValueError(f"labels must be two, of what is normal and what is not, got {list(labels)!r}")
        if not isinstance(preprocessor, METHODS[method]):
            raise ValueError(f"method {method} needs a {METHODS[method].__name__}, got a {type(preprocessor).__name__}")
        if type(context_length) is not int or not 1 <= context_length <= LONGEST:
            raise ValueError(f"context_length must be a whole number from 1 to {LONGEST}, got {context_length!r}")
        if type(level_steps) is not int or not 1 <= level_steps <= LONGEST:
            raise ValueError(f"level_steps must be a whole number from 1 to {LONGEST}, got {level_steps!r}")
        if type(quiet) not in (int, float) or not 0.0 <= quiet <= 10.0:
            raise ValueError(f"quiet must be a share of the probation, from 0 to 10, got {quiet!r}")
        self.folder: Path | None = None  # where it was loaded from or last saved to
        self.architecture, self.arguments = architecture, dict(arguments or {})
        self.preprocessor, self.labels, self.method, self.context_length = preprocessor, list(labels), method, context_length
        self.weights, self.level_steps, self.quiet = _weights(weights), level_steps, quiet
        self.set_calibration(threshold, error_mean, error_std)
        self.spec = SeriesSpec(preprocessor.n_inputs, context_length, 1 if method == "forecast" else 0)
        self.network = catalog.resolve("architectures", architecture)(self.spec, **self.arguments)
        self.head = None
        if method == "forecast":
            if not getattr(self.network, "causal", False):
                raise ValueError(
                    f"{architecture} with {self.arguments!r} sees rows that are still to come; use a causal one"
                )
            self.head = nn.Linear(self.network.output_size, 1)

    @staticmethod
    def check(architecture: str, arguments: Mapping[str, Any] | None = None, method: str = "forecast") -> None:
        """UnknownName or ValueError where no such network can serve the method."""
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        network = catalog.resolve("architectures", architecture)
        catalog.check_arguments(architecture, network, arguments or {})
        annotation = inspect.signature(network, eval_str=True).parameters["spec"].annotation
        if SeriesSpec not in (annotation, *getattr(annotation, "__args__", ())):
            raise ValueError(f"{architecture} reads texts, no series; see seqzoo list architectures")
        gives, wanted = getattr(network, "gives", "encoded"), {"forecast": "encoded"}.get(method, method)
        if gives != wanted:
            raise ValueError(f"{architecture} gives {gives}; the method {method} needs a network that gives {wanted}")

    def set_calibration(self, threshold: float, error_mean: float = 0.0, error_std: float = 1.0) -> None:
        """The score from which something is flagged, the Gaussian of normal log errors; ValueError outside their range."""
        for name, value in (("threshold", threshold), ("error_mean", error_mean), ("error_std", error_std)):
            if type(value) not in (int, float) or not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value!r}")
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold must be from 0 to 1, got {threshold!r}")
        if error_std <= 0.0:
            raise ValueError(f"error_std must be above 0, got {error_std!r}")
        self.threshold, self.error_mean, self.error_std = threshold, error_mean, error_std

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Our own arguments that stand under `preprocessing` in config.json: those of the method."""
        return {name: getattr(self, name) for name in SETTINGS[self.method]}

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, C), (B,) -> float32: each row's guess of the next scaled value (B, T), or the reconstruction (B, T, C)."""
        if self.head is None:
            return self.network(values, lengths).float()
        steps = self.network(values, lengths).steps
        if steps is None or steps.shape[1] != values.shape[1]:
            raise ValueError(f"{self.architecture} gives no step for each row; use a network that does")
        change = nn.functional.linear(steps.to(self.head.weight.dtype), self.head.weight, self.head.bias).float()
        return values[..., 0] + change[..., 0]

    # Prediction

    def predict(
        self, inputs: Any, *, probation: int | None = None, batch_size: int = 32, progress: bool = False
    ) -> Anomalies | SeriesAnomaly | list[Anomalies] | list[SeriesAnomaly]:
        """What is strange in one stream or series, or in each of several, in their order.

        One is a DataFrame, the path of a .csv file, columns by name, or an array or list of values; any other iterable is
        several. `probation` is the number of rows at a stream's start that are taken as normal, for a stream that is still
        going on: without it, a share of what is given. Raises ValueError or TypeError for what is no stream or series.
        """
        if probation is not None and self.method != "forecast":
            raise ValueError(f"probation belongs to streams; this model's method is {self.method}")
        if probation is not None and (type(probation) is not int or probation < 2):
            raise ValueError(f"probation must be a whole number of at least 2 rows, got {probation!r}")
        check_batch_size(batch_size)
        results = self._results([inputs] if is_one_series(inputs) else inputs, probation, batch_size)
        return next(results) if is_one_series(inputs) else list(bar(results, inputs, progress, "series"))

    def _results(self, inputs: Iterable[Any], probation: int | None, batch_size: int) -> Iterator[Any]:
        if self.method == "forecast":
            for raw in inputs:
                yield self._of_stream(self.preprocessor.read(raw), probation)
            return
        inputs = [self.preprocessor.transform(self.preprocessor.read(raw)) for raw in inputs]
        errors = self.errors(inputs, batch_size=batch_size)
        for own, score in zip(errors, self.series_scores(errors), strict=True):
            yield SeriesAnomaly(float(score), bool(score >= self.threshold), own)

    def _of_stream(self, reading: Reading, probation: int | None) -> Anomalies:
        n_rows = len(reading.values)
        rows = self.preprocessor.probation_rows(n_rows) if probation is None else probation
        scores = self.stream_scores(reading, rows)
        scores[:rows] = 0.0
        flagged = scores >= max(self.threshold, np.nextafter(0.0, 1.0))
        windows = tuple(
            Window(first, last, *self._times(reading, first, last), float(scores[first : last + 1].max()))
            for first, last in spans(flagged, round(self.quiet * rows))
        )
        return Anomalies(scores, windows, self.threshold, min(rows, n_rows))

    @staticmethod
    def _times(reading: Reading, first: int, last: int) -> tuple[str | None, str | None]:
        if reading.times is None:
            return None, None
        return tuple(str(reading.times[row]).replace("T", " ") for row in (first, last))

    def stream_scores(self, reading: Reading, probation: int) -> np.ndarray:
        """The score of each row of a stream (T,), those of its probation included, which are worth less."""
        values, residuals = filled(reading.values), self.residuals(self.preprocessor.transform(reading, probation))
        terms = {
            "value": lambda: excess(values),
            "level": lambda: excess(self._level(values)),
            "residual": lambda: excess(residuals),
            "likelihood": lambda: likelihood(np.abs(residuals), self.level_steps),
        }
        strange = np.max([weight * terms[name]() for name, weight in self.weights.items()], 0)
        strange[~np.isfinite(reading.values)] = 0.0  # of a missing value nothing is told
        return first_alarms(-np.expm1(-strange), round(self.quiet * probation))

    def _level(self, values: np.ndarray) -> np.ndarray:
        """The mean of the last `level_steps` values (T,); the first rows, of fewer values, take the first whole mean."""
        level = trailing_mean(values, self.level_steps)
        level[: self.level_steps] = level[min(self.level_steps, len(level)) - 1]
        return level

    @torch.inference_mode()
    def residuals(self, inputs: np.ndarray) -> np.ndarray:
        """(T, C) inputs of a stream -> (T,) float64: each scaled value less its forecast from the rows before, 0 at first.

        The stream is read in pieces that overlap: a forecast sees from one to two times `context_length` rows.
        """
        size, n_rows = self.context_length, len(inputs)
        starts = range(0, n_rows, size)
        padded = np.concatenate([np.zeros((size, inputs.shape[1]), np.float32), inputs])
        pieces = [padded[start : start + 2 * size] if start else inputs[:size] for start in starts]
        guesses = self._in_batches(pieces, BATCH)
        kept = [own[size:] if start else own for start, own in zip(starts, guesses, strict=True)]
        return np.concatenate([[0.0], inputs[1:, 0] - np.concatenate(kept)[:-1].astype(np.float64)])

    def errors(self, series: Sequence[np.ndarray], *, batch_size: int = 32) -> list[np.ndarray]:
        """Inputs of each series (T, C) -> its steps' absolute errors (T,), mean over channels."""
        series = [one[: self.context_length] for one in series]
        told = self._in_batches(series, batch_size)
        return [np.abs(own.astype(np.float64) - one).mean(1) for own, one in zip(told, series, strict=True)]

    def series_scores(self, errors: Sequence[np.ndarray]) -> np.ndarray:
        """Errors (T,) of each of N series -> scores (N,)."""
        logs = np.log([own.mean() + 1e-12 for own in errors])
        tail = np.maximum(normal_tail((logs - self.error_mean) / self.error_std), 0.0)
        return tail / (1.0 + tail)

    def _in_batches(self, series: Sequence[np.ndarray], batch_size: int) -> list[np.ndarray]:
        """`forward` of each series (T, C), in eval mode, batches of near-equal length; results in the series' order."""
        parameter, was_training = next(self.parameters()), self.training
        order = sorted(range(len(series)), key=lambda index: len(series[index]))
        batches = [self.batch([series[i] for i in order[at : at + batch_size]]) for at in range(0, len(order), batch_size)]
        self.eval()
        try:
            with torch.inference_mode():
                if parameter.device.type == "cpu":
                    outputs = beside_each_other(self, batches)
                else:
                    outputs = [self(values.to(parameter.device), lengths).cpu() for values, lengths in batches]
        finally:
            self.train(was_training)
        rows = [row for output in outputs for row in output]
        results = dict(zip(order, rows, strict=True))
        return [results[index][: len(one)].numpy() for index, one in enumerate(series)]

    def batch(self, series: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Some series (T, C) -> values (B, T, C), 0 after each series' end, and lengths (B,)."""
        lengths = torch.tensor([len(one) for one in series])
        values = torch.zeros(len(series), int(lengths.max()), self.spec.n_channels)
        for row, one in enumerate(series):
            values[row, : len(one)] = torch.from_numpy(np.ascontiguousarray(one))
        return values, lengths

    # Calibration

    def calibrate(self, series: Sequence[Any], anomalous: np.ndarray | None = None, *, false_alarms: float = 0.002) -> None:
        """Set the threshold, and the Gaussian of normal errors, by raw validation streams or series.

        Streams are wholly normal: the threshold is what only the share `false_alarms` of the rows in their second halves
        reaches. Series are normal where `anomalous` (N,) is False: these give the Gaussian; the threshold has the highest
        F1 of all, or where none is anomalous, flags the share `false_alarms`.
        """
        if not series:
            raise ValueError("there is nothing to calibrate by: hold out validation series")
        if not 0.0 < false_alarms < 1.0:
            raise ValueError(f"false_alarms must be a share between 0 and 1, got {false_alarms!r}")
        if self.method == "forecast":
            readings = [self.preprocessor.read(raw) for raw in series]
            scores = [self.stream_scores(one, len(one.values))[len(one.values) // 2 :] for one in readings]
            self.set_calibration(_quantile(np.concatenate(scores), false_alarms))
            return
        errors = self.errors([self.preprocessor.transform(self.preprocessor.read(raw)) for raw in series])
        normal = np.ones(len(errors), bool) if anomalous is None else ~np.asarray(anomalous, bool)
        if normal.sum() < 2:
            raise ValueError(f"the error's distribution needs two normal validation series or more, got {normal.sum()}")
        logs = np.log([own.mean() + 1e-12 for own, fine in zip(errors, normal, strict=True) if fine])
        self.set_calibration(self.threshold, float(logs.mean()), float(max(logs.std(), 1e-6)))
        scores = self.series_scores(errors)
        threshold = _quantile(scores, false_alarms) if normal.all() else _best_f1(scores, ~normal)
        self.set_calibration(threshold, self.error_mean, self.error_std)

    # Checkpoints

    @classmethod
    def from_parts(cls, parts: hub.Parts) -> AnomalyDetector:
        """A model from a checkpoint's verified parts; CheckpointError names the file and what is wrong in it."""
        config, chosen = parts.config, parts.config["preprocessing"]
        if "scaler.json" not in parts.texts:
            raise hub.CheckpointError("config.json: files must list scaler.json")
        method = chosen.get("method")
        if not isinstance(method, str) or method not in METHODS or set(chosen) != set(SETTINGS[method]):
            raise hub.CheckpointError(
                f"config.json: preprocessing must give {' or '.join(', '.join(names) for names in SETTINGS.values())}, "
                f"got {chosen!r}"
            )
        try:
            preprocessor = METHODS[method].from_json(parts.texts["scaler.json"])
        except (TypeError, ValueError) as error:
            raise hub.CheckpointError(f"scaler.json: {error}") from None
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


def _weights(given: Mapping[str, float] | None) -> dict[str, float]:
    weights = dict(WEIGHTS if given is None else given)
    for name, weight in weights.items():
        if name not in TERMS:
            raise ValueError(f"weights: there is no term {name!r}; {catalog.hint(name, TERMS)}")
        if type(weight) not in (int, float) or not 0.0 < weight < math.inf:
            raise ValueError(f"weights: that of {name} must be a number above 0, got {weight!r}")
    if not weights:
        raise ValueError(f"weights must name at least one of {', '.join(TERMS)}")
    return weights


def _quantile(scores: np.ndarray, share: float) -> float:
    """The score that at most this share reaches, and that no score of 0 does."""
    return float(min(max(np.quantile(scores, 1.0 - share), 1e-6), 1.0))


def _best_f1(scores: np.ndarray, anomalous: np.ndarray) -> float:
    """The threshold of the highest F1, halfway between two of the scores (N,); anomalous: (N,) bool, one at least."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    f1 = 2 * anomalous[order].cumsum() / (np.arange(1, len(order) + 1) + anomalous.sum())
    f1[:-1][ordered[:-1] == ordered[1:]] = 0.0  # no threshold parts what is equal
    last = int(f1.argmax())
    return float(ordered[last] + (ordered[last + 1] if last + 1 < len(ordered) else 0.0)) / 2
