"""Train a checkpoint again from its stored recipe, seed by seed: is its claim inside the spread?"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import yaml

from seqzoo import cards, catalog, hub, measures, trust, verification

__all__ = ["Reproduction", "reproduce"]

log = logging.getLogger(__name__)
WIDTH = 3.0  # standard deviations between seeds that a claim may lie off the mean,
LEAST_SHARE, LEAST_PART = 0.002, 0.01  # and at least so much of a share of right answers, or that part of another metric
LEAST_ANALOGIES = 0.01  # word vectors: a share too


class Reproduction(NamedTuple):
    """A checkpoint's claim beside what its recipe gives: the metric on test by seed, and how far off the claim may lie."""

    checkpoint: str
    metric: str
    claimed: float
    seeds: dict[int, float]
    tolerance: float

    @property
    def mean(self) -> float:
        return mean(self.seeds.values())

    @property
    def spread(self) -> float:
        """Standard deviation between seeds; 0 of one seed."""
        return stdev(self.seeds.values()) if len(self.seeds) > 1 else 0.0

    @property
    def inside(self) -> bool:
        """Whether the claim lies at most `tolerance` off the mean."""
        return abs(self.claimed - self.mean) <= self.tolerance


def reproduce(source: str, *, seeds: Sequence[int] = (1, 2, 3), runs: Path = Path("runs/reproduce")) -> Reproduction:
    """Train from the recipe in a checkpoint with each seed, in `runs`, and measure each on the test split of the card.

    A run that is there already is taken as it is, one that was broken off goes on. The claim is inside where it lies at most
    three standard deviations between seeds off their mean, and at least 0.002 (of an error, 1 % of it). A recipe from
    outside the index may name classes of seqzoo, torch.optim and lightning.pytorch only, and no place outside the current
    folder.

    Word vectors are trained by the command on their card and measured by its analogies, 0.01 off at least: several threads
    never train the same vectors twice.

    Raises ValueError for a checkpoint without recipe or numbers, for a recipe that names more, and for other data than the
    card's; RuntimeError where training fails.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be at least one, each once, got {list(seeds)}")
    folder = hub.locate(source)
    numbers, task = cards.metrics(folder), hub.read(folder).config["task"]
    if task == catalog.WORD_VECTORS:
        return _reproduce_vectors(source, folder, numbers, seeds, runs)
    text = trust.read(folder / "recipe.yaml")
    cards.check(folder, numbers, task)
    if source not in cards.index():
        trust.check(text, str(folder / "recipe.yaml"))
    measure, split, claimed = measures.of(task), numbers["test"]["split"], numbers["test"]
    metric = measures.main_metric(task, claimed)
    data = verification.corpus_of(text)
    if data.fingerprint(split) != numbers["data"]["fingerprints"][split]:
        raise ValueError(f"the {split} split of {data.name} here is not that of {source}'s card: other fingerprint")
    found = {}
    for seed in seeds:
        run = runs / f"{folder.name}-seed{seed}"
        _train(text, run, seed)
        found[seed] = measure.evaluate(hub.load(f"local-dir:{run / 'model'}"), data, split)[metric]
        log.info("%s, seed %d: %s %.4f", source, seed, metric, found[seed])
    least = LEAST_SHARE if measure.METRICS[metric].unit == "%" else LEAST_PART * abs(claimed[metric])
    tolerance = max(least, WIDTH * (stdev(found.values()) if len(found) > 1 else 0.0))
    return Reproduction(source, metric, claimed[metric], found, tolerance)


def _reproduce_vectors(
    source: str, folder: Path, numbers: Mapping[str, Any], seeds: Sequence[int], runs: Path
) -> Reproduction:
    """The same for word vectors, on the analogies of their card, among as many words as the checkpoint keeps."""
    from seqzoo.embeddings.vectors import WordVectors

    config = hub.read(folder).config
    cards.check(folder, numbers, config["task"])
    command = cards.vectors_command(config, numbers["training"])
    if command is None or "analogies" not in numbers:
        raise ValueError(f"the card of {source} does not say how its vectors were trained, or gives no analogies")
    found = {}
    for seed in seeds:
        run = runs / f"{folder.name}-seed{seed}"
        if not (run / "training.json").is_file():  # what is written last
            _call([*(option for option in command if not option.startswith("--seed=")), f"--seed={seed}", f"--out={run}"])
        read = json.loads((run / "training.json").read_text(encoding="utf-8"))["texts_sha256"]
        if read != numbers["training"].get("texts_sha256"):
            raise ValueError(f"the texts that {run} was trained on are not those of {source}'s card: other fingerprint")
        vectors = WordVectors.load(run)
        vectors = vectors.restrict(vectors.words[: numbers["words"]])
        found[seed] = verification.analogies(vectors)["all"]["accuracy"]
        log.info("%s, seed %d: analogies %.4f", source, seed, found[seed])
    tolerance = max(LEAST_ANALOGIES, WIDTH * (stdev(found.values()) if len(found) > 1 else 0.0))
    return Reproduction(source, "analogies", numbers["analogies"]["all"]["accuracy"], found, tolerance)


def _train(recipe: str, run: Path, seed: int) -> None:
    """`seqzoo fit` in a process of its own; its recipe differs from the stored one in seed and run folder alone."""
    if (run / "model" / hub.WEIGHTS).is_file():
        log.info("%s is finished already", run)
        return
    config = {**trust.parse(recipe), "seed_everything": seed}
    config["trainer"] = {**(config.get("trainer") or {}), "default_root_dir": run.as_posix()}
    run.parent.mkdir(parents=True, exist_ok=True)
    file = run.with_name(f"{run.name}.yaml")
    with hub.replace_file(file) as opened:
        opened.write(yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())
    going_on = ["--ckpt_path", "last"] if (run / "checkpoints" / "last.ckpt").is_file() else []
    _call(["fit", "--config", str(file), *going_on])


def _call(arguments: Sequence[str]) -> None:
    """`seqzoo` in a process of its own; RuntimeError with its last words where it fails."""
    done = subprocess.run([sys.executable, "-m", "seqzoo", *arguments], capture_output=True, text=True)
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise RuntimeError(f"training by `seqzoo {' '.join(arguments)}` failed: {told}")
