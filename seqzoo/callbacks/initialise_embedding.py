"""Word vectors, trained on the corpus's own texts, as a network's first embedding."""

import logging
import os

import lightning as L
import numpy as np
import torch

from seqzoo.embeddings import word2vec

__all__ = ["InitialiseEmbedding"]

log = logging.getLogger(__name__)


class InitialiseEmbedding(L.Callback):
    """Before training: word2vec on the texts of `splits` of the corpus, copied into `network.embedding`.

    Words outside the tokenizer's vocabulary are left out, validation and test texts are not read. All numbers are scaled
    to `standard_deviation` together. The row of the unknown word is the mean of all; padding stays zero. A run that is
    resumed keeps the embedding that it has.
    """

    def __init__(
        self,
        *,
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
        self.splits, self.window, self.epochs, self.skip_gram = splits or ["train"], window, epochs, skip_gram
        self.standard_deviation, self.workers, self.seed = standard_deviation, workers or os.cpu_count() or 1, seed

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.ckpt_path is not None:
            return
        weight = pl_module.model.network.embedding.weight
        table = self._table(trainer.datamodule, weight.shape[1]) if trainer.is_global_zero else None
        table = trainer.strategy.broadcast(table)
        with torch.no_grad():
            weight.copy_(torch.from_numpy(table))

    def _table(self, data: L.LightningDataModule, size: int) -> np.ndarray:
        tokenizer = data.tokenizer
        words = tokenizer.words
        sentences = [
            [words[index] for index in tokens if index != tokenizer.unknown_index]
            for split in self.splits
            for tokens in tokenizer.encode(data.texts(split))
        ]
        log.info("training word2vec on %d texts (%s)", len(sentences), " and ".join(self.splits))
        vectors = word2vec.train(
            sentences,
            vector_size=size,
            window=self.window,
            epochs=self.epochs,
            skip_gram=self.skip_gram,
            min_count=1,
            workers=self.workers,
            seed=self.seed,
        )
        rows = dict(zip(vectors.words, vectors.matrix, strict=True))
        table = np.zeros((len(words), size), np.float32)
        known = [index for index, word in enumerate(words) if word in rows]
        table[known] = np.stack([rows[words[index]] for index in known])
        table *= self.standard_deviation / table[known].std()
        table[tokenizer.unknown_index] = table[known].mean(0)
        return table
