"""DLinear: two linear maps over trend and remainder (Zeng et al., 2023)."""

from torch import Tensor, nn

from seqzoo.layers.forecasting import check_forecast
from seqzoo.specs import SeriesSpec

__all__ = ["DLinear"]


class DLinear(nn.Module):
    """The trend, a moving average over `kernel_size` steps, and what it leaves are each mapped from L to H steps.

    The same two maps serve every channel. Shapes: B batch, L context steps, H horizon steps, C channels.
    """

    gives = "forecast"

    def __init__(self, spec: SeriesSpec, *, kernel_size: int = 25):
        super().__init__()
        check_forecast(spec)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd to keep L steps, got {kernel_size}")
        self.average = nn.AvgPool1d(kernel_size, stride=1)
        self.margin = kernel_size // 2
        self.trend = nn.Linear(spec.context_length, spec.horizon)
        self.remainder = nn.Linear(spec.context_length, spec.horizon)

    def forward(self, past: Tensor) -> Tensor:
        """(B, L, C) -> (B, H, C), both in the units of the input."""
        series = past.mT  # (B, C, L)
        padded = nn.functional.pad(series, (self.margin, self.margin), mode="replicate")
        trend = self.average(padded)  # (B, C, L)
        return (self.trend(trend) + self.remainder(series - trend)).mT.float()
