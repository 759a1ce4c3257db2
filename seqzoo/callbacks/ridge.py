"""Ridge: a penalty on large weights that counts less the more texts there are."""

import lightning as L
import torch

__all__ = ["Ridge"]


class Ridge(L.Callback):
    """Before training: the optimiser's `weight_decay` becomes `strength` / number of training texts.

    So that mean loss + weight_decay / 2 |w|^2 is, but for a factor, the sum of the texts' losses + strength / 2 |w|^2: one
    strength serves 200 texts and 20,000. For optimisers that add weight decay to the gradient, as Adam and SGD do; AdamW
    and others that keep it apart are refused.
    """

    def __init__(self, *, strength: float):
        if strength <= 0:
            raise ValueError(f"strength must be above 0, got {strength}")
        self.strength = strength

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        size = len(trainer.datamodule.training_set()[0])
        for optimizer in trainer.optimizers:
            apart = isinstance(optimizer, torch.optim.AdamW)
            for group in optimizer.param_groups:
                if apart or "weight_decay" not in group or group.get("decoupled_weight_decay"):
                    raise ValueError(
                        f"Ridge needs weight decay in the gradient, as Adam has it; not {type(optimizer).__name__}"
                    )
                group["weight_decay"] = self.strength / size
