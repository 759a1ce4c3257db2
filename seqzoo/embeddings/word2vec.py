"""word2vec (Mikolov et al., 2013) by gensim: skip-gram or CBOW with negative sampling."""

import logging
from collections.abc import Iterable

from seqzoo.embeddings.vectors import WordVectors

__all__ = ["train"]

log = logging.getLogger(__name__)


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
) -> WordVectors:
    """Vectors of all words that stand `min_count` times. One worker and one seed give the same vectors again, more do not.

    sentences: lists of words, an iterable that can be read `epochs + 1` times.
    """
    from gensim.models import Word2Vec

    model = Word2Vec(
        sentences,
        vector_size=vector_size,
        window=window,
        epochs=epochs,
        sg=int(skip_gram),
        negative=negative,
        min_count=min_count,
        sample=subsample,
        workers=workers,
        seed=seed,
    )
    log.info("word2vec: %d words from %d", len(model.wv), model.corpus_total_words)
    kind = "skip-gram" if skip_gram else "CBOW"
    source = f"word2vec {kind}, window {window}, {epochs} epochs, {negative} negative samples, seed {seed}"
    return WordVectors(list(model.wv.index_to_key), model.wv.vectors, source)
