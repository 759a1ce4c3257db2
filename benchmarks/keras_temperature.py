"""Keras' lecture models on the temperature in 24 hours, trained side by side on our windows: MAE in degrees beside our runs.

Chollet, Deep Learning with Python, 2nd ed., chapter 10, as printed there: RMSprop, squared error, the temperature itself
(not its change) from standardised columns, wind as speed and bearing, no calendar; the epoch of the least validation loss
counts. `--inputs ours` gives Keras our inputs instead: wind as a vector, sine and cosine of hour and day of year. The
windows are those of our corpus, one for one, and one whose target is missing counts on neither side.

Keras runs in a process of its own, under --keras-python where TensorFlow lives in another environment. Our rows are read
from results/runs.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import about, report

WINDOWS = {
    "szeged": {"context_length": 120, "horizon": 1, "sampling_step": 1, "delay": 24},
    "jena": {"context_length": 120, "horizon": 1, "sampling_step": 6, "delay": 144},
}
BATCH = 256
SPLITS = ("train", "validation", "test")
MODELS = {  # the lecture's models: its own name, our recipe without its corpus
    "dense": "dense",
    "convnet": "cnn",
    "lstm": "lstm",
    "bilstm": "lstm-bidirectional",
    "stacked-gru": "stacked-gru-recurrent-dropout",
}
RUNS = Path(__file__).parents[1] / "results" / "runs.csv"


def keras_worker(folder: Path) -> None:
    """Trains the models that `task.json` names and prints one line of JSON for each; Keras is imported here only."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow
    from keras import layers

    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    if task["threads"]:
        tensorflow.config.threading.set_intra_op_parallelism_threads(task["threads"])
        tensorflow.config.threading.set_inter_op_parallelism_threads(task["threads"])
    tensorflow.get_logger().setLevel("ERROR")
    arrays = np.load(folder / "series.npz")
    print(json.dumps({"keras": keras.__version__, "tensorflow": tensorflow.__version__}), flush=True)

    def windows(split: str, shuffle: bool) -> Any:
        values, targets = arrays[f"{split}_inputs"], arrays[f"{split}_targets"]
        return keras.utils.timeseries_dataset_from_array(
            values[: len(values) - task["delay"]],  # past rows; targets[i] belongs to the window that starts at row i
            targets,
            sequence_length=task["context_length"],
            sampling_rate=task["sampling_step"],
            batch_size=BATCH,
            shuffle=shuffle,
            seed=task["seed"] if shuffle else None,
        )

    def build(name: str) -> Any:
        inputs = keras.Input((task["context_length"], arrays["train_inputs"].shape[1]))
        if name == "dense":
            hidden = layers.Dense(16, activation="relu")(layers.Flatten()(inputs))
        elif name == "convnet":
            hidden = layers.MaxPooling1D(2)(layers.Conv1D(8, 24, activation="relu")(inputs))
            hidden = layers.MaxPooling1D(2)(layers.Conv1D(8, 12, activation="relu")(hidden))
            hidden = layers.GlobalAveragePooling1D()(layers.Conv1D(8, 6, activation="relu")(hidden))
        elif name == "lstm":
            hidden = layers.LSTM(16)(inputs)
        elif name == "bilstm":
            hidden = layers.Bidirectional(layers.LSTM(16))(inputs)
        else:
            hidden = layers.GRU(32, recurrent_dropout=0.5, return_sequences=True)(inputs)
            hidden = layers.Dropout(0.5)(layers.GRU(32, recurrent_dropout=0.5)(hidden))
        model = keras.Model(inputs, layers.Dense(1)(hidden))
        model.compile(optimizer="rmsprop", loss="mse")
        return model

    def mae(model: Any, split: str) -> float:
        predicted = model.predict(windows(split, shuffle=False), verbose=0)[:, 0]
        observed = arrays[f"{split}_observed"]
        return float(np.abs(predicted - arrays[f"{split}_targets"])[observed].mean())

    for name in task["models"]:
        keras.utils.set_random_seed(task["seed"])
        model, best = build(name), str(folder / f"{name}.keras")
        wall = time.perf_counter()
        model.fit(
            windows("train", shuffle=True),
            epochs=task["epochs"],
            validation_data=windows("validation", shuffle=False),
            callbacks=[keras.callbacks.ModelCheckpoint(best, save_best_only=True)],
            verbose=0,
        )
        wall = time.perf_counter() - wall
        model = keras.models.load_model(best)
        found = {"model": name, "parameters": model.count_params(), "seconds": wall}
        print(json.dumps({**found, **{split: mae(model, split) for split in ("validation", "test")}}), flush=True)


def keras_runs(python: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Keras' versions, then what became of each model, as they come."""
    process = subprocess.Popen([python, __file__, "--worker", str(folder)], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)
    if process.wait():
        raise SystemExit("Keras ended with an error; does --keras-python have keras and tensorflow?")


def series(corpus: str, data_dir: str | None, inputs: str, num_windows: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Of each split `<split>_inputs` (rows, C), `<split>_targets` (windows,) in degrees, `<split>_observed`; the last value.

    A missing target is filled with the one before it, so that Keras has a number to train on.
    """
    import pandas as pd

    import seqzoo
    from seqzoo.preprocessing.series import SeriesPreprocessor

    asked = WINDOWS[corpus]
    data = seqzoo.create_datamodule(corpus, data_dir=data_dir, batch_size=BATCH, **asked)
    data.prepare_data()
    data.setup()
    fitted = data.preprocessor
    if inputs == "lecture":
        fitted = SeriesPreprocessor(
            fitted.columns,
            fitted.targets,
            time_column=fitted.time_column,
            time_format=fitted.time_format,
            frequency=fitted.frequency,
            missing=fitted.missing,
        )
        fitted.fit(fitted.read(data.table()).part(*data.split("train")))
    past, (target,) = (asked["context_length"] - 1) * asked["sampling_step"], fitted.target_indices
    whole, arrays, last = fitted.read(data.table()), {}, {}
    for split in SPLITS:
        rows, windows = whole.part(*data.split(split)), data.windows(split)
        count = len(windows) if not num_windows else min(num_windows, len(windows))
        rows = rows.part(0, past + asked["delay"] + count)
        degrees, observed = rows.values[:, target], ~np.isnan(rows.values[:, target])
        filled = pd.Series(degrees).ffill().to_numpy()
        ahead = slice(past + asked["delay"], None)
        arrays[f"{split}_inputs"] = fitted.transform(rows)
        arrays[f"{split}_targets"], arrays[f"{split}_observed"] = filled[ahead].astype(np.float32), observed[ahead]
        wanted = windows.future[:count, 0, 0] * data.preprocessor.target_scale[1] + data.preprocessor.target_scale[0]
        if not np.allclose(wanted[observed[ahead]], degrees[ahead][observed[ahead]], atol=1e-3):
            raise SystemExit(f"the windows of {split} are not those of the corpus")
        error = np.abs(filled[past : past + count] - degrees[ahead])[observed[ahead]]
        last[split] = float(error.mean())
    return arrays, {"model": "last value", "parameters": 0, "seconds": 0.0, **last}


def ours(corpus: str, name: str) -> Mapping[str, float]:
    """Our recorded runs of the same row: mean of MAE over seeds, how many there are, mean training seconds."""
    with RUNS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["recipe"] == f"lectures/{corpus}-{name}"]
    if not rows:
        return {}
    columns = {"validation": "validation_mae", "test": "test_mae", "seconds": "training_seconds", "parameters": "parameters"}
    return {"seeds": len(rows)} | {
        key: statistics.mean(float(row[column]) for row in rows) for key, column in columns.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python", default=sys.executable, help="interpreter that has keras, tensorflow and numpy")
    parser.add_argument("--corpus", choices=sorted(WINDOWS), default="szeged")
    parser.add_argument(
        "--data-dir", help="folder with the corpus's file; else $SEQZOO_DATA/<corpus>, else its public source"
    )
    parser.add_argument("--inputs", choices=("lecture", "ours"), default="lecture", help="what Keras reads at each step")
    parser.add_argument("--only", nargs="+", choices=sorted(MODELS), default=list(MODELS), help="models to train")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="of Keras; 0 leaves it to TensorFlow")
    parser.add_argument("--num-windows", type=int, default=0, help="of each split at most so many, for a trial; 0: all")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        keras_worker(options.worker)
        return
    arrays, last = series(options.corpus, options.data_dir, options.inputs, options.num_windows)
    task = {key: getattr(options, key) for key in ("epochs", "seed", "threads")} | {"models": options.only}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "series.npz", **arrays)
        (folder / "task.json").write_text(json.dumps({**task, **WINDOWS[options.corpus]}), encoding="utf-8")
        versions, *runs = keras_runs(options.keras_python, folder)
    results = {
        "about": about() | versions,
        "windows": {split: len(arrays[f"{split}_targets"]) for split in SPLITS},
        "last value": last,
        "keras": {run["model"]: run for run in runs},
        "seqzoo": {run["model"]: ours(options.corpus, MODELS[run["model"]]) for run in runs},
    }
    table = [["", "validation", "test", "% better than last", "parameters", "seconds"], _row("last value", last, last)]
    for run in runs:
        table.append(_row(f"keras {run['model']}", run, last))
        own = results["seqzoo"][run["model"]]
        if own:
            table.append(_row(f"seqzoo {MODELS[run['model']]}, {own['seeds']} seeds", own, last))
    title = f"MAE in degrees C, 24 hours ahead, {options.corpus}; Keras {options.epochs} epochs, {options.inputs} inputs"
    report(results, options.json, [(title, table)])


def _row(name: str, run: Mapping[str, float], last: Mapping[str, float]) -> list[str]:
    better = 100 * (1 - run["test"] / last["test"])
    numbers = [f"{run['validation']:.3f}", f"{run['test']:.3f}", f"{better:.1f}"]
    return [name, *numbers, f"{run['parameters']:,.0f}", f"{run['seconds']:,.0f}"]


if __name__ == "__main__":
    main()
