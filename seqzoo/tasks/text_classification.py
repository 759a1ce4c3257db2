"""Training a text classifier: cross-entropy, accuracy, macro F1, log loss."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from seqzoo import catalog
from seqzoo.models.text_classifier import TextClassifier
from seqzoo.preprocessing.tokenizer import Tokenizer
from seqzoo.specs import TextBatch

__all__ = ["TextClassification"]


def _adamw(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-3, fused=True)


class TextClassification(L.LightningModule):
    """Fits a TextClassifier of any text architecture to any corpus with one class per text.

    The model is built when the corpus is known, so `model` is None before `fit` unless it was given to `from_model`.
    Optimiser and schedule are recipes' own: `lr_scheduler_interval` is `epoch` or `step`. Logged are `train_loss`,
    `val_loss`, `val_accuracy`, `val_macro_f1` and the same for `test`; losses are nats per text.
    """

    model: TextClassifier | None

    def __init__(
        self,
        architecture: str,
        arguments: dict[str, Any] | None = None,
        *,
        optimizer: OptimizerCallable = _adamw,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_scheduler_interval: str = "epoch",
        label_smoothing: float = 0.0,
    ):
        super().__init__()
        if lr_scheduler_interval not in ("epoch", "step"):
            raise ValueError(f"lr_scheduler_interval must be epoch or step, got {lr_scheduler_interval!r}")
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        self.save_hyperparameters(ignore=["optimizer", "lr_scheduler"])
        self.check(architecture, arguments)
        self.architecture, self.arguments, self.model = architecture, dict(arguments or {}), None
        self.optimizer, self.lr_scheduler, self.interval = optimizer, lr_scheduler, lr_scheduler_interval
        self.label_smoothing = label_smoothing

    @staticmethod
    def check(architecture: str, arguments: dict[str, Any] | None = None) -> None:
        """UnknownName or ValueError where no such network can be made, found out before any data is read."""
        network = catalog.resolve("architectures", architecture)
        catalog.check_arguments(architecture, network, arguments or {})

    @classmethod
    def from_model(cls, model: TextClassifier, **options: Any) -> TextClassification:
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
            self._build(data.tokenizer, data.labels, data.preprocessing)
        elif data.tokenizer != self.model.tokenizer or data.labels != self.model.labels:
            raise ValueError(
                "this model was made with another tokenizer or other labels than the corpus has; "
                "set datamodule.tokenizer = model.tokenizer before training it on"
            )

    def on_fit_start(self) -> None:
        self.model.train()  # a loaded model comes in eval mode, in which dropout does nothing

    def _build(self, tokenizer: Tokenizer, labels: list[str], preprocessing: dict[str, Any]) -> None:
        self.model = TextClassifier(self.architecture, self.arguments, tokenizer=tokenizer, labels=labels, **preprocessing)
        self._make_metrics()

    def _make_metrics(self) -> None:
        size = len(self.model.labels)
        metrics = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(size, average="micro"),
                "macro_f1": MulticlassF1Score(size, average="macro"),
            }
        )
        self.metrics = nn.ModuleDict({f"{split}_": metrics.clone(prefix=f"{split}_") for split in ("val", "test")})
        self.losses = nn.ModuleDict({f"{split}_": MeanMetric() for split in ("val", "test")})

    def forward(self, batch: TextBatch) -> Tensor:
        """Logits (B, labels)."""
        return self.model(batch.tokens, batch.lengths)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        loss = nn.functional.cross_entropy(self(batch), batch.targets, label_smoothing=self.label_smoothing)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch.targets))
        return loss

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        self._measure("val", batch)

    def test_step(self, batch: TextBatch, batch_idx: int) -> None:
        self._measure("test", batch)

    def _measure(self, split: str, batch: TextBatch) -> None:
        logits = self(batch)
        size = len(batch.targets)
        loss, metrics = self.losses[f"{split}_"], self.metrics[f"{split}_"]
        loss.update(nn.functional.cross_entropy(logits, batch.targets), size)
        metrics.update(logits, batch.targets)
        self.log(f"{split}_loss", loss, prog_bar=True, batch_size=size)
        self.log_dict(metrics, prog_bar=True, batch_size=size)

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.model.parameters())
        if self.lr_scheduler is None:
            return optimizer
        schedule = {"scheduler": self.lr_scheduler(optimizer), "interval": self.interval}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Lightning refuses to clip for fused optimisers, which unscale late; without a scaler nothing is scaled."""
        plugin = self.trainer.precision_plugin
        unscaled = isinstance(plugin, MixedPrecision) and plugin.scaler is None
        if gradient_clip_val and unscaled and gradient_clip_algorithm in (None, "norm"):
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seqzoo"] = {
            "tokenizer": self.model.tokenizer.to_json(),
            "labels": self.model.labels,
            "preprocessing": {"max_tokens": self.model.max_tokens, "keep": self.model.keep, **self.model.tokenizer.settings},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint["seqzoo"]
        tokenizer, preprocessing = Tokenizer.from_checkpoint(saved["tokenizer"], saved["preprocessing"])
        if self.model is None:  # load_from_checkpoint, without a trainer
            self._build(tokenizer, saved["labels"], preprocessing)
        elif tokenizer != self.model.tokenizer:
            raise ValueError(
                "the checkpoint was trained with another tokenizer than this corpus fits; "
                "use the vocab_size, min_frequency, split and data of its recipe"
            )
