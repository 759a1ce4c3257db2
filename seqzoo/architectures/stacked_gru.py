"""Two GRU layers, one above the other, with dropout between."""

from seqzoo.layers import recurrent
from seqzoo.layers.encoder import RecurrentEncoder
from seqzoo.specs import SeriesSpec, TextSpec

__all__ = ["StackedGRU"]


class StackedGRU(RecurrentEncoder):
    """`gru` with two layers.

    Arguments as in RecurrentEncoder.
    """

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 2,
        bidirectional: bool = False,
        reverse: bool = False,
        pooling: str = "last",
        initialisation: str = "uniform",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.3,
        summary_dropout: float = 0.0,
    ):
        super().__init__(
            spec,
            recurrent.GRU,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            reverse=reverse,
            pooling=pooling,
            initialisation=initialisation,
            word_dropout=word_dropout,
            embedding_dropout=embedding_dropout,
            recurrent_dropout=recurrent_dropout,
            dropout=dropout,
            summary_dropout=summary_dropout,
        )
