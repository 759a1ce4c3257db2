"""Text to token ids, on Hugging Face `tokenizers`: fitted once on training texts, stored as `tokenizer.json`."""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

__all__ = ["PAD", "UNKNOWN", "Tokenizer", "check_keep", "truncate"]

PAD, UNKNOWN = "[PAD]", "[UNK]"
WORD = r"\w+(?:['’]\w+)*|[!?]+|\.{2,}|[^\w\s]"  # a word with its apostrophes, a run of ! ? or dots, any other sign
MAX_VOCABULARY = 1 << 21  # three word ids then fit one 63-bit key (layers/ngrams.py)


class Tokenizer:
    """Words of lower-cased text as ids; index 0 is padding, index 1 every word outside the vocabulary.

    HTML line breaks count as white space; punctuation makes tokens of its own. The file format is that of
    `tokenizers.Tokenizer`, so every tool that reads `tokenizer.json` reads ours.
    """

    pad_index, unknown_index = 0, 1

    def __init__(self, backend: tokenizers.Tokenizer):
        for index, token in enumerate((PAD, UNKNOWN)):
            if backend.token_to_id(token) != index:
                raise ValueError(f"tokenizer: {token} must have index {index}, got {backend.token_to_id(token)}")
        self.backend = backend

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int = 20_000,
        min_frequency: int = 2,
        lowercase: bool = True,
    ) -> "Tokenizer":
        """Vocabulary of the `vocab_size` most frequent words (padding and unknown included) seen `min_frequency` times.

        Raises ValueError where `vocab_size` is below 3 or above 2,097,152, or where no word is frequent enough.
        """
        if not 3 <= vocab_size <= MAX_VOCABULARY:
            raise ValueError(f"vocab_size must be from 3 to {MAX_VOCABULARY}, got {vocab_size}")
        backend = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        steps = [normalizers.Replace(Regex(r"<br\s*/?>"), " ")]
        if lowercase:
            steps.append(normalizers.Lowercase())
        backend.normalizer = normalizers.Sequence(steps)
        backend.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
        trainer = trainers.WordLevelTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=[PAD, UNKNOWN],
            show_progress=False,
        )
        backend.train_from_iterator(iter(texts), trainer)
        if backend.get_vocab_size() < 3:
            raise ValueError(f"no word stands {min_frequency} times in the training texts; lower min_frequency")
        # The specials are entries of the vocabulary, not markers: a text that spells "[PAD]" must not make padding.
        stored = json.loads(backend.to_str())
        stored["added_tokens"] = []
        return cls.from_json(json.dumps(stored, ensure_ascii=False))

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """Read `tokenizer.json`'s content; ValueError where it is not one of ours."""
        try:
            backend = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # tokenizers raises bare Exception
            raise ValueError(f"tokenizer: not a tokenizers file ({error})") from None
        return cls(backend)

    def to_json(self) -> str:
        return self.backend.to_str()

    def __len__(self) -> int:
        return self.backend.get_vocab_size()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.to_json() == other.to_json()

    __hash__ = None  # ty: mutable backend

    @property
    def words(self) -> list[str]:
        """All entries by index."""
        vocabulary = self.backend.get_vocab()
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids of each text, int32, untruncated; a text without a word gives an empty array."""
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"text {position} must be a str, got {type(text).__name__}")
        try:
            encodings = self.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        except (UnicodeEncodeError, TypeError) as error:
            raise ValueError(f"a text is not valid Unicode (a lone surrogate?): {error}") from None
        return [np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings]

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text as the vocabulary sees them, unknown ones spelled out."""
        splitter = self.backend.pre_tokenizer.pre_tokenize_str
        normalise = self.backend.normalizer.normalize_str
        return [[word for word, _ in splitter(normalise(text))] for text in texts]


def check_keep(keep: object) -> None:
    """ValueError unless `keep` is `start`, `end` or `ends`."""
    if keep not in ("start", "end", "ends"):
        raise ValueError(f"keep must be 'start', 'end' or 'ends', got {keep!r}")


def truncate(tokens: np.ndarray, max_tokens: int, keep: str = "ends") -> np.ndarray:
    """At most `max_tokens` of a sequence: its `start`, its `end`, or both `ends` (half each)."""
    check_keep(keep)
    if len(tokens) <= max_tokens:
        return tokens
    head = {"start": max_tokens, "end": 0, "ends": (max_tokens + 1) // 2}[keep]
    return np.concatenate([tokens[:head], tokens[len(tokens) - (max_tokens - head) :]])
