"""Weather in Jena every ten minutes, 2009 to 2016: the temperature of tomorrow at this time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqzoo.corpora.series_datamodule import Borders, SeriesDataModule, by_fraction, find_file, not_found
from seqzoo.preprocessing.series import read_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Jena"]

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/jena_climate_2009_2016.csv.zip"


class Jena(SeriesDataModule):
    """The lectures' `jena_climate_2009_2016.csv`: 420,551 rows, the first half to train, the next quarter to validate.

    From `data_dir`, else `$SEQZOO_DATA/jena`. Nothing is downloaded by itself: no checksum of the published archive could be
    had from a source to trust. Repeated times are dropped and missing ones inserted empty, so that the axis and with it the
    borders may differ from the lectures', who count rows, by a few hours. A wind speed of -9999 means missing.
    """

    name = "jena"
    drawn = "by time"
    source = {"type": URL, "config": "jena_climate_2009_2016.csv"}
    citation = "Max Planck Institute for Biogeochemistry, Jena: weather station, 2009 to 2016, as cut by François Chollet."
    limits = ["One station in Thuringia; other climates were not measured."]
    columns = [
        "p (mbar)",
        "T (degC)",
        "Tpot (K)",
        "Tdew (degC)",
        "rh (%)",
        "VPmax (mbar)",
        "VPact (mbar)",
        "VPdef (mbar)",
        "sh (g/kg)",
        "H2OC (mmol/mol)",
        "rho (g/m**3)",
        "wv (m/s)",
        "max. wv (m/s)",
        "wd (deg)",
    ]
    time_column = "Date Time"
    time_format = "%d.%m.%Y %H:%M:%S"
    frequency = "10min"
    missing = {"wv (m/s)": [-9999.0], "max. wv (m/s)": [-9999.0]}

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 256,
        context_length: int = 120,
        horizon: int = 1,
        sampling_step: int = 6,
        delay: int = 144,
        stride: int = 1,
        targets: list[str] | None = None,
        calendar: list[str] | None = None,
        indicators: bool = True,
        wind_vector: bool = True,
    ):
        """The target is the temperature unless `targets` says otherwise. `calendar` is `[hour, day_of_year]` unless given;
        without `wind_vector`, speed and direction are read as they stand.
        """
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            context_length=context_length,
            horizon=horizon,
            sampling_step=sampling_step,
            delay=delay,
            stride=stride,
            targets=["T (degC)"] if targets is None else targets,
            calendar=["hour", "day_of_year"] if calendar is None else calendar,
            indicators=indicators,
        )
        self.vectors = {"wind": ["wv (m/s)", "wd (deg)"]} if wind_vector else {}

    def read(self) -> pd.DataFrame:
        """The table as published. OSError where it is not here."""
        file = find_file(self.name, self.data_dir, ("jena_climate_2009_2016.csv",))
        if file is None:
            raise not_found(self.name, f"fetch and unpack {URL}, check that it holds 420,551 rows")
        return read_csv(file)

    def borders(self, steps: int) -> Borders:
        """50, 25 and 25 % of the steps."""
        return by_fraction(steps, 0.5, 0.25)
