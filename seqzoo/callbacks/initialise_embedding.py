"""Word vectors, trained on the corpus's own texts, or ones at hand, as a network's first embedding."""

import logging
import os
from pathlib import Path

import lightning as L
import numpy as np
import torch

from seqzoo.embeddings import glove, word2vec
from seqzoo.embeddings.vectors import WordVectors

__all__ = ["InitialiseEmbedding"]

log = logging.getLogger(__name__)
SOURCES = ("word2vec", "glove", "random")
UNKNOWN = ("mean", "zero", "random")


class InitialiseEmbedding(L.Callback):
    """Before training: word vectors into `network.embedding`.

    With `source: word2vec` they are trained on the texts of `splits` of the corpus, never validation or test texts, and
    kept in `<run folder>/embedding`, from where a run that starts again takes them. With `source: glove` they are those
    of GloVe 6B in `$SEQZOO_DATA/glove` of the network's own `embedding_size`. With `source: random` they are normal
    numbers: torch's own have deviation 1, too large to learn words of few texts from; Keras's have 0.03. Any other
    `source` is a folder as kept above, or a file of GloVe's form (.txt or .txt.gz).

    Words outside the tokenizer's vocabulary are left out. All numbers are scaled to `standard_deviation` together. Words
    without a vector, and the unknown word, get by `unknown` the `mean` of all, `zero`, or `random` numbers of the same
    deviation; padding stays zero. `freeze` leaves the embedding as it is in training. A run that is resumed keeps the
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
        unknown: str = "mean",
        freeze: bool = False,
        workers: int = 0,
        seed: int = 1,
    ):
        """`splits` is `[train]` unless said otherwise; `workers` 0 means one per core.

        Raises ValueError for a value outside its range or a source that is not there.
        """
        if standard_deviation <= 0:
            raise ValueError(f"standard_deviation must be above 0, got {standard_deviation}")
        if forbidden := {"validation", "test"} & set(splits or ()):
            raise ValueError(f"vectors must not be trained on {sorted(forbidden)[0]} texts")
        if unknown not in UNKNOWN:
            raise ValueError(f"unknown must be one of {', '.join(UNKNOWN)}, got {unknown!r}")
        if source not in SOURCES and not Path(source).exists():
            raise ValueError(f"source must be {', '.join(SOURCES)}, or a folder or file of word vectors, got {source!r}")
        if source != "word2vec" and splits:
            raise ValueError(f"splits are texts for source word2vec; {source!r} is not trained, leave them out")
        self.unknown, self.freeze = unknown, freeze
        self.source, self.splits, self.window, self.epochs = source, splits or ["train"], window, epochs
        self.skip_gram, self.standard_deviation = skip_gram, standard_deviation
        self.workers, self.seed = workers or os.cpu_count() or 1, seed

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Freeze before strategies and optimisers look at the parameters."""
        if stage == "fit":
            pl_module.configure_model()  # does nothing the second time
            if getattr(pl_module.model.network, "embedding", None) is None:
                raise ValueError(f"architecture {pl_module.architecture} has no embedding to initialise")
            pl_module.model.network.embedding.weight.requires_grad_(not self.freeze)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.ckpt_path is not None:
            return
        weight, table = pl_module.model.network.embedding.weight, None
        if trainer.is_global_zero:
            table = self._start(trainer.datamodule, weight.shape, Path(trainer.default_root_dir) / "embedding")
            table[trainer.datamodule.tokenizer.pad_index] = 0.0
        table = trainer.strategy.broadcast(table)
        with torch.no_grad():
            weight.copy_(torch.from_numpy(table))

    def _start(self, data: L.LightningDataModule, shape: torch.Size, folder: Path) -> np.ndarray:
        """(V, size) float32."""
        if self.source == "random":
            return self._random(shape)
        if self.source == "word2vec":
            vectors = self._train(data, shape[1], folder)
        elif self.source != "glove" and Path(self.source).is_dir():
            vectors = WordVectors.load(self.source)
        else:
            file = glove.find(shape[1]) if self.source == "glove" else self.source
            vectors = glove.read(file, data.tokenizer.words)
        words = data.tokenizer.words[: shape[0]]  # the most frequent, where a network embeds only those
        counts = np.bincount(np.concatenate(data.documents("train")), minlength=shape[0])[: shape[0]]
        return self._table(vectors, words, counts, shape[1])

    def _random(self, shape: tuple[int, int]) -> np.ndarray:
        """Drawn anew with each seed of the callback and of the run."""
        random = np.random.default_rng((self.seed, torch.initial_seed() % (1 << 31)))
        return random.normal(0.0, self.standard_deviation, shape).astype(np.float32)

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

    def _table(self, vectors: WordVectors, words: list[str], counts: np.ndarray, size: int) -> np.ndarray:
        """(V, size): a row for each word of the vocabulary; `counts` says how often each stands in training."""
        if vectors.matrix.shape[1] != size:
            raise ValueError(f"vectors of {vectors.matrix.shape[1]} numbers do not fit embedding_size {size}")
        rows = {word: row for row, word in enumerate(vectors.words)}
        known = [index for index, word in enumerate(words) if word in rows]
        if not known:
            raise ValueError("no word of the vocabulary has a vector: are these vectors of another language or casing?")
        found = vectors.matrix[[rows[words[index]] for index in known]]
        found = found * (self.standard_deviation / found.std())
        share = counts[known].sum() / max(counts.sum(), 1)
        log.info("%d of %d words have vectors, %.1f %% of the training texts' tokens", len(known), len(words), 100 * share)
        shape = (len(words), size)
        if self.unknown == "random":
            table = self._random(shape)
        else:
            table = np.zeros(shape, np.float32) + (found.mean(0) if self.unknown == "mean" else 0.0)
        table[known] = found
        return table.astype(np.float32)
