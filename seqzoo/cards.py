"""The checkpoint index and the model cards, written from measured numbers."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from seqzoo import catalog

__all__ = ["index", "list_checkpoints", "main_metric", "metrics", "render", "render_vectors"]

METRICS = {  # those that a card gives, as far as they were measured: name -> the Hub's arguments of it
    "accuracy": {},
    "micro_f1": {"average": "micro"},
    "macro_f1": {"average": "macro"},
    "positive_f1": {"average": "binary"},
    "exact_match": {},
    "mcc": {},
    "log_loss": {},
    "calibration_error": {"bins": 15},
}
SAID = {
    "positive_f1": "F1 of `{second}`",
    "exact_match": "texts whose labels are all right",
    "mcc": "Matthews' correlation",
    "calibration_error": "calibration error (15 bins)",
}
CHECKED = ("repo_id", "revision", "label", "files")


def index() -> dict[str, dict[str, Any]]:
    """Name -> repo_id, revision (null until published), label, files with sha256 and bytes, of every checkpoint."""
    path = catalog.resource("checkpoints") / "index.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); reinstall seqzoo") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{path} must hold an object, got {type(entries).__name__}; reinstall seqzoo")
    for name, entry in entries.items():
        if not isinstance(entry, dict) or set(entry) != set(CHECKED):
            raise ValueError(f"{path}: {name} must give {', '.join(CHECKED)}; reinstall seqzoo")
    return entries


def list_checkpoints(pattern: str = "*") -> list[str]:
    """Names of published checkpoints that match a shell pattern such as `imdb-*`."""
    return [name for name in sorted(index()) if fnmatchcase(name, pattern)]


def metrics(folder: Path) -> dict[str, Any]:
    """A checkpoint's measured numbers; empty where none were measured."""
    try:
        return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def main_metric(test: Mapping[str, Any]) -> str:
    """What a checkpoint is compared by: `accuracy`, or `micro_f1` where a text has several labels."""
    return "accuracy" if "accuracy" in test else "micro_f1"


def percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _embedding_rows(embedding: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What the word vectors that training began with covered; nothing where there were none."""
    if embedding is None:
        return []
    kept = "frozen" if embedding["frozen"] else "trained on"
    rows = [("word vectors at the start", f"{embedding['source']}; {kept}")]
    if "types" in embedding:
        types, tokens = embedding["types"], embedding["tokens"]
        covered = [100 * part["covered"] / max(part["all"], 1) for part in (types, tokens)]
        by_parts = f", {embedding['by_subwords']} of them by their parts" if embedding["by_subwords"] else ""
        missing = ", ".join(f"`{word}` ({count})" for word, count in embedding["missing"])
        rows += [
            (
                "words with a vector",
                f"{covered[0]:.1f} % of {types['all']:,} types{by_parts}, {covered[1]:.1f} % of the training tokens; "
                f"others: {embedding['unknown']}",
            ),
            *([("most frequent words without", missing)] if missing else []),
        ]
    return rows


def render(name: str, config: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """README.md of a checkpoint, in the Hub's form: metadata, what it is, how good, how fast, what it cannot do."""
    import yaml

    test, data, training, speed = (numbers[key] for key in ("test", "data", "training", "speed"))
    main = main_metric(test)
    result = {
        "task": {"type": config["task"]},
        "dataset": {
            "type": data["type"],
            "name": data["corpus"],
            "config": data["config"],
            "split": test["split"],
            "args": {"sha256": data["fingerprints"][test["split"]]},
        },
        "metrics": [
            {"type": kind, "value": test[kind], "args": {"n": test["n"], **arguments}}
            for kind, arguments in METRICS.items()
            if kind in test
        ],
    }
    metadata = {
        "library_name": "seqzoo",
        "pipeline_tag": config["task"],
        "license": "apache-2.0",
        "language": data["language"],
        "datasets": [data["type"]],
        "metrics": ["accuracy", "f1"] if main == "accuracy" else ["f1"],
        "tags": ["seqzoo", config["architecture"]],
        "model-index": [{"name": name, "results": [result]}],
    }
    parts = numbers.get("parts", {})  # of the test split, where its corpus scores them apart
    seeds = ", ".join(
        seed if value is None else f"{seed} ({percent(value)} on validation)"
        for seed, value in training["seeds_tried"].items()
    )
    split = f"{'drawn' if data.get('drawn') else 'official'} {test['split']}"
    rows = [
        (
            f"test {main.replace('_f1', ' F1')}",
            f"**{percent(test[main])}** of {test['n']:,} ({data['corpus']}, {split})",
        ),
        ("test macro F1, log loss", f"{test['macro_f1']:.4f}, {test['log_loss']:.4f} nats per text"),
        *(
            (f"test {told.format(second=config['labels'][1])}", f"{test[kind]:.4f}")
            for kind, told in SAID.items()
            if kind in test
        ),
        *(
            (f"{part} accuracy, macro F1", f"**{percent(apart['accuracy'])}** of {apart['n']:,}, {apart['macro_f1']:.4f}")
            for part, apart in parts.items()
        ),
        *((f"baseline: {kind}", percent(value)) for kind, value in numbers["baselines"].items()),
        ("seeds tried", f"{seeds}; published: {training['seed']}"),
        *_embedding_rows(numbers.get("embedding")),
        ("training", f"{training['epochs']} epochs, {training['seconds'] / 60:.1f} minutes on {training['machine']}"),
        ("size, parameters", f"{numbers['bytes'] / 1e6:.1f} MB, {numbers['parameters']:,}"),
        (
            "one text on the CPU",
            f"p50 {speed['p50_ms']:.1f} ms, p95 {speed['p95_ms']:.1f} ms "
            f"({speed['n']} test texts one by one, {speed['machine']})",
        ),
        ("peak memory of a predicting process", f"{speed['peak_memory_mb']:,.0f} MB"),
        *((f"sha256 of {split}", f"`{value}`") for split, value in data["fingerprints"].items()),
    ]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    example = numbers["example"]
    text = json.dumps(example["text"], ensure_ascii=False)
    told = {"labels": [example["label"]], "scores": [example["score"]]} if "label" in example else example
    pairs = zip(told["labels"], told["scores"], strict=True)
    answer = "; ".join(f"{label}, {score:.3f}" for label, score in pairs) or "no label"
    limits = "\n".join(f"- {limit}" for limit in numbers["limits"])
    return f"""---
{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)}---

# {name}

{numbers["label"]}

```python
import seqzoo

model = seqzoo.load("{name}")
model.predict({text})   # {answer}
```

| | |
|---|---|
{table}

Labels: {", ".join(f"`{label}`" for label in config["labels"])}. Architecture: `{config["architecture"]}`.
Trained by `seqzoo fit --config {name}` (the recipe as run is `recipe.yaml`). {training["chosen"]}
Nothing was chosen on the test split. How every number was measured is in `metrics.json`.

## Limits

{limits}

## Source

{data["citation"]}
"""


def render_vectors(name: str, config: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """README.md of a checkpoint of word vectors: metadata, what it is, what it knows, what it was measured to do."""
    import yaml

    training, data = numbers["training"], numbers["data"]
    metadata = {
        "library_name": "seqzoo",
        "pipeline_tag": "feature-extraction",
        "license": "apache-2.0",
        "language": data["language"],
        "datasets": [data["type"]],
        "tags": ["seqzoo", "word-vectors", config["architecture"]],
    }
    texts = " and ".join(f"{count:,} of {split}" for split, count in training["texts"].items())
    rows = [("words, numbers per vector", f"{numbers['words']:,}, {numbers['vector_size']}")]
    if "parts" in numbers:
        kept, trained = numbers["parts"]["kept"], numbers["parts"]["trained"]
        rows.append(("parts of words (n-gram buckets)", f"{kept:,} of {trained:,}, those that most words have"))
    if "analogies" in numbers:
        found = numbers["analogies"]["all"]
        asked = f"{found['n']:,} of {found['asked']:,} questions whose words are known (questions-words.txt)"
        rows.append(("analogies", f"**{percent(found['accuracy'])}** of {asked}"))
    if "similarity" in numbers:
        found = numbers["similarity"]
        asked = f"{found['n']} of {found['asked']} pairs whose words are known (WordSim-353)"
        rows.append(("likeness, Spearman's rank correlation", f"**{found['spearman']:.4f}** over {asked}"))
    rows += [
        ("trained on", f"{texts} of {training['corpus']}, {training['tokens']:,} words, {training['epochs']} times"),
        (
            "training",
            f"{training['seconds'] / 60:.1f} minutes, {training['words_per_second']:,} words/s, "
            f"{training['workers']} threads on {training['machine']}; seed {training['seed']}",
        ),
        ("size, loading", f"{numbers['bytes'] / 1e6:.1f} MB, {1e3 * numbers['load_seconds']:.0f} ms"),
    ]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    near = "\n".join(
        f"| `{word}`{' (not in the vocabulary)' if word in numbers['unseen'] else ''} | "
        f"{', '.join(other for other, _ in own)} |"
        for word, own in numbers["neighbours"].items()
    )
    first = next(iter(numbers["neighbours"]))
    limits = "\n".join(f"- {limit}" for limit in numbers["limits"])
    return f"""---
{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)}---

# {name}

{numbers["label"]}

```python
import seqzoo

vectors = seqzoo.load("{name}")
vectors["{first}"]                 # ({numbers["vector_size"]},) float32
vectors.most_similar("{first}")    # {", ".join(other for other, _ in numbers["neighbours"][first][:3])}, ...
```

| | |
|---|---|
{table}

{training["source"]}. {training["chosen"]}

| word | nearest |
|---|---|
{near}

## Limits

{limits}

## Source

{data["citation"]}
"""
