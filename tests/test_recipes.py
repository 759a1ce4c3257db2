"""Every recipe names what is there, and its schedule is as long as its training."""

import copy
import math
import re
import sys
from importlib import import_module
from typing import Any

import pytest
import yaml

from seqzoo.catalog import check_arguments, list_recipes, recipe_path, resolve, resource

NAMES = list_recipes()
OVERLAYS = [f"trainer/{path.stem}" for path in sorted(resource("recipes").glob("trainer/*.yaml"))]
CORPUS_SIZES = {
    "imdb": {"train": 25_000, "unsupervised": 50_000},
    "langid": {"train": 622_600 + 6_000},  # with the words and pairs of sentences; fewer are left than the 6,000 held out
    "newsgroups20": {"train": 11_314},
    "newsgroups20 random": {"train": 15_077},
    "reuters21578": {"train": 6_532},
    "reuters21578 topics": {"train": 9_603},
    "sms_spam": {"train": 4_128},
}
TRAINING_ROWS = {
    "counting": 600,
    "jena": 210_384,
    "szeged": 48_216,
}  # steps of train, missing ones too
TRAINING_SERIES = {"ecg5000": 500, "fsdd": 2_700, "ucr GunPoint": 50, "ucr ItalyPowerDemand": 67}  # labelled, whole
NORMAL_PIECES = {"ecg5000_normal": 292 - 60, "nab": 360}  # beats less the validation's; pieces of the probations
CORPORA = {  # how a recipe's name starts: the corpus
    "counting": "counting",
    "ecg5000-autoencoder": "ecg5000_normal",
    "ecg5000": "ecg5000",
    "etth1": "ett",
    "fsdd-spotter": "fsdd_streams",
    "fsdd": "fsdd",
    "imdb": "imdb",
    "jena": "jena",
    "langid": "langid",
    "nab": "nab",
    "newsgroups20": "newsgroups20",
    "reuters-r52": "reuters21578",
    "reuters": "reuters21578",
    "sms-spam": "sms_spam",
    "szeged": "szeged",
    "ucr": "ucr",
    "weather2020": "weather2020",
}
NAMED_FOR_DATA = (
    "reuters-topics",
    "ecg5000-autoencoder",
    "fsdd-spotter",
    "ucr-gunpoint",
    "ucr-italypowerdemand",
    "szeged-hourly",
)  # not for their architecture
HORIZON = re.compile(r"-\d+$")  # recipes that differ from each other in the horizon alone
every_recipe = pytest.mark.parametrize("name", NAMES)


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load(recipe_path(name).read_text(encoding="utf-8"))


def class_of(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def class_paths(node: Any) -> list[str]:
    """All class_path values of a recipe, wherever they stand."""
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key == "class_path"]
        return own + class_paths(list(node.values()))
    return [path for value in node for path in class_paths(value)] if isinstance(node, list) else []


def strings(node: Any) -> list[str]:
    """All texts among the values of a recipe."""
    if isinstance(node, dict):
        return strings(list(node.values()))
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [node] if isinstance(node, str) else []


def training_texts(recipe: dict[str, Any]) -> int:
    """How many texts an epoch has, unlabelled ones with soft labels included."""
    data = recipe["data"]["init_args"]
    corpus = recipe["data"]["class_path"].split(".")[2]
    sizes = CORPUS_SIZES.get(f"{corpus} {data.get('subset', data.get('split'))}", CORPUS_SIZES.get(corpus))
    size = data.get("num_train") or sizes["train"] - data.get("validation_size", 2_500)
    for callback in recipe["trainer"].get("callbacks") or []:
        if callback["class_path"].endswith(".SoftLabels"):
            size += sizes[callback.get("init_args", {}).get("split", "unsupervised")]
    return size


def training_windows(recipe: dict[str, Any]) -> int:
    """How many windows of a series an epoch has: those that lie in the training part, every `stride`-th."""
    data = recipe["data"]["init_args"]
    span = (data["context_length"] - 1) * data.get("sampling_step", 1) + data.get("delay", 1) + data["horizon"]
    return (TRAINING_ROWS[recipe["data"]["class_path"].split(".")[2]] - span) // data.get("stride", 1) + 1


def training_series(recipe: dict[str, Any]) -> int:
    """How many labelled series an epoch has; of streams of digits, as many as are spliced."""
    data = recipe["data"]["init_args"]
    corpus = recipe["data"]["class_path"].split(".")[2]
    if corpus == "fsdd_streams":
        return data["num_streams"]
    held_out = 60 * data["validation_recordings"] if corpus == "fsdd" else data["validation_size"]
    return TRAINING_SERIES[f"{corpus} {data['dataset']}" if corpus == "ucr" else corpus] - held_out


def training_size(recipe: dict[str, Any]) -> int:
    """How many texts, windows, labelled series or pieces of streams an epoch has."""
    if "anomaly_detection" in recipe["model"]["class_path"]:
        return NORMAL_PIECES[recipe["data"]["class_path"].split(".")[2]]
    if "time_series_classification" in recipe["model"]["class_path"]:
        return training_series(recipe)
    of_series = recipe["data"]["class_path"].split(".")[2] in TRAINING_ROWS
    return training_windows(recipe) if of_series else training_texts(recipe)


def test_there_are_recipes_and_overlays():
    assert {"imdb-bilstm", "imdb-bow"} <= set(NAMES) and {"trainer/cpu", "trainer/gpu"} <= set(OVERLAYS)


@every_recipe
def test_the_name_says_corpus_and_architecture(name):
    recipe = read(name)
    short = name.rpartition("/")[2]
    prefix = next(prefix for prefix in CORPORA if f"{short}-".startswith(f"{prefix}-"))
    assert recipe["data"]["class_path"].split(".")[:3] == ["seqzoo", "corpora", CORPORA[prefix]]
    architecture = short.removeprefix(f"{prefix}-").replace("-", "_")
    assert architecture.startswith(recipe["model"]["init_args"]["architecture"]) or short in NAMED_FOR_DATA
    assert recipe["trainer"]["default_root_dir"] == f"runs/{name}"
    assert isinstance(recipe["seed_everything"], int)


@every_recipe
def test_the_first_line_says_what_it_is(name):
    first = recipe_path(name).read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and len(first) > 20


@every_recipe
def test_its_architecture_and_arguments_exist(name):
    model = read(name)["model"]["init_args"]
    check_arguments(model["architecture"], resolve("architectures", model["architecture"]), model["arguments"])


@every_recipe
def test_its_corpus_and_arguments_exist(name):
    data = read(name)["data"]
    corpus = class_of(data["class_path"])
    assert corpus is resolve("corpora", data["class_path"].split(".")[2])
    check_arguments(name, corpus, data["init_args"])
    assert "data_dir" not in data["init_args"], "a recipe names no folder"
    corpus(**data["init_args"])


@every_recipe
def test_it_names_our_own_classes_and_torchs_alone(name):
    paths = class_paths(read(name))
    assert len(paths) >= 2  # a task and a corpus; an optimiser too, where anything is learned
    for path in paths:
        assert path.startswith(("seqzoo.", "torch.optim.", "lightning.pytorch.")), path
        assert isinstance(class_of(path), type)


@every_recipe
def test_its_callbacks_take_their_arguments(name, tmp_path, monkeypatch):
    """Folders under `runs/` are those of recipes that were run before; they are made up here."""
    monkeypatch.chdir(tmp_path)
    for callback in read(name)["trainer"].get("callbacks") or []:
        given = callback.get("init_args", {})
        for value in strings(given):
            if value.startswith("runs/"):
                assert value.split("/")[1] in set(NAMES) - {name}, f"{value} is no run of another recipe"
                (tmp_path / value).mkdir(parents=True, exist_ok=True)
        class_of(callback["class_path"])(**given)


@every_recipe
def test_the_one_cycle_schedule_is_as_long_as_the_training(name):
    recipe = read(name)
    schedule = recipe["model"]["init_args"].get("lr_scheduler", {})
    if not schedule.get("class_path", "").endswith("OneCycleLR"):
        pytest.skip("no OneCycleLR")
    batches = math.ceil(training_size(recipe) / recipe["data"]["init_args"]["batch_size"])
    steps = recipe["trainer"]["max_epochs"] * batches // recipe["trainer"].get("accumulate_grad_batches", 1)
    assert schedule["init_args"]["total_steps"] == steps
    assert recipe["model"]["init_args"]["lr_scheduler_interval"] == "step"
    assert schedule["init_args"]["max_lr"] == recipe["model"]["init_args"]["optimizer"]["init_args"]["lr"]


PRINTED: dict[str, Any] = {}  # what Lightning makes of a recipe: a second or two each


def printed(capsys: pytest.CaptureFixture[str], *configs: str) -> Any:
    """The whole configuration that recipe and overlays come to."""
    from seqzoo import cli

    with pytest.raises(SystemExit) as caught:
        cli.main(["fit", *(word for config in configs for word in ("--config", config)), "--print_config"])
    assert not caught.value.code
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", [name for name in NAMES if not HORIZON.search(name)])
def test_an_overlay_changes_what_it_names_and_nothing_else(name, overlay, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)
    if name not in PRINTED:
        PRINTED[name] = printed(capsys, name)
    plain, overlaid = copy.deepcopy(PRINTED[name]), printed(capsys, name, overlay)
    changes = read(overlay)
    assert set(changes) == {"trainer"}
    assert overlaid.pop("trainer") == {**plain.pop("trainer"), **changes["trainer"]}
    assert overlaid == plain
    for key, value in read(name)["model"]["init_args"]["arguments"].items():
        assert plain["model"]["init_args"]["arguments"][key] == value
