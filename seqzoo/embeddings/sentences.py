"""Texts as lists of words that can be read again and again, kept as numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from seqzoo import hub

__all__ = ["Sentences", "Watched", "check_again"]


class Sentences:
    """Lists of words out of token ids, four bytes a token; ids of `left_out` (padding, the unknown word) are no words."""

    def __init__(self, documents: Sequence[np.ndarray], words: Sequence[str], left_out: Sequence[int] = (0, 1)):
        for index in left_out:
            documents = [document[document != index] for document in documents]
        self.documents = list(documents)
        self.words = list(words)

    def __iter__(self) -> Iterator[list[str]]:
        words = np.array(self.words, object)
        for document in self.documents:
            yield words[document].tolist()

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def n_tokens(self) -> int:
        return sum(map(len, self.documents))

    def sha256(self) -> str:
        """Of the words and their order, text by text."""
        digest = hashlib.sha256("\n".join(self.words).encode("utf-8", "surrogatepass"))
        for document in self.documents:
            digest.update(np.int32(len(document)).tobytes() + document.astype("<i4").tobytes())
        return digest.hexdigest()


def check_again(sentences: Iterable[list[str]]) -> None:
    """ValueError for what can be read only once, as a generator."""
    if iter(sentences) is sentences:
        raise ValueError("sentences are read several times: give a list or an object that starts anew, not a generator")


class Watched:
    """Sentences with a progress bar over `times` readings, drawn where one may be."""

    def __init__(self, sentences: Iterable[list[str]], times: int, what: str, progress: bool):
        self.sentences, self.drawn = sentences, None
        if progress and hub.shows_progress():
            from tqdm import tqdm

            total = times * len(sentences) if hasattr(sentences, "__len__") else None
            self.drawn = tqdm(total=total, desc=what, unit="text", mininterval=0.5)

    def __iter__(self) -> Iterator[list[str]]:
        if self.drawn is None:
            yield from self.sentences
            return
        for sentence in self.sentences:
            yield sentence
            self.drawn.update()

    def __enter__(self) -> Iterable[list[str]]:
        return self if self.drawn is not None else self.sentences

    def __exit__(self, *_: Any) -> None:
        if self.drawn is not None:
            self.drawn.close()
