"""Training a text classifier: cross-entropy, or binary cross-entropy where a text may have several labels; metrics."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import (
    BinaryF1Score,
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassF1Score,
    MulticlassMatthewsCorrCoef,
    MultilabelExactMatch,
    MultilabelF1Score,
)

from seqzoo import catalog
from seqzoo.models.text_classifier import TextClassifier
from seqzoo.preprocessing.tokenizer import Tokenizer
from seqzoo.specs import TextBatch
from seqzoo.tasks._training import Training, adamw

__all__ = ["TextClassification"]


class TextClassification(Training):
    """Fits a TextClassifier of any text architecture to any corpus with one class, or any number of labels, per text.

    The model is built when the corpus is known, so `model` is None before `fit` unless it was given to `from_model`.
    Optimiser and schedule are recipes' own: `lr_scheduler_interval` is `epoch` or `step`. `threshold` is the probability
    from which a multi-label model predicts a label, where nothing else (ChooseThresholds) chooses it. With `hinge_margin`
    the training loss is not cross-entropy but that of a linear support vector machine (Rennie and Rifkin, 2001): each label
    against the rest, max(0, margin - logit)^2 for a text that has it, with the logit's sign turned for one that has not.

    Logged are `train_loss`, `val_loss` and the same for `test`, in nats per text (of several labels: binary cross-entropy,
    summed over the labels), and beside them, named as in seqzoo.verification.evaluate: `val_accuracy`, `val_macro_f1`,
    `val_micro_f1`, `val_mcc`, `val_calibration_error`, and of two classes `val_positive_f1`; of several labels
    `val_micro_f1`, `val_macro_f1`, `val_exact_match`.
    """

    model: TextClassifier | None

    def __init__(
        self,
        architecture: str,
        arguments: dict[str, Any] | None = None,
        *,
        optimizer: OptimizerCallable = adamw,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_scheduler_interval: str = "epoch",
        label_smoothing: float = 0.0,
        threshold: float | None = None,
        hinge_margin: float | None = None,
        adversarial_norm: float = 0.0,
    ):
        """`adversarial_norm` above 0 adds adversarial training (Miyato et al., 2017, equations 3 to 6): the loss on word
        vectors moved against the model, each text's by that length, in units of the embedding's standard deviation. It
        takes twice the time and needs a network with an `embedding`; 5 is the paper's.
        """
        super().__init__()
        self._optimise_by(optimizer, lr_scheduler, lr_scheduler_interval)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        if not 0.0 <= adversarial_norm < math.inf:
            raise ValueError(f"adversarial_norm must be at least 0, got {adversarial_norm}")
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold must be from 0 to 1, got {threshold}")
        if hinge_margin is not None and not hinge_margin > 0.0:
            raise ValueError(f"hinge_margin must be above 0, got {hinge_margin}")
        if hinge_margin is not None and label_smoothing:
            raise ValueError(f"label_smoothing belongs to cross-entropy, got {label_smoothing} beside hinge_margin")
        self.save_hyperparameters(ignore=["optimizer", "lr_scheduler"])
        self.check(architecture, arguments)
        self.architecture, self.arguments, self.model = architecture, dict(arguments or {}), None
        self.label_smoothing, self.threshold, self.hinge_margin = label_smoothing, threshold, hinge_margin
        self.adversarial_norm = adversarial_norm

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
        if self.adversarial_norm and getattr(self.model.network, "embedding", None) is None:
            raise ValueError(f"adversarial_norm needs a network with an embedding; {self.architecture} has none")
        super().on_fit_start()

    def _build(self, tokenizer: Tokenizer, labels: list[str], preprocessing: dict[str, Any]) -> None:
        self.model = TextClassifier(self.architecture, self.arguments, tokenizer=tokenizer, labels=labels, **preprocessing)
        self._make_metrics()

    def _make_metrics(self) -> None:
        """Also the place where what the task was asked is held against the kind of model that it trains."""
        size = len(self.model.labels)
        if self.model.multi_label:
            if self.label_smoothing:
                raise ValueError(f"label_smoothing is for one class per text, got {self.label_smoothing} for several labels")
            if self.threshold is not None:
                self.model.thresholds = [self.threshold] * size
            kinds = {
                "micro_f1": MultilabelF1Score(size, average="micro"),
                "macro_f1": MultilabelF1Score(size, average="macro"),
                "exact_match": MultilabelExactMatch(size),
            }
        else:
            if self.threshold is not None:
                raise ValueError(f"threshold is for several labels per text, got {self.threshold} for one class")
            kinds = {
                "accuracy": MulticlassAccuracy(size, average="micro"),
                "macro_f1": MulticlassF1Score(size, average="macro"),
                "micro_f1": MulticlassF1Score(size, average="micro"),
                "mcc": MulticlassMatthewsCorrCoef(size),
                "calibration_error": MulticlassCalibrationError(size, n_bins=15, norm="l1"),
            }
        splits = ("val", "test")
        metrics = MetricCollection(kinds)
        self.metrics = nn.ModuleDict({f"{split}_": metrics.clone(prefix=f"{split}_") for split in splits})
        self.losses = nn.ModuleDict({f"{split}_": MeanMetric() for split in splits})
        binary = size == 2 and not self.model.multi_label
        self.positive = nn.ModuleDict({f"{split}_": BinaryF1Score() for split in splits} if binary else {})

    def forward(self, batch: TextBatch) -> Tensor:
        """Logits (B, labels)."""
        return self.model(batch.tokens, batch.lengths)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        if self.adversarial_norm:
            loss, total = self._adversarial(batch)
        else:
            loss = total = self._training_loss(batch)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch.targets))
        return total

    def _training_loss(self, batch: TextBatch) -> Tensor:
        logits, targets = self(batch), batch.targets
        if self.hinge_margin is not None:
            return self._hinge(logits, targets)
        return self._loss(logits, targets, self.label_smoothing)

    def _adversarial(self, batch: TextBatch) -> tuple[Tensor, Tensor]:
        """The loss, and what to differentiate: the loss and that on the worst word vectors nearby, to first order.

        One backward pass gives the direction and the loss's own gradients; these reach the optimiser through a term
        whose value is 0 and whose gradient they are, so that the trainer sees one loss (and all processes one backward).
        Both passes drop the same units.
        """
        embedding, seen = self.model.network.embedding, []
        devices = [self.device] if self.device.type == "cuda" else []

        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            seen.append(output if output.requires_grad else output.requires_grad_())  # a frozen embedding's too

        watch = embedding.register_forward_hook(keep)
        with torch.random.fork_rng(devices), watch:
            loss = self._training_loss(batch)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        (slope,) = seen
        *gradients, slope = torch.autograd.grad(loss, [*weights, slope], allow_unused=True)
        length = slope.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
        shift = slope * (self.adversarial_norm * embedding.weight.detach().std() / length)  # eps g / |g|, equation 5
        move = embedding.register_forward_hook(lambda _, __, output: output + shift)
        with move:
            worst = self._training_loss(batch)
        pairs = [(weight, gradient) for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None]
        carried = sum((weight * gradient).sum() for weight, gradient in pairs)
        return loss.detach(), worst + carried - carried.detach()

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        self._measure("val", batch)

    def test_step(self, batch: TextBatch, batch_idx: int) -> None:
        self._measure("test", batch)

    def _loss(self, logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Nats per text: of several labels, (B, labels) of 0 and 1 or between, summed over them."""
        if self.model.multi_label:
            return nn.functional.binary_cross_entropy_with_logits(logits, targets.float(), reduction="sum") / len(targets)
        return nn.functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)

    def _hinge(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Squared hinge per text, summed over the labels; targets (B,), or (B, labels) of 0 and 1 or between."""
        signs = 2 * (nn.functional.one_hot(targets, logits.shape[1]) if targets.ndim == 1 else targets) - 1
        return (self.hinge_margin - signs * logits).clamp(min=0).square().sum() / len(targets)

    def _measure(self, split: str, batch: TextBatch) -> None:
        logits = self(batch)
        size = len(batch.targets)
        loss, metrics = self.losses[f"{split}_"], self.metrics[f"{split}_"]
        loss.update(self._loss(logits, batch.targets), size)
        if self.model.multi_label:
            predicted = logits.double().sigmoid() >= torch.tensor(self.model.thresholds, device=logits.device).double()
            metrics.update(predicted.long(), batch.targets)
        else:
            metrics.update(logits.softmax(-1), batch.targets)
        self.log(f"{split}_loss", loss, prog_bar=True, batch_size=size)
        self.log_dict(metrics, prog_bar=True, batch_size=size)
        if self.positive:
            self.positive[f"{split}_"].update((logits[:, 1] > logits[:, 0]).long(), batch.targets)
            self.log(f"{split}_positive_f1", self.positive[f"{split}_"], batch_size=size)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seqzoo"] = {
            "tokenizer": self.model.tokenizer.to_json(),
            "labels": self.model.labels,
            "preprocessing": {**self.model.preprocessing, **self.model.tokenizer.settings},
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
        self.model.thresholds = saved["preprocessing"].get("thresholds")
