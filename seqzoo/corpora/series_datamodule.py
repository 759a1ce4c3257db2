"""What series corpora share: one regular axis, splits by time, the preprocessor fitted on train, windows as batches."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from seqzoo.corpora.datamodule import BucketSampler
from seqzoo.preprocessing.series import Rows, SeriesPreprocessor
from seqzoo.preprocessing.windows import Windows, check_windows
from seqzoo.specs import SeriesBatch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SeriesDataModule", "WindowBatches", "by_fraction", "fetch", "find_file", "not_found"]

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")
Borders = dict[str, tuple[int, int]]


def find_file(name: str, data_dir: str | os.PathLike[str] | None, files: Sequence[str], folder: str = "") -> Path | None:
    """The first of `files` in `data_dir`, else in `$SEQZOO_DATA/<folder or name>`; None for the public source.

    FileNotFoundError where a folder was named and holds none of them.
    """
    root = os.environ.get("SEQZOO_DATA")
    place = Path(data_dir) if data_dir else Path(root) / (folder or name) if root else None
    if place is None or (not data_dir and not place.is_dir()):
        return None
    for file in files:
        if (place / file).is_file():
            return place / file
    raise FileNotFoundError(f"corpus {name}: {place} holds no {' or '.join(files)}")


def not_found(name: str, why: str, folder: str = "") -> OSError:
    """The error of a corpus whose file is neither here nor to be had; `why` says where it can be got."""
    return OSError(
        f"corpus {name}: {why}, then give its folder as data_dir, "
        f"or set SEQZOO_DATA to a folder that holds {folder or name}/"
    )


def fetch(name: str, url: str, sha256: str, folder: str = "") -> Path:
    """The file at `url`, in the user's cache for the corpus `name`; fetched once, and only with these very contents.

    OSError with the way out where it cannot be had.
    """
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqzoo" / name / url.rpartition("/")[2]
    if place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() == sha256:
        return place
    log.info("corpus %s: fetching %s", name, url)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content = answer.read()
    except (OSError, ValueError) as error:
        raise not_found(name, f"{url} cannot be fetched ({error}); go online or get that file", folder) from None
    if (got := hashlib.sha256(content).hexdigest()) != sha256:
        raise not_found(
            name, f"{url} has other contents than it had (sha256 {got}, not {sha256}); get the file of old", folder
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(fresh, place)
    return place


def by_fraction(steps: int, train: float, validation: float) -> Borders:
    """Train, validation and test one after the other; test is what the others leave."""
    first, second = int(train * steps), int(train * steps) + int(validation * steps)
    return {"train": (0, first), "validation": (first, second), "test": (second, steps)}


class SeriesDataModule(L.LightningDataModule, ABC):
    """A series as batches of windows. A corpus says where its table comes from (`read`) and how it splits (`borders`).

    After `setup`: `preprocessor` fitted on the training rows alone, `labels` (the targets' names), `windows(split)`. No
    window of a split has a step of another one among its targets. Nor among its past, but where the corpus `reaches_back`:
    there the first steps of validation and test are forecast from the last ones before them. Training windows lie within
    train, always.
    """

    task = "time-series-forecasting"
    name: str
    source: dict[str, str]  # type and config of the dataset
    language: list[str] = []
    citation: str
    limits: list[str]  # what a model trained on this corpus cannot do
    fingerprinted = SPLITS
    drawn: str | bool = False  # how train and test are parted here, where the publisher does not say
    columns: list[str]
    time_column: str | None
    time_format: str | None = None
    frequency: str | None
    vectors: dict[str, list[str]] = {}
    missing: dict[str, list[float]] = {}
    reaches_back = False
    standardised = False  # whether the corpus's published errors are those of standardised values

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        context_length: int,
        horizon: int,
        sampling_step: int = 1,
        delay: int = 1,
        stride: int = 1,
        targets: list[str] | None = None,
        calendar: list[str] | None = None,
        indicators: bool = False,
    ):
        """Windows as in `Windows`; `stride` is that of training windows, others are counted all. `targets` are the channels
        to forecast, all unless named. `calendar` and `indicators` as in SeriesPreprocessor.

        Raises ValueError for a value outside its range.
        """
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.options = {
            "context_length": context_length,
            "horizon": horizon,
            "sampling_step": sampling_step,
            "delay": delay,
        }
        check_windows(**self.options, stride=stride)
        self.data_dir, self.batch_size, self.stride = data_dir, batch_size, stride
        self.targets, self.calendar, self.indicators = targets, list(calendar or []), indicators
        self.preprocessor: SeriesPreprocessor | None = None
        self._table: pd.DataFrame | None = None
        self._rows: Rows | None = None
        self._made: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._windows: dict[str, Windows] = {}

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """The whole table as published."""

    @abstractmethod
    def borders(self, steps: int) -> Borders:
        """First step and the one after the last of `train`, `validation` and `test`, of an axis of so many steps."""

    @property
    def labels(self) -> list[str]:
        """Names of what is forecast."""
        return list((self.preprocessor or self.make_preprocessor()).targets)

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What a model for this corpus is made with, after `setup`."""
        return {"preprocessor": self.preprocessor, **self.options}

    def make_preprocessor(self) -> SeriesPreprocessor:
        """One that is not fitted yet."""
        chosen = {"vectors": self.vectors, "calendar": self.calendar, "missing": self.missing, "indicators": self.indicators}
        axis = {"time_column": self.time_column, "time_format": self.time_format, "frequency": self.frequency}
        return SeriesPreprocessor(self.columns, self.targets, **axis, **chosen)

    def prepare_data(self) -> None:
        self.make_preprocessor()  # names first
        self.table()

    def setup(self, stage: str | None = None) -> None:
        rows = self.series()
        if self.preprocessor.mean is None:
            self.preprocessor.fit(rows.part(*self.split("train")))
        wanted = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",)}
        for split in wanted.get(stage, SPLITS):
            self.windows(split)

    def table(self) -> pd.DataFrame:
        """The whole table as published, read once."""
        if self._table is None:
            self._table = self.read()
        return self._table

    def series(self) -> Rows:
        """All steps of the corpus on one regular axis, repaired, in the channels' units."""
        if self._rows is None:
            if self.preprocessor is None:
                self.preprocessor = self.make_preprocessor()
            self._rows = self.preprocessor.read(self.table())
        return self._rows

    def split(self, split: str) -> tuple[int, int]:
        """First step of a split on the axis of `series`, and the one after its last. ValueError for an unknown name."""
        if split not in SPLITS:
            raise ValueError(f"{self.name} has the splits {', '.join(SPLITS)}, not {split!r}")
        return self.borders(len(self.series().values))[split]

    def rows(self, split: str) -> pd.DataFrame:
        """The published rows of a split in order of time, the first of each time only; steps may be missing."""
        start, stop = self.split(split)
        table, times = self.table(), self.preprocessor.times(self.table())
        if times is None:
            return table.iloc[start:stop]
        order = np.argsort(times.asi8, kind="stable")
        order = order[~times[order].duplicated()]
        axis = self.series().times
        inside = (times[order] >= axis[start]) & (times[order] <= axis[stop - 1])
        return table.iloc[order[inside]]

    def fingerprint(self, split: str) -> str:
        """sha256 of a split's steps after repair: times, and every channel's values with what is missing."""
        rows = self.series().part(*self.split(split))
        digest = hashlib.sha256("\t".join(self.preprocessor.channels).encode())
        if rows.times is not None:
            digest.update(rows.times.as_unit("ns").asi8.astype("<i8").tobytes())
        digest.update(np.where(np.isnan(rows.values), np.nan, rows.values).astype("<f8").tobytes())
        return digest.hexdigest()

    def windows(self, split: str) -> Windows:
        """The windows of a split. ValueError where it is too short for one."""
        if split not in self._windows:
            start, stop = self.split(split)
            if self.reaches_back and split != "train":
                back = (self.options["context_length"] - 1) * self.options["sampling_step"] + self.options["delay"]
                start = max(0, start - back)
            stride = self.stride if split == "train" else 1
            try:
                self._windows[split] = Windows(*self._arrays(), **self.options, start=start, stop=stop, stride=stride)
            except ValueError as error:
                raise ValueError(f"{self.name}, {split}: {error}") from None
        return self._windows[split]

    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, targets, observed of all steps: made once, shared by all windows."""
        if self._made is None:
            inputs = self.preprocessor.transform(self.series())
            targets, observed = self.preprocessor.standardise(self.series())
            places = self.preprocessor.target_indices
            if places == list(range(places[0], places[0] + len(places))):
                targets = inputs[:, places[0] : places[0] + len(places)]  # the same numbers, kept once
            self._made = inputs, targets, observed
        return self._made

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader:
        return self._loader("test")

    def _loader(self, split: str, shuffle: bool = False) -> DataLoader:
        windows = self.windows(split)
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        sampler = BucketSampler(  # all of one length: random order, or that of time
            np.ones(len(windows), dtype=np.int8),
            self.batch_size if shuffle else 2 * self.batch_size,
            shuffle=shuffle,
            num_replicas=world,
            rank=rank,
            seed=torch.initial_seed() % (1 << 31) if shuffle else 0,
        )
        return DataLoader(WindowBatches(windows), batch_size=None, sampler=sampler)


class WindowBatches(Dataset):
    """Whole batches by lists of indices."""

    def __init__(self, windows: Windows):
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, indices: list[int]) -> SeriesBatch:
        return self.windows.batch(indices)
