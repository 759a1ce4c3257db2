"""How a frame-wise model's steps become events, chosen anew before each validation: what has the highest event F1 there."""

from collections.abc import Sequence
from itertools import product

import lightning as L
import numpy as np

from seqzoo.preprocessing.events import candidates, keep, match, runs

__all__ = ["ChooseEvents", "best_settings"]


class ChooseEvents(L.Callback):
    """During `fit`, sets the model's `median_steps`, `minimum_steps` and `threshold` by the validation series alone.

    Every combination of the given values is tried; of equal ones the first is taken. Validation metrics of events are then
    measured with them, a little too well for that.
    """

    def __init__(
        self,
        *,
        median_steps: list[int] | None = None,
        minimum_steps: list[int] | None = None,
        threshold: list[float] | None = None,
    ):
        """By default 1, 5, 11 and 17 steps; 1, 5, 10, 15 and 20 steps; and 0, .4, .5, .6 and .7."""
        self.grid = {
            "median_steps": median_steps or [1, 5, 11, 17],
            "minimum_steps": minimum_steps or [1, 5, 10, 15, 20],
            "threshold": threshold or [0.0, 0.4, 0.5, 0.6, 0.7],
        }

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not pl_module.model.framewise:
            raise ValueError("events belong to models that classify every step; remove ChooseEvents")
        if not trainer.datamodule.inputs("validation"):
            raise ValueError("how steps become events is chosen on validation series, and this corpus holds none out")

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        model, data = pl_module.model, trainer.datamodule
        probabilities = model.probabilities(data.inputs("validation"))
        chosen = best_settings(probabilities, data.targets("validation"), model.background_index, self.grid)
        model.set_events(background=model.background, **chosen)


def best_settings(
    probabilities: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    background: int | None,
    grid: dict[str, list[int] | list[float]],
) -> dict[str, int | float]:
    """Of all combinations in `grid`, that of the highest F1 of events, by (T, labels) and (T,) classes of each series."""
    true = [runs(classes, background) for classes in targets]
    best, chosen = -1.0, {}
    for median_steps in grid["median_steps"]:
        scored = [candidates(rows, background, median_steps)[1] for rows in probabilities]
        for minimum_steps, threshold in product(grid["minimum_steps"], grid["threshold"]):
            found = [[run for run, _ in keep(one, minimum_steps, threshold)] for one in scored]
            hits = sum(match(*pair) for pair in zip(found, true, strict=True))
            score = 2 * hits / max(sum(map(len, found)) + sum(map(len, true)), 1)
            if score > best:
                best = score
                chosen = {"median_steps": median_steps, "minimum_steps": minimum_steps, "threshold": threshold}
    return chosen
