"""`seqzoo predict` for series: forecasts, classes and events, anomalies; as a table, as JSON, as a file, as a plot."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import seqzoo
from seqzoo import catalog

__all__ = ["predict", "task_of"]

FEW = 24  # panels of a plot that can still be told apart
LEAST = 48  # steps of a history that are drawn


def task_of(name: str) -> str:
    """The task that a checkpoint says it is for, before it is loaded; texts' where it says none that we know."""
    from seqzoo import hub

    try:
        task = json.loads((hub.locate(name) / "config.json").read_text(encoding="utf-8"))["task"]
    except (OSError, ValueError, TypeError, KeyError):
        return "text-classification"  # loading it will say what is wrong
    return task if task in catalog.MODELS else "text-classification"


def predict(options: argparse.Namespace, task: str) -> None:
    """What a series model says of the files named. ValueError for what it cannot read, before the model is loaded."""
    files = [*options.text, *([options.file] if options.file else [])]
    if not files:
        raise ValueError(f"{options.name} reads series: give a file by --file")
    if options.separator is not None or options.input != "text":
        flag = "--input" if options.separator is None else "--separator"
        raise ValueError(f"{flag} is for texts; {options.name} reads series")
    for file in files:
        if file != "-" and not Path(file).is_file():
            raise FileNotFoundError(f"there is no file {file!r}; {options.name} reads series from files")
    if options.plot:
        _check_plot(options.plot)
    if options.horizon is not None and task != "time-series-forecasting":
        raise ValueError(f"--horizon belongs to forecasts; {options.name} is for {task}")
    if len(files) > 1 and (options.plot or task != "time-series-classification"):
        raise ValueError(f"give one file at a time to {options.name}{' and --plot' if options.plot else ''}")
    FORMS[task](options, files)


def _check_plot(given: str) -> None:
    from importlib.util import find_spec

    path = Path(given)
    if path.suffix not in (".svg", ".html", ".png"):
        raise ValueError(f"--plot must end in .svg, .html or .png, got {given!r}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"--plot: there is no folder {path.absolute().parent}")
    if path.suffix == ".png" and find_spec("matplotlib") is None:
        raise ValueError(f"--plot {given}: PNG needs matplotlib (pip install seqzoo[plot]); .svg and .html need nothing")


def _table(file: str) -> Any:
    """A table from a CSV file, or from standard input."""
    if file != "-":
        return file
    import pandas as pd

    return pd.read_csv(sys.stdin)


def _forecast(options: argparse.Namespace, files: Sequence[str]) -> None:
    model = seqzoo.load(options.name)
    rows = model.preprocessor.read(_table(files[0]), at_least=model.rows_needed)
    forecast = model.predict_rows([rows], options.horizon)[0]
    records = [
        {**({"step": int(at)} if rows.times is None else {"time": str(at)}), **dict(zip(forecast.columns, own, strict=True))}
        for at, own in zip(forecast.index, forecast.to_numpy().tolist(), strict=True)
    ]
    if options.plot:
        from seqzoo import plots

        print(plots.save(_forecast_figure(model, rows, forecast, options.name), Path(options.plot)), file=sys.stderr)
    _give(options, records, lambda: ([name, *(_number(one) for one in own)] for name, *own in _cells(records)))


def _cells(records: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    yield list(records[0])
    yield from (list(record.values()) for record in records)


def _number(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _forecast_figure(model: Any, rows: Any, forecast: Any, name: str) -> dict[str, Any]:
    """The last steps of the history, the forecast, and the outermost quantiles as a band; a panel for each target."""
    from seqzoo import plots

    shown = max(LEAST, 4 * (model.delay - 1 + len(forecast)))
    before = rows.part(max(0, len(rows.values) - shown), None)
    if rows.times is None:
        first = len(rows.values) - len(before.values)
        past, ahead, ticks = list(range(first, len(rows.values))), [float(at) for at in forecast.index], None
    else:
        past, ahead = ([stamp.timestamp() for stamp in times] for times in (before.times, forecast.index))
        ticks = _ticks([*before.times, *forecast.index])
    panels = []
    if len(model.labels) > FEW:
        raise ValueError(f"--plot draws up to {FEW} targets, and {name} forecasts {len(model.labels)}")
    for place, target in zip(model.preprocessor.target_indices, model.labels, strict=True):
        lines = [("measured", past, before.values[:, place].tolist()), ("forecast", ahead, forecast[target].tolist())]
        band = None
        if model.quantiles and len(model.quantiles) > 1:
            ends = model.quantiles[0], model.quantiles[-1]
            low, high = (forecast[target if one == 0.5 else f"{target}_{one:g}"].tolist() for one in ends)
            band = (f"{100 * ends[0]:g} to {100 * ends[1]:g} %", ahead, low, high)
        panels.append(plots.panel(target, lines, band=band))
    return plots.stack(name, panels, ticks=ticks)


def _ticks(times: Sequence[Any]) -> list[tuple[float, str]]:
    """Six of the times, as texts no longer than they must be."""
    chosen = [times[round(place * (len(times) - 1) / 5)] for place in range(6)]
    form = "%Y-%m-%d" if (times[-1] - times[0]).days > 60 else "%m-%d %H:%M"
    return [(stamp.timestamp(), stamp.strftime(form)) for stamp in dict.fromkeys(chosen)]


def _classify(options: argparse.Namespace, files: Sequence[str]) -> None:
    if options.plot:
        raise ValueError(f"--plot draws forecasts and anomalies; {options.name} gives classes")
    model = seqzoo.load(options.name)
    inputs = [_table(file) if file == "-" else file for file in files]
    results = [model.predict(one) for one in inputs]
    if not model.framewise:
        records = [
            {"file": file, "label": own.label, "score": own.score, "scores": dict(own.scores), "truncated": own.truncated}
            for file, own in zip(files, results, strict=True)
        ]
        _give(options, records, lambda: ([own["label"], f"{own['score']:.4f}", own["file"]] for own in records))
        return
    records = [
        {"file": file, "label": event.label, "start": event.start, "end": event.end, "score": event.score}
        for file, own in zip(files, results, strict=True)
        for event in own.events
    ]

    def told() -> Iterator[list[str]]:
        yield ["label", *(f"{name} ({results[0].unit})" for name in ("start", "end")), "score", "file"]
        for own in records:
            yield [own["label"], *(f"{own[name]:.6g}" for name in ("start", "end")), f"{own['score']:.4f}", own["file"]]

    _give(options, records, told, columns=("file", "label", "start", "end", "score"))


def _detect(options: argparse.Namespace, files: Sequence[str]) -> None:
    model = seqzoo.load(options.name)
    given = _table(files[0])
    result = model.predict(given)
    if options.plot:
        from seqzoo import plots

        figure = _anomalies_figure(model, given, result, options.name)
        print(plots.save(figure, Path(options.plot)), file=sys.stderr)
    if hasattr(result, "anomalous"):  # of a whole series
        records = [{"file": files[0], "anomalous": result.anomalous, "score": result.score, "threshold": model.threshold}]
        word = "anomalous" if result.anomalous else "normal"
        _give(options, records, lambda: [[word, f"{result.score:.4f}", f"threshold {model.threshold:.4f}", files[0]]])
        return
    if options.out:  # every row; on the screen only what was flagged
        times = model.preprocessor.read(given).times
        flagged = {row for window in result.windows for row in range(window.first, window.last + 1)}
        every = (
            {
                "row": row,
                **({} if times is None else {"time": str(times[row]).replace("T", " ")}),
                "score": score,
                "anomalous": row in flagged,
            }
            for row, score in enumerate(result.scores.tolist())
        )
        _write(Path(options.out), list(every), ("row", "score", "anomalous"))
        return
    records = [vars(window) for window in result.windows]

    def told() -> Iterator[list[str]]:
        yield ["first row", "last row", "start", "end", "score"]
        for own in result.windows:
            yield [str(own.first), str(own.last), own.start or "-", own.end or "-", f"{own.score:.4f}"]

    _give(options, records, told, columns=("first", "last", "start", "end", "score"))


def _anomalies_figure(model: Any, given: Any, result: Any, name: str) -> dict[str, Any]:
    """The series, its score under it with the threshold, flagged windows shaded."""
    from seqzoo import plots

    reading = model.preprocessor.read(given)
    values = getattr(reading, "values", reading)
    values = values if values.ndim == 1 else values[:, 0]
    times, rows = getattr(reading, "times", None), [float(row) for row in range(len(values))]
    if hasattr(result, "anomalous"):
        panels = [
            plots.panel("series", [("measured", rows, values.tolist())]),
            plots.panel("error", [("error of each step", rows[: len(result.errors)], result.errors.tolist())]),
        ]
        return plots.stack(f"{name}: {'anomalous' if result.anomalous else 'normal'}, score {result.score:.3f}", panels)
    shaded = [(window.first, window.last) for window in result.windows]
    panels = [
        plots.panel("series", [("measured", rows, values.tolist())], shaded=shaded),
        plots.panel("score", [("score", rows, result.scores.tolist())], shaded=shaded, level=result.threshold),
    ]
    places = sorted({round(place * (len(rows) - 1) / 5) for place in range(6)})
    ticks = None if times is None else [(float(place), str(times[place])[:16].replace("T", " ")) for place in places]
    return plots.stack(name, panels, ticks=ticks)


def _give(
    options: argparse.Namespace,
    records: Sequence[dict[str, Any]],
    told: Callable[[], Iterable[list[str]]],
    columns: Sequence[str] = (),
) -> None:
    """Records to the file of `--out`, as JSON lines, or in words; `columns` are those of a .csv without any record."""
    if options.out:
        _write(Path(options.out), records, columns)
    elif options.json:
        for record in records:
            print(json.dumps(_finite(record), ensure_ascii=False))
    else:
        from seqzoo.cli import table

        table(list(told()))


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: what is none is null."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in record.items()}


def _write(path: Path, records: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Records as .csv or .jsonl, into a file that appears only when it is whole."""
    import csv
    import io

    from seqzoo.hub import replace_file

    with replace_file(path) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(_finite(record), ensure_ascii=False) + "\n" for record in records)
        else:
            plain = [{key: value for key, value in record.items() if not isinstance(value, dict)} for record in records]
            writer = csv.DictWriter(file, list(plain[0]) if plain else columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(plain)
        file.flush()
        file.detach()


FORMS = {
    "anomaly-detection": _detect,
    "time-series-classification": _classify,
    "time-series-forecasting": _forecast,
}
