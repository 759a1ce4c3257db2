"""Word vectors from wherever they are: a checkpoint, a folder of ours, or a file of GloVe's or word2vec's form."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from seqzoo import hub
from seqzoo.embeddings import glove, word2vec
from seqzoo.embeddings.files import DAMAGED, stream
from seqzoo.embeddings.vectors import WordVectors

__all__ = ["open_vectors"]


def open_vectors(
    source: str | os.PathLike[str], words: Iterable[str] | None = None, dimension: int | None = None
) -> WordVectors:
    """The vectors that `source` names, of a file only those of `words`; of a .zip those of that `dimension`.

    A text file that begins with two whole numbers is of word2vec's form, another of GloVe's. Raises what hub.load,
    WordVectors.load, glove.read and word2vec.read raise; ValueError where a checkpoint holds a model.
    """
    path = Path(source)
    if path.is_file():
        if path.suffix == ".zip":
            return glove.read(path, words, dimension=dimension)
        return word2vec.read(path, words) if _has_header(path) else glove.read(path, words)
    if (path / "words.json").is_file():
        return WordVectors.load(path)
    vectors = hub.load(source)
    if not isinstance(vectors, WordVectors):
        raise ValueError(f"{source} is a model for {vectors.task}, not a checkpoint of word vectors")
    return vectors


def _has_header(path: Path) -> bool:
    if not path.name.endswith(glove.SUFFIXES):
        return True
    try:
        return any(re.fullmatch(rb"\d+ \d+\s*", file.readline(200)) for file in stream(path))
    except DAMAGED as error:
        raise ValueError(f"{path} is damaged ({error}); fetch it again") from None
