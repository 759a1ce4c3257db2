"""ECG5000: 5,000 single heartbeats of one patient, normal and four kinds of abnormal."""

import os
from pathlib import Path

from seqzoo.corpora.ucr import UCR

__all__ = ["ECG5000"]


class ECG5000(UCR):
    """Heartbeats of 140 steps (Chen et al., 2015) in the split of the UCR archive of 2018: 500 to train, 4,500 to test.

    Labels are the archive's numbers: 1 normal, 2 R-on-T premature ventricular contraction, 3 premature ventricular
    contraction, 4 supraventricular premature or ectopic beat, 5 unclassified. 58 % are normal, and of 4, 3 and 5 the
    training split has 19, 10 and 2: look at macro F1 beside accuracy. The archive gives each beat with mean 0 and standard
    deviation 1.

    From `data_dir`, else `$SEQZOO_DATA/ecg5000/ECG5000_TRAIN.tsv` (or .ts), else the aeon project's copy of the archive.
    """

    name = "ecg5000"
    citation = (
        "Yanping Chen, Yuan Hao, Thanawin Rakthanmanon et al.: A General Framework for Never-Ending Learning from Time "
        "Series Streams. Data Mining and Knowledge Discovery 29(6), 2015; record chf07 of the BIDMC Congestive Heart "
        "Failure Database on PhysioNet. In the UCR Time Series Archive, 2018."
    )
    limits = [
        "Beats of one patient with severe heart failure, cut out and scaled one by one; no medical device.",
        "Classes: 1 normal, 2 R-on-T premature ventricular contraction, 3 premature ventricular contraction, "
        "4 supraventricular premature or ectopic beat, 5 unclassified; of the last only 24 beats are known.",
    ]

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        max_steps: int = 0,
        scaling: str = "train",
        validation_size: int = 100,
        split_seed: int = 0,
        shift: int = 0,
        noise: float = 0.0,
        gain: float = 0.0,
        time_mask: int = 0,
        channel_mask: int = 0,
    ):
        super().__init__(
            dataset="ECG5000",
            data_dir=data_dir,
            batch_size=batch_size,
            max_steps=max_steps,
            scaling=scaling,
            validation_size=validation_size,
            split_seed=split_seed,
            shift=shift,
            noise=noise,
            gain=gain,
            time_mask=time_mask,
            channel_mask=channel_mask,
        )

    def _folders(self) -> list[Path]:
        root = os.environ.get("SEQZOO_DATA")
        return [Path(root) / self.name] if root and not self.data_dir else super()._folders()
