"""Anomaly detection: the Numenta benchmark's score of streams; of whole series, how well scores part them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from seqzoo.measures import Metric, compare_plain, nab, plain_rows

__all__ = [
    "baselines",
    "compare",
    "evaluate",
    "example",
    "is_told",
    "limits",
    "of_scores",
    "rows",
    "sample",
    "told",
    "tolerance",
    "unit",
    "usage",
]

TASK = "anomaly-detection"
MAIN = {"nab_optimised": [], "auroc": ["roc_auc"]}
HIGHER_IS_BETTER = True
METRICS = {
    "nab_optimised": Metric("NAB score, one threshold optimised over the corpus (the published protocol)", 2),
    "nab_optimised_low_fp": Metric("NAB score, optimised, profile reward_low_FP", 2),
    "nab_optimised_low_fn": Metric("NAB score, optimised, profile reward_low_FN", 2),
    "nab_probation_threshold": Metric("NAB score, each file's threshold fixed beforehand on its probation part", 2),
    "nab_fixed_threshold": Metric("NAB score, the model's own threshold, from all probation parts", 2),
    "auroc": Metric("AUROC"),
    "average_precision": Metric("average precision"),
    "f1": Metric("F1 of `anomaly`"),
    "precision": Metric("precision of `anomaly`"),
    "recall": Metric("recall of `anomaly`"),
}
NEEDED = ()
PIPELINE = None
ONE, MANY, COUNTED, LABELS = "series", "series", " series", "Labels"
SEEDS = range(10)  # of the random detector: the mean of their scores
EXAMPLE = "realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv"  # of NAB: short, with two spikes
SAMPLED = 1_500  # rows of a stream for time and memory
PLACES = 6


def evaluate(model: Any, data: Any, split: str, *, progress: bool = False) -> dict[str, Any]:
    """Of streams (NAB): `nab_optimised`, the standard score at the one threshold that is best for all files together, and
    that of the two other profiles; `nab_probation_threshold`, at a threshold for each file that its probation part alone
    has fixed: the highest score in the second half of it, or the model's own where that is higher; `nab_fixed_threshold`,
    at the model's own; `windows`.

    Of whole series: auroc and average_precision of the scores; f1, precision and recall of `anomaly` at the model's
    threshold, which was chosen on validation. `n` is the number of files or series.
    """
    if model.method == "forecast":
        return _of_streams(model, data)
    whole = data.series(split)
    results = model.predict(whole.series, progress=progress)
    anomalous = np.asarray(whole.targets) == 1
    scores, flagged = (np.array([getattr(one, name) for one in results]) for name in ("score", "anomalous"))
    return {**of_scores(scores, flagged, anomalous), "n": len(results)}


def _of_streams(model: Any, data: Any) -> dict[str, Any]:
    streams, scores, thresholds = _streams(data), {}, {}
    for name, columns in data.read().items():
        rows, reading = data.probation(name), model.preprocessor.read(columns)
        own = model.stream_scores(reading, rows)
        thresholds[name] = max(model.threshold, float(own[rows // 2 : rows].max()))
        scores[name] = own
    fixed = dict.fromkeys(scores, model.threshold)
    return {
        "nab_optimised": nab.optimised(scores, streams).score,
        "nab_optimised_low_fp": nab.optimised(scores, streams, "reward_low_FP").score,
        "nab_optimised_low_fn": nab.optimised(scores, streams, "reward_low_FN").score,
        "nab_probation_threshold": nab.at_thresholds(scores, streams, thresholds),
        "nab_fixed_threshold": nab.at_thresholds(scores, streams, fixed),
        "windows": sum(len(stream.windows) for stream in streams),
        "n": len(streams),
    }


def _streams(data: Any) -> list[nab.Stream]:
    return [
        nab.Stream(name, np.array(columns["timestamp"], "datetime64[s]"), data.windows(name))
        for name, columns in data.read().items()
    ]


def of_scores(scores: np.ndarray, flagged: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """Scores (N,), which were flagged and which are anomalous, bool (N,) -> auroc, average_precision, f1 and company.

    auroc: the share of pairs of an anomalous and a normal series of which the anomalous one scores higher, equal ones half;
    average_precision: the sum over thresholds of the gain in recall times the precision there, without interpolation.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # the last of equal scores
    hits, found = anomalous[order].cumsum()[last], last + 1
    wrong, positives, negatives = found - hits, anomalous.sum(), (~anomalous).sum()
    if not positives or not negatives:
        raise ValueError(f"both kinds of series are needed, got {positives} anomalous and {negatives} normal")
    before = np.concatenate([[0], hits[:-1]])
    area = (np.diff(wrong, prepend=0) * (hits + before)).sum() / 2
    right = float((flagged & anomalous).sum())
    return {
        "auroc": float(area / (positives * negatives)),
        "average_precision": float(((hits - before) / positives * hits / found).sum()),
        "f1": 2 * right / max(float(flagged.sum() + positives), 1.0),
        "precision": right / max(float(flagged.sum()), 1.0),
        "recall": right / float(positives),
    }


def baselines(data: Any, split: str) -> dict[str, float]:
    """Of streams, in NAB's optimised standard score: the random detector, mean of ten seeds, and the windowed Gaussian.

    Of whole series, in AUROC: chance, and the distance to the mean normal training series.
    """
    if hasattr(data, "windows"):
        streams = _streams(data)
        chance = [
            nab.optimised(
                {one.name: nab.random_scores(len(one.times), (seed, at)) for at, one in enumerate(streams)}, streams
            )
            for seed in SEEDS
        ]
        gaussian = {name: nab.windowed_gaussian(np.array(columns["value"])) for name, columns in data.read().items()}
        return {
            "random": float(np.mean([one.score for one in chance])),
            "windowed Gaussian": nab.optimised(gaussian, streams).score,
        }
    train, whole = data.series("train"), data.series(split)
    mean = np.mean(list(train.series), 0)
    distances = np.array([np.abs(one - mean).mean() for one in whole.series])
    anomalous = np.asarray(whole.targets) == 1
    return {
        "chance": 0.5,
        "distance to the mean normal series": of_scores(distances, distances > np.inf, anomalous)["auroc"],
    }


def tolerance(kind: str, claimed: float, n: int) -> float:
    """NAB counts from 0 to 100, and one alarm more or less moves it; a series or two in shares."""
    return 1.0 if kind.startswith("nab_") else max(2e-3, 2 / max(n, 1))


def example(data: Any) -> dict[str, list[Any]]:
    """A file of NAB; of whole series, the first anomalous one of test."""
    if hasattr(data, "windows"):
        return data.read()[EXAMPLE]
    return _columns(data, int(np.argmax(np.asarray(data.series("test").targets))))


def _columns(data: Any, index: int) -> dict[str, list[float]]:
    series = data.series("test").series[index].astype(np.float64).round(PLACES)
    return {"value" if series.shape[1] == 1 else f"channel_{at + 1}": column for at, column in enumerate(series.T.tolist())}


def told(model: Any, example: Any) -> dict[str, Any]:
    """Of a stream, its flagged windows: starts, ends and scores; of a series its score and whether it is anomalous."""
    result = model.predict(example)
    if model.method == "reconstruction":
        return {"score": result.score, "anomalous": str(result.anomalous).lower()}
    return {
        "starts": " | ".join(str(window.start or window.first) for window in result.windows),
        "ends": " | ".join(str(window.end or window.last) for window in result.windows),
        "scores": [window.score for window in result.windows],
    }


def is_told(entry: Mapping[str, Any]) -> bool:
    """Whether an example of metrics.json gives a score, or windows."""
    if "scores" not in entry:
        return _is_number(entry.get("score")) and entry.get("anomalous") in ("true", "false")
    starts, ends, scores = entry.get("starts"), entry.get("ends"), entry["scores"]
    return (
        isinstance(starts, str)
        and isinstance(ends, str)
        and isinstance(scores, list)
        and all(map(_is_number, scores))
        and {len(_split(starts)), len(_split(ends))} == {len(scores)}
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _split(text: str) -> list[str]:
    return text.split(" | ") if text else []


def compare(claimed: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, float]]:
    """The card's example: its windows, or its score."""
    return compare_plain(claimed, told)


def sample(data: Any, n: int) -> list[dict[str, list[Any]]]:
    """The same first rows of files, or test series, each time."""
    random = np.random.default_rng(0)
    if hasattr(data, "windows"):
        names = list(data.read())
        chosen = [data.read()[names[at % len(names)]] for at in random.permutation(max(n, len(names)))[:n]]
        return [{column: values[:SAMPLED] for column, values in columns.items()} for columns in chosen]
    return [_columns(data, int(index)) for index in random.permutation(len(data.series("test").series))[:n]]


def unit(data: Any) -> str:
    """None."""
    return ""


def limits(model: Any) -> list[str]:
    """What a detector needs, and what it does not tell."""
    if model.method == "reconstruction":
        return [
            f"Reads at most the first {model.context_length} steps of a series, cut and scaled as those it was trained on."
        ]
    return [
        "Takes a stream's first rows (15 %, at most 750, or `probation=` many) as normal and tells nothing of them.",
        "Reads one value a row; an alarm is told once, and rows soon after it are silent unless they are stranger still.",
    ]


def rows(config: Mapping[str, Any], numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Other metrics of the test split, and the threshold."""
    chosen = config["preprocessing"]
    told = [*plain_rows(TASK, numbers), ("flagged from a score of", f"{chosen['threshold']:.4f}")]
    if chosen["method"] == "forecast":
        weights = ", ".join(f"{name} x {weight:g}" for name, weight in chosen["weights"].items())
        told.append(("a row's score is the largest of", weights))
    return told


def usage(example: Mapping[str, Any]) -> str:
    """`model.predict("example.csv")` and what it says."""
    if "scores" not in example:
        return f'model.predict("{example.get("file")}")   # score {example["score"]:.3f}, anomalous: {example["anomalous"]}'
    said = "; ".join(f"from {a} to {b}" for a, b in zip(_split(example["starts"]), _split(example["ends"]), strict=True))
    return f'model.predict("{example.get("file")}").windows   # {said or "none"}'
