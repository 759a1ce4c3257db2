"""Forecasters: histories of every form in, tables of what comes next out; saved, loaded and trained on made-up weather."""

import json
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from made_up import read_json, small_arguments, write_json

import seqzoo
from seqzoo import catalog, cli, factory, hub
from seqzoo.corpora.series_csv import SeriesCSV
from seqzoo.models.forecaster import Forecaster
from seqzoo.preprocessing.series import SeriesPreprocessor
from seqzoo.specs import SeriesBatch, SeriesSpec
from seqzoo.tasks.time_series_forecasting import TimeSeriesForecasting

COLUMNS = ["temperature", "pressure"]
WINDOW = {"context_length": 12, "horizon": 6}
QUANTILES = [0.1, 0.5, 0.9]


def forecasts(name: str) -> bool:
    try:
        Forecaster.check(name)
    except ValueError:
        return False
    return True


ARCHITECTURES = [name for name in catalog.list_architectures() if forecasts(name)]
ENCODING = [
    name for name in ARCHITECTURES if getattr(catalog.resolve("architectures", name), "gives", "encoded") == "encoded"
]


def arguments_of(name: str) -> dict[str, Any]:
    own = {"segrnn": {"segment_length": 3}, "seasonal_naive": {"period": 6}}
    return {**small_arguments(name, series=True), **own.get(name, {})}


def make_weather(steps: int = 400, seed: int = 0) -> pd.DataFrame:
    """Hourly temperature with a daily wave, and pressure that wanders."""
    random = np.random.default_rng(seed)
    hours = np.arange(steps)
    return pd.DataFrame(
        {
            "time": pd.date_range("2020-01-01", periods=steps, freq="h"),
            "temperature": (10 + 5 * np.sin(2 * np.pi * hours / 24) + 0.3 * random.normal(size=steps)).round(3),
            "pressure": (1000 + np.cumsum(random.normal(size=steps))).round(2),
        }
    )


def fit(table: pd.DataFrame, columns: list[str] = COLUMNS, **options: Any) -> SeriesPreprocessor:
    preprocessor = SeriesPreprocessor(columns, **options)
    return preprocessor.fit(preprocessor.read(table))


def hourly(**options: Any) -> SeriesPreprocessor:
    chosen = {"targets": ["temperature"], "time_column": "time", "frequency": "h", "calendar": ["hour"]}
    return fit(make_weather(), **{**chosen, **options})


def counted(**options: Any) -> SeriesPreprocessor:
    """No time axis: rows are counted."""
    return fit(make_weather(), **options)


def make_model(architecture: str = "gru", preprocessor: SeriesPreprocessor | None = None, **options: Any) -> Forecaster:
    """An untrained model whose forecasts depend on what it reads, in eval mode."""
    torch.manual_seed(0)
    model = Forecaster(
        architecture, arguments_of(architecture), preprocessor=preprocessor or hourly(), **{**WINDOW, **options}
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def weather() -> pd.DataFrame:
    return make_weather(40, seed=1)


@pytest.fixture
def model() -> Forecaster:
    return make_model()


# What comes out


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_that_reads_series_forecasts_saves_and_loads(name, weather, tmp_path):
    model = make_model(name, hourly(targets=["pressure", "temperature"]))
    result = model.predict(weather)
    assert list(result.columns) == ["pressure", "temperature"] and len(result) == 6
    assert np.isfinite(result.to_numpy()).all()
    again = seqzoo.load(model.save_pretrained(tmp_path / "model"))
    assert again.predict(weather).equals(result), "bit for bit"
    assert not again.training and again.folder == tmp_path / "model"


def test_there_are_forecasters_of_both_kinds():
    assert {"dense", "cnn", "cnn_gru", "lstm", "stacked_gru", "transformer"} <= set(ENCODING)
    assert set(ARCHITECTURES) - set(ENCODING) == {"dlinear", "persistence", "seasonal_naive", "segrnn"}


def test_times_go_on_where_the_history_ends(model, weather):
    result = model.predict(weather)
    assert result.index.equals(pd.date_range("2020-01-02 16:00", periods=6, freq="h")) and result.index.name == "time"


def test_one_row_a_day_ahead_is_stamped_a_day_ahead(weather):
    result = make_model(horizon=1, delay=24).predict(weather)
    assert list(result.index) == [weather["time"].iloc[-1] + pd.Timedelta("24h")]


def test_months_are_as_long_as_they_are():
    months = pd.DataFrame({"month": pd.date_range("2019-01-01", periods=24, freq="MS"), "passengers": np.arange(24.0)})
    preprocessor = fit(months, ["passengers"], time_column="month", frequency="MS")
    result = make_model("persistence", preprocessor, horizon=3).predict(months)
    assert [str(time.date()) for time in result.index] == ["2021-01-01", "2021-02-01", "2021-03-01"]
    assert result["passengers"].to_numpy() == pytest.approx([23.0] * 3, abs=1e-5)


def test_without_times_steps_are_counted_from_the_historys_first_row():
    result = make_model("persistence", counted()).predict(make_weather(20)[COLUMNS].to_numpy())
    assert list(result.index) == [20, 21, 22, 23, 24, 25] and result.index.name == "step"


def test_the_last_value_comes_back_in_its_units(weather):
    result = make_model("persistence").predict(weather)
    assert result["temperature"].to_numpy() == pytest.approx([weather["temperature"].iloc[-1]] * 6, abs=1e-4)


def test_the_last_season_comes_back_in_its_units(weather):
    result = make_model("seasonal_naive").predict(weather)
    assert result["temperature"].to_numpy() == pytest.approx(weather["temperature"].iloc[-6:].to_numpy(), abs=1e-4)


@pytest.mark.parametrize("targets", [["temperature"], ["pressure", "temperature"]])
def test_a_head_of_nothing_forecasts_no_change(targets, weather):
    model = make_model("gru", hourly(targets=targets))
    torch.nn.init.zeros_(model.head.weight), torch.nn.init.zeros_(model.head.bias)
    last = weather[targets].iloc[-1].to_numpy()
    assert model.predict(weather).to_numpy() == pytest.approx(np.tile(last, (6, 1)), abs=1e-3)
    model.change = False
    assert model.predict(weather).to_numpy() == pytest.approx(np.tile(model.preprocessor.target_scale[0], (6, 1)))


def test_quantiles_are_in_order_and_the_median_is_the_forecast(weather):
    model = make_model(quantiles=QUANTILES)
    result = model.predict(weather)
    assert list(result.columns) == ["temperature", "temperature_0.1", "temperature_0.9"]
    low, middle, high = (result[name].to_numpy() for name in ("temperature_0.1", "temperature", "temperature_0.9"))
    assert (low <= middle).all() and (middle <= high).all() and (low < high).any()
    raw = model(torch.randn(50, 12, model.spec.n_channels))
    assert (raw.diff(dim=-1) < 0).any(), "an untrained head crosses them, which predicting mends"


# What goes in


def test_a_table_an_index_a_dict_and_a_file_are_one_history(model, weather, tmp_path):
    weather.to_csv(tmp_path / "weather.csv", index=False)
    expected = model.predict(weather)
    for history in (
        weather.set_index("time"),
        weather.to_dict("list"),
        weather[["pressure", "time", "temperature"]],
        weather.assign(humidity=1.0),
        tmp_path / "weather.csv",
        str(tmp_path / "weather.csv"),
    ):
        assert model.predict(history).equals(expected)


def test_an_array_will_do_where_no_time_is_needed(weather):
    model, values = make_model("gru", counted()), weather[COLUMNS].to_numpy()
    expected = model.predict(values)
    assert model.predict(weather).equals(expected)
    one = make_model("gru", counted(columns=["temperature"]))
    assert one.predict(values[:, 0]).equals(one.predict(values[:, :1]))
    assert one.predict(values[:, 0].tolist()).equals(one.predict(values[:, :1]))


def test_a_pandas_series_by_time_is_a_history(weather):
    model = make_model("gru", fit(make_weather(), ["temperature"], time_column="time", frequency="h"))
    assert model.predict(weather.set_index("time")["temperature"]).equals(model.predict(weather))
    with pytest.raises(ValueError, match="no column 'temperature'"):
        model.predict(weather.set_index("time")["pressure"])


def test_an_array_is_refused_where_the_calendar_is_read(model, weather):
    with pytest.raises(ValueError, match=r"calendar.*'time', 'temperature', 'pressure'"):
        model.predict(weather[COLUMNS].to_numpy())


def test_several_histories_give_a_list_each_as_if_alone(model):
    histories = [make_weather(30, seed) for seed in range(5)]
    for given in (histories, tuple(histories), iter(histories)):
        results = model.predict(given, batch_size=2)
        assert isinstance(results, list) and len(results) == 5
        for history, result in zip(histories, results, strict=True):
            pd.testing.assert_frame_equal(result, model.predict(history), rtol=1e-5)
    assert model.predict([]) == []


def test_only_the_last_rows_are_read_and_of_these_every_so_many_th(weather):
    model = make_model("gru", hourly(calendar=[]), sampling_step=3)
    assert model.rows_needed == 34
    expected, changed = model.predict(weather), weather.copy()
    read = np.arange(len(weather) - 34, len(weather), 3)
    changed.loc[~changed.index.isin(read), COLUMNS] += 5.0
    assert model.predict(changed).equals(expected)
    for row in (read[0], read[-1]):
        changed = weather.copy()
        changed.loc[row, "temperature"] += 5.0
        assert not model.predict(changed).equals(expected)
    assert model.predict(weather[-34:]).equals(expected)


def test_what_was_repaired_is_told(model, weather, caplog):
    torn = pd.concat([weather[:20], weather[22:], weather[5:6]]).sample(frac=1.0, random_state=0)
    with caplog.at_level("INFO"):
        result = model.predict(torn)
    assert len(result.attrs["repairs"]) == 3 and all(one in caplog.text for one in result.attrs["repairs"])
    assert any("2 missing steps inserted" in one for one in result.attrs["repairs"])
    assert model.predict(weather).attrs["repairs"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table[:11], "11 steps, and 12 are needed"),
        (lambda table: table[:0], "0 steps, and 12 are needed"),
        (lambda table: table.rename(columns={"temperature": "temprature"}), "'temperature'; did you mean 'temprature'"),
        (lambda table: table.drop(columns="pressure"), "no column 'pressure'"),
        (lambda table: table.drop(columns="time"), "no time column 'time'"),
        (lambda table: table.assign(pressure="high"), "'pressure' must hold numbers: 'high' in row 1"),
        (lambda table: table.assign(time=table["time"] + pd.to_timedelta(np.arange(40) ** 2, "min")), "must be h apart"),
        (lambda table: [[1.0, 2.0]], "calendar"),
        (lambda table: "nowhere.csv", "no file 'nowhere.csv'"),
        (lambda table: 3, "int"),
        (lambda table: None, "None"),
    ],
)
def test_a_wrong_history_is_a_clear_error(model, weather, change, words):
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=words):
        model.predict(change(weather))


def test_missing_values_are_read_as_missing(weather):
    model = make_model("gru", hourly(indicators=True, missing={"pressure": [0.0]}))
    gap = weather.copy()
    gap.loc[35, "pressure"] = np.nan
    zero = weather.copy()
    zero.loc[35, "pressure"] = 0.0
    assert model.predict(gap).equals(model.predict(zero)) and np.isfinite(model.predict(gap)).all(axis=None)
    assert "taken as missing" in model.predict(zero).attrs["repairs"][0]


# How far ahead


def test_a_shorter_horizon_cuts_the_forecast(model, weather):
    assert model.predict(weather, horizon=2).equals(model.predict(weather)[:2])


@pytest.mark.parametrize("horizon", [0, -1, 2.0, True, "6"])
def test_a_horizon_is_a_whole_number(model, weather, horizon):
    with pytest.raises(ValueError, match="horizon must be a whole number"):
        model.predict(weather, horizon=horizon)


def test_a_longer_horizon_reads_forecasts_as_if_measured(weather):
    model = make_model("gru", hourly(targets=["pressure", "temperature"]))
    first = model.predict(weather)
    longer = pd.concat([weather, first.reset_index()[weather.columns]])
    expected = pd.concat([first, model.predict(longer)])[:10]
    pd.testing.assert_frame_equal(model.predict(weather, horizon=10), expected, rtol=1e-5, check_freq=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "at most 6, got 7: it reads 'pressure' too"),
        ({"preprocessor": counted(), "delay": 3}, "3 steps ahead"),
        ({"preprocessor": counted(), "quantiles": QUANTILES}, "quantiles"),
    ],
)
def test_a_horizon_that_cannot_be_had_is_refused_with_the_reason(weather, options, words):
    with pytest.raises(ValueError, match=words):
        make_model(**options).predict(weather, horizon=7)


# Many windows at once


@pytest.mark.parametrize("quantiles", [None, QUANTILES])
def test_windows_are_forecast_as_histories_are(quantiles):
    model, table = make_model(quantiles=quantiles), make_weather(60, seed=3)
    rows = model.preprocessor.read(table)
    inputs = model.preprocessor.transform(rows)
    past = np.lib.stride_tricks.sliding_window_view(inputs, 12, axis=0).transpose(0, 2, 1)
    given = model.forecast(past, batch_size=7)
    assert given.dtype == np.float32 and given.shape == (49, 6, 1, 3)[: 3 + bool(quantiles)]
    last = model.predict(table)["temperature"].to_numpy()
    median = given[-1, :, :, 1] if quantiles else given[-1]
    assert model.preprocessor.inverse(median)[:, 0] == pytest.approx(last, abs=1e-4)
    assert np.allclose(model.forecast(torch.tensor(past)), given, atol=1e-6), "a tensor, and another batch size"
    assert model.forecast(past[:0]).shape == (0, *given.shape[1:])


@pytest.mark.parametrize("training", [False, True])
def test_forecasting_leaves_mode_threads_and_random_numbers_as_they_were(training):
    model = make_model("lstm").train(training)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        model.forecast(torch.randn(20, 12, 4, generator=torch.Generator()), batch_size=4)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert model.training is training and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
def test_a_wrong_batch_size_is_refused(model, weather, size):
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        model.predict(weather, batch_size=size)


def test_only_the_batches_at_work_are_copied(monkeypatch):
    model, copied, tensor = make_model("persistence"), [], torch.tensor
    monkeypatch.setattr(torch, "tensor", lambda array: copied.append(len(array)) or tensor(array))
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda past: copied.append(-len(past)) or forward(past))
    model.forecast(np.zeros((30, 12, 4), np.float32), batch_size=10)
    assert copied == [10, -10, 10, -10, 10, -10]


def test_encode_gives_one_vector_per_history(model, weather):
    one, several = model.encode(weather), model.encode([weather, weather])
    assert one.shape == (8,) and several.shape == (2, 8) and torch.allclose(several[1], one, atol=1e-6)
    assert model.encode([]).shape == (0, 8)
    with pytest.raises(ValueError, match="persistence forecasts by itself"):
        make_model("persistence").encode(weather)


# What is refused


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"architecture": "bow"}, "bow reads texts"),
        ({"architecture": "lstm_autoencoder"}, "reconstruction"),
        ({"architecture": "gruu"}, "did you mean 'gru'"),
        ({"arguments": {"hiden_size": 8}}, "did you mean 'hidden_size'"),
        ({"arguments": {"embedding_size": 8}}, "no words"),
        ({"horizon": 0}, "horizon must be a whole number of at least 1"),
        ({"context_length": 12.0}, "context_length must be"),
        ({"delay": 0}, "delay must be"),
        ({"change": 1}, "change must be true or false"),
        ({"quantiles": [0.1, 0.9]}, "0.5 among them"),
        ({"quantiles": [0.9, 0.5]}, "in order"),
        ({"quantiles": [0.5, 1.0]}, "between 0 and 1"),
        ({"quantiles": []}, "quantiles must"),
        ({"quantiles": 0.5}, "quantiles must"),
        ({"architecture": "seasonal_naive", "arguments": {"period": 6}, "delay": 24}, "horizon of 29 instead"),
        ({"architecture": "dlinear", "quantiles": QUANTILES}, "quantiles need a network that encodes"),
        ({"preprocessor": SeriesPreprocessor(["temperature"])}, "not fitted"),
    ],
)
def test_what_no_forecaster_can_be_made_of_is_named(given, words):
    chosen = {"architecture": "gru", "preprocessor": counted(), **WINDOW, **given}
    with pytest.raises((ValueError, LookupError), match=words):
        Forecaster(chosen.pop("architecture"), chosen.pop("arguments", None), **chosen)


# Checkpoints


@pytest.mark.parametrize("quantiles", [None, QUANTILES])
def test_a_checkpoint_holds_all_that_prediction_needs(quantiles, weather, tmp_path, monkeypatch):
    monkeypatch.delenv("SEQZOO_DATA", raising=False)
    model = make_model(quantiles=quantiles, sampling_step=2, delay=3)
    folder = model.save_pretrained(tmp_path / "model")
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "scaler.json"}
    again = seqzoo.load(folder)
    assert again.preprocessor == model.preprocessor and again.spec == SeriesSpec(4, 12, 6)
    assert again.preprocessing == model.preprocessing and again.labels == ["temperature"]
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in again.state_dict().items())
    assert again.predict(weather).equals(model.predict(weather))


def test_a_checkpoint_without_weights_is_one_too(weather, tmp_path):
    again = seqzoo.load(make_model("persistence").save_pretrained(tmp_path / "model"))
    assert again.predict(weather)["temperature"].iloc[5] == pytest.approx(weather["temperature"].iloc[-1], abs=1e-4)


def test_half_the_bytes_forecast_nearly_the_same(weather, tmp_path):
    model = make_model()
    again = seqzoo.load(model.save_pretrained(tmp_path / "model", half=True))
    assert again.predict(weather).to_numpy() == pytest.approx(model.predict(weather).to_numpy(), abs=0.05)


def test_other_precisions_forecast_nearly_the_same(weather):
    model = make_model()
    expected = model.predict(weather).to_numpy()
    for dtype in (torch.float64, torch.bfloat16):
        assert model.to(dtype).predict(weather).to_numpy() == pytest.approx(expected, abs=0.5)


SPEC = {"n_channels": 4, "context_length": 12, "horizon": 6}
SETTINGS = {"sampling_step": 1, "delay": 1, "change": True, "quantiles": None}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("labels", ["pressure"], "labels"),
        ("labels", [], "labels"),
        ("spec", {**SPEC, "n_channels": 5}, "spec"),
        ("spec", {**SPEC, "horizon": 7}, "head"),
        ("spec", {**SPEC, "horizon": True}, "horizon"),
        ("spec", {**SPEC, "horizon": 10**9}, "far more|horizon|spec"),
        ("spec", {"vocab_size": 9, "pad_index": 0, "unknown_index": 1}, "spec must give"),
        ("preprocessing", {}, "preprocessing must give"),
        ("preprocessing", {**SETTINGS, "stride": 1}, "preprocessing must give"),
        ("preprocessing", {**SETTINGS, "delay": 0}, "delay"),
        ("preprocessing", {**SETTINGS, "delay": "1"}, "delay"),
        ("preprocessing", {**SETTINGS, "change": 1}, "change"),
        ("preprocessing", {**SETTINGS, "quantiles": QUANTILES}, "head"),
        ("preprocessing", {**SETTINGS, "quantiles": "0.5"}, "quantiles"),
        ("preprocessing", {**SETTINGS, "quantiles": [[0.5]]}, "quantiles"),
        ("architecture", "lstm", "tensor"),
        ("architecture", "bow", "reads texts"),
        ("arguments", {"hidden_size": 9}, "tensor"),
        ("task", "text-classification", "tokenizer.json"),
    ],
)
def test_a_wrong_config_is_a_checkpoint_error(model, tmp_path, key, value, words):
    path = model.save_pretrained(tmp_path / "model") / "config.json"
    config = read_json(path)
    assert config["spec"] == SPEC and config["preprocessing"] == SETTINGS
    write_json(path, {**config, key: value})
    with pytest.raises(hub.CheckpointError, match=words):
        seqzoo.load(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.0]},
        {"mean": None},
        {"std": [1.0, 0.0]},
        {"std": ["1", "2"]},
        {"columns": ["temperature"]},
        {"frequency": 3},
        {"targets": ["humidity"]},
        {"calendar": ["second"]},
        {"more": 1},
    ],
)
def test_a_wrong_scaler_is_a_checkpoint_error(model, tmp_path, change):
    told = {**json.loads(model.preprocessor.to_json()), **change}
    model.preprocessor.to_json = lambda: json.dumps(told)
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(hub.CheckpointError, match=r"scaler\.json"):
        seqzoo.load(tmp_path / "model")


def test_a_model_is_pushed_only_as_it_was_saved(model, tmp_path):
    with pytest.raises(ValueError, match="in no folder yet"):
        model.push_to_hub("me/weather")
    model.save_pretrained(tmp_path / "model")
    with torch.no_grad():
        model.head.bias.add_(1.0)
    with pytest.raises(ValueError, match="was changed since"):
        model.push_to_hub("me/weather")


# Training


def make_corpus(folder: Path, table: pd.DataFrame | None = None, **options: Any) -> SeriesCSV:
    (make_weather(900) if table is None else table).to_csv(folder / "weather.csv", index=False)
    chosen = {"targets": ["temperature"], "time_column": "time", "calendar": ["hour"], "batch_size": 32, **WINDOW}
    return SeriesCSV(file=str(folder / "weather.csv"), **{**chosen, **options})


def train(task: L.LightningModule, data: L.LightningDataModule, epochs: int = 1, **options: Any) -> L.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = L.Trainer(max_epochs=epochs, enable_checkpointing=False, **quiet, **options)
    trainer.fit(task, data)
    return trainer


def test_a_trained_model_knows_tomorrow_better_than_today(tmp_path):
    data = make_corpus(tmp_path)
    errors = {}
    for name in ("gru", "persistence"):
        torch.manual_seed(0)
        arguments = {"hidden_size": 16} if name == "gru" else {}
        task = TimeSeriesForecasting(name, arguments, optimizer=lambda given: torch.optim.AdamW(given, lr=0.01))
        errors[name] = float(train(task, data, 4).callback_metrics["val_mae"])
    assert errors["gru"] < 0.4 * errors["persistence"]
    windows, (_, spread) = data.windows("validation"), data.preprocessor.target_scale
    last = windows.past[:, -1:, data.preprocessor.target_indices]
    assert errors["persistence"] == pytest.approx(float(np.abs(windows.future - last).mean() * spread[0]), rel=1e-4)


def test_quantiles_are_trained_to_hold_their_share(tmp_path):
    data = make_corpus(tmp_path)
    optimizer = {"optimizer": lambda given: torch.optim.AdamW(given, lr=0.01)}
    task = TimeSeriesForecasting("gru", {"hidden_size": 16}, loss="quantile", quantiles=QUANTILES, **optimizer)
    train(task, data, 5)
    windows = data.windows("validation")
    given = task.model.forecast(windows.past)
    inside = (windows.future >= given[..., 0]) & (windows.future <= given[..., 2])
    assert 0.6 < inside.mean() < 0.95, "four of five are asked for"


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("mae", (1.0 + 2.0) / 2), ("mse", (1.0 + 4.0) / 2), ("huber", (0.5 + 1.5) / 2)],
)
def test_what_is_not_observed_counts_nowhere(loss, expected):
    task = TimeSeriesForecasting.from_model(make_model("persistence", counted(), horizon=2), loss=loss)
    past = torch.zeros(1, 12, 2)
    future = torch.tensor([[[1.0, -2.0], [100.0, torch.pi]]])
    observed = torch.tensor([[[True, True], [False, False]]])
    given = task._mean(task._losses(task(SeriesBatch(past, future, observed)), future), observed)
    assert float(given) == pytest.approx(expected)
    assert float(task._mean(future, torch.zeros_like(observed))) == 0.0


def test_the_quantile_loss_is_koenker_and_bassetts():
    task = TimeSeriesForecasting.from_model(make_model(quantiles=QUANTILES))
    assert task.loss == "quantile"
    forecast, future = torch.tensor([[[[0.0, 1.0, 3.0]]]]), torch.tensor([[[2.0]]])
    assert float(task._losses(forecast, future)) == pytest.approx((0.1 * 2.0 + 0.5 * 1.0 + 0.1 * 1.0) / 3)


def test_missing_targets_make_no_loss_missing(tmp_path):
    table = make_weather(400)
    table.loc[::3, "temperature"] = np.nan
    trainer = train(TimeSeriesForecasting("gru", {"hidden_size": 8}), make_corpus(tmp_path, table, indicators=True))
    assert all(np.isfinite(float(value)) for value in trainer.callback_metrics.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "rmse"}, "loss must be one of"),
        ({"loss": "quantile"}, "belong together"),
        ({"quantiles": QUANTILES}, "belong together"),
        ({"lr_scheduler_interval": "week"}, "epoch or step"),
        ({"architecture": "bow"}, "reads texts"),
    ],
)
def test_a_wrong_option_of_the_task_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        TimeSeriesForecasting(**{"architecture": "gru", **options})


def test_a_training_checkpoint_loads_without_its_corpus(tmp_path, weather):
    data = make_corpus(tmp_path, delay=2, sampling_step=2)
    task = TimeSeriesForecasting("gru", {"hidden_size": 8}, loss="quantile", quantiles=QUANTILES, change=False)
    trainer = train(task, data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    (tmp_path / "weather.csv").unlink()
    again = TimeSeriesForecasting.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert again.model.preprocessing == task.model.preprocessing
    assert again.model.eval().predict(weather).equals(task.model.eval().predict(weather))


@pytest.mark.parametrize("changed", [{"delay": 2}, {"sampling_step": 2}, {"targets": ["pressure"]}, {"change": False}])
def test_training_does_not_go_on_with_other_windows_or_targets(changed, tmp_path):
    options = {"change": changed.pop("change")} if "change" in changed else {}
    task = TimeSeriesForecasting("gru", {"hidden_size": 8})
    trainer = train(task, make_corpus(tmp_path), limit_train_batches=1, limit_val_batches=1)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    other = L.Trainer(max_epochs=2, logger=False, enable_progress_bar=False, enable_checkpointing=False, accelerator="cpu")
    with pytest.raises(ValueError, match="trained with"):
        other.fit(
            TimeSeriesForecasting("gru", {"hidden_size": 8}, **options),
            make_corpus(tmp_path, **changed),
            ckpt_path=tmp_path / "last.ckpt",
            weights_only=True,
        )


def test_a_loaded_model_trains_on_and_only_on_windows_of_its_own(tmp_path):
    data = make_corpus(tmp_path)
    model = factory.create_model("gru", corpus=data, hidden_size=8)
    assert isinstance(model, Forecaster) and model.horizon == 6
    loaded = seqzoo.load(model.save_pretrained(tmp_path / "model"))
    before = loaded.head.weight.clone()
    train(factory.create_task(loaded), data, limit_train_batches=3)
    assert not torch.equal(loaded.head.weight, before)
    with pytest.raises(ValueError, match="other windows"):
        train(factory.create_task(loaded), make_corpus(tmp_path, delay=2))


def test_a_model_from_a_preprocessor_needs_its_windows():
    model = factory.create_model(
        "gru", task="time-series-forecasting", preprocessor=hourly(), options={**WINDOW, "delay": 4}, hidden_size=8
    )
    assert (model.context_length, model.horizon, model.delay) == (12, 6, 4)
    with pytest.raises(ValueError, match="context_length"):
        factory.create_model("gru", task="time-series-forecasting", preprocessor=hourly())
    with pytest.raises(catalog.UnknownName, match="did you mean"):
        factory.create_model("gru", task="time-series-forecast", preprocessor=hourly())


# The command


@pytest.mark.parametrize(("architecture", "arguments"), [("dense", {"hidden_size": 8}), ("persistence", {})])
def test_a_recipe_is_fitted_and_its_export_forecasts(architecture, arguments, tmp_path, weather, capsys):
    make_corpus(tmp_path)
    recipe = {
        "seed_everything": 1,
        "model": {
            "class_path": "seqzoo.tasks.time_series_forecasting.TimeSeriesForecasting",
            "init_args": {"architecture": architecture, "arguments": arguments},
        },
        "data": {
            "class_path": "seqzoo.corpora.series_csv.SeriesCSV",
            "init_args": {
                "file": str(tmp_path / "weather.csv"),
                "targets": ["temperature"],
                "time_column": "time",
                "calendar": ["hour"],
                "context_length": 24,
                "horizon": 3,
            },
        },
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "default_root_dir": str(tmp_path / "run")},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert cli.main(["fit", "--config", str(tmp_path / "recipe.yaml"), "--quiet"]) in (0, None)
    model = seqzoo.load(tmp_path / "run" / "model")
    assert model.predict(weather).shape == (3, 1)
    training = read_json(tmp_path / "run" / "model" / "metrics.json")["training"]
    assert {"val_loss", "val_mae", "val_mse"} <= set(training["validation"]) and training["seed"] == 1
    capsys.readouterr()
    assert cli.main(["test", "--config", str(tmp_path / "run" / "recipe.yaml"), "--quiet"]) in (0, None)
    assert "test_mae" in capsys.readouterr().out
