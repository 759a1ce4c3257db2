"""From steps to one vector: pooling over time that never sees padding."""

import torch
from torch import Tensor

__all__ = ["POOLINGS", "last_pool", "max_pool", "mean_pool", "pool", "step_mask"]

POOLINGS = ("last", "max", "mean", "max-mean")


def step_mask(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D), (B,) -> (B, T) bool: True on the sequence, False on its padding."""
    return torch.arange(steps.shape[1], device=steps.device) < lengths.to(steps.device)[:, None]


def mean_pool(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D) -> (B, D), summed in float32."""
    total = steps.float().masked_fill(~step_mask(steps, lengths)[..., None], 0.0).sum(1)
    return total / lengths.to(steps.device)[:, None]


def max_pool(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D) -> (B, D)."""
    return steps.float().masked_fill(~step_mask(steps, lengths)[..., None], -torch.inf).amax(1)


def last_pool(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D) -> (B, D): the step at each sequence's end."""
    index = (lengths.to(steps.device) - 1)[:, None, None].expand(-1, 1, steps.shape[2])
    return steps.gather(1, index)[:, 0].float()


def pool(steps: Tensor, lengths: Tensor, how: str) -> Tensor:
    """(B, T, D) -> (B, D), or (B, 2D) for `max-mean`, the maximum before the mean."""
    if how == "last":
        return last_pool(steps, lengths)
    if how == "max":
        return max_pool(steps, lengths)
    if how == "mean":
        return mean_pool(steps, lengths)
    if how == "max-mean":
        return torch.cat([max_pool(steps, lengths), mean_pool(steps, lengths)], -1)
    raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {how!r}")
