"""Words, characters and hashed words through corpus, training, checkpoint and prediction."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
from made_up import TinyCorpus, make_texts, read_json, small_arguments, write_json

import seqzoo
from seqzoo import hub
from seqzoo.callbacks.fit_statistics import FitStatistics
from seqzoo.callbacks.initialise_embedding import InitialiseEmbedding
from seqzoo.models.text_classifier import TextClassifier
from seqzoo.preprocessing.tokenizer import TOKENS, HashedWords
from seqzoo.tasks.text_classification import TextClassification

KINDS = [(tokens, architecture) for tokens in TOKENS for architecture in ("cnn", "bow", "gru")]
every_kind = pytest.mark.parametrize(("tokens", "architecture"), KINDS)


def corpus_of(tokens: str) -> TinyCorpus:
    return TinyCorpus(
        batch_size=16, validation_size=40, tokens=tokens, vocab_size=80, min_frequency=1 if tokens == "hashed-words" else 2
    )


def trained(tokens: str, architecture: str, root: Path, epochs: int = 1) -> tuple[TextClassification, L.Trainer]:
    data = corpus_of(tokens)
    task = TextClassification(architecture, small_arguments(architecture))
    trainer = L.Trainer(
        default_root_dir=root,
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[FitStatistics()] if architecture == "bow" else [],
    )
    trainer.fit(task, data)
    return task, trainer


@every_kind
def test_a_model_is_saved_and_loaded_bit_for_bit(tokens: str, architecture: str, tmp_path: Path) -> None:
    model = trained(tokens, architecture, tmp_path)[0].model.eval()
    again = seqzoo.load(model.save_pretrained(tmp_path / "model"))
    texts = [*make_texts(20, seed=5)[0], "", "ЖЖ zebra"]
    assert again.tokenizer == model.tokenizer and again.spec == model.spec
    for ours, theirs in zip(model.predict(texts), again.predict(texts), strict=True):
        assert ours.scores == theirs.scores
    config = read_json(tmp_path / "model" / "config.json")
    buckets = {"hash_buckets": 78} if tokens == "hashed-words" else {}
    assert config["preprocessing"] == {"max_tokens": 512, "keep": "ends", **buckets}
    assert config["format"] == 1 and config["spec"]["vocab_size"] == len(model.tokenizer)


@every_kind
def test_a_lightning_checkpoint_loads_without_a_trainer(tokens: str, architecture: str, tmp_path: Path) -> None:
    task, trainer = trained(tokens, architecture, tmp_path)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = TextClassification.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert again.model.tokenizer == task.model.tokenizer
    text = "a lovely film"
    assert again.model.eval().predict(text).scores == task.model.eval().predict(text).scores


@pytest.mark.parametrize("tokens", TOKENS)
def test_training_goes_on_from_a_checkpoint(tokens: str, tmp_path: Path) -> None:
    _, trainer = trained(tokens, "cnn", tmp_path)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = TextClassification("cnn", small_arguments("cnn"))
    longer = L.Trainer(default_root_dir=tmp_path, max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False)
    longer.fit(again, corpus_of(tokens), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert longer.current_epoch == 2


def test_another_number_of_buckets_is_another_tokenizer(tmp_path: Path) -> None:
    _, trainer = trained("hashed-words", "cnn", tmp_path)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    other = TinyCorpus(validation_size=40, tokens="hashed-words", vocab_size=81, min_frequency=1)
    with pytest.raises(ValueError, match="another tokenizer"):
        L.Trainer(default_root_dir=tmp_path, max_epochs=2, logger=False, enable_progress_bar=False).fit(
            TextClassification("cnn", small_arguments("cnn")), other, ckpt_path=tmp_path / "last.ckpt", weights_only=True
        )


@pytest.mark.parametrize("tokens", TOKENS)
def test_a_bag_learns_from_any_tokens(tokens: str, tmp_path: Path) -> None:
    task, trainer = trained(tokens, "bow", tmp_path, epochs=30)
    (scores,) = trainer.validate(task, corpus_of(tokens), verbose=False)
    assert scores["val_accuracy"] > 0.9


def test_hashed_words_share_their_ids_with_words_that_training_never_saw() -> None:
    model = seqzoo.create_model("cnn", preprocessor=HashedWords.of_size(500), labels=["a", "b"], **small_arguments("cnn"))
    seen, unseen = model.eval().predict(["zebra", "giraffe"])
    assert model.spec.vocab_size == 500 and seen.scores != unseen.scores


@pytest.mark.parametrize("source", ["word2vec"])
def test_hashed_words_take_no_word_vectors_and_say_so(source: str, tmp_path: Path) -> None:
    data, task = corpus_of("hashed-words"), TextClassification("cnn", small_arguments("cnn"))
    trainer = L.Trainer(
        default_root_dir=tmp_path, max_epochs=1, logger=False, enable_progress_bar=False, callbacks=[InitialiseEmbedding()]
    )
    with pytest.raises(ValueError, match="hashed words have no vocabulary"):
        trainer.fit(task, data)
    assert not (tmp_path / "embedding").exists()


@pytest.mark.parametrize("change", [{"hash_buckets": 0}, {"hash_buckets": "78"}, {"hash_buckets": None}, {"buckets": 78}])
def test_a_config_with_other_buckets_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    model = TextClassifier("cnn", small_arguments("cnn"), tokenizer=HashedWords.of_size(80), labels=["a", "b"])
    folder = model.save_pretrained(tmp_path / "model")
    config = read_json(folder / "config.json")
    config["preprocessing"] = {"max_tokens": 512, "keep": "ends", **change}
    write_json(folder / "config.json", config)
    with pytest.raises(hub.CheckpointError, match=r"hash_buckets|preprocessing|spec"):
        seqzoo.load(folder)


@pytest.mark.parametrize("tokens", ["letters", None, []])
def test_unknown_tokens_are_refused_by_a_corpus(tokens: Any) -> None:
    with pytest.raises(ValueError, match="tokens must be one of words, characters, hashed-words"):
        TinyCorpus(tokens=tokens)
