"""Fully convolutional network beside an LSTM."""

import torch
from torch import Tensor, nn

from seqzoo.architectures.fcn import FCN
from seqzoo.layers.dropout import Dropout
from seqzoo.layers.inputs import fit_length
from seqzoo.layers.pooling import last_step
from seqzoo.layers.recurrent import LSTM
from seqzoo.specs import Encoded, SeriesSpec

__all__ = ["LSTMFCN"]


class LSTMFCN(nn.Module):
    """`fcn` and an LSTM of `hidden_size` units, whose last state is dropped out; their summaries stand side by side.

    Karim et al. (2018), figure 2. With `dimension_shuffle` the LSTM reads channels as steps and steps as channels, as theirs
    does: of one channel, a single step of `context_length` values. `channels` as in `fcn`.
    """

    def __init__(
        self,
        spec: SeriesSpec,
        *,
        hidden_size: int = 8,
        dimension_shuffle: bool = False,
        channels: int = 128,
        dropout: float = 0.8,
        summary_dropout: float = 0.0,
    ):
        super().__init__()
        if hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, got {hidden_size}")
        self.dimension_shuffle, self.context_length = dimension_shuffle, spec.context_length
        self.fcn = FCN(spec, channels=channels)
        self.lstm = LSTM(spec.context_length if dimension_shuffle else spec.n_channels, hidden_size)
        self.dropout, self.summary_dropout = Dropout(dropout), Dropout(summary_dropout)
        self.output_size = self.fcn.output_size + hidden_size

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T, C), (B,) -> steps (B, T, output_size), none where shuffled; summary (B, output_size).

        ValueError for a series longer than context_length where shuffled.
        """
        convolved = self.fcn(inputs, lengths)
        if self.dimension_shuffle:
            channels = fit_length(inputs, lengths, self.context_length).mT  # (B, C, L): C steps
            read, _ = self.lstm(channels, lengths.new_full(lengths.shape, channels.shape[1]))
            steps, read = None, read[:, -1]
        else:
            read, _ = self.lstm(inputs, lengths)  # (B, T, H)
            steps, read = torch.cat([convolved.steps, self.dropout(read)], -1), last_step(read, lengths)
        summary = torch.cat([convolved.summary, self.dropout(read).float()], -1)
        return Encoded(steps, self.summary_dropout(summary))
