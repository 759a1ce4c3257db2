"""Airline passengers: monthly totals in thousands, 1949 to 1960."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqzoo.corpora.series_datamodule import Borders, SeriesDataModule, fetch, find_file
from seqzoo.preprocessing.series import read_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AirPassengers"]

FILE = "airline-passengers.csv"
URL = f"https://raw.githubusercontent.com/jbrownlee/Datasets/master/{FILE}"
SHA256 = "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621"


class AirPassengers(SeriesDataModule):
    """International airline passengers (Box and Jenkins, 1976): 144 months, the last 24 to test, 12 before to validate.

    From `data_dir`, else `$SEQZOO_DATA/classic`, else its public source: `airline-passengers.csv`. Validation and test are
    forecast from the months before them.
    """

    name = "air_passengers"
    drawn = "by time"
    source = {"type": "jbrownlee/Datasets", "config": FILE}
    citation = "George E. P. Box and Gwilym M. Jenkins: Time Series Analysis: Forecasting and Control, series G. 1976."
    limits = ["One short series that grows: a model of it knows no other, and few windows say how good it is."]
    columns = ["Passengers"]
    time_column = "Month"
    frequency = "MS"
    reaches_back = True

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 16,
        context_length: int = 24,
        horizon: int = 12,
        sampling_step: int = 1,
        delay: int = 1,
        stride: int = 1,
        calendar: list[str] | None = None,
    ):
        """`calendar` is `[month]` unless given."""
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            context_length=context_length,
            horizon=horizon,
            sampling_step=sampling_step,
            delay=delay,
            stride=stride,
            calendar=["month"] if calendar is None else calendar,
        )

    def read(self) -> pd.DataFrame:
        """The table as published."""
        return read_csv(find_file(self.name, self.data_dir, (FILE,), "classic") or fetch(self.name, URL, SHA256, "classic"))

    def borders(self, steps: int) -> Borders:
        """All but 36 months, 12 months, 24 months. ValueError where there are too few."""
        if steps <= 36:
            raise ValueError(f"air_passengers needs more than 36 months, and the file has {steps}")
        return {"train": (0, steps - 36), "validation": (steps - 36, steps - 24), "test": (steps - 24, steps)}
