"""fastText (Bojanowski et al., 2017) by gensim: words as sums of their character n-grams, so that new words have vectors."""

import logging
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from seqzoo.embeddings.sentences import Watched, check_again
from seqzoo.embeddings.subwords import Subwords
from seqzoo.embeddings.vectors import WordVectors
from seqzoo.embeddings.word2vec import check, fit_gensim

__all__ = ["prune", "train"]

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
    shortest: int = 3,
    longest: int = 6,
    buckets: int = 200_000,
    workers: int = 2,
    seed: int = 1,
    progress: bool = False,
) -> WordVectors:
    """Vectors of all words that stand `min_count` times, and of their n-grams of `shortest` to `longest` characters.

    A word outside is answered by the mean of its n-grams' vectors, as gensim does. n-grams share `buckets` rows by hash
    (fastText's own default is 2,000,000). One worker and one seed give the same vectors again, more do not.

    sentences: lists of words, an iterable that can be read `epochs + 1` times.
    """
    check(vector_size, window, epochs, min_count, workers)
    if buckets < 1 or not 1 <= shortest <= longest:
        raise ValueError(f"buckets must be at least 1 and 1 <= shortest <= longest, got {buckets}, {shortest}, {longest}")
    check_again(sentences)
    from gensim.models import FastText

    kind = "skip-gram" if skip_gram else "CBOW"
    with Watched(sentences, epochs + 1, f"fastText {kind}", progress) as watched:
        model = fit_gensim(
            FastText,
            watched,
            min_count,
            vector_size=vector_size,
            window=window,
            epochs=epochs,
            sg=int(skip_gram),
            negative=negative,
            sample=subsample,
            min_n=shortest,
            max_n=longest,
            bucket=buckets,
            workers=workers,
            seed=seed,
        )
    log.info("fastText: %d words from %d", len(model.wv), model.corpus_total_words)
    words, used = list(model.wv.index_to_key), np.zeros(buckets, bool)
    for hashes in model.wv.buckets_word:
        used[hashes] = True
    ids = np.flatnonzero(used)  # the others were never trained
    subwords = Subwords(ids, model.wv.vectors_ngrams[ids], buckets, shortest, longest)
    source = f"fastText {kind}, window {window}, {epochs} epochs, {negative} negative samples, seed {seed}"
    made_by = {"vector_size": vector_size, "window": window, "epochs": epochs, "skip_gram": skip_gram}
    made_by |= {"negative": negative, "min_count": min_count, "subsample": subsample, "seed": seed}
    return WordVectors(words, model.wv.vectors, source, "", subwords, {"architecture": "fasttext", **made_by})


def prune(vectors: WordVectors, megabytes: float, bytes_per_number: int = 2) -> WordVectors:
    """As many of the n-grams as fit, with all words, into so many megabytes: those that most words have.

    ValueError where the words alone are too large.
    """
    if vectors.subwords is None:
        raise ValueError("only vectors with subwords can be pruned")
    words = vectors.matrix.size * bytes_per_number + sum(
        len(word.encode("utf-8", "surrogatepass")) + 5 for word in vectors.words
    )
    room = int(megabytes * 1e6) - words
    if room < 0:
        raise ValueError(f"the {len(vectors)} words alone take {words / 1e6:.1f} MB, more than {megabytes}; keep fewer")
    each = vectors.size * bytes_per_number + 4
    return replace(vectors, subwords=vectors.subwords.keep(room // each, vectors.words))
