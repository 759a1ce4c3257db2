"""Sound to frames of a spectrum: log-mel energies and mel-frequency cepstral coefficients, in numpy alone."""

from __future__ import annotations

import wave
from functools import lru_cache
from pathlib import Path

import numpy as np

__all__ = ["frames", "log_mel", "mel_filters", "mfcc", "read_wave"]

FLOOR = 1e-10  # energies below it are silence; full scale is 1


def read_wave(path: Path, sample_rate: int) -> np.ndarray:
    """The samples of a .wav file of one channel and 16 bits (N,), int16.

    Raises ValueError, with the way out, for another sample rate, sample width or number of channels, and for a file that is
    no .wav; FileNotFoundError where there is none.
    """
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            content = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a .wav file of plain samples ({error})") from None
    if (rate, width, channels) != (sample_rate, 2, 1):
        raise ValueError(
            f"{path} has {rate} samples a second of {8 * width} bits in {channels} channels; needed are {sample_rate} of 16 "
            f"bits in one: convert it, as by `ffmpeg -i {path.name} -ar {sample_rate} -ac 1 -sample_fmt s16 converted.wav`"
        )
    return np.frombuffer(content[: len(content) // 2 * 2], "<i2").astype(np.int16)


def frames(samples: np.ndarray, frame: int, hop: int) -> np.ndarray:
    """(N,) -> (T, frame), frame t from sample t * hop on; zeros follow the end, so that every sample is in a frame."""
    count = 1 + max(0, -(-(len(samples) - frame) // hop))
    padded = np.pad(samples, (0, max(0, (count - 1) * hop + frame - len(samples))))
    return np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop][:count]


@lru_cache
def mel_filters(sample_rate: int, size: int, n_mels: int, low: float, high: float) -> np.ndarray:
    """Triangular filters (size // 2 + 1, n_mels) over the frequencies of a transform of `size` samples, 1 at their middles.

    The middles are equally far apart on the mel scale, 2595 log10(1 + f / 700) (O'Shaughnessy, 1987), `low` to `high` Hz.
    """
    ends = 2595.0 * np.log10(1.0 + np.array([low, high]) / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(*ends, n_mels + 2) / 2595.0) - 1.0)  # Hz
    bins = np.arange(size // 2 + 1)[:, None] * sample_rate / size
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    filters = np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)).clip(min=0.0)
    if not filters.any(0).all():
        raise ValueError(f"n_mels {n_mels} is too many for frames of {size} samples: a filter lies between two frequencies")
    return filters


def log_mel(
    samples: np.ndarray, *, sample_rate: int, frame: int, hop: int, n_mels: int, low: float, high: float
) -> np.ndarray:
    """(N,) samples from -1 to 1 -> (T, n_mels) float32: the natural logarithm of the power in each mel band of each frame.

    Frames of `frame` samples, `hop` apart, under Hann's window; the transform's size is the next power of 2.
    """
    size = 1 << (frame - 1).bit_length()
    window = np.hanning(frame + 2)[1:-1]
    spectrum = np.fft.rfft(frames(samples.astype(np.float64), frame, hop) * window, size)
    power = (spectrum.real**2 + spectrum.imag**2) / (window @ window)
    return np.log(np.maximum(power @ mel_filters(sample_rate, size, n_mels, low, high), FLOOR)).astype(np.float32)


def mfcc(log_mels: np.ndarray, n_mfcc: int) -> np.ndarray:
    """(T, n_mels) -> (T, n_mfcc): the first terms of the orthonormal cosine transform (DCT-II) of each frame."""
    n_mels = log_mels.shape[1]
    angles = np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc))
    scale = np.where(np.arange(n_mfcc) == 0, np.sqrt(1.0 / n_mels), np.sqrt(2.0 / n_mels))
    return (log_mels @ (np.cos(angles) * scale)).astype(np.float32)
