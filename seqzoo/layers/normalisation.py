"""Batch normalisation for sequences of unequal length."""

import torch
from torch import Tensor, nn

from seqzoo.layers.pooling import step_mask

__all__ = ["StepBatchNorm"]


class StepBatchNorm(nn.BatchNorm1d):
    """Batch normalisation (Ioffe and Szegedy, 2015) whose mean and variance are those of the true steps alone.

    Of several processes, each takes the statistics of its own part of a batch.
    """

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, C) or (B, T, C, F), (B,) -> the same shape, channel by channel; 0 past a sequence's end."""
        inside = step_mask(steps, lengths)
        if self.training:
            rows = super().forward(steps[inside])  # (N, C) or (N, C, F): N true steps
            return torch.zeros_like(steps, dtype=rows.dtype).index_put((inside,), rows)
        normalised = super().forward(steps.flatten(0, 1)).unflatten(0, steps.shape[:2])
        return normalised.masked_fill(~inside.view(*inside.shape, *[1] * (steps.dim() - 2)), 0.0)
