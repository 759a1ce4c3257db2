"""Series classification: accuracy and its company beside the nearest neighbour; of streams, the F1 of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from seqzoo.measures import Metric, compare_plain, plain_rows
from seqzoo.measures.text_classification import majority, of_one
from seqzoo.preprocessing.events import match, runs

__all__ = [
    "baselines",
    "compare",
    "evaluate",
    "example",
    "is_told",
    "limits",
    "nearest_neighbour",
    "rows",
    "sample",
    "told",
    "tolerance",
    "unit",
    "usage",
]

TASK = "time-series-classification"
MAIN = {"event_f1": ["f1"], "accuracy": ["accuracy", "f1"]}
HIGHER_IS_BETTER = True
METRICS = {
    "event_f1": Metric("event F1"),
    "event_precision": Metric("event precision"),
    "event_recall": Metric("event recall"),
    "frame_accuracy": Metric("accuracy of single frames", 2, "%"),
    "accuracy": Metric("accuracy", 2, "%"),
    "macro_f1": Metric("macro F1", hub={"average": "macro"}),
    "mcc": Metric("Matthews' correlation"),
    "log_loss": Metric("log loss", unit="nats per series"),
    "calibration_error": Metric("calibration error (15 bins)", hub={"bins": 15}),
}
NEEDED = ()
PIPELINE = None
ONE, MANY, COUNTED, LABELS = "series", "series", " series", "Labels"
EXAMPLE_SECONDS = 1.5  # of a stream: its first second and a half is the card's example
PLACES = 6  # decimal places of a value in an example
CHUNK = 500  # series whose distances are computed together


def evaluate(model: Any, data: Any, split: str, *, progress: bool = False) -> dict[str, Any]:
    """Metrics of a model's predictions on a split, and n, its number of series.

    Of whole series as in measures.text_classification.score (accuracy, macro_f1, mcc, log_loss in nats per series,
    calibration_error), and how many were longer than the model reads (`truncated`). Of streams: event_f1, with
    event_precision and event_recall, where a found event counts when it has the label of a true one and overlaps it by at
    least half of their union, one to one, over all streams together; frame_accuracy, over all their steps; `events`, how
    many there truly are.
    """
    whole = data.series(split)
    results = model.predict(whole.series, progress=progress)
    if model.framewise:
        return {**_of_events(model, results, whole), "n": len(results)}
    probabilities = np.array([[result.scores[label] for label in model.labels] for result in results])
    scores = of_one(probabilities, np.asarray(whole.targets))
    kept = {kind: value for kind, value in scores.items() if kind in METRICS}
    return {**kept, "n": len(results), "truncated": sum(result.truncated for result in results)}


def _of_events(model: Any, results: Sequence[Any], whole: Any) -> dict[str, float]:
    hits = found = true = right = steps = 0
    number = {label: index for index, label in enumerate(model.labels)}
    rate = model.preprocessor.sample_rate or 1  # raw steps in a unit of time
    for result, classes in zip(results, whole.targets, strict=True):
        mine = [(number[event.label], event.start, event.end) for event in result.events]
        theirs = [(run.label, run.start / rate, run.stop / rate) for run in runs(classes, model.background_index)]
        hits, found, true = hits + match(mine, theirs), found + len(mine), true + len(theirs)
        middles = model.preprocessor.middles(len(result.labels)).clip(max=len(classes) - 1)
        counted = classes[middles] >= 0
        guesses = np.array([number[label] for label in result.labels])
        right, steps = right + int((guesses == classes[middles])[counted].sum()), steps + int(counted.sum())
    return {
        "event_f1": 2 * hits / max(found + true, 1),
        "event_precision": hits / max(found, 1),
        "event_recall": hits / max(true, 1),
        "frame_accuracy": right / max(steps, 1),
        "events": true,
    }


def baselines(data: Any, split: str) -> dict[str, float]:
    """Accuracy of the most frequent class of the training series, and of the nearest one's class; of streams, the event F1
    of finding nothing.

    The nearest of all official training series is that of the least Euclidean distance; it is measured where all series
    have the same length and no value is missing.
    """
    if data.framewise:
        return {"no event at all": 0.0}
    train, test = data.read("train"), data.series(split)
    guesses = majority(train.targets, test.targets)
    if split != "test" or len({one.shape for one in (*train.series, *test.series)}) > 1:
        return guesses
    nearest = nearest_neighbour(train.series, train.targets, test.series)
    return guesses if nearest is None else {**guesses, "nearest neighbour": float(np.mean(nearest == test.targets))}


def nearest_neighbour(train: Sequence[np.ndarray], targets: np.ndarray, test: Sequence[np.ndarray]) -> np.ndarray | None:
    """The class (N,) of each test series' nearest training series, the first of equally near ones; None where a value is
    missing. All series have the same shape.
    """
    known, asked = (np.stack(part).reshape(len(part), -1).astype(np.float64) for part in (train, test))
    if not (np.isfinite(known).all() and np.isfinite(asked).all()):
        return None
    edges = [*range(0, len(asked), CHUNK), len(asked)]
    lengths = np.square(known).sum(1)
    return np.concatenate(
        [targets[(lengths - 2 * asked[start:stop] @ known.T).argmin(1)] for start, stop in pairwise(edges)]
    )


def tolerance(kind: str, claimed: float, n: int) -> float:
    """A series or two of n in shares of series, an event or two of ten in each stream, less in mean losses."""
    if kind in ("macro_f1", "calibration_error", "mcc"):
        return max(2e-3, 2 / max(n, 1))  # a rare class's F1 moves by much with one series
    if kind.startswith("event_"):
        return max(1e-3, 0.2 / max(n, 1))
    return 1e-3 if kind in ("log_loss", "frame_accuracy") else max(1e-4, 2 / max(n, 1))


def example(data: Any) -> dict[str, list[Any]]:
    """The first test series, a column for each channel; of a stream, its first seconds."""
    return _columns(data, 0)


def _columns(data: Any, index: int) -> dict[str, list[Any]]:
    """A test series by the names of its columns, plain numbers."""
    series = data.series("test").series[index]
    sound = series.dtype == np.int16
    if data.framewise:
        series = series[: int(EXAMPLE_SECONDS * data.unfitted().sample_rate) or None]
    names = [f"channel_{number + 1}" for number in range(series.shape[1])]
    if len(names) == 1:
        names = ["sample" if sound else "value"]
    columns = series.T if sound else series.T.astype(np.float64).round(PLACES)
    return dict(zip(names, columns.tolist(), strict=True))


def told(model: Any, example: Any) -> dict[str, Any]:
    """The label of a series and its probability; of a stream its events: labels, starts, ends and probabilities."""
    result = model.predict(example)
    if not model.framewise:
        return {"label": result.label, "score": result.score}
    events = result.events
    return {
        "events": " ".join(event.label for event in events),
        "starts": [event.start for event in events],
        "ends": [event.end for event in events],
        "scores": [event.score for event in events],
    }


def is_told(entry: Mapping[str, Any]) -> bool:
    """Whether an example of metrics.json gives a label and its probability, or events."""
    if "label" in entry:
        return isinstance(entry["label"], str) and _is_number(entry.get("score"))
    columns = [entry.get(key) for key in ("starts", "ends", "scores")]
    return (
        isinstance(entry.get("events"), str)
        and all(isinstance(column, list) and all(map(_is_number, column)) for column in columns)
        and len({len(entry["events"].split()), *map(len, columns)}) == 1
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compare(claimed: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, float]]:
    """The card's example: its label and probability, or its events."""
    return compare_plain(claimed, told)


def sample(data: Any, n: int) -> list[dict[str, list[Any]]]:
    """The same test series each time."""
    size = len(data.series("test").series)
    return [_columns(data, int(index)) for index in np.random.default_rng(0).permutation(size)[:n]]


def unit(data: Any) -> str:
    """None."""
    return ""


def limits(model: Any) -> list[str]:
    """How much of a series is read."""
    what = "frames" if model.preprocessor.is_sound else "steps"
    if model.framewise:
        return [f"Reads a stream in pieces of {model.max_steps} {what} that overlap; an event at a cut may suffer."]
    return [f"Reads at most the first {model.max_steps} {what} of a series; `predict` says in `truncated` when it cut one."]


def rows(config: Mapping[str, Any], numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Other metrics of the test split; of streams, how events are told from steps."""
    chosen = config["preprocessing"]
    if not chosen.get("framewise"):
        return plain_rows(TASK, numbers)
    told = f"median over {chosen['median_steps']} frames, at least {chosen['minimum_steps']} frames, probability at least "
    return [
        *plain_rows(TASK, numbers),
        ("true events on test", f"{numbers['test']['events']:,}"),
        ("an event is", f"{told}{chosen['threshold']:g} (chosen on validation)"),
        ("a found event counts", "with the right label and an overlap of at least half of the union with a true one"),
    ]


def usage(example: Mapping[str, Any]) -> str:
    """`model.predict("example.csv")` and what it says."""
    if "label" in example:
        return f'model.predict("{example.get("file")}")   # {example["label"]}, {example["score"]:.3f}'
    spans = zip(example["events"].split(), example["starts"], example["ends"], strict=True)
    said = "; ".join(f"{label} from {start:.2f} to {end:.2f}" for label, start, end in spans)
    return f'model.predict("{example.get("file")}").events   # {said or "none"}'
