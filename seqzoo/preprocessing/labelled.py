"""Raw series to a network's inputs: values as they are, or sound as frames of a spectrum; standardised."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqzoo.preprocessing.audio import log_mel, mel_filters, mfcc, read_wave

__all__ = ["FEATURES", "LabelledSeriesPreprocessor", "is_one_series"]

FEATURES = ("values", "log-mel", "mfcc")
SCALINGS = ("train", "series", "none")
SMALLEST = 1e-8  # a standard deviation below it is that of a constant: it becomes 1
FULL_SCALE = 32_768.0  # of 16-bit samples


class LabelledSeriesPreprocessor:
    """What is done with a series before a network reads it, as plain JSON values.

    - `features="values"` takes the values of `n_channels` channels. `log-mel` and `mfcc` take sound: one channel of
      `sample_rate` samples a second, cut into frames of `frame` samples, `hop` apart, of which each gives the logarithms of
      the power in `n_mels` mel bands from `low` to `high` Hz (by default half the sample rate), or their `n_mfcc` first
      cepstral coefficients.
    - `scaling="train"` subtracts the mean and divides by the standard deviation that each input has in the training series
      (`fit`); `series` takes each series' own; `none` leaves them.

    Missing values (NaN) of `features="values"` become the mean, which is 0 after scaling. Raises ValueError for a
    value outside its range, and for one that belongs to other features.
    """

    def __init__(
        self,
        features: str = "values",
        *,
        scaling: str = "train",
        n_channels: int = 1,
        sample_rate: int = 0,
        frame: int = 0,
        hop: int = 0,
        n_mels: int = 0,
        n_mfcc: int = 0,
        low: float = 0.0,
        high: float = 0.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ):
        if features not in FEATURES:
            raise ValueError(f"features must be one of {', '.join(FEATURES)}, got {features!r}")
        if scaling not in SCALINGS:
            raise ValueError(f"scaling must be one of {', '.join(SCALINGS)}, got {scaling!r}")
        whole = {"n_channels": n_channels, "sample_rate": sample_rate, "frame": frame, "hop": hop, "n_mels": n_mels}
        for name, value in {**whole, "n_mfcc": n_mfcc}.items():
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
        for name, value in (("low", low), ("high", high)):
            if type(value) not in (int, float) or not 0.0 <= value < math.inf:
                raise ValueError(f"{name} must be a number of Hz of at least 0, got {value!r}")
        self.features, self.scaling, self.n_channels = features, scaling, n_channels
        self.sample_rate, self.frame, self.hop, self.n_mels, self.n_mfcc = sample_rate, frame, hop, n_mels, n_mfcc
        self.low, self.high = float(low), float(high)
        if self.is_sound:
            self._check_sound()
        elif n_channels < 1 or any((sample_rate, frame, hop, n_mels, n_mfcc, low, high)):
            raise ValueError(
                f"values need n_channels of at least 1, got {n_channels}, and nothing of sound (sample_rate, frame, hop, "
                "n_mels, n_mfcc, low, high)"
            )
        self.mean, self.std = _numbers("mean", mean, self.n_inputs), _numbers("std", std, self.n_inputs)
        if (self.mean is None) != (self.std is None) or (self.mean is not None and scaling != "train"):
            raise ValueError("mean and std come together, and with scaling train alone")
        if self.std is not None and min(self.std) <= 0.0:
            raise ValueError(f"std must be above 0, got {min(self.std)}")

    def _check_sound(self) -> None:
        if self.n_channels != 1:
            raise ValueError(f"sound has one channel, got n_channels {self.n_channels}")
        for name in ("sample_rate", "frame", "hop", "n_mels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{self.features} needs {name} of at least 1, got {getattr(self, name)}")
        if self.hop > self.frame or self.frame > 1 << 20:
            raise ValueError(f"hop must be at most frame, and frame at most {1 << 20}, got {self.hop} and {self.frame}")
        if not self.low < self.highest <= self.sample_rate / 2:
            raise ValueError(
                f"low and high must be in order and at most half the sample rate, got {self.low} and {self.highest}"
            )
        if (self.features == "mfcc") != (self.n_mfcc > 0) or self.n_mfcc > self.n_mels:
            raise ValueError(
                f"n_mfcc belongs to mfcc, from 1 to n_mels ({self.n_mels}), got {self.n_mfcc} for {self.features}"
            )
        mel_filters(self.sample_rate, 1 << (self.frame - 1).bit_length(), self.n_mels, self.low, self.highest)

    @property
    def is_sound(self) -> bool:
        return self.features != "values"

    @property
    def highest(self) -> float:
        """The upper end of the mel bands, in Hz."""
        return self.high or self.sample_rate / 2

    @property
    def n_inputs(self) -> int:
        """Channels of what the network reads."""
        return {"values": self.n_channels, "log-mel": self.n_mels, "mfcc": self.n_mfcc}[self.features]

    @property
    def unit(self) -> str:
        """What `time` counts: seconds of sound, else steps."""
        return "seconds" if self.is_sound else "steps"

    def time(self, step: int) -> float:
        """Where a step of the inputs begins. A frame of sound stands for the `hop` samples in its middle."""
        return (step * self.hop + (self.frame - self.hop) / 2) / self.sample_rate if self.is_sound else float(step)

    def middles(self, n_steps: int) -> np.ndarray:
        """The raw step in the middle of each of the first `n_steps` steps of the inputs, int64."""
        return np.arange(n_steps) * self.hop + self.frame // 2 if self.is_sound else np.arange(n_steps)

    def fit(self, series: Iterable[np.ndarray]) -> LabelledSeriesPreprocessor:
        """The same with mean and std of raw training series (T, n_channels); unchanged where scaling is not `train`."""
        if self.scaling != "train":
            return self
        count, total, square = (np.zeros(self.n_inputs) for _ in range(3))
        for one in series:
            values = self._features(one).astype(np.float64)
            count += np.isfinite(values).sum(0)
            total += np.nansum(values, 0)
            square += np.nansum(values**2, 0)
        mean = total / np.maximum(count, 1)
        std = np.sqrt(np.maximum(square / np.maximum(count, 1) - mean**2, 0.0))
        std = np.where(std > SMALLEST, std, 1.0)
        return LabelledSeriesPreprocessor(**{**self.settings, "mean": mean.tolist(), "std": std.tolist()})

    def read(self, raw: Any) -> np.ndarray:
        """One raw series -> (T, n_channels): float32, or int16 samples of sound.

        `raw` is an array, tensor or DataFrame (T,) or (T, n_channels), a list of numbers, a dict of columns, the path of a
        .csv file (a column for each channel, in order; a first row of names is passed over), or of sound the path of a .wav
        file. Sound is 16-bit samples, whole numbers, or numbers from -1 to 1. Raises ValueError for what is none of these,
        TypeError for what is no number.
        """
        if isinstance(raw, str | os.PathLike):
            raw = self._read_file(Path(raw))
        elif isinstance(raw, Mapping):
            raw = np.array(list(raw.values()), object).T
        array = np.asarray(raw.detach().cpu() if hasattr(raw, "detach") else raw)
        if array.dtype == object:
            array = _without_none(array)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"a series must be numbers, got {array.dtype} values such as {array.ravel()[:1].tolist()!r}")
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != self.n_channels:
            wanted = f"(T,) or (T, {self.n_channels})" if self.n_channels == 1 else f"(T, {self.n_channels})"
            raise ValueError(f"a series must be of shape {wanted}, got {array.shape}")
        if not len(array):
            raise ValueError("a series must have at least one step, got none")
        if np.isinf(array).any():
            raise ValueError("a series must be finite numbers (NaN where one is missing), got an infinite one")
        return self._samples(array) if self.is_sound else array.astype(np.float32)

    def _samples(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind == "f":
            if np.isnan(array).any():
                raise ValueError("samples of sound must be numbers, got NaN")
            largest = np.abs(array).max()
            if largest <= 1.5:
                return array.astype(np.float32)
            if (array != np.round(array)).any():
                raise ValueError(f"samples of sound are from -1 to 1, or whole numbers of 16 bits; got {largest:g}")
        if array.min() < -FULL_SCALE or array.max() >= FULL_SCALE:
            raise ValueError(f"integer samples must have 16 bits, got {array.min()} to {array.max()}")
        return array.astype(np.int16)

    def _read_file(self, path: Path) -> np.ndarray:
        kind = path.suffix.lower()
        if self.is_sound and kind == ".wav":
            return read_wave(path, self.sample_rate)
        if kind != ".csv":
            raise ValueError(f"a file must be {'.wav or .csv' if self.is_sound else '.csv'}, got {str(path)!r}")
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
        if rows and not all(_is_number(cell) for cell in rows[0]):
            rows = rows[1:]
        for line, row in enumerate(rows, 1):
            if len(row) != self.n_channels or not all(_is_number(cell) for cell in row):
                raise ValueError(f"{path}, row {line} of numbers: {self.n_channels} wanted, got {','.join(row)!r}")
        return np.array([[float(cell) if cell.strip() else math.nan for cell in row] for row in rows], np.float64)

    def transform(self, series: np.ndarray) -> np.ndarray:
        """(T, n_channels) as `read` gives it -> (T', n_inputs) float32; T' is the number of frames of sound, else T."""
        values = self._features(series)
        if self.scaling == "series":
            present = np.isfinite(values)
            count = np.maximum(present.sum(0), 1)
            mean = np.where(present, values, 0.0).sum(0) / count
            std = np.sqrt(np.square(np.where(present, values - mean, 0.0)).sum(0) / count)
            values = (values - mean) / np.where(std > SMALLEST, std, 1.0)
        elif self.scaling == "train":
            if self.mean is None:
                raise ValueError("this preprocessor knows no mean and std yet: fit it on the training series")
            values = (values - np.array(self.mean)) / np.array(self.std)
        return np.nan_to_num(values, nan=0.0).astype(np.float32)

    def _features(self, series: np.ndarray) -> np.ndarray:
        if not self.is_sound:
            return series.astype(np.float64)
        samples = series[:, 0] / FULL_SCALE if series.dtype == np.int16 else series[:, 0]
        mels = log_mel(
            samples,
            sample_rate=self.sample_rate,
            frame=self.frame,
            hop=self.hop,
            n_mels=self.n_mels,
            low=self.low,
            high=self.highest,
        )
        return mels if self.features == "log-mel" else mfcc(mels, self.n_mfcc)

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, plain values."""
        names = ("features", "scaling", "n_channels", "sample_rate", "frame", "hop", "n_mels", "n_mfcc", "low", "high")
        return {**{name: getattr(self, name) for name in names}, "mean": self.mean, "std": self.std}

    def to_json(self) -> str:
        return json.dumps(self.settings, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LabelledSeriesPreprocessor:
        """Raises ValueError for text that is not ours, naming what is wrong."""
        settings = json.loads(text)
        known = set(cls().settings)
        if not isinstance(settings, Mapping) or set(settings) != known:
            raise ValueError(f"must hold {', '.join(sorted(known))}, and nothing else")
        return cls(**settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelledSeriesPreprocessor) and self.settings == other.settings

    __hash__ = None


def is_one_series(inputs: Any) -> bool:
    """Whether predict's argument is one series: a path, an array of one or two dimensions, a dict of columns, some numbers.

    A list of lists is several series of one channel each; of several channels, give arrays.
    """
    if isinstance(inputs, str | os.PathLike | Mapping):
        return True
    if hasattr(inputs, "ndim"):
        return inputs.ndim < 3
    return (
        isinstance(inputs, Sequence)
        and bool(inputs)
        and (inputs[0] is None or (np.isscalar(inputs[0]) and not isinstance(inputs[0], str)))
    )


def _numbers(name: str, values: Any, size: int) -> list[float] | None:
    if values is None:
        return None
    if not isinstance(values, Sequence) or len(values) != size or not all(type(one) in (int, float) for one in values):
        raise ValueError(f"{name} must be {size} numbers, got {values!r}")
    if not all(math.isfinite(one) for one in values):
        raise ValueError(f"{name} must be finite, got {values!r}")
    return [float(one) for one in values]


def _is_number(cell: str) -> bool:
    """Also of a missing one, an empty cell."""
    try:
        float(cell or "nan")
    except ValueError:
        return not cell.strip()
    return True


def _without_none(array: np.ndarray) -> np.ndarray:
    """None is missing; TypeError or ValueError for lists of unequal length, or what is no number."""
    try:
        return np.array([[math.nan if cell is None else cell for cell in np.atleast_1d(row)] for row in array], np.float64)
    except (TypeError, ValueError):
        raise TypeError("a series must be numbers, as many in each step, None or NaN where one is missing") from None
