"""Windows of a series against `keras.utils.timeseries_dataset_from_array`: windows/s and memory, on the same array.

The lectures' 10-minute data: 420,551 rows x 14 channels (random numbers: what they are does not matter), 120 past steps,
every 6th of 720 rows, the target 144 rows later, batches of 256 in random order. seqzoo: Windows behind the sampler and
DataLoader that training uses, in one process and one thread. Keras as its users run it: the dataset made before the clock
starts, its own threads and prefetching.

Each side runs in a process of its own, Keras' under --keras-python where TensorFlow lives in another environment. They take
turns. Memory is the growth of the process from before the array is read to its peak over all rounds, per size of the array.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from common import Times, about, compare, report

ROWS, CHANNELS, TARGET = 420_551, 14, 1
LENGTH, STEP, DELAY, BATCH = 120, 6, 144, 256


def memory(field: str) -> int:
    """Bytes from /proc/self/status: VmRSS now, VmHWM at the peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status holds no {field}")


def seqzoo_batches(file: str) -> tuple[Callable[[], Iterable[Any]], dict[str, Any]]:
    import torch
    from torch.utils.data import DataLoader

    from seqzoo.corpora.datamodule import BucketSampler
    from seqzoo.corpora.series_datamodule import WindowBatches
    from seqzoo.preprocessing.windows import Windows

    torch.set_num_threads(1)

    def make(inputs: np.ndarray) -> DataLoader:
        observed = np.ones((len(inputs), 1), dtype=bool)
        targets = inputs[:, TARGET : TARGET + 1]
        windows = Windows(inputs, targets, observed, context_length=LENGTH, horizon=1, sampling_step=STEP, delay=DELAY)
        sampler = BucketSampler(np.ones(len(windows), dtype=np.int8), BATCH, shuffle=True)
        return DataLoader(WindowBatches(windows), batch_size=None, sampler=sampler)

    next(iter(make(np.zeros((2000, CHANNELS), dtype=np.float32))))  # what loads late is loaded now
    before = reset_peak()
    loader = make(np.load(file))
    return lambda: (batch.past for batch in loader), {"before": before}


def keras_batches(file: str) -> tuple[Callable[[], Iterable[Any]], dict[str, Any]]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow

    def make(inputs: np.ndarray) -> Any:
        ahead = (LENGTH - 1) * STEP + DELAY
        return keras.utils.timeseries_dataset_from_array(
            inputs[:-ahead],
            targets=inputs[ahead:, TARGET],
            sampling_rate=STEP,
            sequence_length=LENGTH,
            shuffle=True,
            batch_size=BATCH,
        )

    next(iter(make(np.zeros((2000, CHANNELS), dtype=np.float32))))
    before = reset_peak()
    dataset = make(np.load(file))
    facts = {"keras": keras.__version__, "tensorflow": tensorflow.__version__, "before": before}
    return lambda: (past for past, _ in dataset), facts


def reset_peak() -> int:
    """Bytes in use now, from which the peak counts anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def worker(side: str, file: str, batches: int) -> None:
    """Answers each line on standard input with wall-clock and processor seconds, and the peak of memory in bytes."""
    make, facts = {"seqzoo": seqzoo_batches, "keras": keras_batches}[side](file)
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        wall, cpu, served = time.perf_counter(), time.process_time(), 0
        for past in make():
            served += len(past)
            if served >= batches * BATCH:
                break
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, memory("VmHWM")]), flush=True)


class Side:
    """A process that serves windows."""

    def __init__(self, python: str, side: str, file: Path, batches: int):
        command = [python, __file__, "--worker", side, "--file", str(file), "--batches", str(batches)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts, self.peak = self._answer(side), 0

    def _answer(self, side: str = "it") -> Any:
        for line in self.process.stdout:
            if line.startswith(("{", "[")):
                return json.loads(line)
        raise RuntimeError(f"{side} ended without an answer")

    def run(self) -> tuple[float, float]:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, cpu, self.peak = self._answer()
        return wall, cpu

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def has_keras(python: str) -> bool:
    check = [
        python,
        "-c",
        "import importlib.util as u, sys; sys.exit(not (u.find_spec('keras') and u.find_spec('tensorflow')))",
    ]
    return subprocess.run(check, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python", default=sys.executable, help="interpreter that has keras, tensorflow and numpy")
    parser.add_argument("--batches", type=int, default=200, help="batches of one repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.file, options.batches)
        return
    pythons = {"seqzoo": sys.executable}
    if has_keras(options.keras_python):
        pythons["keras"] = options.keras_python
    else:
        print(f"{options.keras_python} has no keras and tensorflow: seqzoo alone is measured", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "series.npy"
        array = np.random.default_rng(0).standard_normal((ROWS, CHANNELS), dtype=np.float32)
        np.save(file, array)
        sides = {side: Side(python, side, file, options.batches) for side, python in pythons.items()}
        times = {side: Times([], []) for side in sides}
        for _ in range(options.repetitions):
            for side, process in sides.items():
                for values, value in zip(times[side], process.run(), strict=True):
                    values.append(value)
        for process in sides.values():
            process.close()
    windows = options.batches * BATCH
    results: dict[str, Any] = {"about": about(1) | {"keras": sides["keras"].facts if "keras" in sides else None}}
    results["windows_per_second"] = {side: windows / statistics.median(taken.wall) for side, taken in times.items()}
    results["memory_per_array"] = {side: (each.peak - each.facts["before"]) / array.nbytes for side, each in sides.items()}
    rows = [["", "windows/s", "memory, times the array"]]
    rows += [[side, results["windows_per_second"][side], results["memory_per_array"][side]] for side in sides]
    tables = [(f"{windows:,} windows of {LENGTH} x {CHANNELS}, {options.repetitions} repetitions", rows)]
    if "keras" in sides:
        results["times_faster"] = compare(times["keras"], times["seqzoo"])
        tables.append(("times faster than Keras", [[*results["times_faster"]], [*results["times_faster"].values()]]))
    report(results, options.json, tables)


if __name__ == "__main__":
    main()
