"""Paragraph vectors as one more teacher of unlabelled texts."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_up import make_texts, write_imdb

import seqzoo
from seqzoo.callbacks.soft_labels import SoftLabels
from seqzoo.embeddings import paragraph_vectors


def test_a_classifier_on_them_knows_unlabelled_texts() -> None:
    texts, targets = make_texts(400, 3)
    order = np.argsort(targets[:200], kind="stable")  # sorted by class, as IMDB's training file is
    texts, targets = (
        [*(texts[index] for index in order), *texts[200:]],
        np.concatenate([targets[:200][order], targets[200:]]),
    )
    vectors = paragraph_vectors.train(texts, vector_size=16, epochs=40, min_frequency=1, subsample=0, workers=1)
    assert vectors.shape == (400, 16) and vectors.dtype == np.float32
    probabilities = paragraph_vectors.classify(vectors[:200], targets[:200], vectors[200:], 2)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, atol=1e-5)
    assert np.mean(probabilities.argmax(1) == targets[200:]) > 0.9


def test_one_worker_and_one_seed_give_the_same_vectors_again() -> None:
    texts = make_texts(60)[0]
    first, second, other = (
        paragraph_vectors.train(texts, vector_size=8, epochs=2, min_frequency=1, min_count=1, workers=1, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_every_run_of_words_is_a_token() -> None:
    assert paragraph_vectors._grams([5, 7, 9], 3) == ["5", "7", "9", "5_7", "7_9", "5_7_9"]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="ngrams must be from 1 to 5, got 6"):
        paragraph_vectors.train(["a"], ngrams=6)
    with pytest.raises(ValueError, match="need texts"):
        paragraph_vectors.train([])


def test_they_are_kept_and_count_as_one_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = seqzoo.create_datamodule("imdb", data_dir=str(write_imdb(tmp_path / "imdb")), validation_size=20, min_frequency=1)
    data.setup("fit")
    model = seqzoo.create_model("bilstm", corpus=data, hidden_size=4, embedding_size=4)
    teacher, trained = str(model.save_pretrained(tmp_path / "teacher")), []

    def train(texts, workers):
        trained.append(len(texts))
        return np.random.default_rng(0).normal(size=(len(texts), 4)).astype(np.float32)

    monkeypatch.setattr(paragraph_vectors, "train", train)
    run = tmp_path / "run"
    alone = SoftLabels(teachers=[teacher])._ask(data, tmp_path / "alone.json")
    both = SoftLabels(teachers=[teacher], paragraph_vectors=True)
    first = both._ask(data, run / "soft_labels.json")
    vectors = both._classify(data, run / "paragraph_vectors.safetensors")
    assert trained == [len(data.texts("train")) + len(data.texts("unsupervised"))]
    np.testing.assert_allclose(first, (alone + vectors) / 2, atol=2e-5)
    assert len(json.loads((run / "soft_labels.json").read_text())["probabilities"]) == len(data.texts("unsupervised"))
