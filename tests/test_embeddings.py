"""Word vectors read from files, and what an embedding gets of them."""

import gzip
import logging
import os
import time
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from made_up import GOOD, PLAIN, TinyCorpus, write_glove

from seqzoo.callbacks.initialise_embedding import InitialiseEmbedding
from seqzoo.embeddings import glove
from seqzoo.tasks.text_classification import TextClassification

LINES = "the 0.5 -1.25 3e-2\nfilm 1 2 3\n. . . 7 8 9\nthe 4 4 4\nnaïve 0.1 0.2 0.3\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "glove.6B.3d.txt").write_text(LINES, encoding="utf-8")
    return tmp_path / "glove.6B.3d.txt"


def test_numbers_are_those_of_the_file(file):
    vectors = glove.read(file)
    assert vectors.words == ["the", "film", ". . .", "naïve"], "a word may hold a space; of two equal ones the first counts"
    expected = [[0.5, -1.25, 3e-2], [1, 2, 3], [7, 8, 9], [0.1, 0.2, 0.3]]
    assert vectors.matrix.dtype == np.float32 and np.array_equal(vectors.matrix, np.array(expected, np.float32))
    assert vectors.source == "GloVe, glove.6B.3d.txt"


def test_only_the_words_asked_for_are_kept_and_gzip_makes_no_difference(file):
    packed = file.with_name("glove.6B.3d.txt.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    for path in (file, packed):
        vectors = glove.read(path, ["film", "absent", "naïve"])
        assert vectors.words == ["film", "naïve"] and vectors.matrix.shape == (2, 3)
    assert glove.read(file, ["absent"]).matrix.shape == (0, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"the 1 2 3\nfilm 1 2\n", "line 2: 2 numbers where the first line has 3"),
        (b"the 1 2 3\nfilm 1 x 3\n", "line 2: not 3 numbers"),
        (b"the 1 2 3\n\xff\xfe 1 2 3\n", "not UTF-8"),
        (b"the\n", "line 1"),
    ],
)
def test_a_damaged_file_says_where(tmp_path, content, words):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        glove.read(path)


def test_a_cut_gzip_and_another_kind_of_file_are_refused(file):
    cut = file.with_name("cut.txt.gz")
    random = os.urandom(20_000).hex()
    cut.write_bytes(gzip.compress(f"{LINES}{random} 1 2 3\n".encode())[:9_000])
    with pytest.raises(ValueError, match="is damaged"):
        glove.read(cut)
    with pytest.raises(ValueError, match=r"unpack a \.zip first"):
        glove.read(file.with_suffix(".zip"))


def test_the_file_is_found_by_its_dimension(tmp_path, monkeypatch):
    expected = write_glove(tmp_path / "glove", size=8)
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    assert glove.find(8) == glove.find(8, tmp_path / "glove") == expected
    with pytest.raises(FileNotFoundError, match=r"8 d.*glove\.6B\.100d\.txt.*\$SEQZOO_DATA/glove"):
        glove.find(100)
    monkeypatch.delenv("SEQZOO_DATA")
    with pytest.raises(FileNotFoundError, match="SEQZOO_DATA is not set"):
        glove.find(8)


# The callback


def fit(callback: InitialiseEmbedding, folder: Path, *, epochs: int = 1, **arguments: object) -> TextClassification:
    task = TextClassification("embed_mlp", {"embedding_size": 8, **arguments})
    trainer = L.Trainer(
        default_root_dir=folder,
        max_epochs=epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, datamodule=TinyCorpus(validation_size=40))
    return task


@pytest.fixture
def glove_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$SEQZOO_DATA/glove with vectors for some words: not for all that the corpus has."""
    path = write_glove(tmp_path / "glove", words=(*GOOD, *PLAIN[:5], "notinthecorpus"))
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    return path


@pytest.mark.parametrize("unknown", ["mean", "zero", "random"])
def test_a_frozen_embedding_is_the_files_and_never_changes(glove_folder, tmp_path, caplog, unknown):
    with caplog.at_level(logging.INFO, logger="seqzoo"):
        task = fit(InitialiseEmbedding(source="glove", freeze=True, unknown=unknown), tmp_path / "run", epochs=2)
    weight, words = task.model.network.embedding.weight.detach().numpy(), task.model.tokenizer.words
    vectors = glove.read(glove_folder, words)
    assert "notinthecorpus" not in vectors.words
    scaled = vectors.matrix * (0.5 / vectors.matrix.std())
    for word, row in zip(vectors.words, scaled, strict=True):
        np.testing.assert_array_equal(weight[words.index(word)], row.astype(np.float32))
    absent = weight[[index for index, word in enumerate(words) if index > 0 and word not in vectors.words]]
    assert not weight[0].any(), "padding stays zero"
    if unknown == "random":
        assert len(np.unique(absent, axis=0)) == len(absent) and 0.3 < absent.std() < 0.7
    else:
        np.testing.assert_allclose(absent, np.tile(scaled.mean(0) * (unknown == "mean"), (len(absent), 1)), atol=1e-6)
    assert not task.model.network.embedding.weight.requires_grad
    assert f"{len(vectors.words)} of {len(words)} words have vectors" in caplog.text and "tokens" in caplog.text


def test_an_embedding_that_is_not_frozen_is_trained_on_and_padding_stays_zero(glove_folder, tmp_path):
    task = fit(InitialiseEmbedding(source=str(glove_folder)), tmp_path / "run")
    weight, words = task.model.network.embedding.weight, task.model.tokenizer.words
    vectors = glove.read(glove_folder, words)
    scaled = vectors.matrix * (0.5 / vectors.matrix.std())
    moved = weight.detach().numpy()[[words.index(word) for word in vectors.words]] - scaled
    assert weight.requires_grad and moved.any() and np.abs(moved).max() < 0.1 and not weight[0].any()


def test_random_vectors_have_the_deviation_asked_for_and_follow_the_seed(tmp_path, no_corpora):
    first, again, other = (
        fit(InitialiseEmbedding(source="random", standard_deviation=0.03, freeze=True, seed=seed), tmp_path)
        for seed in (1, 1, 2)
    )
    weights = [task.model.network.embedding.weight.detach() for task in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert float(weights[0][1:].std()) == pytest.approx(0.03, rel=0.2) and not weights[0][0].any()


def test_other_sources_and_policies_are_refused(tmp_path):
    for options, words in (
        ({"source": str(tmp_path / "nowhere")}, "source must be word2vec, glove, random"),
        ({"unknown": "median"}, "unknown must be one of mean, zero, random"),
        ({"source": "glove", "splits": ["train"]}, "splits are texts for source word2vec"),
        ({"splits": ["test"]}, "must not be trained on test"),
    ):
        with pytest.raises(ValueError, match=words):
            InitialiseEmbedding(**options)


def test_vectors_of_another_dimension_are_refused(glove_folder, tmp_path):
    with pytest.raises(ValueError, match="vectors of 8 numbers do not fit embedding_size 16"):
        fit(InitialiseEmbedding(source=str(glove_folder)), tmp_path / "run", embedding_size=16)
    with pytest.raises(FileNotFoundError, match="GloVe vectors of 16 numbers are not here"):
        fit(InitialiseEmbedding(source="glove"), tmp_path / "run", embedding_size=16)


def test_an_architecture_without_embedding_is_refused(glove_folder, tmp_path):
    task = TextClassification("bow", {"max_features": 50})
    trainer = L.Trainer(
        default_root_dir=tmp_path, max_epochs=1, callbacks=[InitialiseEmbedding(source="glove")], logger=False
    )
    with pytest.raises(ValueError, match="bow has no embedding"):
        trainer.fit(task, datamodule=TinyCorpus(validation_size=40))


@pytest.mark.corpora
def test_reading_glove_for_a_vocabulary_takes_seconds():
    path = glove.find(50)
    start = time.perf_counter()
    vectors = glove.read(path, ["the", "film", "zzzz-not-a-word"])
    assert vectors.words == ["the", "film"] and time.perf_counter() - start < 5
    assert np.array_equal(vectors.matrix[0, :3], np.array([0.418, 0.24968, -0.41242], np.float32))
    assert torch.from_numpy(vectors.matrix).isfinite().all()
