"""LSTM encoder and decoder that give back what they read: what they cannot is an anomaly."""

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.recurrent import LSTM, reverse_by_length
from seqzoo.specs import SeriesSpec

__all__ = ["LSTMAutoencoder"]

DECODERS = ("summary", "feedback")


class LSTMAutoencoder(nn.Module):
    """The encoder's last state is all that the decoder knows; it tells the series from its end to its start.

    Malhotra et al. (2016), "LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection". `decoder` says what it reads:

    - `summary`: the encoder's last output at each step (Cho et al., 2014), which keeps the fast kernel.
    - `feedback`: the step that it told before, as in the paper, section 2: the true one in training, its own in eval.

    `dropout` is on the encoder's last output. Shapes: B batch, T steps, C channels, H `hidden_size`.
    """

    gives = "reconstruction"

    def __init__(self, spec: SeriesSpec, *, hidden_size: int = 64, decoder: str = "summary", dropout: float = 0.0):
        super().__init__()
        if hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, got {hidden_size}")
        if decoder not in DECODERS:
            raise ValueError(f"decoder must be one of {', '.join(DECODERS)}, got {decoder!r}")
        self.reads = decoder
        self.encoder = LSTM(spec.n_channels, hidden_size)
        self.decoder = LSTM(hidden_size if decoder == "summary" else spec.n_channels, hidden_size)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(hidden_size, spec.n_channels)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, C), (B,) -> (B, T, C), float32, in the units of the input; 0 past a series' end."""
        steps = inputs.shape[1]
        _, (hidden, cell) = self.encoder(inputs, lengths)  # (1, B, H) each
        state = self.dropout(hidden), cell
        if self.reads == "summary":
            told, _ = self.decoder(state[0][0][:, None].expand(-1, steps, -1), lengths, state)
            told = self.output(told)
        elif self.training:
            told = self._from_truth(reverse_by_length(inputs, lengths), lengths, state)
        else:
            told = self._from_itself(steps, state)
        outside = torch.arange(steps, device=inputs.device) >= lengths.to(inputs.device)[:, None]
        return reverse_by_length(told.float(), lengths).masked_fill(outside[..., None], 0.0)

    def _from_truth(self, backwards: Tensor, lengths: Tensor, state: tuple[Tensor, Tensor]) -> Tensor:
        """The series back to front (B, T, C) -> (B, T, C): each step from the true one before, the first from the state."""
        first = state[0].transpose(0, 1)  # (B, 1, H)
        if backwards.shape[1] == 1:
            return self.output(first)
        told, _ = self.decoder(backwards[:, :-1], (lengths - 1).clamp(min=1), state)
        return self.output(torch.cat([first, told], 1))

    def _from_itself(self, steps: int, state: tuple[Tensor, Tensor]) -> Tensor:
        """(B, T, C), back to front: each step from the one told before, the first from the state."""
        told = [self.output(state[0].transpose(0, 1))]  # (B, 1, C) each
        one = torch.ones(len(told[0]), dtype=torch.int64)
        for _ in range(steps - 1):
            read, state = self.decoder(told[-1], one, state)
            told.append(self.output(read))
        return torch.cat(told, 1)
