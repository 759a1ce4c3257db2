"""The last season, repeated: as an hour was yesterday, so it will be tomorrow."""

import torch
from torch import Tensor, nn

from seqzoo.layers.forecasting import check_forecast
from seqzoo.specs import SeriesSpec

__all__ = ["SeasonalNaive"]


class SeasonalNaive(nn.Module):
    """Step h ahead is as step h - m k, the latest one read at a whole number k of periods m before it.

    Hyndman and Athanasopoulos, 2021, section 5.2. `period` is counted in steps of the context, and so are the steps ahead:
    the first follows the last one read. Nothing is learned.
    """

    gives = "forecast"
    next_steps_only = True  # a Forecaster refuses it other windows: the phase would be wrong

    def __init__(self, spec: SeriesSpec, *, period: int = 24):
        super().__init__()
        check_forecast(spec)
        if not 1 <= period <= spec.context_length:
            raise ValueError(f"period must be from 1 to the context_length of {spec.context_length} steps, got {period}")
        self.horizon, self.period = spec.horizon, period

    def forward(self, past: Tensor) -> Tensor:
        """(B, L, C) -> (B, H, C), both in the units of the input."""
        ahead = torch.arange(self.horizon, device=past.device)
        return past[:, past.shape[1] - self.period + ahead % self.period]
