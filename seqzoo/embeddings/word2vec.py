"""word2vec (Mikolov et al., 2013) by gensim: skip-gram or CBOW with negative sampling; and word2vec's file formats."""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seqzoo import hub
from seqzoo.embeddings.files import DAMAGED, Rows, decode, sha256_of, stream
from seqzoo.embeddings.sentences import Watched, check_again
from seqzoo.embeddings.vectors import WordVectors

__all__ = ["check", "fit_gensim", "read", "train", "write"]

log = logging.getLogger(__name__)
TEXT, BINARY = (".txt", ".vec", ".txt.gz", ".vec.gz"), (".bin", ".bin.gz")
LONGEST = 1 << 16  # bytes of a word in a binary file


def train(
    sentences: Iterable[list[str]],
    *,
    vector_size: int = 100,
    window: int = 5,
    epochs: int = 5,
    skip_gram: bool = True,
    negative: int = 5,
    min_count: int = 5,
    subsample: float = 1e-4,
    workers: int = 2,
    seed: int = 1,
    progress: bool = False,
) -> WordVectors:
    """Vectors of all words that stand `min_count` times. One worker and one seed give the same vectors again, more do not.

    sentences: lists of words, an iterable that can be read `epochs + 1` times; only words and vectors are kept in memory.
    """
    check(vector_size, window, epochs, min_count, workers)
    check_again(sentences)
    from gensim.models import Word2Vec

    kind = "skip-gram" if skip_gram else "CBOW"
    with Watched(sentences, epochs + 1, f"word2vec {kind}", progress) as watched:
        model = fit_gensim(
            Word2Vec,
            watched,
            min_count,
            vector_size=vector_size,
            window=window,
            epochs=epochs,
            sg=int(skip_gram),
            negative=negative,
            sample=subsample,
            workers=workers,
            seed=seed,
        )
    log.info("word2vec: %d words from %d", len(model.wv), model.corpus_total_words)
    source = f"word2vec {kind}, window {window}, {epochs} epochs, {negative} negative samples, seed {seed}"
    made_by = {"vector_size": vector_size, "window": window, "epochs": epochs, "skip_gram": skip_gram}
    made_by |= {"negative": negative, "min_count": min_count, "subsample": subsample, "seed": seed}
    words = list(model.wv.index_to_key)
    return WordVectors(words, model.wv.vectors, source, made_by={"architecture": "word2vec", **made_by})


def check(vector_size: int, window: int, epochs: int, min_count: int, workers: int) -> None:
    """ValueError for what training cannot be done with."""
    named = {"vector_size": vector_size, "window": window, "epochs": epochs, "min_count": min_count, "workers": workers}
    for name, value in named.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def fit_gensim(model: type, sentences: Iterable[list[str]], min_count: int, **options: object) -> object:
    """A trained gensim model; ValueError where no word is frequent enough."""
    try:
        return model(sentences, min_count=min_count, **options)
    except RuntimeError as error:
        if "vocabulary" not in str(error):
            raise
        raise ValueError(f"no word stands {min_count} times in the sentences; lower min_count") from None


def read(path: str | os.PathLike[str], words: Iterable[str] | None = None) -> WordVectors:
    """The vectors of `words` (of all words where None) from a file of word2vec's form, as gensim, spaCy, fastText and
    floret write it: text (.txt, .vec, also .gz) or binary (.bin, also .gz), a header of two numbers first.

    Of a word that stands twice the first is taken; in text, spaces within words are theirs. Raises ValueError, with the
    place, for a missing or wrong header, lines of another number of numbers, too few or too many words, what is no finite
    number, bytes that are not UTF-8 in a word that is kept, and a damaged gzip file.
    """
    path = Path(path)
    if not path.name.endswith((*TEXT, *BINARY)):
        raise ValueError(f"a word2vec file must end in {', '.join((*TEXT, *BINARY))}, got {str(path)!r}")
    wanted = None if words is None else {word.encode("utf-8", "surrogatepass") for word in words}
    try:
        for file in stream(path):
            n_words, size = _header(path, file.readline(200))
            body = _read_binary if path.name.endswith(BINARY) else _read_text
            known, matrix = body(path, file, n_words, size, wanted)
    except DAMAGED as error:
        raise ValueError(f"{path} is damaged ({error}); fetch it again") from None
    made_by = {"architecture": "word2vec", "file": path.name, "vector_size": size}
    return WordVectors(decode(path, known), matrix, f"word2vec file, {path.name}", sha256_of(path), made_by=made_by)


def _header(path: Path, line: bytes) -> tuple[int, int]:
    if not (found := re.fullmatch(rb"(\d+) (\d+)\s*", line)) or not int(found[2]):
        raise ValueError(
            f"{path} does not begin with the number of words and that of numbers per word, but {line[:40]!r}; "
            "a file without, as GloVe's, is read by glove.read"
        )
    return int(found[1]), int(found[2])


def _read_text(
    path: Path, file: BinaryIO, n_words: int, size: int, wanted: set[bytes] | None
) -> tuple[list[bytes], np.ndarray]:
    found: dict[bytes, None] = {}
    rows, number = Rows(path, size, None if wanted is None else len(wanted)), 1
    for number, line in enumerate(file, 2):
        line = line.rstrip()
        parts = line.rsplit(b" ", size)
        if len(parts) <= size:
            raise ValueError(f"{path}, line {number}: {len(parts) - 1} numbers where the header says {size}")
        word = parts[0]
        if (wanted is None or word in wanted) and word not in found:
            found[word] = None
            rows.add(line[len(word) + 1 :], number)
    if number - 1 != n_words:
        raise ValueError(f"{path} holds {number - 1} words where its header says {n_words}: cut, or another header")
    return list(found), rows.finish()


def _read_binary(
    path: Path, file: BinaryIO, n_words: int, size: int, wanted: set[bytes] | None
) -> tuple[list[bytes], np.ndarray]:
    found: dict[bytes, None] = {}
    blocks: list[np.ndarray] = []
    buffer, width = b"", 4 * size
    for number in range(1, n_words + 1):
        while (end := buffer.find(b" ")) < 0 or len(buffer) < end + 1 + width:
            piece = file.read(1 << 20)
            if not piece or (end < 0 and len(buffer) > LONGEST):
                raise ValueError(f"{path}: word {number} of {n_words} is not whole: cut, or not of word2vec's binary form")
            buffer += piece
        word, row = buffer[:end].lstrip(b"\n"), buffer[end + 1 : end + 1 + width]
        buffer = buffer[end + 1 + width :]
        if (wanted is None or word in wanted) and word not in found:
            found[word] = None
            blocks.append(np.frombuffer(row, "<f4"))
    if (buffer + file.read(1)).strip(b"\n"):
        raise ValueError(f"{path} goes on after the {n_words} words that its header says")
    matrix = np.stack(blocks).astype(np.float32) if blocks else np.empty((0, size), np.float32)
    if not np.isfinite(matrix).all():
        raise ValueError(f"{path}: not all numbers are finite; is it of word2vec's binary form?")
    return list(found), matrix


def write(vectors: WordVectors, path: str | os.PathLike[str]) -> Path:
    """A file of word2vec's form, binary by `.bin`, text by `.txt` or `.vec`: each number such that float32 reads it back.

    Raises ValueError for another suffix, and for a word with a blank in it, which the binary form cannot hold.
    """
    path = Path(path)
    if path.suffix not in (".txt", ".vec", ".bin"):
        raise ValueError(f"a word2vec file must end in .txt, .vec or .bin, got {str(path)!r}")
    blank = next((word for word in vectors.words if not word or re.search(r"[ \n]", word)), None)
    if blank is not None and (path.suffix == ".bin" or not blank or "\n" in blank):
        raise ValueError(f"the word {blank!r} cannot stand in a {path.suffix} file: its blank would end it")
    matrix = np.ascontiguousarray(vectors.matrix, "<f4")
    with hub.replace_file(path) as file:
        file.write(f"{len(vectors.words)} {vectors.size}\n".encode())
        for word, row in zip(vectors.words, matrix, strict=True):
            name = word.encode("utf-8", "surrogatepass")
            if path.suffix == ".bin":
                file.write(name + b" " + row.tobytes() + b"\n")
            else:
                file.write(name + b" " + " ".join(map(str, row)).encode() + b"\n")
    return path
