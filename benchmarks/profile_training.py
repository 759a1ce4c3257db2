"""Where the time of a training step of `imdb-bilstm` goes, in ms per step, with the recipe's network.

Every part is run alone, in turn with the others, on the same length-bucketed batches. Backward parts get the forward result
of their own; the optimisers step on a real gradient. `whole step` is the plain loop of one step and shows what the parts
leave out; `Lightning step` is the same by Lightning's trainer with our task.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from common import Times, about, alternate, be_quiet, imdb, report, wait_passively
from torch import Tensor, nn

import seqzoo

NETWORK = {  # of recipes/imdb-bilstm.yaml
    "embedding_size": 256,
    "hidden_size": 128,
    "pooling": "max-mean",
    "word_dropout": 0.1,
    "embedding_dropout": 0.4,
    "recurrent_dropout": 0.3,
    "dropout": 0.3,
    "summary_dropout": 0.5,
}


def row_adam(weight: nn.Parameter, state: dict[str, Tensor], rows: Tensor, values: Tensor, step: int) -> None:
    """Adam on the rows that a batch names, moments of the others left as they are (torch's SparseAdam, fewer copies)."""
    first, second = state["first"].index_select(0, rows), state["second"].index_select(0, rows)
    first.lerp_(values, 0.1)
    second.mul_(0.99).addcmul_(values, values, value=0.01)
    state["first"].index_copy_(0, rows, first)
    state["second"].index_copy_(0, rows, second)
    size = 0.002 / (1 - 0.9**step)
    change = first.div_(second.div_(1 - 0.99**step).sqrt_().add_(1e-8)).mul_(-size)
    weight.data.index_add_(0, rows, change)


class Parts:
    """Each part of a step as a function of one batch, for one batch size."""

    def __init__(self, data: Any, batches: list[Any], precision: str):
        torch.manual_seed(0)
        self.model = seqzoo.create_model("bilstm", corpus=data, **NETWORK).train()
        self.network, self.precision = self.model.network, precision
        self.batches = batches
        weight = self.network.embedding.weight
        self.inputs, self.steps, self.gradients = [], [], []
        with torch.no_grad(), self.autocast():
            for batch in batches:
                embedded = self.network.embedding(batch.tokens)
                steps = self.network.recurrence(embedded, batch.lengths)[0]
                self.inputs.append(embedded)
                self.steps.append(steps)
                self.gradients.append((torch.randn_like(embedded) * 1e-3, torch.randn_like(steps) * 1e-3))
        self.others = [parameter for parameter in self.model.parameters() if parameter is not weight]
        self.vectors = {
            name: nn.Parameter(weight.detach().clone()) for name in ("fused", "foreach", "loop", "sparse", "rows")
        }
        self.dense = torch.zeros_like(weight)
        self.dense.index_add_(0, batches[0].tokens.flatten(), self.gradients[0][0].float().flatten(0, 1))
        for name in ("fused", "foreach", "loop"):
            self.vectors[name].grad = self.dense.clone()
        self.optimizers = {
            "fused": torch.optim.AdamW([self.vectors["fused"]], betas=(0.9, 0.99), fused=True),
            "foreach": torch.optim.AdamW([self.vectors["foreach"]], betas=(0.9, 0.99), foreach=True),
            "loop": torch.optim.AdamW([self.vectors["loop"]], betas=(0.9, 0.99), foreach=False),
            "sparse": torch.optim.SparseAdam([self.vectors["sparse"]], betas=(0.9, 0.99)),
        }
        copies = [nn.Parameter(parameter.detach().clone()) for parameter in self.others]
        for copy in copies:
            copy.grad = torch.randn_like(copy) * 1e-3
        self.optimizers["others"] = torch.optim.AdamW(copies, betas=(0.9, 0.99), fused=True)
        self.clipped = [self.vectors["fused"], *copies]
        self.moments, self.count = {"first": torch.zeros_like(weight), "second": torch.zeros_like(weight)}, 0
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, betas=(0.9, 0.99), fused=True)

    def autocast(self) -> Any:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16")

    def over_batches(self, part: Callable[[int], None]) -> Callable[[], None]:
        def run() -> None:
            for index in range(len(self.batches)):
                part(index)

        return run

    def embedding(self, index: int) -> None:
        batch, network = self.batches[index], self.network
        with self.autocast():
            vectors = network.embedding_dropout(network.embedding(network.word_dropout(batch.tokens)))
        torch.autograd.grad(vectors, network.embedding.weight, self.gradients[index][0])

    def embedding_forward(self, index: int) -> None:
        batch, network = self.batches[index], self.network
        with self.autocast(), torch.no_grad():
            network.embedding_dropout(network.embedding(network.word_dropout(batch.tokens)))

    def recurrence(self, index: int) -> None:
        inputs = self.inputs[index].detach().requires_grad_()
        with self.autocast():
            steps = self.network.recurrence(inputs, self.batches[index].lengths)[0]
        torch.autograd.grad(steps, [inputs, *self.network.recurrence.parameters()], self.gradients[index][1])

    def recurrence_forward(self, index: int) -> None:
        inputs = self.inputs[index].detach().requires_grad_()
        with self.autocast():
            self.network.recurrence(inputs, self.batches[index].lengths)

    def pooling(self, index: int) -> None:
        batch, network, steps = self.batches[index], self.network, self.steps[index].detach().requires_grad_()
        with self.autocast():
            summary = network.summary_dropout(network.pooling(network.dropout(steps), batch.lengths))
        loss = nn.functional.cross_entropy(self.model.head(summary), batch.targets)
        torch.autograd.grad(loss, [steps, *self.model.head.parameters()])

    def step_sparse(self, index: int) -> None:
        """Sparse gradient and SparseAdam, which sums repeated tokens itself."""
        weight = self.vectors["sparse"]
        tokens, values = self.batches[index].tokens.reshape(1, -1), self.gradients[index][0].float().flatten(0, 1)
        weight.grad = torch.sparse_coo_tensor(tokens, values, weight.shape, check_invariants=False)
        self.optimizers["sparse"].step()

    def step_rows(self, index: int) -> None:
        """Sums repeated tokens and steps on the rows of the batch only."""
        values = self.gradients[index][0].float().flatten(0, 1)
        rows, where = torch.unique(self.batches[index].tokens.flatten(), return_inverse=True)
        summed = values.new_zeros(len(rows), values.shape[1]).index_add_(0, where, values)
        self.count += 1
        row_adam(self.vectors["rows"], self.moments, rows, summed, self.count)

    def optimise(self, name: str) -> Callable[[int], None]:
        return lambda index: self.optimizers[name].step()

    def clip(self, index: int) -> None:
        torch.nn.utils.clip_grad_norm_(self.clipped, 1.0)

    def zero(self, index: int) -> None:
        self.dense.zero_()

    def whole(self, index: int) -> None:
        batch = self.batches[index]
        self.optimizer.zero_grad()
        with self.autocast():
            loss = nn.functional.cross_entropy(self.model(batch.tokens, batch.lengths), batch.targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()


def lightning_steps(data: Any, precision: str, steps: int) -> Times:
    """Seconds per step inside Lightning's trainer, clipping and batches included."""
    import lightning as L

    class Clock(L.Callback):
        def on_train_batch_end(self, *arguments: Any) -> None:
            taken.wall.append(time.perf_counter())
            taken.cpu.append(time.process_time())

    taken = Times([], [])
    task = seqzoo.create_task(
        seqzoo.create_model("bilstm", corpus=data, **NETWORK),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.99), fused=True),
    )
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        max_epochs=1,
        limit_train_batches=steps + 1,
        limit_val_batches=0,
        gradient_clip_val=1.0,
        callbacks=[Clock()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, datamodule=data)
    return Times(*([b - a for a, b in itertools.pairwise(values)] for values in taken))


def profile(data: Any, batch_size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds per step of each part, wall-clock (median) and processor time."""
    data.batch_size = batch_size
    torch.manual_seed(0)
    loader = data.train_dataloader()
    chosen = list(loader.sampler)[: options.batches]
    batches = [loader.dataset[indices] for indices in chosen]
    parts = Parts(data, batches, options.precision)
    runs = {
        "embedding, forward": parts.embedding_forward,
        "embedding, forward + backward": parts.embedding,
        "recurrence, forward": parts.recurrence_forward,
        "recurrence, forward + backward": parts.recurrence,
        "pooling + head + loss, forward + backward": parts.pooling,
        "gradient clipping": parts.clip,
        "AdamW fused: embedding": parts.optimise("fused"),
        "AdamW fused: all others": parts.optimise("others"),
        "building the batch": lambda index: loader.dataset[chosen[index]],
        "whole step": parts.whole,
        "(instead) AdamW foreach: embedding": parts.optimise("foreach"),
        "(instead) AdamW plain loop: embedding": parts.optimise("loop"),
        "(instead) SparseAdam: embedding": parts.step_sparse,
        "(instead) Adam on the batch's rows: embedding": parts.step_rows,
    }
    times = alternate({name: parts.over_batches(run) for name, run in runs.items()}, options.repetitions)
    count = len(batches)
    found = {
        name: {"ms": 1e3 * statistics.median(taken.wall) / count, "cpu_ms": 1e3 * statistics.median(taken.cpu) / count}
        for name, taken in times.items()
    }
    if options.lightning_steps:
        taken = lightning_steps(data, options.precision, options.lightning_steps)
        found["Lightning step"] = {"ms": 1e3 * statistics.median(taken.wall), "cpu_ms": 1e3 * statistics.median(taken.cpu)}
    tokens = sum(int(batch.lengths.sum()) for batch in batches) / count
    return {"tokens_per_step": tokens, "parameters": sum(p.numel() for p in parts.model.parameters()), "parts": found}


def tokenising(data: Any, repetitions: int, count: int = 2000) -> dict[str, float]:
    """Texts per second of the tokenizer."""
    texts = data.texts("train")[:count]
    times = alternate({"encode": lambda: data.tokenizer.encode(texts)}, repetitions)["encode"]
    return {"texts": len(texts), "texts_per_second": len(texts) / statistics.median(times.wall)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with imdb's parquet files; else $SEQZOO_DATA/imdb, else the Hub")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--precision", choices=("bf16", "float32"), default="bf16")
    parser.add_argument("--vocab-size", type=int, default=20_000)
    parser.add_argument("--max-tokens", type=int, default=500)
    parser.add_argument("--batches", type=int, default=8, help="batches of one repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--lightning-steps", type=int, default=30, help="0 leaves Lightning out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    be_quiet()
    torch.set_num_threads(options.threads)
    data = imdb(options.data_dir, vocab_size=options.vocab_size, max_tokens=options.max_tokens)
    results: dict[str, Any] = {
        "about": about(options.threads),
        "options": {key: value for key, value in vars(options).items() if key not in ("json", "data_dir")},
        "tokenizer": tokenising(data, options.repetitions),
        "steps": {str(size): profile(data, size, options) for size in options.batch_sizes},
    }
    tables = []
    for size, found in results["steps"].items():
        whole = found["parts"]["whole step"]
        rows = [["", "ms", "% of whole step", "cpu ms", "% of its cpu"]]
        for name, each in found["parts"].items():
            shares = [100 * each[key] / whole[key] for key in ("ms", "cpu_ms")]
            rows.append([name, f"{each['ms']:.1f}", f"{shares[0]:.1f}", f"{each['cpu_ms']:.1f}", f"{shares[1]:.1f}"])
        title = f"batch {size}, {options.precision}, {found['tokens_per_step']:,.0f} tokens a step, vocabulary "
        tables.append((title + f"{options.vocab_size:,}, {found['parameters']:,} parameters", rows))
    speed = results["tokenizer"]["texts_per_second"]
    tables.append(("tokenising", [["", "texts/s"], ["imdb reviews", speed]]))
    report(results, options.json, tables)


if __name__ == "__main__":
    wait_passively()
    main()
