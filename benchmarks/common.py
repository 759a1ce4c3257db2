"""What the benchmarks share: the machine in words, tables, medians of alternated repetitions, IMDB's token ids."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("seqzoo", "torch", "lightning", "tokenizers", "numpy")


def about(threads: int | None = None) -> dict[str, Any]:
    """Machine, threads and versions of a run."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {"machine": f"{cores} CPU cores, {platform.machine()}"}
    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = re.search(r"model name\s*: (.+)", cpu).group(1).strip()
        facts["machine"] = f"{cores} CPU cores, {name}"
        facts["machine"] += ", AVX512-BF16" if "avx512_bf16" in cpu else ", no AVX512-BF16"
    except (OSError, AttributeError):
        pass
    if threads is not None:
        facts["threads"] = threads
        facts["waiting"] = os.environ.get("OMP_WAIT_POLICY", "default").lower()
    if hasattr(os, "getloadavg"):
        facts["load"] = round(os.getloadavg()[0], 2)
    facts["python"] = platform.python_version()
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = None
    return facts


def report(results: Mapping[str, Any], as_json: bool, tables: Sequence[tuple[str, Sequence[Sequence[Any]]]]) -> None:
    """One JSON object, or tables with a title each (first row: the header) below a line on the machine."""
    if as_json:
        print(json.dumps(results))
        return
    print(", ".join(f"{key} {value}" for key, value in results["about"].items()))
    for title, rows in tables:
        print(f"\n{title}")
        cells = [
            [f"{cell:,.3g}" if isinstance(cell, float) and abs(cell) < 100 else _whole(cell) for cell in row] for row in rows
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            first, *others = (
                cell.ljust(width) if not i else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            print("  " + "  ".join([first, *others]).rstrip())


def _whole(cell: Any) -> str:
    return f"{cell:,.0f}" if isinstance(cell, float) else str(cell)


class Times(NamedTuple):
    """Wall-clock and processor seconds of each repetition."""

    wall: list[float]
    cpu: list[float]


def alternate(
    runs: Mapping[str, Callable[[], Any]], repetitions: int, *, warm_up: int = 1, at_most: Mapping[str, int] | None = None
) -> dict[str, Times]:
    """Times of each run, taken in turn so that what else the machine does falls on all alike.

    `at_most` limits the repetitions of slow runs: they take part in the first rounds only.
    """
    for run in runs.values():
        for _ in range(warm_up):
            run()
    times = {name: Times([], []) for name in runs}
    for repetition in range(repetitions):
        for name, run in runs.items():
            if repetition >= (at_most or {}).get(name, repetitions):
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].cpu.append(time.process_time() - cpu)
            times[name].wall.append(time.perf_counter() - wall)
    return times


def compare(slower: Times, faster: Times) -> dict[str, float]:
    """How many times longer one took: median over the rounds of both, minimum by minimum, and by processor time (median)."""
    return {
        "median": statistics.median(a / b for a, b in zip(slower.wall, faster.wall, strict=False)),
        "minima": min(slower.wall) / min(faster.wall),
        "cpu": statistics.median(slower.cpu) / statistics.median(faster.cpu),
    }


def wait_passively() -> None:
    """Start the script again with threads that sleep while they wait, unless the environment says otherwise.

    A recurrence meets its threads at every time step. Where another process holds a core, spinning threads then cost ten
    times what is measured. OpenMP reads this when torch is loaded, so it must be set before.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.execv(sys.executable, [sys.executable, *sys.argv])


def be_quiet() -> None:
    """No messages and warnings from Lightning."""
    import logging
    import warnings

    import lightning  # noqa: F401  (sets its own level when imported)

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def imdb(data_dir: str | None, **options: Any) -> Any:
    """The imdb corpus with a 20,000-word tokenizer fitted on its training texts."""
    from seqzoo.corpora.imdb import IMDB

    data = IMDB(data_dir=data_dir, **options)
    data.setup("fit")
    return data
