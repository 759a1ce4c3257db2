"""Distillation on unlabelled texts: teachers' probabilities as targets beside the labelled texts."""

import hashlib
import json
import logging
import os
from pathlib import Path

import lightning as L
import numpy as np
import safetensors.numpy
from safetensors import safe_open

from seqzoo import hub
from seqzoo.callbacks.start_from import check_source
from seqzoo.embeddings import paragraph_vectors
from seqzoo.hub import replace_file

__all__ = ["SoftLabels"]

log = logging.getLogger(__name__)


class SoftLabels(L.Callback):
    """Before training: the mean of several models' probabilities becomes the target of the corpus's unlabelled texts.

    `teachers` are checkpoint names or folders, as `seqzoo.load` takes them, and must have the corpus's labels (Hinton et
    al., 2015; Xie et al., 2020). What they say is kept in `<run folder>/soft_labels.json`, from where a run that starts
    again or is resumed takes it. `paragraph_vectors` adds one more teacher, which no checkpoint can be: vectors of the
    labelled and the unlabelled texts, trained together on their n-grams, and a logistic regression on the former; they
    are kept in `<run folder>/paragraph_vectors.safetensors` and are for texts of one label.
    """

    def __init__(self, *, teachers: list[str], split: str = "unsupervised", paragraph_vectors: bool = False):
        if not teachers:
            raise ValueError("teachers must name at least one checkpoint")
        if split in ("validation", "test"):
            raise ValueError(f"soft labels must not be made for {split} texts")
        for name in teachers:
            check_source(name)
        self.teachers, self.split, self.paragraph_vectors = list(teachers), split, paragraph_vectors

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
        if self.paragraph_vectors:
            asked.update(b"paragraph vectors")
        digest = asked.hexdigest()
        if kept.is_file() and (found := json.loads(kept.read_text(encoding="utf-8")))["asked"] == digest:
            return np.array(found["probabilities"], np.float32)
        total = np.zeros((len(texts), len(data.labels)))
        for name, teacher in zip(self.teachers, teachers, strict=True):
            log.info("asking %s about %d texts", name, len(texts))
            total += [list(result.scores.values()) for result in teacher.stream(texts)]
        if self.paragraph_vectors:
            total += self._classify(data, kept.with_name("paragraph_vectors.safetensors"))
        probabilities = (total / (len(self.teachers) + self.paragraph_vectors)).round(5)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(kept) as file:
            file.write(json.dumps({"asked": digest, "probabilities": probabilities.tolist()}).encode())
        return probabilities.astype(np.float32)

    def _classify(self, data: L.LightningDataModule, kept: Path) -> np.ndarray:
        """(N, labels): what paragraph vectors say of the split's texts."""
        if data.multi_label:
            raise ValueError("paragraph_vectors are for texts of one label; leave them out")
        labelled = data.texts("train")
        texts = [*labelled, *data.texts(self.split)]
        made = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
        vectors = _read(kept, made)
        if vectors is None:
            log.info("training paragraph vectors of %d texts", len(texts))
            vectors = paragraph_vectors.train(texts, workers=os.cpu_count() or 1)
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(kept) as file:
                file.write(safetensors.numpy.save({"vectors": vectors}, metadata={"texts": made}))
        known, unknown = vectors[: len(labelled)], vectors[len(labelled) :]
        return paragraph_vectors.classify(known, data.targets("train"), unknown, len(data.labels))


def _read(kept: Path, made: str) -> np.ndarray | None:
    """Vectors kept for these very texts, or None."""
    if not kept.is_file():
        return None
    with safe_open(kept, framework="numpy") as file:
        return file.get_tensor("vectors") if (file.metadata() or {}).get("texts") == made else None
