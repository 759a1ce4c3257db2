"""Words read off characters by the bag: which they are, what they are worth, where they start."""

import re
from collections import Counter

import numpy as np
import pytest
import torch

from seqzoo.architectures.bow import BagOfWords
from seqzoo.layers.ngrams import WordTable
from seqzoo.preprocessing.tokenizer import Tokenizer
from seqzoo.specs import TextSpec

TEXTS = [
    "it's a film, a good film!",
    "  a bad film... 50 dollars",
    "good good film_x; a",
    "dollars: a bad, bad trip",
    "été à la mer, a film",
    "?!",
]
CLASSES = np.array([0, 1, 0, 1, 0, 1])


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


@pytest.fixture
def characters() -> Tokenizer:
    return Tokenizer.fit_characters(TEXTS, min_frequency=1)


@pytest.fixture
def table(characters: Tokenizer) -> WordTable:
    table = WordTable(len(characters), 2, 100)
    table.read_off(characters.words)
    return table


def batch(texts: list[str], characters: Tokenizer) -> torch.Tensor:
    encoded = [torch.from_numpy(ids).long() for ids in characters.encode(texts)]
    return torch.nn.utils.rnn.pad_sequence(encoded, batch_first=True)


def test_each_run_of_words_has_one_number_wherever_it_stands(table: WordTable, characters: Tokenizer) -> None:
    numbers, seen = table.number(batch(TEXTS, characters)), {}
    for row, text in enumerate(TEXTS):
        words = words_of(text)
        assert (numbers[row, :, 0] >= 0).sum() == len(words)
        for place in range(len(words)):
            seen.setdefault((words[place],), set()).add(int(numbers[row, place, 0]))
            if place:
                seen.setdefault((words[place - 1], words[place]), set()).add(int(numbers[row, place, 1]))
        assert numbers[row, 0, 1] == -1  # nothing stands before the first word
    assert all(len(found) == 1 for found in seen.values())
    assert len(set.union(*seen.values())) == len(seen)


def test_padding_and_place_do_not_change_the_words(table: WordTable, characters: Tokenizer) -> None:
    alone = table.number(batch(["bad film"], characters))[0]
    padded = table.number(batch(["bad film", "a" * 500 + " bad film"], characters))
    torch.testing.assert_close(padded[0, :2], alone)
    torch.testing.assert_close(padded[1, 1:3, 0], alone[:, 0])


def test_ten_thousand_words_have_ten_thousand_numbers() -> None:
    texts = [f"{a}{b}{c}{d}" for a in "abcdefghij" for b in "abcdefghij" for c in "abcdefghij" for d in "abcdefghij"]
    characters = Tokenizer.fit_characters(texts, min_frequency=1)
    table = WordTable(len(characters), 1, 1)
    table.read_off(characters.words)
    assert len(table.number(batch([" ".join(texts)], characters)).unique()) == 10_000


def bag(characters: Tokenizer, **arguments: object) -> BagOfWords:
    chosen = {"ngrams": 2, "max_features": 300, "min_documents": 1, "weighting": "tf-idf", "sublinear": True}
    chosen |= {"normalise": True, "word_features": 200, "word_ngrams": 2}
    network = BagOfWords(TextSpec(vocab_size=len(characters)), **chosen | arguments)
    network.fit_statistics(characters.encode(TEXTS), CLASSES, 2, characters.words)
    return network.eval()


def expected(text: str) -> tuple[dict, dict]:
    """Sublinear TF-IDF of a text's characters and of its words in ones and twos, each of length 1."""

    def runs(parts: list[str]) -> list[tuple[str, ...]]:
        return [tuple(parts[place : place + n]) for n in (1, 2) for place in range(len(parts) - n + 1)]

    def clean(text: str) -> str:
        return " ".join(text.split())

    families = []
    for split in (lambda text: list(clean(text)), words_of):
        holding = Counter(run for each in TEXTS for run in set(runs(split(each))))
        worth = {
            run: (1 + np.log(count)) * np.log(len(TEXTS) / holding[run]) for run, count in Counter(runs(split(text))).items()
        }
        length = np.sqrt(sum(value**2 for value in worth.values()))
        families.append({run: value / length for run, value in worth.items()})
    return tuple(families)


@pytest.mark.parametrize("text", TEXTS[:5])
def test_characters_and_words_have_the_same_length(text: str, characters: Tokenizer) -> None:
    network = bag(characters)
    families = network._features(batch([text], characters))
    for (features, counts), wanted in zip(families, expected(text), strict=True):
        values = network.scale[features[0], 0] * counts[0] / network._length(features, counts)[0, 0]
        found = np.sort(values[features[0] > 0].numpy())
        np.testing.assert_allclose(found, np.sort(np.array(list(wanted.values()))), atol=1e-5)


def test_weights_start_as_those_of_complement_naive_bayes(characters: Tokenizer) -> None:
    network = bag(characters, start="complement-naive-bayes", smoothing=0.1, hidden_size=1)
    totals = {}
    for text, target in zip(TEXTS, CLASSES, strict=True):
        for family, worth in enumerate(expected(text) if words_of(text) else ({},)):
            for run, value in worth.items():
                totals.setdefault((family, run), np.zeros(2))[target] += value
    smoothed = {run: found.sum() - found + 0.1 for run, found in totals.items()}
    empty = len(network.weight) - len(totals)
    sums = sum(smoothed.values()) + 0.1 * empty
    vote = {run: -np.log(rest / sums) for run, rest in smoothed.items()}
    text = "good film! a bad"
    score = 0.0
    for family, (features, counts) in enumerate(network._features(batch([text], characters))):
        runs = words_of(text) if family else list(text)
        known = Counter(
            run
            for n in (1, 2)
            for run in (tuple(runs[place : place + n]) for place in range(len(runs) - n + 1))
            if (family, run) in totals
        )
        holding = {run: sum(_holds(each, run, family) for each in TEXTS) for run in known}
        worth = {run: (1 + np.log(count)) * np.log(len(TEXTS) / holding[run]) for run, count in known.items()}
        length = np.sqrt(sum(value**2 for value in worth.values()))
        score += sum(value / length * (vote[family, run][1] - vote[family, run][0]) for run, value in worth.items())
        assert (features > 0).sum() == len(known) and counts is not None
    summary = network(batch([text], characters), torch.tensor([len(text)])).summary
    assert summary.item() == pytest.approx(score, abs=1e-4)


def _holds(text: str, run: tuple[str, ...], family: int) -> bool:
    parts = words_of(text) if family else list(" ".join(text.split()))
    return any(tuple(parts[place : place + len(run)]) == run for place in range(len(parts)))


def test_a_word_vocabulary_or_none_is_refused(characters: Tokenizer) -> None:
    network = BagOfWords(TextSpec(vocab_size=50), word_features=10)
    with pytest.raises(ValueError, match="needs their vocabulary"):
        network.fit_statistics(characters.encode(TEXTS), CLASSES, 2)
    with pytest.raises(ValueError, match="but the tokens are words \\('film'\\)"):
        network.fit_statistics(characters.encode(TEXTS), CLASSES, 2, ["[PAD]", "[UNK]", "film"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"word_features": -1}, "word_features must be at least 0, got -1"),
        ({"word_features": 5, "word_ngrams": 0}, "word_ngrams must be at least 1, got 0"),
        ({"start": "svm"}, "start must be one of random, complement-naive-bayes, got 'svm'"),
        ({"start": "complement-naive-bayes", "activation": "relu"}, "needs activation none"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BagOfWords(TextSpec(vocab_size=50), **arguments)
