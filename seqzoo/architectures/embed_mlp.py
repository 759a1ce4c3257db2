"""Embedding, flattened or averaged, and a dense layer."""

from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import StepInputs
from seqzoo.layers.pooling import step_mask
from seqzoo.specs import Encoded, TextSpec

__all__ = ["EmbedMLP"]


class EmbedMLP(nn.Module):
    """The vectors of a text's words, `flatten`ed (of its first `num_words`, in order) or their `mean`, then a dense layer.

    `hidden_size=0` leaves the dense layer out: network and head are then linear in the vectors.
    """

    def __init__(
        self,
        spec: TextSpec,
        *,
        embedding_size: int = 32,
        combine: str = "mean",
        num_words: int = 20,
        hidden_size: int = 0,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        if combine not in ("flatten", "mean"):
            raise ValueError(f"combine must be flatten or mean, got {combine!r}")
        if num_words < 1 or hidden_size < 0:
            raise ValueError(f"num_words must be at least 1 and hidden_size 0, got {num_words} and {hidden_size}")
        self.combine, self.num_words = combine, num_words
        self.inputs = StepInputs(
            spec, inputs="embedding", embedding_size=embedding_size, word_dropout=word_dropout, dropout=embedding_dropout
        )
        width = embedding_size * (num_words if combine == "flatten" else 1)
        self.dense = nn.Linear(width, hidden_size) if hidden_size else None
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = hidden_size or width

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T) ids, (B,) -> summary (B, output_size); no steps."""
        vectors = self.inputs(inputs, lengths)  # (B, T, E), 0 past a text's end
        if self.combine == "mean":
            summary = vectors.float().sum(1) / step_mask(vectors, lengths).sum(1, keepdim=True)
        else:
            missing = max(self.num_words - vectors.shape[1], 0)
            summary = nn.functional.pad(vectors[:, : self.num_words], (0, 0, 0, missing)).flatten(1)
        if self.dense is not None:
            summary = self.dense(summary.to(self.dense.weight.dtype)).relu()
        return Encoded(None, self.summary_dropout(summary.float()))
