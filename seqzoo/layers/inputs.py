"""First layers that take embeddings, a series' values, or words as unit vectors without ever making those."""

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import LockedDropout, WordDropout
from seqzoo.layers.pooling import step_mask
from seqzoo.specs import SeriesSpec, TextSpec

__all__ = ["InputConv1d", "InputLinear", "StepInputs", "check_series_arguments", "fit_length"]

INPUTS = ("embedding", "one-hot")


def check_series_arguments(spec: TextSpec | SeriesSpec, *, inputs: str, embedding_size: int, word_dropout: float) -> None:
    """ValueError where an argument that only words know was changed for a series, whose values are read as they are."""
    if isinstance(spec, SeriesSpec) and (inputs, embedding_size, word_dropout) != ("embedding", 128, 0.0):
        raise ValueError(
            "a series has no words: leave inputs, embedding_size and word_dropout at their defaults, "
            f"got {inputs!r}, {embedding_size} and {word_dropout}"
        )


def fit_length(inputs: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """(B, T, C), (B,) -> (B, `steps`, C): filled up with 0 after each series' end; ValueError where one is longer."""
    if inputs.shape[1] > steps and int(lengths.max()) > steps:
        raise ValueError(f"this network reads at most its context_length of {steps} steps, got {int(lengths.max())}")
    inputs = inputs.masked_fill(~step_mask(inputs, lengths)[..., None], 0.0)[:, :steps]
    return nn.functional.pad(inputs, (0, 0, 0, steps - inputs.shape[1]))


class StepInputs(nn.Module):
    """Word dropout and embedding for token ids, values as they are; what lies past a sequence's end becomes 0.

    With `inputs="one-hot"` token ids stay ids, for InputLinear or InputConv1d to read as unit vectors of `output_size`;
    padding is then -1. Of a series, `dropout` leaves out whole channels; `inputs`, `embedding_size` and `word_dropout` are
    for words alone and refused where changed.
    """

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str,
        embedding_size: int,
        word_dropout: float = 0.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        if inputs not in INPUTS:
            raise ValueError(f"inputs must be one of {', '.join(INPUTS)}, got {inputs!r}")
        if embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, got {embedding_size}")
        check_series_arguments(spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout)
        self.word_dropout = self.embedding = None
        if isinstance(spec, TextSpec):
            self.word_dropout = WordDropout(word_dropout, pad_index=spec.pad_index, unknown_index=spec.unknown_index)
            if inputs == "embedding":
                self.embedding = nn.Embedding(spec.vocab_size, embedding_size, padding_idx=spec.pad_index)
            self.output_size = embedding_size if inputs == "embedding" else spec.vocab_size
        else:
            self.output_size = spec.n_channels
        self.dropout = LockedDropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) ids or (B, T, C) values, (B,) -> (B, T, output_size), or (B, T) ids for one-hot."""
        if self.word_dropout is not None:
            inputs = self.word_dropout(inputs)
            if self.embedding is None:
                return inputs.masked_fill(~step_mask(inputs, lengths), -1)
            inputs = self.embedding(inputs)
        return self.dropout(inputs).masked_fill(~step_mask(inputs, lengths)[..., None], 0.0)


def _columns(tokens: Tensor, weight: Tensor) -> Tensor:
    """(B, T) ids, (O, V) -> (B, T, O): the weight times each id's unit vector; id -1 is the zero vector."""
    return nn.functional.embedding(tokens.clamp(min=0), weight.t()).masked_fill((tokens < 0)[..., None], 0.0)


class InputLinear(nn.Linear):
    """A linear map of values (B, T, C), or of token ids (B, T) as unit vectors."""

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.dim() == 3:
            return super().forward(inputs)
        mapped = _columns(inputs, self.weight)
        return mapped if self.bias is None else mapped + self.bias


class InputConv1d(nn.Module):
    """Convolution over time that keeps T steps: centred, or `causal`, reaching back only. Channels come last."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, dilation: int = 1, causal: bool = False):
        super().__init__()
        if kernel_size < 1:
            raise ValueError(f"kernel_size must be at least 1, got {kernel_size}")
        convolution = nn.Conv1d(in_channels, out_channels, kernel_size, dilation=dilation)
        self.weight, self.bias, self.dilation = convolution.weight, convolution.bias, dilation
        reach = (kernel_size - 1) * dilation
        self.before = reach if causal else reach // 2
        self.after = reach - self.before

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T, C), or (B, T) ids of unit vectors -> (B, T, O)."""
        if inputs.dim() == 3:
            padded = nn.functional.pad(inputs.mT, (self.before, self.after))  # (B, C, T + reach)
            return nn.functional.conv1d(padded, self.weight, self.bias, dilation=self.dilation).mT
        steps = inputs.shape[1]
        padded = nn.functional.pad(inputs, (self.before, self.after), value=-1)
        taps = [
            _columns(padded[:, tap * self.dilation : tap * self.dilation + steps], self.weight[:, :, tap])
            for tap in range(self.weight.shape[2])
        ]
        return torch.stack(taps).sum(0) + self.bias
