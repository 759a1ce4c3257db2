"""`seqzoo predict` of series: a history to its forecast, series to classes or events, streams to what is strange in them."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import seqzoo

__all__ = ["TASKS", "predict"]

SHOWN = 4  # times the steps to the forecast's end are drawn of a history, but at least
LEAST = 48
STREAMED = "forecast"  # an anomaly detector's method that reads streams; others read whole series


class Kind(NamedTuple):
    """How a task's files are predicted: their suffixes, the function, whether there is one file only, and what is drawn."""

    suffixes: tuple[str, ...]
    run: Callable[[Any, list[Path], argparse.Namespace], None]
    one: bool = False
    plots: bool = False
    horizon: bool = False


def predict(task: str, options: argparse.Namespace) -> None:
    """Predict the files that the command names; a ValueError or OSError for wrong ones comes before a model is loaded."""
    kind, paths = TASKS[task], [Path(one) for one in ([options.file] if options.file else options.text)]
    _check(task, kind, paths, options)
    kind.run(seqzoo.load(options.name), paths, options)


def _check(task: str, kind: Kind, paths: Sequence[Path], options: argparse.Namespace) -> None:
    for path in paths:
        if not path.name.lower().endswith(kind.suffixes):
            wanted = " or ".join(kind.suffixes)
            raise ValueError(
                f"{options.name} is a checkpoint of {task} and reads files that end in {wanted}, got {str(path)!r}"
            )
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r}")
    if kind.one and len(paths) > 1:
        raise ValueError(f"a forecast is of one history: give one file, not {len(paths)}")
    if options.input != "text" or options.separator is not None:
        raise ValueError(f"--input and --separator are for texts, and {options.name} is a checkpoint of {task}")
    if options.horizon is not None and not kind.horizon:
        raise ValueError(f"--horizon is for forecasts, and {options.name} is a checkpoint of {task}")
    if not options.plot:
        return
    from seqzoo import plots

    if not kind.plots:
        raise ValueError(f"--plot draws forecasts and anomalies, and {options.name} is a checkpoint of {task}")
    if len(paths) > 1:
        raise ValueError(f"--plot draws one file, not {len(paths)}")
    plots.check(options.plot)


def _told(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace, lines: Iterator[Sequence[str]]) -> None:
    """Rows into `--out`, or as JSON, or else the lines that are for people, on standard output."""
    if options.out:
        return _write(Path(options.out), rows)
    if options.json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    from seqzoo.cli import table

    table(lines)


def _write(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Rows into a .csv or .jsonl file that appears only when it is whole; a .csv has `columns`, else all but lists."""
    from seqzoo.hub import replace_file

    text = io.StringIO()
    if path.suffix == ".jsonl":
        text.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        columns = columns or [name for name, value in rows[0].items() if not isinstance(value, list | dict)]
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with replace_file(path) as file:
        file.write(text.getvalue().encode())


# Forecasts


def _forecast(model: Any, paths: list[Path], options: argparse.Namespace) -> None:
    """A row for each step that is forecast: its time (or number) and the value of each target and quantile."""
    history = model.preprocessor.read(paths[0], at_least=model.rows_needed)
    (ahead,) = model.follow([history], options.horizon, batch_size=options.batch_size)
    when = str(ahead.index.name)
    rows = [
        {when: _stamp(step), **{str(name): float(value) for name, value in values.items()}}
        for step, values in ahead.iterrows()
    ]
    if options.plot:
        from seqzoo import plots

        plots.save(_drawn_forecast(model, history, ahead, f"{options.name}: {paths[0].name}"), options.plot)
    lines = ([str(row[when]), *(f"{value:.6g}" for name, value in row.items() if name != when)] for row in rows)
    _told(rows, options, iter([list(rows[0]), *lines]))


def _stamp(step: Any) -> int | str:
    """A step's number, or its time in ISO 8601."""
    return step.isoformat(sep=" ") if hasattr(step, "isoformat") else int(step)


def _drawn_forecast(model: Any, history: Any, ahead: Any, title: str) -> dict[str, Any]:
    """The end of a history, its forecast and the interval between the lowest and the highest quantile."""
    from seqzoo import plots

    places = range(model.delay, model.delay + len(ahead))
    size = min(len(history.values), max(LEAST, SHOWN * places[-1]))
    past = history.part(len(history.values) - size, None)
    before = range(1 - size, 1)  # 0 is the last step that was measured
    targets = dict(zip(model.labels, model.preprocessor.target_indices, strict=True))
    measured = {name: list(zip(before, past.values[:, place].tolist(), strict=True)) for name, place in targets.items()}
    told = {name: list(zip(places, ahead[name].tolist(), strict=True)) for name in targets}
    intervals, covered = {}, ""
    if model.quantiles and len(model.quantiles) > 1:
        low, high = model.quantiles[0], model.quantiles[-1]
        covered = f"{100 * low:g} to {100 * high:g} %"
        ends = {name: [ahead.get(f"{name}_{one:g}", ahead[name]).tolist() for one in (low, high)] for name in targets}
        intervals = {name: list(zip(places, *own, strict=True)) for name, own in ends.items()}
    if past.times is None:
        times, x = {place: str(len(history.values) - 1 + place) for place in (*before, *places)}, "step"
    else:
        known = [*zip(before, past.times, strict=True), *zip(places, ahead.index, strict=True)]
        times, x = _shortened(known), model.preprocessor.time_column
    return plots.forecast(measured, told, intervals, times, title=title, x=x, covered=covered)


def _shortened(known: Sequence[tuple[int, Any]]) -> dict[float, str]:
    """Times without what is the same in all of them: the hour where all are midnight."""
    days = all((time.hour, time.minute, time.second) == (0, 0, 0) for _, time in known)
    return {place: time.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M") for place, time in known}


# Classes and events


def _classify(model: Any, paths: list[Path], options: argparse.Namespace) -> None:
    """A row for each file, its class and probability; of events, a row for each, and an object for each file in JSON."""
    results = model.predict([str(path) for path in paths], batch_size=options.batch_size, progress=False)
    found = list(zip(map(str, paths), results, strict=True))
    if not model.framewise:
        rows = [{"file": file, **vars(one), "scores": dict(one.scores)} for file, one in found]
        lines = ([one.label, f"{one.score:.4f}", f"{file}{' (truncated)' if one.truncated else ''}"] for file, one in found)
        return _told(rows, options, lines)
    events = [{"file": file, **vars(event)} for file, one in found for event in one.events]
    if options.out and Path(options.out).suffix == ".csv":
        return _write(Path(options.out), events, ("file", "label", "start", "end", "score"))
    rows = [{"file": file, "unit": one.unit, "events": [vars(event) for event in one.events]} for file, one in found]
    lines = [
        [event["label"], f"{event['start']:.2f}", f"{event['end']:.2f}", f"{event['score']:.4f}", event["file"]]
        for event in events
    ]
    return _told(rows, options, iter(lines or [["no events"]]))


# What is strange


def _detect(model: Any, paths: list[Path], options: argparse.Namespace) -> None:
    """Of streams, the flagged windows for people, else a row for each step; of whole series a row for each file."""
    results = model.predict([str(path) for path in paths], batch_size=options.batch_size)
    found = list(zip(map(str, paths), results, strict=True))
    if options.plot:
        from seqzoo import plots

        plots.save(_drawn_anomalies(model, paths[0], results[0], options.name), options.plot)
    if model.method != STREAMED:
        rows = [
            {"file": file, "label": model.labels[one.anomalous], "score": one.score, "errors": one.errors.tolist()}
            for file, one in found
        ]
        return _told(rows, options, ([row["label"], f"{row['score']:.4f}", row["file"]] for row in rows))
    if options.out and Path(options.out).suffix == ".csv":
        return _write(Path(options.out), [row for file, one in found for row in _steps(file, one)])
    rows = [
        {
            "file": file,
            "threshold": one.threshold,
            "probation": one.probation,
            "windows": [vars(window) for window in one.windows],
            "scores": one.scores.tolist(),
        }
        for file, one in found
    ]
    lines = [[*_ends(window), f"{window.score:.4f}", file] for file, one in found for window in one.windows]
    return _told(rows, options, iter(lines or [["nothing strange"]]))


def _ends(window: Any) -> tuple[str, str]:
    """A flagged window's first and last time, of a stream without times its first and last row."""
    return (str(window.first), str(window.last)) if window.start is None else (window.start, window.end)


def _steps(file: str, result: Any) -> list[dict[str, Any]]:
    """A stream's rows from 0 on: the score of each, and whether a flagged window holds it."""
    flagged = [0] * len(result.scores)
    for window in result.windows:
        flagged[window.first : window.last + 1] = [1] * (window.last + 1 - window.first)
    scores = result.scores.tolist()
    return [{"file": file, "row": row, "score": score, "flagged": flagged[row]} for row, score in enumerate(scores)]


def _drawn_anomalies(model: Any, path: Path, result: Any, name: str) -> dict[str, Any]:
    """A stream (or the channels of a series) with its score (or error) under it, flagged windows shaded."""
    from seqzoo import plots

    reading, title = model.preprocessor.read(str(path)), f"{name}: {path.name}"
    if model.method != STREAMED:
        columns = {f"channel {number}": own for number, own in enumerate(reading.T.astype(float).tolist(), 1)}
        values = {name: list(enumerate(own)) for name, own in columns.items()}
        times = {step: str(step) for step in range(len(reading))}
        spans = [(0, len(reading) - 1)] if result.anomalous else []
        under = list(enumerate(result.errors.tolist()))
        return plots.anomalies(values, under, spans, None, times, title=title, x="step", under="error")
    values = {
        "value": [(row, value if math.isfinite(value) else math.nan) for row, value in enumerate(reading.values.tolist())]
    }
    spans = [(window.first, window.last) for window in result.windows]
    if reading.times is None:
        times, x = {row: str(row) for row in range(len(reading.values))}, "row"
    else:
        told = (str(time).replace("T", " ")[:16] for time in reading.times)
        times, x = dict(enumerate(told)), "time"
    scores = list(enumerate(result.scores.tolist()))
    return plots.anomalies(values, scores, spans, model.threshold, times, title=title, x=x)


TASKS = {
    "time-series-forecasting": Kind((".csv", ".csv.gz"), _forecast, one=True, plots=True, horizon=True),
    "time-series-classification": Kind((".csv", ".wav"), _classify),
    "anomaly-detection": Kind((".csv",), _detect, plots=True),
}
