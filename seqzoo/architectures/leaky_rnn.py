"""Leaky integrator units: each hidden unit forgets at its own pace."""

import math

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import InputLinear, StepInputs
from seqzoo.layers.pooling import Pooling, step_mask
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["LeakyRNN"]


class LeakyRNN(nn.Module):
    """h_t = (1 - a) h_(t-1) + a tanh(W x_t + U h_(t-1) + b) (Mozer, 1992; Goodfellow et al., 2016, section 10.9.2).

    a = 1 / tau, one time constant tau (in steps) per unit, spaced evenly in logarithm from 1 to `max_time_constant`,
    then learned, or fixed where `learn_time_constants` is false.
    """

    causal = True

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        hidden_size: int = 128,
        max_time_constant: float = 100.0,
        learn_time_constants: bool = True,
        pooling: str = "last",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        if max_time_constant < 1:
            raise ValueError(f"max_time_constant must be at least 1 step, got {max_time_constant}")
        self.inputs = StepInputs(
            spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout, dropout=embedding_dropout
        )
        self.input = InputLinear(self.inputs.output_size, hidden_size)
        self.hidden = nn.Linear(hidden_size, hidden_size, bias=False)
        nn.init.orthogonal_(self.hidden.weight)
        spread = [max_time_constant ** ((unit + 1) / hidden_size) for unit in range(hidden_size)]
        self.log_time_constant = nn.Parameter(  # log(tau - 1) is unbounded: tau stays above 1
            torch.tensor([math.log(max(tau - 1, 1e-3)) for tau in spread]), requires_grad=learn_time_constants
        )
        self.pooling = Pooling(hidden_size, pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor | None = None) -> Encoded:
        """(B, T) ids or (B, T, C) values, (B,) -> steps (B, T, H), summary (B, output_size), state (1, B, H)."""
        driven = self.input(self.inputs(inputs, lengths))  # (B, T, H)
        inside = step_mask(driven, lengths)
        rate = 1 / (1 + self.log_time_constant.exp())
        hidden = driven.new_zeros(driven[:, 0].shape) if state is None else state[0]
        steps = []
        for step in range(driven.shape[1]):
            new = (1 - rate) * hidden + rate * (driven[:, step] + self.hidden(hidden)).tanh()
            hidden = torch.where(inside[:, step, None], new, hidden)
            steps.append(hidden)
        steps = torch.stack(steps, 1).masked_fill(~inside[..., None], 0.0)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)), hidden[None])
