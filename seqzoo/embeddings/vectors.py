"""Word vectors as a table: words, their rows, where they came from."""

from typing import NamedTuple

import numpy as np

__all__ = ["WordVectors"]


class WordVectors(NamedTuple):
    """words: N of them, each once; matrix: (N, D) float32, a row per word; source: how they were made."""

    words: list[str]
    matrix: np.ndarray
    source: str
