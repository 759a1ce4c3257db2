"""Convolutions over time and frequency, then a bidirectional GRU."""

from torch import Tensor, nn

from seqzoo.layers.convolution import shorten
from seqzoo.layers.dropout import Dropout, LockedDropout
from seqzoo.layers.normalisation import StepBatchNorm
from seqzoo.layers.pooling import Pooling, step_mask
from seqzoo.layers.recurrent import GRU
from seqzoo.specs import Encoded, SeriesSpec

__all__ = ["CRNN"]


class CRNN(nn.Module):
    """Reads frames of a spectrum, neighbouring channels being neighbouring frequencies (Cakir et al., 2017).

    `num_layers` blocks of 2-D convolution (`kernel_size` x `kernel_size`), batch normalisation, rectifier and the maximum
    over each `frequency_pool` frequencies keep the T steps; the maximum over each `time_pool` steps then shortens them to
    ceil(T / `time_pool`) for the GRU. The default 1 keeps them all, as frame-wise labels need.
    """

    def __init__(
        self,
        spec: SeriesSpec,
        *,
        channels: int = 32,
        kernel_size: int = 3,
        num_layers: int = 3,
        frequency_pool: int = 2,
        time_pool: int = 1,
        hidden_size: int = 64,
        pooling: str = "max-mean",
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        numbers = {"channels": channels, "num_layers": num_layers, "frequency_pool": frequency_pool, "time_pool": time_pool}
        for name, value in numbers.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd to keep T steps, got {kernel_size}")
        self.frequency_pool, self.time_pool, frequencies = frequency_pool, time_pool, spec.n_channels
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for layer in range(num_layers):
            width = channels if layer else 1
            self.convolutions.append(nn.Conv2d(width, channels, kernel_size, padding=kernel_size // 2, bias=False))
            self.norms.append(StepBatchNorm(channels))
            frequencies = -(-frequencies // frequency_pool)
        self.dropout = LockedDropout(dropout)
        self.recurrence = GRU(channels * frequencies, hidden_size, bidirectional=True, recurrent_dropout=recurrent_dropout)
        self.pooling = Pooling(2 * hidden_size, pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T, C), (B,) -> steps (B, ceil(T / time_pool), 2 H), summary (B, output_size)."""
        steps = inputs.masked_fill(~step_mask(inputs, lengths)[..., None], 0.0)[:, :, None]  # (B, T, 1, F)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            steps = convolution(steps.transpose(1, 2)).transpose(1, 2)  # (B, T, channels, F)
            steps = norm(steps, lengths).relu()
            steps = nn.functional.max_pool2d(steps, (1, self.frequency_pool), ceil_mode=True)
        steps, lengths = shorten(steps.flatten(2), lengths, self.time_pool)
        steps, _ = self.recurrence(self.dropout(steps), lengths)
        steps = self.dropout(steps)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)))
