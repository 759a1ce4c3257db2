"""Training a series classifier: cross-entropy of each series, or of each of its steps; metrics, of events too."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection, SumMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from seqzoo.models.series_classifier import SETTINGS, SeriesClassifier
from seqzoo.preprocessing.events import match, runs
from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor
from seqzoo.specs import LabelledSeriesBatch
from seqzoo.tasks._training import Training, adamw

__all__ = ["TimeSeriesClassification"]


class TimeSeriesClassification(Training):
    """Fits a SeriesClassifier of any architecture that encodes series to any corpus with a class per series, or per step.

    The model is built when the corpus is known, so `model` is None before `fit` unless it was given to `from_model`.
    Optimiser and schedule are recipes' own: `lr_scheduler_interval` is `epoch` or `step`. `class_weights` weighs the loss
    of a class that stands c times among the training targets by c to the power of -class_weights, the mean weight being 1:
    0 weighs all alike, 1 gives each class the same share. Steps of target -100 count nowhere.

    Logged are `train_loss`, `val_loss` in nats per series (or step), `val_accuracy`, `val_macro_f1`, and for `test`; of a
    frame-wise model those are of its steps, and `val_event_f1` is that of events: a found one counts when it has the
    label of a true one and overlaps it by half of their union or more, one to one.
    """

    model: SeriesClassifier | None

    def __init__(
        self,
        architecture: str,
        arguments: dict[str, Any] | None = None,
        *,
        optimizer: OptimizerCallable = adamw,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_scheduler_interval: str = "epoch",
        label_smoothing: float = 0.0,
        class_weights: float = 0.0,
    ):
        super().__init__()
        self._optimise_by(optimizer, lr_scheduler, lr_scheduler_interval)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        if not 0.0 <= class_weights <= 1.0:
            raise ValueError(f"class_weights must be from 0 to 1, got {class_weights}")
        self.save_hyperparameters(ignore=["optimizer", "lr_scheduler"])
        self.check(architecture, arguments)
        self.architecture, self.arguments, self.model = architecture, dict(arguments or {}), None
        self.label_smoothing, self.class_weights = label_smoothing, class_weights
        self.weights: Tensor | None = None

    @staticmethod
    def check(architecture: str, arguments: dict[str, Any] | None = None) -> None:
        """UnknownName or ValueError where no such network can classify a series, found out before any data is read."""
        SeriesClassifier.check(architecture, arguments)

    @classmethod
    def from_model(cls, model: SeriesClassifier, **options: Any) -> TimeSeriesClassification:
        """The task that trains this very model on."""
        task = cls(model.architecture, model.arguments, **options)
        task.model = model
        task._make_metrics()
        return task

    def configure_model(self) -> None:
        if self._trainer is None or self._trainer.datamodule is None:
            return
        data = self.trainer.datamodule
        if self.model is None:
            self._build(data.preprocessor, data.labels, data.preprocessing)
        elif data.preprocessor != self.model.preprocessor or data.labels != self.model.labels:
            raise ValueError(
                "this model was made with another preprocessor or other labels than the corpus has; "
                "set datamodule.preprocessor = model.preprocessor before training it on"
            )

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.class_weights:
            targets = self.trainer.datamodule.targets("train")
            flat = np.concatenate(targets) if isinstance(targets, list) else targets
            counts = np.bincount(flat[flat >= 0], minlength=len(self.model.labels)).clip(min=1)
            weights = counts**-self.class_weights
            weights *= counts.sum() / (counts @ weights)
            self.weights = torch.tensor(weights, dtype=torch.float32, device=self.device)

    def _build(self, preprocessor: LabelledSeriesPreprocessor, labels: list[str], preprocessing: dict[str, Any]) -> None:
        self.model = SeriesClassifier(
            self.architecture, self.arguments, preprocessor=preprocessor, labels=labels, **preprocessing
        )
        self._make_metrics()

    def _make_metrics(self) -> None:
        size, splits = len(self.model.labels), ("val", "test")
        kinds = {
            "accuracy": MulticlassAccuracy(size, average="micro"),
            "macro_f1": MulticlassF1Score(size, average="macro"),
        }
        metrics = MetricCollection(kinds)
        self.metrics = nn.ModuleDict({f"{split}_": metrics.clone(prefix=f"{split}_") for split in splits})
        self.losses = nn.ModuleDict({f"{split}_": MeanMetric() for split in splits})
        events = splits if self.model.framewise else ()
        self.hits = nn.ModuleDict({f"{split}_": SumMetric() for split in events})  # events found and true
        self.total = nn.ModuleDict({f"{split}_": SumMetric() for split in events})  # events found, and those that are true

    def forward(self, batch: LabelledSeriesBatch) -> Tensor:
        """Logits (B, labels), frame-wise (B, T, labels)."""
        return self.model(batch.values, batch.lengths)

    def training_step(self, batch: LabelledSeriesBatch, batch_idx: int) -> Tensor:
        logits, targets = self._counted(self(batch), batch.targets)
        loss = nn.functional.cross_entropy(logits, targets, self.weights, label_smoothing=self.label_smoothing)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch.targets))
        return loss

    def validation_step(self, batch: LabelledSeriesBatch, batch_idx: int) -> None:
        self._measure("val", batch)

    def test_step(self, batch: LabelledSeriesBatch, batch_idx: int) -> None:
        self._measure("test", batch)

    @staticmethod
    def _counted(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(B, labels) and (B,), or (B, T, labels) and (B, T) -> logits (N, labels) and targets (N,) of what counts."""
        counted = targets >= 0
        return logits[counted], targets[counted]

    def _measure(self, split: str, batch: LabelledSeriesBatch) -> None:
        every = self(batch)
        logits, targets = self._counted(every, batch.targets)
        size = len(targets)
        loss, metrics = self.losses[f"{split}_"], self.metrics[f"{split}_"]
        loss.update(nn.functional.cross_entropy(logits, targets), size)
        metrics.update(logits.softmax(-1), targets)
        self.log(f"{split}_loss", loss, prog_bar=True, batch_size=size)
        self.log_dict(metrics, prog_bar=True, batch_size=size)
        if self.model.framewise:
            self._count_events(split, every.double().softmax(-1).cpu().numpy(), batch)

    def _count_events(self, split: str, probabilities: np.ndarray, batch: LabelledSeriesBatch) -> None:
        for rows, classes, length in zip(probabilities, batch.targets.cpu().numpy(), batch.lengths.tolist(), strict=True):
            found = [run for run, _ in self.model.decode(rows[:length])[1]]
            true = runs(classes[:length], self.model.background_index)
            self.hits[f"{split}_"].update(match(found, true))
            self.total[f"{split}_"].update(len(found) + len(true))

    def on_validation_epoch_end(self) -> None:
        self._log_events("val")

    def on_test_epoch_end(self) -> None:
        self._log_events("test")

    def _log_events(self, split: str) -> None:
        if self.model.framewise:
            hits, total = self.hits[f"{split}_"], self.total[f"{split}_"]
            self.log(f"{split}_event_f1", 2 * hits.compute() / total.compute().clamp(min=1), prog_bar=True)
            hits.reset(), total.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seqzoo"] = {
            "preprocessor": self.model.preprocessor.to_json(),
            "labels": self.model.labels,
            "preprocessing": self.model.preprocessing,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint["seqzoo"]
        preprocessor, chosen = LabelledSeriesPreprocessor.from_json(saved["preprocessor"]), saved["preprocessing"]
        if self.model is None:  # load_from_checkpoint, without a trainer
            self._build(preprocessor, saved["labels"], chosen)
        elif preprocessor != self.model.preprocessor:
            raise ValueError(
                "the checkpoint was trained with another preprocessor than this corpus fits; "
                "use the features, scaling, split and data of its recipe"
            )
        if self.model.framewise:
            self.model.set_events(**{name: chosen[name] for name in SETTINGS})
