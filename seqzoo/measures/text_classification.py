"""Text classification: accuracy or F1 and their company, beside the most frequent class."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seqzoo.measures import Metric

__all__ = [
    "baselines",
    "compare",
    "evaluate",
    "example",
    "is_told",
    "limits",
    "majority",
    "rows",
    "sample",
    "score",
    "told",
    "tolerance",
    "unit",
    "usage",
]

MAIN = {"accuracy": ["accuracy", "f1"], "micro_f1": ["f1"]}
HIGHER_IS_BETTER = True
METRICS = {
    "accuracy": Metric("accuracy", 2, "%"),
    "micro_f1": Metric("micro F1", 2, "%", {"average": "micro"}),
    "macro_f1": Metric("macro F1", hub={"average": "macro"}),
    "positive_f1": Metric("F1 of `{second}`", hub={"average": "binary"}),
    "exact_match": Metric("texts whose labels are all right"),
    "mcc": Metric("Matthews' correlation"),
    "log_loss": Metric("log loss", unit="nats per text"),
    "calibration_error": Metric("calibration error (15 bins)", hub={"bins": 15}),
}
APART = ("positive_f1", "exact_match", "mcc", "calibration_error")  # a row each
NEEDED = ("macro_f1", "log_loss")
PIPELINE = "text-classification"
ONE, MANY, COUNTED, LABELS = "text", "texts", "", "Labels"


def evaluate(model: Any, data: Any, split: str, *, progress: bool = False) -> dict[str, Any]:
    """`score` of a split of a corpus, or of one of the parts that it scores apart."""
    return score(model, *data.read(split), progress=progress)


def score(model: Any, texts: Sequence[str], targets: Any, *, progress: bool = False) -> dict[str, Any]:
    """Metrics of a model's predictions, n, and how many texts were cut.

    targets: (N,) the class of each text. accuracy; macro_f1, mean of the classes' F1; micro_f1, which is accuracy here;
    mcc, Matthews' correlation of all classes (Gorodkin, 2004); log_loss, nats per text; calibration_error, the mean gap
    between probability and accuracy in 15 bins of equal width (Guo et al., 2017, equation 3); of two classes also
    positive_f1, the F1 of the second.

    targets: (N, labels) of 0 and 1, of a multi-label model. micro_f1, over all texts and labels together; macro_f1, mean
    of the labels' F1; exact_match, the share of texts whose labels are all right; log_loss, nats per text, summed over the
    labels.
    """
    results = model.predict(texts, progress=progress)
    probabilities = np.array([[result.scores[label] for label in model.labels] for result in results])
    targets = np.asarray(targets)
    if model.multi_label:
        scores = _of_several(probabilities, probabilities >= np.array(model.thresholds), targets == 1)
    else:
        scores = of_one(probabilities, targets)
    return {**scores, "n": len(targets), "truncated": sum(result.truncated for result in results)}


def of_one(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Metrics where each input has one class: (N, labels), (N,) int."""
    n, size = probabilities.shape
    guesses, rows = probabilities.argmax(1), np.arange(n)
    confusion = np.bincount(targets * size + guesses, minlength=size * size).reshape(size, size).astype(float)
    hits, true, guessed = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    f1 = _f1(hits, true + guessed)
    variances = (n**2 - guessed @ guessed) * (n**2 - true @ true)
    bins = np.ceil(probabilities[rows, guesses] * 15).clip(1, 15).astype(int)  # ((m - 1) / 15, m / 15]
    gaps = np.bincount(bins, weights=(guesses == targets) - probabilities[rows, guesses])
    return {
        "accuracy": float(hits.sum() / n),
        "macro_f1": float(f1.mean()),
        "micro_f1": float(hits.sum() / n),
        **({"positive_f1": float(f1[1])} if size == 2 else {}),
        "mcc": float((n * hits.sum() - true @ guessed) / np.sqrt(variances)) if variances else 0.0,
        "log_loss": float(-np.log(np.clip(probabilities[rows, targets], 1e-12, None)).mean()),
        "calibration_error": float(np.abs(gaps).sum() / n),
    }


def _of_several(probabilities: np.ndarray, guesses: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Metrics where a text has any number of labels: (N, labels) each, the last two bool."""
    hits, total = (guesses & targets).sum(0), guesses.sum(0) + targets.sum(0)
    likelihood = np.clip(np.where(targets, probabilities, 1.0 - probabilities), 1e-12, None)
    return {
        "micro_f1": float(_f1(hits.sum(), total.sum())),
        "macro_f1": float(_f1(hits, total).mean()),
        "exact_match": float((guesses == targets).all(1).mean()),
        "log_loss": float(-np.log(likelihood).sum(1).mean()),
    }


def _f1(hits: Any, total: Any) -> Any:
    """2 x hits over guessed and true together; 0 where there are none."""
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 0.0)


def baselines(data: Any, split: str) -> dict[str, float]:
    """`majority` of the training texts, on a split."""
    return majority(data.targets("train"), data.read(split).targets)


def majority(train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Accuracy of the most frequent class; micro F1 of the most frequent label, given to every text."""
    if train.ndim == 1:
        return {"majority class": float(np.mean(test == np.bincount(train).argmax()))}
    hits = test[:, train.sum(0).argmax()].sum()
    return {"majority label": float(_f1(hits, len(test) + test.sum()))}


def tolerance(kind: str, claimed: float, n: int) -> float:
    """A text or two of n in shares of texts, less in mean losses."""
    if kind in ("macro_f1", "calibration_error"):
        return 1e-3  # a rare class's F1 moves by much with one text, a bin's mean by a text at its edge
    return 1e-4 if kind == "log_loss" else max(1e-4, 2 / max(n, 1))


def example(data: Any) -> str:
    """The corpus's own."""
    return data.example


def told(model: Any, example: str) -> dict[str, Any]:
    """The label of a text and its probability; of several labels, those that it has."""
    result = model.predict(example)
    if model.multi_label:
        return {"labels": list(result.labels), "scores": [result.scores[label] for label in result.labels]}
    return {"label": result.label, "score": result.score}


def is_told(entry: Mapping[str, Any]) -> bool:
    """Whether an example of metrics.json gives a text, its labels and as many probabilities."""
    labels, scores = _labels(entry)
    return (
        isinstance(entry.get("text"), str)
        and isinstance(labels, list)
        and isinstance(scores, list)
        and all(isinstance(label, str) for label in labels)
        and all(isinstance(score, int | float) for score in scores)
        and len(labels) == len(scores)
    )


def _labels(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    return ([entry["label"]], [entry.get("score")]) if "label" in entry else (entry.get("labels"), entry.get("scores"))


def compare(claimed: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, float]]:
    """The card's example: its labels and their probabilities."""
    if "label" in told:
        yield "example label", claimed.get("label"), told["label"], 0.0
        yield "example score", claimed.get("score"), told["score"], 1e-3
        return
    labels, scores = _labels(claimed)
    now = dict(zip(told["labels"], told["scores"], strict=True))
    yield "example labels", ", ".join(labels), ", ".join(told["labels"]), 0.0
    for label, score in zip(labels, scores, strict=True):
        yield f"example {label}", score, now.get(label), 1e-3


def sample(data: Any, n: int) -> list[str]:
    """The same test texts each time."""
    texts = data.read("test").texts
    return [texts[index] for index in np.random.default_rng(0).permutation(len(texts))[:n]]


def unit(data: Any) -> str:
    """None."""
    return ""


def limits(model: Any) -> list[str]:
    """How much of a text is read."""
    return [
        f"Reads at most {model.max_tokens} tokens of a text ({model.keep}); `predict` says in `truncated` when it cut one."
    ]


def rows(config: Mapping[str, Any], numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Other metrics of the test split, and those of its parts."""
    test, second = numbers["test"], config["labels"][1]
    return [
        ("test macro F1, log loss", f"{test['macro_f1']:.4f}, {test['log_loss']:.4f} nats per text"),
        *(
            (f"test {METRICS[kind].said.format(second=second)}", METRICS[kind].show(test[kind]))
            for kind in APART
            if kind in test
        ),
        *(
            (
                f"{part} accuracy, macro F1",
                f"**{METRICS['accuracy'].show(apart['accuracy'])}** of {apart['n']:,}, {apart['macro_f1']:.4f}",
            )
            for part, apart in numbers.get("parts", {}).items()
        ),
    ]


def usage(example: Mapping[str, Any]) -> str:
    """`model.predict("...")` and what it says."""
    pairs = zip(*_labels(example), strict=True)
    answer = "; ".join(f"{label}, {score:.3f}" for label, score in pairs) or "no label"
    return f"model.predict({json.dumps(example['text'], ensure_ascii=False)})   # {answer}"
