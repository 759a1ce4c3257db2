"""Published checkpoints: whole, small, as good as their cards say."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from made_up import read_json

import seqzoo
from seqzoo import cards, catalog, hub

NAMES = seqzoo.list_checkpoints()
SAMPLE = 500
FILES = {"config.json", "model.safetensors", "tokenizer.json", "README.md", "metrics.json", "recipe.yaml"}
every_checkpoint = pytest.mark.parametrize("name", NAMES)


def folder_of(name: str) -> Path:
    return catalog.resource("checkpoints") / name


def front_matter(name: str) -> dict[str, Any]:
    _, metadata, _ = (folder_of(name) / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(metadata)


def corpus_of(name: str) -> Any:
    from seqzoo.verification import corpus_of

    return corpus_of((folder_of(name) / "recipe.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_folders_are_those_of_the_index():
    folders = {path.name for path in catalog.resource("checkpoints").glob("*/")}
    assert folders == set(NAMES)


@every_checkpoint
def test_all_six_files_are_there_and_hashed(name):
    entry = cards.index()[name]
    assert {path.name for path in folder_of(name).iterdir()} == FILES == set(entry["files"])
    for file, wanted in entry["files"].items():
        assert hub.fingerprint(folder_of(name) / file) == wanted, f"{file} is not the one in the index"
    assert entry["repo_id"] == f"seqzoo/{name}" and entry["label"]


@every_checkpoint
def test_it_takes_at_most_16_megabytes(name):
    assert sum(path.stat().st_size for path in folder_of(name).iterdir()) <= 16_000_000


@every_checkpoint
def test_the_card_gives_the_measured_numbers(name):
    metadata, numbers = front_matter(name), read_json(folder_of(name) / "metrics.json")
    config = read_json(folder_of(name) / "config.json")
    assert metadata["library_name"] == "seqzoo" and metadata["pipeline_tag"] == config["task"]
    (model,) = metadata["model-index"]
    result = model["results"][0]
    assert model["name"] == name and result["task"]["type"] == config["task"]
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == {
        kind: numbers["test"][kind] for kind in cards.METRICS if kind in numbers["test"]
    }
    assert result["dataset"]["split"] == numbers["test"]["split"] == "test"
    readme = (folder_of(name) / "README.md").read_text(encoding="utf-8")
    assert readme == cards.card(folder_of(name), name), "the card was not written from metrics.json"


@every_checkpoint
def test_the_card_says_all_that_it_must(name):
    readme = (folder_of(name) / "README.md").read_text(encoding="utf-8")
    numbers = read_json(folder_of(name) / "metrics.json")
    main = cards.main_metric(numbers["test"])
    for word in (
        "test accuracy" if main == "accuracy" else "test micro F1",
        "seeds tried",
        "majority",
        "training",
        "MB",
        "p50",
        "p95",
        "sha256",
        "## Limits",
    ):
        assert word in readme, word
    assert f"{100 * numbers['test'][main]:.2f} %" in readme
    assert numbers["training"]["seconds"] > 0 and numbers["training"]["machine"]
    assert str(numbers["training"]["seed"]) in map(str, numbers["training"]["seeds_tried"])
    assert numbers["bytes"] == (folder_of(name) / "model.safetensors").stat().st_size


@every_checkpoint
def test_it_names_nothing_of_a_machine(name):
    for file in ("README.md", "metrics.json", "recipe.yaml", "config.json"):
        text = (folder_of(name) / file).read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w./-])/(home|root|tmp|work|mnt|Users)/", text), file


@every_checkpoint
def test_it_predicts_its_cards_example(name):
    model, numbers = seqzoo.load(name), read_json(folder_of(name) / "metrics.json")
    example = numbers["example"]
    result = model.predict(example["text"])
    if model.multi_label:
        found = [result.scores[label] for label in result.labels]
        assert list(result.labels) == example["labels"] and found == pytest.approx(example["scores"], abs=1e-3)
    else:
        assert result.label == example["label"] and result.score == pytest.approx(example["score"], abs=1e-3)
    assert json.dumps(example["text"], ensure_ascii=False) in (folder_of(name) / "README.md").read_text(encoding="utf-8")
    assert sum(parameter.numel() for parameter in model.parameters()) == numbers["parameters"]
    assert all(tensor.dtype != torch.float16 for tensor in model.state_dict().values())


@every_checkpoint
def test_padding_and_neighbours_change_no_prediction(name):
    model = seqzoo.load(name)
    texts = ["A slow start, but what a finale!", "dull " * 700, "", "🎬", "never again " * 9, "I'd see it twice."]
    for text, together in zip(texts, model.predict(texts), strict=True):
        assert together.scores == pytest.approx(model.predict(text).scores, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("imdb-")])
def test_it_tells_plain_praise_from_plain_blame(name):
    model = seqzoo.load(name)
    praise = model.predict("A wonderful, moving film with superb acting. One of the best I have ever seen!")
    blame = model.predict("A dreadful, boring film with awful acting. One of the worst I have ever seen!")
    assert (praise.label, blame.label) == ("positive", "negative") and min(praise.score, blame.score) > 0.8


@every_checkpoint
def test_its_recipe_is_the_bundled_one_but_for_the_run(name):
    stored = yaml.safe_load((folder_of(name) / "recipe.yaml").read_text(encoding="utf-8"))
    bundled = yaml.safe_load(catalog.recipe_path(name).read_text(encoding="utf-8"))
    config = read_json(folder_of(name) / "config.json")
    for recipe in (stored, bundled):
        assert recipe["model"]["init_args"]["architecture"] == config["architecture"]
        assert recipe["model"]["init_args"]["arguments"] == config["arguments"]
    for key, value in bundled["data"]["init_args"].items():
        assert stored["data"]["init_args"][key] == value, key


@every_checkpoint
@pytest.mark.corpora
def test_a_sample_of_the_test_split_agrees_with_the_card(name, two_threads):
    from seqzoo.verification import evaluate

    numbers = read_json(folder_of(name) / "metrics.json")["test"]
    main = cards.main_metric(numbers)
    expected, test = numbers[main], corpus_of(name).read("test")
    chosen = np.random.default_rng(7).permutation(len(test.texts))[:SAMPLE]
    found = evaluate(seqzoo.load(name), [test.texts[index] for index in chosen], test.targets[chosen])[main]
    assert abs(found - expected) <= 3 * math.sqrt(expected * (1 - expected) / len(chosen))


@every_checkpoint
@pytest.mark.slow
@pytest.mark.corpora
def test_the_whole_test_split_gives_the_cards_numbers(name, two_threads):
    from seqzoo.verification import evaluate

    numbers, corpus = read_json(folder_of(name) / "metrics.json"), corpus_of(name)
    test = corpus.read("test")
    assert corpus.fingerprint("test") == numbers["data"]["fingerprints"]["test"]
    found = evaluate(seqzoo.load(name), test.texts, test.targets)
    for kind in cards.METRICS.keys() & numbers["test"].keys():
        assert found[kind] == pytest.approx(numbers["test"][kind], abs=1e-4), kind
