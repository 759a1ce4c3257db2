"""Training an anomaly detector: the error of the next row's forecast, or of the series given back; then its threshold."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric

from seqzoo import catalog
from seqzoo.models.anomaly_detector import METHODS, AnomalyDetector
from seqzoo.specs import LabelledSeriesBatch
from seqzoo.tasks._training import Training, adamw

__all__ = ["AnomalyDetection"]

LOSSES = {"mae": nn.functional.l1_loss, "mse": nn.functional.mse_loss}
CALIBRATED = ("threshold", "error_mean", "error_std")


class AnomalyDetection(Training):
    """Fits an AnomalyDetector to what is normal: a causal network to foretell streams, an autoencoder to give series back.

    The model is built when the corpus is known, so `model` is None before `fit` unless it was given to `from_model`.
    Optimiser and schedule are recipes' own: `lr_scheduler_interval` is `epoch` or `step`. `loss` is `mae` or `mse` of scaled
    values. Before each validation the model is calibrated on the corpus's `calibration()`: see AnomalyDetector.calibrate,
    also for `false_alarms`.

    Logged are `train_loss`; `val_loss`, the same loss on validation pieces (of series, the abnormal ones are left out); and
    `val_threshold`.
    """

    model: AnomalyDetector | None

    def __init__(
        self,
        architecture: str,
        arguments: dict[str, Any] | None = None,
        *,
        optimizer: OptimizerCallable = adamw,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_scheduler_interval: str = "epoch",
        loss: str = "mae",
        false_alarms: float = 0.002,
    ):
        super().__init__()
        self._optimise_by(optimizer, lr_scheduler, lr_scheduler_interval)
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
        if not 0.0 < false_alarms < 1.0:
            raise ValueError(f"false_alarms must be a share between 0 and 1, got {false_alarms!r}")
        self.save_hyperparameters(ignore=["optimizer", "lr_scheduler"])
        self.check(architecture, arguments)
        self.architecture, self.arguments, self.model = architecture, dict(arguments or {}), None
        self.loss, self.false_alarms = loss, false_alarms

    @staticmethod
    def check(architecture: str, arguments: dict[str, Any] | None = None) -> None:
        """UnknownName or ValueError where no such network can find anomalies, found out before any data is read."""
        gives = getattr(catalog.resolve("architectures", architecture), "gives", "encoded")
        method = "reconstruction" if gives == "reconstruction" else "forecast"
        AnomalyDetector.check(architecture, arguments, method)

    @classmethod
    def from_model(cls, model: AnomalyDetector, **options: Any) -> AnomalyDetection:
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
            self._build(**data.model_arguments)
        elif data.preprocessor != self.model.preprocessor:
            raise ValueError(
                "this model was made with another preprocessor than the corpus has; "
                "set datamodule.preprocessor = model.preprocessor before training it on"
            )

    def _build(self, **options: Any) -> None:
        self.model = AnomalyDetector(self.architecture, self.arguments, **options)
        self._make_metrics()

    def _make_metrics(self) -> None:
        self.val_loss = MeanMetric()

    def forward(self, batch: LabelledSeriesBatch) -> Tensor:
        """Forecasts (B, T), or reconstructions (B, T, C)."""
        return self.model(batch.values, batch.lengths)

    def _error(self, batch: LabelledSeriesBatch) -> Tensor:
        """The loss, mean over all rows of all pieces that are foretold or given back."""
        told, values = self(batch), batch.values
        ahead = int(self.model.method == "forecast")
        if ahead:
            told, values = told[:, :-1], values[:, 1:, 0]
        steps = torch.arange(told.shape[1], device=told.device)
        within = (steps < batch.lengths.to(told.device)[:, None] - ahead).to(told.dtype)
        errors = LOSSES[self.loss](told, values, reduction="none")
        if errors.ndim == 3:
            errors = errors.mean(-1)
        return (errors * within).sum() / within.sum().clamp(min=1.0)

    def training_step(self, batch: LabelledSeriesBatch, batch_idx: int) -> Tensor:
        loss = self._error(batch)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch.values))
        return loss

    def on_validation_start(self) -> None:
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            series, anomalous = self.trainer.datamodule.calibration()
            self.model.calibrate(series, anomalous, false_alarms=self.false_alarms)

    def validation_step(self, batch: LabelledSeriesBatch, batch_idx: int) -> None:
        normal = batch.targets <= 0  # an unknown one counts as normal
        if normal.any():
            batch = LabelledSeriesBatch(*(part[normal.to(part.device)] for part in batch))
            self.val_loss.update(self._error(batch), len(batch.values))
        self.log("val_loss", self.val_loss, prog_bar=True, batch_size=len(batch.values))
        self.log("val_threshold", self.model.threshold, batch_size=len(batch.values))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seqzoo"] = {
            "preprocessor": self.model.preprocessor.to_json(),
            "labels": self.model.labels,
            "preprocessing": self.model.preprocessing,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint["seqzoo"]
        chosen = saved["preprocessing"]
        preprocessor = METHODS[chosen["method"]].from_json(saved["preprocessor"])
        if self.model is None:  # load_from_checkpoint, without a trainer
            self._build(preprocessor=preprocessor, labels=saved["labels"], **chosen)
        elif preprocessor != self.model.preprocessor:
            raise ValueError(
                "the checkpoint was trained with another preprocessor than this corpus has; use the data of its recipe"
            )
        self.model.set_calibration(**{name: chosen[name] for name in CALIBRATED if name in chosen})
