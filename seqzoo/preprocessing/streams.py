"""A stream of one value to a network's inputs, scaled by its own first rows: no later row changes an earlier input."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Reading", "StreamPreprocessor", "filled"]

LEAST = 20  # rows that a stream's scale is taken from, at least
SETTINGS = ("value_column", "time_column", "calendar", "probation", "longest_probation")
DAY, WEEK = 86_400, 7  # seconds, days


class Reading(NamedTuple):
    """Values (T,) float64, NaN where missing, in the order in which they came; times datetime64[s] (T,), or None."""

    values: np.ndarray
    times: np.ndarray | None


class StreamPreprocessor:
    """What is done with a stream before a network reads it, as plain JSON values.

    A stream's first rows are its probation: the share `probation` of it, `longest_probation` rows at most, as in the Numenta
    benchmark. Their median and standard deviation scale the whole stream, and the inverse hyperbolic sine tames what lies
    far out. Inputs are the scaled value and its change since the row before; with `calendar` also sine and cosine of the
    time of day and of the day of the week, for which a `time_column` is needed. A missing value reads as the last known one.

    Rows are taken in the order in which they stand: a stream's times may repeat, skip or go back, as those of the benchmark.
    Raises ValueError for a setting outside its range.
    """

    def __init__(
        self,
        value_column: str = "value",
        *,
        time_column: str | None = "timestamp",
        calendar: bool = False,
        probation: float = 0.15,
        longest_probation: int = 750,
    ):
        for name, given in (("value_column", value_column), ("time_column", time_column)):
            if not (isinstance(given, str) and given) and not (given is None and name == "time_column"):
                raise ValueError(f"{name} must be a column's name, got {given!r}")
        if type(calendar) is not bool:
            raise ValueError(f"calendar must be true or false, got {calendar!r}")
        if calendar and time_column is None:
            raise ValueError("calendar needs the time_column")
        if type(probation) not in (int, float) or not 0.0 < probation < 1.0:
            raise ValueError(f"probation must be a share between 0 and 1, got {probation!r}")
        if type(longest_probation) is not int or longest_probation < LEAST:
            raise ValueError(f"longest_probation must be a whole number of at least {LEAST}, got {longest_probation!r}")
        self.value_column, self.time_column, self.calendar = value_column, time_column, calendar
        self.probation, self.longest_probation = probation, longest_probation

    @property
    def n_inputs(self) -> int:
        """Channels of what the network reads; the first is the scaled value."""
        return 6 if self.calendar else 2

    def probation_rows(self, n_rows: int) -> int:
        """How many of a stream's rows are its probation; ValueError where they are too few to scale it by."""
        rows = math.ceil(min(math.floor(self.probation * n_rows), self.longest_probation))
        if rows < LEAST:
            raise ValueError(
                f"a stream of {n_rows} rows has a probation of {rows}, which must be at least {LEAST}: give more rows, or "
                "say by probation= how many of the first ones are normal"
            )
        return rows

    def read(self, raw: Any) -> Reading:
        """A DataFrame, the path of a .csv file, columns by name, or an array (T,) or list of values.

        Of a table the value column is read and, where it is there, the time column. Raises ValueError for a column that is
        missing or not numbers, or times that are not ISO 8601; TypeError for what is no table.
        """
        if isinstance(raw, str | os.PathLike):
            raw = _read_csv(Path(raw))
        if not isinstance(raw, Mapping) and not hasattr(raw, "columns"):
            array = np.asarray(raw.detach().cpu() if hasattr(raw, "detach") else raw)
            if array.ndim == 2 and array.shape[1] == 1:
                array = array[:, 0]
            if array.ndim != 1:
                raise ValueError(f"a stream must be one value a row (T,), got an array of shape {array.shape}")
            raw = {self.value_column: array}
        columns = list(raw.keys()) if isinstance(raw, Mapping) else list(raw.columns)
        if self.value_column not in columns:
            raise ValueError(f"there is no column {self.value_column!r}; {_hint(self.value_column, columns)}")
        values, times = _numbers(self.value_column, raw[self.value_column]), None
        if self.time_column in columns:
            times = _times(self.time_column, raw[self.time_column])
            if len(times) != len(values):
                raise ValueError(f"columns must be of one length, got {len(values)} values and {len(times)} times")
        elif self.calendar:
            raise ValueError(f"this model reads the time of day: it needs the column {self.time_column!r} too")
        return Reading(values, times)

    def transform(self, reading: Reading, probation: int | None = None) -> np.ndarray:
        """(T, n_inputs) float32; the scale is that of the first `probation` rows."""
        values = filled(reading.values)
        first = values[: self.probation_rows(len(values)) if probation is None else probation]
        middle = np.median(first)
        spread = max(first.std(), 1e-6 * abs(middle), 1e-9)
        scaled = np.arcsinh((values - middle) / spread)
        inputs = [scaled, np.diff(scaled, prepend=scaled[0])]
        if self.calendar:
            days = reading.times.astype("datetime64[D]")
            day = (reading.times - days).astype(np.int64) / DAY
            for turn in (day, ((days.astype(np.int64) + 3) % WEEK + day) / WEEK):  # 1 January 1970 was a Thursday
                inputs += [np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)]
        return np.stack(inputs, 1).astype(np.float32)

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, plain values."""
        return {name: getattr(self, name) for name in SETTINGS}

    def to_json(self) -> str:
        return json.dumps(self.settings, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> StreamPreprocessor:
        """Raises ValueError for text that is not ours, naming what is wrong."""
        settings = json.loads(text)
        if not isinstance(settings, Mapping) or set(settings) != set(SETTINGS):
            raise ValueError(f"must hold {', '.join(sorted(SETTINGS))}, and nothing else")
        return cls(**settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamPreprocessor) and self.settings == other.settings

    __hash__ = None


def _read_csv(path: Path) -> dict[str, list[str]]:
    """Columns of a .csv file as texts."""
    if path.suffix.lower() != ".csv":
        raise ValueError(f"a stream's file must be a .csv, got {str(path)!r}")
    with open(path, newline="", encoding="utf-8-sig") as file:
        header, *rows = [row for row in csv.reader(file) if row] or [[]]
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(f"{path}, line {line}: {len(header)} fields wanted, got {len(row)}")
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _numbers(name: str, column: Any) -> np.ndarray:
    """(T,) float64; an empty field or None is NaN."""
    given = np.asarray(column)
    if given.dtype.kind not in "iuf":
        given = [math.nan if value is None or value == "" else value for value in given.tolist()]
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        wrong = next(value for value in given if not _is_number(value))
        raise ValueError(f"column {name!r} must be numbers, got {wrong!r}") from None
    if np.isinf(values).any():
        raise ValueError(f"column {name!r} must be finite numbers (empty where one is missing), got an infinite one")
    if not np.isfinite(values).any():
        raise ValueError(f"column {name!r} holds no number")
    return values


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _times(name: str, column: Any) -> np.ndarray:
    try:
        return np.asarray(column).astype("datetime64[s]")
    except ValueError as error:
        raise ValueError(f"column {name!r} must hold times such as 2014-04-01 00:05:00 ({error})") from None


def filled(values: np.ndarray) -> np.ndarray:
    """Missing values as the last known one; those at the start as the first known one."""
    known = np.isfinite(values)
    places = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(places < 0, int(known.argmax()), places)]


def _hint(name: str, known: list[Any]) -> str:
    close = get_close_matches(name, [str(one) for one in known], n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, known)) or 'none'}"
