"""The bag of words: what its features are worth, against formulas written out."""

import math

import numpy as np
import pytest
import torch

from seqzoo.architectures.bow import BagOfWords
from seqzoo.layers.ngrams import NGramTable, counted_per_row
from seqzoo.specs import TextSpec

DOCUMENTS = [np.array(ids, np.int32) for ids in ([2, 3, 2, 2], [3, 4], [2, 4, 4, 5], [5, 5, 3, 2, 6])]


def bag(**arguments: object) -> BagOfWords:
    network = BagOfWords(TextSpec(vocab_size=10), max_features=50, min_documents=1, **arguments)
    network.fit_statistics(DOCUMENTS, np.array([0, 1, 0, 1]), 2)
    return network.eval()


def features(network: BagOfWords, document: list[int]) -> dict[int, float]:
    """What each unigram of a text is worth: its vector is set to 1, all others to 0."""
    tokens, found = torch.tensor([document]), {}
    for word in set(document):
        row = int(network.table(torch.tensor([[word]]))[0, 0])
        with torch.no_grad():
            network.weight.zero_()
            network.weight[row] = 1.0
            found[word] = float(network(tokens, torch.tensor([len(document)])).summary[0, 0])
    return found


@pytest.mark.parametrize("sublinear", [False, True])
@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("weighting", ["multi-hot", "count", "tf-idf"])
def test_features_are_what_the_formulas_say(weighting: str, normalise: bool, sublinear: bool) -> None:
    if sublinear and weighting == "multi-hot":
        pytest.skip("refused, see below")
    found = features(bag(weighting=weighting, normalise=normalise, sublinear=sublinear), [2, 3, 2, 2, 6])
    wanted = {}
    for word, count in ((2, 3), (3, 1), (6, 1)):
        holding = sum(word in document for document in DOCUMENTS)
        frequency = 1 + math.log(count) if sublinear else count
        wanted[word] = {"multi-hot": 1.0, "count": frequency, "tf-idf": frequency * math.log(4 / holding)}[weighting]
    if normalise:
        length = math.sqrt(sum(value**2 for value in wanted.values()))
        wanted = {word: value / length for word, value in wanted.items()}
    assert found == pytest.approx(wanted, abs=1e-6)


def test_a_text_without_known_words_has_no_length_and_no_features() -> None:
    network = bag(weighting="tf-idf", normalise=True)
    assert not network(torch.tensor([[1, 9, 0]]), torch.tensor([2])).summary.any()


def test_the_power_of_idf_is_that_of_each_feature() -> None:
    plain, squared = (features(bag(weighting="tf-idf", idf_power=power), [2, 6]) for power in (1.0, 2.0))
    assert squared == pytest.approx({word: value**2 for word, value in plain.items()}, abs=1e-6)
    for arguments in ({"weighting": "count", "idf_power": 2.0}, {"weighting": "tf-idf", "idf_power": 0.0}):
        with pytest.raises(ValueError, match="idf_power must be above 0, and 1 unless weighting is tf-idf"):
            bag(**arguments)


def test_presence_cannot_be_counted_sublinearly() -> None:
    with pytest.raises(ValueError, match="sublinear needs a weighting that counts"):
        BagOfWords(TextSpec(vocab_size=10), weighting="multi-hot", sublinear=True)


def test_feature_dropout_leaves_the_length_one() -> None:
    network = bag(weighting="count", normalise=True, feature_dropout=0.5).train()
    with torch.no_grad():
        network.weight.fill_(1.0)
    summary = network(torch.tensor([[2, 3, 4, 5, 6]] * 200), torch.full((200,), 5)).summary[:, 0]
    kept = summary.square().round()  # k features of 1 / sqrt(k) each
    torch.testing.assert_close(summary, kept.sqrt(), rtol=1e-5, atol=1e-5)
    assert {*kept.tolist()} >= {1.0, 2.0, 3.0, 4.0}


def test_repeats_are_counted_once_with_their_number() -> None:
    values, counts = counted_per_row(torch.tensor([[5, 3, 5, 5, 0], [0, 0, 7, 7, 2]]))
    for row, wanted in zip(range(2), ({3: 1, 5: 3}, {2: 1, 7: 2}), strict=True):
        pairs = zip(values[row].tolist(), counts[row].tolist(), strict=True)
        assert {value: count for value, count in pairs if value} == wanted


@pytest.mark.parametrize(("vocab_size", "most"), [(2**21, 3), (100, 9), (2, 63), (20_000, 4), (2**22, 2)])
def test_orders_go_as_far_as_63_bits(vocab_size: int, most: int) -> None:
    table = NGramTable(vocab_size, most, 10)
    tokens = torch.tensor([[vocab_size - 1] * most])
    assert int(table.number(tokens)[0, -1, -1]) == (vocab_size**most - 1 if vocab_size > 2 else -1)
    with pytest.raises(ValueError, match=f"do not fit 63 bits; ngrams up to {most} do"):
        NGramTable(vocab_size, most + 1, 10)


@pytest.mark.parametrize("order", [1, 4, 6])
def test_the_table_finds_in_a_text_what_it_counted_there(order: int) -> None:
    table, random = NGramTable(30, order, 2_000), np.random.default_rng(0)
    documents = [random.integers(2, 30, size).astype(np.int32) for size in (3, 9, 20)]
    keys, found, owners = table.count(documents)
    table.fill(keys)
    for row, document in enumerate(documents):
        seen = {tuple(document[start : start + n]) for n in range(1, order + 1) for start in range(len(document) - n + 1)}
        known = set(table(torch.from_numpy(document.astype(np.int64))[None])[0].tolist()) - {0}
        assert len(known) == len(seen) == int((owners == row).sum())
        assert known == {int(index) + 1 for index in found[owners == row]}
