"""What passes between the layers: specifications, batches, encodings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    State = Tensor | tuple[Tensor, ...] | None

__all__ = ["Encoded", "LabelledSeriesBatch", "SeriesBatch", "SeriesSpec", "TextBatch", "TextSpec"]


class TextSpec(NamedTuple):
    """Token ids from 0 to `vocab_size - 1`."""

    vocab_size: int
    pad_index: int = 0
    unknown_index: int = 1


class SeriesSpec(NamedTuple):
    """Values of `n_channels` at `context_length` steps; asked are `horizon` later steps, 0 where none are."""

    n_channels: int
    context_length: int
    horizon: int


class TextBatch(NamedTuple):
    """tokens (B, T) int64, lengths (B,) int64 and at least 1, targets of the task's own shape."""

    tokens: Tensor
    lengths: Tensor
    targets: Tensor


class SeriesBatch(NamedTuple):
    """past (B, L, C) and future (B, H, K) of the K targets, float32; observed (B, H, K) bool: False where it is missing."""

    past: Tensor
    future: Tensor
    observed: Tensor


class LabelledSeriesBatch(NamedTuple):
    """values (B, T, C) float32, lengths (B,) int64 and at least 1, targets int64: (B,), or (B, T) with -100 for none."""

    values: Tensor
    lengths: Tensor
    targets: Tensor


class Encoded(NamedTuple):
    """What a network makes of a batch: steps (B, T, D) or None where it knows no order, summary (B, D), state."""

    steps: Tensor | None
    summary: Tensor
    state: State = None
