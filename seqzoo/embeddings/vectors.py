"""Word vectors as a table: words, their rows, where they came from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["WordVectors"]


class WordVectors(NamedTuple):
    """words: N of them, each once; matrix: (N, D) float32, a row per word; source: how they were made."""

    words: list[str]
    matrix: np.ndarray
    source: str

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `vectors.safetensors` and, last, `words.json`; a folder without the latter holds no vectors."""
        import safetensors.numpy

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"source": self.source, "words": self.words}, ensure_ascii=False)
        matrix = np.ascontiguousarray(self.matrix, np.float32)
        for name, content in (
            ("vectors.safetensors", safetensors.numpy.save({"vectors": matrix})),
            ("words.json", about.encode()),
        ):
            fresh = folder / f".{name}.{os.getpid()}"
            fresh.write_bytes(content)
            fresh.replace(folder / name)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> WordVectors:
        """Read what `save` wrote; ValueError where it is damaged, FileNotFoundError where it is not there."""
        import safetensors.numpy
        from safetensors import SafetensorError

        folder = Path(folder)
        try:
            about = json.loads((folder / "words.json").read_text(encoding="utf-8"))
            matrix = safetensors.numpy.load((folder / "vectors.safetensors").read_bytes())["vectors"]
            words, source = about["words"], about["source"]
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{folder} holds no word vectors of ours ({error})") from None
        if matrix.ndim != 2 or len(words) != len(matrix):
            raise ValueError(f"{folder}: {len(words)} words but a matrix of shape {matrix.shape}")
        return cls(words, matrix, source)
