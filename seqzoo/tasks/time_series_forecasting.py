"""Training a forecaster: absolute, squared or quantile error of what was observed; the same errors on held-out windows."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric

from seqzoo.models.forecaster import Forecaster
from seqzoo.preprocessing.series import SeriesPreprocessor
from seqzoo.specs import SeriesBatch
from seqzoo.tasks._training import Training, adamw

__all__ = ["TimeSeriesForecasting"]

LOSSES = ("mae", "mse", "huber", "quantile")


class TimeSeriesForecasting(Training):
    """Fits a Forecaster of any architecture that encodes or forecasts series to any corpus of windows.

    The model is built when the corpus is known, so `model` is None before `fit` unless it was given to `from_model`.
    Optimiser and schedule are recipes' own: `lr_scheduler_interval` is `epoch` or `step`. `loss` is `mae`, `mse` or `huber`
    (quadratic below 1) of the standardised targets, or `quantile` (Koenker and Bassett, 1978: the mean over `quantiles` of
    max(q e, (q - 1) e), e = target - forecast), which `quantiles` ask for. `change` and `quantiles` as in Forecaster.
    Missing targets count nowhere. A network without parameters is measured only.

    Logged are `train_loss`, `val_loss`, `val_mse` of standardised targets, and `val_mae`, in the target's unit where there
    is one target and standardised where there are several (of quantiles: of the median); the same for `test`.
    """

    model: Forecaster | None

    def __init__(
        self,
        architecture: str,
        arguments: dict[str, Any] | None = None,
        *,
        optimizer: OptimizerCallable = adamw,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_scheduler_interval: str = "epoch",
        loss: str = "mae",
        change: bool = True,
        quantiles: list[float] | None = None,
    ):
        super().__init__()
        self._optimise_by(optimizer, lr_scheduler, lr_scheduler_interval)
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
        if (loss == "quantile") != (quantiles is not None):
            raise ValueError(f"quantiles and the loss quantile belong together, got {quantiles!r} and {loss!r}")
        self.save_hyperparameters(ignore=["optimizer", "lr_scheduler"])
        Forecaster.check(architecture, arguments, quantiles)
        self.architecture, self.arguments, self.model = architecture, dict(arguments or {}), None
        self.loss, self.change, self.quantiles = loss, change, quantiles

    @staticmethod
    def check(architecture: str, arguments: dict[str, Any] | None = None) -> None:
        """UnknownName or ValueError where no such network can forecast, found out before any data is read."""
        Forecaster.check(architecture, arguments)

    @classmethod
    def from_model(cls, model: Forecaster, **options: Any) -> TimeSeriesForecasting:
        """The task that trains this very model on."""
        options = {"loss": "quantile" if model.quantiles else "mae", **options}
        task = cls(model.architecture, model.arguments, change=model.change, quantiles=model.quantiles, **options)
        task.model = model
        task._make_metrics()
        return task

    def configure_model(self) -> None:
        if self._trainer is None or self._trainer.datamodule is None:
            return
        data = self.trainer.datamodule
        if self.model is None:
            self._build(data.preprocessor, **data.options)
        elif data.preprocessor != self.model.preprocessor or data.options != self._options():
            raise ValueError(
                "this model was made with another preprocessor or other windows than the corpus has; set "
                f"datamodule.preprocessor = model.preprocessor, and the corpus's {', '.join(self._options())} as the model's"
            )

    def _options(self) -> dict[str, int]:
        """The windows that the model is made for."""
        names = ("context_length", "horizon", "sampling_step", "delay")
        return {name: getattr(self.model, name) for name in names}

    def _build(self, preprocessor: SeriesPreprocessor, **options: Any) -> None:
        chosen = {"change": self.change, "quantiles": self.quantiles}
        self.model = Forecaster(self.architecture, self.arguments, preprocessor=preprocessor, **{**chosen, **options})
        self._make_metrics()

    def _make_metrics(self) -> None:
        _, spread = self.model.preprocessor.target_scale
        self.scale = float(spread[0]) if len(spread) == 1 else 1.0
        self.metrics = nn.ModuleDict(
            {f"{split}_{kind}": MeanMetric() for split in ("val", "test") for kind in ("loss", "mae", "mse")}
        )

    def forward(self, batch: SeriesBatch) -> Tensor:
        """(B, H, K), with quantiles (B, H, K, Q); standardised."""
        return self.model(batch.past)

    def training_step(self, batch: SeriesBatch, batch_idx: int) -> Tensor | None:
        if not self.learns:
            return None
        loss = self._mean(self._losses(self(batch), batch.future), batch.observed)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch.past))
        return loss

    def _losses(self, forecast: Tensor, future: Tensor) -> Tensor:
        """(B, H, K), or with quantiles (B, H, K, Q) -> (B, H, K)."""
        if self.loss == "quantile":
            error, at = future[..., None] - forecast, forecast.new_tensor(self.quantiles)
            return (at * error).maximum((at - 1.0) * error).mean(-1)
        function = {"mae": nn.functional.l1_loss, "mse": nn.functional.mse_loss, "huber": nn.functional.huber_loss}
        return function[self.loss](forecast, future, reduction="none")

    @staticmethod
    def _mean(values: Tensor, observed: Tensor) -> Tensor:
        return (values * observed).sum() / observed.sum().clamp(min=1)

    def validation_step(self, batch: SeriesBatch, batch_idx: int) -> None:
        self._measure("val", batch)

    def test_step(self, batch: SeriesBatch, batch_idx: int) -> None:
        self._measure("test", batch)

    def _measure(self, split: str, batch: SeriesBatch) -> None:
        forecast, size = self(batch), len(batch.past)
        median = forecast[..., self.quantiles.index(0.5)] if self.quantiles else forecast
        error = median - batch.future
        count = batch.observed.sum()
        if not count:
            return
        values = {"loss": self._losses(forecast, batch.future), "mae": self.scale * error.abs(), "mse": error.square()}
        for kind, value in values.items():
            metric = self.metrics[f"{split}_{kind}"]
            metric.update(self._mean(value, batch.observed), count)
            self.log(f"{split}_{kind}", metric, prog_bar=True, batch_size=size)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seqzoo"] = {
            "preprocessor": self.model.preprocessor.to_json(),
            "options": {**self._options(), "change": self.model.change, "quantiles": self.model.quantiles},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint["seqzoo"]
        preprocessor = SeriesPreprocessor.from_json(saved["preprocessor"])
        if self.model is None:  # load_from_checkpoint, without a trainer
            self._build(preprocessor, **saved["options"])
        elif preprocessor != self.model.preprocessor:
            raise ValueError(
                "the checkpoint was trained with another preprocessor than this corpus fits; "
                "use the targets, calendar, split and data of its recipe"
            )
        elif differing := [name for name, value in saved["options"].items() if getattr(self.model, name) != value]:
            name = differing[0]
            raise ValueError(
                f"the checkpoint was trained with {name} {saved['options'][name]!r}, and here it is "
                f"{getattr(self.model, name)!r}; use that of its recipe"
            )
