"""Fixtures that more than one file asks for."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from localhub import LocalHub
from made_up import LABELS, RECIPE, TinyCorpus, make_texts, small_arguments, write_imdb

from seqzoo.models.text_classifier import TextClassifier
from seqzoo.preprocessing.tokenizer import Tokenizer

os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the network
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `corpora` are skipped where SEQZOO_DATA names no folder."""
    if os.path.isdir(os.environ.get("SEQZOO_DATA", "")):
        return
    skip = pytest.mark.skip(reason="needs the real corpora: set SEQZOO_DATA to their folder")
    for item in items:
        if item.get_closest_marker("corpora"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def no_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has no folder of corpora."""
    monkeypatch.delenv("SEQZOO_DATA", raising=False)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.fit(make_texts(200, seed=1)[0], vocab_size=100)


@pytest.fixture
def corpus() -> TinyCorpus:
    return TinyCorpus(batch_size=16, validation_size=40)


def make_model(architecture: str, tokenizer: Tokenizer, **options: object) -> TextClassifier:
    """An untrained model whose output depends on every token, in eval mode."""
    torch.manual_seed(0)
    model = TextClassifier(
        architecture, small_arguments(architecture), tokenizer=tokenizer, labels=LABELS, **{"max_tokens": 64, **options}
    )
    texts, targets = make_texts(200, seed=1)
    if hasattr(model.network, "fit_statistics"):
        model.network.fit_statistics(tokenizer.encode(texts), targets, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(params=["bilstm", "bow"])
def model(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> TextClassifier:
    return make_model(request.param, tokenizer)


@pytest.fixture(params=["bilstm", "bow"])
def checkpoint(request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    """A checkpoint folder of an untrained model."""
    return make_model(request.param, tokenizer).save_pretrained(tmp_path / request.param)


@pytest.fixture(scope="session")
def saved(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkpoint folder that no test changes."""
    yield make_model("bilstm", tokenizer).save_pretrained(tmp_path_factory.mktemp("saved") / "tiny")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub on loopback that `huggingface_hub` takes for the only one, beside an empty cache."""
    from huggingface_hub import constants

    with LocalHub(tmp_path / "server") as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
        for name in ("HF_TOKEN", "SEQZOO_CACHE"):
            monkeypatch.delenv(name, raising=False)
        yield hub


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A folder that holds `checkpoint`, measured on a made-up IMDB in `data`: as `seqzoo publish --output` leaves it."""
    root = tmp_path_factory.mktemp("published")
    write_imdb(root / "data" / "imdb", 160)
    torch.manual_seed(1)
    arguments = RECIPE["model"]["init_args"]["arguments"]
    model = TextClassifier("gru", arguments, tokenizer=tokenizer, labels=LABELS, max_tokens=64)
    training = {"seconds": 6.0, "epochs": 2, "seed": 1, "machine": "this", "versions": {}}
    texts = {"recipe.yaml": yaml.safe_dump(RECIPE), "metrics.json": json.dumps({"training": training})}
    model.save_pretrained(root / "run" / "model", texts=texts)
    from seqzoo import verification

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQZOO_DATA", str(root / "data"))
        verification.publish(
            root / "run",
            "films",
            label="Made-up films",
            machine="this machine",
            seeds_tried={"1": None},
            chosen="Not chosen.",
            target=root / "checkpoint",
            license="mit",
        )
    return root


@pytest.fixture
def films(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change, with its corpus at hand."""
    monkeypatch.setenv("SEQZOO_DATA", str(published / "data"))
    return Path(shutil.copytree(published / "checkpoint", tmp_path / "films"))


@pytest.fixture
def verified(films: Path) -> Path:
    from seqzoo import verification

    verification.stamp(verification.verify(f"local-dir:{films}", speed=False))
    return films


@pytest.fixture
def writer(server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """The server, and a token that may write to it."""
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    return server
