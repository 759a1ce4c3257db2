"""How good word vectors are by themselves: analogies, and likeness beside people's judgement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqzoo.embeddings.vectors import WordVectors

__all__ = ["analogies", "read_analogies", "read_pairs", "similarities"]

AT_ONCE = 256  # questions answered by one product


def read_analogies(path: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    """Questions by section, from a file of Google's form: `: section`, then lines of four words, lower-cased here.

    ValueError names the line that is neither.
    """
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    section = "all"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.lower().split()
        if line.startswith(":"):
            section = line.removeprefix(":").strip()
        elif len(words) == 4:
            sections.setdefault(section, []).append(tuple(words))
        elif words:
            raise ValueError(f"{path}, line {number}: a section (': name') or four words expected, got {line!r}")
    return sections


def analogies(vectors: WordVectors, sections: dict[str, list[tuple[str, str, str, str]]]) -> dict[str, dict[str, float]]:
    """Of each section and of `all`: accuracy (a is to b as c is to d: d, of all words but a, b and c, by 3CosAdd), how many
    questions have four words with vectors (n), and how many there are (asked)."""
    results = {}
    for name, questions in sections.items():
        known = [question for question in questions if all(word in vectors for word in question)]
        hits = sum(_hits(vectors, known))
        results[name] = {"accuracy": hits / len(known) if known else 0.0, "n": len(known), "asked": len(questions)}
    n, asked = (sum(result[key] for result in results.values()) for key in ("n", "asked"))
    right = sum(result["accuracy"] * result["n"] for result in results.values())
    return {**results, "all": {"accuracy": right / n if n else 0.0, "n": n, "asked": asked}}


def _hits(vectors: WordVectors, questions: list[tuple[str, str, str, str]]) -> Iterator[bool]:
    rows = np.array([[vectors.rows[word] for word in question] for question in questions], np.int64).reshape(-1, 4)
    for start in range(0, len(rows), AT_ONCE):
        first, second, third, answer = rows[start : start + AT_ONCE].T
        table = vectors.directions
        cosines = (table[second] - table[first] + table[third]) @ table.T
        for given in (first, second, third):
            cosines[np.arange(len(given)), given] = -np.inf
        yield from cosines.argmax(1) == answer


def read_pairs(path: Path) -> list[tuple[str, str, float]]:
    """Two words and a judgement per line, between tabs or commas; lines that begin with # and a header are left out."""
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.replace(",", "\t").split("\t")
        try:
            pairs.append((cells[0].strip().lower(), cells[1].strip().lower(), float(cells[2])))
        except (IndexError, ValueError):
            if line.strip() and not line.startswith("#") and pairs:
                raise ValueError(f"{path}, line {number}: two words and a number expected, got {line!r}") from None
    if not pairs:
        raise ValueError(f"{path} holds no line of two words and a number")
    return pairs


def similarities(vectors: WordVectors, pairs: list[tuple[str, str, float]]) -> dict[str, Any]:
    """spearman: rank correlation of cosines with judgements, over the n pairs whose words have vectors (of those asked)."""
    known = [(first, second, judged) for first, second, judged in pairs if first in vectors and second in vectors]
    cosines = [vectors.similarity(first, second) for first, second, _ in known]
    spearman = _correlation(_ranks(cosines), _ranks([judged for *_, judged in known])) if len(known) > 2 else 0.0
    return {"spearman": spearman, "n": len(known), "asked": len(pairs)}


def _ranks(values: list[float]) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(float(np.sqrt((first @ first) * (second @ second))), 1e-300))
