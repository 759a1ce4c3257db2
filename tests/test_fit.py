"""`seqzoo fit`, `validate` and `test`: the real command, on made-up reviews, killed and resumed."""

import csv
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from made_up import environment, read_json, seqzoo_command, write_imdb

import seqzoo
from seqzoo import catalog, cli
from seqzoo.fitting import portable

EPOCHS, TRAIN, BATCH = 4, 128, 16
NURSERY = """
import os, signal, sys, time
from seqzoo.cli import main
import gensim.models, pyarrow.parquet, seqzoo.corpora.imdb, seqzoo.fitting, seqzoo.tasks.text_classification
print("ready", flush=True)
for line in sys.stdin:  # a child per line, so that a run costs no imports
    moment, place, *arguments = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        try:
            status = main(arguments)
        except SystemExit as exit_:
            status = exit_.code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    if moment:
        limit = time.monotonic() + 30
        while place and not os.path.exists(place) and time.monotonic() < limit:
            time.sleep(0.001)
        time.sleep(float(moment))
        os.kill(child, signal.SIGKILL)  # not yet waited for, so the number is still this child's
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """Runs the command in forks of one process that has imported everything."""

    def __init__(self, log: Path):
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(log, "w"),
            env=environment(),
            text=True,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        return self.process.stdout.readline().strip()

    def run(self, *arguments: object, kill_after: float | None = None, of: Path | None = None) -> tuple[int, str]:
        """Exit status (-9 where it was killed) and what was printed.

        `kill_after` is in seconds from the start, or from when the file `of` is there.
        """
        start = self.log.stat().st_size
        moment = "" if kill_after is None else kill_after
        self.process.stdin.write("\t".join(map(str, (moment, of or "", *arguments))) + "\n")
        self.process.stdin.flush()
        status = int(self._line())
        return status, self.log.read_bytes()[start:].decode()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery") / "log.txt")
    yield nursery
    nursery.process.stdin.close()
    nursery.process.wait()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_imdb(tmp_path_factory.mktemp("data") / "imdb", TRAIN + 32)


def recipe(data: Path, **model: Any) -> dict[str, Any]:
    init = {"architecture": "bilstm", "arguments": {"embedding_size": 8, "hidden_size": 8}, **model}
    return {
        "seed_everything": 1,
        "model": {
            "class_path": "seqzoo.tasks.text_classification.TextClassification",
            "init_args": {
                **init,
                "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.05}},
                "lr_scheduler": {
                    "class_path": "torch.optim.lr_scheduler.OneCycleLR",
                    "init_args": {"max_lr": 0.05, "total_steps": EPOCHS * TRAIN // BATCH},
                },
                "lr_scheduler_interval": "step",
            },
        },
        "data": {
            "class_path": "seqzoo.corpora.imdb.IMDB",
            "init_args": {"data_dir": str(data), "batch_size": BATCH, "validation_size": 32, "vocab_size": 200},
        },
        "trainer": {"max_epochs": EPOCHS, "accelerator": "cpu", "log_every_n_steps": 2},
    }


def write_recipe(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def config(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.yaml", recipe(data))


@pytest.fixture(scope="module")
def finished(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the real command, in a process of its own."""
    root = tmp_path_factory.mktemp("runs") / "finished"
    done = seqzoo_command("fit", "--config", config, "--trainer.default_root_dir", root)
    assert done.returncode == 0, done.stderr
    assert str(root / "model") in done.stdout
    return root


def metric_rows(root: Path) -> list[dict[str, str]]:
    with open(root / "metrics.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def epochs_measured(root: Path) -> list[int]:
    return [int(row["epoch"]) for row in metric_rows(root) if row.get("val_accuracy")]


def last(root: Path) -> dict[str, Any]:
    return torch.load(root / "checkpoints" / "last.ckpt", weights_only=True)


def here(*arguments: object) -> int:
    """The command in this process; its exit status."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return exit_.code


def stopped(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command says when it refuses at once, with exit status 2."""
    capsys.readouterr()
    argv = sys.argv
    try:
        assert here(*arguments) == 2
    finally:
        sys.argv = argv
    return capsys.readouterr().err


# A run folder


def test_a_run_folder_holds_recipe_metrics_checkpoint_and_model(finished):
    assert {"recipe.yaml", "metrics.csv", "checkpoints", "model"} <= {path.name for path in finished.iterdir()}
    assert (finished / "checkpoints" / "last.ckpt").is_file()
    assert epochs_measured(finished) == list(range(EPOCHS))
    assert [float(row["train_loss"]) for row in metric_rows(finished) if row.get("train_loss")]
    assert not list(finished.rglob(".*")), "a temporary file was left"
    assert not (finished / "lightning_logs").exists()


def test_the_model_of_a_run_loads_and_has_learned(finished, data):
    from seqzoo.corpora.imdb import IMDB

    model = seqzoo.load(finished / "model")
    test = IMDB(data_dir=str(data)).read("test")
    guesses = [model.labels.index(result.label) for result in model.predict(test.texts)]
    assert (test.targets == guesses).mean() > 0.9
    weights = {name.removeprefix("model."): tensor for name, tensor in last(finished)["state_dict"].items()}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def test_the_numbers_of_a_run_are_kept_beside_its_model(finished):
    training = read_json(finished / "model" / "metrics.json")["training"]
    assert training["epochs"] == EPOCHS and training["steps"] == EPOCHS * TRAIN // BATCH and training["seed"] == 1
    assert training["seconds"] > 0 and training["machine"] and training["versions"]["seqzoo"] == seqzoo.__version__
    measured = float(metric_rows(finished)[-1]["val_accuracy"])
    assert training["validation"]["val_accuracy"] == pytest.approx(measured, abs=1e-5)


def test_the_saved_recipe_names_nothing_of_this_machine(finished, data):
    text = (finished / "model" / "recipe.yaml").read_text()
    assert str(data) not in text and "ckpt_path" not in text
    stored = yaml.safe_load(text)
    assert stored["model"]["init_args"]["architecture"] == "bilstm" and stored["data"]["init_args"]["vocab_size"] == 200


def test_the_checkpoint_of_a_run_holds_plain_data_only(finished):
    saved = last(finished)  # weights_only=True: nothing was unpickled
    assert set(saved["seqzoo"]) == {"tokenizer", "labels", "preprocessing"}
    assert saved["hyper_parameters"]["architecture"] == "bilstm"


def test_the_checkpoint_of_a_run_loads_without_a_trainer(finished):
    from seqzoo.tasks.text_classification import TextClassification

    task = TextClassification.load_from_checkpoint(finished / "checkpoints" / "last.ckpt", weights_only=True)
    texts = ["a lovely film", "boring"]
    assert task.model.eval().predict(texts) == seqzoo.load(finished / "model").predict(texts)


def test_the_same_recipe_gives_the_same_weights(finished, nursery, config, tmp_path):
    status, said = nursery.run("fit", "--config", config, "--trainer.default_root_dir", tmp_path / "again")
    assert status == 0, said
    again, first = last(tmp_path / "again")["state_dict"], last(finished)["state_dict"]
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_the_saved_recipe_trains_again(finished, nursery, tmp_path):
    changes = ("--trainer.default_root_dir", tmp_path / "again", "--trainer.max_epochs", 1)
    status, said = nursery.run("fit", "--config", finished / "recipe.yaml", *changes)
    assert status == 0, said
    assert epochs_measured(tmp_path / "again") == [0]


# Resuming


def test_a_second_fit_in_a_used_folder_is_refused(finished, config, capsys):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    said = stopped(capsys, "fit", "--config", config, "--trainer.default_root_dir", finished)
    assert "holds a run already" in said and "--ckpt_path last" in said and str(finished) in said
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_last_in_an_empty_folder_is_an_error(config, tmp_path, capsys):
    said = stopped(capsys, "fit", "--config", config, "--trainer.default_root_dir", tmp_path, "--ckpt_path", "last")
    assert "last.ckpt is not there" in said and "without --ckpt_path" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["nowhere.ckpt", "http://example.org/last.ckpt"])
def test_a_checkpoint_that_is_no_local_file_is_refused(config, tmp_path, capsys, path):
    said = stopped(capsys, "fit", "--config", config, "--trainer.default_root_dir", tmp_path, "--ckpt_path", path)
    assert "must be 'last' or a local file" in said and path in said


@pytest.fixture(scope="module")
def resumed(nursery: Nursery, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of half the epochs that was then resumed for the rest."""
    root = tmp_path_factory.mktemp("runs") / "resumed"
    common = ("fit", "--config", config, "--trainer.default_root_dir", root, "--trainer.max_epochs")
    status, said = nursery.run(*common, EPOCHS // 2)
    assert status == 0, said
    half = (root / "metrics.csv").read_text()
    status, said = nursery.run(*common, EPOCHS, "--ckpt_path", "last")
    assert status == 0, said
    assert (root / "metrics.csv").read_text().startswith(half.rstrip("\n")), "metrics.csv was not appended to"
    return root


def test_a_resumed_run_ends_where_an_unbroken_one_does(resumed, finished):
    assert epochs_measured(resumed) == list(range(EPOCHS))
    for key in ("epoch", "global_step"):
        assert last(resumed)[key] == last(finished)[key]
    training = read_json(resumed / "model" / "metrics.json")["training"]
    assert training["epochs"] == EPOCHS and training["steps"] == EPOCHS * TRAIN // BATCH


def test_a_resumed_run_gives_the_weights_of_an_unbroken_one(resumed, finished):
    """Batches depend on seed and epoch alone, and this network draws no other random number."""
    found, wanted = last(resumed)["state_dict"], last(finished)["state_dict"]
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_a_finished_run_can_be_resumed_for_nothing(resumed, nursery, config):
    before, metrics = last(resumed), (resumed / "metrics.csv").read_text()
    status, said = nursery.run("fit", "--config", config, "--trainer.default_root_dir", resumed, "--ckpt_path", "last")
    assert status == 0, said
    assert last(resumed)["global_step"] == before["global_step"] and (resumed / "metrics.csv").read_text() == metrics


def test_the_saved_recipe_of_a_resumed_run_says_nothing_of_it(resumed):
    assert "ckpt_path" not in yaml.safe_load((resumed / "recipe.yaml").read_text())


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_measuring_overwrites_neither_recipe_nor_metrics(finished, nursery, config, verb):
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in finished.rglob("*") if path.is_file()}
    status, said = nursery.run(verb, "--config", config, "--trainer.default_root_dir", finished)
    assert status == 0, said
    assert f"{'val' if verb == 'validate' else 'test'}_accuracy" in said
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in finished.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_measuring_where_nothing_was_trained_is_an_error(config, tmp_path, capsys, verb):
    assert "nothing was saved yet" in stopped(capsys, verb, "--config", config, "--trainer.default_root_dir", tmp_path)


def test_resuming_with_another_tokenizer_is_refused(finished, nursery, config):
    arguments = ("--trainer.default_root_dir", finished, "--ckpt_path", "last", "--data.vocab_size", 20)
    status, said = nursery.run("fit", "--config", config, *arguments)
    assert status != 0 and "another tokenizer" in said
    assert "Traceback" not in said


# Killed


def test_a_run_killed_at_any_moment_goes_on_to_its_end(nursery, config, tmp_path):
    """SIGKILL at random moments of preparation, training, saving and exporting, then the command that a user would give."""
    start = time.monotonic()
    status, said = nursery.run("fit", "--config", config, "--trainer.default_root_dir", tmp_path / "whole")
    whole = time.monotonic() - start
    assert status == 0, said
    random.seed(int(start))
    outcomes = []
    for number in range(6):
        root = tmp_path / f"run-{number}"
        common = ("fit", "--config", config, "--trainer.default_root_dir", root)
        if number % 2:  # at any moment, the first very early
            moment = whole * (number // 2 + 0.8 * random.random()) / 3
            status, _ = nursery.run(*common, kill_after=moment)
        else:  # once something was saved
            moment = 0.3 * whole * random.random()
            status, _ = nursery.run(*common, kill_after=moment, of=root / "checkpoints" / "last.ckpt")
        assert status in (-9, 0)
        was_saved = any((root / "checkpoints").glob("*.ckpt"))
        status, said = nursery.run(*common, *(("--ckpt_path", "last") if was_saved else ()))
        assert status == 0, f"killed after {moment:.2f} s: {said}"
        assert seqzoo.load(root / "model").predict("a lovely film").label in ("negative", "positive")
        assert last(root)["global_step"] == EPOCHS * TRAIN // BATCH
        assert epochs_measured(root)[-1:] in ([EPOCHS - 1], []), epochs_measured(root)
        repeated = len(epochs_measured(root)) - len(set(epochs_measured(root)))
        assert repeated <= 1, "only the epoch in which it was killed may stand twice in metrics.csv"
        outcomes.append((round(moment, 2), was_saved))
    assert {was_saved for _, was_saved in outcomes} == {True, False}, f"badly chosen moments: {outcomes}"


def test_a_save_that_fails_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    from seqzoo.fitting import AtomicCheckpointIO

    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)

    def half(checkpoint: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="no space left"):
        AtomicCheckpointIO().save_checkpoint({"step": 2}, path)
    monkeypatch.undo()
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [item.name for item in path.parent.iterdir()] == ["last.ckpt"]


# Names and arguments, before any data is read


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "bilstn"}, ["architectures holds no 'bilstn'", "did you mean 'bilstm'?"]),
        ({"arguments": {"hiden_size": 8}}, ["bilstm has no argument 'hiden_size'", "did you mean 'hidden_size'?"]),
        ({"arguments": {"hidden_size": "eight"}}, ["hidden_size must be int"]),
    ],
)
def test_wrong_names_are_refused_before_any_data_is_read(tmp_path, capsys, change, words):
    config = write_recipe(tmp_path / "bad.yaml", recipe(tmp_path / "no-such-data", **change))
    said = stopped(capsys, "fit", "--config", config, "--trainer.default_root_dir", tmp_path / "run")
    assert all(word in said for word in words) and len(said.splitlines()) == 1, said
    assert not (tmp_path / "run").exists()


def test_missing_data_is_one_clear_line(tmp_path, nursery):
    config = write_recipe(tmp_path / "bad.yaml", recipe(tmp_path / "no-such-data"))
    status, said = nursery.run("fit", "--config", config, "--trainer.default_root_dir", tmp_path / "run")
    assert status == 2 and "train.parquet" in said and "Traceback" not in said


def test_an_unknown_recipe_suggests_the_nearest(capsys):
    assert "did you mean 'imdb-bilstm'?" in stopped(capsys, "fit", "--config", "imdb-bilsm")


def test_an_unknown_key_of_a_recipe_is_refused(tmp_path, data, capsys):
    content = recipe(data)
    content["trainer"]["max_epoch"] = 3
    assert "max_epoch" in stopped(capsys, "fit", "--config", write_recipe(tmp_path / "bad.yaml", content))


# Overlays and callbacks


def test_an_overlay_and_the_command_line_change_a_recipe(config, nursery, tmp_path):
    overlay = write_recipe(tmp_path / "overlay.yaml", {"model": {"init_args": {"optimizer": {"init_args": {"lr": 0.5}}}}})
    status, said = nursery.run(
        *("fit", "--config", config, "--config", "trainer/cpu", "--config", overlay, "--trainer.max_epochs=1"),
        *("--model.arguments.hidden_size=5", "--trainer.default_root_dir", tmp_path / "run"),
    )
    assert status == 0, said
    stored = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    assert stored["trainer"]["precision"] == "bf16-mixed" and stored["trainer"]["max_epochs"] == 1
    optimizer = stored["model"]["init_args"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.AdamW" and optimizer["init_args"]["lr"] == 0.5
    arguments = stored["model"]["init_args"]["arguments"]
    assert arguments == {"embedding_size": 8, "hidden_size": 5}
    assert seqzoo.load(tmp_path / "run" / "model").arguments == arguments


CALLBACKS = {
    "bilstm": ({"arguments": {"embedding_size": 8, "hidden_size": 8}}, "initialise_embedding.InitialiseEmbedding"),
    "bow": ({"architecture": "bow", "arguments": {"max_features": 200}}, "fit_statistics.FitStatistics"),
}


@pytest.mark.parametrize("architecture", CALLBACKS)
def test_what_is_fitted_before_training_is_not_fitted_again_on_resume(architecture, data, nursery, tmp_path):
    model, callback = CALLBACKS[architecture]
    content = recipe(data, **model)
    init = {"splits": ["train", "unsupervised"], "epochs": 1, "workers": 1} if architecture == "bilstm" else {}
    content["trainer"]["callbacks"] = [{"class_path": f"seqzoo.callbacks.{callback}", "init_args": init}]
    content["model"]["init_args"]["optimizer"]["init_args"]["lr"] = 0.0  # what was fitted stays as it was
    content["model"]["init_args"].pop("lr_scheduler")
    config = write_recipe(tmp_path / "recipe.yaml", content)
    common = ("fit", "--config", config, "--trainer.default_root_dir", tmp_path / "run")
    status, said = nursery.run(*common, "--trainer.max_epochs", 1)
    assert status == 0, said
    model = seqzoo.load(tmp_path / "run" / "model")
    before = last(tmp_path / "run")["state_dict"]
    if architecture == "bow":
        assert model.network.is_fitted
    else:
        weight = model.network.embedding.weight.detach()
        assert not weight[0].any() and float(weight[2:].std()) == pytest.approx(0.5, rel=0.05) and weight[1].any()
        assert "training word2vec" in said and "128 of train and 160 of unsupervised" in said
    marked = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    key = "model.network.scale" if architecture == "bow" else "model.network.embedding.weight"
    marked["state_dict"][key] = before[key] * 2  # another fit would undo this
    torch.save(marked, tmp_path / "run" / "checkpoints" / "last.ckpt")
    status, said = nursery.run(*common, "--ckpt_path", "last", "--trainer.max_epochs", 2)
    assert status == 0, said
    assert "word2vec" not in said
    after = last(tmp_path / "run")["state_dict"]
    torch.testing.assert_close(after[key], before[key] * 2)


def test_bundled_recipes_are_known_by_name():
    assert {"imdb-bilstm", "imdb-bow"} <= set(catalog.list_recipes())
    assert catalog.recipe_path("trainer/cpu").is_file()


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("runs/imdb-bow", "runs/imdb-bow"),
        ("/somewhere/else/mine", "runs/mine"),
        ("/somewhere/runs/lectures/imdb-cnn", "runs/lectures/imdb-cnn"),
    ],
)
def test_an_exported_recipe_names_no_folder_of_this_machine(folder, told):
    recipe = yaml.safe_dump({"data": {"init_args": {"data_dir": "/data"}}, "trainer": {"default_root_dir": folder}})
    exported = yaml.safe_load(portable(recipe))
    assert exported["trainer"]["default_root_dir"] == told
    assert exported["data"]["init_args"]["data_dir"] is None
