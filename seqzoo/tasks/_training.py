"""What the tasks share: the recipe's optimiser and schedule, gradient clipping beside fused optimisers."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.plugins import MixedPrecision
from torch import nn

__all__ = ["Training", "adamw"]


def adamw(parameters: Any) -> torch.optim.Optimizer:
    """What trains where a recipe names no optimiser."""
    return torch.optim.AdamW(parameters, lr=1e-3, fused=True)


class Training(L.LightningModule):
    """A task whose `model` is built when the corpus is known; a model without parameters is fitted by doing nothing."""

    model: nn.Module | None
    optimizer: OptimizerCallable
    lr_scheduler: LRSchedulerCallable | None
    interval: str

    def _optimise_by(self, optimizer: OptimizerCallable, lr_scheduler: LRSchedulerCallable | None, interval: str) -> None:
        """Keep the recipe's own; ValueError unless the schedule's interval is `epoch` or `step`."""
        if interval not in ("epoch", "step"):
            raise ValueError(f"lr_scheduler_interval must be epoch or step, got {interval!r}")
        self.optimizer, self.lr_scheduler, self.interval = optimizer, lr_scheduler, interval

    @property
    def learns(self) -> bool:
        """Whether there is anything to train."""
        return any(parameter.requires_grad for parameter in self.model.parameters())

    def on_fit_start(self) -> None:
        self.model.train()  # a loaded model comes in eval mode, in which dropout does nothing

    def configure_optimizers(self) -> Any:
        if not self.learns:
            return None
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
