"""Windows: the rows that a plain loop would take, none from beyond the borders, and none copied before a batch."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import environment

from seqzoo.preprocessing.windows import Windows


def arrays(rows: int, channels: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each value tells its row: 100 * row + channel."""
    inputs = (100 * np.arange(rows)[:, None] + np.arange(channels)).astype(np.float32)
    return inputs, inputs[:, 1:2], np.arange(rows)[:, None] % 3 > 0


settings_of_windows = st.fixed_dictionaries(
    {
        "context_length": st.integers(1, 5),
        "horizon": st.integers(1, 4),
        "sampling_step": st.integers(1, 3),
        "delay": st.integers(1, 6),
        "stride": st.integers(1, 4),
        "start": st.integers(0, 6),
        "stop": st.integers(30, 40),
    }
)


@settings(max_examples=150, deadline=None)
@given(chosen=settings_of_windows, contiguous=st.booleans())
def test_windows_are_those_of_a_plain_loop(chosen, contiguous):
    inputs, targets, observed = arrays(40)
    if not contiguous:
        inputs = np.asfortranarray(inputs)
    windows = Windows(inputs, targets, observed, **chosen)
    length, step = chosen["context_length"], chosen["sampling_step"]
    pasts, futures = [], []
    for start in range(chosen["start"], chosen["stop"], chosen["stride"]):
        past = [start + index * step for index in range(length)]
        future = [past[-1] + chosen["delay"] + index for index in range(chosen["horizon"])]
        if future[-1] < chosen["stop"]:
            pasts.append(past)
            futures.append(future)
    assert len(windows) == len(pasts)
    batch = windows.batch(range(len(windows)))
    np.testing.assert_array_equal(batch.past, inputs[np.array(pasts)])
    np.testing.assert_array_equal(batch.future, targets[np.array(futures)])
    np.testing.assert_array_equal(batch.observed, observed[np.array(futures)])
    assert [part.dtype for part in batch] == [torch.float32, torch.float32, torch.bool]
    chosen_again = windows.batch([len(windows) - 1, 0])
    np.testing.assert_array_equal(chosen_again.past, batch.past[[-1, 0]])


def test_no_window_crosses_its_borders():
    inputs, targets, observed = arrays(100)
    windows = Windows(inputs, targets, observed, context_length=5, horizon=3, sampling_step=2, delay=4, start=20, stop=60)
    rows = torch.cat([part.flatten() for part in windows.batch(range(len(windows)))[:2]]) // 100
    assert rows.min() == 20 and rows.max() == 59


def test_the_lectures_windows_of_ten_minute_data():
    """Lookback 720 rows, every 6th of them, the temperature 144 rows after the last."""
    inputs, targets, observed = arrays(1000)
    windows = Windows(inputs, targets, observed, context_length=120, horizon=1, sampling_step=6, delay=144)
    assert len(windows) == 1000 - (119 * 6 + 144)
    first = windows.batch([0])
    assert (first.past[0, :, 0] // 100).tolist() == list(range(0, 720, 6))
    assert first.future[0, 0, 0] // 100 == 714 + 144


def test_windows_are_views_of_the_one_array():
    inputs, targets, observed = arrays(1000)
    windows = Windows(inputs, targets, observed, context_length=120, horizon=24)
    assert np.shares_memory(windows.past, inputs) and np.shares_memory(windows.future, inputs)
    assert windows.past.shape == (len(windows), 120, 3)
    with pytest.raises(ValueError, match="read-only"):
        windows.past[0, 0, 0] = 1.0
    batch = windows.batch([0])
    batch.past.zero_()
    assert inputs[0, 2] == 2.0, "a batch is the network's own"


def test_a_memory_mapped_array_is_served_as_it_lies_on_disk(tmp_path):
    inputs, targets, observed = arrays(200)
    np.save(tmp_path / "inputs.npy", inputs)
    mapped = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    windows = Windows(mapped, mapped[:, 1:2], observed, context_length=10, horizon=2)
    assert np.shares_memory(windows.past, mapped) and np.shares_memory(windows.inputs, mapped)
    expected = Windows(inputs, targets, observed, context_length=10, horizon=2)
    for got, wanted in zip(windows.batch([3, 100]), expected.batch([3, 100]), strict=True):
        torch.testing.assert_close(got, wanted)


def test_420551_rows_of_14_channels_are_served_in_less_than_1_5_times_their_memory():
    code = """
import tracemalloc
import numpy as np
from seqzoo.preprocessing.windows import Windows
inputs = np.zeros((420_551, 14), dtype=np.float32)
order = np.random.default_rng(0).permutation(400_000)
tracemalloc.start()
lectures = {"context_length": 120, "horizon": 1, "sampling_step": 6, "delay": 144}
windows = Windows(inputs, inputs[:, 1:2], np.ones((420_551, 1), dtype=bool), **lectures)
for first in range(0, 30 * 256, 256):
    windows.batch(order[first : first + 256])
print(tracemalloc.get_traced_memory()[1] / inputs.nbytes)
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"context_length": 0}, "context_length must be a whole number of at least 1, got 0"),
        ({"horizon": 1.5}, "horizon must be a whole number of at least 1, got 1.5"),
        ({"delay": True}, "delay must be a whole number of at least 1, got True"),
        ({"context_length": 60, "horizon": 41}, "a window takes 101 rows .* and there are 100"),
        ({"start": 95}, "and there are 5"),
        ({"stop": 101}, "start and stop must lie in order from 0 to 100, got 0 and 101"),
        ({"start": 50, "stop": 40}, "start and stop must lie in order"),
    ],
)
def test_impossible_windows_are_refused(chosen, words):
    with pytest.raises(ValueError, match=words):
        Windows(*arrays(100), **{"context_length": 6, "horizon": 1, **chosen})


def test_arrays_that_would_have_to_be_copied_are_refused():
    inputs, targets, observed = arrays(100)
    for changed in (
        (inputs.astype(np.float64), targets, observed),
        (inputs, targets[:-1], observed),
        (inputs, targets, observed.astype(np.float32)),
        (inputs[:, 0], targets, observed),
        (inputs, inputs, observed),
    ):
        with pytest.raises(ValueError, match="must"):
            Windows(*changed, context_length=5, horizon=1)


@pytest.mark.parametrize("index", [-1, 95])
def test_a_window_that_is_not_there_is_an_error(index):
    windows = Windows(*arrays(100), context_length=5, horizon=1)
    with pytest.raises(IndexError, match="windows are numbered from 0 to 94"):
        windows.batch([0, index])
