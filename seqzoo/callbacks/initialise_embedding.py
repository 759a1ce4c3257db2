"""Word vectors, trained on the corpus's own texts, or ones at hand, as a network's first embedding."""

import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch

from seqzoo import hub
from seqzoo.embeddings import fasttext, glove, svd, word2vec
from seqzoo.embeddings.opening import open_vectors
from seqzoo.embeddings.sentences import Sentences
from seqzoo.embeddings.vectors import UnknownWord, WordVectors

__all__ = ["InitialiseEmbedding"]

log = logging.getLogger(__name__)
TRAINED = ("word2vec", "fasttext", "svd")
SOURCES = (*TRAINED, "glove", "random")
UNKNOWN = ("mean", "zero", "normal", "subword")
WEIGHTING = ("none", "sif")
SIF = 1e-3  # a of smooth inverse frequency
MISSING = 20  # words without a vector that the report names
REPORT = "embedding.json"
NAMED = r"hf-hub:.+|local-dir:.+|[\w.]+-[\w.-]+"  # how a checkpoint's name reads, as `imdb-word2vec`


class InitialiseEmbedding(L.Callback):
    """Before training: word vectors into `network.embedding`.

    With `source: word2vec`, `fasttext` or `svd` they are trained on the texts of `splits` of the corpus, never validation
    or test texts, and kept in `folder` (`<run folder>/embedding` unless another is named), from where a run that starts
    again, or another run, takes them. With `source: glove` they are those of GloVe 6B in `$SEQZOO_DATA/glove` of the
    network's own `embedding_size`. With `source: random` they are normal numbers: torch's own have deviation 1, too large
    to learn words of few texts from; Keras's have 0.03. Any other `source` is a folder as kept above, a checkpoint of word
    vectors, or a file of GloVe's or word2vec's form.

    Words outside the tokenizer's vocabulary are left out. A word without a vector takes, with `case_fallback`, that of
    its lower-case, capitalised or upper-case form. All numbers are scaled to `standard_deviation` together. Words that
    still have none, and the unknown word, get by `unknown` the `mean` of all, `zero`, `normal` numbers of the same
    deviation, or what the vectors make of the word's parts (`subword`, of fastText; where they make nothing, the mean).
    `weighting: sif` multiplies each word's vector by a / (a + p) (smooth inverse frequency, a = 0.001, p the word's share
    of the texts that the vocabulary comes from: Arora et al., 2017), for networks that average; before the scaling.

    Padding is zero and stays so in training. `freeze` leaves the embedding as it is in training. A run that is resumed
    keeps the embedding that it has. What the vectors cover is written to `<run folder>/embedding.json` and into the card
    of a checkpoint made of the run.
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
        case_fallback: bool = True,
        weighting: str = "none",
        freeze: bool = False,
        folder: str | None = None,
        workers: int = 0,
        seed: int = 1,
    ):
        """`splits` is `[train]` unless said otherwise; `unlabelled` stands for what the corpus has to read without labels.
        `workers` 0 means one per core. `window` and `splits` are for trained sources; `epochs` and `skip_gram` for
        word2vec and fastText.

        Raises ValueError for a value outside its range or a source that is not there.
        """
        if standard_deviation <= 0:
            raise ValueError(f"standard_deviation must be above 0, got {standard_deviation}")
        if forbidden := {"validation", "test"} & set(splits or ()):
            raise ValueError(f"vectors must not be trained on {sorted(forbidden)[0]} texts")
        if unknown not in UNKNOWN:
            raise ValueError(f"unknown must be one of {', '.join(UNKNOWN)}, got {unknown!r}")
        if weighting not in WEIGHTING:
            raise ValueError(f"weighting must be one of {', '.join(WEIGHTING)}, got {weighting!r}")
        if source not in SOURCES and not Path(source).exists() and not re.fullmatch(NAMED, source):
            raise ValueError(f"source must be {', '.join(SOURCES)}, or a folder or file of word vectors, got {source!r}")
        if source not in TRAINED and (splits or folder):
            raise ValueError(f"splits and folder are for {', '.join(TRAINED)}; {source!r} is not trained, leave them out")
        if source in ("random", "glove", "word2vec", "svd") and unknown == "subword":
            raise ValueError(f"unknown: subword needs vectors of fastText, which {source} has not")
        if source == "random" and (weighting != "none" or unknown != "mean"):
            raise ValueError("random numbers have no weighting and no unknown words; leave weighting and unknown out")
        self.unknown, self.case_fallback, self.weighting, self.freeze = unknown, case_fallback, weighting, freeze
        self.source, self.splits, self.window, self.epochs = source, splits or ["train"], window, epochs
        self.skip_gram, self.standard_deviation, self.folder = skip_gram, standard_deviation, folder
        self.workers, self.seed = workers or os.cpu_count() or 1, seed
        self.card: dict[str, Any] = {}
        self.progress: bool | None = None  # a bar while vectors are trained; None: where the trainer draws one

    def state_dict(self) -> dict[str, Any]:
        return self.card

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.card = state_dict

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
        weight, table, root = pl_module.model.network.embedding.weight, None, Path(trainer.default_root_dir)
        if self.progress is None:
            self.progress = trainer.progress_bar_callback is not None
        if trainer.is_global_zero:
            table = self._start(trainer.datamodule, weight.shape, Path(self.folder) if self.folder else root / "embedding")
            table[trainer.datamodule.tokenizer.pad_index] = 0.0
            root.mkdir(parents=True, exist_ok=True)
            with hub.replace_file(root / REPORT) as file:
                file.write((json.dumps(self.card["embedding"], indent=2, ensure_ascii=False) + "\n").encode())
        table, self.card = trainer.strategy.broadcast((table, self.card))
        with torch.no_grad():
            weight.copy_(torch.from_numpy(table))

    @torch.no_grad()
    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Also in a network whose own embedding would train the padding row."""
        if not self.freeze:
            pl_module.model.network.embedding.weight[trainer.datamodule.tokenizer.pad_index] = 0.0

    def _start(self, data: L.LightningDataModule, shape: torch.Size, folder: Path) -> np.ndarray:
        """(V, size) float32."""
        if self.source == "random":
            self.card = {"embedding": {"source": "random", "deviation": self.standard_deviation, "frozen": self.freeze}}
            return self._random(shape)
        if self.source in TRAINED:
            vectors = self._train(data, shape[1], folder)
        else:
            wanted = [form for word in data.tokenizer.words for form in self._forms(word)]
            vectors = open_vectors(glove.find(shape[1]) if self.source == "glove" else self.source, wanted, shape[1])
        if self.unknown == "subword" and vectors.subwords is None:
            raise ValueError(f"unknown: subword needs vectors of fastText; {vectors.source} has no subwords")
        words = data.tokenizer.words[: shape[0]]  # the most frequent, where a network embeds only those
        counts = np.bincount(np.concatenate(data.documents("train")), minlength=shape[0])[: shape[0]]
        special = {data.tokenizer.pad_index, data.tokenizer.unknown_index}
        return self._table(vectors, words, counts, shape[1], special, self._weights(data, shape[0]))

    def _forms(self, word: str) -> list[str]:
        """The word as it is, then the ways of writing it that may stand for it; once each."""
        return list(dict.fromkeys([word, word.lower(), word.capitalize(), word.upper()] if self.case_fallback else [word]))

    def _weights(self, data: L.LightningDataModule, size: int) -> np.ndarray | None:
        """(V,): what each word's vector is multiplied by."""
        if self.weighting == "none":
            return None
        counts = np.zeros(size)
        for split in data.vocabulary_splits:
            for document in data.whole(split):
                counts += np.bincount(document, minlength=size)[:size]
        return SIF / (SIF + counts / max(counts.sum(), 1))

    def _random(self, shape: tuple[int, int]) -> np.ndarray:
        """Drawn anew with each seed of the callback and of the run."""
        random = np.random.default_rng((self.seed, torch.initial_seed() % (1 << 31)))
        return random.normal(0.0, self.standard_deviation, shape).astype(np.float32)

    def _train(self, data: L.LightningDataModule, size: int, folder: Path) -> WordVectors:
        splits = [name for split in self.splits for name in (data.unlabelled if split == "unlabelled" else (split,))]
        documents = {split: data.whole(split) for split in splits}
        texts = " and ".join(f"{len(documents[split])} of {split}" for split in splits)
        if self.splits == ["unlabelled"]:  # however many of them have labels in this run
            texts = f"{sum(map(len, documents.values()))} unlabelled"
        kind = {"svd": "PMI-SVD", "fasttext": "fastText"}.get(self.source, "word2vec")
        order = "" if self.source == "svd" else " skip-gram" if self.skip_gram else " CBOW"
        often = "" if self.source == "svd" else f", {self.epochs} epochs"
        source = f"{kind}{order}, {size} d, window {self.window}{often}, seed {self.seed}, texts: {texts}"
        every = [document for split in splits for document in documents[split]]
        sentences = Sentences(every, data.tokenizer.words, (data.tokenizer.pad_index, data.tokenizer.unknown_index))
        digest = sentences.sha256()
        if (folder / "words.json").is_file():
            kept = WordVectors.load(folder)
            if kept.source == source and kept.made_by.get("texts_sha256", digest) == digest:
                log.info("taking the word vectors in %s", folder)
                return kept
        log.info("training %s", source)
        options: dict[str, Any] = {"vector_size": size, "window": self.window, "min_count": 1, "seed": self.seed}
        options["progress"] = bool(self.progress)
        if self.source == "svd":
            vectors = svd.train(sentences, **options, max_words=len(data.tokenizer))
        else:
            options |= {"epochs": self.epochs, "skip_gram": self.skip_gram, "workers": self.workers}
            vectors = {"word2vec": word2vec, "fasttext": fasttext}[self.source].train(sentences, **options)
        made_by = {**vectors.made_by, "texts_sha256": digest}
        vectors = WordVectors(vectors.words, vectors.matrix, source, "", vectors.subwords, made_by)
        vectors.save(folder)
        return vectors

    def _table(
        self,
        vectors: WordVectors,
        words: list[str],
        counts: np.ndarray,
        size: int,
        special: set[int],
        weights: np.ndarray | None,
    ) -> np.ndarray:
        """(V, size): a row for each word of the vocabulary; `counts` says how often each stands in training."""
        if vectors.size != size:
            raise ValueError(f"vectors of {vectors.size} numbers do not fit embedding_size {size}")
        found: dict[int, np.ndarray] = {}
        by_subwords = 0
        for index, word in enumerate(words):
            if index in special:
                continue
            form = next((form for form in self._forms(word) if form in vectors), None)
            if form is not None:
                found[index] = vectors[form]
            elif self.unknown == "subword":
                try:
                    found[index] = vectors[word]
                    by_subwords += 1
                except UnknownWord:
                    continue
        if not found:
            raise ValueError("no word of the vocabulary has a vector: are these vectors of another language or casing?")
        known = np.fromiter(found, np.int64)
        rows = np.stack(list(found.values()))
        if weights is not None:
            rows = rows * weights[known, None]
        rows = rows * (self.standard_deviation / rows.std())
        self._report(vectors, words, counts, known, special, by_subwords)
        if self.unknown == "normal":
            table = self._random((len(words), size))
        else:
            table = np.zeros((len(words), size), np.float32) + (0.0 if self.unknown == "zero" else rows.mean(0))
        table[known] = rows
        return table.astype(np.float32)

    def _report(
        self,
        vectors: WordVectors,
        words: list[str],
        counts: np.ndarray,
        known: np.ndarray,
        special: set[int],
        by_subwords: int,
    ) -> None:
        n_types, covered = len(words) - len(special), len(known)
        tokens, total = int(counts[known].sum()), int(counts.sum())
        absent = np.setdiff1d(np.arange(len(words)), [*known.tolist(), *special])
        absent = absent[np.argsort(-counts[absent], kind="stable")]
        missing = [[words[index], int(counts[index])] for index in absent[:MISSING] if counts[index]]
        share = tokens / max(total, 1)
        log.info("%d of %d words have vectors, %.1f %% of the training texts' tokens", covered, n_types, 100 * share)
        if missing:
            log.info("most frequent without: %s", ", ".join(f"{word} ({count})" for word, count in missing))
        self.card = {
            "embedding": {
                "source": vectors.source,
                "sha256": vectors.sha256,
                "types": {"covered": covered, "all": n_types},
                "tokens": {"covered": tokens, "all": total},
                "by_subwords": by_subwords,
                "missing": missing,
                "unknown": self.unknown,
                "frozen": self.freeze,
            }
        }
