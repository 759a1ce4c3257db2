"""The UCR and UEA archives of labelled series: any of their folders, .ts or .tsv."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqzoo.corpora.datamodule import official
from seqzoo.corpora.labelled_series import LabelledSeries, LabelledSeriesDataModule, download
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor

__all__ = ["UCR"]

URL = "https://timeseriesclassification.com/aeon-toolkit/{}.zip"
MISSING = ("?", "", "nan", "NaN")


class UCR(LabelledSeriesDataModule):
    """A dataset of the UCR archive of 2018 (Dau et al., 2019) by its name, as `GunPoint`; official TRAIN and TEST files.

    The training sets are small and have no validation series: 0 are held out unless `validation_size` says otherwise.
    Series may be of unequal length and have missing values; a .tsv file's NaN at the end of a row only fill it up.
    Labels are the file's own, in the order of its header, or numbers by value.

    From `data_dir` (the archive's folder, or the dataset's), else `$SEQZOO_DATA/ucr/<dataset>/<dataset>_TRAIN.ts` (or .tsv),
    else the aeon project's copy of the archive.
    """

    name = "ucr"
    citation = (
        "Hoang Anh Dau, Anthony Bagnall, Kaveh Kamgar et al.: The UCR Time Series Archive. "
        "IEEE/CAA Journal of Automatica Sinica 6(6), 2019."
    )
    limits = ["Small training and test files: a few test series more or less right move the accuracy by points."]

    def __init__(
        self,
        *,
        dataset: str,
        data_dir: str | None = None,
        batch_size: int = 16,
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
        if not dataset.isidentifier() and not dataset.replace("-", "_").isalnum():
            raise ValueError(f"dataset must be the name of one, as GunPoint, got {dataset!r}")
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            max_steps=max_steps,
            scaling=scaling,
            validation_size=validation_size,
            split_seed=split_seed,
            shift=shift,
            noise=noise,
            gain=gain,
            time_mask=time_mask,
            channel_mask=channel_mask,
        )
        self.dataset, self.source = dataset, {"type": "ucr", "config": dataset}
        self.files: dict[str, File] = {}

    @property
    def labels(self) -> list[str]:
        """What the training file calls its classes."""
        return self._file("train").known

    def unfitted(self) -> LabelledSeriesPreprocessor:
        return LabelledSeriesPreprocessor(scaling=self.scaling, n_channels=self._file("train").series[0].shape[1])

    def read(self, split: str) -> LabelledSeries:
        """`train` or `test`, whole: series (T, C) float32, NaN where a value is missing."""
        official(self.name, split)
        file, number = self._file(split), {label: index for index, label in enumerate(self.labels)}
        for line, label in enumerate(file.labels, 1):
            if label not in number:
                raise ValueError(f"{self.dataset}, {split} series {line}: {label!r} is none of {', '.join(number)}")
        return LabelledSeries(file.series, np.array([number[label] for label in file.labels], np.int64))

    def _file(self, split: str) -> File:
        if split not in self.files:
            path = self._path(split)
            self.files[split] = read_ts(path) if path.suffix == ".ts" else read_tsv(path)
        return self.files[split]

    def _path(self, split: str) -> Path:
        """The file of a split; FileNotFoundError where a folder was named and it is not in it."""
        names = [f"{self.dataset}_{split.upper()}{kind}" for kind in (".ts", ".tsv")]
        folders = self._folders()
        for folder in folders:
            for name in names:
                if (folder / name).is_file():
                    return folder / name
        if self.data_dir or any(folder.is_dir() for folder in folders):
            raise FileNotFoundError(f"corpus {self.name}: {folders[0]} holds no {' or '.join(names)}")
        place = self.name if self.name != "ucr" else f"ucr/{self.dataset}"
        return download(place, URL.format(self.dataset), self._wanted) / names[0]

    def _wanted(self, member: str) -> str | None:
        """Of the archive's members, the .ts files of the two splits."""
        name = Path(member).name
        return name if name in (f"{self.dataset}_TRAIN.ts", f"{self.dataset}_TEST.ts") else None

    def _folders(self) -> list[Path]:
        """Where the files may lie, the likeliest first."""
        if self.data_dir:
            return [Path(self.data_dir) / self.dataset, Path(self.data_dir)]
        root = os.environ.get("SEQZOO_DATA")
        return [Path(root) / "ucr" / self.dataset] if root else []


class File(NamedTuple):
    """A file's series (T, C) float32, the label of each, and all labels that it may have, in order."""

    series: list[np.ndarray]
    labels: list[str]
    known: list[str]


def read_ts(path: Path) -> File:
    """A .ts file of sktime's and aeon's form: comments, header, then a line per series: its channels and its label, ':'
    between them, values with commas between, `?` where one is missing.

    Raises ValueError, with file and line, for series with time stamps, without class labels, or of another form.
    """
    series, labels, known, in_data = [], [], [], False
    with open(path, encoding="utf-8", errors="replace") as file:  # names in comments may be in another encoding
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith(("#", "%")):
                continue
            if in_data:
                *channels, label = line.split(":")
                try:
                    rows = [_values(channel.split(",")) for channel in channels]
                    series.append(np.stack(rows, 1))
                except ValueError:
                    raise ValueError(
                        f"{path}, line {number}: numbers with commas between, of as many steps in each channel, then ':' "
                        "and a label expected"
                    ) from None
                labels.append(_label(label))
                continue
            key, *words = line.split()
            key = key.lower()
            in_data = key == "@data"
            if key == "@timestamps" and words[:1] == ["true"]:
                raise ValueError(f"{path}: series with time stamps are not read here, only values at equal steps")
            if key == "@targetlabel" or (key == "@classlabel" and words[:1] != ["true"]):
                raise ValueError(f"{path}: its series have no class labels")
            if key == "@classlabel":
                known = [_label(word) for word in words[1:]]
    if not series:
        raise ValueError(f"{path} holds no series after @data")
    return File(series, labels, known or _ordered(labels))


def read_tsv(path: Path) -> File:
    """A .tsv file of the archive of 2018: the label, then the values of a series of one channel in each line.

    NaN at a line's end fill up a shorter series. Raises ValueError, with file and line, for what is no number.
    """
    series, labels = [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            label, *cells = line.strip("\r\n").split("\t")
            try:
                values = _values(cells)
            except ValueError:
                raise ValueError(f"{path}, line {number}: a label and numbers expected, tabs between") from None
            present = np.flatnonzero(np.isfinite(values))
            if not len(present):
                raise ValueError(f"{path}, line {number}: no number in this series")
            series.append(values[: present[-1] + 1, None])
            labels.append(_label(label))
    if not series:
        raise ValueError(f"{path} holds no series")
    return File(series, labels, _ordered(labels))


def _values(cells: list[str]) -> np.ndarray:
    """float32, NaN where a value is missing."""
    return np.array([math.nan if cell.strip() in MISSING else float(cell) for cell in cells], np.float32)


def _label(text: str) -> str:
    """`1.0` and `1.0000000e+00` are 1: the archive's editions write the same labels in different ways."""
    text = text.strip()
    try:
        return str(int(float(text))) if float(text).is_integer() else text
    except ValueError:
        return text


def _ordered(labels: list[str]) -> list[str]:
    """Each once: numbers by value, others in alphabetical order."""
    found = set(labels)
    return sorted(found, key=int if all(label.lstrip("-").isdecimal() for label in found) else None)
