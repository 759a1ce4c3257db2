"""How strange each row of a stream is, by the rows before it alone: records, likelihoods, and alarms told once.

Shapes: T rows, in the order in which they came.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["excess", "first_alarms", "likelihood", "normal_tail", "spans", "trailing_mean"]

MOST = 8000  # rows of errors that the likelihood remembers
SETTLED = 10  # rows before whose errors have no distribution


def excess(signal: np.ndarray) -> np.ndarray:
    """(T,) -> (T,), at least 0: how far a row leaves the range of all rows before, log(1 + distance / width of the range).

    What Numenta's detector calls a spatial anomaly (Ahmad et al., 2017), with its size. As a range grows, records get rare
    by themselves: of n like rows only about 2 ln n are any.
    """
    before = slice(None, -1)
    low = np.concatenate([signal[:1], np.minimum.accumulate(signal)[before]])
    high = np.concatenate([signal[:1], np.maximum.accumulate(signal)[before]])
    width = np.maximum(high - low, 1e-9 * np.maximum(1.0, np.abs(high)))
    return np.log1p(np.maximum(np.maximum(signal - high, low - signal), 0.0) / width)


def trailing_mean(signal: np.ndarray, steps: int) -> np.ndarray:
    """(T,) -> (T,): the mean of the last `steps` rows, this one included; of fewer at the start."""
    total = np.concatenate([[0.0], signal.cumsum()])
    stop = np.arange(1, len(signal) + 1)
    start = np.maximum(stop - steps, 0)
    return (total[stop] - total[start]) / (stop - start)


def normal_tail(z: np.ndarray) -> np.ndarray:
    """-log10 of the probability that a standard normal variable exceeds z; it goes on where that probability underflows."""
    from torch import from_numpy
    from torch.special import log_ndtr

    return -log_ndtr(from_numpy(-np.asarray(z, np.float64))).numpy() / math.log(10.0)


def likelihood(errors: np.ndarray, steps: int) -> np.ndarray:
    """Rolling anomaly likelihood (Ahmad et al., 2017, equations 2 to 5) of errors (T,) -> (T,), on a log scale.

    The mean of the last `steps` errors beside mean and standard deviation of the last 8,000 before this row, as -log10 of
    the Gaussian tail: 2 is one in a hundred. 0 before there are `steps` errors, and ten.
    """
    mean = trailing_mean(errors, MOST)
    variance = trailing_mean(errors**2, MOST) - mean**2
    mean, deviation = (np.concatenate([part[:1], part[:-1]]) for part in (mean, np.sqrt(np.maximum(variance, 1e-12))))
    tail = np.maximum(normal_tail((trailing_mean(errors, steps) - mean) / deviation), 0.0)
    tail[: max(steps, SETTLED)] = 0.0
    return tail


def first_alarms(scores: np.ndarray, quiet: int) -> np.ndarray:
    """(T,) -> (T,): 0 where one of the `quiet` rows before scored as much or more, so that what is strange is told once."""
    if not quiet:
        return scores
    padded = np.concatenate([np.full(quiet, -np.inf), scores[:-1]])
    highest = np.lib.stride_tricks.sliding_window_view(padded, quiet).max(1)
    return np.where(scores > highest, scores, 0.0)


def spans(alarms: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """(T,) bool -> first and last row of each group of alarms that are at most `gap` rows apart."""
    rows = np.flatnonzero(alarms)
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(rows) > max(gap, 1))
    firsts, lasts = np.concatenate([[0], cuts + 1]), np.concatenate([cuts, [len(rows) - 1]])
    return [(int(rows[first]), int(rows[last])) for first, last in zip(firsts, lasts, strict=True)]
