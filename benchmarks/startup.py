"""Whole-process times of seqzoo's commands beside `python -c "import torch"`, and what `seqzoo predict` imports.

The commands take turns; each is a fresh process with a warm file cache. Bounds: `seqzoo list` 0.4 s and no torch,
`import seqzoo` 50 ms above `python -c pass`, `seqzoo predict` 1.6 times `import torch` and none of the heavy libraries.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import about, report

TEXT = "A slow start, but what a finale!"
HEAVY = ("lightning", "torchmetrics", "datasets", "gensim", "pandas")
MAIN = "import sys; from seqzoo.cli import main; "
LINE = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| ( *)(\S+)")


def stand_in(folder: Path) -> Path:
    """A checkpoint of the recipe's shape with random weights and 28,000 made-up words."""
    import seqzoo
    from seqzoo.preprocessing.tokenizer import Tokenizer

    words = [f"w{index}" for index in range(27_990)] + ["a", "slow", "start", "but", "what", "finale"]
    tokenizer = Tokenizer.fit([" ".join(words)], vocab_size=28_000, min_frequency=1)
    model = seqzoo.create_model(
        "bilstm", preprocessor=tokenizer, labels=["negative", "positive"], embedding_size=256, hidden_size=128
    )
    return model.save_pretrained(folder / "model", half=True)


def run(command: list[str]) -> float:
    """Seconds of a process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def loaded(python: str, arguments: list[str], names: tuple[str, ...]) -> list[str]:
    """Which of some libraries a seqzoo command imports."""
    code = MAIN + f"main({arguments!r}); print('\\n' + ' '.join(sys.modules))"
    output = subprocess.run([python, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    return sorted(set(output.splitlines()[-1].split()) & set(names))


def import_costs(python: str, arguments: list[str], least: int) -> tuple[list[tuple[str, float]], float]:
    """Outermost imports of a seqzoo command in ms, each without what `import torch` alone brings; and torch's own ms.

    A module counts once, where it was first imported; those below `least` ms are left out.
    """
    command = [python, "-X", "importtime", "-c", MAIN + f"main({arguments!r})"]
    lines = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    entries = [(int(m[1]) / 1e3, len(m[3]) // 2, m[4]) for m in map(LINE.match, lines.splitlines()) if m]
    torch, own, inside = 0.0, dict[str, float](), list[tuple[int, bool]]()
    for cost, depth, name in reversed(entries):  # parents come after their children
        while inside and inside[-1][0] >= depth:
            inside.pop()
        within = bool(inside and inside[-1][1]) or name == "torch"
        inside.append((depth, within))
        if within:
            torch += cost
        else:
            key = name if name.startswith("seqzoo") else name.partition(".")[0]
            own[key] = own.get(key, 0.0) + cost
    return sorted(((name, cost) for name, cost in own.items() if cost >= least), key=lambda pair: -pair[1]), torch


def stages(python: str, checkpoint: str) -> dict[str, float]:
    """Milliseconds of what `seqzoo predict` does, one after another in one process."""
    code = f"""
import json, time
marks = [("", time.perf_counter())]
def mark(name): marks.append((name, time.perf_counter()))
import torch; mark("import torch")
import numpy; mark("import numpy after torch")
import tokenizers; mark("import tokenizers")
import safetensors.torch; mark("import safetensors.torch")
import seqzoo.cli; mark("import seqzoo.cli")
from seqzoo import catalog, hub; import seqzoo.models.text_classifier, seqzoo.architectures.bilstm; mark("import our rooms")
from seqzoo.preprocessing.tokenizer import Tokenizer
folder = hub._folder({checkpoint!r}, None, None, False); parts = hub.read(folder); mark("read and verify files")
Tokenizer.from_json(parts.texts["tokenizer.json"]); mark("tokenizer from JSON")
model = seqzoo.load({checkpoint!r}); mark("load, whole (reads and parses again)")
model.predict({TEXT!r}); mark("first prediction")
model.predict({TEXT!r}); mark("second prediction")
print(json.dumps({{name: 1e3 * (b - a) for (_, a), (name, b) in zip(marks, marks[1:])}}))
"""
    runs = [
        json.loads(subprocess.run([python, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout)
        for _ in range(3)
    ]
    return {name: min(each[name] for each in runs) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="name or folder; else imdb-bilstm, else a stand-in of its shape")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--least", type=int, default=3, help="leave out modules below so many ms")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint
        if checkpoint is None:
            from seqzoo import list_checkpoints

            bundled = "imdb-bilstm" in list_checkpoints()
            checkpoint = "imdb-bilstm" if bundled else f"local-dir:{stand_in(Path(folder))}"
        predict = ["predict", checkpoint, TEXT]
        command = [python, "-c", MAIN + "sys.exit(main())"]
        commands = {
            "python -c pass": [python, "-c", "pass"],
            "import seqzoo": [python, "-c", "import seqzoo"],
            "seqzoo list": [*command, "list"],
            "import torch": [python, "-c", "import torch"],
            "seqzoo predict": [*command, *predict],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for each in commands.values():
            run(each)
        for _ in range(options.repetitions):
            for name, each in commands.items():
                seconds[name].append(run(each))
        costs, torch = import_costs(python, predict, options.least)
        results: dict[str, Any] = {
            "about": about(),
            "checkpoint": checkpoint if "local-dir:" not in checkpoint else "stand-in",
            "seconds": {name: {"min": min(each), "median": statistics.median(each)} for name, each in seconds.items()},
            "list_imports_torch": bool(loaded(python, ["list"], ("torch",))),
            "predict_imports": loaded(python, predict, HEAVY),
            "import_torch_ms": torch,
            "imports_ms": dict(costs),
            "stages_ms": stages(python, checkpoint),
        }
    taken = results["seconds"]
    rounds = [a / b for a, b in zip(seconds["seqzoo predict"], seconds["import torch"], strict=True)]
    results["bounds"] = bounds = {
        "seqzoo list, s (at most 0.4)": taken["seqzoo list"]["min"],
        "import seqzoo less python -c pass, s (below 0.05)": taken["import seqzoo"]["min"] - taken["python -c pass"]["min"],
        "predict / import torch, by minima (at most 1.6)": taken["seqzoo predict"]["min"] / taken["import torch"]["min"],
        "predict / import torch, median of rounds": statistics.median(rounds),
    }
    times = [["", "min s", "median s"]] + [[name, f"{t['min']:.3f}", f"{t['median']:.3f}"] for name, t in taken.items()]
    imports = [["", "ms"], ["torch, whole", torch], *([name, cost] for name, cost in costs)]
    unwanted = ", ".join(results["predict_imports"]) or "none"
    tables = [
        (f"whole processes, {options.repetitions} repetitions, checkpoint: {results['checkpoint']}", times),
        ("bounds", [["", "measured"], *([name, f"{value:.3f}"] for name, value in bounds.items())]),
        (f"-X importtime of predict, own time by package ({', '.join(HEAVY)} imported: {unwanted})", imports),
        ("stages of predict, least of 3", [["", "ms"], *([name, f"{ms:.1f}"] for name, ms in results["stages_ms"].items())]),
    ]
    report(results, options.json, tables)


if __name__ == "__main__":
    main()
