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
from made_up import ROOT, read_json

import seqzoo
from seqzoo import cards, catalog, hub, measures, verification


def folder_of(name: str) -> Path:
    return catalog.resource("checkpoints") / name


EVERY = seqzoo.list_checkpoints()
TASKS = {name: read_json(folder_of(name) / "config.json")["task"] for name in EVERY}
VECTORS = [name for name, task in TASKS.items() if task == catalog.WORD_VECTORS]
NAMES = [name for name in EVERY if name not in VECTORS]
TEXTS = [name for name, task in TASKS.items() if task == "text-classification"]
SERIES = [name for name in NAMES if name not in TEXTS]
SAMPLE = 500
FILES = {"config.json", "model.safetensors", "tokenizer.json", "README.md", "metrics.json", "recipe.yaml"}
VECTOR_FILES = {"config.json", "model.safetensors", "vocabulary.json", "README.md", "metrics.json"}
SERIES_FILES = {*FILES, "scaler.json"} - {"tokenizer.json"}  # and example.csv where the card names it
every_text_checkpoint = pytest.mark.parametrize("name", TEXTS)
every_series_checkpoint = pytest.mark.parametrize("name", SERIES)
every_checkpoint = pytest.mark.parametrize("name", NAMES)
every_table = pytest.mark.parametrize("name", VECTORS)  # of word vectors


def front_matter(name: str) -> dict[str, Any]:
    _, metadata, _ = (folder_of(name) / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(metadata)


def corpus_of(name: str) -> Any:
    from seqzoo.verification import corpus_of

    return corpus_of((folder_of(name) / "recipe.yaml").read_text(encoding="utf-8"))


def files_of(name: str) -> set[str]:
    if name in VECTORS:
        return VECTOR_FILES
    example = read_json(folder_of(name) / "metrics.json")["example"]
    return {*(FILES if name in TEXTS else SERIES_FILES), *filter(None, [example.get("file")])}


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_folders_are_those_of_the_index():
    folders = {path.name for path in catalog.resource("checkpoints").glob("*/")}
    assert folders == set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_all_its_files_are_there_and_hashed(name):
    entry, wanted_files = cards.index()[name], files_of(name)
    assert {path.name for path in folder_of(name).iterdir()} == wanted_files == set(entry["files"])
    for file, wanted in entry["files"].items():
        assert hub.fingerprint(folder_of(name) / file) == wanted, f"{file} is not the one in the index"
    assert entry["repo_id"] == f"seqzoo/{name}" and entry["label"]


@pytest.mark.parametrize("name", EVERY)
def test_it_takes_at_most_16_megabytes(name):
    assert sum(path.stat().st_size for path in folder_of(name).iterdir()) <= 16_000_000


@every_checkpoint
def test_the_card_gives_the_measured_numbers(name):
    metadata, numbers = front_matter(name), read_json(folder_of(name) / "metrics.json")
    config = read_json(folder_of(name) / "config.json")
    measure = measures.of(config["task"])
    assert metadata["library_name"] == "seqzoo" and metadata.get("pipeline_tag") == measure.PIPELINE
    assert config["task"] == measure.PIPELINE or config["task"] in metadata["tags"]
    (model,) = metadata["model-index"]
    result = model["results"][0]
    assert model["name"] == name and result["task"]["type"] == config["task"]
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == {
        kind: numbers["test"][kind] for kind in measure.METRICS if kind in numbers["test"]
    }
    assert result["dataset"]["split"] == numbers["test"]["split"] == "test"
    readme = (folder_of(name) / "README.md").read_text(encoding="utf-8")
    assert readme == cards.card(folder_of(name), name), "the card was not written from metrics.json"


@every_checkpoint
def test_the_card_says_all_that_it_must(name):
    readme = (folder_of(name) / "README.md").read_text(encoding="utf-8")
    numbers = read_json(folder_of(name) / "metrics.json")
    main = measures.main_metric(TASKS[name], numbers["test"])
    metric = measures.of(TASKS[name]).METRICS[main]
    for word in (
        f"test {metric.said}",
        "seeds tried",
        "baseline",
        "training",
        "MB",
        "p50",
        "p95",
        "sha256",
        "## Limits",
    ):
        assert word in readme, word
    assert metric.show(numbers["test"][main], numbers["data"].get("unit", "")) in readme
    assert name in SERIES or "majority" in readme
    assert ("no epochs of its own" in readme) == (numbers["training"]["epochs"] == 0)
    assert numbers["training"]["seconds"] > 0 and numbers["training"]["machine"]
    assert str(numbers["training"]["seed"]) in map(str, numbers["training"]["seeds_tried"])
    assert numbers["bytes"] == (folder_of(name) / "model.safetensors").stat().st_size


@pytest.mark.parametrize("name", EVERY)
def test_it_names_nothing_of_a_machine(name):
    for file in {"README.md", "metrics.json", "recipe.yaml", "config.json"} & files_of(name):
        text = (folder_of(name) / file).read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w./-])/(home|root|tmp|work|mnt|Users)/", text), file


@every_series_checkpoint
def test_it_says_of_its_cards_example_what_the_card_says(name):
    model, numbers = seqzoo.load(name), read_json(folder_of(name) / "metrics.json")
    measure, example = measures.of(TASKS[name]), measures.read_example(folder_of(name) / measures.EXAMPLE)
    compared = list(measure.compare(numbers["example"], measure.told(model, example)))
    assert compared
    for what, claimed, told, tolerance in compared:
        assert told == (claimed if isinstance(claimed, str) else pytest.approx(claimed, abs=tolerance)), what
    assert sum(parameter.numel() for parameter in model.parameters()) == numbers["parameters"]
    assert (folder_of(name) / measures.EXAMPLE).stat().st_size <= verification.EXAMPLE_BYTES


@every_text_checkpoint
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


@every_text_checkpoint
def test_padding_and_neighbours_change_no_prediction(name):
    model = seqzoo.load(name)
    texts = ["A slow start, but what a finale!", "dull " * 700, "", "🎬", "never again " * 9, "I'd see it twice."]
    for text, together in zip(texts, model.predict(texts), strict=True):
        assert together.scores == pytest.approx(model.predict(text).scores, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("imdb-")])
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


@every_table
def test_word_vectors_are_what_their_card_says(name):
    vectors, numbers = seqzoo.load(name), read_json(folder_of(name) / "metrics.json")
    assert (len(vectors), vectors.size) == (numbers["words"], numbers["vector_size"])
    config = read_json(folder_of(name) / "config.json")
    assert (folder_of(name) / "README.md").read_text(encoding="utf-8") == cards.render_vectors(name, config, numbers)
    for word, near in numbers["neighbours"].items():
        assert (word in vectors) == (word not in numbers["unseen"])
        found = vectors.most_similar(word, topn=len(near))
        assert [other for other, _ in found] == [other for other, _ in near]
        assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in near], abs=1e-3)


@every_table
@pytest.mark.slow
def test_word_vectors_answer_questions_as_their_card_says(name):
    from gensim.test.utils import datapath

    from seqzoo.embeddings import evaluation

    vectors, numbers = seqzoo.load(name), read_json(folder_of(name) / "metrics.json")
    questions = evaluation.read_analogies(Path(datapath("questions-words.txt")))
    assert evaluation.analogies(vectors, questions)["all"] == pytest.approx(numbers["analogies"]["all"], abs=1e-3)
    pairs = evaluation.read_pairs(Path(datapath("wordsim353.tsv")))
    assert evaluation.similarities(vectors, pairs) == pytest.approx(numbers["similarity"], abs=1e-3)


@every_text_checkpoint
@pytest.mark.corpora
def test_a_sample_of_the_test_split_agrees_with_the_card(name, two_threads):
    from seqzoo.verification import evaluate

    numbers = read_json(folder_of(name) / "metrics.json")["test"]
    main = measures.main_metric(TASKS[name], numbers)
    expected, test = numbers[main], corpus_of(name).read("test")
    chosen = np.random.default_rng(7).permutation(len(test.texts))[:SAMPLE]
    found = evaluate(seqzoo.load(name), [test.texts[index] for index in chosen], test.targets[chosen])[main]
    assert abs(found - expected) <= 3 * math.sqrt(expected * (1 - expected) / len(chosen))


@every_checkpoint
@pytest.mark.slow
@pytest.mark.corpora
def test_the_whole_test_split_gives_the_cards_numbers(name, two_threads):
    numbers, corpus, measure = read_json(folder_of(name) / "metrics.json"), corpus_of(name), measures.of(TASKS[name])
    assert corpus.fingerprint("test") == numbers["data"]["fingerprints"]["test"]
    found = measure.evaluate(seqzoo.load(name), corpus, "test")
    for kind in measure.METRICS.keys() & numbers["test"].keys():
        assert found[kind] == pytest.approx(numbers["test"][kind], abs=1e-4, rel=1e-4), kind


def test_all_together_stay_under_150_megabytes():
    assert sum(file.stat().st_size for file in (ROOT / "checkpoints").rglob("*") if file.is_file()) < 150e6
