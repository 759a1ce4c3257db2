"""Free Spoken Digit Dataset: 3,000 recordings of English digits by six speakers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqzoo.corpora.datamodule import find_folder, official
from seqzoo.corpora.labelled_series import LabelledSeries, LabelledSeriesDataModule, download
from seqzoo.preprocessing.audio import read_wave
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor

__all__ = ["FSDD"]

RATE = 8_000  # samples a second
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip"
TEST = 5  # recordings 0 to 4 of each digit and speaker


class Recording(NamedTuple):
    """Who says which digit, for the how manieth time, and the samples (N,) int16."""

    speaker: str
    digit: int
    index: int
    samples: np.ndarray


class FSDD(LabelledSeriesDataModule):
    """Single digits, 8 kHz, trimmed (Jackson et al., 2018). Recordings 0 to 4 of each digit and speaker are the official
    test split, 300; of the other 2,700, `validation_recordings` of each (5 to 9 by default: 300) are held out to validate.

    `frame` and `hop` of the spectrum are in samples: 25 and 10 ms. The rest is as in LabelledSeriesPreprocessor.

    From `data_dir`, else `$SEQZOO_DATA/fsdd`: all.parquet (`samples`, `digit`, `speaker`, `index`) or .wav files named as
    the project's (`7_jackson_32.wav`); else version 1.0.10 of the project on GitHub.
    """

    name = "fsdd"
    labels = [str(digit) for digit in range(10)]
    source = {"type": "Jakobovski/free-spoken-digit-dataset", "config": "v1.0.10"}
    citation = (
        "Zohar Jackson, César Souza, Jason Flaks, Yuxin Pan, Hereman Nicolas and Adhish Thite: Free Spoken Digit Dataset, "
        "v1.0.10. 2018. CC BY-SA 4.0."
    )
    limits = [
        "Six men's voices, all of them in the training split too: a new speaker, or another accent, is not measured.",
        "Single words, recorded close and trimmed; no class for anything but a digit.",
    ]

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        features: str = "log-mel",
        frame: int = 200,
        hop: int = 80,
        n_mels: int = 40,
        n_mfcc: int = 0,
        max_steps: int = 0,
        scaling: str = "train",
        validation_recordings: int = 5,
        shift: int = 0,
        noise: float = 0.0,
        gain: float = 0.0,
        time_mask: int = 0,
        channel_mask: int = 0,
    ):
        if not 0 <= validation_recordings <= 40:
            raise ValueError(f"validation_recordings must be from 0 to 40, got {validation_recordings}")
        if features == "values":
            raise ValueError("features must be log-mel or mfcc for sound, got 'values'")
        self.features, self.frame, self.hop, self.n_mels, self.n_mfcc = features, frame, hop, n_mels, n_mfcc
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            max_steps=max_steps,
            scaling=scaling,
            shift=shift,
            noise=noise,
            gain=gain,
            time_mask=time_mask,
            channel_mask=channel_mask,
        )
        self.validation_recordings = validation_recordings
        self.unfitted()  # what is impossible of frame, hop, n_mels or n_mfcc is found out now
        self._recordings: list[Recording] = []

    def unfitted(self) -> LabelledSeriesPreprocessor:
        return LabelledSeriesPreprocessor(
            self.features,
            scaling=self.scaling,
            sample_rate=RATE,
            frame=self.frame,
            hop=self.hop,
            n_mels=self.n_mels,
            n_mfcc=self.n_mfcc,
        )

    def read(self, split: str) -> LabelledSeries:
        """`train` or `test`, whole: samples (N, 1) int16."""
        official(self.name, split)
        return _labelled([one for one in self.recordings() if (one.index < TEST) == (split == "test")])

    def _divide(self, whole: LabelledSeries) -> dict[str, LabelledSeries]:
        return {split: _labelled(self.part(split)) for split in ("train", "validation")}

    def part(self, split: str) -> list[Recording]:
        """Recordings of `train` (without those of validation), `validation` or `test`."""
        first = TEST + self.validation_recordings
        spans = {"train": range(first, 1 << 30), "validation": range(TEST, first), "test": range(TEST)}
        return [one for one in self.recordings() if one.index in spans[split]]

    def recordings(self) -> list[Recording]:
        """All recordings by speaker, digit and index."""
        if not self._recordings:
            folder = find_folder("fsdd", self.data_dir, ())
            if folder is None:
                folder = download("fsdd", URL, lambda name: Path(name).name if name.endswith(".wav") else None)
            parquet = folder / "all.parquet"
            found = read_recordings(parquet) if parquet.is_file() else [*_waves(folder)]
            if not found:
                raise FileNotFoundError(f"corpus fsdd: {folder} holds no all.parquet and no .wav files as 7_jackson_32.wav")
            self._recordings = sorted(found, key=lambda one: one[:3])
        return self._recordings


def read_recordings(path: Path) -> list[Recording]:
    """Recordings of a parquet file; ValueError where it is damaged or lacks a column."""
    import pyarrow
    import pyarrow.parquet

    columns = ("samples", "digit", "speaker", "index")
    try:
        table = pyarrow.parquet.read_table(path, columns=list(columns)).combine_chunks()
        samples = table["samples"].chunk(0)
    except (pyarrow.ArrowException, OSError, IndexError) as error:
        raise ValueError(f"{path} is not a parquet file with the columns {', '.join(columns)} ({error})") from None
    if missing := sorted(set(columns) - set(table.column_names)):
        raise ValueError(f"{path} has no column {missing[0]!r}")
    rows = zip(*(table[name].to_pylist() for name in ("speaker", "digit", "index")), strict=True)
    pieces = np.split(samples.values.to_numpy(zero_copy_only=False).astype(np.int16), samples.offsets.to_numpy()[1:-1])
    return [Recording(*row, one) for row, one in zip(rows, pieces, strict=True)]


def _waves(folder: Path) -> list[Recording]:
    found = ((re.fullmatch(r"(\d)_([a-z]+)_(\d+)", path.stem), path) for path in sorted(folder.rglob("*.wav")))
    return [Recording(name[2], int(name[1]), int(name[3]), read_wave(path, RATE)) for name, path in found if name]


def _labelled(recordings: list[Recording]) -> LabelledSeries:
    targets = np.array([one.digit for one in recordings], np.int64)
    return LabelledSeries([one.samples[:, None] for one in recordings], targets)
