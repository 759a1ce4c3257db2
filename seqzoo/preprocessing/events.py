"""From a label for each step to events and back, and which events match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Run", "Scored", "candidates", "keep", "match", "median_filter", "overlap", "runs"]

OVERLAP = 0.5  # intersection over union from which an event is found


class Run(NamedTuple):
    """Steps `start` to `stop` (exclusive) that have one class."""

    label: int
    start: int
    stop: int


def runs(classes: np.ndarray, background: int | None = None) -> list[Run]:
    """(T,) int -> its unbroken runs of one class, in order; none of `background`, nor of what is below 0."""
    edges = np.flatnonzero(np.diff(classes)) + 1
    starts, stops = np.r_[0, edges], np.r_[edges, len(classes)]
    found = [Run(int(classes[start]), int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]
    return [run for run in found if run.label != background and run.label >= 0]


def median_filter(values: np.ndarray, width: int) -> np.ndarray:
    """(T, K) -> (T, K): each column's median over `width` steps around each, an odd number; the ends are repeated."""
    if width == 1:
        return values
    padded = np.pad(values, ((width // 2, width // 2), (0, 0)), mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width, axis=0), -1)


def overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Intersection over union of two spans (start, end)."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    return max(common, 0.0) / (one[1] - one[0] + other[1] - other[0] - common) if common > 0 else 0.0


def match(
    found: Sequence[tuple[int, float, float]], true: Sequence[tuple[int, float, float]], least: float = OVERLAP
) -> int:
    """How many found events (label, start, end) are right: of a true one's label, overlapping it by `least` or more.

    One to one, the largest overlaps first. Above an overlap of 0.5 a true event can have only one partner, so that no order
    matters.
    """
    pairs = sorted(
        (
            (overlap(mine[1:], theirs[1:]), i, j)
            for i, mine in enumerate(found)
            for j, theirs in enumerate(true)
            if mine[0] == theirs[0] and mine[1] < theirs[2] and theirs[1] < mine[2]
        ),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    used_found, used_true = set(), set()
    for share, i, j in pairs:
        if share >= least and i not in used_found and j not in used_true:
            used_found.add(i)
            used_true.add(j)
    return len(used_found)


class Scored(NamedTuple):
    """An event in steps, and the mean probability of its class over them."""

    run: Run
    score: float


def candidates(probabilities: np.ndarray, background: int | None, median_steps: int) -> tuple[np.ndarray, list[Scored]]:
    """(T, K) -> the class of each step (T,) int64, and every run of one but `background`.

    Each class's probability is median-filtered over `median_steps`, and the likeliest class taken at each step.
    """
    classes = median_filter(probabilities, median_steps).argmax(1)
    found = runs(classes, background)
    return classes, [Scored(run, float(probabilities[run.start : run.stop, run.label].mean())) for run in found]


def keep(scored: Sequence[Scored], minimum_steps: int, threshold: float) -> list[Scored]:
    """Those that are events: not shorter than `minimum_steps`, and not of a mean probability below `threshold`."""
    return [one for one in scored if one.run.stop - one.run.start >= minimum_steps and one.score >= threshold]
