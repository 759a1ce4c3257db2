"""Numbers measured again, recipes run again, and what a recipe from outside may name."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_up import RECIPE, python, read_json, write_json

import seqzoo
from seqzoo import cache, cards, catalog, cli, doctor, results, trust, verification
from seqzoo.measures import text_classification
from seqzoo.reproduction import Reproduction, reproduce


def edit_numbers(folder: Path, **changes: object) -> None:
    """Change numbers of metrics.json by their dotted names, `test__accuracy=...`."""
    numbers = read_json(folder / "metrics.json")
    for path, value in changes.items():
        *steps, key = path.split("__")
        place = numbers
        for step in steps:
            place = place[step]
        place[key] = value
    write_json(folder / "metrics.json", numbers)


def verdicts(folder: Path, **options: object) -> dict[str, str]:
    report = verification.verify(f"local-dir:{folder}", **options)
    return {number.name: number.verdict for number in report.numbers}


# verify


def test_every_number_on_the_card_is_measured_again_and_holds(films):
    report = verification.verify(f"local-dir:{films}", machine="this machine")
    found = {number.name: number for number in report.numbers}
    numbers = read_json(films / "metrics.json")
    wanted = {f"test {kind}" for kind in (*text_classification.METRICS, "n", "truncated") if kind in numbers["test"]}
    wanted |= {"train sha256", "test sha256", "baseline majority class", "bytes", "parameters"}
    wanted |= {"example label", "example score", "p50_ms", "p95_ms", "peak_memory_mb"}
    assert wanted <= found.keys() and found["test n"].measured == 160
    for name in wanted - {"p50_ms", "p95_ms", "peak_memory_mb"}:
        assert found[name].verdict == "holds", found[name]
    assert found["test accuracy"].claimed == numbers["test"]["accuracy"] == found["test accuracy"].measured


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"test__accuracy": 0.9}, "test accuracy"),
        ({"test__log_loss": 0.1}, "test log_loss"),
        ({"test__truncated": 5}, "test truncated"),
        ({"baselines": {"majority class": 0.2}}, "baseline majority class"),
        ({"bytes": 7}, "bytes"),
        ({"parameters": 7}, "parameters"),
        ({"example__label": "neither"}, "example label"),
        ({"example__score": 0.123}, "example score"),
    ],
)
def test_a_wrong_claim_differs(films, change, name):
    edit_numbers(films, **change)
    found = verdicts(films, speed=False)
    assert found[name] == "differs" and list(found.values()).count("differs") == 1


def test_other_texts_than_the_cards_are_told_by_their_fingerprint_and_not_measured(films):
    edit_numbers(films, data__fingerprints__test="0" * 64)
    found = verdicts(films)
    assert found == {"train sha256": "holds", "unsupervised sha256": "holds", "test sha256": "differs"}


def test_speed_is_compared_on_the_same_machine_alone(films):
    edit_numbers(films, speed__p50_ms=1e-6)
    assert verdicts(films, machine="another")["p50_ms"] == "not comparable"
    assert verdicts(films, machine="this machine")["p50_ms"] == "differs"
    edit_numbers(films, speed__p50_ms=1e6, speed__p95_ms=1e6, speed__peak_memory_mb=1e6)
    assert set(verdicts(films, machine="this machine").values()) == {"holds"}, "faster and smaller is as good"


def test_a_baseline_that_is_not_here_is_not_comparable(films):
    edit_numbers(
        films, baselines={"majority class": read_json(films / "metrics.json")["baselines"]["majority class"], "x": 0.5}
    )
    assert verdicts(films, speed=False)["baseline x"] == "not comparable"


def test_the_stamp_is_left_once_and_for_these_weights(films):
    assert cards.unverified(films, cards.metrics(films)) == "metrics.json has no stamp of seqzoo verify"
    assert cli.main(["verify", f"local-dir:{films}", "--no-speed", "--quiet"]) == 0
    stamped = (films / "metrics.json").read_bytes()
    assert cards.unverified(films, cards.metrics(films)) is None
    assert cli.main(["verify", str(films), "--no-speed", "--quiet"]) == 0
    assert (films / "metrics.json").read_bytes() == stamped
    seqzoo.load(films)


def test_the_exit_status_tells_and_a_wrong_claim_gets_no_stamp(films, capsys):
    edit_numbers(films, test__accuracy=0.9)
    assert cli.main(["verify", str(films), "--no-speed", "--json", "--quiet"]) == 1
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert report["holds"] is False
    (wrong,) = [number for number in report["numbers"] if number["verdict"] == "differs"]
    assert wrong["name"] == "test accuracy" and wrong["claimed"] == 0.9
    assert "verified" not in read_json(films / "metrics.json")
    assert cli.main(["verify", str(films), "--no-speed", "--quiet"]) == 1
    assert "DIFFERS" in capsys.readouterr().out
    assert cli.main(["verify"]) == 2 and cli.main(["verify", "a", "--all"]) == 2


@pytest.mark.parametrize("file", ["metrics.json", "recipe.yaml"])
def test_without_numbers_or_recipe_there_is_nothing_to_verify(films, file):
    (films / file).unlink()
    with pytest.raises(ValueError, match=file.replace(".", r"\.")):
        verification.verify(f"local-dir:{films}")


@pytest.mark.parametrize(
    "change",
    [
        *({key: None} for key in cards.NEEDED),
        *({"test": value} for value in ({}, [], {"split": "test", "n": "9"}, {"split": "train2", "n": 1, "accuracy": 0.5})),
        *({"data__fingerprints": value} for value in ({}, None, {"test": 3}, {"x": "y", "test": "z"})),
        *({"speed__threads": value} for value in (0, -1, 10**9, "2", True)),
        *({"example": value} for value in ({}, {"text": "a", "label": 3, "score": 0.5}, {"text": "a", "labels": ["a"]})),
        *({"parts": value} for value in ([], {"a": 3}, {"a": {}})),
        {"baselines": {"majority class": "0.5"}},
    ],
    ids=str,
)
def test_numbers_of_another_form_are_a_clear_error(films, change, capsys):
    edit_numbers(films, **change)
    assert cli.main(["verify", str(films), "--no-speed", "--quiet"]) == 2
    assert "metrics.json" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", "{", "3", "[" * 10_000], ids=len)
def test_numbers_that_are_no_json_object_are_a_clear_error(films, content, capsys):
    (films / "metrics.json").write_text(content)
    assert cli.main(["verify", str(films)]) == 2 and cli.main(["push", str(films), "me/films"]) == 2
    assert "metrics.json" in capsys.readouterr().err


@pytest.fixture
def zoo(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of two: `films`, and `gone` whose corpus is not at hand."""
    for name in ("films", "gone"):
        folder = Path(shutil.copytree(films, tmp_path / "checkpoints" / name))
        verification.enter(folder, name, f"Made-up {name}")
    (tmp_path / "checkpoints" / "gone" / "recipe.yaml").write_text(
        yaml.safe_dump(
            {**RECIPE, "data": {"class_path": "seqzoo.corpora.sms_spam.SMSSpam", "init_args": {"data_dir": "no"}}}
        )
    )
    resource = catalog.resource
    monkeypatch.setattr(catalog, "resource", lambda kind: tmp_path / kind if kind == "checkpoints" else resource(kind))
    return tmp_path


def test_all_are_verified_and_the_results_written_from_it(zoo, capsys):
    (zoo / "results").mkdir()
    lectures = "table,row,figure,unit,note,recipe\nIMDB,CNN,85,% accuracy,,lectures/imdb-cnn\n"
    (zoo / "results" / "lectures.csv").write_text(lectures)
    before = {path: path.read_bytes() for path in (zoo / "checkpoints").rglob("*.*")}
    arguments = ["verify", "--all", "--no-speed", "--quiet", "--results", str(zoo / "results")]
    for _ in range(2):
        assert cli.main(arguments) == 2, "one could not be measured"
    assert "gone was not measured" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (zoo / "checkpoints").rglob("*.*")}
    with open(zoo / "results" / "verified.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["checkpoint"] for row in rows} == {"films"} and {row["verdict"] for row in rows} == {"holds"}
    assert len({row["number"] for row in rows}) == len(rows)
    written = (zoo / "RESULTS.md").read_text(encoding="utf-8")
    accuracy = 100 * read_json(zoo / "checkpoints" / "films" / "metrics.json")["test"]["accuracy"]
    assert f"| `films` | accuracy | {accuracy:.2f} % | {accuracy:.2f} % | {len(rows)} | 0 | 0 |" in written
    assert results.content(zoo / "results") == (zoo / "RESULTS.md").read_bytes()


# reproduce


def test_a_recipe_is_run_again_seed_by_seed(films, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(catalog.PACKAGE.parent))
    arguments = ["reproduce", str(films), "--seeds", "2", "--runs", str(tmp_path / "again"), "--json"]
    status = cli.main(arguments)
    told = json.loads(capsys.readouterr().out)
    assert set(told["seeds"]) == {"1", "2"} and told["metric"] == "accuracy"
    assert told["mean"] == pytest.approx(sum(told["seeds"].values()) / 2)
    assert told["claimed"] == read_json(films / "metrics.json")["test"]["accuracy"]
    assert told["inside"] == (abs(told["claimed"] - told["mean"]) <= told["tolerance"]) and status == (not told["inside"])
    ran = yaml.safe_load((tmp_path / "again" / "films-seed2" / "recipe.yaml").read_text())
    assert ran["seed_everything"] == 2 and ran["model"]["init_args"]["arguments"] == {"embedding_size": 8, "hidden_size": 8}
    assert cli.main(arguments) == status, "finished runs are taken as they are"
    assert json.loads(capsys.readouterr().out) == told
    assert cli.main(["reproduce", str(films), "--seeds", "0"]) == 2


def test_a_claim_is_inside_where_it_lies_near_the_seeds():
    for claimed, inside in ((0.90, True), (0.925, True), (0.94, False), (0.86, False)):
        spread = 3 * 0.01
        assert Reproduction("x", "accuracy", claimed, {1: 0.89, 2: 0.90, 3: 0.91}, spread).inside is inside
    assert Reproduction("x", "accuracy", 0.9, {1: 0.9}, 0.002).spread == 0.0


def test_other_texts_than_the_cards_are_not_trained_on(films, tmp_path):
    edit_numbers(films, data__fingerprints__test="0" * 64)
    with pytest.raises(ValueError, match="other fingerprint"):
        reproduce(str(films), seeds=[1], runs=tmp_path / "again")


# What a recipe from outside may name


def with_change(*path: object, value: object) -> str:
    recipe = json.loads(json.dumps(RECIPE))
    place = recipe
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return yaml.safe_dump(recipe)


OPTIMIZER = ("model", "init_args", "optimizer")


def test_recipes_of_the_zoo_are_trusted_and_would_pass():
    trust.check(yaml.safe_dump(RECIPE), "recipe.yaml")
    for name in seqzoo.list_checkpoints():
        file = catalog.resource("checkpoints") / name / "recipe.yaml"
        if file.is_file():
            trust.check(file.read_text(encoding="utf-8"), name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "os.system",
            "subprocess.Popen",
            "builtins.eval",
            "torch.load",
            "torch.hub.load",
            "pickle.Unpickler",
            "shutil.rmtree",
        ),
        *("seqzoo.hub.os.system", "seqzoo.hub.shutil.rmtree", "seqzoo.reproduction.subprocess.Popen", "seqzoo.hub.load"),
        *("torch.optim.os.system", "torch.optim.SGD.__init__", "lightning.pytorch.trainer.trainer.os.system"),
        *("seqzoo_evil.Optimizer", "torch.optimal.Evil", "seqzoo.nothing.Here", "torch.optim.Nothing", ".os", "seqzoo."),
    ],
)
def test_a_class_of_other_code_is_refused(name):
    for recipe in (
        with_change(*OPTIMIZER, "class_path", value=name),
        with_change("trainer", "callbacks", value=[{"class_path": name}]),
        with_change("data", "class_path", value=name),
    ):
        with pytest.raises(ValueError, match="names"):
            trust.check(recipe, "recipe.yaml")


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "seqzoo.hub.os.system", "torch.load"])
def test_a_callable_named_without_class_path_is_refused_too(name):
    for place in (OPTIMIZER, ("trainer", "callbacks"), ("trainer", "profiler"), (*OPTIMIZER, "class_path.x")):
        with pytest.raises(ValueError, match="names"):
            trust.check(with_change(*place, value=name), "recipe.yaml")


@pytest.mark.parametrize(
    "place",
    [
        "/etc/passwd",
        "../up",
        "a/../../b",
        "~/x",
        "$HOME",
        "C:\\x",
        "c:x",
        "\\\\server\\share",
        "..\\up",
        "https://x/y",
        "b.yaml",
    ],
)
def test_a_place_outside_the_folder_is_refused(place):
    for where in (("data", "init_args", "data_dir"), ("trainer", "default_root_dir")):
        with pytest.raises(ValueError, match="no place out of its folder"):
            trust.check(with_change(*where, value=place), "recipe.yaml")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            "a: b",
            "model: x.yaml\ndata: {}\ntrainer: {}",
            "!!python/object/apply:os.system [ls]",
            "a: [",
            "x: &a [*a]",
        ),
        *("model: {}\ntrainer: {}\ndata: {class_path: [os.system]}", "data: {class_path: a}\nmodel: {}", "1: 2"),
        yaml.safe_dump({**RECIPE, "ckpt_path": "x.ckpt"}),
        yaml.safe_dump({**RECIPE, "model": {1: "os.system"}}),
        "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n" + yaml.safe_dump(RECIPE),
        "#" * (2 << 20),
    ],
)
def test_what_is_no_plain_recipe_is_refused(text):
    with pytest.raises(ValueError, match=r"recipe|keys"):
        trust.check(text, "recipe.yaml")


def test_nothing_of_an_evil_recipe_is_run(films, tmp_path):
    (films / "recipe.yaml").write_text(with_change(*OPTIMIZER, "class_path", value="seqzoo.hub.os.system"))
    for call in (reproduce, verification.verify):
        with pytest.raises(ValueError, match=r"class_path names seqzoo\.hub\.os\.system"):
            call(f"local-dir:{films}")


# doctor


def test_the_doctor_finds_nothing_wrong_here(monkeypatch, tmp_path):
    done = python("-m", "seqzoo", "doctor", "--json", "--cache-dir", str(tmp_path))
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["wrong"] == [], told["wrong"]
    assert told["versions"]["seqzoo"] == seqzoo.__version__ and told["versions"]["torch"]
    assert set(told["checkpoints"]) == set(seqzoo.list_checkpoints())
    assert set(told["checkpoints"].values()) == {"bundled, hashes right"}


def test_the_doctor_finds_what_is_wrong(zoo, monkeypatch, capsys):
    (zoo / "checkpoints" / "films" / "tokenizer.json").write_text("{}")
    monkeypatch.setenv("SEQZOO_DATA", str(zoo / "nowhere"))
    snapshot = zoo / "cache" / "models--me--x" / "snapshots" / ("a" * 40)
    shutil.copytree(zoo / "checkpoints" / "gone", snapshot)
    weights = (snapshot / "model.safetensors").read_bytes()
    (snapshot / "model.safetensors").write_bytes(weights[:-1] + b"?")
    assert cli.main(["doctor", "--cache-dir", str(zoo / "cache")]) == 1
    out = capsys.readouterr().out
    for word in (
        "tokenizer.json is missing or not what the index says",
        "is no folder",
        "is damaged; seqzoo download --force",
    ):
        assert word in out, word
    (zoo / "checkpoints" / "index.json").write_text("{")
    assert any("is not JSON" in line for line in doctor.examine(zoo / "cache")[1])
    assert cache.contents(zoo / "cache")[0].repo_id == "me/x" and os.path.isdir(snapshot)


# Nightly


@pytest.mark.slow
@pytest.mark.corpora
@pytest.mark.parametrize("name", seqzoo.list_checkpoints())
def test_every_checkpoint_verifies(name):
    report = verification.verify(name, speed=False)
    assert report.holds, [number for number in report.numbers if number.verdict == "differs"]


def test_the_memory_of_the_measuring_process_is_not_counted(films: Path) -> None:
    ballast = np.ones(80_000_000)  # 640 MB here, none there
    assert verification.peak_memory(films, ["a lovely film"]) < 1e-6 * ballast.nbytes
