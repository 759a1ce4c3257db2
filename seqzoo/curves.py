"""Learning curves: accuracy against the number of labelled texts, cell by cell, each cell kept as soon as it is done."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from seqzoo import catalog, hub, plots

__all__ = ["plot", "run", "table"]

COLUMNS = (
    *("recipe", "initialiser", "size", "seed", "validation_accuracy", "test_accuracy", "validation_n", "test_n"),
    *("steps", "seconds", "vectors", "settings_sha256", "date", "available"),
)
ALL = "all"
SIZES = (200, 500, 2_000, 10_000)
VECTORS = Path("runs/vectors")
SHARED = ("unsupervised", "test")  # splits that no seed changes


def run(
    recipe: str,
    initialisers: Sequence[str],
    sizes: Sequence[int | str] | None,
    seeds: Sequence[int],
    out: Path,
    *,
    data_dir: str | None = None,
    changes: Mapping[str, str] | None = None,
    test: bool = True,
    progress: bool = False,
) -> Iterator[dict[str, Any]]:
    """A row for each cell that `out` (CSV) does not hold yet, written there before it is given.

    A cell is the recipe overlaid by `recipes/initialise/<initialiser>.yaml`, on `size` labelled texts, with `seed` for
    everything drawn: the texts (those to train on and the validation texts), the first weights, the order. A row counts
    as the same only where all settings are. Of `sizes` one may be `all`, every labelled text that validation leaves; None
    stands for those of 200, 500, 2,000 and 10,000 that are at most half of them, and all. `changes` are settings of the
    recipe by dotted key, in YAML. Without `test` nothing is measured on test, for the time when settings are chosen.
    `progress` draws a bar while vectors are trained, on a terminal.

    Raises ValueError, before anything is trained, for a size that is not there and a table of other columns.
    """
    _read(out)
    stanza = _settings(recipe, initialisers[0], changes or {})["data"]
    numbers = _numbers(sizes, len(_corpus(stanza, data_dir=data_dir).texts("train")))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r".*(does not have many workers|LeafSpec).*")
    cache: dict[str, Any] = {}
    for seed in seeds:
        for name in initialisers:
            for size in numbers:
                settings = _settings(recipe, name, changes or {})
                key = {"recipe": recipe, "initialiser": name, "size": str(size), "seed": str(seed)}
                key["settings_sha256"] = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
                if any(_same(row, key, test) for row in _read(out)):
                    continue
                row = {
                    **key,
                    **_cell(settings, size, seed, data_dir, test, cache, progress),
                    "date": date.today().isoformat(),
                }
                with hub.locked(out):  # another process may add to it too
                    _write(out, [*_read(out), row])
                yield row


def _numbers(sizes: Sequence[int | str] | None, available: int) -> list[int]:
    """Sizes as numbers, in their order, each once."""
    if sizes is None:
        sizes = [*(size for size in SIZES if size <= available / 2), ALL]
    numbers = [available if size == ALL else int(size) for size in sizes]
    if wrong := [size for size in numbers if not 1 <= size <= available]:
        raise ValueError(f"sizes must be from 1 to {available}, the labelled texts that validation leaves, got {wrong[0]}")
    return list(dict.fromkeys(numbers))


def _same(row: Mapping[str, str], key: Mapping[str, str], test: bool) -> bool:
    return all(row[name] == value for name, value in key.items()) and bool(row["test_accuracy"] or not test)


def _settings(recipe: str, initialiser: str, changes: Mapping[str, str]) -> dict[str, Any]:
    """The recipe with its overlay: mappings are merged, everything else replaced."""
    settings = yaml.safe_load(catalog.recipe_path(recipe).read_text(encoding="utf-8"))
    overlay = yaml.safe_load(catalog.recipe_path(f"initialise/{initialiser}").read_text(encoding="utf-8"))
    settings = _merged(settings, overlay)
    for key, value in changes.items():
        *path, last = key.split(".")
        node = settings
        for step in path:
            node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
        node[last] = yaml.safe_load(value)
    return settings


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _merged(below[key], value) if key in below else value for key, value in above.items()}}


def _cell(
    settings: Mapping[str, Any],
    size: int,
    seed: int,
    data_dir: str | None,
    test: bool,
    cache: dict[str, Any],
    progress: bool,
) -> dict[str, Any]:
    import lightning as L
    import numpy as np

    started = time.monotonic()
    L.seed_everything(seed, verbose=False)
    data = _data(settings["data"], size, seed, data_dir, cache)
    model, trainer = settings["model"], dict(settings["trainer"])
    chosen = {
        key: _maker(value) if key in ("optimizer", "lr_scheduler") else value for key, value in model["init_args"].items()
    }
    task = _named(model["class_path"])(**chosen)
    callbacks = []
    for stanza in trainer.pop("callbacks", []):
        callbacks.append(_named(stanza["class_path"])(**stanza.get("init_args", {})))
        if getattr(callbacks[-1], "folder", "") is None:  # vectors that are trained here: once for all cells
            asked = json.dumps([stanza, model["init_args"]["arguments"], cache["vocabulary"]], sort_keys=True)
            callbacks[-1].folder = str(VECTORS / hashlib.sha256(asked.encode()).hexdigest()[:16])
            callbacks[-1].progress = progress
    trainer.pop("default_root_dir", None)
    with tempfile.TemporaryDirectory() as root:
        L.Trainer(
            **{**trainer, "check_val_every_n_epoch": None} if "max_steps" in trainer else trainer,
            default_root_dir=root,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
        ).fit(task, datamodule=data)
    seconds, found = time.monotonic() - started, {}
    for split in ("validation", "test") if test else ("validation",):
        guesses = task.model.logits(data.documents(split)).argmax(1).numpy()
        found |= {f"{split}_accuracy": f"{np.mean(guesses == data.targets(split)):.6f}", f"{split}_n": len(guesses)}
    for split in SHARED:
        cache.setdefault(split, {})
        if split in data.splits and not data.drawn:
            cache[split] |= {"texts": data.splits[split]}
    cards = [callback.card["embedding"] for callback in callbacks if getattr(callback, "card", None)]
    vectors = "; ".join(card["source"] for card in cards)
    return {
        "test_accuracy": "",
        "test_n": "",
        **found,
        "steps": task.global_step,
        "seconds": round(seconds, 1),
        "vectors": vectors,
        "available": len(data.texts("train")) + len(data.texts("rest")),
    }


def _data(stanza: Mapping[str, Any], size: int, seed: int, data_dir: str | None, cache: dict[str, Any]) -> Any:
    """The corpus of a cell, with what an earlier cell read and counted already, where it is the same."""
    data = _corpus(stanza, data_dir=data_dir, num_train=size, split_seed=seed)
    for split in SHARED:
        if "texts" in cache.get(split, {}):
            data.splits[split] = cache[split]["texts"]
    digest = hashlib.sha256()
    for split in data.vocabulary_splits:
        for text in data.texts(split):
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    key = digest.hexdigest()
    if cache.get("vocabulary") != key:
        cache |= {"vocabulary": key, "tokenizer": None, "whole": {}, "encoded": {}}
    data.tokenizer = cache["tokenizer"]
    shared = SHARED if not data.drawn else ()
    data.untruncated.update({split: own for split, own in cache["whole"].items() if split in shared})
    data.encoded.update({split: own for split, own in cache["encoded"].items() if split in shared})
    data.prepare_data()
    data.setup("fit")
    cache |= {"tokenizer": data.tokenizer, "whole": data.untruncated, "encoded": data.encoded}
    return data


def _corpus(stanza: Mapping[str, Any], **given: Any) -> Any:
    """The corpus of a recipe; what is given and not None takes the place of its own settings."""
    given = {key: value for key, value in given.items() if value is not None}
    return _named(stanza["class_path"])(**{**stanza["init_args"], **given})


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _maker(stanza: Mapping[str, Any]) -> Any:
    """An optimiser or schedule that still wants its first argument."""
    return partial(_named(stanza["class_path"]), **stanza.get("init_args", {}))


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"{path} must have the columns {', '.join(COLUMNS)}; got {', '.join(reader.fieldnames or ())}")
    return rows


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import io

    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with hub.replace_file(path) as file:
        file.write(text.getvalue().encode())


def _latest(out: Path) -> dict[str, dict[int, list[float]]]:
    """Initialiser -> size -> test accuracies in percent, one per seed, of the latest settings of each.

    The initialiser that does best on the fewest texts comes first.
    """
    rows = [row for row in _read(out) if row["test_accuracy"]]
    latest = {(row["recipe"], row["initialiser"]): row["settings_sha256"] for row in rows}
    cells: dict[str, dict[int, list[float]]] = {}
    for row in sorted(rows, key=lambda row: int(row["size"])):
        if latest[row["recipe"], row["initialiser"]] == row["settings_sha256"]:
            cells.setdefault(row["initialiser"], {}).setdefault(int(row["size"]), []).append(
                100 * float(row["test_accuracy"])
            )
    least = min((size for own in cells.values() for size in own), default=0)
    return dict(sorted(cells.items(), key=lambda cell: -mean(cell[1].get(least, [0.0]))))


def plot(out: Path) -> Path | None:
    """Mean test accuracy of the seeds against size, a line per initialiser with a bar from the lowest to the highest, as SVG
    beside the CSV; None without rows."""
    cells = _latest(out)
    if not cells:
        return None
    series = {name: [(size, mean(own)) for size, own in sizes.items()] for name, sizes in cells.items()}
    reach = {
        name: [(size, min(own), max(own)) for size, own in sizes.items() if len(own) > 1] for name, sizes in cells.items()
    }
    recipes = ", ".join(dict.fromkeys(row["recipe"] for row in _read(out)))
    title = f"{recipes}: mean of {_seeds(cells)} seeds, bars from the lowest to the highest"
    figure = plots.lines(series, title, "labelled texts", "test accuracy, %", reach=reach)
    return plots.save(figure, out.with_suffix(".svg"))


def _seeds(cells: Mapping[str, Mapping[int, Sequence[float]]]) -> str:
    """How many seeds stand behind a mean: the fewest and the most where they differ."""
    counts = sorted({len(own) for sizes in cells.values() for own in sizes.values()})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def table(out: Path) -> str:
    """The same as a section of RESULTS.md: mean test accuracy, lowest and highest in brackets; empty without rows."""
    cells = _latest(out)
    if not cells:
        return ""
    rows = _read(out)
    sizes = sorted({size for own in cells.values() for size in own})
    every = {int(row["available"]) for row in rows if row["available"]}
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    shown = ", ".join(f"`{recipe}`" for recipe in recipes)
    heads = [f"{size:,}{' (all)' if size in every else ''}" for size in sizes]
    picture = out.with_suffix(".svg")
    lines = [
        *("", f"## Embeddings' beginnings: {', '.join(Path(recipe).name for recipe in recipes)}", ""),
        f"Test accuracy in percent against the number of labelled texts, recipe {shown} with an overlay of",
        f"`recipes/initialise`; by `seqzoo embed curve`, from `results/{out.name}`; settings by validation.",
        *(["", f"![accuracy against labelled texts](results/{picture.name})"] if picture.is_file() else []),
        "",
        f"| initialiser | {' | '.join(heads)} | seeds |",
        f"|---|{'---|' * (len(sizes) + 1)}",
    ]
    for name, own in cells.items():
        spreads = [_spread(own.get(size, [])) for size in sizes]
        lines.append(f"| {name} | {' | '.join(spreads)} | {_seeds({name: own})} |")
    counted = sum(len(values) for own in cells.values() for values in own.values())
    if earlier := sum(bool(row["test_accuracy"]) for row in rows) - counted:
        lines += ["", f"Cells of earlier settings, in the file but not counted above: {earlier}."]
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    ends = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    return f"**{mean(values):.2f}**{ends}"
