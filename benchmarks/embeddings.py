"""Reading GloVe and training word2vec, against gensim side by side.

`reading`: a text file of 40,000 x 300 (of `--glove`, else made up), 20,000 of its words asked for; seconds of processes of
their own, and by how much each process grows from before the call to after it (resident memory) and to its peak.
gensim's `load_word2vec_format(no_header=True)` reads all words: it cannot be asked for some.

`training`: words/s of `word2vec.train` on a corpus's token lists kept as numbers, against a bare `gensim.models.Word2Vec`
on the same lists of strings; tokens of all epochs by the seconds of the call, vocabulary scan included.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import about, alternate, report

ROWS, SIZE, ASKED = 40_000, 300, 20_000
READ = """
import json, sys, time
way, path, words = sys.argv[1], sys.argv[2], open(sys.argv[3], encoding="utf-8").read().split("\\n")
import numpy
if way == "seqzoo":
    from seqzoo.embeddings import glove
else:
    from gensim.models import KeyedVectors
def resident(kind="VmRSS"):
    for line in open("/proc/self/status"):
        if line.startswith(kind):
            return int(line.split()[1]) / 1e3
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
before = resident()
wall, cpu = time.perf_counter(), time.process_time()
if way == "seqzoo":
    matrix = (kept := glove.read(path, words)).matrix
else:
    matrix = (kept := KeyedVectors.load_word2vec_format(path, no_header=True)).vectors
seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"seconds": seconds, "cpu": cpu, "grown": resident() - before, "rows": len(matrix),
                  "peak": resident("VmHWM") - before}))
"""


def text_file(folder: Path, source: str | None) -> tuple[Path, list[str]]:
    """The first 40,000 rows of a GloVe file, else made-up ones; and every second word."""
    path, words = folder / "glove.txt", []
    with open(path, "wb") as out:
        if source:
            with gzip.open(source) if source.endswith(".gz") else open(source, "rb") as file:
                lines = [line for _, line in zip(range(ROWS), file, strict=False)]
        else:
            rows = np.random.default_rng(0).normal(0, 0.4, (ROWS, SIZE)).round(5)
            lines = [f"w{row} {' '.join(map(str, rows[row].tolist()))}\n".encode() for row in range(ROWS)]
        for line in lines:
            words.append(line.split(b" ", 1)[0].decode())
            out.write(line)
    return path, words[::2][:ASKED]


def reading(source: str | None, repetitions: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {"gensim": [], "seqzoo": []}
    with tempfile.TemporaryDirectory() as root:
        path, words = text_file(Path(root), source)
        asked = Path(root) / "words"
        asked.write_text("\n".join(words), encoding="utf-8")
        for _ in range(repetitions):
            for way, own in found.items():
                command = [sys.executable, "-c", READ, way, str(path), str(asked)]
                own.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    return found


def training(data_dir: str | None, texts: int, epochs: int, workers: int, repetitions: int) -> dict[str, Any]:
    from gensim.models import Word2Vec

    import seqzoo
    from seqzoo.embeddings import word2vec
    from seqzoo.embeddings.sentences import Sentences
    from seqzoo.preprocessing.tokenizer import Tokenizer

    data = seqzoo.create_datamodule("imdb", **({"data_dir": data_dir} if data_dir else {}))
    chosen = data.read("unsupervised").texts[:texts]
    tokenizer = Tokenizer.fit(chosen, vocab_size=30_000, min_frequency=5)
    sentences = Sentences(tokenizer.encode(chosen), tokenizer.words)
    lists = [list(words) for words in sentences]
    options = {"vector_size": 100, "window": 5, "epochs": epochs, "workers": workers, "min_count": 1, "seed": 1}
    ways = {
        "gensim": lambda: Word2Vec(lists, sg=1, sample=1e-4, **options),
        "seqzoo": lambda: word2vec.train(sentences, **options),
    }
    times, words = alternate(ways, repetitions, warm_up=0), sentences.n_tokens * epochs
    return {
        "tokens": sentences.n_tokens,
        "workers": workers,
        "words_per_second": {way: [words / seconds for seconds in own.wall] for way, own in times.items()},
        "words_per_cpu_second": {way: [words / seconds for seconds in own.cpu] for way, own in times.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.environ.get("SEQZOO_DATA")
    parser.add_argument(
        "--glove", help="GloVe text of 300 numbers, .txt or .gz; else one in $SEQZOO_DATA/glove, else made up"
    )
    parser.add_argument("--data-dir", help="folder with imdb's parquet files, or $SEQZOO_DATA/imdb")
    parser.add_argument("--texts", type=int, default=5_000, help="unlabelled reviews to train on")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", choices=("reading", "training"))
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    here = sorted(Path(root, "glove").glob("glove.6B.300d*")) if root else []
    results: dict[str, Any] = {"about": about()}
    tables = []
    if options.only != "training":
        found = results["reading"] = reading(options.glove or (str(here[0]) if here else None), options.repetitions)
        middle = {way: {key: statistics.median(run[key] for run in own) for key in own[0]} for way, own in found.items()}
        rows: list[list[Any]] = [["", "seconds", "cpu s", "MB grown", "MB to the peak", "rows"]]
        rows += [[way, own["seconds"], own["cpu"], own["grown"], own["peak"], own["rows"]] for way, own in middle.items()]
        gensim, ours = middle["gensim"], middle["seqzoo"]
        bounds = results["reading_bounds"] = {
            "times faster (at least 5)": gensim["seconds"] / ours["seconds"],
            "times faster by processor time": gensim["cpu"] / ours["cpu"],
            "memory grown / gensim's (at most 0.6)": ours["grown"] / gensim["grown"],
            "memory to the peak / gensim's (at most 0.6)": ours["peak"] / gensim["peak"],
        }
        tables += [("reading 40,000 x 300, medians", rows), ("bounds", [["", "measured"], *map(list, bounds.items())])]
    if options.only != "reading":
        found = results["training"] = training(
            options.data_dir, options.texts, options.epochs, options.workers, options.repetitions
        )
        speeds = found["words_per_second"]
        results["training_bounds"] = {
            "words/s over gensim's, median of rounds (at least 0.95)": statistics.median(
                ours / bare for ours, bare in zip(speeds["seqzoo"], speeds["gensim"], strict=True)
            ),
            "of the best runs": max(speeds["seqzoo"]) / max(speeds["gensim"]),
            "by processor time, medians": statistics.median(found["words_per_cpu_second"]["seqzoo"])
            / statistics.median(found["words_per_cpu_second"]["gensim"]),
        }
        rows = [["", "median words/s", "best"], *([way, statistics.median(own), max(own)] for way, own in speeds.items())]
        tables.append((f"word2vec on {found['tokens']:,} words, {found['workers']} threads", rows))
        tables.append(("bounds", [["", "measured"], *map(list, results["training_bounds"].items())]))
    report(results, options.json, tables)


if __name__ == "__main__":
    main()
