"""Small transformer encoder, bidirectional or causal."""

import math

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import InputLinear, StepInputs
from seqzoo.layers.pooling import Pooling, step_mask
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

__all__ = ["Transformer"]


def positions(length: int, size: int, like: Tensor) -> Tensor:
    """(T, size): sines and cosines of each position (Vaswani et al., 2017, section 3.5)."""
    step = torch.arange(length, device=like.device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, size, 2, device=like.device) * (-math.log(10_000.0) / size))
    return torch.stack([(step * rate).sin(), (step * rate).cos()], -1).flatten(1).to(like.dtype)


class Layer(nn.Module):
    """Self-attention and a dense pair, each on the normalised input and added to it (Xiong et al., 2020)."""

    def __init__(self, size: int, num_heads: int, dropout: float):
        super().__init__()
        self.num_heads, self.rate = num_heads, dropout
        self.attention_norm, self.dense_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.query_key_value, self.attended = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.dense = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), Dropout(dropout), nn.Linear(4 * size, size))
        self.dropout = Dropout(dropout)

    def forward(self, steps: Tensor, visible: Tensor) -> Tensor:
        """(B, T, D), (B, 1, T or 1, T) bool -> (B, T, D)."""
        shape = (*steps.shape[:2], 3, self.num_heads, -1)
        query, key, value = self.query_key_value(self.attention_norm(steps)).view(shape).permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=visible, dropout_p=rate)
        steps = steps + self.dropout(self.attended(mixed.transpose(1, 2).flatten(2)))
        return steps + self.dropout(self.dense(self.dense_norm(steps)))


class Transformer(nn.Module):
    """Embedding and positions, `num_layers` of self-attention, pooling (Vaswani et al., 2017), normalised first.

    `causal_attention` hides the future from every step.
    """

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        causal_attention: bool = False,
        pooling: str = "max-mean",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        dropout: float = 0.1,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        if hidden_size % num_heads or hidden_size % 2:
            raise ValueError(f"hidden_size must be even and a multiple of num_heads, got {hidden_size} and {num_heads}")
        self.inputs = StepInputs(
            spec, inputs=inputs, embedding_size=embedding_size, word_dropout=word_dropout, dropout=embedding_dropout
        )
        self.input = InputLinear(self.inputs.output_size, hidden_size)
        self.layers = nn.ModuleList(Layer(hidden_size, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size)
        self.causal = causal_attention
        self.pooling = Pooling(hidden_size, pooling)
        self.summary_dropout = Dropout(summary_dropout)
        self.output_size = self.pooling.output_size

    @property
    def embedding(self) -> nn.Embedding | None:
        return self.inputs.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T) ids or (B, T, C) values, (B,) -> steps (B, T, H), summary (B, output_size)."""
        steps = self.input(self.inputs(inputs, lengths))  # (B, T, H)
        inside = step_mask(steps, lengths)
        steps = steps + positions(steps.shape[1], steps.shape[2], steps)
        visible = inside[:, None, None, :]
        if self.causal:
            visible = visible & torch.ones(2 * steps.shape[1:2], dtype=torch.bool, device=steps.device).tril()
        for layer in self.layers:
            steps = layer(steps, visible)
        steps = self.norm(steps).masked_fill(~inside[..., None], 0.0)
        return Encoded(steps, self.summary_dropout(self.pooling(steps, lengths)))
