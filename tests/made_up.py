"""Made-up texts, corpora and commands for the tests: everything from a seed, nothing from a network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule

ROOT = Path(__file__).parents[1]
GOOD = ("lovely", "superb", "moving", "brilliant", "charming", "wonderful")
BAD = ("dreadful", "boring", "clumsy", "awful", "tedious", "hopeless")
PLAIN = ("the", "a", "film", "story", "actor", "and", "it", "was", "with", "plot", "music", "of", "in", "this", "ending")
LABELS = ["negative", "positive"]

RECIPE = {
    "seed_everything": 1,
    "model": {
        "class_path": "seqzoo.tasks.text_classification.TextClassification",
        "init_args": {
            "architecture": "gru",
            "arguments": {"embedding_size": 8, "hidden_size": 8},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
        },
    },
    "data": {"class_path": "seqzoo.corpora.imdb.IMDB", "init_args": {"validation_size": 20, "max_tokens": 64}},
    "trainer": {"max_epochs": 2, "accelerator": "cpu", "default_root_dir": "runs/films", "logger": False},
}


def make_texts(n: int, seed: int = 0, longest: int = 30) -> tuple[list[str], np.ndarray]:
    """Texts of 3 to `longest` words, half of them negative: a class is told by its words."""
    random = np.random.default_rng(seed)
    targets = random.permutation(np.arange(n) % 2)
    texts = []
    for target in targets:
        words = random.choice(PLAIN, random.integers(2, longest))
        places = random.integers(0, len(words) + 1, 1 + len(words) // 6)
        texts.append(" ".join(np.insert(words.astype(object), places, random.choice((BAD, GOOD)[target], len(places)))))
    return texts, targets.astype(np.int64)


class TinyCorpus(TextDataModule):
    """200 made-up texts to train, 60 to test."""

    name = "tiny"
    labels = LABELS
    source = {"type": "made-up", "config": "tiny"}
    language = ["en"]
    citation = "nobody"
    limits = []
    example = "a lovely film"

    def read(self, split: str) -> LabelledTexts:
        texts, targets = make_texts(*{"train": (200, 1), "test": (60, 2)}[split])
        return LabelledTexts(texts, targets)


def make_topics(n: int, seed: int = 0) -> tuple[list[str], np.ndarray, list[str]]:
    """Texts of one, two, three or no topics, told by their words: texts, targets (N, 3), labels."""
    random = np.random.default_rng(seed)
    topics = {"grain": ("wheat", "harvest", "grain"), "oil": ("crude", "barrel", "oil"), "ship": ("tanker", "port", "ship")}
    targets, texts = (random.random((n, 3)) < (0.5, 0.35, 0.2)).astype(np.int64), []
    for number, row in enumerate(targets):
        words = [word for there, own in zip(row, topics.values(), strict=True) if there for word in random.choice(own, 2)]
        texts.append(" ".join([*random.permutation([*words, *random.choice(PLAIN, 6)]), f"n{number}"]))
    return texts, targets, list(topics)


class TopicCorpus(TinyCorpus):
    """300 made-up texts of any of three topics to train, 80 to test."""

    name = "topics"
    labels = ["grain", "oil", "ship"]
    multi_label = True
    example = "crude oil by the barrel"

    def read(self, split: str) -> LabelledTexts:
        texts, targets, _ = make_topics(*{"train": (300, 1), "test": (80, 2)}[split])
        return LabelledTexts(texts, targets)


def write_imdb(folder: Path, n: int = 160) -> Path:
    """Parquet files of the form that the corpus `imdb` reads."""
    import pyarrow
    import pyarrow.parquet

    folder.mkdir(parents=True, exist_ok=True)
    for seed, split in enumerate(("train", "test", "unsupervised")):
        texts, targets = make_texts(n, seed)
        labels = targets if split != "unsupervised" else np.full(n, -1)
        pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": labels}), folder / f"{split}.parquet")
    return folder


def write_glove(folder: Path, size: int = 8, seed: int = 0, words: tuple[str, ...] = (*GOOD, *BAD, *PLAIN)) -> Path:
    """A gzipped file of GloVe's form with a vector for each word."""
    import gzip

    folder.mkdir(parents=True, exist_ok=True)
    rows = np.random.default_rng(seed).normal(size=(len(words), size)).round(5)
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, rows.tolist(), strict=True)]
    path = folder / f"glove.6B.{size}d.txt.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def small_arguments(architecture: str, *, series: bool = False) -> dict[str, Any]:
    """Arguments that make an architecture small: every size that it knows (of a series: no embedding's), else defaults."""
    import inspect

    from seqzoo.catalog import resolve

    small = {"embedding_size": 8, "hidden_size": 8, "channels": 8, "max_features": 300, "min_documents": 1}
    if series:
        small.pop("embedding_size")
    known = inspect.signature(resolve("architectures", architecture)).parameters
    return {key: value for key, value in small.items() if key in known}


def environment(**extra: str) -> dict[str, str]:
    """Of a subprocess: one thread, no network, no corpora but those that a test names."""
    kept = {key: value for key, value in os.environ.items() if key != "SEQZOO_DATA"}
    return {**kept, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), **extra}


def python(*arguments: str, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run this Python; standard output and error as text."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, input=stdin, env=environment(), capture_output=True, text=True, timeout=300
    )


def seqzoo_command(*arguments: str, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the `seqzoo` command in a process of its own."""
    return python("-m", "seqzoo", *map(str, arguments), cwd=cwd, stdin=stdin)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def random_lengths(batch: int, longest: int, seed: int = 0) -> torch.Tensor:
    """Unequal lengths from 1 to `longest`, both of which occur."""
    lengths = torch.randint(1, longest + 1, (batch,), generator=torch.Generator().manual_seed(seed))
    lengths[0], lengths[-1] = longest, 1
    return lengths
