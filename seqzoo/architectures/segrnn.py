"""SegRNN: a GRU over segments of each channel, all segments ahead decoded at once (Lin et al., 2023)."""

import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.forecasting import check_forecast
from seqzoo.specs import SeriesSpec

__all__ = ["SegRNN"]


class SegRNN(nn.Module):
    """Lin et al. (2023), "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series Forecasting".

    Shapes: B batch, C channels, w `segment_length`, n = L / w segments read, m = H / w ahead, d `hidden_size`. Weights are
    shared by the channels; an embedding of the channel and of the segment's position tells the decoder what is asked.
    """

    gives = "forecast"

    def __init__(self, spec: SeriesSpec, *, segment_length: int = 24, hidden_size: int = 512, dropout: float = 0.1):
        super().__init__()
        check_forecast(spec)
        if segment_length < 1:
            raise ValueError(f"segment_length must be at least 1 step, got {segment_length}")
        for name, value in (("context_length", spec.context_length), ("horizon", spec.horizon)):
            if value % segment_length:
                raise ValueError(f"{name} must be a multiple of segment_length = {segment_length}, got {value} steps")
        if hidden_size < 2 or hidden_size % 2:
            raise ValueError(f"hidden_size must be even, half for position and half for channel, got {hidden_size}")
        self.segment_length, ahead = segment_length, spec.horizon // segment_length
        self.project = nn.Linear(segment_length, hidden_size)
        self.recurrence = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.position = nn.Parameter(torch.randn(ahead, hidden_size // 2))
        self.channel = nn.Parameter(torch.randn(spec.n_channels, hidden_size // 2))
        self.dropout = Dropout(dropout)
        self.predict = nn.Linear(hidden_size, segment_length)

    def forward(self, past: Tensor) -> Tensor:
        """(B, L, C) -> (B, H, C), both in the units of the input."""
        last = past[:, -1:].detach()  # (B, 1, C)
        segments = (past - last).mT.unflatten(2, (-1, self.segment_length))  # (B, C, n, w)
        _, hidden = self.recurrence(self.project(segments.flatten(0, 1)).relu())  # (1, B C, d)
        decoded = self._decode(hidden[0].unflatten(0, segments.shape[:2]))  # (B, C, m, d)
        return self.predict(self.dropout(decoded)).flatten(2).mT.float() + last

    def _decode(self, hidden: Tensor) -> Tensor:
        """(B, C, d) -> (B, C, m, d): one step of the GRU from the same state for each segment ahead.

        What the embeddings contribute is the same in all sequences and what the state contributes in all segments, so each
        is computed once and they meet in the gates.
        """
        gru = self.recurrence
        positions, channels = len(self.position), len(self.channel)
        asked = torch.cat(  # (C, m, d)
            [self.position.expand(channels, -1, -1), self.channel[:, None].expand(-1, positions, -1)], -1
        )
        reset, update, new = nn.functional.linear(asked, gru.weight_ih_l0, gru.bias_ih_l0).chunk(3, -1)
        hidden = hidden[:, :, None]  # (B, C, 1, d)
        past_reset, past_update, past_new = nn.functional.linear(hidden, gru.weight_hh_l0, gru.bias_hh_l0).chunk(3, -1)
        update = (update + past_update).sigmoid()
        new = (new + (reset + past_reset).sigmoid() * past_new).tanh()
        return (1 - update) * new + update * hidden
