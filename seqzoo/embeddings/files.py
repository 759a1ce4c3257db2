"""What files of vectors share: lines of text, packed or not, numbers in blocks, the file's sha256."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

__all__ = ["DAMAGED", "Rows", "decode", "sha256_of", "stream"]

BLOCK = 64  # rows whose numbers are converted together: enough for speed, and little text at a time
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, lzma.LZMAError)


def sha256_of(path: Path) -> str:
    """Of a file of any size."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 18):
            digest.update(piece)
    return digest.hexdigest()


def stream(path: Path, member: Callable[[list[str]], str] | None = None) -> Iterator[BinaryIO]:
    """One open file of bytes: gzip by `.gz`, the member that `member` chooses of a `.zip`, else the file as it is."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(member(archive.namelist())) as file:
            yield file
    elif path.suffix == ".gz":
        with gzip.open(path, "rb") as file:
            yield file
    else:
        with open(path, "rb") as file:
            yield file


class Rows:
    """Rows of numbers in text, taken one by one and converted in blocks, exactly as float32 says them.

    `most` is how many there can be: memory for them is asked for once, and filled as they come.
    """

    def __init__(self, path: Path, size: int, most: int | None):
        self.path, self.size, self.filled = path, size, 0
        self.matrix = np.empty((BLOCK if most is None else most, size), np.float32)
        self.waiting: list[bytes] = []
        self.numbers: list[int] = []

    def add(self, values: bytes, number: int) -> None:
        """The numbers in line `number` of the file."""
        self.waiting.append(values)
        self.numbers.append(number)
        if len(self.waiting) == BLOCK:
            self._convert()

    def finish(self) -> np.ndarray:
        """(rows, size) float32; no row can be added any more."""
        self._convert()
        if self.filled < len(self.matrix):
            self.matrix.resize((self.filled, self.size), refcheck=False)
        return self.matrix

    def _convert(self) -> None:
        end = self.filled + len(self.waiting)
        if end > len(self.matrix):
            self.matrix.resize((max(end + BLOCK, end * 9 // 8), self.size), refcheck=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # numpy's, of what is no number: found out below
            try:
                block = np.fromstring(b" ".join(self.waiting), np.float32, sep=" ")
            except ValueError:
                block = np.empty(0, np.float32)
        if block.size != len(self.waiting) * self.size or not np.isfinite(block).all():
            self._blame()
        self.matrix[self.filled : end] = block.reshape(-1, self.size)
        self.filled, self.waiting, self.numbers = end, [], []

    def _blame(self) -> None:
        for row, number in zip(self.waiting, self.numbers, strict=True):
            try:
                good = np.array(row.split(), np.float32)
            except ValueError as error:
                raise ValueError(f"{self.path}, line {number}: not {self.size} numbers ({error})") from None
            if good.size != self.size or not np.isfinite(good).all():
                raise ValueError(f"{self.path}, line {number}: not {self.size} finite numbers but {good.size}")
        raise ValueError(f"{self.path}, lines {self.numbers[0]} to {self.numbers[-1]}: not {self.size} numbers each")


def decode(path: Path, words: list[bytes]) -> list[str]:
    """UTF-8; ValueError names the first word that is not."""
    try:
        return [word.decode("utf-8") for word in words]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the word {error.object!r} is not UTF-8") from None
