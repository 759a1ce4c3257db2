"""The checkpoint index and the model cards, written from measured numbers."""

import hashlib
import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from seqzoo import catalog, measures
from seqzoo.cache import COMMIT, LARGEST_CONFIG, check_repo_id, fingerprint, is_plain_name

__all__ = [
    "card",
    "check",
    "index",
    "is_ours",
    "list_checkpoints",
    "merge",
    "merge_head",
    "metadata",
    "metrics",
    "own_text",
    "render",
    "render_vectors",
    "seal",
    "unverified",
    "vectors_command",
]

CHECKED = ("repo_id", "revision", "label", "files")
NEEDED = ("label", "test", "baselines", "training", "data", "speed", "bytes", "parameters", "example", "limits")  # by a card
VECTORS_NEEDED = (
    "label",
    "training",
    "data",
    "words",
    "vector_size",
    "bytes",
    "neighbours",
    "unseen",
    "load_seconds",
    "limits",
)
VECTORS_EVERY = ("vector_size", "window", "min_count", "max_words", "seed")
OFTEN = ("epochs", "negative")
VECTORS_OPTIONS = {  # of `seqzoo embed`, as a checkpoint of word vectors keeps them
    "svd": (*VECTORS_EVERY, "smoothing", "power"),
    "word2vec": (*VECTORS_EVERY, *OFTEN),
    "fasttext": (*VECTORS_EVERY, *OFTEN, "shortest", "longest", "buckets"),
}
FORM: dict[str, Any] = {  # the types of what a card tells
    **dict.fromkeys(("label", "test.split", "data.corpus", "data.type", "data.config", "data.citation"), str),
    **dict.fromkeys(("training.machine", "training.chosen", "speed.machine"), str),
    **dict.fromkeys(("test", "baselines", "data.fingerprints", "training.seeds_tried", "example"), dict),
    **dict.fromkeys(("test.n", "training.epochs", "speed.n", "speed.threads", "bytes", "parameters"), int),
    **dict.fromkeys(("training.seconds", "speed.p50_ms", "speed.p95_ms", "speed.peak_memory_mb"), (int, float)),
    **dict.fromkeys(("data.language", "limits"), list),
}
UNSEEN = "Nothing was chosen on the test split."
SEEN = "**Settings were chosen on the very data that these numbers were measured on: expect less on other data.**"
BEGIN = "<!-- seqzoo: written from metrics.json and recipe.yaml; your own text may stand before and after these lines -->"
END = "<!-- seqzoo: end -->"


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
        _check_entry(f"{path}: {name}", name, entry)
    return entries


def _check_entry(place: str, name: str, entry: Mapping[str, Any]) -> None:
    """ValueError unless an entry of the index is what the generator writes."""
    if not is_plain_name(name) or not isinstance(entry["label"], str) or not isinstance(entry["repo_id"], str):
        raise ValueError(f"{place} must be a plain name with texts for label and repo_id; reinstall seqzoo")
    try:
        check_repo_id(entry["repo_id"])
    except ValueError as error:
        raise ValueError(f"{place}: {error}; reinstall seqzoo") from None
    if entry["revision"] is not None and not (isinstance(entry["revision"], str) and COMMIT.fullmatch(entry["revision"])):
        raise ValueError(f"{place}: revision must be null or a whole commit, got {entry['revision']!r}; reinstall seqzoo")
    files = entry["files"]
    if not isinstance(files, dict) or not all(is_plain_name(file) and _is_print(found) for file, found in files.items()):
        raise ValueError(f"{place}: files must map plain names to sha256 and bytes; reinstall seqzoo")


def _is_print(value: Any) -> bool:
    """Whether it is a file's fingerprint."""
    if not isinstance(value, dict) or set(value) != {"sha256", "bytes"} or type(value["bytes"]) is not int:
        return False
    return isinstance(value["sha256"], str) and bool(re.fullmatch("[0-9a-f]{64}", value["sha256"])) and value["bytes"] >= 0


def list_checkpoints(pattern: str = "*") -> list[str]:
    """Names of published checkpoints that match a shell pattern such as `imdb-*`."""
    return [name for name in sorted(index()) if fnmatchcase(name, pattern)]


def metrics(folder: Path) -> dict[str, Any]:
    """A checkpoint's measured numbers; empty where none were measured."""
    try:
        if (size := (folder / "metrics.json").stat().st_size) > LARGEST_CONFIG:
            raise ValueError(f"{size} bytes, more than {LARGEST_CONFIG}")
        numbers = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{folder / 'metrics.json'} is not JSON ({error})") from None
    if not isinstance(numbers, dict):
        raise ValueError(f"{folder / 'metrics.json'} must hold an object, got {type(numbers).__name__}")
    return numbers


def check(folder: Path, numbers: Mapping[str, Any], task: str) -> None:
    """ValueError unless metrics.json has all that a card of a task's checkpoint gives, each in its form."""
    place, vectors = folder / "metrics.json", task == catalog.WORD_VECTORS
    needed = VECTORS_NEEDED if vectors else NEEDED
    if missing := [key for key in needed if key not in numbers]:
        raise ValueError(
            f"{place} gives no {missing[0]}: a card needs {', '.join(needed)}; "
            "make the checkpoint by seqzoo publish (or seqzoo embed publish), which measures them"
        )
    if vectors:
        return
    for path, expected in FORM.items():
        value: Any = numbers
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, expected) or isinstance(value, bool):
            raise ValueError(f"{place}: {path} is {value!r}, which a card cannot tell; measure it by seqzoo publish")
    test, parts, measure = numbers["test"], numbers.get("parts", {}), measures.of(task)
    for kind in {measures.main_metric(task, test), *measure.NEEDED, *(measure.METRICS.keys() & test.keys())}:
        if not _is_number(test.get(kind)):
            raise ValueError(f"{place}: test.{kind} is {test.get(kind)!r}, which a card cannot tell; measure it again")
    if (
        test["split"] not in numbers["data"]["fingerprints"]
        or not 1 <= numbers["speed"]["threads"] <= 1024
        or not isinstance(numbers["data"].get("unit", ""), str)
        or not all(isinstance(value, str) for value in numbers["data"]["fingerprints"].values())
        or not all(map(_is_number, numbers["baselines"].values()))
        or not all(value is None or _is_number(value) for value in numbers["training"]["seeds_tried"].values())
        or not isinstance(parts, dict)
        or not all(isinstance(apart, dict) and isinstance(apart.get("n"), int) for apart in parts.values())
        or not _is_example(numbers["example"])
        or not measure.is_told(numbers["example"])
    ):
        raise ValueError(f"{place}: test, data, speed, baselines, parts or example are not as seqzoo publish writes them")
    if "file" in numbers["example"]:
        file = folder / measures.EXAMPLE
        if not file.is_file() or fingerprint(file)["sha256"] != numbers["example"]["sha256"]:
            raise ValueError(f"{file} is missing or not the one whose sha256 {place.name} gives; publish it again")
    try:
        measure.rows(json.loads((folder / "config.json").read_text(encoding="utf-8")), numbers)
        measure.usage(numbers["example"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{place} is not as seqzoo publish writes it ({type(error).__name__}: {error})") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_example(example: Mapping[str, Any]) -> bool:
    """Whether it gives a text, or the one file that it may name and its sha256."""
    if isinstance(example.get("text"), str):
        return "file" not in example
    return example.get("file") == measures.EXAMPLE and bool(re.fullmatch("[0-9a-f]{64}", str(example.get("sha256"))))


def seal(folder: Path, numbers: Mapping[str, Any]) -> dict[str, str]:
    """What `verify`'s stamp stands for: sha256 of config.json, which gives that of every weight, and of all numbers."""
    plain = {key: value for key, value in numbers.items() if key != "verified"}
    return {
        "config_sha256": hashlib.sha256((folder / "config.json").read_bytes()).hexdigest(),
        "numbers_sha256": hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest(),
    }


def unverified(folder: Path, numbers: Mapping[str, Any]) -> str | None:
    """Why a checkpoint's numbers are not verified, None where they are: by `seqzoo verify`, for exactly these weights."""
    stamp, now = numbers.get("verified"), seal(folder, numbers)
    if not isinstance(stamp, dict):
        return "metrics.json has no stamp of seqzoo verify"
    if stamp.get("config_sha256") != now["config_sha256"]:
        return "metrics.json was verified for other weights"
    if stamp.get("numbers_sha256") != now["numbers_sha256"]:
        return "metrics.json was changed after it was verified"
    return None


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


def card(folder: Path, name: str) -> str:
    """README.md of one of our own checkpoints as it should read: once verified, the full card with its recipe."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    numbers = metrics(folder)
    recipe = None
    if "verified" in numbers:
        recipe = (folder / "recipe.yaml").read_text(encoding="utf-8") if (folder / "recipe.yaml").is_file() else ""
    return render(name, config, numbers, recipe=recipe)


def render(
    name: str,
    config: Mapping[str, Any],
    numbers: Mapping[str, Any],
    *,
    recipe: str | None = None,
    source: str | None = None,
    doubt: str | None = None,
) -> str:
    """README.md of a checkpoint, in the Hub's form: metadata, what it is, how good, how fast, what it cannot do.

    With `recipe`, recipe.yaml's content, the full card that is pushed: the results with the data's revision, whether the
    numbers were verified (`doubt` says why they were not), and what the recipe says, all between two lines that mark what
    is written anew each time. `source` is what `seqzoo.load` takes, for checkpoints that are not the zoo's own.
    """
    import yaml

    if config["task"] == catalog.WORD_VECTORS:
        plain = render_vectors(name, config, numbers)
        if recipe is None:
            return plain
        title, body = plain[: plain.index(f"\n# {name}\n")] + f"\n# {name}\n\n", plain.partition(f"\n# {name}\n\n")[2]
        ((said, verdict),) = _verdict(numbers, doubt)
        body = body.replace(f'seqzoo.load("{name}")', f'seqzoo.load("{source or name}")')
        return f"{title}{BEGIN}\n\n{body}\n{said.capitalize()}: {verdict}.\n\n{END}\n"
    told = _metadata(name, config, numbers, full=recipe is not None, own=source is None)
    head = f"---\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True)}---\n"
    if recipe is None:
        return f"{head}\n# {name}\n\n{_body(name, config, numbers, source or name)}"
    body = _body(name, config, numbers, source or name, extra=_verdict(numbers, doubt), recipe=recipe)
    return f"{head}\n# {name}\n\n{BEGIN}\n\n{body}\n{END}\n"


def _metadata(name: str, config: Mapping[str, Any], numbers: Mapping[str, Any], full: bool, own: bool) -> dict[str, Any]:
    """The card's head; `full` with the revision of the data and the parts of the split that are scored apart."""
    test, data, measure = numbers["test"], numbers["data"], measures.of(config["task"])
    sha256 = data["fingerprints"][test["split"]]

    def result(measured: Mapping[str, Any], part: str | None = None) -> dict[str, Any]:
        dataset = {
            "type": data["type"],
            "name": data["corpus"] if part is None else f"{data['corpus']}, {part}",
            "config": data["config"],
            "split": test["split"],
            **({"revision": data.get("revision", sha256)} if full else {}),  # the publisher's, else of the very texts
            "args": {"sha256": sha256, **({} if part is None else {"part": part})},
        }
        found = [
            {"type": kind, "value": measured[kind], "args": {"n": measured["n"], **metric.hub}}
            for kind, metric in measure.METRICS.items()
            if kind in measured
        ]
        return {"task": {"type": config["task"]}, "dataset": dataset, "metrics": found}

    results = [result(test), *((result(apart, part) for part, apart in numbers.get("parts", {}).items()) if full else ())]
    licence = numbers.get("license", "apache-2.0" if own else None)
    tagged = () if measure.PIPELINE else (config["task"],)  # where the Hub has no pipeline of that name
    return {
        "library_name": "seqzoo",
        **({"pipeline_tag": measure.PIPELINE} if measure.PIPELINE else {}),
        **({} if licence is None else {"license": licence}),
        "language": data["language"],
        "datasets": [data["type"]],
        **({"metrics": known} if (known := measure.MAIN[measures.main_metric(config["task"], test)]) else {}),
        "tags": ["seqzoo", *tagged, config["architecture"]],
        "model-index": [{"name": name, "results": results}],
    }


def _verdict(numbers: Mapping[str, Any], doubt: str | None) -> list[tuple[str, str]]:
    """The row that says whether the numbers were measured again."""
    if doubt is not None:
        return [("verified", f"**no: unverified** ({doubt})")]
    stamp = numbers["verified"]
    versions = ", ".join(f"{library} {version}" for library, version in stamp["versions"].items())
    return [("verified", f"{stamp['date']}, {stamp['count']} numbers measured again by `seqzoo verify` ({versions})")]


def _recipe(recipe: str) -> str:
    """What the recipe says in a few rows, and the recipe itself."""
    import yaml

    try:
        told = yaml.safe_load(recipe)
        task, data, trainer = told["model"]["init_args"], told["data"], told["trainer"]
    except (yaml.YAMLError, LookupError, TypeError) as error:
        raise ValueError(f"recipe.yaml is not a recipe with model, data and trainer ({type(error).__name__})") from None
    rows = [("seed", told.get("seed_everything")), ("epochs", trainer.get("max_epochs")), ("corpus", data.get("class_path"))]
    for key in ("optimizer", "lr_scheduler"):
        if isinstance(stanza := task.get(key), dict):
            given = {name: value for name, value in (stanza.get("init_args") or {}).items() if value is not None}
            rows.append(
                (key, f"{stanza.get('class_path')}: {', '.join(f'{name} {value}' for name, value in given.items())}")
            )
    rows += [("arguments", ", ".join(f"{name} {value}" for name, value in (task.get("arguments") or {}).items()) or "none")]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return f"\n## Recipe\n\n| | |\n|---|---|\n{table}\n"


def _body(
    name: str,
    config: Mapping[str, Any],
    numbers: Mapping[str, Any],
    source: str,
    *,
    extra: list[tuple[str, str]] = (),
    recipe: str | None = None,
) -> str:
    """What the card says below its title."""
    test, data, training, speed = (numbers[key] for key in ("test", "data", "training", "speed"))
    measure = measures.of(config["task"])
    main = measures.main_metric(config["task"], test)
    metric = measure.METRICS[main]

    def shown(value: float) -> str:
        return metric.show(value, data.get("unit", ""))

    seeds = ", ".join(
        seed if value is None else f"{seed} ({shown(value)} on validation)"
        for seed, value in training["seeds_tried"].items()
    )
    drawn = data.get("drawn")  # or the words for how: by time, for one
    split = f"{test['split']} {drawn}" if isinstance(drawn, str) else f"{'drawn' if drawn else 'official'} {test['split']}"
    rows = [
        (f"test {metric.said}", f"**{shown(test[main])}** of {test['n']:,}{measure.COUNTED} ({data['corpus']}, {split})"),
        *measure.rows(config, numbers),
        *(
            (f"baseline: {kind}", shown(value) + ("" if measure.HIGHER_IS_BETTER else _less(test[main], value)))
            for kind, value in numbers["baselines"].items()
        ),
        ("seeds tried", f"{seeds}; published: {training['seed']}"),
        *_embedding_rows(numbers.get("embedding")),
        ("training", f"{_epochs(training['epochs'])}, {training['seconds'] / 60:.1f} minutes on {training['machine']}"),
        ("size, parameters", f"{numbers['bytes'] / 1e6:.1f} MB, {numbers['parameters']:,}"),
        (
            f"one {measure.ONE} on the CPU",
            f"p50 {speed['p50_ms']:.1f} ms, p95 {speed['p95_ms']:.1f} ms "
            f"({speed['n']} test {measure.MANY} one by one, {speed['machine']})",
        ),
        ("peak memory of a predicting process", f"{speed['peak_memory_mb']:,.0f} MB"),
        *((f"sha256 of {split}", f"`{value}`") for split, value in data["fingerprints"].items()),
        *extra,
    ]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    limits = "\n".join(f"- {limit}" for limit in numbers["limits"])
    trained = f"seqzoo fit --config {name if source == name else 'recipe.yaml'}"
    return f"""{numbers["label"]}

```python
import seqzoo

model = seqzoo.load("{source}")
{measure.usage(numbers["example"])}
```

| | |
|---|---|
{table}

{measure.LABELS}: {", ".join(f"`{label}`" for label in config["labels"])}. Architecture: `{config["architecture"]}`.
Trained by `{trained}` (the recipe as run is `recipe.yaml`). {training["chosen"]}
{SEEN if training.get("test_was_seen") else UNSEEN} How every number was measured is in `metrics.json`.
{_recipe(recipe) if recipe is not None else ""}
## Limits

{limits}

## Source

{data["citation"]}
"""


def _epochs(count: int) -> str:
    """Joined models and those that repeat values are trained for none."""
    return f"{count or 'no'} epoch{'' if count == 1 else 's'}{'' if count else ' of its own'}"


def _less(value: float, baseline: float) -> str:
    """How much smaller a checkpoint's error is than a baseline's."""
    share = 100 * (1 - value / baseline) if baseline else 0.0
    if abs(share) < 0.05:
        return "; this one the same"
    return f"; this one {abs(share):.1f} % {'better' if share >= 0 else 'worse'}"


def metadata(readme: str) -> dict[str, Any]:
    """The head of a README; ValueError where it is there and not YAML."""
    import yaml

    head = _split(readme)[0]
    try:
        told = yaml.safe_load(head) if head else {}
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 2
        raise ValueError(f"README.md: its metadata are not YAML (line {line}); correct them") from None
    if not isinstance(told or {}, dict):
        raise ValueError("README.md: its metadata must map names to values; correct them")
    return told or {}


def _split(readme: str) -> tuple[str, str]:
    """What stands between the two `---` that a README begins with, and what follows."""
    found = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", readme, re.DOTALL | re.MULTILINE)
    return (found.group(1), readme[found.end() :]) if found else ("", readme)


def is_ours(readme: str, config: Mapping[str, Any], numbers: Mapping[str, Any]) -> bool:
    """Whether a README without marks is word for word what `render` writes for these numbers."""
    body = _split(readme)[1]
    title, source = re.search(r"^# (.+)$", body, re.MULTILINE), re.search(r'seqzoo\.load\("(.+?)"\)', body)
    needed = VECTORS_NEEDED if config["task"] == catalog.WORD_VECTORS else NEEDED
    if not (title and source) or not set(needed) <= set(numbers):
        return False
    name, loaded = title.group(1), source.group(1)
    return readme == render(name, config, numbers, source=None if loaded == name else loaded)


def own_text(readme: str, title: str) -> str:
    """A README's body less what stands between our marks and the title that we give it: somebody's own text."""
    _, body = _split(readme)
    before, begin, rest = body.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return body.strip()
    return (before.strip().removeprefix(f"# {title}") + after).strip()


def merge_head(existing: str, rendered: str) -> str:
    """A full card with the metadata that a README has beside ours: all that we do not write, its licence and languages, its
    tags before ours.
    """
    import yaml

    theirs, ours = metadata(existing), metadata(rendered)
    told = {**theirs, **ours}
    for key in ("license", "language"):
        if theirs.get(key):
            told[key] = theirs[key]
    for key in ("tags", "datasets", "metrics"):
        listed = theirs.get(key) or []
        added = [*([listed] if isinstance(listed, str) else listed), *ours.get(key, ())]
        told[key] = list(dict.fromkeys(added)) or None
    told = {key: value for key, value in told.items() if value is not None}
    return f"---\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True)}---\n{_split(rendered)[1]}"


def merge(existing: str, rendered: str) -> str:
    """A full card put into a README that is there: its text kept to the letter, our part replaced, or added at its end."""
    whole, (_, body) = merge_head(existing, rendered), _split(existing)
    head = whole[: len(whole) - len(_split(whole)[1])]
    section = BEGIN + rendered.partition(BEGIN)[2].partition(END)[0] + END
    before, begin, rest = body.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return head + before + section + after
    return head + body + ("" if body.endswith("\n") else "\n") + "\n" + section + "\n"


def vectors_command(config: Mapping[str, Any], training: Mapping[str, Any]) -> list[str] | None:
    """The arguments of `seqzoo` that train word vectors again as these were, less `--out`; None where not all is told.

    Raises ValueError for a setting that is no number, no plain name or not there.
    """
    if "max_words" not in training or config["architecture"] not in VECTORS_OPTIONS:
        return None
    given = {**config["arguments"], **config["preprocessing"].get("subwords", {}), "max_words": training["max_words"]}
    options = [("corpus", given.get("corpus")), *(("split", split) for split in given.get("texts", {}))]
    for key, value in options:
        if not isinstance(value, str) or not re.fullmatch(r"[a-z]\w*", value):
            raise ValueError(f"{key} of the word vectors is {value!r}, which is no plain name")
    numbers = [(key, given.get(key)) for key in VECTORS_OPTIONS[config["architecture"]]]
    for key, value in numbers:
        if not _is_number(value):
            raise ValueError(f"{key} of the word vectors is {value!r}, which is no number")
    command = ["embed", config["architecture"]]
    command += [f"--{key.replace('_', '-')}={value}" for key, value in (*options, *numbers)]
    return [*command, "--cbow"] if given.get("skip_gram") is False else command


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
    if command := vectors_command(config, training):
        kept = f"; the first {numbers['words']:,} of its words" if numbers["words"] < training["max_words"] else ""
        rows.append(("trained again by", f"`seqzoo {' '.join(command)} --out DIR`{kept}"))
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
