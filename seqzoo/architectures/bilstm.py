"""Bidirectional LSTM over word embeddings, pooled over time."""

from seqzoo.layers import recurrent
from seqzoo.layers.encoder import RecurrentEncoder
from seqzoo.specs import SeriesSpec, TextSpec

__all__ = ["BiLSTM"]


class BiLSTM(RecurrentEncoder):
    """`lstm` in both directions (Schuster and Paliwal, 1997), with maximum and mean over time.

    Arguments as in RecurrentEncoder.
    """

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        pooling: str = "max-mean",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__(
            spec,
            recurrent.LSTM,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            pooling=pooling,
            word_dropout=word_dropout,
            embedding_dropout=embedding_dropout,
            recurrent_dropout=recurrent_dropout,
            dropout=dropout,
            summary_dropout=summary_dropout,
            bidirectional=True,
        )
