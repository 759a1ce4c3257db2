"""Languages told apart by how often each letter stands in a text: counts, and a line between two classes of points."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

__all__ = ["discriminant", "leave_one_out", "letter_counts"]


def letter_counts(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The letters of all texts in lower case, sorted, and how often each stands in each text: (N, letters) int64.

    Accented letters and ligatures are letters of their own.
    """
    counted = [Counter(sign for sign in text.lower() if sign.isalpha()) for text in texts]
    letters = sorted(set().union(*counted))
    return letters, np.array([[counts[letter] for letter in letters] for counts in counted], np.int64)


def discriminant(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
    """(D,) and a number: a point (D,) is of class 1 where points @ direction > threshold (Fisher, 1936).

    points: (N, D); targets: (N,) of 0 and 1, both present. The classes are weighted alike.
    """
    first, second = points[targets == 0], points[targets == 1]
    if not len(first) or not len(second):
        raise ValueError("two classes are needed")
    within = sum((group - group.mean(0)).T @ (group - group.mean(0)) for group in (first, second))
    direction = np.linalg.pinv(within / len(points)) @ (second.mean(0) - first.mean(0))
    return direction, float((first.mean(0) + second.mean(0)) @ direction / 2)


def leave_one_out(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(N,) of 0 and 1: each point's class by the discriminant of all the others."""
    guesses = np.empty(len(points), np.int64)
    for one in range(len(points)):
        others = np.arange(len(points)) != one
        direction, threshold = discriminant(points[others], targets[others])
        guesses[one] = points[one] @ direction > threshold
    return guesses
