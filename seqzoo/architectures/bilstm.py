"""Bidirectional LSTM over word embeddings, pooled over time."""

from torch import Tensor, nn

from seqzoo.layers.dropout import LockedDropout, WordDropout
from seqzoo.layers.pooling import POOLINGS, pool
from seqzoo.layers.recurrent import LSTM
from seqzoo.specs import Encoded, TextSpec

__all__ = ["BiLSTM"]


class BiLSTM(nn.Module):
    """Embedding, LSTM in both directions, pooling (Schuster and Paliwal, 1997; Hochreiter and Schmidhuber, 1997).

    Dropouts, in the order of the forward pass: `word_dropout` on tokens, `embedding_dropout` and `dropout` locked over
    time before and after the recurrence (and between layers), `recurrent_dropout` on the hidden state,
    `summary_dropout` on what comes out. `pooling` is `last`, `max`, `mean` or `max-mean`.
    """

    def __init__(
        self,
        spec: TextSpec,
        *,
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        pooling: str = "max-mean",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        self.pooling = pooling
        self.output_size = 2 * hidden_size * (2 if pooling == "max-mean" else 1)
        self.word_dropout = WordDropout(word_dropout, pad_index=spec.pad_index, unknown_index=spec.unknown_index)
        self.embedding = nn.Embedding(spec.vocab_size, embedding_size, padding_idx=spec.pad_index)
        self.embedding_dropout = LockedDropout(embedding_dropout)
        self.recurrence = LSTM(
            embedding_size,
            hidden_size,
            num_layers,
            bidirectional=True,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        self.dropout = LockedDropout(dropout)
        self.summary_dropout = nn.Dropout(summary_dropout)

    def forward(self, inputs: Tensor, lengths: Tensor, state: tuple[Tensor, Tensor] | None = None) -> Encoded:
        """(B, T) token ids, (B,) -> steps (B, T, 2H), summary (B, 2H or 4H), state (h, c) each (2L, B, H)."""
        embedded = self.embedding_dropout(self.embedding(self.word_dropout(inputs)))  # (B, T, E)
        steps, state = self.recurrence(embedded, lengths, state)
        steps = self.dropout(steps)
        if self.pooling == "last":  # each direction at its own end: the forward one last, the backward one first
            hidden = state[0][-2:]  # (2, B, H)
            summary = self.dropout(hidden.transpose(0, 1).flatten(1)[:, None])[:, 0].float()
        else:
            summary = pool(steps, lengths, self.pooling)
        return Encoded(steps, self.summary_dropout(summary), state)
