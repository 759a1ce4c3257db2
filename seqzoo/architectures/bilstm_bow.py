"""Bidirectional LSTM and a bag of n-grams side by side, one head over both."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seqzoo.architectures.bilstm import BiLSTM
from seqzoo.architectures.bow import BagOfWords
from seqzoo.layers.pooling import ends
from seqzoo.specs import Encoded, TextSpec

__all__ = ["BiLSTMBow"]


class BiLSTMBow(nn.Module):
    """`bilstm` reads order and `bow` counts evidence; their summaries stand next to each other, so the head adds both votes.

    The vocabulary is the bag's. The LSTM knows its `embedded_words` most frequent words, others are the unknown word to
    it, and reads at most `recurrent_tokens` of a text (0: all), both `ends` or the `start`, while the bag reads all. The
    bag's column count, `bag_size`, is 1 for two classes and the number of classes for more. Other arguments as in
    `bilstm` and `bow`; an ensemble of the two (Mesnil et al., 2015) in one checkpoint.
    """

    parts = ("bilstm", "bow")  # in the order of the summary

    def __init__(
        self,
        spec: TextSpec,
        *,
        embedded_words: int = 20_000,
        recurrent_tokens: int = 0,
        recurrent_keep: str = "ends",
        embedding_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        pooling: str = "max-mean",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        summary_dropout: float = 0.0,
        ngrams: int = 3,
        max_features: int = 20_000,
        min_documents: int = 2,
        weighting: str = "naive-bayes",
        idf_power: float = 1.0,
        sublinear: bool = False,
        normalise: bool = False,
        bag_size: int = 1,
        feature_dropout: float = 0.0,
    ):
        super().__init__()
        if embedded_words < 3:
            raise ValueError(f"embedded_words must be at least 3, got {embedded_words}")
        if recurrent_tokens < 0:
            raise ValueError(f"recurrent_tokens must be at least 0, got {recurrent_tokens}")
        if recurrent_keep not in ("ends", "start"):
            raise ValueError(f"recurrent_keep must be ends or start, got {recurrent_keep!r}")
        self.recurrent_tokens, self.recurrent_keep, self.unknown_index = recurrent_tokens, recurrent_keep, spec.unknown_index
        self.embedded_words = min(embedded_words, spec.vocab_size)
        self.bilstm = BiLSTM(
            spec._replace(vocab_size=self.embedded_words),
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            pooling=pooling,
            word_dropout=word_dropout,
            embedding_dropout=embedding_dropout,
            recurrent_dropout=recurrent_dropout,
            dropout=dropout,
            summary_dropout=summary_dropout,
        )
        self.bow = BagOfWords(
            spec,
            ngrams=ngrams,
            max_features=max_features,
            min_documents=min_documents,
            weighting=weighting,
            idf_power=idf_power,
            sublinear=sublinear,
            normalise=normalise,
            hidden_size=bag_size,
            feature_dropout=feature_dropout,
        )
        self.output_size = self.bilstm.output_size + self.bow.output_size

    @property
    def embedding(self) -> nn.Embedding:
        return self.bilstm.embedding

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T) token ids, (B,) -> summary (B, output_size): the LSTM's, then the bag's; no steps."""
        bag = self.bow(inputs, lengths).summary
        words = inputs.masked_fill(inputs >= self.embedded_words, self.unknown_index)
        if self.recurrent_tokens and self.recurrent_keep == "ends":
            words, lengths = ends(words, lengths, self.recurrent_tokens)
        elif self.recurrent_tokens:
            words, lengths = words[:, : self.recurrent_tokens], lengths.clamp(max=self.recurrent_tokens)
        return Encoded(None, torch.cat([self.bilstm(words, lengths).summary, bag.float()], 1))

    def initialise_head(self, head: nn.Linear) -> None:
        """The bag starts as a classifier: its columns count for their class (two classes: half the sum each way)."""
        columns, classes = self.bow.output_size, head.out_features
        if columns == (1 if classes == 2 else classes):
            with torch.no_grad():
                head.weight[:, -columns:] = torch.tensor([[-0.5], [0.5]]) if classes == 2 else torch.eye(classes)

    def fit_statistics(self, documents: Sequence[np.ndarray], targets: np.ndarray, n_classes: int) -> None:
        """The bag's n-grams and their weights, as `bow` fits them."""
        self.bow.fit_statistics(documents, targets, n_classes)
