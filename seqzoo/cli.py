"""The `seqzoo` command. Heavy libraries are imported by the verb that needs them."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import seqzoo
from seqzoo import cards, catalog, hub_cli, series_cli

__all__ = ["flat", "main", "table"]

LIGHTNING = ("fit", "validate", "test")
SEPARATOR = "|"
KINDS = ("checkpoints", "architectures", "corpora", "recipes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 where it did what was asked, 1 where a number or file is not what it should be, 2 where the input
    was wrong, 130 where interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in LIGHTNING:
        return _guard(arguments[0], lambda: _lightning(arguments))
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if options.verb == "predict" and not any(text.startswith("-") for text in rest):
        options.text += rest  # argparse stops at an option between the name and the texts
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    _log(options.quiet)
    return _guard(options.verb, lambda: options.run(options))


def _guard(verb: str, run: Any) -> int:
    try:
        status = run()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except (ValueError, LookupError, OSError) as error:
        if isinstance(error, (IndexError, KeyError)):
            raise  # ours are neither: a defect, shown whole
        print(f"seqzoo {verb}: {error}", file=sys.stderr)
        return 2
    return status or 0


def _log(quiet: bool) -> None:
    """Our own messages on standard error; other libraries' warnings only."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("seqzoo").setLevel(logging.WARNING if quiet else logging.INFO)


def _lightning(arguments: list[str]) -> None:
    quiet = "--quiet" in arguments
    _log(quiet)
    arguments = [argument for argument in arguments if argument != "--quiet"]
    if quiet and not {"-h", "--help"} & set(arguments):
        arguments.append("--trainer.enable_progress_bar=false")
    from seqzoo import fitting

    fitting.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seqzoo", description=seqzoo.__doc__)
    parser.add_argument("--version", action="version", version=f"seqzoo {seqzoo.__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(verb: str, run: Any, description: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(verb, help=description, description=description)
        sub.add_argument("--quiet", action="store_true", help="no progress bar, no messages but errors")
        sub.set_defaults(run=run)
        return sub

    sub = add("list", _list, "names of what the zoo holds, with a line on each")
    sub.add_argument("kind", nargs="?", choices=KINDS, help="one kind only")
    sub.add_argument("pattern", nargs="?", default="*", help="shell pattern, such as 'imdb-*'")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("info", _info, "what a checkpoint, architecture, corpus or recipe is, and its numbers")
    sub.add_argument("name")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("predict", _predict, "predict texts or series with a checkpoint")
    sub.add_argument("name", help="checkpoint name, folder, or hf-hub:owner/name@revision")
    sub.add_argument("text", nargs="*", help="texts; of a series model, files")
    sub.add_argument(
        "--file", help="texts from .txt (one per line), .csv or .jsonl, a series from .csv or .wav; - is standard input"
    )
    sub.add_argument("--plot", metavar="FILE", help="of a series model: draw forecast or anomalies to .svg, .html or .png")
    sub.add_argument("--horizon", type=int, metavar="STEPS", help="of a forecaster: how many steps, if not all it can")
    sub.add_argument("--input", default="text", metavar="COLUMN", help="column or key of the texts (text)")
    sub.add_argument("--out", help="write results to .csv or .jsonl")
    sub.add_argument("--json", action="store_true", help="one JSON object per line on standard output")
    sub.add_argument(
        "--separator", metavar="SIGN", help=f"between the labels of a text in .csv ({SEPARATOR}), if it has several"
    )
    sub.add_argument("--batch-size", type=int, default=32)

    sub = add("evaluate", _evaluate, "score a checkpoint on a labelled file")
    sub.add_argument("name", help="checkpoint name, folder, or hf-hub:owner/name@revision")
    sub.add_argument("--file", required=True, help="labelled .csv or .jsonl")
    sub.add_argument("--input", required=True, metavar="COLUMN", help="column or key of the texts")
    sub.add_argument("--target", required=True, metavar="COLUMN", help="column or key of the labels")
    sub.add_argument("--separator", metavar="SIGN", help=f"between the labels of a text ({SEPARATOR}), if it has several")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("publish", _publish, "make a measured checkpoint with a card from a run folder of fit")
    sub.add_argument("folder", type=Path, help="run folder of seqzoo fit")
    sub.add_argument("name", help="name of the checkpoint")
    sub.add_argument("--label", required=True, help="one line that says what it is")
    sub.add_argument(
        "--seed", action="append", required=True, metavar="SEED[=VALUE]", help="on validation: accuracy, micro F1, error"
    )
    sub.add_argument("--chosen", required=True, help="a sentence on how the settings were chosen")
    sub.add_argument("--test-was-seen", action="store_true", help="settings were chosen on the test split itself: say so")
    sub.add_argument("--baseline", action="append", default=[], metavar="NAME", help="published checkpoint to compare")
    sub.add_argument("--limit", action="append", default=[], help="a sentence on what it cannot do")

    sub.add_argument("--output", type=Path, help="folder of your own to write, instead of the zoo's checkpoints")
    sub.add_argument("--license", help="with --output: the licence that you give it, as the Hub names them (mit, cc-by-4.0)")
    from seqzoo import embed_cli

    embed_cli.add(add("embed", None, "word vectors: train, read, ask, measure, draw, export"))

    sub = add("record", _record, "measure finished runs once on test and add them to results/runs.csv")
    sub.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="run folder of seqzoo fit")
    sub.add_argument("--folder", type=Path, default=Path("results"), help="where runs.csv is (results)")
    sub.add_argument("--recipe", help="bundled recipe that was run; else told from the run folder's name")
    sub.add_argument("--machine", help="where it was trained, in words; else as the run says")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("results", _results, "write RESULTS.md: the lectures' figures beside ours, from the recorded runs")
    sub.add_argument("--folder", type=Path, default=Path("results"), help="where runs.csv and lectures.csv are (results)")
    sub.add_argument("--out", type=Path, default=Path("RESULTS.md"), help="file to write (RESULTS.md)")
    sub.add_argument("--check", action="store_true", help="write nothing; fail where the file is not up to date")
    sub.add_argument("--json", action="store_true", help="the rows for programs, and no file")

    hub_cli.add_verbs(add)

    for verb in LIGHTNING:
        verbs.add_parser(verb, help=f"{verb} by a recipe (Lightning CLI): seqzoo {verb} --config RECIPE", add_help=False)
    return parser


def _list(options: argparse.Namespace) -> None:
    if options.kind and options.kind not in KINDS:
        raise catalog.UnknownName(f"there is no {options.kind!r}; {catalog.hint(options.kind, KINDS)}")
    index = cards.index()
    names = {
        "checkpoints": {name: index[name]["label"] for name in cards.list_checkpoints(options.pattern)},
        "architectures": _summaries("architectures", options.pattern),
        "corpora": _summaries("corpora", options.pattern),
        "recipes": {name: _first_comment(name) for name in catalog.list_recipes(options.pattern)},
    }
    chosen = {options.kind: names[options.kind]} if options.kind else names
    if options.json:
        print(json.dumps(chosen, ensure_ascii=False))
        return
    for kind, entries in chosen.items():
        if not options.kind:
            print(kind)
        table([(name, label) for name, label in entries.items()], indent="" if options.kind else "  ")


def _summaries(room: str, pattern: str) -> dict[str, str]:
    return {name: catalog.summary(room, name) for name in catalog.list_names(room, pattern)}


def _first_comment(recipe: str) -> str:
    """Of a recipe that is known; `catalog.recipe_path` would look through all of them for each."""
    first = (catalog.resource("recipes") / f"{recipe}.yaml").read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def table(rows: Iterable[Sequence[str]], indent: str = "") -> None:
    """Print rows with their columns aligned."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print((indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip())


def _info(options: argparse.Namespace) -> None:
    name = options.name
    facts: dict[str, Any]
    if name in (index := cards.index()):
        folder = catalog.resource("checkpoints") / name
        facts = {"checkpoint": name, "label": index[name]["label"], "repo_id": index[name]["repo_id"]}
        facts |= {"revision": index[name]["revision"], "folder": str(folder) if folder.is_dir() else None}
        if folder.is_dir():
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            facts |= {key: config[key] for key in ("task", "architecture", "arguments", "labels", "preprocessing")}
            numbers = cards.metrics(folder)
            facts |= {
                key: numbers[key] for key in ("test", "parts", "baselines", "speed", "bytes", "parameters") if key in numbers
            }
    elif name in catalog.list_architectures():
        facts = {"architecture": name, "label": catalog.summary("architectures", name)}
        facts["arguments"] = _keywords(catalog.resolve("architectures", name))
    elif name in catalog.list_corpora():
        facts = {"corpus": name, "label": catalog.summary("corpora", name)}
        corpus = catalog.resolve("corpora", name)
        told = {key: getattr(corpus, key, None) for key in ("labels", "source", "citation")}
        told["source"] = told["source"]["type"] if isinstance(told["source"], dict) else None
        facts |= {key: value for key, value in told.items() if isinstance(value, str | list)}  # others depend on arguments
        facts["arguments"] = _keywords(corpus)
    elif name in catalog.list_recipes():
        facts = {"recipe": name, "label": _first_comment(name), "file": str(catalog.recipe_path(name))}
    else:
        known = [*index, *catalog.list_architectures(), *catalog.list_corpora(), *catalog.list_recipes()]
        raise catalog.UnknownName(f"the zoo holds no {name!r}; {catalog.hint(name, known)}")
    if options.json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    table(flat(facts))


def _keywords(function: Any) -> dict[str, Any]:
    """Arguments and their defaults; `(required)` where there is none."""
    import inspect

    own = [one for one in inspect.signature(function).parameters.values() if one.kind is one.KEYWORD_ONLY]
    return {one.name: "(required)" if one.default is one.empty else one.default for one in own}


def flat(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Facts within facts as rows: `a.b`, value."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield prefix + key, ", ".join(map(str, value))
        else:
            yield prefix + key, f"{value:.4f}" if isinstance(value, float) else str(value)


def _predict(options: argparse.Namespace) -> None:
    from seqzoo.preprocessing.records import read_records

    if options.out and Path(options.out).suffix not in (".csv", ".jsonl"):
        raise ValueError(f"--out must end in .csv or .jsonl, got {options.out!r}")
    if options.out and not Path(options.out).absolute().parent.is_dir():
        raise ValueError(f"--out: there is no folder {Path(options.out).absolute().parent}")
    if (task := series_cli.task_of(options.name)) != "text-classification":
        series_cli.predict(options, task)
        return
    for flag in ("plot", "horizon"):
        if getattr(options, flag) is not None:
            raise ValueError(f"--{flag} is for series; {options.name} reads texts")
    if bool(options.text) == bool(options.file):
        raise ValueError("give either texts or --file")
    records = read_records(options.file, options.input) if options.file else ({"text": text} for text in options.text)
    key = options.input if options.file else "text"
    first = next(records, None)  # a wrong file is found out before the model is loaded
    model = seqzoo.load(options.name)
    separator = _separator(options.separator, model)
    records = () if first is None else _chain(first, records)
    kept: list[dict[str, str]] = []

    def texts() -> Iterator[str]:
        for record in records:
            kept.append(record)
            yield record[key]

    results = _bar(model.stream(texts(), batch_size=options.batch_size), options.quiet or not options.file)
    rows = ((kept.pop(0), result) for result in results)
    if options.out:
        _write(Path(options.out), rows, separator)
    elif options.json:
        for record, result in rows:
            print(json.dumps(_beside(record, _plain(result)), ensure_ascii=False))
    else:
        for record, result in rows:
            note = " (truncated)" if result.truncated else ""
            print(f"{_told(result)}\t{_short(record[key])}{note}")


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _bar(results: Iterator[Any], silent: bool) -> Iterator[Any]:
    from seqzoo.hub import shows_progress

    if silent or not shows_progress():
        return results
    from tqdm import tqdm

    return tqdm(results, unit="text")


def _beside(record: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """A row of the input with its result; where the row has a column of that name already, ours becomes `predicted_...`."""
    return {**record, **{f"predicted_{key}" if key in record else key: value for key, value in result.items()}}


def _plain(result: Any) -> dict[str, Any]:
    """A result as JSON: label, score, scores, truncated; or labels, scores, truncated."""
    return {**vars(result), "scores": dict(result.scores)}


def _told(result: Any) -> str:
    """A result on one line: the label and its probability, or each of several."""
    if hasattr(result, "labels"):
        return ", ".join(f"{label} {result.scores[label]:.4f}" for label in result.labels) or "-"
    return f"{result.label}\t{result.score:.4f}"


def _separator(given: str | None, model: Any) -> str:
    """What stands between several labels; ValueError where it could not be told from a label, or has no use."""
    if given is not None and not model.multi_label:
        raise ValueError("--separator is for models with several labels per text; this one gives one")
    if given == "":
        raise ValueError("--separator must be at least one sign")
    separator = SEPARATOR if given is None else given
    if model.multi_label and (found := [label for label in model.labels if separator in label]):
        raise ValueError(f"--separator {separator!r} stands in the label {found[0]!r}; choose another")
    return separator


def _short(text: str, width: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 3] + "..."


def _write(path: Path, rows: Iterator[tuple[dict[str, Any], Any]], separator: str) -> None:
    """Results beside their input, into a file that appears only when it is whole."""
    import csv
    import io

    from seqzoo.hub import replace_file

    with replace_file(path) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        if path.suffix == ".jsonl":
            for record, result in rows:
                file.write(json.dumps(_beside(record, _plain(result)), ensure_ascii=False) + "\n")
        else:
            writer = None
            for record, result in rows:
                if hasattr(result, "labels"):
                    scores = separator.join(f"{result.scores[label]:.6f}" for label in result.labels)
                    row = {"labels": separator.join(result.labels), "label_scores": scores, "truncated": result.truncated}
                else:
                    row = {"label": result.label, "score": f"{result.score:.6f}", "truncated": result.truncated}
                row = _beside(record, row)
                if writer is None:
                    writer = csv.DictWriter(file, list(row))
                    writer.writeheader()
                writer.writerow(row)
        file.flush()
        file.detach()


def _evaluate(options: argparse.Namespace) -> None:
    from seqzoo import hub
    from seqzoo.preprocessing.records import read_records

    if options.file == "-" or Path(options.file).suffix.lower() not in (".csv", ".jsonl"):
        raise ValueError(f"--file must be .csv or .jsonl, got {options.file!r}")
    if (task := hub.read(hub.locate(options.name)).config["task"]) != "text-classification":
        raise ValueError(
            f"evaluate scores text classifiers on a labelled file, and {options.name} is a checkpoint of {task}; "
            f"seqzoo verify {options.name} measures it again on its corpus"
        )
    rows = list(read_records(options.file, options.input))
    if not rows:
        raise ValueError(f"{options.file} holds no rows")
    if options.target not in rows[0]:
        raise ValueError(f"{options.file} has no column {options.target!r}; {catalog.hint(options.target, list(rows[0]))}")
    model = seqzoo.load(options.name)
    separator, read = _separator(options.separator, model), _targets if model.multi_label else _target
    targets = [
        read(f"{options.file}, row {number}: {options.target}", row.get(options.target), model.labels, separator)
        for number, row in enumerate(rows, 1)
    ]
    from seqzoo import verification

    texts = [row[options.input] for row in rows]
    scores = verification.evaluate(model, texts, targets, progress=not options.quiet and sys.stderr.isatty())
    if options.json:
        print(json.dumps(scores))
    else:
        table(flat(scores))


def _target(place: str, value: Any, labels: list[str], separator: str) -> int:
    """The class of one row: a label, or its number. A single label needs no separator."""
    value = str(value).strip()
    if value in labels:
        return labels.index(value)
    if value.isdecimal() and int(value) < len(labels):
        return int(value)
    raise ValueError(f"{place} must be one of {', '.join(labels)} or a number below {len(labels)}, got {value!r}")


def _targets(place: str, value: Any, labels: list[str], separator: str) -> list[int]:
    """1 for each label of one row, else 0: labels or their numbers in a list, or between separators; none is right too."""
    parts = value if isinstance(value, list) else str("" if value is None else value).split(separator)
    named = {_target(place, part, labels, separator) for part in parts if str(part).strip()}
    return [int(index in named) for index in range(len(labels))]


def _publish(options: argparse.Namespace) -> None:
    from seqzoo import verification
    from seqzoo.fitting import machine

    try:
        seeds = {seed: float(value) if value else None for seed, _, value in (pair.partition("=") for pair in options.seed)}
    except ValueError:
        raise ValueError(f"--seed must read SEED or SEED=VALUE, got {' '.join(options.seed)}") from None
    if options.license and not options.output:
        raise ValueError("--license goes with --output: the zoo's own checkpoints are all apache-2.0")
    numbers = verification.publish(
        options.folder,
        options.name,
        label=options.label,
        machine=machine(),
        seeds_tried=seeds,
        chosen=options.chosen,
        test_was_seen=options.test_was_seen,
        baselines=options.baseline,
        limits=options.limit,
        target=options.output,
        license=options.license,
    )
    shown = ("test", "parts", "baselines", "speed", "bytes", "parameters")
    table(flat({key: numbers[key] for key in shown if key in numbers}))


def _record(options: argparse.Namespace) -> None:
    from seqzoo import measures, results

    for folder in options.folders:
        row = results.record(folder, options.folder, recipe=options.recipe, machine=options.machine)
        if options.json:
            print(json.dumps(row, ensure_ascii=False))
        elif row is None:
            print(f"{folder}\trecorded already")
        else:
            measured = json.loads(row["test_metrics"])
            main = measures.main_metric(row["task"], measured)
            print(f"{folder}\t{row['recipe']}, seed {row['seed']}: test {main} {measured[main]:.4f}")


def _results(options: argparse.Namespace) -> None:
    from seqzoo import results

    if options.json:
        print(json.dumps(results.compare(options.folder), ensure_ascii=False))
        return
    if not options.check:
        results.write(options.folder, options.out)
        print(options.out)
    elif not options.out.is_file() or options.out.read_bytes() != results.content(options.folder):
        raise ValueError(f"{options.out} is not what the recorded runs say; write it by seqzoo results")


if __name__ == "__main__":
    raise SystemExit(main())
