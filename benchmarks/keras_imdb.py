"""Training and predicting IMDB against Keras 3 with TensorFlow: the same model on the same token ids.

Embedding 20,000 x 256, bidirectional LSTM of 2 x 32, last states, dropout 0.5, dense; Adam at 1e-3, batches of 32, the last
600 tokens of a review. Keras as its users run it: `pad_sequences` to 600 before the clock starts, float32, `fit` and
`predict` as they come; with `mask_zero` off (padding is read as text) and on (as exact as ours). seqzoo: Lightning, with
length buckets, bf16 autocast and float32 in training, float32 in predicting; padding never changes a result.

Keras runs in a process of its own, under --keras-python where TensorFlow lives in another environment. The sides take turns.
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
from pathlib import Path
from typing import Any

import numpy as np
from common import Times, about, be_quiet, compare, imdb, report

MAX_TOKENS, VOCABULARY, EMBEDDING, HIDDEN, BATCH, RATE, DROPOUT = 600, 20_000, 256, 32, 32, 1e-3, 0.5
WARM_UP = 2 * BATCH  # texts


def keras_worker(file: str) -> None:
    """Answers lines `train|predict masked|unmasked` on standard input with seconds; Keras is imported here only."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow

    arrays = np.load(file)
    start = time.perf_counter()
    train, test = (
        keras.utils.pad_sequences(np.split(arrays[f"{split}_tokens"], arrays[f"{split}_ends"][:-1]), maxlen=MAX_TOKENS)
        for split in ("train", "test")
    )
    padding = time.perf_counter() - start
    models, targets = {}, arrays["targets"].astype("float32")
    for name in ("masked", "unmasked"):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((MAX_TOKENS,), dtype="int32")
        hidden = keras.layers.Embedding(VOCABULARY, EMBEDDING, mask_zero=name == "masked")(inputs)
        hidden = keras.layers.Dropout(DROPOUT)(keras.layers.Bidirectional(keras.layers.LSTM(HIDDEN))(hidden))
        models[name] = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
        models[name].compile(keras.optimizers.Adam(RATE), "binary_crossentropy", metrics=["accuracy"])
        models[name].fit(train[:WARM_UP], targets[:WARM_UP], batch_size=BATCH, verbose=0)  # compiles the graphs
        models[name].predict(test[:WARM_UP], batch_size=BATCH, verbose=0)
    versions = {"keras": keras.__version__, "tensorflow": tensorflow.__version__, "jit": models["masked"].jit_compile}
    print(
        json.dumps({**versions, "parameters": models["masked"].count_params(), "pad_sequences_seconds": padding}), flush=True
    )
    for line in sys.stdin:
        what, name = line.split()
        wall, cpu = time.perf_counter(), time.process_time()
        if what == "train":
            models[name].fit(train, targets, batch_size=BATCH, verbose=0)
        else:
            models[name].predict(test, batch_size=BATCH, verbose=0)
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


class Keras:
    """The process that runs Keras."""

    def __init__(self, python: str, file: Path):
        command = [python, __file__, "--worker", str(file)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = self._answer()

    def _answer(self) -> Any:
        for line in self.process.stdout:
            if line.startswith(("{", "[")):
                return json.loads(line)
        raise RuntimeError("Keras ended without an answer; does --keras-python have keras and tensorflow?")

    def seconds(self, what: str, name: str) -> tuple[float, float]:
        """Wall-clock and processor seconds of one pass over the training or the test texts."""
        self.process.stdin.write(f"{what} {name}\n")
        self.process.stdin.flush()
        wall, cpu = self._answer()
        return wall, cpu

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """The same model in seqzoo."""

    def __init__(self, data_dir: str | None, options: argparse.Namespace):
        import torch

        import seqzoo

        torch.set_num_threads(options.threads)
        self.options = options
        limits = {"batch_size": BATCH, "max_tokens": MAX_TOKENS, "keep": "end", "vocab_size": VOCABULARY}
        self.whole = imdb(data_dir, **limits)
        self.part = seqzoo.create_datamodule("imdb", data_dir=data_dir, num_train=options.num_train, **limits)
        self.part.tokenizer = self.whole.tokenizer
        self.part.setup("fit")
        random = np.random.default_rng(0)
        test = self.whole.read("test")
        self.chosen = random.permutation(len(test.texts))[: options.num_predict]
        self.texts = [test.texts[index] for index in self.chosen]
        self.documents = [document[-MAX_TOKENS:] for document in self.whole.tokenizer.encode(self.texts)]
        self.tasks = {precision: self._task() for precision in ("bf16-mixed", "32-true")}
        self.model = self.tasks["32-true"].model
        for precision in self.tasks:
            self.train(precision, steps=WARM_UP // BATCH)

    def _task(self, seed: int = 1) -> Any:
        import torch

        import seqzoo

        torch.manual_seed(seed)
        arguments = {"embedding_size": EMBEDDING, "hidden_size": HIDDEN, "pooling": "last", "summary_dropout": DROPOUT}
        model = seqzoo.create_model("bilstm", corpus=self.whole, **arguments)
        return seqzoo.create_task(model, optimizer=lambda parameters: torch.optim.Adam(parameters, lr=RATE, fused=True))

    def train(self, precision: str, *, steps: int | None = None) -> tuple[float, float]:
        """Seconds of one pass over the training texts with Lightning, from its first batch to its last."""
        return self._fit(self.tasks[precision], self.part, precision, epochs=1, steps=steps)

    def _fit(self, task: Any, data: Any, precision: str, *, epochs: int, steps: int | None = None) -> tuple[float, float]:
        import lightning as L

        class Clock(L.Callback):
            def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
                self.wall, self.cpu = time.perf_counter(), time.process_time()

            def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
                self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu

        clock = Clock()
        trainer = L.Trainer(
            accelerator="cpu",
            devices=1,
            precision=precision,
            max_epochs=epochs,
            limit_train_batches=steps,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, datamodule=data)
        return clock.wall, clock.cpu

    def predict(self) -> tuple[float, float]:
        """Probabilities of the test texts from token ids: sorted by length, batched and padded inside the clock."""

        wall, cpu = time.perf_counter(), time.process_time()
        self.model.logits(self.documents, batch_size=BATCH).softmax(-1)
        return time.perf_counter() - wall, time.process_time() - cpu

    def predict_texts(self) -> tuple[float, float]:
        """The same from raw text, as users do: tokenised and turned into results too."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.eval()
        self.model.predict(self.texts, batch_size=BATCH)
        return time.perf_counter() - wall, time.process_time() - cpu

    def accuracy(self, precision: str, seed: int) -> dict[str, float]:
        """Test accuracy in per cent (float32) after training all training texts for --epochs, and the seconds it took."""
        import torch

        task = self._task(seed)
        torch.manual_seed(seed)  # the same order of batches for both precisions
        seconds, cpu = self._fit(task, self.whole, precision, epochs=self.options.epochs)
        model, hits = task.model.eval(), 0
        documents, targets = self.whole.documents("test"), self.whole.targets("test")
        order = np.argsort([len(document) for document in documents], kind="stable")
        with torch.inference_mode():
            for indices in np.array_split(order, len(order) // 128):
                logits = model(*model.batch([documents[index] for index in indices]))
                hits += int((logits.argmax(-1).numpy() == targets[indices]).sum())
        return {"accuracy": 100 * hits / len(order), "seconds": seconds, "cpu_seconds": cpu}


def write_ids(ours: Ours, file: Path) -> None:
    """What Keras reads: the token ids and classes of the very same texts."""
    parts = {"train": ours.part.documents("train"), "test": ours.documents}
    arrays = {f"{split}_tokens": np.concatenate(documents) for split, documents in parts.items()}
    arrays |= {f"{split}_ends": np.cumsum([len(document) for document in documents]) for split, documents in parts.items()}
    np.savez(file, targets=ours.part.targets("train"), **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python", default=sys.executable, help="interpreter that has keras, tensorflow and numpy")
    parser.add_argument("--data-dir", help="folder with imdb's parquet files; else $SEQZOO_DATA/imdb, else the Hub")
    parser.add_argument("--num-train", type=int, default=1600, help="texts of one training repetition")
    parser.add_argument("--num-predict", type=int, default=1600, help="texts of one predicting repetition")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the accuracy comparison")
    parser.add_argument("--accuracy-seeds", type=int, default=0, help="seeds of the accuracy comparison; 0 leaves it out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        keras_worker(options.worker)
        return
    be_quiet()
    ours = Ours(options.data_dir, options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "imdb.npz"
        write_ids(ours, file)
        keras = Keras(options.keras_python, file)
        runs = {
            "train": {
                "seqzoo bf16": lambda: ours.train("bf16-mixed"),
                "seqzoo float32": lambda: ours.train("32-true"),
                "keras unmasked": lambda: keras.seconds("train", "unmasked"),
                "keras masked": lambda: keras.seconds("train", "masked"),
            },
            "predict": {
                "seqzoo ids": ours.predict,
                "seqzoo raw text": ours.predict_texts,
                "keras unmasked": lambda: keras.seconds("predict", "unmasked"),
                "keras masked": lambda: keras.seconds("predict", "masked"),
            },
        }
        times = {what: {name: Times([], []) for name in sides} for what, sides in runs.items()}
        for _ in range(options.repetitions):
            for what, sides in runs.items():
                for name, run in sides.items():
                    for values, value in zip(times[what][name], run(), strict=True):
                        values.append(value)
        keras.close()
    results: dict[str, Any] = {"about": about(options.threads) | {"keras": keras.facts}, "parameters": {}}
    results["parameters"] = {
        "seqzoo": sum(parameter.numel() for parameter in ours.model.parameters()),
        "keras": keras.facts["parameters"],
    }
    tables = []
    for what, count in (("train", options.num_train), ("predict", options.num_predict)):
        speed = {name: count / statistics.median(taken.wall) for name, taken in times[what].items()}
        versus = {
            name: {
                side: compare(taken, times[what][name]) for side, taken in times[what].items() if side.startswith("keras")
            }
            for name in times[what]
            if name.startswith("seqzoo")
        }
        results[what] = {"samples_per_second": speed, "times_faster": versus}
        rows = [
            ["", "samples/s", *(f"x keras {mode}, {how}" for mode in ("unmasked", "masked") for how in ("median", "cpu"))]
        ]
        for name, value in speed.items():
            ratios = [versus[name][f"keras {mode}"] for mode in ("unmasked", "masked")] if name in versus else []
            rows.append(
                [name, value, *(each[how] for each in ratios for how in ("median", "cpu"))] + [""] * (4 - 2 * len(ratios))
            )
        tables.append((f"{what}, {count:,} reviews, {options.repetitions} repetitions", rows))
    if options.accuracy_seeds:
        found = {
            precision: [ours.accuracy(precision, seed) for seed in range(1, options.accuracy_seeds + 1)]
            for precision in ours.tasks
        }
        results["accuracy"] = found
        seconds = {precision: sum(run["seconds"] for run in runs) for precision, runs in found.items()}
        rows = [["", *(f"seed {seed}" for seed in range(1, options.accuracy_seeds + 1)), "mean", "seconds"]]
        for precision, runs in found.items():
            accuracies = [run["accuracy"] for run in runs]
            mean = f"{statistics.mean(accuracies):.2f}"
            rows.append([precision, *(f"{accuracy:.2f}" for accuracy in accuracies), mean, seconds[precision]])
        size = len(ours.whole.documents("train"))
        tables.append((f"test accuracy in %, 25,000 reviews, after {options.epochs} epochs of {size:,}", rows))
    report(results, options.json, tables)


if __name__ == "__main__":
    main()
