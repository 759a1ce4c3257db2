"""How the Numenta anomaly benchmark counts: early alarms in a window earn, late ones less, false ones cost.

Lavin and Ahmad (2015), "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark", and what its
published program does beyond the paper: positions are rows in the file's own order, a window's limits are the first rows of
their timestamps, the first 15 % of a file (at most 750 rows) are not counted, and one threshold serves the whole corpus.
Of a window the earliest alarm counts; a window without one costs `missed`; each alarm outside costs, near the window before
it less than far from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = [
    "PROFILES",
    "Optimum",
    "Profile",
    "Stream",
    "at_thresholds",
    "optimised",
    "probation_length",
    "random_scores",
    "row_values",
    "windowed_gaussian",
]

PROBATION, LONGEST = 0.15, 5000  # share of a file, and of how many rows at most
DIGITS = 12  # with which the benchmark's program wrote the scores that its table was made from; beyond them they are equal
FAR = 3.0  # window widths past a window from which an alarm costs in full


class Profile(NamedTuple):
    """What a window found at its very start earns, what an alarm far from windows costs, what a missed window costs."""

    found: float
    false: float
    missed: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP": Profile(1.0, 0.22, 1.0),
    "reward_low_FN": Profile(1.0, 0.11, 2.0),
}


class Stream(NamedTuple):
    """A file of the benchmark: its name, timestamps as they stand there (T,), and windows (first, last timestamp)."""

    name: str
    times: np.ndarray
    windows: Sequence[tuple[np.datetime64, np.datetime64]]


class Optimum(NamedTuple):
    """The normalised score at the best single threshold, and that threshold: an alarm is a score of at least it."""

    score: float
    threshold: float


def probation_length(n_rows: int) -> int:
    """Rows at a file's start that no score counts."""
    return math.ceil(min(math.floor(PROBATION * n_rows), PROBATION * LONGEST))


def _scaled_sigmoid(position: np.ndarray) -> np.ndarray:
    """2 / (1 + exp(5 x)) - 1: near 1 at a window's start (x = -1), 0 at its end, -1 from FAR on."""
    return np.where(position >= FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, FAR))) - 1.0)


def row_values(stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """What an alarm at each row is worth for weights of 1 (T,) float64, and the row's window (T,), -1 outside of any.

    Inside, from 1 at the first row down to almost 0 at the last; outside, from 0 behind a window to -1, and -1 before any.
    Raises ValueError where a window's limits are no timestamps of the file, or are not in its rows' order.
    """
    rows = np.arange(len(stream.times))
    window, values = np.full(len(rows), -1), np.full(len(rows), -1.0)
    past = -1
    for number, limits in enumerate(stream.windows):
        first, last = (np.flatnonzero(stream.times == limit) for limit in limits)
        if not len(first) or not len(last) or not past < first[0] <= last[0]:
            raise ValueError(f"{stream.name}: the window {limits[0]} to {limits[1]} is not among its rows, or out of order")
        start, past = int(first[0]), int(last[0])
        width = past - start + 1
        inside = slice(start, past + 1)
        window[inside] = number
        values[inside] = _scaled_sigmoid((rows[inside] - past - 1) / width) / _scaled_sigmoid(np.array(-1.0))
        values[past + 1 :] = _scaled_sigmoid((rows[past + 1 :] - past) / max(width - 1, 1))
    return values, window


def _changes(scores: np.ndarray, stream: Stream, profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the rows that count, highest first, and by how much each row as one more alarm changes the score."""
    values, window = row_values(stream)
    counted = np.arange(len(scores)) >= probation_length(len(scores))
    order = np.flatnonzero(counted)[np.argsort(-scores[counted], kind="stable")]
    changes = np.where(window[order] < 0, profile.false, profile.found) * values[order]
    for number in np.unique(window[order][window[order] >= 0]):
        own = np.flatnonzero(window[order] == number)  # the best alarm so far counts, before any the window is missed
        best = np.maximum.accumulate(np.concatenate([[-profile.missed], changes[own]]))
        changes[own] = np.diff(best)
    return scores[order], changes


def _check(scores: Mapping[str, np.ndarray], streams: Sequence[Stream]) -> None:
    for stream in streams:
        if stream.name not in scores or len(scores[stream.name]) != len(stream.times):
            got = len(scores[stream.name]) if stream.name in scores else "none"
            raise ValueError(f"{stream.name} needs {len(stream.times)} scores, one for each row, got {got}")
        if not np.isfinite(scores[stream.name]).all():
            raise ValueError(f"{stream.name}: scores must be finite numbers")


def _normalised(raw: float, streams: Sequence[Stream], profile: Profile) -> float:
    """100 for all windows found at their start and nothing else, 0 for no alarm at all."""
    n_windows = sum(len(stream.windows) for stream in streams)
    if not n_windows:
        raise ValueError("these files have no windows: there is nothing to find")
    nothing = -profile.missed * n_windows
    return 100.0 * (raw - nothing) / (profile.found * n_windows - nothing)


def optimised(scores: Mapping[str, np.ndarray], streams: Sequence[Stream], profile: str = "standard") -> Optimum:
    """The benchmark's published score: the best of all thresholds that serve every file.

    scores: for each stream's name (T,), higher is stranger, comparable between files.
    """
    _check(scores, streams)
    weights = PROFILES[profile]
    parts = [_changes(np.asarray(scores[stream.name], np.float64), stream, weights) for stream in streams]
    ordered = np.concatenate([own for own, _ in parts])
    order = np.argsort(-ordered, kind="stable")
    ordered, changes = ordered[order], np.concatenate([own for _, own in parts])[order]
    nothing = -weights.missed * sum(len(stream.windows) for stream in streams)
    totals = nothing + changes.cumsum()
    totals[:-1][ordered[:-1] == ordered[1:]] = -np.inf  # no threshold parts what is equal
    best = int(totals.argmax()) if len(totals) else -1
    if best < 0 or totals[best] <= nothing:
        return Optimum(_normalised(nothing, streams, weights), math.inf)
    return Optimum(_normalised(float(totals[best]), streams, weights), float(ordered[best]))


def at_thresholds(
    scores: Mapping[str, np.ndarray],
    streams: Sequence[Stream],
    thresholds: Mapping[str, float],
    profile: str = "standard",
) -> float:
    """The normalised score with a threshold for each file, given beforehand: nothing is optimised."""
    _check(scores, streams)
    weights, raw = PROFILES[profile], 0.0
    for stream in streams:
        ordered, changes = _changes(np.asarray(scores[stream.name], np.float64), stream, weights)
        raw += changes[ordered >= thresholds[stream.name]].sum() - weights.missed * len(stream.windows)
    return _normalised(float(raw), streams, weights)


def random_scores(n_rows: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """The benchmark's random detector: uniform from 0 to 1 (T,)."""
    return np.random.default_rng(seed).random(n_rows)


def windowed_gaussian(values: np.ndarray, *, window: int = 6400, step: int = 100) -> np.ndarray:
    """The benchmark's windowed Gaussian detector, (T,) -> (T,): 1 minus the tail probability of each value.

    The Gaussian is that of all values before, up to `window` of them; from then on the window moves `step` values at a time.
    Scores are rounded to 12 digits, as in the benchmark's published files: more would part what these hold to be equal.
    """
    values = np.asarray(values, np.float64)
    scores = np.zeros(len(values))
    for row in range(1, len(values)):
        if row <= window:
            known = values[:row]
        else:
            moved = (row - window) // step * step
            known = values[moved : moved + window]
        if row <= window or (row - window) % step == 0:
            mean, deviation = known.mean(), known.std() or 1e-6
        scores[row] = 1.0 - 0.5 * math.erfc(abs(values[row] - mean) / deviation / math.sqrt(2.0))
    return scores.round(DIGITS)
