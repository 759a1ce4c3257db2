"""Statistics that a network takes from the training texts before the first step: n-grams, idf, naive-Bayes ratios."""

import lightning as L

__all__ = ["FitStatistics"]


class FitStatistics(L.Callback):
    """Calls `network.fit_statistics` once, on the training split; a run that is resumed keeps what it has."""

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.ckpt_path is not None:
            return
        network, data = pl_module.model.network, trainer.datamodule
        if not hasattr(network, "fit_statistics"):
            raise ValueError(f"architecture {pl_module.architecture} has no statistics to fit; remove FitStatistics")
        known = {"vocabulary": data.tokenizer.words} if getattr(network, "needs_vocabulary", False) else {}
        network.fit_statistics(data.documents("train"), data.targets("train"), len(data.labels), **known)
