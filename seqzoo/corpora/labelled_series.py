"""What corpora of labelled series share: files and splits, the preprocessor fitted on train, augmented batches."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import shutil
import tempfile
import urllib.request
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from seqzoo.corpora.datamodule import BucketSampler
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor
from seqzoo.specs import LabelledSeriesBatch

__all__ = ["IGNORED", "LabelledSeries", "LabelledSeriesDataModule", "download", "stratified"]

log = logging.getLogger(__name__)
IGNORED = -100  # the class of a step that counts neither in training nor in measuring


class LabelledSeries(NamedTuple):
    """Raw series (T, C) in the corpus's order, float32 or int16 samples of sound, and their classes: int64 (N,), or of a
    frame-wise corpus the class of every raw step of each series, int8 (T,).
    """

    series: Sequence[np.ndarray]
    targets: np.ndarray | list[np.ndarray]


def stratified(targets: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Positions of `size` of (N,) classes drawn at random, of each class as many as its share, and never all of one."""
    classes, counts = np.unique(targets, return_counts=True)
    random, shares = np.random.default_rng(seed), size * counts / len(targets)
    taken = np.minimum(np.floor(shares).astype(int), counts - 1)
    for index in np.argsort(taken - shares, kind="stable").tolist() * len(targets):  # largest remainders first
        if taken.sum() >= size:
            break
        taken[index] += taken[index] < counts[index] - 1
    drawn = [
        random.permutation(np.flatnonzero(targets == label))[:number] for label, number in zip(classes, taken, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def download(name: str, url: str, wanted: Callable[[str], str | None]) -> Path:
    """Files of a .zip at `url`, in the user's cache for the corpus `name`; fetched once.

    `wanted` gives the name under which a member of the archive is kept, None for those that are not. Raises OSError, with
    the way out, where it cannot be had.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqzoo" / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    log.info("corpus %s: fetching %s", name, url)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with tempfile.TemporaryFile(dir=fresh.parent) as file:
            with urllib.request.urlopen(url, timeout=60) as answer:
                shutil.copyfileobj(answer, file)
            with zipfile.ZipFile(file) as archive:
                for member in archive.namelist():
                    if kept := wanted(member):
                        (fresh / kept).write_bytes(archive.read(member))
        if not any(fresh.iterdir()):
            raise OSError("the archive holds no file of this corpus")
        fresh.chmod(0o755)
        fresh.replace(folder)
    except (OSError, HTTPException, zipfile.BadZipFile) as error:
        raise OSError(
            f"corpus {name}: {url} cannot be fetched ({error}); go online, or give the files' folder as data_dir, "
            f"or set SEQZOO_DATA to a folder that holds {name}/"
        ) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


class LabelledSeriesDataModule(L.LightningDataModule, ABC):
    """Series of a corpus as batches of a network's inputs. A corpus says where its splits come from: `read`.

    After `setup("fit")`: `preprocessor` fitted on the training series alone, `labels`, loaders.
    """

    task = "time-series-classification"
    name: str
    labels: list[str]
    source: dict[str, str]
    citation: str
    limits: list[str]  # what a model trained on this corpus cannot do
    language: list[str] = []
    fingerprinted = ("train", "test")
    drawn = False  # whether train and test are drawn here, for want of an official split
    framewise = False  # whether every step has a class, and not the series
    background: str | None = None  # of a frame-wise corpus: the label of steps where nothing happens
    preprocessor: LabelledSeriesPreprocessor | None

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        max_steps: int = 0,
        scaling: str = "train",
        validation_size: int = 0,
        split_seed: int = 0,
        shift: int = 0,
        noise: float = 0.0,
        gain: float = 0.0,
        time_mask: int = 0,
        channel_mask: int = 0,
    ):
        """`validation_size` series of the official train split are held out, of each class its share, drawn with
        `split_seed`; 0 trains on all. `max_steps` as in SeriesClassifier, 0 for the longest training series' own;
        `scaling` as in LabelledSeriesPreprocessor.

        Training series are changed anew each time they are read, in units of the scaled inputs: moved by at most `shift`
        steps, the ends repeated; multiplied by a number from 1 - `gain` to 1 + `gain`; Gaussian noise of standard deviation
        `noise` added; up to `time_mask` steps and up to `channel_mask` channels in a row set to 0 (SpecAugment; Park et al.,
        2019). Raises ValueError for a value outside its range.
        """
        super().__init__()
        for key, value, least in (
            ("batch_size", batch_size, 1),
            ("max_steps", max_steps, 0),
            ("validation_size", validation_size, 0),
            ("shift", shift, 0),
            ("noise", noise, 0),
            ("time_mask", time_mask, 0),
            ("channel_mask", channel_mask, 0),
        ):
            if not least <= value < math.inf:
                raise ValueError(f"{key} must be at least {least}, got {value}")
        if not 0.0 <= gain < 1.0:
            raise ValueError(f"gain must be at least 0 and below 1, got {gain}")
        self.data_dir, self.batch_size, self.max_steps, self.scaling = data_dir, batch_size, max_steps, scaling
        self.validation_size, self.split_seed = validation_size, split_seed
        self.changes = _Changes(shift, noise, gain, time_mask, channel_mask)
        self.preprocessor = None
        LabelledSeriesPreprocessor(scaling=scaling)  # an impossible one is found out now
        self.splits: dict[str, LabelledSeries] = {}
        self.transformed: dict[str, list[np.ndarray]] = {}

    @abstractmethod
    def read(self, split: str) -> LabelledSeries:
        """An official split of the corpus, whole."""

    def unfitted(self) -> LabelledSeriesPreprocessor:
        """The preprocessor before it has seen the training series."""
        return LabelledSeriesPreprocessor(scaling=self.scaling)

    @property
    def longest(self) -> int:
        """How many steps are read of a series: `max_steps`, or as many as the longest training series has."""
        return self.max_steps or max(len(one) for one in self.inputs("train"))

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What SeriesClassifier must know beside the preprocessor and the labels."""
        if not self.framewise:
            return {"max_steps": self.longest}
        return {"max_steps": self.longest, "framewise": True, "background": self.background}

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What a model for this corpus is made with, after `setup`."""
        return {"preprocessor": self.preprocessor, "labels": self.labels, **self.preprocessing}

    def series(self, split: str) -> LabelledSeries:
        """Raw series of `train` (without the validation series), `validation`, or another split of the corpus."""
        if split not in self.splits:
            if split in ("train", "validation"):
                self.splits |= self._divide(self.read("train"))
            else:
                self.splits[split] = self.read(split)
        return self.splits[split]

    def _divide(self, whole: LabelledSeries) -> dict[str, LabelledSeries]:
        n = len(whole.series)
        if self.validation_size and self.validation_size > n - len(np.unique(whole.targets)):
            raise ValueError(f"validation_size must leave one of each class of {n} series, got {self.validation_size}")
        held = stratified(whole.targets, self.validation_size, self.split_seed)
        parts = {"train": np.setdiff1d(np.arange(n), held), "validation": held}
        return {
            name: LabelledSeries([whole.series[index] for index in indices], whole.targets[indices])
            for name, indices in parts.items()
        }

    def fingerprint(self, split: str) -> str:
        """sha256 of an official split's values and classes in order, whatever file they came from."""
        digest, whole = hashlib.sha256(), self.read(split)
        for one, target in zip(whole.series, whole.targets, strict=True):
            digest.update(f"{one.shape} {one.dtype}\n".encode() + np.asarray(target, "<i8").tobytes())
            digest.update(np.ascontiguousarray(one).tobytes())
        return digest.hexdigest()

    def prepare_data(self) -> None:
        self.read("train")

    def setup(self, stage: str | None = None) -> None:
        if self.preprocessor is None:
            self.preprocessor = self.unfitted().fit(self.series("train").series)
        wanted = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",)}
        for split in wanted.get(stage, ("train", "validation", "test")):
            self.inputs(split)

    def inputs(self, split: str) -> list[np.ndarray]:
        """A split's series as a network reads them: (T, C) float32, scaled, at their whole length."""
        if split not in self.transformed:
            self.transformed[split] = [self.preprocessor.transform(one) for one in self.series(split).series]
        return self.transformed[split]

    def targets(self, split: str) -> np.ndarray | list[np.ndarray]:
        """The class of each series int64 (N,); of a frame-wise corpus a list of those of each step of `inputs`, (T,)."""
        whole = self.series(split)
        if not self.framewise:
            return whole.targets
        return [
            target[self.preprocessor.middles(len(inputs)).clip(max=len(target) - 1)].astype(np.int64)
            for target, inputs in zip(whole.targets, self.inputs(split), strict=True)
        ]

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader | list:
        return self._loader("validation") if len(self.series("validation").series) else []

    def test_dataloader(self) -> DataLoader:
        return self._loader("test")

    def _loader(self, split: str, shuffle: bool = False) -> DataLoader:
        most = self.longest
        inputs, targets = [one[:most] for one in self.inputs(split)], self.targets(split)
        if self.framewise:
            targets = [target[:most] for target in targets]
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        seed = torch.initial_seed() % (1 << 31) if shuffle else 0
        changes = self.changes._replace(random=np.random.default_rng((seed, rank))) if shuffle else None
        sampler = BucketSampler(
            [len(one) for one in inputs],
            self.batch_size if shuffle else 2 * self.batch_size,
            shuffle=shuffle,
            num_replicas=world,
            rank=rank,
            seed=seed,
        )
        return DataLoader(_Batches(inputs, targets, changes), batch_size=None, sampler=sampler)


class _Changes(NamedTuple):
    """Chance changes of training series; see LabelledSeriesDataModule."""

    shift: int
    noise: float
    gain: float
    time_mask: int
    channel_mask: int
    random: np.random.Generator | None = None

    def __call__(self, values: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T, C) and the class, or (T,) classes, which move with their steps -> the same shapes."""
        steps, channels = values.shape
        if self.shift:
            places = np.arange(steps) - self.random.integers(-self.shift, self.shift + 1)
            values = values[places.clip(0, steps - 1)]
            if np.ndim(target):
                target = np.where((places >= 0) & (places < steps), target[places.clip(0, steps - 1)], IGNORED)
        if self.gain:
            values = values * np.float32(1.0 + self.gain * self.random.uniform(-1.0, 1.0))
        if self.noise:
            values = values + self.noise * self.random.standard_normal(values.shape, np.float32)
        if self.time_mask or self.channel_mask:
            values = values.copy()
            values[self._span(steps, self.time_mask)] = 0.0
            values[:, self._span(channels, self.channel_mask)] = 0.0
        return values, target

    def _span(self, size: int, longest: int) -> slice:
        width = int(self.random.integers(0, min(longest, size) + 1))
        start = int(self.random.integers(0, size - width + 1))
        return slice(start, start + width)


class _Batches(Dataset):
    """Whole batches by lists of indices: padding is cheaper than a worker's queue."""

    def __init__(self, inputs: list[np.ndarray], targets: np.ndarray | list[np.ndarray], changes: _Changes | None):
        self.inputs, self.targets, self.changes = inputs, targets, changes

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, indices: list[int]) -> LabelledSeriesBatch:
        pairs = [(self.inputs[index], self.targets[index]) for index in indices]
        if self.changes is not None:
            pairs = [self.changes(*pair) for pair in pairs]
        lengths = np.array([len(values) for values, _ in pairs])
        batch = np.zeros((len(pairs), lengths.max(), pairs[0][0].shape[1]), np.float32)
        for row, (values, _) in enumerate(pairs):
            batch[row, : len(values)] = values
        return LabelledSeriesBatch(torch.from_numpy(batch), torch.from_numpy(lengths), self._padded(pairs, lengths))

    @staticmethod
    def _padded(pairs: list[tuple[np.ndarray, np.ndarray]], lengths: np.ndarray) -> torch.Tensor:
        if not np.ndim(pairs[0][1]):
            return torch.tensor([int(target) for _, target in pairs])
        padded = np.full((len(pairs), lengths.max()), IGNORED, np.int64)
        for row, (_, target) in enumerate(pairs):
            padded[row, : len(target)] = target
        return torch.from_numpy(padded)
