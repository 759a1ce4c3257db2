"""Every number on a card, measured and measured again: metrics on the test split, baselines, speed, memory, size."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch

from seqzoo import cards, catalog, factory, hub, measures, trust
from seqzoo.measures.text_classification import score as evaluate

__all__ = [
    "Number",
    "Report",
    "analogies",
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
TIMED = 200  # inputs predicted one by one for p50 and p95
EXAMPLE_BYTES = 120_000  # of a card's example.csv
EXACT = ("n", "asked", "truncated", "bytes", "parameters", "fingerprint")
SLOWER, BIGGER = 4.0, 1.25  # how many times the claimed time or memory another hour on the same machine may take
MEMORY = """
import json, re, resource, sys, seqzoo
seqzoo.load(sys.argv[1]).predict(json.load(sys.stdin))
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
    """Measure every number on a checkpoint's card again: on the split that has the fingerprint that it gives.

    `machine` is this one, in words; speed and memory are compared where the card gives the same, and not measured where
    `speed` is false. Numbers of training (seeds tried, minutes) are measured again by `seqzoo reproduce`. Raises
    ValueError for a checkpoint without numbers or recipe, or whose recipe, if it is from outside the index, names what it
    may not.
    """
    folder = hub.locate(source)
    numbers, config = cards.metrics(folder), hub.read(folder).config
    cards.check(folder, numbers, config["task"])
    if config["task"] == catalog.WORD_VECTORS:
        return Report(source, folder, list(_again_vectors(folder, numbers)))
    recipe = trust.read(folder / "recipe.yaml")
    if source not in cards.index():
        trust.check(recipe, str(folder / "recipe.yaml"))
    measure = measures.of(config["task"])
    return Report(source, folder, list(_again(folder, measure, numbers, corpus_of(recipe), machine, speed)))


def _again(
    folder: Path, measure: ModuleType, claimed: Mapping[str, Any], data: Any, machine: str | None, speed: bool
) -> Iterator[Number]:
    """Each number of metrics.json beside the one that is measured now; fingerprints first, and nothing where one differs."""
    prints = [_compare(f"{split} sha256", value, data.fingerprint(split), 0.0) for split, value in _prints(claimed, data)]
    yield from prints
    if any(number.verdict == "differs" for number in prints):
        return
    model, split = hub.load(f"local-dir:{folder}"), claimed["test"]["split"]
    log.info("measuring %s on %s of %s", folder.name, split, data.name)
    for part, apart in ((split, claimed["test"]), *claimed.get("parts", {}).items()):
        found = measure.evaluate(model, data, part)
        for kind, value in apart.items():
            if isinstance(value, int | float):
                allowed = 0.0 if kind in EXACT else measure.tolerance(kind, value, apart["n"])
                yield _compare(f"{part} {kind}", value, found.get(kind), allowed)
    simplest = measure.baselines(data, split)
    for name, value in claimed["baselines"].items():
        yield _compare(f"baseline {name}", value, {**simplest, **_card_of(name)}.get(name), 1e-4 * max(1.0, abs(value)))
    yield _compare("bytes", claimed["bytes"], (folder / hub.WEIGHTS).stat().st_size, 0.0)
    yield _compare("parameters", claimed["parameters"], sum(one.numel() for one in model.parameters()), 0.0)
    example = claimed["example"]
    raw = measures.read_example(folder / measures.EXAMPLE) if "file" in example else example["text"]
    for compared in measure.compare(example, measure.told(model, raw)):
        yield _compare(*compared)
    if speed:
        yield from _speed(model, folder, measure.sample(data, TIMED), claimed["speed"], machine)


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
        measured = analogies(vectors)
        for section, told in claimed["analogies"].items():
            yield from _metrics(f"analogies {section}", told, measured.get(section, {}))
    if "similarity" in claimed:
        pairs = evaluation.read_pairs(Path(datapath("wordsim353.tsv")))
        yield from _metrics("similarity", claimed["similarity"], evaluation.similarities(vectors, pairs))


def analogies(vectors: Any) -> dict[str, dict[str, float]]:
    """Google's questions, as gensim brings them, answered by word vectors: accuracy, n and asked by section and of all."""
    from gensim.test.utils import datapath

    from seqzoo.embeddings import evaluation

    return evaluation.analogies(vectors, evaluation.read_analogies(Path(datapath("questions-words.txt"))))


def _prints(claimed: Mapping[str, Any], data: Any) -> list[tuple[str, str]]:
    """Split and fingerprint as the card gives them; ValueError for a split that the corpus has not, or without test."""
    prints = claimed["data"]["fingerprints"]
    if claimed["test"]["split"] not in prints:
        raise ValueError(
            f"metrics.json gives no fingerprint of {claimed['test']['split']}: nobody knows what it was measured on"
        )
    if unknown := set(prints) - set(data.fingerprinted):
        raise ValueError(f"metrics.json gives a fingerprint of {min(unknown)!r}, which {data.name} has not")
    return list(prints.items())


def _metrics(section: str, claimed: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Number]:
    """Numbers of word vectors: counts exactly, shares of n questions to one or two of them."""
    for kind, value in claimed.items():
        if isinstance(value, int | float):
            allowed = 0.0 if kind in EXACT else max(1e-4, 2 / max(claimed["n"], 1))
            yield _compare(f"{section} {kind}", value, measured.get(kind), allowed)


def _compare(name: str, claimed: Any, measured: Any, tolerance: float) -> Number:
    if measured is None:
        return Number(name, claimed, None, tolerance, "not comparable")
    return Number(name, claimed, measured, tolerance, "holds" if _same(claimed, measured, tolerance) else "differs")


def _same(claimed: Any, measured: Any, tolerance: float) -> bool:
    """Equal, or numbers (also in lists of the same length) that lie at most `tolerance` apart."""
    if isinstance(claimed, list) and isinstance(measured, list) and len(claimed) == len(measured):
        return all(_same(*pair, tolerance) for pair in zip(claimed, measured, strict=True))
    both = isinstance(claimed, int | float) and isinstance(measured, int | float)
    return claimed == measured or (both and abs(measured - claimed) <= tolerance)


def _card_of(name: str) -> dict[str, float]:
    """Another checkpoint's main metric as its own card has it, which is verified there; nothing where it is not here."""
    folder = catalog.resource("checkpoints") / name
    numbers = cards.metrics(folder) if name in cards.index() else {}
    return {name: numbers["test"][measures.main_metric(_task(folder), numbers["test"])]} if "test" in numbers else {}


def _task(folder: Path) -> str:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["task"]


def _speed(
    model: Any, folder: Path, inputs: Sequence[Any], claimed: Mapping[str, Any], machine: str | None
) -> Iterator[Number]:
    """Time and memory, upwards only, and where the machine is the same: elsewhere they are told and not compared."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(claimed["threads"])
        found = {**latency(model, inputs), "peak_memory_mb": peak_memory(folder, inputs)}
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


def latency(model: Any, inputs: Sequence[Any]) -> dict[str, float]:
    """Milliseconds for one raw input at a time, preprocessing included: median and 95th percentile."""
    for one in inputs[:10]:
        model.predict(one)
    seconds = []
    for one in inputs:
        start = time.perf_counter()
        model.predict(one)
        seconds.append(time.perf_counter() - start)
    p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
    return {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2), "n": len(inputs)}


def peak_memory(folder: Path, inputs: Sequence[Any]) -> float:
    """Megabytes that a fresh process needs at its peak to load the checkpoint and predict the inputs, plain JSON each."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, f"local-dir:{folder}"],
        input=json.dumps(list(inputs)),
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
    test_was_seen: bool = False,
    limits: Sequence[str] = (),
    target: Path | None = None,
    baselines: Sequence[str] = (),
    license: str | None = None,
) -> dict[str, Any]:
    """Make a published checkpoint of a run's model: float16 weights, measured once on test, card and index written.

    `run` is a run folder of `seqzoo fit`. `seeds_tried` gives what each seed reached on validation in the main metric
    (accuracy, micro F1 of a multi-label model, mean absolute error of a forecaster), None where there was no validation;
    `chosen` says in a sentence how the settings were chosen, `test_was_seen` whether by what is measured here;
    `baselines` names published checkpoints of the task whose
    measured main metric on test the card sets beside this one's. Parts of the test split that the corpus names in
    `scored_apart` are measured one by one too. With `target`, a folder of your own, nothing is entered into the index, and
    its `license` is yours to give. Nothing is written in its place before all is measured. Returns the numbers.

    Raises ValueError where the example of a series takes more than EXAMPLE_BYTES.
    """
    seen = {"test_was_seen": True} if test_was_seen else {}
    own, source, target = target is None, run / "model", target or catalog.resource("checkpoints") / name
    recipe = (source / "recipe.yaml").read_text(encoding="utf-8")
    training, embedding = cards.metrics(source)["training"], cards.metrics(source).get("embedding")
    trained, data = hub.load(f"local-dir:{source}"), corpus_of(recipe)
    measure = measures.of(trained.task)
    hub.check_place(target)
    others = _others(trained.task, baselines)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.publishing-", dir=target.parent) as place:
        halved = trained.save_pretrained(Path(place) / target.name, half=True)
        model = hub.load(f"local-dir:{halved}")
        log.info("measuring %s on the test split of %s", name, data.name)
        scores = measure.evaluate(model, data, "test")
        parts = {part: measure.evaluate(model, data, part) for part in getattr(data, "scored_apart", ())}
        example, sample = measure.example(data), measure.sample(data, TIMED)
        entry, texts = _stored(example)
        numbers = {
            "label": label,
            **({"license": license} if license else {}),
            "test": {"split": "test", **scores, "how": f"{measure.__name__}.evaluate"},
            **({"parts": parts} if parts else {}),
            "baselines": {**measure.baselines(data, "test"), **others},
            "training": {**training, "seeds_tried": dict(seeds_tried), "chosen": chosen, **seen},
            **({"embedding": embedding} if embedding else {}),
            "data": {
                "corpus": data.name,
                **data.source,
                "language": data.language,
                "citation": data.citation,
                **({"drawn": data.drawn} if getattr(data, "drawn", False) else {}),
                **({"unit": unit} if (unit := measure.unit(data)) else {}),
                "fingerprints": {split: data.fingerprint(split) for split in data.fingerprinted},
            },
            "speed": {
                **latency(model, sample),
                "peak_memory_mb": peak_memory(halved, sample),
                "threads": torch.get_num_threads(),
                "machine": machine,
            },
            "bytes": (halved / hub.WEIGHTS).stat().st_size,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "example": {**entry, **measure.told(model, example)},
            "limits": [*measure.limits(model), *data.limits, *limits],
        }
        config = json.loads((halved / "config.json").read_text(encoding="utf-8"))
        texts |= {
            "recipe.yaml": recipe,
            "metrics.json": json.dumps(numbers, indent=2, ensure_ascii=False) + "\n",
            "README.md": cards.render(name, config, numbers, source=None if own else f"./{target.name}"),
        }
    model.save_pretrained(target, half=True, texts=texts)
    if own:
        enter(target, name, label)
    return numbers


def _others(task: str, names: Sequence[str]) -> dict[str, float]:
    """Main metrics of published checkpoints on test; ValueError for one of another task."""
    found = {}
    for name in names:
        folder = catalog.resource("checkpoints") / name
        if (other := _task(folder)) != task:
            raise ValueError(f"baseline {name} is a checkpoint of {other}, which {task} cannot be compared with")
        test = cards.metrics(folder)["test"]
        found[name] = test[measures.main_metric(task, test)]
    return found


def _stored(example: Any) -> tuple[dict[str, str], dict[str, str]]:
    """A card's example as metrics.json holds it: the text itself, or the name and sha256 of a file with its columns."""
    if isinstance(example, str):
        return {"text": example}, {}
    content = measures.write_example(example)
    if (size := len(content.encode())) > EXAMPLE_BYTES:
        raise ValueError(f"the example of a card has at most {EXAMPLE_BYTES} bytes, got {size}: take a shorter one")
    return (
        {"file": measures.EXAMPLE, "sha256": hashlib.sha256(content.encode()).hexdigest()},
        {measures.EXAMPLE: content},
    )


def enter(folder: Path, name: str, label: str, revision: str | None = None) -> None:
    """Write a checkpoint into the index beside it; `revision` is the commit on the Hub that holds just these files."""
    path = folder.parent / "index.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    files = {file.name: hub.fingerprint(file) for file in sorted(folder.iterdir())}
    entries[name] = {"repo_id": f"seqzoo/{name}", "revision": revision, "label": label, "files": files}
    with hub.replace_file(path) as file:
        file.write((json.dumps(dict(sorted(entries.items())), indent=2, ensure_ascii=False) + "\n").encode())
