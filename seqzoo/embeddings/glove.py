"""GloVe (Pennington et al., 2014): word vectors from Stanford's text files."""

import gzip
import logging
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from seqzoo.embeddings.vectors import WordVectors

__all__ = ["find", "read"]

log = logging.getLogger(__name__)
SOURCE = "https://nlp.stanford.edu/data/glove.6B.zip"
SUFFIXES = (".txt", ".txt.gz")
BLOCK = 4096  # rows whose numbers are converted together


def find(size: int, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The file of GloVe 6B whose vectors have `size` numbers, in `data_dir`, else in `$SEQZOO_DATA/glove`.

    FileNotFoundError says what to fetch and where to put it.
    """
    root = os.environ.get("SEQZOO_DATA")
    folder = Path(data_dir) if data_dir else Path(root) / "glove" if root else None
    known: dict[int, Path] = {}
    for path in sorted(folder.glob("glove.6B.*")) if folder else ():
        if path.name.endswith(SUFFIXES) and (found := re.match(r"glove\.6B\.(\d+)d\.", path.name)):
            known.setdefault(int(found[1]), path)
    if size in known:
        return known[size]
    here = (
        f"{folder} holds {', '.join(f'{key} d' for key in sorted(known)) or 'none'}" if folder else "SEQZOO_DATA is not set"
    )
    raise FileNotFoundError(
        f"GloVe vectors of {size} numbers are not here ({here}); take glove.6B.{size}d.txt (50, 100, 200 or 300) out of "
        f"{SOURCE} and put it into $SEQZOO_DATA/glove, or name the file itself"
    )


def read(path: str | os.PathLike[str], words: Iterable[str] | None = None) -> WordVectors:
    """The vectors of `words` (of all words where None), in the file's order, each number as the file has it in float32.

    `path` is a text file (.txt, or gzipped .txt.gz) of a word and its numbers per line. Only what is asked for is kept in
    memory. Of a word that stands twice the first is taken; spaces within words are theirs (GloVe 840B has some).

    Raises ValueError, with file and line, for a line of another number of numbers, for what is no number, for bytes that
    are not UTF-8 in a word that is kept, and for a damaged gzip file.
    """
    path = Path(path)
    wanted = None if words is None else {word.encode("utf-8", "surrogatepass") for word in words}
    found: dict[bytes, None] = {}
    blocks, rows, numbers, size = [], [], [], 0
    for number, line in enumerate(_lines(path), 1):
        spaces = line.count(b" ")
        if not size:
            size = spaces
        if spaces < size or not size:
            raise ValueError(f"{path}, line {number}: {spaces} numbers where the first line has {size}")
        word, _, values = line.partition(b" ")
        if spaces > size:
            word = line.rsplit(b" ", size)[0]
            values = line[len(word) + 1 :]
        if (wanted is None or word in wanted) and word not in found:
            found[word] = None
            rows.append(values)
            numbers.append(number)
            if len(rows) == BLOCK:
                blocks.append(_convert(path, rows, numbers, size))
                rows, numbers = [], []
    if not size:
        raise ValueError(f"{path} is empty")
    blocks.append(_convert(path, rows, numbers, size))
    try:
        known = [word.decode("utf-8") for word in found]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the word {error.object!r} is not UTF-8") from None
    log.info("%s: %d vectors of %d numbers", path.name, len(known), size)
    return WordVectors(known, np.concatenate(blocks), f"GloVe, {path.name}")


def _lines(path: Path) -> Iterator[bytes]:
    """Lines without their ends; ValueError for a damaged gzip file."""
    if not path.name.endswith(SUFFIXES):
        raise ValueError(f"a GloVe file must end in {' or '.join(SUFFIXES)}, got {str(path)!r}; unpack a .zip first")
    with gzip.open(path, "rb") if path.name.endswith(".gz") else open(path, "rb") as file:
        try:
            for line in file:
                yield line.rstrip()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged ({error}); fetch it again") from None


def _convert(path: Path, rows: list[bytes], numbers: list[int], size: int) -> np.ndarray:
    """(rows, size) float32 from lines of numbers, at those line numbers of the file."""
    try:
        return np.array(b" ".join(rows).split(), np.float32).reshape(len(rows), size)
    except ValueError:
        for row, number in zip(rows, numbers, strict=True):
            try:
                np.array(row.split(), np.float32).reshape(size)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not {size} numbers ({error})") from None
        raise
