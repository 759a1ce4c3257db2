"""Paragraph vectors (Le and Mikolov, 2014) by gensim: one vector per text that predicts the text's n-grams."""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from seqzoo.preprocessing.tokenizer import Tokenizer

__all__ = ["classify", "train"]

log = logging.getLogger(__name__)
BLOCK = 5_000  # texts whose n-grams are in memory together
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)


def train(
    texts: Sequence[str],
    *,
    ngrams: int = 3,
    vector_size: int = 300,
    epochs: int = 8,
    learning_rate: float = 0.05,
    vocab_size: int = 100_000,
    min_frequency: int = 3,
    min_count: int = 5,
    subsample: float = 1e-4,
    workers: int = 2,
    seed: int = 1,
) -> np.ndarray:
    """(N, vector_size) float32 for N texts: PV-DBOW on uni- to `ngrams`-grams of words (Li et al., 2016).

    Five negative samples, frequent n-grams dropped at `subsample`, n-grams below `min_count` left out. Texts are read in a
    random order: in a corpus sorted by class, vectors of neighbours are trained against the same state of the n-grams,
    and a classifier finds that instead of the words. More than one worker is faster and not reproducible bit for bit;
    75,000 reviews take 15 to 25 minutes on two cores. Raises ValueError for no texts or `ngrams` outside 1 to 5.
    """
    from gensim.models.doc2vec import Doc2Vec

    if not 1 <= ngrams <= 5:
        raise ValueError(f"ngrams must be from 1 to 5, got {ngrams}")
    if not texts:
        raise ValueError("paragraph vectors need texts, got none")
    order = np.random.default_rng(seed).permutation(len(texts))
    tokenizer = Tokenizer.fit(texts, vocab_size=vocab_size, min_frequency=min_frequency)
    with tempfile.TemporaryDirectory() as folder:  # from a file gensim trains with all its threads, from Python with one
        path = Path(folder) / "texts.txt"
        with open(path, "w", encoding="ascii") as file:
            for start in range(0, len(order), BLOCK):
                for tokens in tokenizer.encode([texts[index] for index in order[start : start + BLOCK]]):
                    file.write(" ".join(_grams(tokens[tokens != tokenizer.unknown_index].tolist(), ngrams)) + "\n")
        model = Doc2Vec(
            corpus_file=os.fspath(path),
            dm=0,
            vector_size=vector_size,
            negative=5,
            min_count=min_count,
            sample=subsample,
            epochs=epochs,
            alpha=learning_rate,
            workers=workers,
            seed=seed,
        )
    log.info("paragraph vectors: %d texts, %d n-grams", len(texts), len(model.wv))
    vectors = np.empty((len(texts), vector_size), np.float32)
    vectors[order] = model.dv.vectors[: len(texts)]
    return vectors


def _grams(words: list[int], order: int) -> list[str]:
    """Each run of 1 to `order` words as one token."""
    parts = [str(word) for word in words]
    return ["_".join(parts[start : start + n]) for n in range(1, order + 1) for start in range(len(parts) - n + 1)]


def classify(known: np.ndarray, targets: np.ndarray, unknown: np.ndarray, n_classes: int, *, folds: int = 5) -> np.ndarray:
    """(M, n_classes) probabilities of M vectors by a logistic regression on N vectors and their classes, (N,) int64.

    Vectors are scaled to length 10; the weight penalty is the one of `PENALTIES` with the lowest loss over `folds`.
    """
    known, unknown = (10.0 * part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-9) for part in (known, unknown))
    inputs, classes = torch.from_numpy(known), torch.from_numpy(targets)
    fold = torch.from_numpy(np.random.default_rng(0).permutation(len(known)) % folds)

    def loss(penalty: float) -> float:
        total = 0.0
        for held in range(folds):
            weight, bias = _regress(inputs[fold != held], classes[fold != held], n_classes, penalty)
            scores = inputs[fold == held] @ weight + bias
            total += float(nn.functional.cross_entropy(scores, classes[fold == held], reduction="sum"))
        return total / len(known)

    losses = {penalty: loss(penalty) for penalty in PENALTIES}
    best = min(losses, key=losses.get)
    log.info("paragraph vectors: log loss %.4f on held-out folds, penalty %g", losses[best], best)
    weight, bias = _regress(inputs, classes, n_classes, best)
    return (torch.from_numpy(unknown) @ weight + bias).softmax(1).numpy()


def _regress(inputs: Tensor, classes: Tensor, n_classes: int, penalty: float) -> tuple[Tensor, Tensor]:
    """Weight (D, n_classes) and bias (n_classes,) with the lowest mean cross-entropy + penalty * sum of squared weights."""
    weight = torch.zeros(inputs.shape[1], n_classes, requires_grad=True)
    bias = torch.zeros(n_classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = nn.functional.cross_entropy(inputs @ weight + bias, classes) + penalty * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(closure)
    return weight.detach(), bias.detach()
