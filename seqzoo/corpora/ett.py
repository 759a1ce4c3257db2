"""ETT: temperature and six loads of an electricity transformer, hourly or every quarter of an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqzoo.corpora.series_datamodule import Borders, SeriesDataModule, fetch, find_file
from seqzoo.preprocessing.series import read_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ETT"]

URL = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETT{}.csv"
SHA256 = {  # as published with Hugging Face's own loader of the dataset
    "h1": "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    "h2": "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
    "m1": "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e",
    "m2": "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd",
}


class ETT(SeriesDataModule):
    """Electricity transformers (Zhou et al., 2021): 12, 4 and 4 months of 30 days; the steps after them are not used.

    From `data_dir`, else `$SEQZOO_DATA/ett`, else the authors' repository: `ETTh1.csv` and its like. All seven channels are
    targets; errors are those of values standardised by train. The first steps of validation and test are forecast from the
    last ones before them, as the benchmark does. Every window is counted; the benchmark's first code dropped the last batch.
    """

    name = "ett"
    source = {"type": "zhouhaoyi/ETDataset", "config": "ETT-small"}
    citation = (
        "Haoyi Zhou, Shanghang Zhang, Jieqi Peng, Shuai Zhang, Jianxin Li, Hui Xiong and Wancai Zhang: Informer: Beyond "
        "Efficient Transformer for Long Sequence Time-Series Forecasting. AAAI 2021. CC BY-ND 4.0."
    )
    limits = ["One transformer in China, 2016 to 2018; errors are in standard deviations of its first year."]
    columns = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    time_column = "date"
    reaches_back = True
    standardised = True

    def __init__(
        self,
        *,
        variant: str = "h1",
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
    ):
        """`variant` is `h1` or `h2` (hourly), `m1` or `m2` (every 15 minutes). ValueError for another."""
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
        if variant not in SHA256:
            raise ValueError(f"variant must be one of {', '.join(SHA256)}, got {variant!r}")
        self.variant = variant
        self.frequency = "h" if variant.startswith("h") else "15min"
        self.source = {**self.source, "config": f"ETT{variant}"}

    def read(self) -> pd.DataFrame:
        """The table as published."""
        file = find_file(self.name, self.data_dir, (f"ETT{self.variant}.csv",))
        return read_csv(file or fetch(self.name, URL.format(self.variant), SHA256[self.variant]))

    def borders(self, steps: int) -> Borders:
        """12, 16 and 20 months of 30 days. ValueError where there are fewer."""
        month = 30 * 24 * (1 if self.frequency == "h" else 4)
        if steps < 20 * month:
            raise ValueError(f"ett needs {20 * month:,} steps, and the file has {steps:,}")
        return {"train": (0, 12 * month), "validation": (12 * month, 16 * month), "test": (16 * month, 20 * month)}
