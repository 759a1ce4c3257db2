"""Windows over one array: past and future by index, as views until a batch gathers them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from seqzoo.specs import SeriesBatch

__all__ = ["Windows", "check_windows"]


def check_windows(**settings: int) -> None:
    """ValueError unless each of context_length, horizon, sampling_step, delay and stride is a whole number of at least 1."""
    for name, value in settings.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")


class Windows:
    """Pairs of past and future over `inputs` (T, C), `targets` (T, K) float32 and `observed` (T, K) bool.

    Window i starts at row s = start + i * stride. Its past are `context_length` rows, every `sampling_step`-th from s on, up
    to row p; its future are the `horizon` rows from p + `delay` on. All its rows lie from `start` to before `stop`. The
    arrays may be memory-mapped, and are never copied but for the rows of a batch.

    The lectures' windows: 10-minute data context_length 120, sampling_step 6, delay 144; hourly data 120, 1, 24; horizon 1.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        observed: np.ndarray,
        *,
        context_length: int,
        horizon: int,
        sampling_step: int = 1,
        delay: int = 1,
        start: int = 0,
        stop: int | None = None,
        stride: int = 1,
    ):
        check_windows(
            context_length=context_length, horizon=horizon, sampling_step=sampling_step, delay=delay, stride=stride
        )
        for name, array, kind in (
            ("inputs", inputs, np.float32),
            ("targets", targets, np.float32),
            ("observed", observed, bool),
        ):
            if array.ndim != 2 or array.dtype != kind or len(array) != len(inputs):
                raise ValueError(
                    f"{name} must be a {np.dtype(kind)} array of {len(inputs)} rows, got {array.dtype} {array.shape}"
                )
        if targets.shape != observed.shape:
            raise ValueError(f"targets and observed must have one shape, got {targets.shape} and {observed.shape}")
        stop = len(inputs) if stop is None else stop
        if not 0 <= start <= stop <= len(inputs):
            raise ValueError(f"start and stop must lie in order from 0 to {len(inputs)}, got {start} and {stop}")
        span = (context_length - 1) * sampling_step + delay + horizon
        if span > stop - start:
            raise ValueError(
                f"a window takes {span} rows (context_length {context_length}, sampling_step {sampling_step}, "
                f"delay {delay}, horizon {horizon}), and there are {stop - start}"
            )
        self.context_length, self.horizon, self.sampling_step, self.delay = context_length, horizon, sampling_step, delay
        self.start, self.stop, self.stride = start, stop, stride
        first = start + span - horizon  # row of the first window's first future step
        count = (stop - start - span) // stride + 1
        self.inputs = np.asarray(inputs)
        self.past = _views(inputs, start, count, stride, context_length, sampling_step)
        self.future = _views(targets, first, count, stride, horizon, 1)
        self.observed = _views(observed, first, count, stride, horizon, 1)

    def __len__(self) -> int:
        return len(self.past)

    def batch(self, indices: Sequence[int]) -> SeriesBatch:
        """The windows of these indices, gathered: past (B, L, C), future (B, H, K), observed (B, H, K)."""
        chosen = np.asarray(indices, dtype=np.intp)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(self):
            raise IndexError(f"windows are numbered from 0 to {len(self) - 1}, got {chosen.min()} to {chosen.max()}")
        if self.inputs.flags.c_contiguous:  # row by row is faster than along the views, and would copy any other array
            rows = (self.start + chosen * self.stride)[:, None] + np.arange(self.context_length) * self.sampling_step
            past = np.take(self.inputs, rows, axis=0)
        else:
            past = self.past[chosen]
        return SeriesBatch(*(torch.from_numpy(part) for part in (past, self.future[chosen], self.observed[chosen])))


def _views(array: np.ndarray, first: int, count: int, stride: int, length: int, step: int) -> np.ndarray:
    """(T, C) -> (count, length, C), read-only: view i holds every `step`-th row from first + i * stride on."""
    row, column = array.strides
    return np.lib.stride_tricks.as_strided(
        np.asarray(array)[first:],
        shape=(count, length, array.shape[1]),
        strides=(stride * row, step * row, column),
        writeable=False,
    )
