"""Convolutions and pooling over time for sequences of unequal length."""

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import InputConv1d
from seqzoo.layers.pooling import step_mask

__all__ = ["ConvStack", "shorten"]


def shorten(steps: Tensor, lengths: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """(B, T, D) -> (B, ceil(T / size), D): the maximum of each `size` steps, of the sequence alone; new lengths."""
    inside = step_mask(steps, lengths)[..., None]
    if size == 1:
        return steps.masked_fill(~inside, 0.0), lengths
    padded = nn.functional.pad(steps.masked_fill(~inside, -torch.inf).mT, (0, -steps.shape[1] % size), value=-torch.inf)
    pooled = nn.functional.max_pool1d(padded, size).mT
    lengths = -(-lengths // size)
    return pooled.masked_fill(~step_mask(pooled, lengths)[..., None], 0.0), lengths


class ConvStack(nn.Module):
    """Convolutional layers with rectifier, each but the last followed by max-pooling over `pool_size` steps.

    The first layer may have `num_kernels` parallel kernels of `kernel_size`, `kernel_size + 1`, ... (Kim, 2014), whose
    outputs stand side by side. Each further layer's kernel is `kernel_shrink` times shorter than the one before it, at
    least 1. Padding is 0 before every layer, as at a sequence's border.
    """

    def __init__(
        self,
        input_size: int,
        channels: int,
        *,
        kernel_size: int,
        num_kernels: int,
        num_layers: int,
        pool_size: int,
        dropout: float,
        kernel_shrink: int = 1,
    ):
        super().__init__()
        numbers = {"num_kernels": num_kernels, "num_layers": num_layers, "pool_size": pool_size}
        for name, value in {**numbers, "kernel_shrink": kernel_shrink}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if pool_size > 10_000:
            raise ValueError(f"pool_size must be at most 10,000, got {pool_size}")
        self.first = nn.ModuleList(InputConv1d(input_size, channels, kernel_size + extra) for extra in range(num_kernels))
        width = channels * num_kernels
        self.output_size = width if num_layers == 1 else channels
        self.rest = nn.ModuleList(
            InputConv1d(channels if layer > 1 else width, channels, max(kernel_size // kernel_shrink**layer, 1))
            for layer in range(1, num_layers)
        )
        self.pool_size, self.dropout = pool_size, Dropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C) or one-hot ids (B, T), (B,) -> steps (B, T', output_size), lengths (B,)."""
        steps = torch.cat([layer(inputs) for layer in self.first], -1).relu()
        for layer in self.rest:
            steps, lengths = shorten(steps, lengths, self.pool_size)
            steps = layer(self.dropout(steps)).relu()
        return steps.masked_fill(~step_mask(steps, lengths)[..., None], 0.0), lengths
