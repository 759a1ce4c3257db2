"""What models that predict share: one result's class, batches beside each other, the progress bar, the push."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqzoo import hub, sharing

__all__ = ["Classification", "Pretrained", "bar", "beside_each_other", "check_batch_size", "check_labels"]


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


class Pretrained(nn.Module):
    """A model that goes into a checkpoint folder and to the Hub: what it is made of, as plain JSON, and its weights."""

    task: str
    architecture: str
    arguments: dict[str, Any]
    spec: NamedTuple
    labels: list[str]
    preprocessing: dict[str, Any]
    folder: Path | None  # where it was loaded from or last saved to

    @property
    def saved_preprocessing(self) -> dict[str, Any]:
        """What stands under `preprocessing` in config.json."""
        return self.preprocessing

    @property
    def saved_texts(self) -> dict[str, str]:
        """Files beside config.json and the weights, by name."""
        return {"scaler.json": self.preprocessor.to_json()}

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, half: bool = False, texts: Mapping[str, str] | None = None
    ) -> Path:
        """Write a checkpoint folder that `seqzoo.load` reads; `half` stores the weights as float16.

        `texts` adds card files (`README.md`, `metrics.json`, `recipe.yaml`). Written as a whole or not at all; raises
        FileExistsError where `folder` holds something else than a checkpoint.
        """
        config = {
            "task": self.task,
            "architecture": self.architecture,
            "arguments": self.arguments,
            "spec": self.spec._asdict(),
            "labels": self.labels,
            "preprocessing": self.saved_preprocessing,
        }
        self.folder = hub.write(folder, config, self.state_dict(), {**self.saved_texts, **(texts or {})}, half=half)
        return self.folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str | None = None,
        unverified: bool = False,
    ) -> sharing.Pushed:
        """Push the folder that this model was loaded from or last saved to, as `seqzoo.sharing.push` does.

        Raises ValueError too where there is no such folder, or where the model has been changed since.
        """
        if self.folder is None:
            raise ValueError("this model is in no folder yet: save_pretrained it, run seqzoo verify on it, then push")
        saved, own = hub.read(self.folder).tensors, self.state_dict()
        if set(saved) != set(own) or not all(_same(own[name], tensor) for name, tensor in saved.items()):
            raise ValueError(
                f"this model was changed since it was in {self.folder}: save_pretrained it, verify it, then push"
            )
        return sharing.push(
            self.folder,
            repo_id,
            private=private,
            token=token,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            unverified=unverified,
        )


def _same(own: Tensor, saved: Tensor) -> bool:
    """Whether a tensor is the saved one, or would be in half precision."""
    own = own.detach().cpu()
    return torch.equal(own, saved) or (own.is_floating_point() and torch.equal(own.half().float(), saved))
