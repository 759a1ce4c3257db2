"""ECG5000 for anomaly detection: trained on normal heartbeats alone, asked which beats are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from seqzoo.corpora.ecg5000 import ECG5000
from seqzoo.corpora.labelled_series import LabelledSeries

__all__ = ["ECG5000Normal"]

NORMAL, ANOMALY = 0, 1


class ECG5000Normal(ECG5000):
    """The heartbeats of `ecg5000`, class 1 as `normal` and the other four as `anomaly`; its official split.

    A network is trained on the normal beats of the training split but `validation_size` of them; these and all abnormal
    beats of the training split are `validation`, on which the error's distribution and the threshold are chosen.
    """

    name = "ecg5000_normal"
    task = "anomaly-detection"
    labels = ["normal", "anomaly"]

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 32,
        validation_size: int = 60,
        split_seed: int = 0,
        shift: int = 0,
        noise: float = 0.0,
        gain: float = 0.0,
    ):
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            scaling="none",
            validation_size=validation_size,
            split_seed=split_seed,
            shift=shift,
            noise=noise,
            gain=gain,
        )
        self.source = {"type": "ucr", "config": "ECG5000, class 1 against all others"}

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What AnomalyDetector must know beside the preprocessor."""
        return {"method": "reconstruction", "context_length": self.longest}

    def read(self, split: str) -> LabelledSeries:
        """`train` or `test`, whole: series (T, 1) float32, and 0 where one is normal, else 1."""
        whole, known = self._of_classes(split)
        return LabelledSeries(whole.series, np.where(whole.targets == known.index("1"), NORMAL, ANOMALY))

    def _of_classes(self, split: str) -> tuple[LabelledSeries, list[str]]:
        file, known = self._file(split), self._file("train").known
        return LabelledSeries(file.series, np.array([known.index(label) for label in file.labels], np.int64)), known

    def _folders(self) -> list[Path]:
        root = os.environ.get("SEQZOO_DATA")
        return [Path(root) / ECG5000.name] if root and not self.data_dir else super()._folders()

    def calibration(self) -> tuple[list[np.ndarray], np.ndarray]:
        """What the threshold is chosen on: the validation series, and which of them are anomalous."""
        whole = self.series("validation")
        return list(whole.series), np.asarray(whole.targets) == ANOMALY

    def _divide(self, whole: LabelledSeries) -> dict[str, LabelledSeries]:
        normal, anomalous = (np.flatnonzero(whole.targets == kind) for kind in (NORMAL, ANOMALY))
        if not 2 <= self.validation_size < len(normal):
            raise ValueError(
                f"validation_size must be from 2 to below {len(normal)}, the normal series, got {self.validation_size}"
            )
        order = np.random.default_rng(self.split_seed).permutation(normal)
        held = np.sort(np.concatenate([order[: self.validation_size], anomalous]))
        parts = {"train": np.sort(order[self.validation_size :]), "validation": held}
        return {
            name: LabelledSeries([whole.series[index] for index in indices], whole.targets[indices])
            for name, indices in parts.items()
        }
