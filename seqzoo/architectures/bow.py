"""Bag of words or characters: n-grams, multi-hot, counted, TF-IDF or naive-Bayes weighted."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seqzoo.layers.dropout import Dropout
from seqzoo.layers.ngrams import NGramTable, WordTable, counted_per_row, unique_per_row
from seqzoo.specs import Encoded, TextSpec

__all__ = ["BagOfWords"]

WEIGHTINGS = ("multi-hot", "count", "tf-idf", "naive-bayes")
COUNTING = ("count", "tf-idf")
STARTS = ("random", "complement-naive-bayes")


class BagOfWords(nn.Module):
    """Sum of one vector per n-gram in the text; no order beyond the n-gram, and no state.

    With `activation="none"` network and head together are a linear classifier of the bag: `hidden_size=1` for two
    classes, at least the number of classes for more. With `activation="relu"` they are a perceptron with one hidden
    layer. `fit_statistics` chooses the n-grams and fits their weights, on training texts, once, before training.

    - `multi-hot`: 1 for each n-gram present; `count`: how often it stands.
    - `tf-idf`: count times log(N / n_i), N texts of which n_i hold the n-gram.
    - `naive-bayes`: presence times the log-count ratio of the classes (Wang and Manning, 2012, equation 2); one column
      for two classes, else one column per class against the rest, for which `hidden_size` must be the number of classes.

    `sublinear` counts an n-gram that stands f times as 1 + log f; `normalise` divides a text's feature vector by its
    Euclidean length, so that long texts weigh no more than short ones. On long messages both together are worth points.
    `idf_power` is the exponent of log(N / n_i) in `tf-idf`: above 1, rare n-grams count for still more.

    Of a network that reads characters, `word_features` adds so many runs of one to `word_ngrams` words beside the runs of
    characters; `normalise` then gives both the same length. `start="complement-naive-bayes"` lets the weights start as
    those of Rennie et al. (2003, equation 6) with `smoothing`, times `start_scale`, where they would else be near 0.
    """

    def __init__(
        self,
        spec: TextSpec,
        *,
        ngrams: int = 1,
        max_features: int = 20_000,
        min_documents: int = 2,
        weighting: str = "multi-hot",
        smoothing: float = 1.0,
        idf_power: float = 1.0,
        sublinear: bool = False,
        normalise: bool = False,
        hidden_size: int = 1,
        activation: str = "none",
        feature_dropout: float = 0.0,
        dropout: float = 0.0,
        word_features: int = 0,
        word_ngrams: int = 1,
        start: str = "random",
        start_scale: float = 1.0,
    ):
        super().__init__()
        if word_features < 0:
            raise ValueError(f"word_features must be at least 0, got {word_features}")
        if start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, got {start!r}")
        if start != "random" and (activation != "none" or weighting == "naive-bayes"):
            raise ValueError(f"start={start!r} needs activation none and a weighting other than naive-bayes")
        if weighting not in WEIGHTINGS:
            raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
        if activation not in ("none", "relu"):
            raise ValueError(f"activation must be none or relu, got {activation!r}")
        if hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, got {hidden_size}")
        if not 0.0 <= feature_dropout < 1.0:
            raise ValueError(f"feature_dropout must be at least 0 and below 1, got {feature_dropout}")
        if sublinear and weighting not in COUNTING:
            raise ValueError(f"sublinear needs a weighting that counts ({' or '.join(COUNTING)}), got {weighting!r}")
        self.weighting, self.smoothing, self.min_documents = weighting, smoothing, min_documents
        if idf_power <= 0.0 or (idf_power != 1.0 and weighting != "tf-idf"):
            raise ValueError(f"idf_power must be above 0, and 1 unless weighting is tf-idf, got {idf_power}")
        self.idf_power, self.sublinear, self.normalise = idf_power, sublinear, normalise
        self.activation, self.feature_dropout, self.output_size = activation, feature_dropout, hidden_size
        self.table = NGramTable(
            spec.vocab_size, ngrams, max_features, pad_index=spec.pad_index, unknown_index=spec.unknown_index
        )
        self.words = WordTable(spec.vocab_size, word_ngrams, word_features) if word_features else None
        self.start, self.start_scale = start, start_scale
        columns = hidden_size if weighting == "naive-bayes" else 1
        self.register_buffer("scale", torch.zeros(max_features + word_features + 1, columns))
        self.weight = nn.Parameter(torch.empty(max_features + word_features + 1, hidden_size))
        if weighting == "naive-bayes":
            nn.init.constant_(self.weight, 0.05)  # every n-gram counts by its ratio alone: training starts at naive Bayes
        else:
            nn.init.normal_(self.weight, std=0.01)
        self.dropout = Dropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Encoded:
        """(B, T) token ids, (B,) -> summary (B, hidden_size); no steps."""
        vectors = self.weight * self.scale
        summary = sum(self._family(features, vectors) for features in self._features(inputs))
        if self.activation == "relu":
            summary = summary.relu()
        return Encoded(None, self.dropout(summary))

    @torch.no_grad()
    def _features(self, inputs: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """Per family (characters or words in a row; words read off characters): features (B, N), their counts or None."""
        families = [self.table(inputs)]
        if self.words is not None:
            found = self.words(inputs)
            families.append(torch.where(found > 0, found + self.table.size, 0))
        return [self._counted(features) for features in families]

    def _counted(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        counts = None
        if self.weighting not in COUNTING:
            features = unique_per_row(features)
        elif self.sublinear or self.normalise:
            features, counts = counted_per_row(features)
            counts = 1.0 + counts.log() if self.sublinear else counts
        if self.training and self.feature_dropout:
            features = features.masked_fill(torch.rand(features.shape, device=features.device) < self.feature_dropout, 0)
        return features, counts

    def _family(self, found: tuple[Tensor, Tensor | None], vectors: Tensor) -> Tensor:
        """(B, hidden_size): the sum of the features' vectors, of length 1 where texts are normalised."""
        features, counts = found
        summary = self._sum(features, vectors, counts)
        if not self.normalise:
            return summary / (1.0 - self.feature_dropout if self.training else 1.0)
        return summary / self._length(features, counts)

    @torch.no_grad()
    def _length(self, features: Tensor, counts: Tensor | None) -> Tensor:
        """(B, 1) or (B, columns): the Euclidean length of each text's feature vector."""
        squares = self._sum(features, self.scale.square(), None if counts is None else counts.square())
        return squares.sqrt().clamp(min=1e-6)

    @staticmethod
    def _sum(features: Tensor, vectors: Tensor, counts: Tensor | None) -> Tensor:
        """(B, N) features, one vector for each -> (B, vector size), each counted `counts` (B, N) times, or once."""
        counts = None if counts is None else counts.to(vectors.dtype)
        return nn.functional.embedding_bag(features, vectors, mode="sum", padding_idx=0, per_sample_weights=counts)

    def initialise_head(self, head: nn.Linear) -> None:
        """Without activation, and with one column per class (one for two classes), the head's weights stay 1 and 0.

        Two classes: half the sum against its negative. The vectors alone are then the classifier's weights, so that
        training starts at naive Bayes and weight decay falls on them.
        """
        classes = head.out_features
        if self.activation != "none" or self.output_size != (1 if classes == 2 else classes):
            return
        fixed = torch.tensor([[-0.5], [0.5]]) if classes == 2 else torch.eye(classes)
        with torch.no_grad():
            head.weight.copy_(fixed)
            head.bias.zero_()
        head.weight.requires_grad_(False)

    @property
    def needs_vocabulary(self) -> bool:
        """Whether `fit_statistics` must be told how the tokens are spelt."""
        return self.words is not None

    def fit_statistics(
        self,
        documents: Sequence[np.ndarray],
        targets: np.ndarray,
        n_classes: int,
        vocabulary: Sequence[str] | None = None,
    ) -> None:
        """Choose the `max_features` n-grams found in most texts (at least `min_documents`) and fit their weights.

        documents: token ids of each training text; targets: (N,) class of each, or (N, n_classes) of 0 and 1; vocabulary:
        the tokens by index, for `word_features`. Raises ValueError where no n-gram is frequent enough, or `hidden_size`
        does not suit naive Bayes, or the vocabulary is missing or does not suit.
        """
        targets, scale, first = np.asarray(targets), torch.zeros_like(self.scale), 1
        if self.words is not None:
            if vocabulary is None:
                raise ValueError("word_features are read off characters: fit_statistics needs their vocabulary")
            self.words.read_off(vocabulary)
        for table in (self.table, *([] if self.words is None else [self.words])):
            keys, feature, owners = table.count(documents)
            frequency = np.bincount(feature, minlength=len(keys))  # texts that hold each n-gram
            enough = np.flatnonzero(frequency >= self.min_documents)
            if not len(enough):
                raise ValueError(f"no n-gram stands in {self.min_documents} training texts; lower min_documents")
            order = np.argsort(-frequency[enough], kind="stable")[: table.size]
            kept = np.sort(enough[order])
            table.fill(keys[kept])
            scale[first : first + len(kept)] = torch.from_numpy(
                self._weights(feature, owners, kept, frequency, targets, n_classes, len(documents))
            ).to(scale)
            first += table.size
        self.scale.copy_(scale)
        if self.start == "complement-naive-bayes":
            self._start(documents, targets, n_classes)

    @torch.no_grad()
    def _start(self, documents: Sequence[np.ndarray], targets: np.ndarray, n_classes: int) -> None:
        """Weights of complement naive Bayes: minus the log share of each feature in the texts of all other classes."""
        needed = 1 if n_classes == 2 and targets.ndim == 1 else n_classes
        if self.output_size != needed or targets.ndim != 1:
            raise ValueError(f"complement-naive-bayes is for texts of one label each and needs hidden_size={needed} here")
        training, self.training = self.training, False  # all features
        totals = np.zeros(len(self.weight) * n_classes)
        for document, target in zip(documents, targets.tolist(), strict=True):
            for features, counts in self._features(torch.from_numpy(document.astype(np.int64))[None]):
                values = self.scale[features[0], 0] * (1.0 if counts is None else counts[0])
                values = values / self._length(features, counts)[0, 0] if self.normalise else values
                np.add.at(totals, features[0].numpy() * n_classes + target, values.double().numpy())
        self.training = training
        totals = torch.from_numpy(totals).view(-1, n_classes)
        rest = totals.sum(1, keepdim=True) - totals + self.smoothing
        weight = -(rest / rest.sum(0)).log()
        weight = weight[:, 1:] - weight[:, :1] if needed == 1 else weight - weight.mean(1, keepdim=True)
        self.weight.copy_((self.start_scale * weight).to(self.weight))

    def _weights(self, feature, owners, kept, frequency, targets, n_classes, n_documents) -> np.ndarray:
        """(K, columns): what presence or count of each kept n-gram is multiplied by."""
        if self.weighting in ("multi-hot", "count"):
            return np.ones((len(kept), 1))
        if self.weighting == "tf-idf":
            return np.log(n_documents / frequency[kept])[:, None] ** self.idf_power
        columns, several = self.scale.shape[1], targets.ndim == 2
        needed = 1 if n_classes == 2 and not several else n_classes
        if columns != needed:
            raise ValueError(f"naive-bayes with {n_classes} classes needs hidden_size={needed}, got {columns}")
        ratios = []
        for label in range(1, 2) if needed == 1 else range(n_classes):
            member = targets[:, label] == 1 if several else targets == label
            inside = np.bincount(feature, weights=member[owners], minlength=len(frequency))[kept]
            outside = frequency[kept] - inside
            p, q = inside + self.smoothing, outside + self.smoothing
            ratios.append(np.log(p / p.sum()) - np.log(q / q.sum()))  # r of equation 2
        return np.stack(ratios, 1)

    @property
    def is_fitted(self) -> bool:
        return bool(self.scale.any())
