"""What text corpora share: files and splits, the tokenizer fitted on train, length-bucketed batches."""

from __future__ import annotations

import hashlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from seqzoo.preprocessing.tokenizer import Tokenizer, check_keep, check_tokens, fit_tokenizer, truncate
from seqzoo.specs import TextBatch

__all__ = [
    "BucketSampler",
    "LabelledTexts",
    "TextDataModule",
    "draw",
    "find_folder",
    "load_from_hub",
    "official",
    "read_parquet",
]

log = logging.getLogger(__name__)
POOL = 50  # batches whose texts are sorted by length together


class LabelledTexts(NamedTuple):
    """Texts in the corpus's order and the class of each, int64 (N,); of a multi-label corpus, (N, labels) of 0 and 1."""

    texts: Sequence[str]
    targets: np.ndarray


def find_folder(name: str, data_dir: str | os.PathLike[str] | None, files: Sequence[str]) -> Path | None:
    """Where a corpus's files lie: `data_dir`, else `$SEQZOO_DATA/<name>`, else None for its public source.

    FileNotFoundError where a folder was named and a file is not in it.
    """
    root = os.environ.get("SEQZOO_DATA")
    folder = Path(data_dir) if data_dir else Path(root) / name if root else None
    if folder is None or (not data_dir and not folder.is_dir()):
        return None
    for file in files:
        if not (folder / file).is_file():
            raise FileNotFoundError(f"corpus {name}: {folder} holds no {file}; it needs {', '.join(files)}")
    return folder


def load_from_hub(name: str, dataset: str, split: str, config: str | None = None) -> Any:
    """A split of a dataset on the Hugging Face Hub; OSError with the way out where it cannot be had."""
    from datasets import load_dataset

    try:
        return load_dataset(dataset, config, split=split)
    except OSError as error:
        raise OSError(
            f"corpus {name}: {dataset} cannot be fetched from the Hub ({error}); go online, "
            f"or give the files' folder as data_dir, or set SEQZOO_DATA to a folder that holds {name}/"
        ) from None


def read_parquet(path: Path, columns: Sequence[str]) -> dict[str, list]:
    """Columns of a parquet file as lists; ValueError where it is damaged or lacks one."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, columns=list(columns))
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a parquet file with the columns {', '.join(columns)} ({error})") from None
    if missing := sorted(set(columns) - set(table.column_names)):
        raise ValueError(f"{path} has no column {missing[0]!r}")
    return {column: table[column].to_pylist() for column in columns}


def draw(whole: LabelledTexts, test_fraction: float, seed: int) -> dict[str, LabelledTexts]:
    """A seeded random `train` and `test` of a corpus without official split."""
    order = np.random.default_rng(seed).permutation(len(whole.texts))
    size = round(test_fraction * len(order))
    parts = {"test": order[:size], "train": order[size:]}
    return {
        name: LabelledTexts([whole.texts[index] for index in indices], whole.targets[indices])
        for name, indices in parts.items()
    }


def official(name: str, split: str) -> None:
    """ValueError unless `split` is `train` or `test`, the two that most corpora have."""
    if split not in ("train", "test"):
        raise ValueError(f"{name} has the splits train and test, not {split!r}")


class TextDataModule(L.LightningDataModule, ABC):
    """Texts of a corpus as batches of token ids. A corpus says where its splits come from: `read`.

    After `setup("fit")`: `tokenizer` fitted on the training texts alone, `labels`, `train` and `validation`.
    """

    task = "text-classification"
    name: str
    labels: list[str]
    source: dict[str, str]  # type and config of the dataset, as the Hub calls them
    language: list[str]
    citation: str
    limits: list[str]  # what a model trained on this corpus cannot do
    example: str
    fingerprinted = ("train", "test")
    multi_label = False  # whether a text may have several of the labels, or none
    drawn = False  # whether train and test are drawn here, for want of an official split
    unlabelled: tuple[str, ...] = ("train", "rest")  # splits that may be read without their labels, to learn words from
    scored_apart: tuple[str, ...] = ()  # parts of test that `read` knows by name and the card scores one by one

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        max_tokens: int = 512,
        keep: str = "ends",
        tokens: str = "words",
        vocab_size: int = 20_000,
        min_frequency: int = 2,
        validation_size: int = 2_500,
        split_seed: int = 0,
        num_train: int | None = None,
        vocabulary_splits: list[str] | None = None,
    ):
        """`validation_size` texts of the official train split are held out, drawn with `split_seed`; 0 trains on all.
        `num_train` keeps only that many of the others, drawn likewise. `max_tokens` and `keep` as in TextClassifier.

        `tokens` are `words`, `characters` or `hashed-words`: for the first two the most frequent `vocab_size` that stand
        `min_frequency` times in train, for hashed words `vocab_size` ids that all words share (`min_frequency` 1).
        They are counted in `vocabulary_splits`: `[train]` unless said otherwise, or `[unlabelled]`, what the corpus has to
        read without labels (never validation or test texts).

        Raises ValueError for a value outside its range.
        """
        super().__init__()
        for key, value, least in (
            ("batch_size", batch_size, 1),
            ("max_tokens", max_tokens, 1),
            ("min_frequency", min_frequency, 1),
            ("validation_size", validation_size, 0),
            ("num_train", num_train, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"{key} must be at least {least}, got {value}")
        check_keep(keep)
        check_tokens(tokens, min_frequency)
        if forbidden := {"validation", "test"} & set(vocabulary_splits or ()):
            raise ValueError(f"the vocabulary must not be fitted on {sorted(forbidden)[0]} texts")
        given = vocabulary_splits or ["train"]
        self.vocabulary_splits = [
            split for name in given for split in (self.unlabelled if name == "unlabelled" else (name,))
        ]
        self.data_dir, self.batch_size, self.max_tokens, self.keep = data_dir, batch_size, max_tokens, keep
        self.tokens, self.vocab_size, self.min_frequency = tokens, vocab_size, min_frequency
        self.validation_size, self.split_seed, self.num_train = validation_size, split_seed, num_train
        self.tokenizer: Tokenizer | None = None
        self.soft: tuple[str, np.ndarray] | None = None
        self.splits: dict[str, LabelledTexts] = {}
        self.encoded: dict[str, list[np.ndarray]] = {}
        self.untruncated: dict[str, list[np.ndarray]] = {}

    @abstractmethod
    def read(self, split: str) -> LabelledTexts:
        """An official split of the corpus, whole."""

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What a model must do with a text beside tokenising it; of several labels, from which probability it gives one."""
        chosen = {"max_tokens": self.max_tokens, "keep": self.keep}
        return {**chosen, "thresholds": [0.5] * len(self.labels)} if self.multi_label else chosen

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What a model for this corpus is made with, after `setup`."""
        return {"tokenizer": self.tokenizer, "labels": self.labels, **self.preprocessing}

    def texts(self, split: str) -> Sequence[str]:
        """Raw texts of `train` (without the validation texts), `rest` (what `num_train` leaves out of it), `validation`, or
        another split of the corpus."""
        return self._split(split).texts

    def fingerprint(self, split: str) -> str:
        """sha256 of an official split's texts and classes in order, whatever file they came from."""
        digest, whole = hashlib.sha256(), self.read(split)
        for text, target in zip(whole.texts, whole.targets.tolist(), strict=True):
            digest.update(f"{target}\t{len(text)}\t{text}\n".encode())
        return digest.hexdigest()

    def prepare_data(self) -> None:
        self.read("train")

    def setup(self, stage: str | None = None) -> None:
        if self.tokenizer is None:
            texts = (text for split in self.vocabulary_splits for text in self.texts(split))
            self.tokenizer = fit_tokenizer(self.tokens, texts, vocab_size=self.vocab_size, min_frequency=self.min_frequency)
        wanted = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",)}
        for split in wanted.get(stage, ("train", "validation", "test")):
            self.documents(split)

    def documents(self, split: str) -> list[np.ndarray]:
        """Token ids of a split's texts, truncated; at least one token each."""
        if split not in self.encoded:
            unknown = np.array([self.tokenizer.unknown_index], np.int32)
            self.encoded[split] = [
                truncate(tokens, self.max_tokens, self.keep) if len(tokens) else unknown
                for tokens in self.tokenizer.encode(self.texts(split))
            ]
        return self.encoded[split]

    def whole(self, split: str) -> list[np.ndarray]:
        """Token ids of a split's texts, untruncated."""
        if split not in self.untruncated:
            self.untruncated[split] = self.tokenizer.encode(self.texts(split))
        return self.untruncated[split]

    def add_soft(self, split: str, probabilities: np.ndarray) -> None:
        """Train on a split's texts too, with probabilities (N, labels) as targets; those of labelled texts become 0 and 1.

        Raises ValueError where the shapes do not fit.
        """
        if probabilities.shape != (expected := (len(self.texts(split)), len(self.labels))):
            raise ValueError(f"probabilities of {split} must be {expected}, got {probabilities.shape}")
        self.soft = (split, probabilities.astype(np.float32))

    def training_set(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Token ids of all texts that are trained on, and their targets: (N,) int64, or (N, labels) where some are soft."""
        documents, targets = self.documents("train"), self.targets("train")
        if self.soft is None:
            return documents, targets
        split, probabilities = self.soft
        hard = targets.astype(np.float32) if self.multi_label else np.eye(len(self.labels), dtype=np.float32)[targets]
        return documents + self.documents(split), np.concatenate([hard, probabilities])

    def targets(self, split: str) -> np.ndarray:
        """The class (or labels) of each text of a split, as in LabelledTexts."""
        return self._split(split).targets

    def _split(self, split: str) -> LabelledTexts:
        if split not in self.splits:
            if split in ("train", "rest", "validation"):
                self.splits |= self._divide(self.read("train"))
            else:
                self.splits[split] = self.read(split)
        return self.splits[split]

    def _divide(self, whole: LabelledTexts) -> dict[str, LabelledTexts]:
        size = len(whole.texts)
        if self.validation_size >= size:
            raise ValueError(f"validation_size must be below the {size} training texts, got {self.validation_size}")
        order = np.random.default_rng(self.split_seed).permutation(size)
        parts = {"train": order[self.validation_size :], "validation": order[: self.validation_size], "rest": order[:0]}
        if self.num_train is not None:
            if self.num_train > len(parts["train"]):
                raise ValueError(f"num_train must be at most {len(parts['train'])}, got {self.num_train}")
            parts["train"], parts["rest"] = np.split(parts["train"], [self.num_train])
        return {
            name: LabelledTexts([whole.texts[index] for index in indices], whole.targets[indices])
            for name, indices in parts.items()
        }

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader | list:
        return self._loader("validation") if self.validation_size else []

    def test_dataloader(self) -> DataLoader:
        return self._loader("test")

    def _loader(self, split: str, shuffle: bool = False) -> DataLoader:
        documents, targets = self.training_set() if shuffle else (self.documents(split), self.targets(split))
        batches = _Batches(documents, targets, self.tokenizer.pad_index)
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        seed = torch.initial_seed() % (1 << 31) if shuffle else 0
        sampler = BucketSampler(
            [len(document) for document in documents],
            self.batch_size if shuffle else 2 * self.batch_size,
            shuffle=shuffle,
            num_replicas=world,
            rank=rank,
            seed=seed,
        )
        return DataLoader(batches, batch_size=None, sampler=sampler)


class _Batches(Dataset):
    """Whole batches by lists of indices: padding is cheaper than a worker's queue."""

    def __init__(self, documents: list[np.ndarray], targets: np.ndarray, pad_index: int):
        self.documents, self.targets, self.pad_index = documents, torch.from_numpy(targets), pad_index

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, indices: list[int]) -> TextBatch:
        documents = [self.documents[index] for index in indices]
        lengths = np.array([len(document) for document in documents])
        tokens = np.full((len(documents), lengths.max()), self.pad_index, np.int64)
        for row, document in enumerate(documents):
            tokens[row, : len(document)] = document
        return TextBatch(torch.from_numpy(tokens), torch.from_numpy(lengths), self.targets[indices])


class BucketSampler(DistributedSampler):
    """Batches of near-equal length, as lists of indices, in random order; every process gets its own batches.

    Without `shuffle`, all in order of length. Across processes every index stands exactly once; processes that would get
    one batch fewer repeat an earlier one in training only.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        *,
        shuffle: bool,
        num_replicas: int = 1,
        rank: int = 0,
        seed: int = 0,
    ):
        super().__init__(lengths, num_replicas=num_replicas, rank=rank, shuffle=shuffle, seed=seed)
        self.lengths, self.batch_size = np.asarray(lengths), batch_size
        self.n_batches = -(-len(lengths) // batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """The order is drawn when the first batch is asked for: a resumed trainer sets the epoch only after `iter`."""
        if not self.shuffle:
            batches = self._cut(np.argsort(self.lengths, kind="stable"))
        else:
            random = np.random.default_rng((self.seed, self.epoch))
            order = random.permutation(len(self.lengths))
            size = self.batch_size * POOL
            pools = [order[start : start + size] for start in range(0, len(order), size)]
            batches = [batch for pool in pools for batch in self._cut(pool[np.argsort(self.lengths[pool], kind="stable")])]
            batches = [batches[index] for index in random.permutation(len(batches))]
            while len(batches) % self.num_replicas:
                batches.append(batches[len(batches) % self.n_batches])
        for batch in batches[self.rank :: self.num_replicas]:
            yield batch.tolist()

    def _cut(self, order: np.ndarray) -> list[np.ndarray]:
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def __len__(self) -> int:
        """Batches of this process."""
        if self.shuffle:
            return -(-self.n_batches // self.num_replicas)
        return len(range(self.rank, self.n_batches, self.num_replicas))
