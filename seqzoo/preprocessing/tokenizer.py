"""Text to token ids, on Hugging Face `tokenizers`: fitted once on training texts, stored as `tokenizer.json`."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

__all__ = ["PAD", "TOKENS", "UNKNOWN", "HashedWords", "Tokenizer", "check_keep", "check_tokens", "fit_tokenizer", "truncate"]

PAD, UNKNOWN = "[PAD]", "[UNK]"
BREAK = r"<br\s*/?>"
WORD = r"\w+(?:['’]\w+)*|[!?]+|\.{2,}|[^\w\s]"  # a word with its apostrophes, a run of ! ? or dots, any other sign
TOKENS = ("words", "characters", "hashed-words")
BARE = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "post_processor": None, "decoder": None}
STEPS = [  # of normalising that our files may name
    {"type": "Replace", "pattern": {"Regex": BREAK}, "content": " "},
    {"type": "Lowercase"},
    {"type": "NFC"},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Strip", "strip_left": True, "strip_right": True},
]
SPLIT = {"type": "Split", "pattern": {"Regex": WORD}, "behavior": "Removed", "invert": True}
WORDS = {"type": "WordLevel", "unk_token": UNKNOWN}
SIGNS = {
    "type": "BPE",
    "dropout": None,
    "unk_token": UNKNOWN,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
    "merges": [],
}
MAX_VOCABULARY = 1 << 21  # three word ids then fit one 63-bit key (layers/ngrams.py)


class Tokenizer:
    """Words or characters as ids; index 0 is padding, index 1 everything outside the vocabulary.

    HTML line breaks count as white space. Among words, punctuation makes tokens of its own; among characters, a run of
    white space is one space, and none stands at a text's ends. The file format is that of
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
        _check_vocabulary(vocab_size)
        backend = _word_backend(lowercase)
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
    def fit_characters(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int = 20_000,
        min_frequency: int = 2,
        lowercase: bool = True,
    ) -> "Tokenizer":
        """Vocabulary of the `vocab_size` most frequent characters of NFC-normalised text, counted as `fit` counts words.

        Raises ValueError where `vocab_size` is out of `fit`'s range, or where no character is frequent enough.
        """
        _check_vocabulary(vocab_size)
        normalizer = normalizers.Sequence(
            [
                normalizers.Replace(Regex(BREAK), " "),
                *([normalizers.Lowercase()] if lowercase else []),
                normalizers.NFC(),
                normalizers.Replace(Regex(r"\s+"), " "),
                normalizers.Strip(),
            ]
        )
        counts = Counter(sign for text in texts for sign in normalizer.normalize_str(text))
        frequent = [sign for sign, count in counts.items() if count >= min_frequency]
        if not frequent:
            raise ValueError(f"no character stands {min_frequency} times in the training texts; lower min_frequency")
        kept = [PAD, UNKNOWN, *sorted(frequent, key=lambda sign: (-counts[sign], sign))][:vocab_size]
        # Byte-pair encoding without any merge leaves characters, several times faster than splitting them apart.
        backend = tokenizers.Tokenizer(models.BPE({sign: index for index, sign in enumerate(kept)}, [], unk_token=UNKNOWN))
        backend.normalizer = normalizer
        return cls(backend)

    @classmethod
    def from_json(cls, text: str, *, hash_buckets: int | None = None) -> "Tokenizer":
        """Read `tokenizer.json`'s content; `hash_buckets` is what its `settings` were, None but for hashed words.

        Raises ValueError where it is not one of ours.
        """
        try:
            told = json.loads(text)
            _check_plain(told)
            backend = tokenizers.Tokenizer.from_str(json.dumps(told))  # what was checked, and nothing read otherwise
        except Exception as error:  # tokenizers raises bare Exception
            raise ValueError(f"tokenizer: not a tokenizers file of ours ({error})") from None
        return cls(backend) if hash_buckets is None else HashedWords(backend, hash_buckets)

    @classmethod
    def from_checkpoint(cls, text: str, preprocessing: Mapping[str, Any]) -> tuple["Tokenizer", dict[str, Any]]:
        """`from_json` with its settings out of a checkpoint's `preprocessing`, and what else stands there."""
        settings = {key: value for key, value in preprocessing.items() if key == "hash_buckets"}
        return cls.from_json(text, **settings), {key: preprocessing[key] for key in preprocessing if key not in settings}

    @property
    def settings(self) -> dict[str, int]:
        """What `tokenizer.json` cannot hold, for `from_json`; nothing but for hashed words."""
        return {}

    def to_json(self) -> str:
        return self.backend.to_str()

    def __len__(self) -> int:
        return self.backend.get_vocab_size()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and (self.to_json(), self.settings) == (other.to_json(), other.settings)

    __hash__ = None  # ty: mutable backend

    @property
    def words(self) -> list[str]:
        """All entries by index."""
        vocabulary = self.backend.get_vocab()
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids of each text, int32, untruncated; a text without a word gives an empty array."""
        _check_texts(texts)
        try:
            encodings = self.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        except (UnicodeEncodeError, TypeError) as error:
            raise _not_unicode(error) from None
        return [np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings]

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The words (or characters) of each text as the vocabulary sees them, unknown ones spelled out."""
        normalise = self.backend.normalizer.normalize_str
        if self.backend.pre_tokenizer is None:
            return [list(normalise(text)) for text in texts]
        splitter = self.backend.pre_tokenizer.pre_tokenize_str
        return [[word for word, _ in splitter(normalise(text))] for text in texts]


class HashedWords(Tokenizer):
    """Words by the hashing trick (Weinberger et al., 2009): a word's id is 2 + hash(word) mod `hash_buckets`.

    There is no vocabulary to fit or to keep: every word has an id, which some share. The hash is BLAKE2b, the same on every
    machine. `tokenizer.json` says how texts become words; the number of buckets is kept in the checkpoint's `config.json`.
    """

    def __init__(self, backend: tokenizers.Tokenizer, hash_buckets: int):
        super().__init__(backend)
        if type(hash_buckets) is not int or not 1 <= hash_buckets <= MAX_VOCABULARY - 2:
            raise ValueError(f"hash_buckets must be a whole number from 1 to {MAX_VOCABULARY - 2}, got {hash_buckets!r}")
        if backend.pre_tokenizer is None or backend.normalizer is None:
            raise ValueError("tokenizer: hash_buckets is for words, and this tokenizer has no words")
        self.hash_buckets = hash_buckets

    @classmethod
    def of_size(cls, vocab_size: int, *, lowercase: bool = True) -> "HashedWords":
        """Of `vocab_size` ids, padding and unknown included; ValueError where that is out of `fit`'s range."""
        _check_vocabulary(vocab_size)
        backend = _word_backend(lowercase)
        backend.model = models.WordLevel({PAD: cls.pad_index, UNKNOWN: cls.unknown_index}, unk_token=UNKNOWN)
        return cls(backend, vocab_size - 2)

    @property
    def settings(self) -> dict[str, int]:
        """The number of buckets."""
        return {"hash_buckets": self.hash_buckets}

    def __len__(self) -> int:
        return self.hash_buckets + 2

    @property
    def words(self) -> list[str]:
        """ValueError: what a hashed id was spelt like is not known."""
        raise ValueError("hashed words have no vocabulary that could be listed or given word vectors; use tokens='words'")

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids of each text, int32, untruncated; a text without a word gives an empty array."""
        _check_texts(texts)
        ids: dict[str, int] = {}
        encoded = []
        try:
            split = self.split(texts)
        except (UnicodeEncodeError, TypeError) as error:
            raise _not_unicode(error) from None
        for words in split:
            for word in words:
                if word not in ids:
                    digest = hashlib.blake2b(word.encode("utf-8"), digest_size=8).digest()
                    ids[word] = 2 + int.from_bytes(digest, "little") % self.hash_buckets
            encoded.append(np.array([ids[word] for word in words], dtype=np.int32))
        return encoded


def fit_tokenizer(tokens: str, texts: Iterable[str], *, vocab_size: int, min_frequency: int) -> Tokenizer:
    """A tokenizer of lower-cased `words`, `characters` or `hashed-words`, fitted on training texts.

    Raises ValueError for another name; for hashed words too unless `min_frequency` is 1, since they count nothing.
    """
    check_tokens(tokens, min_frequency)
    if tokens == "hashed-words":
        return HashedWords.of_size(vocab_size)
    fit = Tokenizer.fit_characters if tokens == "characters" else Tokenizer.fit
    return fit(texts, vocab_size=vocab_size, min_frequency=min_frequency)


def check_tokens(tokens: object, min_frequency: int) -> None:
    """ValueError unless `tokens` is one of TOKENS and `min_frequency` can be meant with it."""
    if tokens not in TOKENS:
        raise ValueError(f"tokens must be one of {', '.join(TOKENS)}, got {tokens!r}")
    if tokens == "hashed-words" and min_frequency != 1:
        raise ValueError(f"hashed words are not counted: min_frequency must be 1 for them, got {min_frequency}")


def _check_plain(told: Any) -> None:
    """ValueError unless a tokenizer's JSON is one that we write: a foreign pattern could take for ever on a text."""
    if not isinstance(told, dict) or set(told) != {*BARE, "normalizer", "pre_tokenizer", "model"}:
        raise ValueError(f"it must give {', '.join((*BARE, 'normalizer', 'pre_tokenizer', 'model'))} and no more")
    normalizer, model = told["normalizer"], told["model"]
    steps = normalizer.get("normalizers") if isinstance(normalizer, dict) and normalizer.get("type") == "Sequence" else None
    if not isinstance(steps, list) or len(steps) > len(STEPS) or not all(step in STEPS for step in steps):
        raise ValueError("its normalizer is none of ours")
    if told["pre_tokenizer"] not in (None, SPLIT):
        raise ValueError("its pre_tokenizer is none of ours")
    for key, value in BARE.items():
        if told[key] != value:
            raise ValueError(f"its {key} must be {value!r}")
    if not isinstance(model, dict) or {key: value for key, value in model.items() if key != "vocab"} not in (WORDS, SIGNS):
        raise ValueError("its model is none of ours")
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not 2 <= len(vocabulary) <= MAX_VOCABULARY:
        raise ValueError(f"its vocabulary must have from 2 to {MAX_VOCABULARY} entries")
    indices = list(vocabulary.values())
    if set(map(type, indices)) != {int} or sorted(indices) != list(range(len(indices))):
        raise ValueError("its vocabulary must number its entries from 0 on, each once")


def _check_vocabulary(size: int) -> None:
    if not 3 <= size <= MAX_VOCABULARY:
        raise ValueError(f"vocab_size must be from 3 to {MAX_VOCABULARY}, got {size}")


def _check_texts(texts: Sequence[str]) -> None:
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position} must be a str, got {type(text).__name__}")


def _not_unicode(error: Exception) -> ValueError:
    return ValueError(f"a text is not valid Unicode (a lone surrogate?): {error}")


def _word_backend(lowercase: bool) -> tokenizers.Tokenizer:
    """From text to words; its vocabulary is empty."""
    backend = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    steps = [normalizers.Replace(Regex(BREAK), " ")]
    if lowercase:
        steps.append(normalizers.Lowercase())
    backend.normalizer = normalizers.Sequence(steps)
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    return backend


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
