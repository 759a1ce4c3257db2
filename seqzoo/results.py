"""The lectures' tables beside ours: runs recorded in a CSV file, each measured once on test; RESULTS.md from them."""

from __future__ import annotations

import csv
import hashlib
import inspect
import io
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path, PurePath
from statistics import mean
from typing import TYPE_CHECKING, Any

import yaml

from seqzoo import cards, catalog, hub

if TYPE_CHECKING:
    from seqzoo.verification import Report

__all__ = ["compare", "content", "record", "record_verified", "render", "write"]

log = logging.getLogger(__name__)
RUNS, LECTURES, VERIFIED = "runs.csv", "lectures.csv", "verified.csv"
COLUMNS = {
    "runs.csv": (
        *("recipe", "architecture", "corpus", "seed", "validation_accuracy", "test_accuracy", "test_macro_f1"),
        *("test_log_loss", "test_texts", "parameters", "bytes", "epochs", "training_seconds", "machine", "versions", "date"),
        *("recipe_sha256", "weights_sha256", "test_sha256"),
    ),
    "verified.csv": ("checkpoint", "number", "claimed", "measured", "tolerance", "verdict", "date", "config_sha256"),
    "lectures.csv": ("table", "row", "figure", "unit", "note", "recipe"),
}
FREE = (("seed_everything",), ("trainer", "default_root_dir"))  # what runs of one recipe may differ in
MACHINE = {"accelerator", "devices", "strategy", "num_nodes", "precision", "logger", "default_root_dir"}  # of the trainer


def record(run: Path, folder: Path, *, recipe: str | None = None, machine: str | None = None) -> dict[str, Any] | None:
    """Measure a finished run's model on its corpus's test split, once, and add it to `folder/runs.csv`; its row.

    None, and nothing measured, where these weights are recorded already. `recipe` is the bundled recipe that was run, told
    from the run's own `default_root_dir` where not given; `machine` says in words where it was trained.

    Raises FileNotFoundError for a folder without finished run, UnknownName for a recipe that is not bundled, ValueError
    where the run was made with other settings than the recipe has (its seed, and what machine and screen ask for, apart).
    """
    source = run / "model"
    if not (source / hub.WEIGHTS).is_file():
        raise FileNotFoundError(f"{run} holds no finished run: there is no {source / hub.WEIGHTS}")
    weights = hub.fingerprint(source / hub.WEIGHTS)
    if any(row["weights_sha256"] == weights["sha256"] for row in _read(folder, RUNS)):
        log.info("%s is recorded already", run)
        return None
    text = (source / "recipe.yaml").read_text(encoding="utf-8")
    ran = yaml.safe_load(text)
    recipe = recipe or _name(ran)
    bundled = _settings(recipe)
    if difference := _difference(bundled, ran) or _changed_default(bundled, ran):
        raise ValueError(f"{run} is no run of recipe {recipe}: {difference}; give --recipe, or run the recipe as it is")
    from seqzoo import verification

    training, data = cards.metrics(source)["training"], verification.corpus_of(text)
    model, test = hub.load(f"local-dir:{source}"), data.read("test")
    log.info("measuring %s on the test split of %s", run, data.name)
    measured = verification.evaluate(model, test.texts, test.targets)
    row = {
        "recipe": recipe,
        "architecture": model.architecture,
        "corpus": data.name,
        "seed": ran["seed_everything"],
        "validation_accuracy": training["validation"].get("val_accuracy", ""),
        **{f"test_{name}": round(measured[name], 6) for name in ("accuracy", "macro_f1", "log_loss") if name in measured},
        "test_texts": measured["n"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "bytes": weights["bytes"],
        "epochs": training["epochs"],
        "training_seconds": training["seconds"],
        "machine": machine or training["machine"],
        "versions": ", ".join(f"{name} {version}" for name, version in training["versions"].items()),
        "date": date.today().isoformat(),
        "recipe_sha256": _hash(bundled),
        "weights_sha256": weights["sha256"],
        "test_sha256": data.fingerprint("test"),
    }
    _write(folder, RUNS, [*_read(folder, RUNS), row])
    return row


def record_verified(reports: Sequence[Report], folder: Path) -> None:
    """Put what `verify` measured into `folder/verified.csv`, in the place of what was there of these checkpoints."""
    fresh = [
        {
            "checkpoint": report.checkpoint,
            **{key: value for key, value in number._asdict().items() if key != "name"},
            "number": number.name,
            "date": date.today().isoformat(),
            "config_sha256": hub.fingerprint(report.folder / "config.json")["sha256"],
        }
        for report in reports
        for number in report.numbers
    ]
    names = {report.checkpoint for report in reports}
    kept = [row for row in _read(folder, VERIFIED) if row["checkpoint"] not in names]
    _write(folder, VERIFIED, sorted([*kept, *fresh], key=lambda row: row["checkpoint"]))


def _write(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS[name], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with hub.replace_file(folder / name) as file:
        file.write(text.getvalue().encode())


def content(folder: Path) -> bytes:
    """RESULTS.md as the records in `folder` say it."""
    from seqzoo import curves

    tables = [curves.table(path) for path in sorted(folder.glob("learning_curve*.csv"))]
    return "".join([render(compare(folder)), *tables, _render_verified(_read(folder, VERIFIED))]).encode()


def write(folder: Path, out: Path) -> None:
    """Write RESULTS.md from the records in `folder`."""
    whole = content(folder)
    with hub.replace_file(out) as file:
        file.write(whole)


def _render_verified(rows: Sequence[Mapping[str, str]]) -> str:
    """The checkpoints, measured again; nothing where none was."""
    if not rows:
        return ""
    lines = ["", "## Checkpoints, measured again", ""]
    lines += ["By `seqzoo verify --all`, every number of each card; all of them are in `results/verified.csv`.", ""]
    lines += [
        "| checkpoint | metric | claimed | measured | numbers that hold | differ | not comparable here | measured on |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for name in dict.fromkeys(row["checkpoint"] for row in rows):
        own = [row for row in rows if row["checkpoint"] == name]
        main = next((row for kind in ("accuracy", "micro_f1") for row in own if row["number"] == f"test {kind}"), None)
        shown = ["-"] * 3
        if main is not None:
            shown = [
                main["number"].partition(" ")[2],
                *(f"{100 * float(main[key]):.2f} %" for key in ("claimed", "measured")),
            ]
        counts = [sum(row["verdict"] == verdict for row in own) for verdict in ("holds", "differs", "not comparable")]
        lines += [f"| `{name}` | {' | '.join(shown)} | {' | '.join(map(str, counts))} | {own[0]['date']} |"]
    return "\n".join(lines) + "\n"


def compare(folder: Path) -> list[dict[str, Any]]:
    """A row per row of `folder/lectures.csv`: the lecture's figure, and ours over all recorded runs of its recipe.

    Only runs of the recipe as it stands now count; `earlier` is how many were recorded of other states of it. `best` is
    our best checkpoint on the very same test texts. Shares, not percent.
    """
    runs, published = _read(folder, RUNS), _published()
    return [_row(lecture, runs, published) for lecture in _read(folder, LECTURES)]


def _row(lecture: Mapping[str, str], runs: Sequence[Mapping[str, str]], published: Mapping[str, Any]) -> dict[str, Any]:
    of_recipe = [run for run in runs if run["recipe"] == lecture["recipe"]]
    now = _hash(_settings(lecture["recipe"]))
    own = [run for run in of_recipe if run["recipe_sha256"] == now]
    row: dict[str, Any] = {
        **{key: lecture[key] for key in ("table", "row", "unit", "note", "recipe")},
        "figure": float(lecture["figure"]) / 100 if lecture["figure"] else None,
        "accuracies": [float(run["test_accuracy"]) for run in own],
        "seeds": [int(run["seed"]) for run in own],
        "earlier": len(of_recipe) - len(own),
    }
    if own:
        row |= {"mean": mean(row["accuracies"]), "bytes": int(own[0]["bytes"]), "parameters": int(own[0]["parameters"])}
        row |= {"seconds": mean(float(run["training_seconds"]) for run in own), "machine": own[0]["machine"]}
        same = {name: found for name, (test, found) in published.items() if test == own[0]["test_sha256"]}
        row["best"] = max(same.items(), key=lambda pair: pair[1], default=None)
    return row


def _published() -> dict[str, tuple[str, float]]:
    """Checkpoint -> sha256 of the test texts and accuracy on them, of all that have one."""
    found = {}
    for name in cards.list_checkpoints():
        numbers = cards.metrics(catalog.resource("checkpoints") / name)
        if "accuracy" in numbers.get("test", {}):
            found[name] = (numbers["data"]["fingerprints"][numbers["test"]["split"]], numbers["test"]["accuracy"])
    return found


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """RESULTS.md: one table per table of the lectures."""
    lines = [
        "# Results",
        "",
        "Written by `seqzoo results` from `results/runs.csv` (runs, each measured once on test by `seqzoo record`),",
        "`results/lectures.csv` and the checkpoints' own `metrics.json`; do not edit. Accuracy on the test split, in",
        "percent. *Ours* is the lecture's architecture by the recipe named, mean over the seeds, lowest and highest in",
        "brackets; *our best* the best checkpoint that the zoo holds for the same test texts. Settings were chosen on texts",
        "held out of train, never on test.",
    ]
    for table in dict.fromkeys(row["table"] for row in rows):
        lines += ["", f"## {table}", ""]
        lines += ["| the lectures' row | lectures | ours | seeds | our best | parameters | MB | training | recipe |"]
        lines += ["|---|---|---|---|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in rows if row["table"] == table]
        lines += [
            f"\n{machine[0].upper()}{machine[1:]}."
            for machine in dict.fromkeys(row["machine"] for row in rows if row["table"] == table and "machine" in row)
        ]
        earlier = [f"{row['recipe']} {row['earlier']}" for row in rows if row["table"] == table and row["earlier"]]
        if earlier:
            lines += ["", f"Recorded of earlier states of a recipe, and not counted above: {', '.join(earlier)}."]
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    figure = f"{100 * row['figure']:.1f}{' ' + row['note'] if row['note'] else ''}" if row["figure"] is not None else "-"
    name, accuracies = f"`{row['recipe']}`", row["accuracies"]
    if not accuracies:
        return [row["row"], figure, "not run", "0", "-", "-", "-", "-", name]
    spread = f" ({100 * min(accuracies):.2f} to {100 * max(accuracies):.2f})" if len(accuracies) > 1 else ""
    best = f"{100 * row['best'][1]:.2f} `{row['best'][0]}`" if row["best"] else "-"
    time = f"{row['seconds'] / 60:.1f} min"
    size = f"{row['bytes'] / 1e6:.1f}"
    ours = f"**{100 * row['mean']:.2f}**{spread}"
    return [row["row"], figure, ours, str(len(accuracies)), best, f"{row['parameters']:,}", size, time, name]


def _read(folder: Path, name: str) -> list[dict[str, str]]:
    """Rows of one of our CSV files; none where it is not there, ValueError where its columns are not ours."""
    path = folder / name
    if not path.is_file():
        if name == LECTURES:
            raise FileNotFoundError(f"there is no {path}; give the folder that holds it by --folder")
        return []
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS[name]:
        raise ValueError(
            f"{path} must have the columns {', '.join(COLUMNS[name])}; got {', '.join(reader.fieldnames or ())}"
        )
    return rows


def _settings(recipe: str) -> dict[str, Any]:
    """A bundled recipe, less what its runs may differ in."""
    settings = yaml.safe_load(catalog.recipe_path(recipe).read_text(encoding="utf-8"))
    for *path, key in FREE:
        node = settings
        for step in path:
            node = node[step]
        node.pop(key, None)
    return settings


def _hash(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _name(ran: Mapping[str, Any]) -> str:
    """The recipe's name out of a run's folder: what follows `runs/`, less `-seed2`."""
    parts = PurePath(ran["trainer"]["default_root_dir"]).parts
    if "runs" not in parts:
        raise ValueError(f"no recipe's name is in the run folder {PurePath(*parts)}; give it by --recipe")
    after = parts[len(parts) - parts[::-1].index("runs") :]
    return "/".join(after).removesuffix(f"-seed{ran['seed_everything']}")


def _difference(wanted: Any, found: Any, path: str = "") -> str | None:
    """The first setting of a recipe that a run does not have."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            if difference := _difference(value, found.get(key), f"{path}.{key}" if path else key):
                return difference
        return None
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return next((text for n, pair in pairs if (text := _difference(*pair, f"{path}.{n}"))), None)
    return None if wanted == found else f"{path} is {found!r} and not {wanted!r}"


def _changed_default(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """The first setting that a recipe leaves open and a run does not: plain arguments of task, corpus and trainer."""
    import lightning

    stanzas = {
        "model.init_args": (_class(found["model"]), wanted["model"]["init_args"], found["model"]["init_args"]),
        "data.init_args": (_class(found["data"]), wanted["data"]["init_args"], found["data"]["init_args"]),
        "trainer": (lightning.Trainer, wanted["trainer"], found["trainer"]),
    }
    for path, (made, given, ran) in stanzas.items():
        defaults = inspect.signature(made).parameters
        for key in sorted(set(ran) - set(given)):
            left_open = path == "trainer" and (key in MACHINE or key.startswith("enable_"))
            default = defaults[key].default if key in defaults else ran[key]
            if not left_open and not callable(default) and ran[key] != default:
                return f"{path}.{key} is {ran[key]!r} and not {default!r}"
    return None


def _class(stanza: Mapping[str, Any]) -> type:
    """The class that a stanza of a recipe of ours names."""
    _, room, name, _ = stanza["class_path"].split(".")
    return catalog.resolve(room, name)
