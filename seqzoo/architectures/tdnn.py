"""Time-delay network: layers that see a window of the recent past, then sum over time."""

from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import InputConv1d, StepInputs
from seqzoo.layers.pooling import Pooling, step_mask
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["TDNN"]


class TDNN(nn.Module):
    """Two layers of tanh units over `delay_1` and `delay_2` steps, now and back (Waibel et al., 1989, figure 1).

    A causal convolution with the same weights at every time; pooling over time integrates the evidence.
    """

    causal = True

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        hidden_size: int = 128,
        delay_1: int = 3,
        delay_2: int = 5,
        pooling: str = "max",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        self.inputs = StepInputs(
            spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout, dropout=embedding_dropout
        )
        self.first = InputConv1d(self.inputs.output_size, hidden_size, delay_1, causal=True)
        self.second = InputConv1d(hidden_size, hidden_size, delay_2, causal=True)
        self.pooling = Pooling(hidden_size, pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T) ids or (B, T, C) values, (B,) -> steps (B, T, H), summary (B, output_size)."""
        steps = self.first(self.inputs(inputs, lengths)).tanh()
        steps = self.second(steps).tanh()
        steps = steps.masked_fill(~step_mask(steps, lengths)[..., None], 0.0)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)))
