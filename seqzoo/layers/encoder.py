"""What the recurrent architectures share: inputs by their spec, the recurrence, pooling over time."""

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout, LockedDropout, WordDropout
from seqzoo.layers.inputs import INPUTS, check_series_arguments
from seqzoo.layers.pooling import Pooling
from seqzoo.layers.recurrent import GRU, LSTM, RNN, initialise_orthogonal, reverse_by_length
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["RecurrentEncoder"]

INITIALISATIONS = ("uniform", "orthogonal")


class RecurrentEncoder(nn.Module):
    """Embedding (or one-hot words, or a series' values), recurrence, pooling.

    Dropouts, in the order of the forward pass: `word_dropout` on tokens, `embedding_dropout` and `dropout` locked over
    time before and after the recurrence (and between layers), `recurrent_dropout` on the hidden state,
    `summary_dropout` on what comes out. `pooling` is `last`, `max`, `mean`, `max-mean` or `attention`.

    A series' values are read as they are: `embedding_dropout` then leaves out whole channels, and `inputs`,
    `embedding_size` and `word_dropout` are refused where changed.

    - `inputs="one-hot"` reads words as unit vectors, computed as a gather from the input weights.
    - `reverse` reads each sequence from its end to its start; steps come out in the order of the input.
    - `padded_length` above 0 is a network without masking: every sequence is padded (or cut) to so many steps and the
      padding is read as data. 0 masks, exactly.
    - `initialisation="orthogonal"`: orthogonal hidden-to-hidden and Glorot input weights, biases 0, an LSTM's forget
      gate 1 (Saxe et al., 2014; Jozefowicz et al., 2015); `uniform` is torch's.
    """

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        cell: type[RNN] | type[LSTM] | type[GRU],
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        reverse: bool = False,
        pooling: str = "last",
        padded_length: int = 0,
        initialisation: str = "uniform",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        if inputs not in INPUTS:
            raise ValueError(f"inputs must be one of {', '.join(INPUTS)}, got {inputs!r}")
        if initialisation not in INITIALISATIONS:
            raise ValueError(f"initialisation must be one of {', '.join(INITIALISATIONS)}, got {initialisation!r}")
        if embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, got {embedding_size}")
        check_series_arguments(spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout)
        if not 0 <= padded_length <= 100_000:
            raise ValueError(f"padded_length must be from 0 to 100,000, got {padded_length}")
        if reverse and bidirectional:
            raise ValueError("a bidirectional network reads both ways already: reverse must be false")
        self.spec, self.reverse, self.padded_length = spec, reverse, padded_length
        self.causal = not (reverse or bidirectional or padded_length)
        self.word_dropout = self.embedding = None
        if isinstance(spec, TextSpec):
            self.word_dropout = WordDropout(word_dropout, pad_index=spec.pad_index, unknown_index=spec.unknown_index)
            if inputs == "embedding":
                self.embedding = nn.Embedding(spec.vocab_size, embedding_size, padding_idx=spec.pad_index)
            input_size = embedding_size if inputs == "embedding" else spec.vocab_size
        else:
            input_size = spec.n_channels
        self.embedding_dropout = LockedDropout(embedding_dropout)
        self.recurrence = cell(
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        if initialisation == "orthogonal":
            initialise_orthogonal(self.recurrence)
        self.dropout = LockedDropout(dropout)
        self.pooling = Pooling(hidden_size * (1 + bidirectional), pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor | tuple[Tensor, ...] | None = None) -> Encoded:
        """(B, T) token ids or (B, T, C) values, (B,) -> steps (B, T, D*H), summary (B, output_size), state (L*D, B, H)."""
        if self.padded_length:
            inputs, lengths = self._pad(inputs, lengths)
        if self.word_dropout is not None:
            inputs = self.word_dropout(inputs)
        if self.embedding is not None:
            inputs = self.embedding(inputs)
        if inputs.dim() == 3:
            inputs = self.embedding_dropout(inputs)
        if self.reverse:
            inputs = reverse_by_length(inputs, lengths)
        steps, state = self.recurrence(inputs, lengths, state)
        steps = self.dropout(steps)
        if self.pooling.how == "last" and self.recurrence.bidirectional:  # each direction at its own end
            hidden = state[0] if isinstance(state, tuple) else state
            summary = self.dropout(hidden[-2:].transpose(0, 1).flatten(1)[:, None])[:, 0].float()
        else:
            summary = self.pooling(steps, lengths)
        if self.reverse:
            steps = reverse_by_length(steps, lengths)
        return Encoded(steps, self.summary_dropout(summary), state)

    def _pad(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        length, (batch, steps) = self.padded_length, inputs.shape[:2]
        outside = torch.arange(steps, device=inputs.device) >= lengths.to(inputs.device)[:, None]
        fill = self.spec.pad_index if inputs.dim() == 2 else 0.0
        inputs = inputs.masked_fill(outside if inputs.dim() == 2 else outside[..., None], fill)[:, :length]
        missing = length - inputs.shape[1]
        inputs = nn.functional.pad(inputs, (0, missing) if inputs.dim() == 2 else (0, 0, 0, missing), value=fill)
        return inputs, lengths.new_full((batch,), length)
