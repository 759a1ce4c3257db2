"""Measures of forecasting against the same numbers written out, on a made-up file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seqzoo import measures
from seqzoo.corpora.series_csv import SeriesCSV
from seqzoo.models.forecaster import Forecaster

MEASURE = measures.of("time-series-forecasting")
QUANTILES = [0.1, 0.5, 0.9]


def make_file(folder: Path) -> Path:
    """400 hours of two channels; the first has holes."""
    random, hours = np.random.default_rng(0), np.arange(400)
    temperature = 10 + 5 * np.sin(2 * np.pi * hours / 24) + random.normal(size=400)
    temperature[[330, 350, 351]] = np.nan
    table = {
        "time": pd.date_range("2020-01-01", periods=400, freq="h"),
        "Temperature (C)": temperature.round(3),
        "pressure": (1000 + np.cumsum(random.normal(size=400))).round(2),
    }
    pd.DataFrame(table).to_csv(folder / "weather.csv", index=False)
    return folder / "weather.csv"


def corpus(folder: Path, **options: object) -> SeriesCSV:
    chosen = {"time_column": "time", "frequency": "h", "context_length": 24, "horizon": 3, "targets": ["Temperature (C)"]}
    return SeriesCSV(file=str(make_file(folder)), **{**chosen, **options})


def model_of(data: SeriesCSV, architecture: str = "gru", **options: object) -> Forecaster:
    data.setup()
    torch.manual_seed(0)
    arguments = {"hidden_size": 4} if architecture == "gru" else {}
    return Forecaster(architecture, arguments, preprocessor=data.preprocessor, **data.options, **options).eval()


def pairs(data: SeriesCSV, model: Forecaster) -> tuple[np.ndarray, np.ndarray]:
    """Forecast and truth of all test windows, standardised; the truth is NaN where nothing was measured."""
    windows = data.windows("test")
    future = np.where(windows.observed, windows.future, np.nan)
    assert np.isnan(future).any(), "some of it is missing"
    return np.stack([model.forecast(windows.past[i : i + 1])[0] for i in range(len(windows))]), future


def test_errors_are_means_over_all_that_was_observed_in_every_window(tmp_path):
    data = corpus(tmp_path)
    model = model_of(data)
    ahead, future = pairs(data, model)
    found, (scale,) = MEASURE.evaluate(model, data, "test"), data.preprocessor.target_scale[1]
    assert found["n"] == len(future) == len(data.windows("test"))
    assert found["mae_standardised"] == pytest.approx(np.nanmean(np.abs(ahead - future)), rel=1e-5)
    assert found["mse_standardised"] == pytest.approx(np.nanmean((ahead - future) ** 2), rel=1e-5)
    assert found["mae"] == pytest.approx(scale * np.nanmean(np.abs(ahead - future)), rel=1e-5), "in degrees"
    assert MEASURE.unit(data) == "°C"


def test_quantiles_are_measured_by_their_loss_and_by_what_lies_between(tmp_path):
    data = corpus(tmp_path)
    model = model_of(data, quantiles=QUANTILES)
    ahead, future = pairs(data, model)
    found, gap = MEASURE.evaluate(model, data, "test"), future[..., None] - ahead
    pinball = np.where(gap >= 0, np.array(QUANTILES) * gap, (np.array(QUANTILES) - 1) * gap)
    inside = ((ahead[..., 0] <= future) & (future <= ahead[..., 2]))[~np.isnan(future)]
    assert found["quantile_loss"] == pytest.approx(np.nanmean(pinball), rel=1e-5)
    assert found["coverage_10_90"] == pytest.approx(inside.mean())
    assert found["mae_standardised"] == pytest.approx(np.nanmean(np.abs(gap[..., 1])), rel=1e-5), "of the median"


def test_errors_of_several_targets_are_standardised(tmp_path):
    data = corpus(tmp_path, targets=None)
    model = model_of(data)
    ahead, future = pairs(data, model)
    found = MEASURE.evaluate(model, data, "test")
    assert found["mae"] == pytest.approx(np.nanmean(np.abs(ahead - future)), rel=1e-5)
    assert MEASURE.unit(data) == "standardised"


def test_the_last_value_is_what_persistence_gives_and_the_last_season_what_was_a_day_before(tmp_path):
    data = corpus(tmp_path, targets=["pressure"])
    found = MEASURE.baselines(data, "test")
    assert found["last value"] == pytest.approx(MEASURE.evaluate(model_of(data, "persistence"), data, "test")["mae"])
    assert found["last season"] == pytest.approx(MEASURE.evaluate(model_of(data, "seasonal_naive"), data, "test")["mae"])
    start, stop = data.split("test")
    pressure = data.series().values[:, 1]
    rows = np.concatenate([np.arange(first, first + 3) for first in range(start, stop - 2)])
    assert found["last season"] == pytest.approx(np.abs(pressure[rows] - pressure[rows - 24]).mean(), rel=1e-4)


@pytest.mark.parametrize("options", [{"context_length": 12}, {"horizon": 1, "delay": 24}], ids=str)
def test_a_season_that_is_not_read_or_is_the_last_value_is_no_baseline(tmp_path, options):
    assert set(MEASURE.baselines(corpus(tmp_path, **options), "test")) == {"last value"}


def test_the_example_is_predicted_alike_from_its_file(tmp_path):
    data = corpus(tmp_path)
    model, example = model_of(data, quantiles=QUANTILES), MEASURE.example(data)
    (tmp_path / "example.csv").write_text(measures.write_example(example))
    told = MEASURE.told(model, measures.read_example(tmp_path / "example.csv"))
    assert MEASURE.is_told(told) and told == MEASURE.told(model, example)
    assert list(example) == ["time", "Temperature (C)", "pressure"] and len(example["time"]) == 24
    assert told["first"] > example["time"][-1] and len(told["forecast"]) == 3
    assert all(MEASURE.is_told(MEASURE.told(model, one)) for one in MEASURE.sample(data, 5))
    assert MEASURE.sample(data, 5) == MEASURE.sample(data, 5)


@pytest.mark.corpora
def test_the_last_value_on_szeged_is_the_published_one():
    from seqzoo.corpora.szeged import Szeged

    assert MEASURE.baselines(Szeged(), "test")["last value"] == pytest.approx(2.209, abs=2e-3)
