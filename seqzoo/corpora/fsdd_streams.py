"""Streams of spoken digits: recordings of the Free Spoken Digit Dataset spliced, for finding which digit is said when."""

from __future__ import annotations

import numpy as np
from torch.utils.data import DataLoader

from seqzoo.corpora.fsdd import FSDD, RATE
from seqzoo.corpora.labelled_series import LabelledSeries

__all__ = ["FSDDStreams"]

SPLITS = ("train", "validation", "test")
HELD_OUT = {"validation": 50, "test": 100}  # streams
GAP = (0.1, 1.0)  # seconds before each digit and after the last
GAIN = 6.0  # decibels by which a recording is made louder or softer, at most


class FSDDStreams(FSDD):
    """Streams of `digits` recordings each, one after another with 0.1 to 1 s between, drawn from a seed; every sample has a
    class: `silence`, or the digit that is being said.

    Training streams (`num_streams`), 50 validation and 100 test streams are spliced from the recordings of FSDD's own train,
    validation and test split alone, each recording as often as any other. Each is made up to 6 decibels louder or softer,
    and over each whole stream lies white noise of a standard deviation up to `background_noise`, drawn on a logarithmic
    scale from 1, in units of 16-bit samples (the mean size of a sample is 220 with the softest speakers, 1,800 with the
    loudest). With `redraw` and the trainer's `reload_dataloaders_every_n_epochs: 1`, every epoch has new training streams.

    Files as of FSDD.
    """

    name = "fsdd_streams"
    labels = ["silence", *FSDD.labels]
    source = {"type": "Jakobovski/free-spoken-digit-dataset", "config": "v1.0.10, spliced"}
    limits = [
        "Six men's voices, all of them in the training split too: a new speaker, or another accent, is not measured.",
        "Single words with 0.1 to 1 s of silence or faint white noise between; running speech and other noise are not "
        "measured.",
    ]
    framewise = True
    background = "silence"
    drawn = True

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 16,
        features: str = "log-mel",
        frame: int = 200,
        hop: int = 80,
        n_mels: int = 40,
        n_mfcc: int = 0,
        max_steps: int = 1500,
        scaling: str = "train",
        validation_recordings: int = 5,
        split_seed: int = 0,
        num_streams: int = 300,
        digits: int = 10,
        background_noise: float = 30.0,
        redraw: bool = False,
        shift: int = 0,
        noise: float = 0.0,
        gain: float = 0.0,
        time_mask: int = 0,
        channel_mask: int = 0,
    ):
        counts = {"num_streams": num_streams, "digits": digits, "validation_recordings": validation_recordings}
        for key, value in counts.items():
            if value < 1:
                raise ValueError(f"{key} must be at least 1, got {value}")
        if not 1.0 <= background_noise <= 10_000:
            raise ValueError(f"background_noise must be from 1 to 10,000, got {background_noise}")
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            features=features,
            frame=frame,
            hop=hop,
            n_mels=n_mels,
            n_mfcc=n_mfcc,
            max_steps=max_steps,
            scaling=scaling,
            validation_recordings=validation_recordings,
            shift=shift,
            noise=noise,
            gain=gain,
            time_mask=time_mask,
            channel_mask=channel_mask,
        )
        self.split_seed, self.num_streams, self.digits = split_seed, num_streams, digits
        self.background_noise, self.redraw = background_noise, redraw

    def read(self, split: str) -> LabelledSeries:
        """`train`, `validation` or `test`: samples (N, 1) int16, and the class of each int8."""
        if split not in SPLITS:
            raise ValueError(f"fsdd_streams has the splits {', '.join(SPLITS)}, not {split!r}")
        return self._streams(split, epoch=0)

    def _divide(self, whole: LabelledSeries) -> dict[str, LabelledSeries]:
        return {"train": whole, "validation": self.read("validation")}

    def _streams(self, split: str, epoch: int) -> LabelledSeries:
        recordings = self.part(split)
        random = np.random.default_rng((self.split_seed, SPLITS.index(split), epoch))
        count = HELD_OUT.get(split, self.num_streams)
        rounds = -(-count * self.digits // len(recordings))
        order = np.concatenate([random.permutation(len(recordings)) for _ in range(rounds)])
        streams, targets = [], []
        for number in range(count):
            chosen = [recordings[index] for index in order[number * self.digits : (number + 1) * self.digits]]
            gaps = (random.uniform(*GAP, len(chosen) + 1) * RATE).astype(int)
            gains = 10.0 ** (random.uniform(-GAIN, GAIN, len(chosen)) / 20.0)
            level = self.background_noise ** random.uniform()
            parts, classes = [np.zeros(gaps[0])], [np.zeros(gaps[0], np.int8)]
            for one, gain, gap in zip(chosen, gains, gaps[1:], strict=True):
                parts += [one.samples * gain, np.zeros(gap)]
                classes += [np.full(len(one.samples), 1 + one.digit, np.int8), np.zeros(gap, np.int8)]
            sound = np.concatenate(parts)
            sound += level * random.standard_normal(len(sound))
            streams.append(sound.round().clip(-32_768, 32_767).astype(np.int16)[:, None])
            targets.append(np.concatenate(classes))
        return LabelledSeries(streams, targets)

    def train_dataloader(self) -> DataLoader:
        if self.redraw and self.trainer is not None and self.trainer.current_epoch > 0:
            self.splits["train"] = self._streams("train", self.trainer.current_epoch)
            del self.transformed["train"]
        return super().train_dataloader()
