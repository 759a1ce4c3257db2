"""A series flattened, then dense layers."""

from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import fit_length
from seqzoo.specs import Encoded, SeriesSpec

__all__ = ["Dense"]


class Dense(nn.Module):
    """All values of the `context_length` steps in a row, `num_layers` of `hidden_size` rectified units, each with dropout.

    A shorter series is filled up with 0 after its end. With `num_layers=0` network and head are linear in the values.
    """

    def __init__(self, spec: SeriesSpec, *, hidden_size: int = 16, num_layers: int = 1, dropout: float = 0.0):
        super().__init__()
        if hidden_size < 1 or num_layers < 0:
            raise ValueError(f"hidden_size must be at least 1 and num_layers 0, got {hidden_size} and {num_layers}")
        self.context_length = spec.context_length
        widths = [spec.n_channels * spec.context_length, *[hidden_size] * num_layers]
        self.layers = nn.ModuleList(nn.Linear(width, hidden_size) for width in widths[:-1])
        self.dropout = Dropout(dropout)
        self.output_size = widths[-1]

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T, C), (B,) -> summary (B, output_size); no steps. ValueError for a series longer than context_length."""
        summary = fit_length(inputs, lengths, self.context_length).flatten(1)
        for layer in self.layers:
            summary = self.dropout(layer(summary).relu())
        return Encoded(None, summary.float())
