"""The tokenizer: words of texts to ids, and back to a file."""

import json

import numpy as np
import pytest
from made_up import make_texts

from seqzoo.preprocessing.tokenizer import PAD, UNKNOWN, Tokenizer, truncate

TEXTS = ["A film, a FILM!", "don't  stop... don’t stop?!", "café 10/10 <br /><br />the end"] * 2


@pytest.fixture(scope="module")
def fitted() -> Tokenizer:
    return Tokenizer.fit(TEXTS, vocab_size=100)


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.words[index] for index in tokenizer.encode([text])[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A film, a FILM!", ["a", "film", ",", "a", "film", "!"]),
        ("the<br />end<br/>the<br>end", ["the", "end", "the", "end"]),
        ("don't don’t", ["don't", "don’t"]),
        ("stop... stop?!", ["stop", "...", "stop", "?!"]),
        ("café 10/10", ["café", "10", "/", "10"]),
        ("the\tend\n\n end\u00a0the", ["the", "end", "end", "the"]),
        ("", []),
        (" \n\t", []),
        ("<br />", []),
    ],
)
def test_words_and_punctuation_are_tokens_and_line_breaks_are_not(fitted, text, expected):
    assert words(fitted, text) == expected


def test_padding_is_zero_and_every_unseen_word_is_one(fitted):
    assert fitted.words[:2] == [PAD, UNKNOWN] and (fitted.pad_index, fitted.unknown_index) == (0, 1)
    ids = fitted.encode(["a zebra Крокодил 漢字 🎬"])[0]
    assert ids.dtype == np.int32 and ids[0] > 1 and set(ids[1:].tolist()) == {1}


@pytest.mark.parametrize("text", ["[PAD]", "[UNK]", "a [PAD] film", "[pad]", "[PAD][PAD][PAD]", f"{PAD}{UNKNOWN}"])
def test_a_text_that_spells_the_padding_makes_none(fitted, text):
    assert 0 not in fitted.encode([text])[0]
    again = Tokenizer.fit([text, text, *TEXTS], vocab_size=100)
    assert 0 not in again.encode([text])[0] and again.words.count(PAD) == 1


def test_case_may_be_kept():
    kept = Tokenizer.fit(TEXTS, lowercase=False)
    assert words(kept, "FILM film") == ["FILM", "film"]


def test_the_most_frequent_words_are_kept_and_rare_ones_are_not():
    texts = ["often often often often", "seldom seldom seldom", "twice twice", "once"]
    assert Tokenizer.fit(texts, vocab_size=4).words == [PAD, UNKNOWN, "often", "seldom"]
    assert Tokenizer.fit(texts).words == [PAD, UNKNOWN, "often", "seldom", "twice"]
    assert Tokenizer.fit(texts, min_frequency=1).words[-1] == "once"


def test_fitting_twice_gives_the_same_tokenizer_whatever_the_order():
    texts = make_texts(200)[0]
    first = Tokenizer.fit(texts, vocab_size=25)
    assert first == Tokenizer.fit(iter(texts), vocab_size=25)
    assert first == Tokenizer.fit(texts[::-1], vocab_size=25)
    assert first != Tokenizer.fit(texts, vocab_size=24)


def test_encoding_does_not_depend_on_the_company(fitted):
    texts = [*TEXTS, "", "a", "film " * 1000]
    for text, ids in zip(texts, fitted.encode(texts), strict=True):
        assert ids.tolist() == fitted.encode([text])[0].tolist()
    assert fitted.encode([]) == []


def test_json_round_trip_is_equal(fitted):
    again = Tokenizer.from_json(fitted.to_json())
    assert again == fitted and again.to_json() == fitted.to_json() and len(again) == len(fitted)
    assert [ids.tolist() for ids in again.encode(TEXTS)] == [ids.tolist() for ids in fitted.encode(TEXTS)]
    assert fitted != "another thing"


def test_the_file_is_one_that_hugging_face_reads(fitted):
    import tokenizers

    backend = tokenizers.Tokenizer.from_str(fitted.to_json())
    assert backend.encode("A film!").ids == fitted.encode(["A film!"])[0].tolist()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "not json", '{"version": "1.0", "model": {}}'])
def test_bad_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"^tokenizer: "):
        Tokenizer.from_json(text)


def test_the_tokenizer_of_something_else_is_a_value_error(fitted):
    stored = json.loads(fitted.to_json())
    vocabulary = stored["model"]["vocab"]
    vocabulary["film"], vocabulary[PAD] = 0, vocabulary["film"]
    with pytest.raises(ValueError, match=r"tokenizer: \[PAD\] must have index 0"):
        Tokenizer.from_json(json.dumps(stored))


@pytest.mark.parametrize("surrogate", ["\ud800", "a \udfff film"])
def test_a_lone_surrogate_is_a_clear_error(fitted, surrogate):
    with pytest.raises(ValueError, match="surrogate"):
        fitted.encode(["a film", surrogate])


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a"], 1.5])
def test_what_is_no_text_is_named_with_its_place(fitted, wrong):
    with pytest.raises(TypeError, match=f"text 1 must be a str, got {type(wrong).__name__}"):
        fitted.encode(["a film", wrong])


@pytest.mark.parametrize("size", [-1, 0, 2, (1 << 21) + 1])
def test_a_vocabulary_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=f"vocab_size must be from 3 to 2097152, got {size}"):
        Tokenizer.fit(TEXTS, vocab_size=size)


@pytest.mark.parametrize("texts", [[], [""], ["each word once"]])
def test_texts_without_a_frequent_word_are_refused(texts):
    with pytest.raises(ValueError, match="no word stands 2 times"):
        Tokenizer.fit(texts)


def test_split_spells_unknown_words_out(fitted):
    assert fitted.split(["A zebra<br />film!", ""]) == [["a", "zebra", "film", "!"], []]


@pytest.mark.parametrize(
    ("keep", "most", "expected"),
    [
        ("start", 3, [0, 1, 2]),
        ("end", 3, [7, 8, 9]),
        ("ends", 4, [0, 1, 8, 9]),
        ("ends", 3, [0, 1, 9]),
        ("ends", 1, [0]),
        ("end", 1, [9]),
        ("ends", 10, list(range(10))),
        ("start", 99, list(range(10))),
    ],
)
def test_truncation_keeps_the_part_that_was_asked_for(keep, most, expected):
    assert truncate(np.arange(10), most, keep).tolist() == expected


@pytest.mark.parametrize("keep", ["middle", "", None, []])
def test_an_unknown_part_is_refused(keep):
    with pytest.raises(ValueError, match="keep must be 'start', 'end' or 'ends'"):
        truncate(np.arange(3), 2, keep)
