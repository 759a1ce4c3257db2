"""Columns of a file to what a network reads: a regular time axis, wind as a vector, standardised; kept as `scaler.json`."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CALENDAR", "Rows", "SeriesPreprocessor", "read_csv"]

log = logging.getLogger(__name__)
CALENDAR = {"hour": 24.0, "day_of_week": 7.0, "day_of_year": 365.25, "month": 12.0}  # and their periods
SETTINGS = (
    "columns",
    "targets",
    "time_column",
    "time_format",
    "frequency",
    "vectors",
    "calendar",
    "missing",
    "indicators",
)
FITTED = ("indicated", "mean", "std")
MOST_MISSING = 1000  # steps that may be missing however short the series is


class Rows(NamedTuple):
    """values (T, channels) float64 with NaN where missing, times as a DatetimeIndex or None, what was repaired in words."""

    values: np.ndarray
    times: pd.DatetimeIndex | None
    repairs: list[str]

    def part(self, start: int, stop: int | None) -> Rows:
        """Rows from `start` to before `stop`, as views."""
        times = None if self.times is None else self.times[start:stop]
        return Rows(self.values[start:stop], times, self.repairs)


class SeriesPreprocessor:
    """Raw columns to network inputs and back; all of it plain JSON.

    `read` makes rows of channels from a user's table, `transform` network inputs from rows, `inverse` units from
    predictions. Channels are the `columns`, but for those that `vectors` replaces. `fit` adds `mean`, `std` (per channel,
    of training rows that are not missing) and `indicated`.
    """

    def __init__(
        self,
        columns: Sequence[str],
        targets: Sequence[str] | None = None,
        *,
        time_column: str | None = None,
        time_format: str | None = None,
        frequency: str | None = None,
        vectors: Mapping[str, Sequence[str]] | None = None,
        calendar: Sequence[str] = (),
        missing: Mapping[str, Sequence[float]] | None = None,
        indicators: bool = False,
        indicated: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ):
        """`columns` are read from a table in this order, `targets` are the channels that are forecast: all
        unless named.

        `frequency` is a pandas offset such as `h`, `10min` or `MS`; without one, rows are counted and time is not known.
        `time_format` is strptime's, for texts that are not ISO 8601. `vectors` maps a name to its columns of speed and of
        bearing in degrees: instead of the two come `<name>_x` = speed sin(bearing) and `<name>_y` = speed cos(bearing), at
        the end. `calendar` adds the sine and cosine of `hour`, `day_of_week`, `day_of_year` or `month` as inputs. `missing`
        lists the values of a column that mean a missing one. With `indicators`, a channel that has missing values in the
        training rows gets one more input, 1 where it is missing.

        Raises ValueError for a setting that is not of this form.
        """
        self.columns = _names("columns", columns)
        self.time_column, self.time_format, self.frequency = time_column, time_format, frequency
        self.vectors = {name: list(pair) for name, pair in (vectors or {}).items()}
        self.targets = _names("targets", self.channels if targets is None else targets)
        self.calendar, self.indicators = list(calendar), indicators
        self.missing = {column: [float(value) for value in values] for column, values in (missing or {}).items()}
        self._check()
        self.indicated = None if indicated is None else list(indicated)
        self.mean = None if mean is None else [float(value) for value in mean]
        self.std = None if std is None else [float(value) for value in std]
        if not (self.indicated is None) == (self.mean is None) == (self.std is None):
            raise ValueError("indicated, mean and std belong together: give all of them or none")
        if self.mean is not None:
            self._check_fitted()

    def _check(self) -> None:
        for name in ("time_column", "time_format", "frequency"):
            if (value := getattr(self, name)) is not None and (not isinstance(value, str) or not value):
                raise ValueError(f"{name} must be a text or None, got {value!r}")
        if self.frequency is not None and self.time_column is None:
            raise ValueError(f"frequency {self.frequency!r} needs the time_column that it is the step of")
        if self.time_column in self.columns:
            raise ValueError(f"time_column {self.time_column!r} must not be one of the columns")
        for name, pair in self.vectors.items():
            if len(pair) != 2 or not set(pair) <= set(self.columns):
                raise ValueError(f"vectors: {name!r} must name two of the columns, speed and bearing, got {pair!r}")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError(f"vectors must give channels of new names, got {self.channels!r}")
        for target in self.targets:
            if target not in self.channels:
                raise ValueError(f"targets: there is no channel {target!r}; {_hint(target, self.channels)}")
        for name in self.calendar:
            if name not in CALENDAR:
                raise ValueError(f"calendar: there is no {name!r}; {_hint(name, list(CALENDAR))}")
        if self.calendar and self.frequency is None:
            raise ValueError("calendar needs a time_column and its frequency")
        if len(set(self.calendar)) < len(self.calendar):
            raise ValueError(f"calendar must name each once, got {self.calendar!r}")
        for column in self.missing:
            if column not in self.columns:
                raise ValueError(f"missing: there is no column {column!r}; {_hint(column, self.columns)}")
        if not isinstance(self.indicators, bool):
            raise ValueError(f"indicators must be true or false, got {self.indicators!r}")

    def _check_fitted(self) -> None:
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != len(self.channels) or not all(map(math.isfinite, values)):
                raise ValueError(
                    f"{name} must give a finite number for each of {len(self.channels)} channels, got {values!r}"
                )
        if min(self.std) <= 0.0:
            raise ValueError(f"std must be above 0, got {min(self.std)}")
        if not set(self.indicated) <= set(self.channels) or (self.indicated and not self.indicators):
            raise ValueError(f"indicated must be channels, and none without indicators, got {self.indicated!r}")

    # Names

    @property
    def channels(self) -> list[str]:
        """Columns that no vector replaces, then each vector's two components."""
        replaced = {column for pair in self.vectors.values() for column in pair}
        kept = [column for column in self.columns if column not in replaced]
        return kept + [f"{name}_{axis}" for name in self.vectors for axis in "xy"]

    @property
    def input_names(self) -> list[str]:
        """What the network reads at each step: channels, indicators, calendar. ValueError before `fit`."""
        self._fitted()
        indicators = [f"{channel} is missing" for channel in self.indicated]
        return self.channels + indicators + [f"{name}_{wave}" for name in self.calendar for wave in ("sin", "cos")]

    @property
    def n_inputs(self) -> int:
        return len(self.input_names)

    @property
    def n_targets(self) -> int:
        return len(self.targets)

    @property
    def target_indices(self) -> list[int]:
        """Positions of the targets among the channels, and so among the inputs."""
        return [self.channels.index(target) for target in self.targets]

    @property
    def target_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (K,) of the targets, in their units."""
        self._fitted()
        return np.array(self.mean)[self.target_indices], np.array(self.std)[self.target_indices]

    # Reading

    def read(self, history: Any, *, at_least: int = 1) -> Rows:
        """Rows of a DataFrame or Series, a CSV file's path, a dict of columns, or an array (T, columns) of even steps.

        Sorts by time, drops all but the first row of a time, inserts missing steps as missing values, and says so in
        `repairs` and the log. Times with offsets become UTC, times without stay as they are; a DatetimeIndex serves as well
        as the time column. Raises ValueError for other than `at_least` rows or more, missing columns, values that are no
        numbers, times that are none or lie off the regular axis.
        """
        import pandas as pd

        repairs: list[str] = []
        if isinstance(history, str | os.PathLike):
            history = read_csv(history)
        elif isinstance(history, Mapping):
            history = pd.DataFrame(dict(history))
        elif isinstance(history, pd.Series):
            history = history.to_frame()
        if isinstance(history, pd.DataFrame):
            values, times = self._values(history), self.times(history)
        else:
            values, times = self._array(history), None
        values = self._mask(values, repairs)
        if times is not None:
            values, times = self._regular(values, times, repairs)
        if len(values) < at_least:
            raise ValueError(f"the history has {len(values)} steps, and {at_least} are needed")
        for repair in repairs:
            log.info("%s", repair)
        return Rows(self._vectorised(values), times, repairs)

    def times(self, table: pd.DataFrame) -> pd.DatetimeIndex | None:
        """Time of each row as it stands there, in UTC where it has an offset; None without `frequency`.

        Raises ValueError where there is no time column, or something in it is no time.
        """
        import pandas as pd

        if self.frequency is None:
            return None
        if self.time_column in table.columns:
            given = table[self.time_column]
        elif isinstance(table.index, pd.DatetimeIndex):
            given = table.index.to_series()
        else:
            hint = _hint(self.time_column, [str(column) for column in table.columns])
            raise ValueError(f"the history has no time column {self.time_column!r}, nor a DatetimeIndex; {hint}")
        if given.isna().any():
            raise ValueError(f"{self.time_column!r} is empty in row {int(given.isna().to_numpy().argmax()) + 1}")
        if pd.api.types.is_numeric_dtype(given):
            raise ValueError(f"{self.time_column!r} must hold times such as 2016-01-31 12:00, got {given.iloc[0]!r}")
        try:
            aware = len(given) > 0 and _is_aware(given, self.time_format)
            form = None if pd.api.types.is_datetime64_any_dtype(given) else self.time_format
            times = pd.DatetimeIndex(pd.to_datetime(given, utc=True, format=form))
        except (ValueError, TypeError, OverflowError) as error:
            form = f" of the form {self.time_format}" if self.time_format else ""
            raise ValueError(f"{self.time_column!r} must hold times{form} ({str(error).splitlines()[0]})") from None
        return (times if aware else times.tz_localize(None)).rename(self.time_column)

    def later(self, times: pd.DatetimeIndex, first: int, count: int) -> pd.DatetimeIndex:
        """`count` times of the axis, from `first` steps after the last of `times` on."""
        import pandas as pd

        return pd.date_range(times[-1], periods=first + count, freq=self.frequency)[first:]

    def _array(self, history: Any) -> np.ndarray:
        if self.calendar:
            raise ValueError(
                f"the calendar ({', '.join(self.calendar)}) needs times: give a DataFrame or CSV file with the columns "
                f"{', '.join(map(repr, [self.time_column, *self.columns]))}, not an array"
            )
        try:
            values = np.array(history, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"the history must be a table or an array of numbers, got {type(history).__name__} ({error})"
            ) from None
        if values.ndim == 1 and len(self.columns) == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != len(self.columns):
            expected = f"(steps, {len(self.columns)}): {', '.join(self.columns)}"
            raise ValueError(f"an array of history must have the shape {expected}; got {values.shape}")
        if np.isinf(values).any():
            step, column = np.argwhere(np.isinf(values))[0]
            raise ValueError(f"column {self.columns[column]!r} is infinite in row {step + 1}; give NaN for missing values")
        return values

    def _values(self, table: pd.DataFrame) -> np.ndarray:
        import pandas as pd

        present = [str(column) for column in table.columns]
        if len(set(present)) < len(present):
            twice = next(column for column in present if present.count(column) > 1)
            raise ValueError(f"the history has two columns {twice!r}")
        absent = [column for column in self.columns if column not in present]
        if absent:
            raise ValueError(f"the history has no column {absent[0]!r}; {_hint(absent[0], present)}")
        values = np.empty((len(table), len(self.columns)))
        for position, column in enumerate(self.columns):
            given = table[column]
            numbers = pd.to_numeric(given, errors="coerce")
            wrong = (numbers.isna() & given.notna()).to_numpy() | np.isinf(numbers.to_numpy(np.float64, na_value=np.nan))
            if wrong.any():
                row = int(wrong.argmax())
                raise ValueError(
                    f"column {column!r} must hold numbers: {given.iloc[row]!r} in row {row + 1}; "
                    "leave the cell empty where the value is missing"
                )
            values[:, position] = numbers.to_numpy(np.float64, na_value=np.nan)
        return values

    def _mask(self, values: np.ndarray, repairs: list[str]) -> np.ndarray:
        for column, wrong in self.missing.items():
            position = self.columns.index(column)
            masked = np.isin(values[:, position], wrong)
            if masked.any():
                values[masked, position] = np.nan
                told = " and ".join(f"{value:g}" for value in wrong)
                repairs.append(f"{_count(masked.sum(), 'value')} of {column!r} ({told}) taken as missing")
        return values

    def _regular(
        self, values: np.ndarray, times: pd.DatetimeIndex, repairs: list[str]
    ) -> tuple[np.ndarray, pd.DatetimeIndex]:
        """Sorted, each time once, no step left out."""
        import pandas as pd

        if not len(times):
            return values, times
        if not times.is_monotonic_increasing:
            order = np.argsort(times.asi8, kind="stable")
            values, times = values[order], times[order]
            repairs.append("rows sorted by time")
        repeated = times.duplicated()
        if repeated.any():
            values, times = values[~repeated], times[~repeated]
            repairs.append(f"{_count(repeated.sum(), 'row')} dropped whose time had stood before")
        axis = self._axis(times)
        if len(axis) == len(times) and (axis == times).all():
            return values, axis.rename(times.name)
        places = axis.get_indexer(times)
        if (places < 0).any():
            stray = int((places < 0).argmax())
            near = f"after {times[stray - 1]}" if stray else f"the first of {len(times)}"
            raise ValueError(
                f"times must be {self.frequency} apart: {times[stray]} ({near}) is off that axis; resample the series first"
            )
        filled = np.full((len(axis), values.shape[1]), np.nan)
        filled[places] = values
        absent = np.setdiff1d(np.arange(len(axis)), places)
        repairs.append(f"{_count(len(absent), 'missing step')} inserted without values, the first at {axis[absent[0]]}")
        return filled, pd.DatetimeIndex(axis).rename(times.name)

    def _axis(self, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """All steps from the first time to the last. ValueError where more are missing than there are."""
        import pandas as pd

        try:
            offset = pd.tseries.frequencies.to_offset(self.frequency)
            second = times[0] + 2 * offset
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"frequency must be a pandas offset such as h, 10min, D or MS, got {self.frequency!r} ({error})"
            ) from None
        steps = 2 * (times[-1] - times[0]) / (second - times[0])
        if steps > 2 * len(times) + MOST_MISSING:
            raise ValueError(
                f"from {times[0]} to {times[-1]} are {steps:,.0f} steps of {self.frequency}, and only {len(times):,} are "
                "there; look for a wrong date, or give a part without the gap"
            )
        return pd.date_range(times[0], times[-1], freq=offset)

    def _vectorised(self, values: np.ndarray) -> np.ndarray:
        """(T, columns) -> (T, channels)."""
        if not self.vectors:
            return values
        parts = {column: values[:, position] for position, column in enumerate(self.columns)}
        for name, (speed, bearing) in self.vectors.items():
            angle = np.deg2rad(parts[bearing])
            parts |= {f"{name}_x": parts[speed] * np.sin(angle), f"{name}_y": parts[speed] * np.cos(angle)}
        return np.stack([parts[channel] for channel in self.channels], axis=1)

    # Scaling

    def fit(self, rows: Rows) -> SeriesPreprocessor:
        """Mean and standard deviation of each channel, of training rows only; itself.

        A channel that never changes keeps the standard deviation 1. ValueError where a channel has no value at all.
        """
        observed = ~np.isnan(rows.values)
        for channel, seen in zip(self.channels, observed.any(axis=0), strict=True):
            if not seen:
                raise ValueError(f"{channel!r} has no value in the training rows; leave the column out")
        mean = np.nanmean(rows.values, axis=0)
        std = np.nanstd(rows.values, axis=0)
        std = np.where(std > 1e-9 * np.maximum(np.abs(mean), 1e-9), std, 1.0)
        gaps = [channel for channel, whole in zip(self.channels, observed.all(axis=0), strict=True) if not whole]
        self.mean, self.std, self.indicated = mean.tolist(), std.tolist(), gaps if self.indicators else []
        return self

    def _fitted(self) -> None:
        if self.mean is None:
            raise ValueError("the preprocessor is not fitted: call fit with the training rows first")

    def transform(self, rows: Rows) -> np.ndarray:
        """(T, n_inputs) float32: standardised channels, 0 (the mean) where missing; indicators; sine and cosine of time."""
        self._fitted()
        n_channels = len(self.channels)
        inputs = np.empty((len(rows.values), self.n_inputs), dtype=np.float32)
        inputs[:, :n_channels] = (rows.values - np.array(self.mean)) / np.array(self.std)
        for position, channel in enumerate(self.indicated, n_channels):
            inputs[:, position] = np.isnan(rows.values[:, self.channels.index(channel)])
        np.nan_to_num(inputs[:, :n_channels], copy=False, nan=0.0)
        for position, name in enumerate(self.calendar):
            column = n_channels + len(self.indicated) + 2 * position
            angle = 2 * np.pi * _calendar(name, rows.times) / CALENDAR[name]
            inputs[:, column], inputs[:, column + 1] = np.sin(angle), np.cos(angle)
        return inputs

    def standardise(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """The targets (T, K) float32, standardised and 0 where missing; (T, K) bool, whether they are there."""
        mean, std = self.target_scale
        values = rows.values[:, self.target_indices]
        observed = ~np.isnan(values)
        return np.where(observed, (values - mean) / std, 0.0).astype(np.float32), observed

    def inverse(self, predicted: Any) -> np.ndarray:
        """(..., K) standardised -> (..., K) float64 in the targets' units."""
        mean, std = self.target_scale
        return np.asarray(predicted, dtype=np.float64) * std + mean

    # File

    def to_json(self) -> str:
        """Content of `scaler.json`. ValueError before `fit`."""
        self._fitted()
        told = {name: getattr(self, name) for name in (*SETTINGS, *FITTED)}
        return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SeriesPreprocessor:
        """Read `scaler.json`'s content. ValueError where it is not one of ours."""
        try:
            told = json.loads(text)
            if not isinstance(told, dict) or set(told) != {*SETTINGS, *FITTED}:
                raise ValueError(f"it must give {', '.join((*SETTINGS, *FITTED))} and no more")
            for name in ("columns", "targets", "calendar", "indicated", "mean", "std"):
                if not isinstance(told[name], list):
                    raise ValueError(f"{name} must be a list, got {told[name]!r}")
            for name in ("mean", "std"):
                if not all(type(value) in (int, float) for value in told[name]):
                    raise ValueError(f"{name} must be numbers, got {told[name]!r}")
            for name in ("vectors", "missing"):
                if not isinstance(told[name], dict) or not all(isinstance(value, list) for value in told[name].values()):
                    raise ValueError(f"{name} must map names to lists, got {told[name]!r}")
            return cls(**told)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"scaler: not a scaler file of ours ({error})") from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SeriesPreprocessor):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in (*SETTINGS, *FITTED))

    __hash__ = None  # ty: fitted later


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A table from a CSV file with a header, packed or not. ValueError where it is none; FileNotFoundError."""
    import pandas as pd

    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}")
    try:
        return pd.read_csv(path, encoding="utf-8-sig", low_memory=False)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}); convert it first") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError, EOFError) as error:
        raise ValueError(f"{path} is not a CSV file with a header ({error})") from None


def _is_aware(given: pd.Series, form: str | None) -> bool:
    """Whether times carry an offset from UTC: what holds for the first must hold for all."""
    import pandas as pd

    if isinstance(given.dtype, pd.DatetimeTZDtype):
        return True
    if pd.api.types.is_datetime64_any_dtype(given):
        return False
    first, last = (pd.to_datetime(given.iloc[index], format=form).tzinfo is not None for index in (0, -1))
    if first is not last:
        raise ValueError("some have an offset from UTC and some have none")
    return first


def _calendar(name: str, times: pd.DatetimeIndex) -> np.ndarray:
    """Where in its period each time lies, in the period's units, from 0."""
    hours = (times.hour + times.minute / 60.0).to_numpy(np.float64)
    if name == "hour":
        return hours
    if name == "month":
        return times.month.to_numpy(np.float64) - 1.0
    days = times.day_of_week if name == "day_of_week" else times.day_of_year - 1
    return days.to_numpy(np.float64) + hours / 24.0


def _names(what: str, names: Sequence[str]) -> list[str]:
    if isinstance(names, str) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{what} must be a list of at least one name, got {names!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"{what} must name each once, got {list(names)!r}")
    return list(names)


def _hint(name: str | None, known: Sequence[str]) -> str:
    close = get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it has {', '.join(map(repr, known)) or 'none'}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
