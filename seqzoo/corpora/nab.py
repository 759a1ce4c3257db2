"""Numenta anomaly benchmark: 58 streams of one value, 116 windows in which something was wrong."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from seqzoo.corpora.datamodule import find_folder
from seqzoo.preprocessing.streams import StreamPreprocessor
from seqzoo.specs import LabelledSeriesBatch

__all__ = ["NAB"]

log = logging.getLogger(__name__)
URL = "https://raw.githubusercontent.com/numenta/NAB/v1.1/"
WINDOWS = "labels/combined_windows.json"
WINDOWS_SHA256 = "1e1fbc4601321aad8d0f8b3784c8134299379f68f6c1f7777565f8ffd57ab6b1"
ALL_SHA256 = (
    "974ba376140d322f7dd4edeb99d0dc24f4cba4ad723b657ea02e278698f3fce9"  # of "<sha256>  <name>" of all files, in order
)
COLUMNS = ["timestamp", "value"]
HELD_OUT = 0.25  # of each probation, its end: what the validation loss is measured on


class NAB(L.LightningDataModule):
    """Server metrics, advertisement prices, traffic, tweets and made streams (Lavin and Ahmad, 2015), version 1.1.

    There is no official split, and detectors are online: each is shown a file row by row. `train` is the probation of every
    file, its first 15 % (at most 750 rows), in which no window lies, without labels; of these rows the last quarter is
    `validation`. `test` is all files whole. Rows stand as in the files: eight repeat timestamps, and of
    machine_temperature_system_failure two stretches are out of order; the benchmark counts rows, and so do we.

    From `data_dir`, else `$SEQZOO_DATA/nab` (`data/*/*.csv`, `labels/combined_windows.json`), else the benchmark's
    repository at its tag v1.1, of which files other than those that we know (by sha256) are refused.
    """

    name = "nab"
    drawn = "without an official split"
    task = "anomaly-detection"
    labels = ["normal", "anomaly"]
    source = {"type": "numenta/NAB", "config": "v1.1"}
    language: list[str] = []
    citation = (
        "Alexander Lavin, Subutai Ahmad: Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark. "
        "ICMLA 2015."
    )
    limits = [
        "The benchmark's windows were drawn by hand, and some are disputed; its score rewards early alarms in them.",
        "No split is official: the optimised threshold is chosen on the very files that it is scored on.",
    ]
    fingerprinted = ("train", "test")

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 32,
        context_length: int = 64,
        calendar: bool = False,
        level_steps: int = 20,
        quiet: float = 0.2,
        weights: dict[str, float] | None = None,
    ):
        """Training pieces have 2 `context_length` rows and begin every `context_length`. The others as in StreamPreprocessor
        and AnomalyDetector.

        Raises ValueError for a value outside its range.
        """
        super().__init__()
        for key, value in (("batch_size", batch_size), ("context_length", context_length), ("level_steps", level_steps)):
            if value < 1:
                raise ValueError(f"{key} must be at least 1, got {value}")
        self.data_dir, self.batch_size, self.context_length = data_dir, batch_size, context_length
        self.options = {"level_steps": level_steps, "quiet": quiet, "weights": weights}
        self.preprocessor = StreamPreprocessor("value", time_column="timestamp", calendar=calendar)
        self.streams: dict[str, dict[str, list[Any]]] | None = None
        self.marked: dict[str, list[tuple[np.datetime64, np.datetime64]]] = {}

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What AnomalyDetector must know beside the preprocessor."""
        chosen = {name: value for name, value in self.options.items() if value is not None}
        return {"method": "forecast", "context_length": self.context_length, **chosen}

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What a model for this corpus is made with."""
        return {"preprocessor": self.preprocessor, "labels": self.labels, **self.preprocessing}

    def read(self) -> dict[str, dict[str, list[Any]]]:
        """Columns of each file, by its name as `realTweets/Twitter_volume_AAPL.csv`, in alphabetical order."""
        if self.streams is None:
            folder = find_folder(self.name, self.data_dir, (WINDOWS,)) or _fetched()
            windows = json.loads((folder / WINDOWS).read_text(encoding="utf-8"))
            self.marked = {
                name: [tuple(np.datetime64(time[:19].replace(" ", "T"), "s") for time in limits) for limits in windows[name]]
                for name in sorted(windows)
            }
            self.streams = {name: _columns(folder / "data" / name) for name in self.marked}
        return self.streams

    def windows(self, name: str) -> list[tuple[np.datetime64, np.datetime64]]:
        """First and last timestamp of each window of a file."""
        self.read()
        return self.marked[name]

    def probation(self, name: str) -> int:
        """How many of a file's first rows are its probation."""
        return self.preprocessor.probation_rows(len(self.read()[name]["value"]))

    def calibration(self) -> tuple[list[dict[str, list[Any]]], None]:
        """What the threshold is chosen on: every file's probation, of which no label is known."""
        return [self._first(name, self.probation(name)) for name in self.read()], None

    def _first(self, name: str, rows: int) -> dict[str, list[Any]]:
        return {column: values[:rows] for column, values in self.read()[name].items()}

    def _rows(self, name: str, rows: int) -> Iterator[tuple[str, float]]:
        return zip(*self._first(name, rows).values(), strict=True)

    def fingerprint(self, split: str) -> str:
        """sha256 of the values (and for `test` the windows) of all files, whatever folder they came from."""
        if split not in self.fingerprinted:
            raise ValueError(f"nab has the splits {', '.join(self.fingerprinted)}, not {split!r}")
        digest = hashlib.sha256()
        for name, columns in self.read().items():
            rows = self.probation(name) if split == "train" else len(columns["value"])
            digest.update(f"{name} {rows}\n".encode())
            digest.update("".join(f"{time} {value!r}\n" for time, value in self._rows(name, rows)).encode())
            if split == "test":
                digest.update("".join(f"{first} {last}\n" for first, last in self.marked[name]).encode())
        return digest.hexdigest()

    def prepare_data(self) -> None:
        self.read()

    def setup(self, stage: str | None = None) -> None:
        self.read()

    def pieces(self, split: str) -> list[np.ndarray]:
        """Inputs (T, C) of pieces of every file's probation: `train` without its last quarter, `validation` that quarter."""
        found, size = [], 2 * self.context_length
        for name in self.read():
            rows = self.probation(name)
            inputs = self.preprocessor.transform(self.preprocessor.read(self._first(name, rows)), rows)
            border = rows - int(HELD_OUT * rows)
            if split == "validation":
                found.append(inputs[max(0, border - self.context_length) :])
                continue
            starts = range(0, max(border - self.context_length, 1), self.context_length)
            found += [inputs[start : min(start + size, border)] for start in starts]
        return found

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.pieces("train"), self.batch_size, shuffle=True, collate_fn=_collate)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.pieces("validation"), 2 * self.batch_size, collate_fn=_collate)


def _collate(pieces: list[np.ndarray]) -> LabelledSeriesBatch:
    """Pieces (T, C), padded with 0; of no row a label is known."""
    lengths = [len(piece) for piece in pieces]
    values = torch.zeros(len(pieces), max(lengths), pieces[0].shape[1])
    for row, piece in enumerate(pieces):
        values[row, : len(piece)] = torch.from_numpy(piece)
    return LabelledSeriesBatch(values, torch.tensor(lengths), torch.full((len(pieces),), -100))


def _columns(path: Path) -> dict[str, list[Any]]:
    """A file's timestamps as texts and values as numbers; ValueError where it has another form."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if header != COLUMNS:
        raise ValueError(f"{path} must have the columns {', '.join(COLUMNS)}, got {', '.join(header)}")
    try:
        return {"timestamp": [time for time, _ in rows], "value": [float(value) for _, value in rows]}
    except ValueError:
        raise ValueError(f"{path} must hold a time and a number in each row") from None


def _fetched() -> Path:
    """The files in the user's cache, fetched once; OSError where they cannot be had, or are not those that we know."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqzoo" / "nab"
    if (folder / WINDOWS).is_file():
        return folder
    log.info("corpus nab: fetching %s", URL)
    try:
        windows = _get(WINDOWS)
        if hashlib.sha256(windows).hexdigest() != WINDOWS_SHA256:
            raise OSError(f"{WINDOWS} is not the one that is known")
        contents = {name: _get(f"data/{name}") for name in sorted(json.loads(windows))}
        lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
        if hashlib.sha256(lines.encode()).hexdigest() != ALL_SHA256:
            raise OSError("its files are not those that are known")
    except OSError as error:
        raise OSError(
            f"corpus nab: {URL} cannot be had ({error}); go online, or give the files' folder as data_dir, "
            "or set SEQZOO_DATA to a folder that holds nab/"
        ) from None
    for name, content in {**{f"data/{name}": content for name, content in contents.items()}, WINDOWS: windows}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        fresh = (folder / name).with_suffix(".part")
        fresh.write_bytes(content)
        fresh.replace(folder / name)
    return folder


def _get(name: str) -> bytes:
    with urllib.request.urlopen(URL + name, timeout=60) as answer:
        return answer.read()
