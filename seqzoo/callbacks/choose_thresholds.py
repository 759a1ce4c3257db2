"""Thresholds of a multi-label model, chosen anew before each validation: those of the highest F1 there."""

import lightning as L
import numpy as np

__all__ = ["ChooseThresholds", "best_threshold"]


class ChooseThresholds(L.Callback):
    """During `fit`, sets the probabilities from which a label is predicted, on the validation texts alone.

    One threshold for all labels, of the highest micro F1; with `per_label`, one for each label that at least
    `min_positives` validation texts have, of the highest F1 of that label (Yang, 2001: thresholds of rare labels overfit),
    and the common one for the rest. Validation metrics are then measured with them, a little too well for that.
    """

    def __init__(self, *, per_label: bool = False, min_positives: int = 10):
        if min_positives < 1:
            raise ValueError(f"min_positives must be at least 1, got {min_positives}")
        self.per_label, self.min_positives = per_label, min_positives

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not pl_module.model.multi_label:
            raise ValueError("thresholds belong to models with several labels per text; remove ChooseThresholds")
        if not trainer.datamodule.validation_size:
            raise ValueError("thresholds are chosen on validation texts; set validation_size above 0, or a threshold")

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        model, data = pl_module.model, trainer.datamodule
        targets = data.targets("validation") == 1
        probabilities = model.logits(data.documents("validation")).double().sigmoid().numpy()
        common = best_threshold(probabilities.ravel(), targets.ravel())
        model.thresholds = [
            best_threshold(probabilities[:, label], targets[:, label])
            if self.per_label and targets[:, label].sum() >= self.min_positives
            else common
            for label in range(targets.shape[1])
        ]


def best_threshold(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The threshold of the highest F1, halfway between two of the probabilities (N,); 0.5 where no text has the label.

    targets: (N,) bool.
    """
    if not targets.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[order]
    scores = 2 * targets[order].cumsum() / (np.arange(1, len(order) + 1) + targets.sum())  # F1 of the first 1, 2, ... N
    scores[:-1][ordered[:-1] == ordered[1:]] = 0.0  # no threshold parts what is equal
    last = int(scores.argmax())
    below = ordered[last + 1] if last + 1 < len(ordered) else 0.0
    return float(ordered[last] + below) / 2
