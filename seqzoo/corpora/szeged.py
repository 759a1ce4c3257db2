"""Hourly weather in Szeged, 2006 to 2016: the temperature of tomorrow at this hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqzoo.corpora.series_datamodule import Borders, SeriesDataModule, by_fraction, find_file, not_found
from seqzoo.preprocessing.series import read_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Szeged"]


class Szeged(SeriesDataModule):
    """Kaggle's `weatherHistory`: 96,453 rows, the first half to train, the next quarter to validate, the last to test.

    From `data_dir`, else `$SEQZOO_DATA/szeged`: `weatherHistory.csv` or `weatherHistory.csv.gz`. Rows are put in order of
    UTC; 24 repeated hours are dropped, 3 missing ones inserted empty, so that the axis has 96,432 hours. Pressure 0 and
    humidity 0 mean missing. `Loud Cover` is always 0 and left out, `Precip Type` is no number.
    """

    name = "szeged"
    drawn = "by time"
    source = {"type": "budincsevity/szeged-weather", "config": "weatherHistory.csv"}
    citation = "Norbert Budincsevity: Weather in Szeged 2006-2016. Kaggle, 2017."
    limits = ["One station on the Hungarian plain; other climates, and hours after 2016, were not measured."]
    columns = [
        "Temperature (C)",
        "Apparent Temperature (C)",
        "Humidity",
        "Visibility (km)",
        "Pressure (millibars)",
        "Wind Speed (km/h)",
        "Wind Bearing (degrees)",
    ]
    time_column = "Formatted Date"
    frequency = "h"
    missing = {"Humidity": [0.0], "Pressure (millibars)": [0.0]}

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 256,
        context_length: int = 120,
        horizon: int = 1,
        sampling_step: int = 1,
        delay: int = 24,
        stride: int = 1,
        targets: list[str] | None = None,
        calendar: list[str] | None = None,
        indicators: bool = True,
        wind_vector: bool = True,
    ):
        """The target is the temperature unless `targets` says otherwise. `calendar` is `[hour, day_of_year]` unless given;
        without `wind_vector`, speed and bearing are read as they stand.
        """
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            context_length=context_length,
            horizon=horizon,
            sampling_step=sampling_step,
            delay=delay,
            stride=stride,
            targets=["Temperature (C)"] if targets is None else targets,
            calendar=["hour", "day_of_year"] if calendar is None else calendar,
            indicators=indicators,
        )
        self.vectors = {"Wind": ["Wind Speed (km/h)", "Wind Bearing (degrees)"]} if wind_vector else {}

    def read(self) -> pd.DataFrame:
        """The table as published. OSError where it is not here."""
        file = find_file(self.name, self.data_dir, ("weatherHistory.csv", "weatherHistory.csv.gz"))
        if file is None:
            raise not_found(
                self.name, "get weatherHistory.csv from https://www.kaggle.com/datasets/budincsevity/szeged-weather"
            )
        return read_csv(file)

    def borders(self, steps: int) -> Borders:
        """50, 25 and 25 % of the hours."""
        return by_fraction(steps, 0.5, 0.25)
