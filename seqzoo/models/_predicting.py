"""What models that predict share: one result's class, batches beside each other, the progress bar, the push."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqzoo import hub, sharing

__all__ = ["Classification", "bar", "beside_each_other", "check_batch_size", "check_labels", "push"]


@dataclass(frozen=True)
class Classification:
    """One input's class: the likeliest label, its probability, every label's probability, whether the input was cut."""

    label: str
    score: float
    scores: Mapping[str, float]
    truncated: bool


def check_labels(labels: Any) -> None:
    """ValueError unless there are at least two different names."""
    if len(labels) < 2 or not all(isinstance(label, str) for label in labels) or len(set(labels)) < len(labels):
        raise ValueError(f"labels must be at least two different names, got {list(labels)!r}")


def check_batch_size(batch_size: Any) -> None:
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")


def beside_each_other(function: Any, batches: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Each batch on one thread, as many at a time as there are threads: a recurrent step is too small to be shared."""
    threads = torch.get_num_threads()
    if threads == 1 or len(batches) == 1:
        return [function(*batch) for batch in batches]

    def alone(batch: tuple[Tensor, Tensor]) -> Tensor:
        torch.set_num_threads(1)  # of the calling thread; the caller's own number is set again below
        with torch.inference_mode():
            return function(*batch)

    try:
        with ThreadPoolExecutor(min(threads, len(batches))) as pool:
            return list(pool.map(alone, batches))
    finally:
        torch.set_num_threads(threads)


def bar(results: Iterator[Any], inputs: Any, progress: bool, unit: str) -> Iterator[Any]:
    if not progress or not hub.shows_progress():
        return results
    from tqdm.auto import tqdm

    return tqdm(results, total=len(inputs) if hasattr(inputs, "__len__") else None, unit=unit)


def push(model: nn.Module, repo_id: str, **options: Any) -> sharing.Pushed:
    """Push the folder that a model was loaded from or last saved to; ValueError where it is in none, or changed since."""
    if model.folder is None:
        raise ValueError("this model is in no folder yet: save_pretrained it, run seqzoo verify on it, then push")
    saved, own = hub.read(model.folder).tensors, model.state_dict()
    if set(saved) != set(own) or not all(_same(own[name], tensor) for name, tensor in saved.items()):
        raise ValueError(f"this model was changed since it was in {model.folder}: save_pretrained it, verify it, then push")
    return sharing.push(model.folder, repo_id, **options)


def _same(own: Tensor, saved: Tensor) -> bool:
    """Whether a tensor is the saved one, or would be in half precision."""
    own = own.detach().cpu()
    return torch.equal(own, saved) or (own.is_floating_point() and torch.equal(own.half().float(), saved))
