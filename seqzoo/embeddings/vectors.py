"""Word vectors as a table: words, their rows, where they came from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqzoo import catalog, hub
from seqzoo.embeddings.subwords import Subwords

__all__ = ["UnknownWord", "WordVectors"]

VOCABULARY = "vocabulary.json"


class UnknownWord(LookupError):
    """Asked for the vector of a word that has none."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """words: N of them, each once; matrix: (N, D) float32, a row per word; source: how they were made.

    `sha256` is that of the file that they were read from, whole, as its publisher has it; of vectors that were trained
    here, or read from a folder or checkpoint of ours, it is that of the words (UTF-8, a line end after each) and the
    matrix (row by row, little-endian float32). With `subwords` a word outside `words` has a vector too.
    """

    words: list[str]
    matrix: np.ndarray
    source: str
    sha256: str = ""
    subwords: Subwords | None = None
    made_by: Mapping[str, Any] = field(default_factory=dict)  # `architecture` and its arguments, for a checkpoint's config

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or len(self.words) != len(self.matrix):
            raise ValueError(f"{len(self.words)} words but a matrix of shape {self.matrix.shape}")
        if self.subwords is not None and self.subwords.rows.shape[1] != self.matrix.shape[1]:
            raise ValueError(f"subwords of {self.subwords.rows.shape[1]} numbers beside words of {self.matrix.shape[1]}")
        if not self.sha256:
            object.__setattr__(self, "sha256", fingerprint(self.words, self.matrix))

    @cached_property
    def rows(self) -> dict[str, int]:
        """Word -> its row; ValueError where a word stands twice."""
        rows = {word: row for row, word in enumerate(self.words)}
        if len(rows) < len(self.words):
            twice = next(word for row, word in enumerate(self.words) if rows[word] != row)
            raise ValueError(f"the word {twice!r} stands twice")
        return rows

    @cached_property
    def directions(self) -> np.ndarray:
        """(N, D): the rows, each of length 1; a row of zeros stays."""
        return self.matrix / np.maximum(np.linalg.norm(self.matrix, axis=1, keepdims=True), 1e-12)

    @property
    def size(self) -> int:
        """Numbers per vector."""
        return self.matrix.shape[1]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Whether it is one of `words`: a word may have a vector by its subwords without."""
        return word in self.rows

    def __getitem__(self, word: str) -> np.ndarray:
        """(D,): the word's vector, or that of its subwords; UnknownWord where there is none."""
        if word in self.rows:
            return self.matrix[self.rows[word]]
        found = self.subwords.vector(word) if self.subwords is not None else None
        if found is None:
            close = [known for known in (word.lower(), word.capitalize(), word.upper()) if known in self.rows]
            raise UnknownWord(f"there is no vector for {word!r}" + (f"; there is one for {close[0]!r}" if close else ""))
        return found

    def similarity(self, first: str, second: str) -> float:
        """Cosine of two words' vectors."""
        return float(_direction(self[first]) @ _direction(self[second]))

    def most_similar(
        self, positive: str | Sequence[str], negative: str | Sequence[str] = (), *, topn: int = 10
    ) -> list[tuple[str, float]]:
        """The `topn` words nearest by cosine to the sum of the positive words' directions less the negative ones'.

        Among all words but those given; nearest first. `most_similar(["king", "woman"], ["man"])` is the analogy man to
        king as woman to what (3CosAdd: Levy and Goldberg, 2014). Raises UnknownWord for a word without a vector.
        """
        positive, negative = ([words] if isinstance(words, str) else list(words) for words in (positive, negative))
        if not positive and not negative:
            raise ValueError("most_similar needs at least one word")
        if topn < 1:
            raise ValueError(f"topn must be at least 1, got {topn}")
        target = sum(_direction(self[word]) for word in positive) - sum(_direction(self[word]) for word in negative)
        cosines = self.directions @ _direction(target)
        for word in (*positive, *negative):
            if word in self.rows:
                cosines[self.rows[word]] = -np.inf
        order = np.argsort(-cosines, kind="stable")[:topn]
        return [(self.words[row], float(cosines[row])) for row in order if cosines[row] > -np.inf]

    def analogy(self, first: str, second: str, third: str, *, topn: int = 10) -> list[tuple[str, float]]:
        """`first` less `second` plus `third`: king man woman gives what is to woman as king is to man."""
        return self.most_similar([first, third], [second], topn=topn)

    def restrict(self, words: Iterable[str]) -> WordVectors:
        """Those of `words` that there are, in the table's order, subwords kept."""
        wanted = set(words)
        chosen = [row for row, word in enumerate(self.words) if word in wanted]
        return replace(self, words=[self.words[row] for row in chosen], matrix=self.matrix[chosen], sha256="")

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `vectors.safetensors` and, last, `words.json`; a folder without the latter holds no vectors."""
        import safetensors.numpy

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {"source": self.source, "sha256": self.sha256, "made_by": dict(self.made_by)}
        tensors = {"vectors": np.ascontiguousarray(self.matrix, np.float32)}
        if self.subwords is not None:
            about["subwords"] = _settings(self.subwords)
            tensors |= {"subword_ids": self.subwords.ids, "subwords": np.ascontiguousarray(self.subwords.rows, np.float32)}
        about["words"] = self.words
        for name, content in (
            ("vectors.safetensors", safetensors.numpy.save(tensors)),
            ("words.json", json.dumps(about, ensure_ascii=False).encode("utf-8", "surrogatepass")),
        ):
            with hub.replace_file(folder / name) as file:
                file.write(content)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> WordVectors:
        """Read what `save` wrote; ValueError where it is damaged, FileNotFoundError where it is not there."""
        import safetensors.numpy
        from safetensors import SafetensorError

        folder = Path(folder)
        try:
            about = json.loads((folder / "words.json").read_text(encoding="utf-8"))
            tensors = safetensors.numpy.load((folder / "vectors.safetensors").read_bytes())
            matrix, words, source = tensors["vectors"], about["words"], about["source"]
            subwords = None
            if "subwords" in about:
                subwords = Subwords(tensors["subword_ids"], tensors["subwords"], **about["subwords"])
            return cls(words, matrix, source, about.get("sha256", ""), subwords, about.get("made_by", {}))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{folder} holds no word vectors of ours ({error})") from None

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, half: bool = False, texts: Mapping[str, str] | None = None
    ) -> Path:
        """Write a checkpoint folder that `seqzoo.load` reads; `half` stores the numbers as float16.

        `config.json` (format 1, task `word-vectors`) names architecture (`word2vec`, `fasttext`, `svd`, `glove`) and its
        arguments; `vocabulary.json` holds the words by row. `texts` adds card files. ValueError for vectors that do not
        say how they were made, as those of older folders.
        """
        import torch

        if "architecture" not in self.made_by:
            raise ValueError(f"these vectors ({self.source}) do not say how they were made; train them again")
        made_by = dict(self.made_by)
        config = {
            "task": catalog.WORD_VECTORS,
            "architecture": made_by.pop("architecture"),
            "arguments": made_by,
            "spec": {"vocab_size": len(self.words), "vector_size": self.size},
            "labels": [],
            "preprocessing": {} if self.subwords is None else {"subwords": _settings(self.subwords)},
        }
        tensors = {"vectors": torch.from_numpy(np.ascontiguousarray(self.matrix, np.float32))}
        if self.subwords is not None:
            tensors["subwords"] = torch.from_numpy(np.ascontiguousarray(self.subwords.rows, np.float32))
            tensors["subword_ids"] = torch.from_numpy(self.subwords.ids.astype(np.int32))
        vocabulary = json.dumps({"source": self.source, "words": self.words}, ensure_ascii=False, indent=0)
        return hub.write(folder, config, tensors, {VOCABULARY: vocabulary, **(texts or {})}, half=half)

    @classmethod
    def from_parts(cls, parts: hub.Parts) -> WordVectors:
        """From a checkpoint's verified parts; CheckpointError names the file and what is wrong in it."""
        config, tensors = parts.config, parts.tensors
        wanted = {"vectors", "subwords", "subword_ids"} if config["preprocessing"] else {"vectors"}
        if set(tensors) != wanted:
            raise hub.CheckpointError(
                f"{hub.WEIGHTS}: must hold {', '.join(sorted(wanted))}, got {', '.join(sorted(tensors))}"
            )
        try:
            about = json.loads(parts.texts[VOCABULARY])
            words, source = about["words"], about["source"]
        except (KeyError, TypeError, ValueError) as error:
            raise hub.CheckpointError(f"{VOCABULARY}: must give source and words ({error!r})") from None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words) or not isinstance(source, str):
            raise hub.CheckpointError(f"{VOCABULARY}: words must be a list of texts and source a text")
        spec = {"vocab_size": len(words), "vector_size": tensors["vectors"].shape[-1]}
        if config["spec"] != spec or config["labels"]:
            raise hub.CheckpointError(f"config.json: spec {config['spec']!r} is not that of the vectors, {spec!r}")
        subwords = None
        if config["preprocessing"]:
            ids, rows = tensors["subword_ids"].numpy().astype(np.int64), tensors["subwords"].numpy()
            subwords = Subwords(ids, rows, **config["preprocessing"]["subwords"])
        made_by = {"architecture": config["architecture"], **config["arguments"]}
        vectors = cls(words, tensors["vectors"].numpy(), source, "", subwords, made_by)
        _ = vectors.rows  # each word once
        return vectors


def fingerprint(words: Sequence[str], matrix: np.ndarray) -> str:
    """sha256 of words and numbers, as WordVectors documents it."""
    digest = hashlib.sha256("".join(f"{word}\n" for word in words).encode("utf-8", "surrogatepass"))
    for start in range(0, len(matrix), 4096):
        digest.update(np.ascontiguousarray(matrix[start : start + 4096], "<f4").tobytes())
    return digest.hexdigest()


def _direction(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _settings(subwords: Subwords) -> dict[str, int]:
    return {"buckets": subwords.buckets, "shortest": subwords.shortest, "longest": subwords.longest}
