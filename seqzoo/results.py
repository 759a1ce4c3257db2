"""Others' tables beside ours: runs recorded in a CSV file, each measured once on test; RESULTS.md from them."""

from __future__ import annotations

import csv
import hashlib
import inspect
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path, PurePath
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from seqzoo import cards, catalog, hub, measures

if TYPE_CHECKING:
    from seqzoo.verification import Report

__all__ = ["compare", "content", "record", "record_verified", "render", "write"]

log = logging.getLogger(__name__)
RUNS, LECTURES, VERIFIED = "runs.csv", "lectures.csv", "verified.csv"
REPORTED, LONG = "reported.csv", "long_horizons.csv"
COLUMNS = {
    "runs.csv": (
        *("recipe", "architecture", "corpus", "seed", "validation_accuracy", "test_accuracy", "test_macro_f1"),
        *("test_log_loss", "test_texts", "parameters", "bytes", "epochs", "training_seconds", "machine", "versions", "date"),
        *("recipe_sha256", "weights_sha256", "test_sha256"),
        *("task", "validation_mae", "test_mae", "test_mse", "test_metrics"),
    ),
    "verified.csv": ("checkpoint", "number", "claimed", "measured", "tolerance", "verdict", "date", "config_sha256"),
    "lectures.csv": ("table", "row", "figure", "unit", "note", "recipe"),
    "reported.csv": ("table", "row", "figure", "unit", "note", "recipe"),
    "long_horizons.csv": ("corpus", "architecture", "horizon", "mse", "mae", "recipe"),
}
EARLIER = COLUMNS[RUNS][
    :19
]  # of runs of text classifiers alone; such a file is read, and gets the others when it is written
RECORDED = ("accuracy", "macro_f1", "log_loss", "mae", "mse")  # a column each; all others are in test_metrics
FREE = (("seed_everything",), ("trainer", "default_root_dir"))  # what runs of one recipe may differ in
MACHINE = {"accelerator", "devices", "strategy", "num_nodes", "precision", "logger", "default_root_dir"}  # of the trainer


class Unit(NamedTuple):
    """What a table's figures are: the column of runs.csv, how many make one there, decimal places, the better end."""

    column: str
    scale: float
    places: int
    better: Callable[..., Any]

    def show(self, value: float, places: int | None = None) -> str:
        return f"{self.scale * value:.{self.places if places is None else places}f}"


UNITS = {
    "% accuracy": Unit("test_accuracy", 100, 2, max),
    "°C mean absolute error": Unit("test_mae", 1, 3, min),
}


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
    text = (source / "recipe.yaml").read_text(encoding="utf-8")
    ran = yaml.safe_load(text)
    recipe = recipe or _name(ran)
    recorded = [row["weights_sha256"] for row in _read(folder, RUNS) if row["recipe"] == recipe]
    if weights["sha256"] in recorded:  # of the recipe: networks without weights are all alike
        log.info("%s is recorded already", run)
        return None
    bundled = _settings(recipe)
    if difference := _difference(bundled, ran) or _changed_default(bundled, ran):
        raise ValueError(f"{run} is no run of recipe {recipe}: {difference}; give --recipe, or run the recipe as it is")
    from seqzoo import verification

    training, data = cards.metrics(source)["training"], verification.corpus_of(text)
    model = hub.load(f"local-dir:{source}")
    log.info("measuring %s on the test split of %s", run, data.name)
    measured = measures.of(model.task).evaluate(model, data, "test")
    row = {
        "recipe": recipe,
        "architecture": model.architecture,
        "corpus": data.name,
        "seed": ran["seed_everything"],
        "validation_accuracy": training["validation"].get("val_accuracy", ""),
        **{f"test_{name}": round(measured[name], 6) for name in RECORDED if name in measured},
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
        "task": model.task,
        "validation_mae": training["validation"].get("val_mae", ""),
        "test_metrics": json.dumps({name: _rounded(value) for name, value in measured.items()}),
    }
    with hub.locked(folder / RUNS):
        _write(folder, RUNS, [*_read(folder, RUNS), row])
    return row


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


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
    with hub.locked(folder / VERIFIED):
        kept = [row for row in _read(folder, VERIFIED) if row["checkpoint"] not in names]
        _write(folder, VERIFIED, sorted([*kept, *fresh], key=lambda row: row["checkpoint"]))


def _write(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
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
    verified = _render_verified(_read(folder, VERIFIED))
    runs = _read(folder, RUNS)
    return "".join(
        [
            render(compare(folder)),
            _render_long(_read(folder, LONG), runs),
            _render_reported(_rows(folder, REPORTED, skip=True)),
            *tables,
            verified,
        ]
    ).encode()


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
        shown = _main(name, own)
        counts = [sum(row["verdict"] == verdict for row in own) for verdict in ("holds", "differs", "not comparable")]
        lines += [f"| `{name}` | {' | '.join(shown)} | {' | '.join(map(str, counts))} | {own[0]['date']} |"]
    return "\n".join(lines) + "\n"


def _main(checkpoint: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Main metric of a checkpoint of the index, its claim and what was measured; dashes where it has none."""
    folder = catalog.resource("checkpoints") / checkpoint
    numbers = cards.metrics(folder)
    if "test" not in numbers:
        return ["-"] * 3
    task = json.loads((folder / "config.json").read_text(encoding="utf-8"))["task"]
    kind = measures.main_metric(task, numbers["test"])
    row = next((row for row in rows if row["number"] == f"test {kind}"), None)
    if row is None:
        return ["-"] * 3
    metric, unit = measures.of(task).METRICS[kind], numbers["data"].get("unit", "")
    return [kind, *(metric.show(float(row[key]), unit) for key in ("claimed", "measured"))]


def compare(folder: Path) -> list[dict[str, Any]]:
    """A row per row of `folder/lectures.csv`: the lecture's figure, and ours over all recorded runs of its recipe.

    Only runs of the recipe as it stands now count; `earlier` is how many were recorded of other states of it. `best` is
    our best checkpoint on the very same test data, and for the same horizon. Shares, not percent; errors in their unit.
    """
    return _rows(folder, LECTURES)


def _rows(folder: Path, name: str, skip: bool = False) -> list[dict[str, Any]]:
    """A row per figure of one of our files; with `skip` those whose recipe is not bundled are left out."""
    runs, published, known = _read(folder, RUNS), _published(), set(catalog.list_recipes())
    return [_row(one, runs, published) for one in _read(folder, name) if not skip or one["recipe"] in known]


def _row(figure: Mapping[str, str], runs: Sequence[Mapping[str, str]], published: Mapping[str, Any]) -> dict[str, Any]:
    if figure["unit"] not in UNITS:
        raise ValueError(f"{figure['row']}: unit must be one of {', '.join(UNITS)}, got {figure['unit']!r}")
    unit, settings = UNITS[figure["unit"]], _settings(figure["recipe"])
    own, earlier = _of_recipe(figure["recipe"], settings, runs)
    row: dict[str, Any] = {
        **{key: figure[key] for key in ("table", "row", "unit", "note", "recipe")},
        "figure": float(figure["figure"]) / unit.scale if figure["figure"] else None,
        "values": [float(run[unit.column]) for run in own],
        "seeds": [int(run["seed"]) for run in own],
        "earlier": earlier,
    }
    if own:
        row |= {"mean": mean(row["values"]), "bytes": int(own[0]["bytes"]), "parameters": int(own[0]["parameters"])}
        row |= {"seconds": mean(float(run["training_seconds"]) for run in own), "machine": own[0]["machine"]}
        if own[0]["test_macro_f1"]:
            row["macro_f1"] = mean(float(run["test_macro_f1"]) for run in own)
        kind, horizon = unit.column.removeprefix("test_"), (settings["data"].get("init_args") or {}).get("horizon")
        same = {
            name: test[kind]
            for name, (sha256, test, asked) in published.items()
            if sha256 == own[0]["test_sha256"] and asked == horizon and kind in test
        }
        row["best"] = unit.better(same.items(), key=lambda pair: pair[1], default=None)
    return row


def _of_recipe(
    recipe: str, settings: Mapping[str, Any], runs: Sequence[Mapping[str, str]]
) -> tuple[list[Mapping[str, str]], int]:
    """Runs of a recipe as it stands now, and how many there are of other states of it."""
    of_recipe, now = [run for run in runs if run["recipe"] == recipe], _hash(settings)
    own = [run for run in of_recipe if run["recipe_sha256"] == now]
    return own, len(of_recipe) - len(own)


def _published() -> dict[str, tuple[str, dict[str, Any], int | None]]:
    """Checkpoint -> sha256 of its test data, its numbers on them, and the horizon where it has one."""
    found = {}
    for name in cards.list_checkpoints():
        folder = catalog.resource("checkpoints") / name
        numbers, config = cards.metrics(folder), folder / "config.json"
        if test := numbers.get("test"):
            spec = json.loads(config.read_text(encoding="utf-8"))["spec"] if config.is_file() else {}
            found[name] = (numbers["data"]["fingerprints"][test["split"]], test, spec.get("horizon"))
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
        own = [row for row in rows if row["table"] == table]
        if own[0]["unit"].startswith("°C"):
            lines += _temperatures(table, own)
            continue
        lines += ["", f"## {table}", ""]
        lines += ["| the lectures' row | lectures | ours | seeds | our best | parameters | MB | training | recipe |"]
        lines += ["|---|---|---|---|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in own]
        lines += _below(own)
    return "\n".join(lines) + "\n"


def _temperatures(table: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lectures' errors on Jena beside ours on Szeged, each held against the last value's on the same data."""
    last = rows[0]
    lines = [
        *("", f"## {table}", ""),
        "Mean absolute error on the test split, in °C, of the temperature 24 hours ahead. The lectures' figures are of",
        "Jena, ours of Szeged, which is other weather: compare what each gains on the last value of its own data.",
        "",
        "| the lectures' row | lectures, Jena | gain | ours, Szeged | gain | seeds | best | parameters | time | recipe |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name, figure, ours, seeds, best, parameters, _, time, recipe = _cells(row)
        gains = (_gain(row["figure"], last["figure"]), _gain(row.get("mean"), last.get("mean")))
        lines += [f"| {' | '.join([name, figure, gains[0], ours, gains[1], seeds, best, parameters, time, recipe])} |"]
    return lines + _below(rows)


def _gain(error: float | None, last: float | None) -> str:
    """Percent by which an error is smaller than the last value's."""
    return "-" if not error or not last else f"{100 * (1 - error / last):+.1f} %"


def _below(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Under a table: on what was trained, and runs that do not count."""
    machines = dict.fromkeys(row["machine"] for row in rows if "machine" in row)
    lines = [f"\n{machine[0].upper()}{machine[1:]}." for machine in machines]
    if earlier := [f"{row['recipe']} {row['earlier']}" for row in rows if row["earlier"]]:
        lines += ["", f"Recorded of earlier states of a recipe, and not counted above: {', '.join(earlier)}."]
    return lines


def _cells(row: Mapping[str, Any]) -> list[str]:
    unit = UNITS[row["unit"]]
    places = 1 if unit.scale == 100 else 2  # as they were reported
    figure = f"{unit.show(row['figure'], places)}{' ' + row['note'] if row['note'] else ''}" if row["figure"] else "-"
    name, values = f"`{row['recipe']}`", row["values"]
    if not values:
        return [row["row"], figure, "not run", "0", "-", "-", "-", "-", name]
    spread = f" ({unit.show(min(values))} to {unit.show(max(values))})" if len(values) > 1 else ""
    best = f"{unit.show(row['best'][1])} `{row['best'][0]}`" if row["best"] else "-"
    time = f"{row['seconds'] / 60:.1f} min"
    size = f"{row['bytes'] / 1e6:.1f}"
    ours = f"**{unit.show(row['mean'])}**{spread}"
    return [row["row"], figure, ours, str(len(values)), best, f"{row['parameters']:,}", size, time, name]


def _render_reported(rows: Sequence[Mapping[str, Any]]) -> str:
    """Tables of figures that others report, where a run of ours is recorded beside one."""
    lines = []
    for table in dict.fromkeys(row["table"] for row in rows):
        own = [row for row in rows if row["table"] == table]
        if not any(row["values"] for row in own):
            continue
        lines += ["", f"## {table}", "", "Accuracy on the official test split, in percent; macro F1 beside it.", ""]
        lines += ["| data and network | reported | ours | macro F1 | seeds | parameters | training | recipe |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for row in own:
            name, figure, ours, seeds, _, parameters, _, time, recipe = _cells(row)
            macro = f"{row['macro_f1']:.4f}" if "macro_f1" in row else "-"
            lines += [f"| {' | '.join([name, figure, ours, macro, seeds, parameters, time, recipe])} |"]
        lines += _below(own)
    return "\n".join([*lines, ""]) if lines else ""


def _render_long(figures: Sequence[Mapping[str, str]], runs: Sequence[Mapping[str, str]]) -> str:
    """Errors by horizon, of each corpus that a run is recorded of; a figure whose recipe is not bundled is not run."""
    known, lines = set(catalog.list_recipes()), []
    for corpus in dict.fromkeys(figure["corpus"] for figure in figures):
        own = [figure for figure in figures if figure["corpus"] == corpus]
        horizons = list(dict.fromkeys(figure["horizon"] for figure in own))
        cells: dict[tuple[str, str], dict[str, str]] = {}
        counted = []
        for figure in own:
            name = figure["recipe"]
            found = _of_recipe(name, _settings(name), runs)[0] if name in known else []
            counted += [len(found)] * bool(found)
            ours = [mean(float(run[f"test_{kind}"]) for run in found) for kind in ("mse", "mae")] if found else []
            architecture, horizon = figure["architecture"], figure["horizon"]
            cells.setdefault((architecture, "ours"), {})[horizon] = " / ".join(f"**{value:.3f}**" for value in ours) or "-"
            if figure["mse"]:
                told = f"{float(figure['mse']):.3f} / {float(figure['mae']):.3f}"
                cells.setdefault((architecture, "reported"), {})[horizon] = told
        if not counted:
            continue
        seeds = f"{min(counted)} to {max(counted)}" if min(counted) < max(counted) else f"{max(counted)}"
        seeds += " seeds" if max(counted) > 1 else " seed"
        lines += ["", f"## Long horizons: {corpus}", ""]
        lines += ["MSE / MAE of all channels, standardised by train, every test window counted; recipes"]
        lines += [f"`{PurePath(own[0]['recipe']).parent}/{corpus}-<network>-<horizon>`, mean over {seeds}.", ""]
        lines += [f"| network | | {' | '.join(horizons)} |", "|---|---|" + "---|" * len(horizons)]
        for (architecture, whose), by_horizon in cells.items():
            told = " | ".join(by_horizon.get(horizon, "-") for horizon in horizons)
            lines += [f"| `{architecture}` | {whose} | {told} |"]
    return "\n".join([*lines, ""]) if lines else ""


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
    columns = tuple(reader.fieldnames or ())
    if name == RUNS and columns == EARLIER:
        return [dict.fromkeys(COLUMNS[RUNS], "") | row for row in rows]
    if columns != COLUMNS[name]:
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
