"""Recurrent network with skip connections through time: it also sees its state of d steps ago."""

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import InputLinear, StepInputs
from seqzoo.layers.pooling import Pooling, step_mask
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["SkipRNN"]


class SkipRNN(nn.Module):
    """h_t = tanh(W x_t + U h_(t-1) + V h_(t-d) + b), d = `delay` (Lin et al., 1996; Goodfellow et al., 2016, 10.9.1)."""

    causal = True

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        hidden_size: int = 128,
        delay: int = 8,
        pooling: str = "last",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        if not 2 <= delay <= 10_000:
            raise ValueError(f"delay must be from 2 steps (1 is the plain recurrence) to 10,000, got {delay}")
        self.delay = delay
        self.inputs = StepInputs(
            spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout, dropout=embedding_dropout
        )
        self.input = InputLinear(self.inputs.output_size, hidden_size)
        self.hidden = nn.Linear(hidden_size, hidden_size, bias=False)
        self.skip = nn.Linear(hidden_size, hidden_size, bias=False)
        for weight in (self.hidden.weight, self.skip.weight):
            nn.init.orthogonal_(weight, gain=0.7)
        self.pooling = Pooling(hidden_size, pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor | None = None) -> Encoded:
        """(B, T) ids or (B, T, C) values, (B,) -> steps (B, T, H), summary (B, output_size), state (d, B, H)."""
        driven = self.input(self.inputs(inputs, lengths))  # (B, T, H)
        inside = step_mask(driven, lengths)
        past = list(driven.new_zeros(self.delay, *driven[:, 0].shape) if state is None else state)
        for step in range(driven.shape[1]):
            past.append((driven[:, step] + self.hidden(past[-1]) + self.skip(past[-self.delay])).tanh())
        whole = torch.stack(past, 1)  # (B, d + T, H)
        ends = lengths.to(whole.device)[:, None] + torch.arange(self.delay, device=whole.device)  # (B, d)
        state = whole.gather(1, ends[..., None].expand(-1, -1, whole.shape[2])).transpose(0, 1)
        steps = whole[:, self.delay :].masked_fill(~inside[..., None], 0.0)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)), state)
