"""Convnet that shortens the sequence, then a GRU over what is left."""

from torch import Tensor, nn

from seqzoo.layers.convolution import ConvStack, shorten
from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import StepInputs
from seqzoo.layers.pooling import Pooling
from seqzoo.layers.recurrent import GRU
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["CNNGRU"]


class CNNGRU(nn.Module):
    """Convolutions, each followed by max-pooling over `pool_size` steps, then a GRU (Chollet, 2018, section 6.4.4)."""

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        channels: int = 128,
        kernel_size: int = 5,
        num_layers: int = 1,
        pool_size: int = 3,
        hidden_size: int = 128,
        bidirectional: bool = False,
        pooling: str = "last",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        self.inputs = StepInputs(
            spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout, dropout=embedding_dropout
        )
        self.convolutions = ConvStack(
            self.inputs.output_size,
            channels,
            kernel_size=kernel_size,
            num_kernels=1,
            num_layers=num_layers,
            pool_size=pool_size,
            dropout=dropout,
        )
        self.pool_size, self.dropout = pool_size, Dropout(dropout)
        self.recurrence = GRU(channels, hidden_size, bidirectional=bidirectional, recurrent_dropout=recurrent_dropout)
        self.pooling = Pooling(hidden_size * (1 + bidirectional), pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T) ids or (B, T, C) values, (B,) -> steps (B, T', D*H), summary (B, output_size)."""
        steps, lengths = self.convolutions(self.inputs(inputs, lengths), lengths)
        steps, lengths = shorten(steps, lengths, self.pool_size)
        steps, _ = self.recurrence(self.dropout(steps), lengths)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)))
