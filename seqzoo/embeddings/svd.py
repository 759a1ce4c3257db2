"""Vectors by counting: positive pointwise mutual information and truncated SVD; principal components of any features."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from seqzoo.embeddings.sentences import Watched, check_again
from seqzoo.embeddings.vectors import WordVectors
from seqzoo.embeddings.word2vec import check

__all__ = ["Components", "counts", "pca", "ppmi", "train", "truncated_svd"]

log = logging.getLogger(__name__)
CHUNK = 2_000_000  # tokens whose pairs are counted together


def train(
    sentences: Iterable[list[str]],
    *,
    vector_size: int = 100,
    window: int = 5,
    min_count: int = 5,
    max_words: int = 30_000,
    smoothing: float = 0.75,
    power: float = 0.5,
    seed: int = 1,
    progress: bool = False,
) -> WordVectors:
    """Vectors of the `max_words` most frequent words that stand `min_count` times: U S^power of `ppmi` cut to `vector_size`.

    `window` is K: the context of a word are the K words before and the K behind it, words that are left out counted as
    places. `smoothing` as in `ppmi`; power 1 is U S itself, 0.5 does better on likeness (Levy, Goldberg and Dagan, 2015).
    """
    check(vector_size, window, 1, min_count, 1)
    if max_words <= vector_size:
        raise ValueError(f"max_words must be above vector_size {vector_size}, got {max_words}")
    check_again(sentences)
    with Watched(sentences, 2, "PMI-SVD", progress) as watched:
        words, pairs = counts(watched, window=window, min_count=min_count, max_words=max_words)
    if len(words) <= vector_size:
        raise ValueError(f"{len(words)} words stand {min_count} times, too few for vectors of {vector_size} numbers")
    left, values, _ = truncated_svd(ppmi(pairs, smoothing=smoothing), vector_size, seed=seed)
    matrix = (left * values**power).astype(np.float32)
    log.info("PMI-SVD: %d words, %d pairs of them", len(words), pairs.nnz)
    source = f"PMI-SVD, window {window}, smoothing {smoothing}, power {power}, seed {seed}"
    made_by = {"vector_size": vector_size, "window": window, "min_count": min_count, "max_words": max_words}
    made_by |= {"smoothing": smoothing, "power": power, "seed": seed}
    return WordVectors(words, matrix, source, made_by={"architecture": "svd", **made_by})


def counts(
    sentences: Iterable[list[str]], *, window: int, min_count: int = 1, max_words: int | None = None
) -> tuple[list[str], Any]:
    """The words, most frequent first, and the sparse (V, V) matrix of C(wi, wj): how often wj stands within `window`
    places of wi in a sentence. It is symmetric. ValueError where no word is frequent enough.
    """
    from scipy import sparse

    seen = Counter(word for sentence in sentences for word in sentence)
    words = [word for word, count in seen.most_common(max_words) if count >= min_count]
    if not words:
        raise ValueError(f"no word stands {min_count} times in the sentences; lower min_count")
    index, size = {word: place for place, word in enumerate(words)}, len(words)
    total = sparse.csr_matrix((size, size), dtype=np.float32)
    for ids in _chunks(sentences, index, window):
        rows, columns = [], []
        for distance in range(1, window + 1):
            both = (ids[:-distance] >= 0) & (ids[distance:] >= 0)
            rows.append(ids[:-distance][both])
            columns.append(ids[distance:][both])
        where = (np.concatenate(rows), np.concatenate(columns))
        total = total + sparse.coo_matrix((np.ones(len(where[0]), np.float32), where), (size, size)).tocsr()
    return words, (total + total.T).tocsr()


def _chunks(sentences: Iterable[list[str]], index: dict[str, int], window: int) -> Iterable[np.ndarray]:
    """Ids of many sentences in a row, -1 for words outside and `window` times between two sentences."""
    gap, waiting = [-1] * window, []
    for sentence in sentences:
        waiting += [index.get(word, -1) for word in sentence] + gap
        if len(waiting) >= CHUNK:
            yield np.array(waiting, np.int32)
            waiting = []
    yield np.array(waiting, np.int32)


def ppmi(pairs: Any, *, smoothing: float = 1.0) -> Any:
    """The positive part of I(wi, wj) = log2(N C(wi, wj) / (C(wi) C(wj))), sparse, from the counts of pairs (V, V).

    N is the number of all pairs, C(wi) that of the pairs with wi. `smoothing` below 1 makes rare contexts less telling:
    C(wj) becomes proportional to C(wj)^smoothing (Levy, Goldberg and Dagan, 2015, use 0.75).
    """
    if not 0.0 < smoothing <= 1.0:
        raise ValueError(f"smoothing must be above 0 and at most 1, got {smoothing}")
    found = pairs.tocoo()
    word = np.asarray(pairs.sum(1), np.float64).ravel()
    context = np.asarray(pairs.sum(0), np.float64).ravel()
    n = context.sum()
    context = context**smoothing * (n / max((context**smoothing).sum(), 1e-300))
    information = np.log2(n * found.data / (word[found.row] * context[found.col]))
    from scipy import sparse

    kept = information > 0
    return sparse.csr_matrix((information[kept].astype(np.float32), (found.row[kept], found.col[kept])), found.shape)


def truncated_svd(
    matrix: Any, size: int, *, seed: int = 1, iterations: int = 5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U (N, size), S (size,) falling, V^T (size, M) of a matrix, sparse or not, by random projection (Halko et al., 2011).

    Each iteration sharpens it; the sign of a column is such that its largest number is positive.
    """
    if not 1 <= size <= min(matrix.shape):
        raise ValueError(f"size must be from 1 to {min(matrix.shape)}, got {size}")
    width = min(size + 10, min(matrix.shape))
    start = np.random.default_rng(seed).standard_normal((matrix.shape[1], width), np.float32)
    basis = np.linalg.qr(matrix @ start.astype(matrix.dtype))[0]
    for _ in range(iterations):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    left, values, right = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    left = basis @ left
    signs = np.sign(left[np.abs(left).argmax(0), np.arange(left.shape[1])])
    return (left * signs)[:, :size], values[:size], (right * signs[:, None])[:size]


class Components(NamedTuple):
    """coordinates (N, size), axes (size, F), values: the singular value of each axis, share: of the squares of all."""

    coordinates: np.ndarray
    axes: np.ndarray
    values: np.ndarray
    share: np.ndarray


def pca(features: np.ndarray, size: int = 2, *, normalise: bool = False, standardise: bool = False) -> Components:
    """Coordinates U S of features (N, F) about their mean: principal components, by an exact SVD.

    `normalise` first makes each row of length 1; `standardise` gives each column deviation 1 (a constant column stays 0).
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or not 1 <= size <= min(features.shape):
        raise ValueError(f"size must be from 1 to the least of (N, F), got {size} for {features.shape}")
    if normalise:
        features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-300)
    features = features - features.mean(0)
    if standardise:
        deviation = features.std(0)
        features = features / np.where(deviation > 1e-12 * max(np.abs(features).max(), 1e-300), deviation, np.inf)
    left, values, right = np.linalg.svd(features, full_matrices=False)
    signs = np.sign(left[np.abs(left).argmax(0), np.arange(left.shape[1])])
    left, right = left * signs, right * signs[:, None]
    share = values**2 / max((values**2).sum(), 1e-300)
    return Components((left * values)[:, :size], right[:size], values[:size], share[:size])
