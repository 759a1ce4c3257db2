"""The tokenizer: words of texts to ids, and back to a file."""

import json
import time

import numpy as np
import pytest
from made_up import make_texts

from seqzoo.preprocessing.tokenizer import PAD, UNKNOWN, HashedWords, Tokenizer, fit_tokenizer, truncate

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


@pytest.fixture(scope="module")
def characters() -> Tokenizer:
    return Tokenizer.fit_characters(TEXTS, vocab_size=100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A film", list("a film")),
        (" a\t\n\u00a0 film  ", list("a film")),
        ("a<br /><br>film", list("a film")),
        ("cafe\u0301", list("café")),
        ("a Ж", ["a", " ", UNKNOWN]),
        ("", []),
        (" \n", []),
    ],
)
def test_characters_are_normalised_and_a_run_of_white_space_is_one_space(characters, text, expected):
    assert words(characters, text) == expected


def test_characters_may_keep_their_case():
    kept = Tokenizer.fit_characters(TEXTS, lowercase=False)
    assert words(kept, "FI a") == ["F", "I", " ", "a"]


def test_the_most_frequent_characters_are_kept_and_rare_ones_are_not():
    texts = ["aaaa", "ccbb", "d"]
    assert Tokenizer.fit_characters(texts).words == [PAD, UNKNOWN, "a", "b", "c"]
    assert Tokenizer.fit_characters(texts, vocab_size=4).words == [PAD, UNKNOWN, "a", "b"]
    assert Tokenizer.fit_characters(texts[::-1], min_frequency=1).words[-1] == "d"
    with pytest.raises(ValueError, match="no character stands 9 times"):
        Tokenizer.fit_characters(texts, min_frequency=9)


def test_a_text_that_spells_the_padding_is_its_characters(characters):
    assert len(characters.encode(["[PAD][UNK]"])[0]) == 10 and 0 not in characters.encode(["[PAD][UNK]"])[0]


def test_ten_thousand_characters_are_encoded_in_a_few_milliseconds(characters):
    text = " ".join(TEXTS * 200)[:10_000]
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        (ids,) = characters.encode([text])
        best = min(best, time.perf_counter() - start)
    assert 8_000 < len(ids) <= 10_000 and best < 0.05


def test_characters_come_back_from_their_file_and_hugging_face_reads_it(characters):
    import tokenizers

    again = Tokenizer.from_json(characters.to_json())
    assert again == characters and again.settings == {} and len(again) == len(characters)
    assert [ids.tolist() for ids in again.encode(TEXTS)] == [ids.tolist() for ids in characters.encode(TEXTS)]
    backend = tokenizers.Tokenizer.from_str(characters.to_json())
    assert backend.encode("A  film!").ids == characters.encode(["A  film!"])[0].tolist()
    assert characters.split(["A  film"]) == [list("a film")]


def test_hashed_words_have_an_id_each_the_same_on_every_machine():
    hashed = HashedWords.of_size(1_000)
    ids = hashed.encode(["The film, zebra ЖЖ", ""])
    assert [row.tolist() for row in ids] == [[206, 196, 38, 96, 139], []] and ids[0].dtype == np.int32
    many = hashed.encode([" ".join(f"word{index}" for index in range(5_000))])[0]
    assert many.min() >= 2 and many.max() < 1_000 == len(hashed) and len(set(many.tolist())) > 950


def test_hashed_words_come_back_with_their_number_of_buckets():
    hashed = HashedWords.of_size(50)
    again = Tokenizer.from_json(hashed.to_json(), **hashed.settings)
    assert again == hashed and hashed.settings == {"hash_buckets": 48}
    assert again.encode(TEXTS)[0].tolist() == hashed.encode(TEXTS)[0].tolist()
    assert hashed != HashedWords.of_size(51) and hashed != Tokenizer.from_json(hashed.to_json())


@pytest.mark.parametrize("buckets", [0, -1, 1 << 21, 1.5, True, "9"])
def test_a_wrong_number_of_buckets_is_refused(buckets):
    with pytest.raises(ValueError, match="hash_buckets must be a whole number from 1 to 2097150"):
        Tokenizer.from_json(HashedWords.of_size(50).to_json(), hash_buckets=buckets)


def test_hashed_characters_are_refused(characters):
    with pytest.raises(ValueError, match="has no words"):
        Tokenizer.from_json(characters.to_json(), hash_buckets=10)


def test_hashed_words_cannot_be_listed_and_say_so():
    with pytest.raises(ValueError, match="no vocabulary"):
        HashedWords.of_size(50).words  # noqa: B018


@pytest.mark.parametrize("text", ["\ud800", 3])
def test_hashed_words_refuse_what_every_tokenizer_refuses(text):
    with pytest.raises((ValueError, TypeError), match="text"):
        HashedWords.of_size(50).encode([text])


@pytest.mark.parametrize(("tokens", "length"), [("words", 12), ("characters", 13), ("hashed-words", 20)])
def test_tokens_are_chosen_by_name(tokens, length):
    fitted = fit_tokenizer(tokens, ["a b c d e f g h i j"], vocab_size=20, min_frequency=1)
    assert len(fitted) == length


def test_unknown_tokens_and_counted_hashes_are_refused():
    with pytest.raises(ValueError, match="tokens must be one of words, characters, hashed-words, got 'bytes'"):
        fit_tokenizer("bytes", TEXTS, vocab_size=10, min_frequency=1)
    with pytest.raises(ValueError, match="min_frequency must be 1"):
        fit_tokenizer("hashed-words", TEXTS, vocab_size=10, min_frequency=2)
