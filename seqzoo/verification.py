"""Every number on a card, measured and measured again: metrics on the test split, baselines, speed, memory, size."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from seqzoo import cards, catalog, factory, hub, trust

__all__ = [
    "Number",
    "Report",
    "corpus_of",
    "enter",
    "evaluate",
    "latency",
    "peak_memory",
    "publish",
    "stamp",
    "verify",
]

log = logging.getLogger(__name__)
TIMED = 200  # texts predicted one by one for p50 and p95
EXACT = ("n", "asked", "truncated", "bytes", "parameters", "fingerprint")
SLOWER, BIGGER = 4.0, 1.25  # how many times the claimed time or memory another hour on the same machine may take
MEMORY = """
import re, resource, sys, seqzoo
seqzoo.load(sys.argv[1]).predict(sys.stdin.read().split("\\0"))
try:  # getrusage counts the process that started this one too
    peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
except (OSError, TypeError):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / (1e6 if sys.platform == "darwin" else 1e3))
"""


class Number(NamedTuple):
    """A number of a card: what is claimed, what was measured, how far they may lie apart, and whether it `holds`, `differs`
    or is `not comparable`: speed and memory on another machine, or another checkpoint that is not here.
    """

    name: str
    claimed: Any
    measured: Any
    tolerance: float
    verdict: str


class Report(NamedTuple):
    """All numbers of a checkpoint's card, measured again."""

    checkpoint: str
    folder: Path
    numbers: list[Number]

    @property
    def holds(self) -> bool:
        """Whether no number differs."""
        return all(number.verdict != "differs" for number in self.numbers)


def corpus_of(recipe: str) -> Any:
    """The corpus that a recipe of ours names, with its arguments; ValueError for any other class."""
    data = trust.parse(recipe)["data"]
    room, _, name = data["class_path"].rpartition(".")[0].rpartition(".")
    if room != "seqzoo.corpora":
        raise ValueError(f"a recipe's data must be a class of seqzoo.corpora, got {data['class_path']!r}")
    return factory.create_datamodule(name, **(data.get("init_args") or {}))


def verify(source: str, *, machine: str | None = None, speed: bool = True) -> Report:
    """Measure every number on a checkpoint's card again: on the split whose texts have the fingerprint that it gives.

    `machine` is this one, in words; speed and memory are compared where the card gives the same, and not measured where
    `speed` is false. Numbers of training (seeds tried, minutes) are measured again by `seqzoo reproduce`. Raises
    ValueError for a checkpoint without numbers or recipe, or whose recipe, if it is from outside the index, names what it
    may not.
    """
    folder = hub.locate(source)
    numbers, config = cards.metrics(folder), hub.read(folder).config
    cards.check(folder, numbers)
    if config["task"] == catalog.WORD_VECTORS:
        return Report(source, folder, list(_again_vectors(folder, numbers)))
    recipe = trust.read(folder / "recipe.yaml")
    if source not in cards.index():
        trust.check(recipe, str(folder / "recipe.yaml"))
    return Report(source, folder, list(_again(folder, numbers, corpus_of(recipe), machine, speed)))


def _again(folder: Path, claimed: Mapping[str, Any], data: Any, machine: str | None, speed: bool) -> Iterator[Number]:
    """Each number of metrics.json beside the one that is measured now; fingerprints first, and nothing where one differs."""
    prints = [_compare(f"{split} sha256", value, data.fingerprint(split), 0.0) for split, value in _prints(claimed, data)]
    yield from prints
    if any(number.verdict == "differs" for number in prints):
        return
    model, split = hub.load(f"local-dir:{folder}"), claimed["test"]["split"]
    test = data.read(split)
    log.info("measuring %s on %d texts of %s", folder.name, len(test.texts), data.name)
    measured = evaluate(model, test.texts, test.targets)
    yield from _metrics(split, claimed["test"], measured)
    for part, apart in claimed.get("parts", {}).items():
        yield from _metrics(part, apart, evaluate(model, *data.read(part)))
    for name, value in claimed["baselines"].items():
        found = {**_majority(data.targets("train"), test.targets), **_card_of(name)}.get(name)
        yield _compare(f"baseline {name}", value, found, 1e-4)
    yield _compare("bytes", claimed["bytes"], (folder / hub.WEIGHTS).stat().st_size, 0.0)
    yield _compare("parameters", claimed["parameters"], sum(one.numel() for one in model.parameters()), 0.0)
    yield from _example(model, claimed["example"])
    if speed:
        yield from _speed(model, folder, _sample(test.texts), claimed["speed"], machine)


def _again_vectors(folder: Path, claimed: Mapping[str, Any]) -> Iterator[Number]:
    """The numbers on a card of word vectors: size, neighbours, analogies, likeness beside people's judgement."""
    from gensim.test.utils import datapath

    from seqzoo.embeddings import evaluation

    vectors = hub.load(f"local-dir:{folder}")
    yield _compare("words", claimed["words"], len(vectors), 0.0)
    yield _compare("vector_size", claimed["vector_size"], vectors.size, 0.0)
    whole = sum((folder / name).stat().st_size for name in ("config.json", *hub.read(folder).config["files"]))  # no card
    yield _compare("bytes", claimed["bytes"], whole, 0.0)
    for word, near in claimed["neighbours"].items():
        found = vectors.most_similar(word, topn=len(near))
        wanted, told = (", ".join(other for other, _ in pairs) for pairs in (near, found))
        yield _compare(f"nearest {word}", wanted, told, 0.0)
        yield _compare(f"cosine {word}", near[0][1], found[0][1], 1e-3)
    if "analogies" in claimed:
        questions = evaluation.read_analogies(Path(datapath("questions-words.txt")))
        measured = evaluation.analogies(vectors, questions)
        for section, told in claimed["analogies"].items():
            yield from _metrics(f"analogies {section}", told, measured.get(section, {}))
    if "similarity" in claimed:
        pairs = evaluation.read_pairs(Path(datapath("wordsim353.tsv")))
        yield from _metrics("similarity", claimed["similarity"], evaluation.similarities(vectors, pairs))


def _prints(claimed: Mapping[str, Any], data: Any) -> list[tuple[str, str]]:
    """Split and fingerprint as the card gives them; ValueError for a split that the corpus has not, or without test."""
    prints = claimed["data"]["fingerprints"]
    if claimed["test"]["split"] not in prints:
        raise ValueError(
            f"metrics.json gives no fingerprint of {claimed['test']['split']}: nobody knows which texts were meant"
        )
    if unknown := set(prints) - set(data.fingerprinted):
        raise ValueError(f"metrics.json gives a fingerprint of {min(unknown)!r}, which {data.name} has not")
    return list(prints.items())


def _metrics(split: str, claimed: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Number]:
    for kind, value in claimed.items():
        if isinstance(value, int | float):
            yield _compare(f"{split} {kind}", value, measured.get(kind), _tolerance(kind, claimed["n"]))


def _tolerance(kind: str, n: int) -> float:
    """How far another processor's rounding may move a metric: a text or two of n in shares of texts, less in mean losses."""
    if kind in EXACT:
        return 0.0
    if kind in ("macro_f1", "calibration_error"):
        return 1e-3  # a rare class's F1 moves by much with one text, a bin's mean by a text at its edge
    return 1e-4 if kind == "log_loss" else max(1e-4, 2 / max(n, 1))


def _compare(name: str, claimed: Any, measured: Any, tolerance: float) -> Number:
    if measured is None:
        return Number(name, claimed, None, tolerance, "not comparable")
    same = claimed == measured
    if not same and not isinstance(claimed, str) and not isinstance(measured, str):
        same = abs(measured - claimed) <= tolerance
    return Number(name, claimed, measured, tolerance, "holds" if same else "differs")


def _card_of(name: str) -> dict[str, float]:
    """Another checkpoint's main metric as its own card has it, which is verified there; nothing where it is not here."""
    numbers = cards.metrics(catalog.resource("checkpoints") / name) if name in cards.index() else {}
    return {name: numbers["test"][cards.main_metric(numbers["test"])]} if "test" in numbers else {}


def _example(model: Any, claimed: Mapping[str, Any]) -> Iterator[Number]:
    """The card's example: its labels and their probabilities."""
    result = model.predict(claimed["text"])
    if model.multi_label:
        yield _compare("example labels", ", ".join(claimed["labels"]), ", ".join(result.labels), 0.0)
        for label, score in zip(claimed["labels"], claimed["scores"], strict=True):
            yield _compare(f"example {label}", score, result.scores.get(label), 1e-3)
    else:
        yield _compare("example label", claimed["label"], result.label, 0.0)
        yield _compare("example score", claimed["score"], result.score, 1e-3)


def _speed(
    model: Any, folder: Path, texts: Sequence[str], claimed: Mapping[str, Any], machine: str | None
) -> Iterator[Number]:
    """Time and memory, upwards only, and where the machine is the same: elsewhere they are told and not compared."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(claimed["threads"])
        found = {**latency(model, texts), "peak_memory_mb": peak_memory(folder, texts)}
    finally:
        torch.set_num_threads(threads)
    for kind, allowed in (("p50_ms", SLOWER), ("p95_ms", SLOWER), ("peak_memory_mb", BIGGER)):
        excess = (allowed - 1) * claimed[kind]
        verdict = "holds" if found[kind] <= claimed[kind] + excess else "differs"
        same = machine is not None and machine == claimed["machine"]
        yield Number(kind, claimed[kind], found[kind], round(excess, 2), verdict if same else "not comparable")


def stamp(report: Report) -> None:
    """Leave the stamp in metrics.json that `push` asks for: these numbers, these weights, this day.

    ValueError where a number differs, or where the folder is the cache's. The card of a checkpoint of the index is written
    anew with it, and so is the index.
    """
    if not report.holds:
        wrong = next(number for number in report.numbers if number.verdict == "differs")
        raise ValueError(f"{report.checkpoint}: {wrong.name} is {wrong.measured} and not {wrong.claimed}; it gets no stamp")
    if report.folder.parent.name == "snapshots":
        raise ValueError(
            f"{report.checkpoint} was fetched: its stamp is its publisher's to leave; copy {report.folder} first"
        )
    from seqzoo import __version__

    folder, numbers = report.folder, cards.metrics(report.folder)
    seal = cards.seal(folder, numbers)
    if cards.unverified(folder, numbers) is None:
        return
    numbers["verified"] = {
        **seal,
        "date": date.today().isoformat(),
        "count": sum(number.verdict == "holds" for number in report.numbers),
        "how": "seqzoo verify",
        "versions": {"seqzoo": __version__, "torch": torch.__version__},
    }
    with hub.replace_file(folder / "metrics.json") as file:
        file.write((json.dumps(numbers, indent=2, ensure_ascii=False) + "\n").encode())
    if (entry := cards.index().get(folder.name)) and folder == catalog.resource("checkpoints") / folder.name:
        with hub.replace_file(folder / "README.md") as file:
            file.write(cards.card(folder, folder.name).encode())
        enter(folder, folder.name, entry["label"])


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


def _sample(texts: Sequence[str]) -> list[str]:
    """The same texts each time for time and memory."""
    return [texts[index] for index in np.random.default_rng(0).permutation(len(texts))[:TIMED]]


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
    license: str | None = None,
) -> dict[str, Any]:
    """Make a published checkpoint of a run's model: float16 weights, measured once on test, card and index written.

    `run` is a run folder of `seqzoo fit`. `seeds_tried` gives the validation accuracy (micro F1 of a multi-label model) of
    each seed, None where it had no validation texts; `chosen` says in a sentence how the settings were chosen; `baselines`
    names published checkpoints whose measured test accuracy (or micro F1) the card sets beside this one's. Parts of the test
    split that the corpus names in `scored_apart` are measured one by one too. With `target`, a folder of your own, nothing
    is entered into the index, and its `license` is yours to give. Returns the numbers.
    """
    own, source, target = target is None, run / "model", target or catalog.resource("checkpoints") / name
    recipe = (source / "recipe.yaml").read_text(encoding="utf-8")
    training, embedding = cards.metrics(source)["training"], cards.metrics(source).get("embedding")
    hub.load(f"local-dir:{source}").save_pretrained(target, half=True, texts={"recipe.yaml": recipe})
    model, data = hub.load(f"local-dir:{target}"), corpus_of(recipe)
    log.info("measuring %s on the test split of %s", name, data.name)
    test, parts = data.read("test"), {part: data.read(part) for part in data.scored_apart}
    sample = _sample(test.texts)
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
        **({"license": license} if license else {}),
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
        "README.md": cards.render(
            name,
            json.loads((target / "config.json").read_text(encoding="utf-8")),
            numbers,
            source=None if own else f"./{target.name}",
        ),
    }
    model.save_pretrained(target, half=True, texts=texts)
    if own:
        enter(target, name, label)
    return numbers


def _majority(train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Accuracy of the most frequent class; micro F1 of the most frequent label, given to every text."""
    if train.ndim == 1:
        return {"majority class": float(np.mean(test == np.bincount(train).argmax()))}
    hits = test[:, train.sum(0).argmax()].sum()
    return {"majority label": float(_f1(hits, len(test) + test.sum()))}


def enter(folder: Path, name: str, label: str, revision: str | None = None) -> None:
    """Write a checkpoint into the index beside it; `revision` is the commit on the Hub that holds just these files."""
    path = folder.parent / "index.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    files = {file.name: hub.fingerprint(file) for file in sorted(folder.iterdir())}
    entries[name] = {"repo_id": f"seqzoo/{name}", "revision": revision, "label": label, "files": files}
    with hub.replace_file(path) as file:
        file.write((json.dumps(dict(sorted(entries.items())), indent=2, ensure_ascii=False) + "\n").encode())
