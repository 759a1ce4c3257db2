"""Vectors of words never seen, from their character n-grams (fastText: Bojanowski et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Subwords", "buckets_of"]

OFFSET, PRIME, MASK = 2166136261, 16777619, 0xFFFFFFFF  # FNV-1a of 32 bits


@dataclass(frozen=True, eq=False)
class Subwords:
    """ids: (B,) int64, ascending, the hash buckets that are kept; rows: (B, D) float32, their vectors.

    N-grams of `shortest` to `longest` characters, `<` and `>` at a word's ends included, are hashed into `buckets`
    buckets as fastText and gensim hash them.
    """

    ids: np.ndarray
    rows: np.ndarray
    buckets: int
    shortest: int
    longest: int

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(f"n-grams must be of 1 or more characters, got {self.shortest} to {self.longest}")
        if len(self.ids) != len(self.rows) or (np.diff(self.ids) <= 0).any():
            raise ValueError(f"{len(self.ids)} buckets and {len(self.rows)} vectors of them do not fit, or are out of order")
        if len(self.ids) and not 0 <= self.ids[0] <= self.ids[-1] < self.buckets:
            raise ValueError(f"buckets must be below {self.buckets}, got {self.ids[0]} to {self.ids[-1]}")

    def vector(self, word: str) -> np.ndarray | None:
        """(D,): the mean of the word's n-grams' vectors as far as they are kept; None where none is."""
        asked = np.array(buckets_of(word, self.shortest, self.longest, self.buckets), np.int64)
        places = np.searchsorted(self.ids, asked).clip(max=len(self.ids) - 1)
        found = places[self.ids[places] == asked] if len(self.ids) else places
        return self.rows[found].mean(0) if len(found) else None

    def keep(self, size: int, words: list[str]) -> Subwords:
        """The `size` buckets that most of `words` have an n-gram in; of equals the lower ones."""
        if size >= len(self.ids):
            return self
        counts = np.zeros(self.buckets, np.int64)
        for word in words:
            counts[list(set(buckets_of(word, self.shortest, self.longest, self.buckets)))] += 1
        chosen = np.sort(np.argsort(-counts[self.ids], kind="stable")[:size])
        return Subwords(self.ids[chosen], self.rows[chosen], self.buckets, self.shortest, self.longest)


def buckets_of(word: str, shortest: int, longest: int, buckets: int) -> list[int]:
    """The bucket of each character n-gram of `<word>`; the two signs alone are none."""
    signs = [sign.encode("utf-8", "surrogatepass") for sign in f"<{word}>"]
    found = []
    for start in range(len(signs)):
        digest = OFFSET
        for end in range(start, min(start + longest, len(signs))):
            for byte in signs[end]:
                digest = ((digest ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * PRIME) & MASK  # bytes are signed there
            size = end - start + 1
            if size >= shortest and not (size == 1 and start in (0, len(signs) - 1)):
                found.append(digest % buckets)
    return found
