"""The Weather benchmark: 21 channels of a station in Jena every ten minutes of 2020, all of them forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqzoo.corpora.series_datamodule import Borders, SeriesDataModule, find_file, not_found
from seqzoo.preprocessing.series import read_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Weather2020"]

GAPS = ("wv (m/s)", "max. PAR (�mol/m�/s)", "OT")  # where -9999 stands


class Weather2020(SeriesDataModule):
    """Autoformer's `weather.csv` (Wu et al., 2021): 52,696 rows, 70 % to train, 10 % to validate, 20 % to test, by time.

    From `data_dir`, else `$SEQZOO_DATA/weather2020`. The first steps of validation and test are forecast from the last ones
    before them, as the benchmark does, and every window counts. One repeated step is dropped and nine are inserted empty
    (52,704 are on the axis), and -9999 means missing.

    The published tables take -9999 for a measurement. All 81 of these stand in the training rows, where they make the
    standard deviation of `wv (m/s)` 31 times and that of `OT` 21 times as large as it is, so that these two channels all but
    vanish from the published errors. `as_published` does the same, for comparison with them: rows as they are in the file,
    without times.
    """

    name = "weather2020"
    source = {"type": "autoformer", "config": "weather/weather.csv"}
    citation = (
        "Haixu Wu, Jiehui Xu, Jianmin Wang and Mingsheng Long: Autoformer: Decomposition Transformers with Auto-Correlation "
        "for Long-Term Series Forecasting. NeurIPS 2021. Data: Max Planck Institute for Biogeochemistry, Jena."
    )
    limits = ["One station and one year: the test rows are its last ten weeks, a winter that train has seen only in part."]
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
        "rain (mm)",
        "raining (s)",
        "SWDR (W/m�)",  # so it is spelt in the published file
        "PAR (�mol/m�/s)",
        "max. PAR (�mol/m�/s)",
        "Tlog (degC)",
        "OT",
    ]
    time_column = "date"
    frequency = "10min"
    reaches_back = True
    standardised = True

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        context_length: int = 720,
        horizon: int = 96,
        sampling_step: int = 1,
        delay: int = 1,
        stride: int = 1,
        targets: list[str] | None = None,
        calendar: list[str] | None = None,
        indicators: bool = False,
        as_published: bool = False,
    ):
        """All channels are targets unless `targets` names some. ValueError for a `calendar` beside `as_published`."""
        super().__init__(
            data_dir=data_dir,
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
        if as_published and calendar:
            raise ValueError(f"as_published takes the rows without their times: leave the calendar out, got {calendar!r}")
        self.missing = {} if as_published else {column: [-9999.0] for column in GAPS}
        if as_published:
            self.time_column = self.frequency = None

    def read(self) -> pd.DataFrame:
        """The table as published. OSError where it is not here."""
        file = find_file(self.name, self.data_dir, ("weather.csv",))
        if file is None:
            raise not_found(
                self.name, "get weather/weather.csv of the data that https://github.com/thuml/Autoformer links to"
            )
        return read_csv(file)

    def borders(self, steps: int) -> Borders:
        """70 % and the last 20 % of the steps, each rounded down; between them, validation."""
        first, second = int(0.7 * steps), steps - int(0.2 * steps)
        return {"train": (0, first), "validation": (first, second), "test": (second, steps)}
