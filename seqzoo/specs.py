"""What passes between the layers: specifications, batches, encodings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    State = Tensor | tuple[Tensor, ...] | None

__all__ = ["Encoded", "SeriesBatch", "SeriesSpec", "TextBatch", "TextSpec"]


class TextSpec(NamedTuple):
    """Token ids from 0 to `vocab_size - 1`."""

    vocab_size: int
    pad_index: int = 0
    unknown_index: int = 1


class SeriesSpec(NamedTuple):
    """Values of `n_channels` at `context_length` steps, of which the next `horizon` steps are asked."""

    n_channels: int
    context_length: int
    horizon: int


class TextBatch(NamedTuple):
    """tokens (B, T) int64, lengths (B,) int64 and at least 1, targets of the task's own shape."""

    tokens: Tensor
    lengths: Tensor
    targets: Tensor


class SeriesBatch(NamedTuple):
    """past (B, L, C) and future (B, H, C) float32, observed (B, H, C) bool: False where the future is missing."""

    past: Tensor
    future: Tensor
    observed: Tensor


class Encoded(NamedTuple):
    """What a network makes of a batch: steps (B, T, D) or None where it knows no order, summary (B, D), state."""

    steps: Tensor | None
    summary: Tensor
    state: State = None
