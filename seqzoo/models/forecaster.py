"""Forecaster: preprocessor, network and linear head; a raw history in, a table of what comes next out."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from seqzoo import catalog, hub
from seqzoo.models._predicting import Pretrained, beside_each_other, check_batch_size
from seqzoo.preprocessing.series import Rows, SeriesPreprocessor
from seqzoo.preprocessing.windows import check_windows
from seqzoo.specs import SeriesSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Forecaster"]

SETTINGS = ("sampling_step", "delay", "change", "quantiles")
LONGEST = 1 << 20  # steps that are rolled out


class Forecaster(Pretrained):
    """A network that forecasts the targets of a SeriesPreprocessor; of one that encodes, by a linear head on its summary.

    Read are `context_length` steps, each `sampling_step` rows after the one before; asked are `horizon` rows, the first of
    them `delay` rows after the last read. With `change` the head says by how much each target differs from its last value
    (from its mean, where the last value is missing). With `quantiles`, in order and 0.5 among them, it gives so many
    numbers for each target and step; the median is the forecast. A network that forecasts by itself gives its own numbers.
    """

    task = "time-series-forecasting"

    def __init__(
        self,
        architecture: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        preprocessor: SeriesPreprocessor,
        context_length: int,
        horizon: int,
        sampling_step: int = 1,
        delay: int = 1,
        change: bool = True,
        quantiles: Sequence[float] | None = None,
    ):
        super().__init__()
        self.check(architecture, arguments, quantiles)
        check_windows(context_length=context_length, horizon=horizon, sampling_step=sampling_step, delay=delay, stride=1)
        if type(change) is not bool:
            raise ValueError(f"change must be true or false, got {change!r}")
        self.folder: Path | None = None  # where it was loaded from or last saved to
        self.architecture, self.arguments = architecture, dict(arguments or {})
        self.preprocessor, self.quantiles = preprocessor, None if quantiles is None else list(quantiles)
        self.context_length, self.horizon = context_length, horizon
        self.sampling_step, self.delay, self.change = sampling_step, delay, change
        self.spec = SeriesSpec(preprocessor.n_inputs, context_length, horizon)
        self.network = catalog.resolve("architectures", architecture)(self.spec, **self.arguments)
        if getattr(self.network, "next_steps_only", False) and (sampling_step, delay) != (1, 1):
            raise ValueError(
                f"{architecture} forecasts the steps right after those it reads: sampling_step and delay must be 1, "
                f"got {sampling_step} and {delay}; read on to a horizon of {delay + horizon - 1} instead"
            )
        self.head = None
        if self.encodes:
            size = horizon * len(self.labels) * len(self.quantiles or [0.5])
            self.head = nn.Linear(self.network.output_size, size)

    @staticmethod
    def check(
        architecture: str, arguments: Mapping[str, Any] | None = None, quantiles: Sequence[float] | None = None
    ) -> None:
        """UnknownName or ValueError where no such network can forecast."""
        network = catalog.resolve("architectures", architecture)
        catalog.check_arguments(architecture, network, arguments or {})
        annotation = inspect.signature(network, eval_str=True).parameters["spec"].annotation
        if SeriesSpec not in (annotation, *getattr(annotation, "__args__", ())):
            raise ValueError(f"{architecture} reads texts, no series; see seqzoo list architectures")
        gives = getattr(network, "gives", "encoded")
        if gives == "reconstruction":
            raise ValueError(f"{architecture} gives a reconstruction; a forecaster needs one that encodes or forecasts")
        if quantiles is None:
            return
        if gives == "forecast":
            raise ValueError(f"{architecture} gives one number for each step: quantiles need a network that encodes")
        numbers = isinstance(quantiles, Sequence) and all(type(one) is float and 0.0 < one < 1.0 for one in quantiles)
        if not numbers or 0.5 not in quantiles or any(low >= high for low, high in pairwise(quantiles)):
            raise ValueError(f"quantiles must lie between 0 and 1, in order and 0.5 among them, got {quantiles!r}")

    @property
    def encodes(self) -> bool:
        """Whether the network encodes, so that there is a head."""
        return getattr(self.network, "gives", "encoded") == "encoded"

    @property
    def labels(self) -> list[str]:
        """Names of the targets."""
        return list(self.preprocessor.targets)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Our own arguments that stand under `preprocessing` in config.json."""
        return {name: getattr(self, name) for name in SETTINGS}

    @property
    def rows_needed(self) -> int:
        """Rows that a history must have."""
        return (self.context_length - 1) * self.sampling_step + 1

    def forward(self, past: Tensor) -> Tensor:
        """(B, L, inputs) -> (B, H, K), with quantiles (B, H, K, Q); standardised, float32."""
        past = past.to(next(self.network.parameters(), past).dtype)
        places = self.preprocessor.target_indices
        if self.head is None:
            return self.network(past)[..., places].float()
        lengths = torch.full((len(past),), past.shape[1], device=past.device)
        summary = self.network(past, lengths).summary
        given = nn.functional.linear(summary.to(self.head.weight.dtype), self.head.weight, self.head.bias).float()
        given = given.unflatten(1, (self.horizon, len(places), -1))  # (B, H, K, Q)
        if self.change:
            given = given + past[:, -1, places].float()[:, None, :, None]
        return given if self.quantiles else given[..., 0]

    @torch.inference_mode()
    def forecast(self, past: Tensor | np.ndarray, *, batch_size: int = 512) -> np.ndarray:
        """(N, L, inputs) standardised -> (N, H, K), or (N, H, K, Q) in order of size; float32, in eval mode.

        `past` may be a view of windows: it is copied batch by batch.
        """
        check_batch_size(batch_size)
        outputs = self._outputs(self, past, batch_size)
        if not outputs:
            shape = (0, self.horizon, len(self.labels))
            return np.empty((*shape, len(self.quantiles)) if self.quantiles else shape, np.float32)
        given = torch.cat(outputs)
        return (given.sort(-1).values if self.quantiles else given).numpy()

    def _outputs(self, function: Any, past: Tensor | np.ndarray, batch_size: int) -> list[Tensor]:
        """`function(past)` batch by batch, in eval mode, on the CPU; no more than the batches at work are copied."""
        device, was_training = next(self.parameters(), torch.empty(0)).device, self.training

        def batch(start: int) -> Tensor:
            piece = past[start : start + batch_size]
            return function((torch.tensor(piece) if isinstance(piece, np.ndarray) else piece).to(device)).cpu()

        starts = [(start,) for start in range(0, len(past), batch_size)]
        self.eval()
        try:
            return beside_each_other(batch, starts) if starts and device.type == "cpu" else [batch(*one) for one in starts]
        finally:
            self.train(was_training)

    def predict(self, history: Any, horizon: int | None = None, *, batch_size: int = 512) -> Any:
        """What follows a history: a DataFrame by time (or by step, counted from the history's first row as 0), with a
        column for each target, in its units, and `<target>_<quantile>` for each quantile.

        `history` is a DataFrame or Series, a CSV file's path, a dict of columns, or, where times are not needed, an array
        (T, columns) or (T,); a list of these gives a list. Its last rows are read; what `SeriesPreprocessor.read` repaired
        stands in `result.attrs["repairs"]`. A smaller `horizon` than the trained one cuts. A larger one is rolled out,
        forecasts being read as if they had been measured, where the model reads nothing but its targets and the calendar.

        Raises ValueError for a history that is too short or no such table, and for a horizon that cannot be had.
        """
        histories = [history] if _is_one(history) else list(history)
        rows = [self.preprocessor.read(one, at_least=self.rows_needed) for one in histories]
        results = self.predict_rows(rows, horizon, batch_size=batch_size)
        return results[0] if _is_one(history) else results

    def predict_rows(self, rows: Sequence[Rows], horizon: int | None = None, *, batch_size: int = 512) -> list[pd.DataFrame]:
        """As `predict`, of histories that `preprocessor.read` has read."""
        values = self._rolled(rows, self._check_horizon(horizon), batch_size)
        return [self._result(one, given) for one, given in zip(rows, values, strict=True)]

    def _check_horizon(self, horizon: int | None) -> int:
        if horizon is None:
            return self.horizon
        if type(horizon) is not int or not 1 <= horizon <= LONGEST:
            raise ValueError(f"horizon must be a whole number from 1 to {LONGEST}, got {horizon!r}")
        if horizon > self.horizon:
            why = None
            if self.quantiles:
                why = "quantiles of quantiles are none"
            elif self.delay > 1:
                why = f"it forecasts {self.delay} steps ahead and not those between"
            elif others := sorted(set(self.preprocessor.channels) - set(self.labels)):
                why = f"it reads {', '.join(map(repr, others))} too, which it does not forecast"
            if why:
                raise ValueError(f"horizon must be at most {self.horizon}, got {horizon}: {why}")
        return horizon

    def _past(self, rows: Rows) -> Tensor:
        """The last rows of a history as one window (L, inputs)."""
        read = self.preprocessor.transform(rows.part(len(rows.values) - self.rows_needed, None))
        return torch.from_numpy(read[:: self.sampling_step].copy())

    def _rolled(self, rows: Sequence[Rows], horizon: int, batch_size: int) -> list[np.ndarray]:
        """(horizon, K) or (horizon, K, Q) of each history, in units."""
        if not rows:
            return []
        found: list[np.ndarray] = []
        order = [self.labels.index(channel) for channel in self.preprocessor.channels] if horizon > self.horizon else []
        while (done := sum(part.shape[1] for part in found)) < horizon:
            if done:
                rows = [self._longer(one, part[:, order]) for one, part in zip(rows, found[-1], strict=True)]
            given = self.forecast(torch.stack([self._past(one) for one in rows]), batch_size=batch_size)
            units = self.preprocessor.inverse(np.moveaxis(given, 2, -1))  # targets last
            found.append(np.moveaxis(units, -1, 2))
        return list(np.concatenate(found, 1)[:, :horizon])

    def _longer(self, rows: Rows, forecast: np.ndarray) -> Rows:
        """What is read of a history with its forecast (H, channels), as if measured."""
        rows = rows.part(-self.rows_needed, None)
        times = rows.times
        if times is not None:
            times = times.append(self.preprocessor.later(times, 1, len(forecast)))
        return Rows(np.concatenate([rows.values, forecast]), times, rows.repairs)

    def _result(self, rows: Rows, values: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        if rows.times is None:
            first = len(rows.values) - 1 + self.delay
            index: pd.Index = pd.RangeIndex(first, first + len(values), name="step")
        else:
            index = self.preprocessor.later(rows.times, self.delay, len(values)).rename(self.preprocessor.time_column)
        columns = {}
        for place, name in enumerate(self.labels):
            if not self.quantiles:
                columns[name] = values[:, place]
                continue
            columns[name] = values[:, place, self.quantiles.index(0.5)]
            columns |= {f"{name}_{one:g}": values[:, place, rank] for rank, one in enumerate(self.quantiles) if one != 0.5}
        table = pd.DataFrame(columns, index=index)
        table.attrs["repairs"] = list(rows.repairs)
        return table

    def encode(self, history: Any, *, batch_size: int = 512) -> Tensor:
        """The network's summary of one history (D,) or of each of a list (N, D), float32, on the CPU.

        ValueError where the network does not encode.
        """
        if self.head is None:
            raise ValueError(f"{self.architecture} forecasts by itself and has no summary to give")
        histories = [history] if _is_one(history) else list(history)
        rows = [self.preprocessor.read(one, at_least=self.rows_needed) for one in histories]
        if not rows:
            return torch.zeros(0, self.network.output_size)

        def summary(past: Tensor) -> Tensor:
            past = past.to(self.head.weight.dtype)
            return self.network(past, torch.full((len(past),), past.shape[1], device=past.device)).summary.float()

        with torch.inference_mode():
            encoded = torch.cat(self._outputs(summary, torch.stack([self._past(one) for one in rows]), batch_size))
        return encoded[0] if _is_one(history) else encoded

    @classmethod
    def from_parts(cls, parts: hub.Parts) -> Forecaster:
        """A model from a checkpoint's verified parts; CheckpointError names the file and what is wrong in it."""
        config = parts.config
        if "scaler.json" not in parts.texts:
            raise hub.CheckpointError("config.json: files must list scaler.json")
        try:
            preprocessor = SeriesPreprocessor.from_json(parts.texts["scaler.json"])
        except ValueError as error:
            raise hub.CheckpointError(f"scaler.json: {error}") from None
        chosen, spec = config["preprocessing"], config["spec"]
        if set(chosen) != set(SETTINGS):
            raise hub.CheckpointError(f"config.json: preprocessing must give {', '.join(SETTINGS)}, got {chosen!r}")
        if set(spec) != set(SeriesSpec._fields):
            raise hub.CheckpointError(f"config.json: spec must give {', '.join(SeriesSpec._fields)}, got {spec!r}")
        with hub.shapes_only(parts.tensors):  # no memory before the shapes are known to fit
            model = cls(
                config["architecture"],
                config["arguments"],
                preprocessor=preprocessor,
                context_length=spec["context_length"],
                horizon=spec["horizon"],
                **chosen,
            )
        if spec != model.spec._asdict() or config["labels"] != model.labels:
            raise hub.CheckpointError(
                f"config.json: spec {spec!r} and labels {config['labels']!r} are not the preprocessor's "
                f"{model.spec._asdict()!r} and {model.labels!r}"
            )
        hub.fill(model, parts.tensors)
        return model


def _is_one(history: Any) -> bool:
    """Whether it is one history and not several: a table, a path, an array, or numbers in a row."""
    if isinstance(history, str | os.PathLike | Mapping | np.ndarray) or hasattr(history, "iloc"):
        return True
    return isinstance(history, Sequence) and len(history) > 0 and isinstance(history[0], int | float | np.number)
