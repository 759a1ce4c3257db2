"""A file of your own: series side by side in the columns of a .csv file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqzoo.corpora.series_datamodule import Borders, SeriesDataModule, by_fraction
from seqzoo.preprocessing.series import SeriesPreprocessor, read_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SeriesCSV"]


class SeriesCSV(SeriesDataModule):
    """`file` has a header, a row for each step, and in `time_column`, if there is one, its time.

    `columns` are read, all that hold numbers unless named; `targets` are forecast. The last `test_fraction` of the steps are
    test, `validation_fraction` before them validation. The `frequency` is read off the times unless given.
    """

    name = "series_csv"
    source = {"type": "csv", "config": ""}
    drawn = "by time"
    citation = "A file of the user's own."
    limits = ["Series unlike that of the file were not measured."]
    reaches_back = True

    def __init__(
        self,
        *,
        file: str,
        targets: list[str] | None = None,
        columns: list[str] | None = None,
        time_column: str | None = None,
        time_format: str | None = None,
        frequency: str | None = None,
        vectors: dict[str, list[str]] | None = None,
        missing: dict[str, list[float]] | None = None,
        validation_fraction: float = 0.2,
        test_fraction: float = 0.2,
        batch_size: int = 64,
        context_length: int = 24,
        horizon: int = 1,
        sampling_step: int = 1,
        delay: int = 1,
        stride: int = 1,
        calendar: list[str] | None = None,
        indicators: bool = False,
    ):
        super().__init__(
            batch_size=batch_size,
            context_length=context_length,
            horizon=horizon,
            sampling_step=sampling_step,
            delay=delay,
            stride=stride,
            targets=targets,
            calendar=calendar,
            indicators=indicators,
        )
        for name, value in (("validation_fraction", validation_fraction), ("test_fraction", test_fraction)):
            if not 0.0 < value < 1.0:
                raise ValueError(f"{name} must be above 0 and below 1, got {value}")
        if validation_fraction + test_fraction >= 1.0:
            both = f"{validation_fraction} and {test_fraction}"
            raise ValueError(f"validation_fraction and test_fraction must leave some to train on, got {both}")
        self.file, self.time_column, self.time_format, self.frequency = file, time_column, time_format, frequency
        self.vectors, self.missing, self.chosen = vectors or {}, missing or {}, columns
        self.validation_fraction, self.test_fraction = validation_fraction, test_fraction
        self.source = {"type": "csv", "config": Path(file).name}

    def read(self) -> pd.DataFrame:
        """The table of the file."""
        return read_csv(self.file)

    def make_preprocessor(self) -> SeriesPreprocessor:
        """One for the columns and the frequency of the file. ValueError where these cannot be read off it."""
        table = self.table()
        if self.chosen is None:
            numbers = [str(column) for column in table.select_dtypes("number").columns if column != self.time_column]
            if not numbers:
                raise ValueError(f"{self.file}: no column holds numbers")
            self.chosen = numbers
        self.columns = self.chosen
        if self.time_column is not None and self.frequency is None:
            seen = SeriesPreprocessor(
                self.columns, time_column=self.time_column, time_format=self.time_format, frequency="s"
            ).times(table)
            self.frequency = _frequency(seen, self.file)
        return super().make_preprocessor()

    def borders(self, steps: int) -> Borders:
        """What `validation_fraction` and `test_fraction` leave, and these."""
        return by_fraction(steps, 1.0 - self.validation_fraction - self.test_fraction, self.validation_fraction)


def _frequency(times: pd.DatetimeIndex, file: str) -> str:
    """The offset between most times. ValueError where there are too few to tell."""
    import pandas as pd

    times = times.sort_values().unique()
    if len(times) < 3:
        raise ValueError(f"{file}: {len(times)} different times do not tell the step between them; give the frequency")
    if regular := pd.DatetimeIndex(times, freq="infer").freqstr:
        return regular
    steps, counts = np.unique(np.diff(times.asi8), return_counts=True)
    step = pd.Timedelta(int(steps[counts.argmax()]), unit=times.unit)
    return pd.tseries.frequencies.to_offset(step).freqstr
