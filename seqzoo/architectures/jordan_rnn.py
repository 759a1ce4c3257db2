"""Jordan network: recurrence from the output, so that training can put the true output in its place."""

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import InputLinear, StepInputs
from seqzoo.layers.pooling import Pooling, step_mask
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["JordanRNN"]


class JordanRNN(nn.Module):
    """h_t = tanh(W x_t + U y_(t-1) + b), y_t = softmax(V h_t + c) (Jordan, 1986; Goodfellow et al., 2016, figure 10.4).

    The only way from one step to the next is the output y of `num_outputs` numbers. Where the true outputs of each step
    are known, `teacher` puts them in y's place (teacher forcing, in training only); else, and in prediction, the network
    reads its own. Steps are the hidden units beside the outputs, (B, T, H + O); the state is y at the end.
    """

    causal = True

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_outputs: int = 16,
        pooling: str = "last",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        self.inputs = StepInputs(
            spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout, dropout=embedding_dropout
        )
        self.num_outputs = num_outputs
        self.input = InputLinear(self.inputs.output_size, hidden_size)
        self.feedback = nn.Linear(num_outputs, hidden_size, bias=False)
        self.output = nn.Linear(hidden_size, num_outputs)
        self.pooling = Pooling(hidden_size + num_outputs, pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(
        self, inputs: Tensor, lengths: Tensor, state: Tensor | None = None, teacher: Tensor | None = None
    ) -> Encoded:
        """(B, T) ids or (B, T, C) values, (B,), state (1, B, O), true outputs (B, T, O) -> steps, summary, state."""
        driven = self.input(self.inputs(inputs, lengths))  # (B, T, H)
        inside = step_mask(driven, lengths)
        if teacher is not None and teacher.shape != (*driven.shape[:2], self.num_outputs):
            raise ValueError(f"teacher must be {(*driven.shape[:2], self.num_outputs)}, got {tuple(teacher.shape)}")
        output = driven.new_zeros(len(driven), self.num_outputs) if state is None else state[0]
        last, steps = output, []
        for step in range(driven.shape[1]):
            hidden = (driven[:, step] + self.feedback(output)).tanh()
            own = self.output(hidden).softmax(-1)
            last = torch.where(inside[:, step, None], own, last)
            output = teacher[:, step] if teacher is not None and self.training else own
            steps.append(torch.cat([hidden, own], -1))
        steps = torch.stack(steps, 1).masked_fill(~inside[..., None], 0.0)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)), last[None])
