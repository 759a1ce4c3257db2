"""Fully convolutional network: three convolutions with batch normalisation, averaged over time."""

from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import InputConv1d
from seqzoo.layers.normalisation import StepBatchNorm
from seqzoo.layers.pooling import Pooling, step_mask
from seqzoo.specs import Encoded, SeriesSpec

__all__ = ["FCN"]

KERNELS = ((1, 8), (2, 5), (1, 3))  # multiples of `channels`, kernel size: 128, 256 and 128 in the paper


class FCN(nn.Module):
    """Blocks of convolution, batch normalisation and rectifier, then the average over time (Wang et al., 2017, figure 1 b).

    Padding enters neither the statistics of a batch nor the average. `dropout` stands before the second and third block.
    """

    def __init__(self, spec: SeriesSpec, *, channels: int = 128, dropout: float = 0.0, summary_dropout: float = 0.0):
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels must be at least 1, got {channels}")
        self.convolutions, self.norms, width = nn.ModuleList(), nn.ModuleList(), spec.n_channels
        for multiple, kernel_size in KERNELS:
            self.convolutions.append(InputConv1d(width, multiple * channels, kernel_size))
            self.norms.append(StepBatchNorm(multiple * channels))
            width = multiple * channels
        self.dropout, self.summary_dropout = Dropout(dropout), Dropout(summary_dropout)
        self.pooling = Pooling(width, "mean")
        self.output_size = self.pooling.output_size

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T, C), (B,) -> steps (B, T, channels), summary (B, output_size)."""
        steps = inputs.masked_fill(~step_mask(inputs, lengths)[..., None], 0.0)
        for block, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            steps = norm(convolution(self.dropout(steps) if block else steps), lengths).relu()
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)))
