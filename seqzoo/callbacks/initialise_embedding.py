"""Word vectors, trained on the corpus's own texts, or ones at hand, as a network's first embedding."""

import logging
import os
from pathlib import Path

import lightning as L
import numpy as np
import torch

from seqzoo.embeddings import word2vec
from seqzoo.embeddings.vectors import WordVectors

__all__ = ["InitialiseEmbedding"]

log = logging.getLogger(__name__)


class InitialiseEmbedding(L.Callback):
    """Before training: word vectors into `network.embedding`.

    With `source: word2vec` they are trained on the texts of `splits` of the corpus, never validation or test texts, and
    kept in `<run folder>/embedding`, from where a run that starts again takes them. Any other `source` is such a folder.

    Words outside the tokenizer's vocabulary are left out. All numbers are scaled to `standard_deviation` together. Words
    without a vector and the unknown word get the mean of all; padding stays zero. A run that is resumed keeps the
    embedding that it has.
    """

    def __init__(
        self,
        *,
        source: str = "word2vec",
        splits: list[str] | None = None,
        window: int = 5,
        epochs: int = 5,
        skip_gram: bool = True,
        standard_deviation: float = 0.5,
        workers: int = 0,
        seed: int = 1,
    ):
        """`splits` is `[train]` unless said otherwise; `workers` 0 means one per core."""
        if standard_deviation <= 0:
            raise ValueError(f"standard_deviation must be above 0, got {standard_deviation}")
        if forbidden := {"validation", "test"} & set(splits or ()):
            raise ValueError(f"vectors must not be trained on {sorted(forbidden)[0]} texts")
        if source != "word2vec" and not Path(source).is_dir():
            raise ValueError(f"source must be word2vec or a folder of word vectors, got {source!r}")
        self.source, self.splits, self.window, self.epochs = source, splits or ["train"], window, epochs
        self.skip_gram, self.standard_deviation = skip_gram, standard_deviation
        self.workers, self.seed = workers or os.cpu_count() or 1, seed

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.ckpt_path is not None:
            return
        embedding, table = getattr(pl_module.model.network, "embedding", None), None
        if embedding is None:
            raise ValueError(f"architecture {pl_module.architecture} has no embedding to initialise")
        weight = embedding.weight
        if trainer.is_global_zero:
            tokenizer = trainer.datamodule.tokenizer
            if self.source == "word2vec":
                vectors = self._train(trainer.datamodule, weight.shape[1], Path(trainer.default_root_dir) / "embedding")
            else:
                vectors = WordVectors.load(self.source)
            words = tokenizer.words[: len(weight)]  # the most frequent, where a network embeds only those
            table = self._table(vectors, words, weight.shape[1])
            table[tokenizer.pad_index] = 0.0
        table = trainer.strategy.broadcast(table)
        with torch.no_grad():
            weight.copy_(torch.from_numpy(table))

    def _train(self, data: L.LightningDataModule, size: int, folder: Path) -> WordVectors:
        tokenizer, words = data.tokenizer, data.tokenizer.words
        documents = {split: tokenizer.encode(data.texts(split)) for split in self.splits}
        texts = " and ".join(f"{len(documents[split])} of {split}" for split in self.splits)
        kind = "skip-gram" if self.skip_gram else "CBOW"
        source = f"word2vec {kind}, {size} d, window {self.window}, {self.epochs} epochs, seed {self.seed}, texts: {texts}"
        if (folder / "words.json").is_file():
            kept = WordVectors.load(folder)
            if kept.source == source:
                log.info("taking the word vectors in %s", folder)
                return kept
        log.info("training %s", source)
        vectors = word2vec.train(
            [
                [words[index] for index in tokens if index != tokenizer.unknown_index]
                for split in self.splits
                for tokens in documents[split]
            ],
            vector_size=size,
            window=self.window,
            epochs=self.epochs,
            skip_gram=self.skip_gram,
            min_count=1,
            workers=self.workers,
            seed=self.seed,
        )._replace(source=source)
        vectors.save(folder)
        return vectors

    def _table(self, vectors: WordVectors, words: list[str], size: int) -> np.ndarray:
        """(V, size): a row for each word of the vocabulary."""
        if vectors.matrix.shape[1] != size:
            raise ValueError(f"vectors of {vectors.matrix.shape[1]} numbers do not fit embedding_size {size}")
        rows = {word: row for row, word in enumerate(vectors.words)}
        known = [index for index, word in enumerate(words) if word in rows]
        if not known:
            raise ValueError("no word of the vocabulary has a vector: are these vectors of another language or casing?")
        found = vectors.matrix[[rows[words[index]] for index in known]]
        found = found * (self.standard_deviation / found.std())
        log.info("%d of %d words have vectors", len(known), len(words))
        table = np.tile(found.mean(0), (len(words), 1)).astype(np.float32)
        table[known] = found
        return table
