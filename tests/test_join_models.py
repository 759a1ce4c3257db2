"""Trained models as a start, or as the parts of another: matched by word, whatever their vocabularies."""

from pathlib import Path

import lightning as L
import pytest
import torch
from made_up import write_imdb

import seqzoo
from seqzoo.callbacks.join_models import JoinModels
from seqzoo.callbacks.start_from import StartFrom

SMALL = {"embedding_size": 6, "hidden_size": 5}


def corpus(folder: Path, **arguments) -> L.LightningDataModule:
    data = seqzoo.create_datamodule("imdb", data_dir=str(folder), validation_size=20, **arguments)
    data.setup("fit")
    return data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_imdb(tmp_path / "imdb")


@pytest.fixture
def sources(folder: Path, tmp_path: Path) -> dict[str, str]:
    """A BiLSTM of a small vocabulary and a bag of a larger one."""
    torch.manual_seed(0)
    small, large = corpus(folder, vocab_size=12), corpus(folder, min_frequency=1)
    models = {
        "bilstm": seqzoo.create_model("bilstm", corpus=small, **SMALL),
        "bow": seqzoo.create_model("bow", corpus=large, ngrams=2, max_features=60, min_documents=1, weighting="naive-bayes"),
    }
    models["bow"].network.fit_statistics(large.documents("train"), large.targets("train"), 2)
    with torch.no_grad():
        models["bow"].network.weight.add_(torch.rand(61, 1))
        models["bow"].head.bias.copy_(torch.tensor([0.3, -0.1]))
    return {part: str(model.save_pretrained(tmp_path / part)) for part, model in models.items()}


def join(folder: Path, root: Path, callback: L.Callback, **arguments) -> tuple:
    """The joined model, made by a fit of no epochs, and its corpus."""
    arguments = {"ngrams": 2, "min_documents": 1, "max_features": 60, **SMALL, **arguments}
    return fit(folder, root, callback, "bilstm_bow", **arguments)


def fit(folder: Path, root: Path, callback: L.Callback, architecture: str, **arguments) -> tuple:
    data = corpus(folder, min_frequency=1)
    model = seqzoo.create_model(architecture, corpus=data, **arguments)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(default_root_dir=root, max_epochs=0, accelerator="cpu", callbacks=[callback], **quiet)
    trainer.fit(seqzoo.create_task(model), data)
    return model.eval(), data


def logits(model, texts) -> torch.Tensor:
    return model.logits(model.tokenizer.encode(texts))


def test_the_joined_model_adds_the_weighted_logits(folder: Path, sources: dict[str, str], tmp_path: Path) -> None:
    joined, data = join(folder, tmp_path, JoinModels(sources=sources, weights={"bow": 0.5}))
    parts = {part: seqzoo.load(source) for part, source in sources.items()}
    words = set(parts["bilstm"].tokenizer.words)
    texts = data.texts("validation")
    assert any(word not in words for text in parts["bow"].tokenizer.split(texts) for word in text)
    expected = logits(parts["bilstm"], texts) + 0.5 * logits(parts["bow"], texts)
    torch.testing.assert_close(logits(joined, texts), expected, rtol=1e-4, atol=1e-5)
    seqzoo.load(joined.save_pretrained(tmp_path / "joined"))


def test_the_lstm_may_know_fewer_words_than_the_bag(folder: Path, sources: dict[str, str], tmp_path: Path) -> None:
    joined, data = join(folder, tmp_path, JoinModels(sources=sources), embedded_words=12)
    parts = {part: seqzoo.load(source) for part, source in sources.items()}
    texts = data.texts("validation")
    assert len(joined.network.embedding.weight) == 12 < len(joined.tokenizer)
    expected = logits(parts["bilstm"], texts) + logits(parts["bow"], texts)
    torch.testing.assert_close(logits(joined, texts), expected, rtol=1e-4, atol=1e-5)


def test_too_many_ngrams_are_pruned_to_those_that_weigh_most(folder: Path, sources: dict[str, str], tmp_path: Path) -> None:
    joined, _ = join(folder, tmp_path, JoinModels(sources=sources), max_features=10)
    source, kept = seqzoo.load(sources["bow"]).network, joined.network.bow
    votes = (source.scale * source.weight).abs().flatten().sort(descending=True).values
    torch.testing.assert_close((kept.scale * kept.weight).abs().flatten()[1:].sort(descending=True).values, votes[:10])
    assert bool((kept.table.keys[1:] > kept.table.keys[:-1]).all())


@pytest.mark.parametrize(("keep", "read"), [("ends", [0, 1, 8, 9]), ("start", [0, 1, 2, 3])])
def test_the_lstm_reads_its_part_of_a_long_text_and_the_bag_all(keep: str, read: list[int]) -> None:
    reads = {"recurrent_tokens": 4, "recurrent_keep": keep}
    network = seqzoo.create_network("bilstm_bow", seqzoo.TextSpec(50), max_features=20, **reads, **SMALL).eval()
    tokens, lengths = torch.arange(2, 12)[None], torch.tensor([10])
    size = network.bilstm.output_size
    summary = network(tokens, lengths).summary[:, :size]
    torch.testing.assert_close(network.bilstm(tokens[:, read], torch.tensor([4])).summary, summary)
    padded = network(torch.nn.functional.pad(tokens, (0, 3)), lengths).summary[:, :size]
    torch.testing.assert_close(padded, summary)


def test_sources_that_do_not_fit_are_refused(folder: Path, sources: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the part bilstm needs BiLSTM"):
        join(folder, tmp_path, JoinModels(sources={"bilstm": sources["bow"], "bow": sources["bow"]}))
    with pytest.raises(ValueError, match="does not fit the part bilstm"):
        join(folder, tmp_path, JoinModels(sources=sources), hidden_size=7)
    with pytest.raises(ValueError, match=r"sources must name the parts of bilstm_bow \(bilstm, bow\), got bow"):
        join(folder, tmp_path, JoinModels(sources={"bow": sources["bow"]}))
    with pytest.raises(ValueError, match="train it first"):
        JoinModels(sources={"bow": str(tmp_path / "nowhere")})
    with pytest.raises(ValueError, match="weights names 'cnn'"):
        JoinModels(sources=sources, weights={"cnn": 1.0})


def test_a_run_starts_from_a_model_of_another_vocabulary(folder: Path, sources: dict[str, str], tmp_path: Path) -> None:
    started, data = fit(folder, tmp_path, StartFrom(source=sources["bilstm"]), "bilstm", **SMALL)
    source, texts = seqzoo.load(sources["bilstm"]), data.texts("validation")
    assert len(started.tokenizer) > len(source.tokenizer)
    torch.testing.assert_close(logits(started, texts), logits(source, texts), rtol=1e-4, atol=1e-5)


def test_a_start_that_does_not_fit_is_refused(folder: Path, sources: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a bow, not a bilstm"):
        fit(folder, tmp_path, StartFrom(source=sources["bow"]), "bilstm", **SMALL)
    with pytest.raises(ValueError, match="does not fit this network"):
        fit(folder, tmp_path, StartFrom(source=sources["bilstm"]), "bilstm", embedding_size=6, hidden_size=7)
    with pytest.raises(ValueError, match="train it first"):
        StartFrom(source=str(tmp_path / "nowhere"))
