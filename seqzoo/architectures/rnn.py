"""Simple recurrent network (Elman)."""

from seqzoo.layers import recurrent
from seqzoo.layers.encoder import RecurrentEncoder
from seqzoo.specs import SeriesSpec, TextSpec

__all__ = ["RNN"]


class RNN(RecurrentEncoder):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh) (Elman, 1990), in any number of layers.

    Arguments as in RecurrentEncoder.
    """

    def __init__(
        self,
        spec: TextSpec | SeriesSpec,
        *,
        inputs: str = "embedding",
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        reverse: bool = False,
        pooling: str = "last",
        padded_length: int = 0,
        initialisation: str = "uniform",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        summary_dropout: float = 0.0,
    ):
        super().__init__(
            spec,
            recurrent.RNN,
            inputs=inputs,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            reverse=reverse,
            pooling=pooling,
            padded_length=padded_length,
            initialisation=initialisation,
            word_dropout=word_dropout,
            embedding_dropout=embedding_dropout,
            recurrent_dropout=recurrent_dropout,
            dropout=dropout,
            summary_dropout=summary_dropout,
        )
