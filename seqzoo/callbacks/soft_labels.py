"""Distillation on unlabelled texts: teachers' probabilities as targets beside the labelled texts."""

import hashlib
import json
import logging
from pathlib import Path

import lightning as L
import numpy as np

from seqzoo import hub
from seqzoo.callbacks.start_from import check_source
from seqzoo.hub import replace_file

__all__ = ["SoftLabels"]

log = logging.getLogger(__name__)


class SoftLabels(L.Callback):
    """Before training: the mean of several models' probabilities becomes the target of the corpus's unlabelled texts.

    `teachers` are checkpoint names or folders, as `seqzoo.load` takes them, and must have the corpus's labels (Hinton et
    al., 2015; Xie et al., 2020). What they say is kept in `<run folder>/soft_labels.json`, from where a run that starts
    again or is resumed takes it.
    """

    def __init__(self, *, teachers: list[str], split: str = "unsupervised"):
        if not teachers:
            raise ValueError("teachers must name at least one checkpoint")
        if split in ("validation", "test"):
            raise ValueError(f"soft labels must not be made for {split} texts")
        for name in teachers:
            check_source(name)
        self.teachers, self.split = list(teachers), split

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data, probabilities = trainer.datamodule, None
        if trainer.is_global_zero:
            probabilities = self._ask(data, Path(trainer.default_root_dir) / "soft_labels.json")
        probabilities = trainer.strategy.broadcast(probabilities)
        data.add_soft(self.split, probabilities)

    def _ask(self, data: L.LightningDataModule, kept: Path) -> np.ndarray:
        """(N, labels) float32."""
        texts, teachers = data.texts(self.split), [hub.load(name) for name in self.teachers]
        for name, teacher in zip(self.teachers, teachers, strict=True):
            if teacher.labels != data.labels:
                raise ValueError(f"teacher {name} has the labels {teacher.labels}, the corpus {data.labels}")
        asked = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass"))
        for teacher in teachers:
            for tensor in teacher.state_dict().values():
                asked.update(tensor.numpy().tobytes())
        digest = asked.hexdigest()
        if kept.is_file() and (found := json.loads(kept.read_text(encoding="utf-8")))["asked"] == digest:
            return np.array(found["probabilities"], np.float32)
        total = np.zeros((len(texts), len(data.labels)))
        for name, teacher in zip(self.teachers, teachers, strict=True):
            log.info("asking %s about %d texts", name, len(texts))
            total += [list(result.scores.values()) for result in teacher.stream(texts)]
        probabilities = (total / len(self.teachers)).round(5)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(kept) as file:
            file.write(json.dumps({"asked": digest, "probabilities": probabilities.tolist()}).encode())
        return probabilities.astype(np.float32)
