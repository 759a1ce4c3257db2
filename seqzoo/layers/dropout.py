"""Dropout for sequences: whole words, and the same units at every step."""

import torch
from torch import Tensor, nn

__all__ = ["Dropout", "LockedDropout", "WordDropout"]


def _check_rate(rate: float) -> float:
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"a dropout rate must be at least 0 and below 1, got {rate}")
    return float(rate)


class Dropout(nn.Dropout):
    """torch's, for rates from 0 to below 1."""

    def __init__(self, rate: float):
        super().__init__(_check_rate(rate))


class LockedDropout(nn.Module):
    """One mask per sequence, the same at every time step (Gal and Ghahramani, 2016; Merity et al., 2018)."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = _check_rate(rate)

    def forward(self, steps: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        if not (self.training and self.rate):
            return steps
        return steps * nn.functional.dropout(steps.new_ones(steps.shape[0], 1, steps.shape[2]), self.rate)


class WordDropout(nn.Module):
    """In training, replaces tokens by the unknown word (Dai and Le, 2015); padding stays padding."""

    def __init__(self, rate: float, *, pad_index: int, unknown_index: int):
        super().__init__()
        self.rate, self.pad_index, self.unknown_index = _check_rate(rate), pad_index, unknown_index

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T)."""
        if not (self.training and self.rate):
            return tokens
        dropped = (torch.rand(tokens.shape, device=tokens.device) < self.rate) & (tokens != self.pad_index)
        return tokens.masked_fill(dropped, self.unknown_index)
