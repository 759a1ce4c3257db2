"""Counting on: the next number of an even sequence, made and not downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqzoo.corpora.series_datamodule import Borders, SeriesDataModule, by_fraction

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Counting"]


class Counting(SeriesDataModule):
    """`length` numbers from `start` on, `step` apart: 60 % to train, 20 % to validate, 20 % to test.

    Validation and test are larger numbers than any in train: what is asked is to count on, not to remember.
    """

    name = "counting"
    drawn = "by position"
    source = {"type": "made", "config": "counting"}
    citation = "The lectures' first sequence: 10, 20, 30, and then?"
    limits = ["Evenly growing numbers of one step size only."]
    columns = ["number"]
    time_column = None
    frequency = None
    reaches_back = True

    def __init__(
        self,
        *,
        start: float = 0.0,
        step: float = 10.0,
        length: int = 1000,
        batch_size: int = 32,
        context_length: int = 8,
        horizon: int = 1,
        sampling_step: int = 1,
        delay: int = 1,
        stride: int = 1,
    ):
        """ValueError where `step` is 0."""
        super().__init__(
            batch_size=batch_size,
            context_length=context_length,
            horizon=horizon,
            sampling_step=sampling_step,
            delay=delay,
            stride=stride,
        )
        if step == 0:
            raise ValueError("step must not be 0: the numbers would be all the same")
        if length < 1:
            raise ValueError(f"length must be at least 1, got {length}")
        self.start, self.step, self.length = start, step, length

    def read(self) -> pd.DataFrame:
        """The numbers."""
        import pandas as pd

        return pd.DataFrame({"number": [self.start + self.step * index for index in range(self.length)]})

    def borders(self, steps: int) -> Borders:
        """60, 20 and 20 %."""
        return by_fraction(steps, 0.6, 0.2)
