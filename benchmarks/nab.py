"""The Numenta anomaly benchmark: its random and windowed Gaussian detectors, and detectors of ours, by the same code.

`--model` takes checkpoints' names or folders; each is scored with the one threshold that is best for the corpus, and on two
halves of the files apart (in alphabetical order the first, third, ... and the second, fourth, ...).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from common import about, report

import seqzoo
from seqzoo.corpora.nab import NAB
from seqzoo.measures import nab

PUBLISHED = {"random": (11.0, 1.2, 19.5), "windowed Gaussian": (39.6, 20.9, 47.4)}  # the benchmark's own table
HALVES = {"all": slice(None), "odd files": slice(0, None, 2), "even files": slice(1, None, 2)}


def rows_of(name: str, scores: Mapping[str, np.ndarray], streams: Sequence[nab.Stream]) -> list[list[object]]:
    """A row for each part of the files: the optimised score of the three profiles."""
    rows = []
    for part, chosen in HALVES.items():
        found = [nab.optimised(scores, streams[chosen], profile).score for profile in nab.PROFILES]
        told = " / ".join(map(str, PUBLISHED[name])) if name in PUBLISHED and part == "all" else ""
        rows.append([name, part, *(f"{score:.2f}" for score in found), told])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with NAB's data/ and labels/ (default: $SEQZOO_DATA/nab)")
    parser.add_argument("--model", nargs="*", default=[], help="checkpoints of the task anomaly-detection")
    parser.add_argument("--seeds", type=int, default=10, help="of the random detector: 0, 1, ...")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    options = parser.parse_args()
    data = NAB(data_dir=options.data_dir)
    files = data.read()
    streams = [
        nab.Stream(name, np.array(columns["timestamp"], "datetime64[s]"), data.windows(name))
        for name, columns in files.items()
    ]
    chance = [
        rows_of(
            "random", {one.name: nab.random_scores(len(one.times), (seed, at)) for at, one in enumerate(streams)}, streams
        )
        for seed in range(options.seeds)
    ]
    rows = [
        [*one[0][:2], *(f"{statistics.mean(float(row[place]) for row in one):.2f}" for place in (2, 3, 4)), one[0][5]]
        for one in zip(*chance, strict=True)
    ]
    gaussian = {name: nab.windowed_gaussian(np.array(columns["value"])) for name, columns in files.items()}
    rows += rows_of("windowed Gaussian", gaussian, streams)
    for name in options.model:
        model = seqzoo.load(name)
        scores = {
            file: model.stream_scores(model.preprocessor.read(columns), data.probation(file))
            for file, columns in files.items()
        }
        rows += rows_of(name, scores, streams)
    table = [["detector", "files", *nab.PROFILES, "published"], *rows]
    results = {"about": about(), "rows": [dict(zip(table[0], row, strict=True)) for row in rows]}
    report(results, options.json, [(f"NAB, random over seeds 0 to {options.seeds - 1}", table)])


if __name__ == "__main__":
    main()
