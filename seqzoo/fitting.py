"""fit, validate and test on Lightning's CLI: a fixed run folder, resumable at any moment, exported when done."""

from __future__ import annotations

import csv
import json
import logging
import os
import platform
import re
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from seqzoo import __version__, catalog
from seqzoo.hub import replace_file, shapes_only, shows_progress
from seqzoo.specs import SeriesSpec, TextSpec

__all__ = ["CLI", "run"]

log = logging.getLogger(__name__)
VERBS = ("fit", "validate", "test")
LAST = "last"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, so that a kill leaves the old one or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            torch.save(checkpoint, file)


class _AppendingWriter(ExperimentWriter):
    def _check_log_dir_exists(self) -> None:
        """Go on with the file that is there, where Lightning's own would delete it."""
        if os.path.isfile(self.metrics_file_path):
            with open(self.metrics_file_path, newline="", encoding="utf-8") as file:
                self.metrics_keys = sorted(next(csv.reader(file), []))


class RunLog(CSVLogger):
    """`metrics.csv` in the run folder itself; a resumed run appends to it."""

    def __init__(self, root: Path):
        super().__init__(root, name="", version="")

    @property
    def experiment(self) -> ExperimentWriter:
        if self._experiment is None:
            os.makedirs(self.root_dir, exist_ok=True)
            self._experiment = _AppendingWriter(log_dir=self.log_dir)
        return self._experiment


class SaveRecipe(SaveConfigCallback):
    """Writes the recipe as run, in `fit` only and without what belongs to one start of it."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        self.config = self.config.clone()
        for key in ("ckpt_path", "weights_only"):
            self.config.pop(key, None)
        super().setup(trainer, pl_module, stage)


class Clock(L.Callback):
    """Seconds of training, preparation and restarts included; and one log line per epoch."""

    def __init__(self) -> None:
        self.earlier, self.start = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        return self.earlier + time.monotonic() - self.start

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.earlier, self.start = state_dict["seconds"], time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        values = " ".join(f"{name} {float(value):.4f}" for name, value in sorted(trainer.callback_metrics.items()))
        log.info("epoch %d: %s, %.0f s", trainer.current_epoch + 1, values, self.seconds)


class CLI(LightningCLI):
    """Lightning's CLI with a run folder that is never overwritten and never lost."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        verbs = LightningCLI.subcommands()
        return {verb: verbs[verb] for verb in VERBS}

    def _stop(self, message: str) -> None:
        print(f"seqzoo {self.subcommand}: {message}", file=sys.stderr)
        raise SystemExit(2)

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        self._check(config)
        trainer = config["trainer"]
        if trainer["default_root_dir"] is None:
            trainer["default_root_dir"] = os.path.join("runs", config["model"]["init_args"]["architecture"])
        self.root = Path(trainer["default_root_dir"])
        config["ckpt_path"] = self._checkpoint(config["ckpt_path"])
        if self.subcommand != "fit":
            trainer["logger"] = False
        if trainer["enable_progress_bar"] is None and not shows_progress():
            trainer["enable_progress_bar"] = False
        if trainer["enable_model_summary"] is None:
            trainer["enable_model_summary"] = False

    def _check(self, config: Any) -> None:
        """Names, arguments and their ranges, before any data is read; Lightning would bury the messages or be late."""
        given = config["model"].get("init_args", {})
        try:
            if "architecture" in given:
                self._check_network(config, given["architecture"], given.get("arguments") or {})
            for stanza in (config["data"], *(config["trainer"]["callbacks"] or ())):
                if stanza is not None and stanza["class_path"].startswith("seqzoo."):
                    module, _, name = stanza["class_path"].rpartition(".")
                    getattr(import_module(module), name)(**stanza.get("init_args", {}))
        except (LookupError, ValueError, OSError) as error:
            self._stop(str(error))

    def _check_network(self, config: Any, architecture: str, arguments: Any) -> None:
        """A network like the one that will be trained, without memory: a text's, or a series' of the corpus's windows."""
        network, path = catalog.resolve("architectures", architecture), config["model"]["class_path"]
        catalog.check_arguments(architecture, network, arguments)
        spec: TextSpec | SeriesSpec = TextSpec(vocab_size=100)
        if path.startswith("seqzoo.tasks."):
            module, _, name = path.rpartition(".")
            getattr(import_module(module), name).check(architecture, arguments)
            if path != "seqzoo.tasks.text_classification.TextClassification":
                data = (config["data"] or {}).get("init_args") or {}
                spec = SeriesSpec(1, data.get("context_length") or 100, data.get("horizon") or 1)
        with shapes_only():
            network(spec, **arguments)

    def _checkpoint(self, asked: str | None) -> str | None:
        """The file that `--ckpt_path` means in this run folder."""
        folder = self.root / "checkpoints"
        last = folder / f"{LAST}.ckpt"
        if asked is None and self.subcommand == "fit":
            if any(folder.glob("*.ckpt")):
                self._stop(
                    f"{self.root} holds a run already; go on with it by --ckpt_path last, "
                    "or name another folder by --trainer.default_root_dir"
                )
            return None
        if asked in (None, "last"):
            if not last.is_file():
                self._stop(f"{last} is not there: nothing was saved yet; start with fit, without --ckpt_path")
            return str(last)
        if "://" in asked or not Path(asked).is_file():
            self._stop(f"--ckpt_path must be 'last' or a local file, got {asked!r}")
        return asked

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        trainer = self.config_init[self.subcommand]["trainer"]
        callbacks = trainer["callbacks"] or []
        if self.subcommand == "fit":
            self.clock = Clock()
            callbacks = [*callbacks, self.clock]
            last = ModelCheckpoint(self.root / "checkpoints", filename=LAST, enable_version_counter=False)
            callbacks.append(last)
            if trainer["logger"] is None:
                kwargs["logger"] = RunLog(self.root)
        kwargs["callbacks"] = callbacks
        kwargs["plugins"] = [*(trainer["plugins"] or []), AtomicCheckpointIO()]
        return super().instantiate_trainer(**kwargs)

    def after_fit(self) -> None:
        """Export the model, the best where the recipe says what best is, to `<run folder>/model`."""
        if not self.trainer.is_global_zero or self.trainer.fast_dev_run:
            return
        for saver in self.trainer.checkpoint_callbacks:
            if saver.monitor and saver.best_model_path:
                best = torch.load(saver.best_model_path, map_location="cpu", weights_only=True)
                self.model.on_load_checkpoint(best)  # thresholds, which are no tensors
                self.model.load_state_dict(best["state_dict"])
        recipe = (self.root / "recipe.yaml").read_text(encoding="utf-8")
        training = {
            "seconds": round(self.clock.seconds, 1),
            "epochs": self.trainer.current_epoch,
            "steps": self.trainer.global_step,
            "seed": self.config[self.subcommand]["seed_everything"],
            "validation": {
                name: round(float(value), 6)
                for name, value in sorted(self.trainer.callback_metrics.items())
                if name.startswith("val_")
            },
            "machine": machine(),
            "versions": {"seqzoo": __version__, "torch": torch.__version__, "lightning": L.__version__},
        }
        numbers = {"training": training}
        for callback in self.trainer.callbacks:
            numbers |= getattr(callback, "card", {})  # what InitialiseEmbedding says of its vectors
        texts = {
            "recipe.yaml": portable(recipe),
            "metrics.json": json.dumps(numbers, indent=2, ensure_ascii=False) + "\n",
        }
        folder = self.model.model.save_pretrained(self.root / "model", texts=texts)
        log.info("saved %s", folder)
        print(f"{folder}\t{training['steps']} steps in {training['seconds']:.0f} s")


def machine() -> str:
    """What the numbers were measured on, in words."""
    cores = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} CPU cores"
    if torch.cuda.is_available():
        return f"{cores}, {torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return f"{cores}, {found.group(1).strip() if found else platform.processor() or platform.machine()}"


def portable(recipe: str) -> str:
    """The recipe as run, less what only this machine knows: its data folder, and where its `runs` lie."""
    config = yaml.safe_load(recipe)
    root = Path((config.get("trainer") or {}).get("default_root_dir") or "")
    if root.is_absolute():
        after = root.parts[root.parts.index("runs") + 1 :] if "runs" in root.parts else (root.name,)
        config["trainer"]["default_root_dir"] = Path("runs", *after).as_posix()
    data = (config.get("data") or {}).get("init_args") or {}
    if data.get("data_dir"):
        data["data_dir"] = None
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def run(arguments: list[str]) -> None:
    """`fit`, `validate` or `test` with Lightning CLI arguments; bundled recipes may be given by name."""
    warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=r"The dirpath has changed.*")
    warnings.filterwarnings("ignore", message=r"Total length of .* across ranks is zero.*")
    warnings.filterwarnings("ignore", message=r".*configure_optimizers` returned `None`.*")  # a model that learns nothing
    warnings.filterwarnings("ignore", message=r".*training_step` returned `None`.*")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.argv = ["seqzoo", *_recipe_names(arguments)]
    CLI(
        L.LightningModule,
        L.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        auto_configure_optimizers=False,
        save_config_callback=SaveRecipe,
        save_config_kwargs={"overwrite": True, "config_filename": "recipe.yaml"},
        seed_everything_default=1,
    )


def _recipe_names(arguments: list[str]) -> list[str]:
    """`--config imdb-bilstm` and `--config trainer/gpu` become the bundled files' paths."""
    resolved = []
    for position, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag in ("--config", "-c") and equals:
            resolved.append(f"{flag}={_recipe(value)}")
        elif position and arguments[position - 1] in ("--config", "-c"):
            resolved.append(_recipe(argument))
        else:
            resolved.append(argument)
    return resolved


def _recipe(value: str) -> str:
    if Path(value).is_file() or value.endswith((".yaml", ".yml")):
        return value
    return str(catalog.recipe_path(value))
