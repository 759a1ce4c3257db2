"""One-dimensional convnet, pooled over time."""

from torch import Tensor, nn

from seqzoo.layers.convolution import ConvStack
from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import StepInputs
from seqzoo.layers.pooling import Pooling
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["CNN"]


class CNN(nn.Module):
    """Embedding, convolutions over time with max-pooling between, pooling over time (Collobert et al., 2011; Kim, 2014).

    `num_kernels` above 1 puts kernels of `kernel_size`, `kernel_size + 1`, ... side by side in the first layer; each further
    layer's kernel is `kernel_shrink` times shorter. Steps are those of the last layer: each pooling between layers divides
    their number by `pool_size`.
    """

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        channels: int = 128,
        kernel_size: int = 5,
        kernel_shrink: int = 1,
        num_kernels: int = 1,
        num_layers: int = 1,
        pool_size: int = 5,
        pooling: str = "max",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
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
            kernel_shrink=kernel_shrink,
            num_kernels=num_kernels,
            num_layers=num_layers,
            pool_size=pool_size,
            dropout=dropout,
        )
        self.pooling = Pooling(self.convolutions.output_size, pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T) ids or (B, T, C) values, (B,) -> steps (B, T', channels), summary (B, output_size)."""
        steps, lengths = self.convolutions(self.inputs(inputs, lengths), lengths)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)))
