"""The last value, repeated: the forecast that every other one must beat."""

from torch import Tensor, nn

from seqzoo.layers.forecasting import check_forecast
from seqzoo.specs import SeriesSpec

__all__ = ["Persistence"]


class Persistence(nn.Module):
    """Every step ahead is as the last one read. Nothing is learned."""

    gives = "forecast"

    def __init__(self, spec: SeriesSpec):
        super().__init__()
        check_forecast(spec)
        self.horizon = spec.horizon

    def forward(self, past: Tensor) -> Tensor:
        """(B, L, C) -> (B, H, C), both in the units of the input."""
        return past[:, -1:].expand(-1, self.horizon, -1)
