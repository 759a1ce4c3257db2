"""Word n-grams as features: a sorted table over word ids, looked up on any device."""

import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["NGramTable", "WordTable", "counted_per_row", "unique_per_row"]

EMPTY = torch.iinfo(torch.int64).max  # fills the table's tail where fewer n-grams were found than it has room for
LARGEST = 1 << 63  # n-grams are numbers of 63 bits
BASE, TWIST = 0x2545F4914F6CDD1D, 0x1CE4E5B9BF58476D  # odd, so that multiplying loses nothing modulo 2^64
SPACE, LETTER, SIGN = 0, 1, 2  # what a character is to words


class NGramTable(nn.Module):
    """The n-grams of orders 1 to `order` that were found worth knowing, as features 1 to `size`; 0 is none of them.

    An n-gram w1..wn is the number with digits w1..wn in base `vocab_size`; padding (0) never leads, so orders do not
    meet. N-grams that hold padding or the unknown word are no features. `vocab_size ** order` must fit 63 bits: trigrams
    of two million words, nonagrams of a hundred characters.
    """

    def __init__(self, vocab_size: int, order: int, size: int, *, pad_index: int = 0, unknown_index: int = 1):
        super().__init__()
        if order < 1:
            raise ValueError(f"ngrams must be at least 1, got {order}")
        if order > 63 or vocab_size**order > LARGEST:
            most = max(n for n in range(64) if vocab_size**n <= LARGEST)
            raise ValueError(
                f"n-grams up to order {order} over {vocab_size} tokens do not fit 63 bits; ngrams up to {most} do"
            )
        if size < 1:
            raise ValueError(f"max_features must be at least 1, got {size}")
        self.vocab_size, self.order, self.size = vocab_size, order, size
        self.outside = (pad_index, unknown_index)
        self.register_buffer("keys", torch.full((size,), EMPTY, dtype=torch.int64))

    def number(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, order): the n-gram that ends at each step, -1 where it leaves the text or the vocabulary."""
        known = torch.ones_like(tokens, dtype=torch.bool)
        for index in self.outside:
            known &= tokens != index
        number, complete, numbers = torch.zeros_like(tokens), torch.ones_like(known), []
        for back in range(self.order):
            shifted = nn.functional.pad(tokens, (back, 0))[:, : tokens.shape[1]]
            complete = complete & nn.functional.pad(known, (back, 0))[:, : tokens.shape[1]]
            number = number + shifted * self.vocab_size**back
            numbers.append(number.masked_fill(~complete, -1))
        return torch.stack(numbers, -1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 -> features (B, T * order) int64 from 0 (no known n-gram) to `size`."""
        return self.look_up(self.number(tokens).flatten(1))

    def look_up(self, numbers: Tensor) -> Tensor:
        """Features of these n-gram numbers, 0 for those that are not in the table."""
        place = torch.searchsorted(self.keys, numbers).clamp(max=self.size - 1)
        return torch.where(self.keys[place] == numbers, place + 1, 0)

    def count(self, documents: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which n-gram stands in which document: numbers (K,) sorted; pairs (P,) of an index into them and a document."""
        if not sum(map(len, documents)):
            raise ValueError("n-grams cannot be fitted on texts without words")
        gap = np.full(self.order, self.outside[0], np.int64)  # no n-gram crosses from one document into the next
        text = np.concatenate([part for document in documents for part in (document, gap)]).astype(np.int64)
        owners = np.repeat(np.arange(len(documents)), [len(document) + self.order for document in documents])
        numbers = self.number(torch.from_numpy(text)[None])[0].numpy()  # (tokens, order)
        found = numbers >= 0
        keys, features = np.unique(numbers[found], return_inverse=True)
        pairs = np.unique(features * len(documents) + np.broadcast_to(owners[:, None], found.shape)[found])
        return keys, pairs // len(documents), pairs % len(documents)

    def fill(self, keys: np.ndarray) -> None:
        """Take these n-gram numbers, at most `size` of them, as the table."""
        table = torch.full((self.size,), EMPTY, dtype=torch.int64)
        table[: len(keys)] = torch.from_numpy(np.sort(keys))
        self.keys.copy_(table)


class WordTable(nn.Module):
    """The runs of 1 to `order` words that were found worth knowing, for a network that reads characters; features from 1.

    A word is an unbroken run of letters, marks and digits, or any other single character but white space; `read_off` says
    which character is what. Runs of words are known by 62 bits of a polynomial hash of their characters (Karp and Rabin,
    1987): of a million different ones, two are taken for one with a chance of one in ten million.
    """

    def __init__(self, vocab_size: int, order: int, size: int):
        super().__init__()
        if order < 1:
            raise ValueError(f"word_ngrams must be at least 1, got {order}")
        self.order, self.size = order, size
        self.register_buffer("keys", torch.full((size,), EMPTY, dtype=torch.int64))
        self.register_buffer("kinds", torch.zeros(vocab_size, dtype=torch.uint8))

    def read_off(self, vocabulary: Sequence[str]) -> None:
        """Learn from the characters by index (padding and unknown first) which of them words are made of.

        Raises ValueError where an entry is not one character.
        """
        for entry in vocabulary[2:]:
            if len(entry) != 1:
                raise ValueError(
                    f"word_features are read off characters, but the tokens are words ({entry!r}): leave them 0"
                )
        kinds = [SPACE, SPACE, *(_kind(sign) for sign in vocabulary[2:])]
        self.kinds[: len(kinds)] = torch.tensor(kinds, dtype=torch.uint8)

    def number(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, N, order): the run of words that ends at each of at most N words, -1 where there is none."""
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        power, inverse = (
            torch.full_like(steps, _signed(base)).cumprod(0) for base in (BASE, pow(BASE, -1, 1 << 64))
        )  # BASE ** (t + 1), BASE ** -(t + 1), modulo 2^64 as all that follows
        kinds = self.kinds[tokens]
        letter = kinds == LETTER
        starts = (kinds == SIGN) | (letter & ~nn.functional.pad(letter, (1, 0))[:, :-1])
        ends = (kinds == SIGN) | (letter & ~nn.functional.pad(letter, (0, 1))[:, 1:])
        before = nn.functional.pad((_mixed(tokens) * inverse).cumsum(1), (1, 0))  # of the characters before each step
        start = torch.where(starts, steps, 0).cummax(1).values
        spelt = (before[:, 1:] - before.gather(1, start)) * power  # at its last character, a word wherever it stands
        rows, places = ends.nonzero(as_tuple=True)
        words = tokens.new_zeros(len(tokens), max(int(ends.sum(1).max()), 1))
        order = (ends.cumsum(1) - 1)[rows, places]
        words[rows, order] = _mixed(spelt[rows, places])
        complete = torch.zeros_like(words, dtype=torch.bool)
        complete[rows, order] = True
        number, numbers = torch.zeros_like(words), []
        for back in range(self.order):
            shifted = nn.functional.pad(words, (back, 0))[:, : words.shape[1]]
            complete = complete & nn.functional.pad(complete, (1, 0))[:, : words.shape[1]] if back else complete
            number = _mixed(number + shifted + back)
            numbers.append((number & ((1 << 62) - 1)).masked_fill(~complete, -1))
        return torch.stack(numbers, -1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 -> features (B, N * order) int64 from 0 (no known run of words) to `size`."""
        return self.look_up(self.number(tokens).flatten(1))

    def count(self, documents: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which run of words stands in which document, as `NGramTable.count`."""
        found = [np.unique(self.number(torch.from_numpy(part.astype(np.int64))[None]).numpy()) for part in documents]
        found = [numbers[numbers >= 0] for numbers in found]
        keys, features = np.unique(np.concatenate(found), return_inverse=True)
        return keys, features, np.repeat(np.arange(len(documents)), [len(numbers) for numbers in found])

    fill, look_up = NGramTable.fill, NGramTable.look_up


def _kind(sign: str) -> int:
    if sign.isspace():
        return SPACE
    return LETTER if sign == "_" or unicodedata.category(sign)[0] in "LMN" else SIGN


def _signed(number: int) -> int:
    """The same 64 bits as a signed number."""
    return number - (1 << 64) if number >> 63 else number


def _mixed(numbers: Tensor) -> Tensor:
    """Each of 64 bits depends on all of them."""
    for _ in range(2):
        numbers = (numbers ^ ((numbers >> 32) & 0xFFFFFFFF)) * TWIST
    return numbers ^ ((numbers >> 32) & 0xFFFFFFFF)


def unique_per_row(features: Tensor) -> Tensor:
    """(B, N) -> (B, N): each feature once, its repeats 0; order is not kept."""
    ordered = features.sort(1).values
    repeats = nn.functional.pad(ordered[:, 1:] == ordered[:, :-1], (1, 0))
    return ordered.masked_fill(repeats, 0)


def counted_per_row(features: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N) -> features (B, N) as `unique_per_row` gives them, and how often each stands, float32 (B, N)."""
    ordered = features.sort(1).values
    first = nn.functional.pad(ordered[:, 1:] != ordered[:, :-1], (1, 0), value=True)
    run = first.cumsum(1) - 1  # which of the row's different features stands here
    counts = torch.zeros(ordered.shape, device=ordered.device).scatter_add_(
        1, run, torch.ones_like(run, dtype=torch.float32)
    )
    return ordered.masked_fill(~first, 0), counts.gather(1, run)
