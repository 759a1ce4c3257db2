"""Every number on a card, measured: metrics on the official test split, baselines, speed, memory, size."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from seqzoo import cards, catalog, factory, hub

__all__ = ["corpus_of", "enter", "evaluate", "latency", "peak_memory", "publish"]

log = logging.getLogger(__name__)
TIMED = 200  # texts predicted one by one for p50 and p95
MEMORY = """
import resource, sys, seqzoo
seqzoo.load(sys.argv[1]).predict(sys.stdin.read().split("\\0"))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / (1e6 if sys.platform == "darwin" else 1e3))
"""


def corpus_of(recipe: str) -> Any:
    """The corpus that a recipe of ours names, with its arguments; ValueError for any other class."""
    data = yaml.safe_load(recipe)["data"]
    room, _, name = data["class_path"].rpartition(".")[0].rpartition(".")
    if room != "seqzoo.corpora":
        raise ValueError(f"a recipe's data must be a class of seqzoo.corpora, got {data['class_path']!r}")
    return factory.create_datamodule(name, **data["init_args"])


def evaluate(model: Any, texts: Sequence[str], targets: Any, *, progress: bool = False) -> dict[str, Any]:
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
        scores = _of_one(probabilities, targets)
    return {**scores, "n": len(targets), "truncated": sum(result.truncated for result in results)}


def _of_one(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Metrics where each text has one class: (N, labels), (N,) int."""
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


def latency(model: Any, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds for one raw text at a time, tokenising included: median and 95th percentile."""
    for text in texts[:10]:
        model.predict(text)
    seconds = []
    for text in texts:
        start = time.perf_counter()
        model.predict(text)
        seconds.append(time.perf_counter() - start)
    p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
    return {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2), "n": len(texts)}


def peak_memory(folder: Path, texts: Sequence[str]) -> float:
    """Megabytes that a fresh process needs at its peak to load the checkpoint and predict the texts."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, f"local-dir:{folder}"],
        input="\0".join(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return round(float(done.stdout), 1)


def publish(
    run: Path,
    name: str,
    *,
    label: str,
    machine: str,
    seeds_tried: Mapping[str, float | None],
    chosen: str,
    limits: Sequence[str] = (),
    target: Path | None = None,
    baselines: Sequence[str] = (),
) -> dict[str, Any]:
    """Make a published checkpoint of a run's model: float16 weights, measured once on test, card and index written.

    `run` is a run folder of `seqzoo fit`. `seeds_tried` gives the validation accuracy (micro F1 of a multi-label model) of
    each seed, None where it had no validation texts; `chosen` says in a sentence how the settings were chosen; `baselines`
    names published checkpoints whose measured test accuracy (or micro F1) the card sets beside this one's. Parts of the test
    split that the corpus names in `scored_apart` are measured one by one too. Returns the numbers.
    """
    source, target = run / "model", target or catalog.resource("checkpoints") / name
    recipe = (source / "recipe.yaml").read_text(encoding="utf-8")
    training, embedding = cards.metrics(source)["training"], cards.metrics(source).get("embedding")
    hub.load(f"local-dir:{source}").save_pretrained(target, half=True, texts={"recipe.yaml": recipe})
    model, data = hub.load(f"local-dir:{target}"), corpus_of(recipe)
    log.info("measuring %s on the test split of %s", name, data.name)
    test, parts = data.read("test"), {part: data.read(part) for part in data.scored_apart}
    sample = [test.texts[index] for index in np.random.default_rng(0).permutation(len(test.texts))[:TIMED]]
    scores = evaluate(model, test.texts, test.targets)
    main = cards.main_metric(scores)
    others = {other: cards.metrics(catalog.resource("checkpoints") / other) for other in baselines}
    example = data.example
    predicted = model.predict(example)
    if model.multi_label:
        told = {"labels": list(predicted.labels), "scores": [predicted.scores[label] for label in predicted.labels]}
    else:
        told = {"label": predicted.label, "score": predicted.score}
    numbers = {
        "label": label,
        "test": {"split": "test", **scores, "how": "seqzoo.verification.evaluate"},
        **({"parts": {part: evaluate(model, *apart) for part, apart in parts.items()}} if parts else {}),
        "baselines": {
            **_majority(data.targets("train"), test.targets),
            **{other: numbers["test"][main] for other, numbers in others.items()},
        },
        "training": {**training, "seeds_tried": dict(seeds_tried), "chosen": chosen},
        **({"embedding": embedding} if embedding else {}),
        "data": {
            "corpus": data.name,
            **data.source,
            "language": data.language,
            "citation": data.citation,
            **({"drawn": True} if data.drawn else {}),
            "fingerprints": {split: data.fingerprint(split) for split in data.fingerprinted},
        },
        "speed": {
            **latency(model, sample),
            "peak_memory_mb": peak_memory(target, sample),
            "threads": torch.get_num_threads(),
            "machine": machine,
        },
        "bytes": (target / hub.WEIGHTS).stat().st_size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "example": {"text": example, **told},
        "limits": [
            f"Reads at most {model.max_tokens} tokens of a text ({model.keep}); "
            "`predict` says in `truncated` when it cut one.",
            *data.limits,
            *limits,
        ],
    }
    texts = {
        "recipe.yaml": recipe,
        "metrics.json": json.dumps(numbers, indent=2, ensure_ascii=False) + "\n",
        "README.md": cards.render(name, json.loads((target / "config.json").read_text(encoding="utf-8")), numbers),
    }
    model.save_pretrained(target, half=True, texts=texts)
    enter(target, name, label)
    return numbers


def _majority(train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Accuracy of the most frequent class; micro F1 of the most frequent label, given to every text."""
    if train.ndim == 1:
        return {"majority class": float(np.mean(test == np.bincount(train).argmax()))}
    hits = test[:, train.sum(0).argmax()].sum()
    return {"majority label": float(_f1(hits, len(test) + test.sum()))}


def enter(folder: Path, name: str, label: str) -> None:
    """Write a checkpoint into the index beside it."""
    path = folder.parent / "index.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    files = {file.name: hub.fingerprint(file) for file in sorted(folder.iterdir())}
    entries[name] = {"repo_id": f"seqzoo/{name}", "revision": None, "label": label, "files": files}
    with hub.replace_file(path) as file:
        file.write((json.dumps(dict(sorted(entries.items())), indent=2, ensure_ascii=False) + "\n").encode())
