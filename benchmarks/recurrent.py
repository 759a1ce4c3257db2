"""Training speed of seqzoo's recurrences at IMDB's lengths, against packing and against the plain padded call.

One repetition is forward and backward of the same length-bucketed batches, each way in turn. `padded` reads padding as
data in its backward direction, hence computes something else: it is the speed to reach, not an equal.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import about, alternate, compare, imdb, report, wait_passively
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqzoo.corpora.datamodule import BucketSampler
from seqzoo.layers import recurrent

QUANTILES = [  # of IMDB's training reviews in tokens, untruncated, from 0 to 100 %: used where the corpus is not there
    *(11, 49, 56, 62, 68, 74, 80, 86, 92, 98, 104, 110, 115, 119, 123, 126, 129, 131, 133, 135, 137, 138, 140, 142, 143),
    *(145, 147, 148, 150, 152, 154, 155, 157, 159, 161, 163, 165, 167, 169, 172, 174, 176, 178, 181, 183, 186, 189, 191),
    *(194, 197, 199, 203, 206, 209, 213, 216, 220, 224, 227, 232, 236, 240, 245, 250, 255, 260, 266, 271, 276, 282, 289),
    *(296, 302, 309, 317, 325, 333, 343, 353, 362, 372, 384, 394, 405, 418, 432, 449, 464, 483, 502, 524, 548, 574, 606),
    *(642, 686, 737, 812, 907, 1041, 2739),
]
KINDS = ("LSTM", "GRU", "RNN")
WAYS = ("seqzoo", "padded", "packed")
PRECISIONS = ("float32", "bf16")
Batch = tuple[Tensor, Tensor, Tensor]  # inputs (B, T, C), lengths (B,), gradient of the steps (B, T, 2H)


def read_lengths(data_dir: str | None) -> tuple[np.ndarray, str]:
    """Tokens of each training review, and where the numbers are from."""
    if not data_dir and not os.environ.get("SEQZOO_DATA"):
        chances = (np.arange(25_000) + 0.5) / 25_000
        return np.interp(chances, np.linspace(0, 1, 101), QUANTILES).round().astype(int), "stored quantiles"
    data = imdb(data_dir, max_tokens=1_000_000, validation_size=1)
    return np.array([len(document) for document in data.documents("train")]), "imdb"


def make_batches(lengths: np.ndarray, options: argparse.Namespace) -> list[Batch]:
    """The first batches of a training epoch, of random inputs; padding gets no gradient."""
    torch.manual_seed(options.seed)
    lengths = np.minimum(lengths, options.max_tokens)
    batches = []
    for indices in list(BucketSampler(lengths, options.batch_size, shuffle=True, seed=options.seed))[: options.batches]:
        chosen = torch.from_numpy(lengths[indices])
        length = int(chosen.max())
        inputs = torch.randn(len(chosen), length, options.input_size).mul_(0.1).requires_grad_()
        gradient = torch.randn(len(chosen), length, 2 * options.hidden_size) / len(chosen)
        gradient[torch.arange(length) >= chosen[:, None]] = 0.0
        batches.append((inputs, chosen, gradient))
    return batches


def forward(way: str, layer: nn.Module, inputs: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, C), (B,) -> (B, T, 2H)."""
    if way == "seqzoo":
        return layer(inputs, lengths)[0]
    if way == "padded":
        return layer(inputs)[0]
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]


def step(way: str, layer: nn.Module, batch: Batch, precision: str) -> tuple[Tensor, list[Tensor]]:
    """Steps, and the gradients of the inputs and of the parameters."""
    inputs, lengths, gradient = batch
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        steps = forward(way, layer, inputs, lengths)
    return steps.detach(), list(torch.autograd.grad(steps, [inputs, *layer.parameters()], gradient.to(steps.dtype)))


def layers(kind: str, options: argparse.Namespace) -> tuple[nn.Module, nn.Module]:
    """Ours and torch.nn's with the same weights."""
    ours = getattr(recurrent, kind)(options.input_size, options.hidden_size, bidirectional=True)
    theirs = getattr(nn, kind)(options.input_size, options.hidden_size, bidirectional=True, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def differences(kind: str, batches: list[Batch], precision: str, options: argparse.Namespace) -> dict[str, float]:
    """Largest absolute difference between ours and packing: steps, gradients of inputs and of parameters."""
    ours, theirs = layers(kind, options)
    worst = {"steps": 0.0, "input_gradients": 0.0, "parameter_gradients": 0.0}
    for batch in batches:
        (steps, gradients), (expected, theirs_gradients) = (
            step(way, layer, batch, precision) for way, layer in (("seqzoo", ours), ("packed", theirs))
        )
        pairs = [(steps, expected), *zip(gradients, theirs_gradients, strict=True)]
        found = [float((a.float() - b.float()).abs().max()) for a, b in pairs]
        for key, value in zip(worst, (found[0], found[1], max(found[2:])), strict=True):
            worst[key] = max(worst[key], value)
    return worst


def measure(kind: str, batches: list[Batch], precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """Tokens per second of each way by its median time, and how many times faster ours is than the others."""
    ours, theirs = layers(kind, options)

    def epoch(way: str) -> Callable[[], None]:
        def run() -> None:
            for batch in batches:
                step(way, ours if way == "seqzoo" else theirs, batch, precision)

        return run

    shortest = min(batches, key=lambda batch: batch[0].shape[1])
    for way in WAYS:  # warms up
        step(way, ours if way == "seqzoo" else theirs, shortest, precision)
    seldom = {"packed": options.packed_repetitions}
    times = alternate({way: epoch(way) for way in WAYS}, options.repetitions, warm_up=0, at_most=seldom)
    tokens = sum(int(lengths.sum()) for _, lengths, _ in batches)
    result: dict[str, Any] = {"tokens_per_second": {way: tokens / statistics.median(times[way].wall) for way in WAYS}}
    return result | {f"times_{way}": compare(times[way], times["seqzoo"]) for way in WAYS[1:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with imdb's parquet files; else $SEQZOO_DATA/imdb, else stored quantiles")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--input-size", type=int, default=256)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=500)
    parser.add_argument("--batches", type=int, default=4, help="batches of one repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--packed-repetitions", type=int, default=1, help="packing can take half a minute a batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lengths, source = read_lengths(options.data_dir)
    batches = make_batches(lengths, options)
    shortest = sorted(batches, key=lambda batch: batch[0].shape[1])[:1]  # packing takes half a minute on a long one
    tokens = sum(int(lengths.sum()) for _, lengths, _ in batches)
    padded = sum(inputs.shape[0] * inputs.shape[1] for inputs, _, _ in batches)
    results = {
        "about": about(options.threads),
        "options": {key: value for key, value in vars(options).items() if key not in ("json", "data_dir")},
        "lengths": {"source": source, "tokens": tokens, "padding": 1 - tokens / padded},
        "speed": {kind: {how: measure(kind, batches, how, options) for how in options.precisions} for kind in options.kinds},
        "differences_from_packing": {
            kind: {how: differences(kind, shortest, how, options) for how in options.precisions} for kind in options.kinds
        },
    }
    how_compared = ("median", "minima", "cpu")
    header = ["", *(f"{way} tokens/s" for way in WAYS)]
    header += [f"x {way}, {how}" for way in WAYS[1:] for how in how_compared]
    speed = [
        [f"{kind} {how}", *row["tokens_per_second"].values()]
        + [row[f"times_{way}"][key] for way in WAYS[1:] for key in how_compared]
        for kind, rows in results["speed"].items()
        for how, row in rows.items()
    ]
    unequal = [
        [f"{kind} {how}", *(f"{value:.1e}" for value in row.values())]
        for kind, rows in results["differences_from_packing"].items()
        for how, row in rows.items()
    ]
    title = (
        f"training, bidirectional {options.input_size} -> 2 x {options.hidden_size}, {len(batches)} batches of "
        f"{options.batch_size}, {tokens:,} tokens and {100 * (1 - tokens / padded):.1f} % padding (lengths: {source})"
    )
    headings = ["", "steps", "gradients of inputs", "of parameters"]
    report(
        results,
        options.json,
        [(title, [header, *speed]), ("largest absolute difference between seqzoo and packed", [headings, *unequal])],
    )


if __name__ == "__main__":
    wait_passively()
    main()
