"""Prediction: raw text in, labels with probabilities out, whatever stands beside a text."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch
from conftest import make_model
from made_up import LABELS, make_texts

from seqzoo.models import text_classifier
from seqzoo.models.text_classifier import TextClassifier

ODD = {
    "empty": "",
    "white space": " \n\t ",
    "one word": "lovely",
    "unknown word": "zebra",
    "line break": "<br />",
    "emoji": "🎬👍🏽 lovely 👨‍👩‍👧",
    "NUL": "a lovely\0film",
    "only NUL": "\0",
    "right to left": "فيلم جميل جدا ‏lovely‏ סרט",
    "Chinese": "这部电影很好看",
    "combining": "e\u0301" * 50,
    "marker": "[PAD] [UNK]",
    "long word": "a" * 100_000,
    "not a character": "\uffff\ufffe",
}


def scores(results: list) -> list[float]:
    return [result.scores["positive"] for result in results]


def test_one_text_gives_one_result(model):
    result = model.predict("a lovely film")
    assert dataclasses.is_dataclass(result) and result.label in LABELS
    assert list(result.scores) == LABELS and result.score == max(result.scores.values()) == result.scores[result.label]
    assert sum(result.scores.values()) == pytest.approx(1.0, abs=1e-9)
    assert result.truncated is False
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.label = "other"


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda texts: (text for text in texts)])
def test_several_texts_give_a_list_in_their_order(model, kind):
    texts = make_texts(50)[0]
    results = model.predict(kind(texts))
    assert isinstance(results, list) and len(results) == 50
    assert scores(results) == pytest.approx([model.predict(text).scores["positive"] for text in texts], abs=1e-5)
    assert len({round(score, 4) for score in scores(results)}) > 10


def test_nothing_gives_nothing(model):
    assert model.predict([]) == [] and list(model.stream(iter(()))) == []


def test_a_generator_is_read_as_results_are_taken(model):
    taken = []

    def texts() -> Iterator[str]:
        for number in range(10 * text_classifier.WINDOW):
            taken.append(number)
            yield "a lovely film"

    stream = model.stream(texts(), batch_size=2)
    assert taken == []
    next(stream)
    assert len(taken) == 2 * text_classifier.WINDOW
    for _ in range(2 * text_classifier.WINDOW):
        next(stream)
    assert len(taken) == 4 * text_classifier.WINDOW


def test_an_endless_generator_can_be_streamed(model):
    def endless() -> Iterator[str]:
        while True:
            yield "boring"

    stream = model.stream(endless(), batch_size=1)
    assert len([next(stream) for _ in range(100)]) == 100


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64, 1000])
def test_the_batch_size_changes_no_prediction(model, batch_size):
    texts = make_texts(40, longest=60)[0]
    wanted = [model.predict(text).scores["positive"] for text in texts]
    assert scores(model.predict(texts, batch_size=batch_size)) == pytest.approx(wanted, abs=1e-5)


def test_order_and_neighbours_change_no_prediction(model):
    texts = make_texts(40)[0]
    wanted = scores(model.predict(texts))
    assert scores(model.predict(texts[::-1], batch_size=3)) == pytest.approx(wanted[::-1], abs=1e-5)
    with_long = scores(model.predict([*texts, "plot " * 500, ""]))
    assert with_long[:40] == pytest.approx(wanted, abs=1e-5)


def test_padding_changes_no_prediction(model):
    tokens, lengths = model.batch(model.tokenizer.encode(make_texts(8)[0]))
    with torch.no_grad():
        longer = model(torch.nn.functional.pad(tokens, (0, 20), value=model.spec.pad_index), lengths)
        torch.testing.assert_close(longer, model(tokens, lengths), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_text_is_predicted_alone_and_in_company(model, kind):
    alone = model.predict(ODD[kind])
    assert sum(alone.scores.values()) == pytest.approx(1.0) and not alone.truncated
    company = model.predict(["a lovely film", ODD[kind], "plot " * 30])
    assert company[1].scores["positive"] == pytest.approx(alone.scores["positive"], abs=1e-5)


def test_a_hundred_thousand_words_are_predicted_and_said_to_be_cut(model):
    text = "lovely " * 50_000 + "boring " * 50_000
    result = model.predict(text)
    assert result.truncated and result.score > 0
    assert result.scores["positive"] == pytest.approx(
        model.predict("lovely " * 32 + "boring " * 32).scores["positive"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("keep", "same"), [("start", "a b c"), ("end", "x y z"), ("ends", "a b z")], ids=["start", "end", "ends"]
)
def test_what_is_kept_of_a_long_text_is_what_was_asked_for(keep, same, tokenizer):
    names = dict(zip("abcxyz", ["lovely", "boring", "film", "plot", "awful", "superb"], strict=True))
    model = make_model("bilstm", tokenizer, max_tokens=3, keep=keep)
    long = model.predict(" ".join(names[letter] for letter in "abcxyz"))
    short = model.predict(" ".join(names[letter] for letter in same.split()))
    assert long.truncated and not short.truncated
    assert long.scores == pytest.approx(short.scores, abs=1e-6)


@pytest.mark.parametrize("wrong", [3, None, 1.5, [3], ["a", None], [b"bytes"], [["a"]]])
def test_what_is_no_text_is_a_type_error(model, wrong):
    with pytest.raises(TypeError):
        model.predict(wrong)


def test_bytes_are_no_list_of_texts(model):
    with pytest.raises(TypeError, match="must be a str"):
        model.predict(b"a film")


def test_a_lone_surrogate_is_a_clear_error(model):
    with pytest.raises(ValueError, match="surrogate"):
        model.predict("a \ud800 film")


@pytest.mark.parametrize("size", [0, -1, 2.0, None, True, "8"])
def test_a_wrong_batch_size_is_refused(model, size):
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1"):
        model.predict(["a"], batch_size=size)


def test_encode_gives_one_vector_per_text(model):
    texts = make_texts(10)[0]
    encoded = model.encode(texts, batch_size=3)
    assert encoded.shape == (10, model.network.output_size) and encoded.dtype == torch.float32
    one = model.encode(texts[4])
    assert one.shape == (model.network.output_size,)
    torch.testing.assert_close(encoded[4], one, rtol=1e-5, atol=1e-5)
    assert model.encode([]).shape == (0, model.network.output_size)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_model_is_left_as_it_was(model, training):
    model.train(training)
    model.predict("a lovely film")
    model.encode(["a", "b"])
    next(model.stream(iter(["a"] * 5)))
    assert model.training is training and model.network.training is training


def test_dropout_is_off_in_prediction(tokenizer):
    model = TextClassifier("bilstm", {"summary_dropout": 0.5, "word_dropout": 0.5}, tokenizer=tokenizer, labels=LABELS)
    model.train()
    assert model.predict("a lovely film") == model.predict("a lovely film")


def test_the_mode_is_restored_after_an_error(model, monkeypatch):
    model.train()
    monkeypatch.setattr(model, "batch", lambda documents: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.predict("a")
    assert model.training


def test_prediction_builds_no_graph_and_draws_no_random_numbers(model):
    before = torch.get_rng_state()
    assert not model.encode("a lovely film").requires_grad
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_goes_to_standard_error(model, capsys):
    assert len(model.predict(["a", "b"], progress=True)) == 2
    assert capsys.readouterr().out == ""


def test_other_precisions_predict_nearly_the_same(model):
    texts = make_texts(20)[0]
    wanted = scores(model.predict(texts))
    assert scores(model.to(torch.bfloat16).predict(texts)) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("labels", [[], ["one"], ["a", "a"], ["a", 1], "ab" * 0])
def test_labels_must_be_different_names(tokenizer, labels):
    with pytest.raises(ValueError, match="labels must be at least two different names"):
        TextClassifier("bow", tokenizer=tokenizer, labels=labels)


@pytest.mark.parametrize("most", [0, -5, 1.5, True, None])
def test_a_wrong_token_limit_is_refused(tokenizer, most):
    with pytest.raises(ValueError, match="max_tokens must be a whole number"):
        TextClassifier("bow", tokenizer=tokenizer, labels=LABELS, max_tokens=most)
