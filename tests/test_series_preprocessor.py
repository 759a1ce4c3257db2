"""Series: whatever a table is like, it is repaired and said so, or refused with the reason; scaling knows train only."""

import json
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqzoo.preprocessing.series import SeriesPreprocessor

COLUMNS = ["temperature", "pressure", "speed", "bearing"]


def weather(steps: int = 50, frequency: str = "h", zone: str | None = None) -> pd.DataFrame:
    random = np.random.default_rng(0)
    times = pd.date_range("2016-03-26 20:00", periods=steps, freq=frequency, tz=zone)
    values = {
        "temperature": random.normal(10, 8, steps),
        "pressure": random.normal(1000, 9, steps),
        "speed": random.uniform(0, 20, steps),
        "bearing": random.uniform(0, 360, steps),
    }
    return pd.DataFrame({"time": times, "summary": "clear", **values})


def make(**settings: Any) -> SeriesPreprocessor:
    axis = {"time_column": "time", "frequency": "h"}
    return SeriesPreprocessor(COLUMNS, ["temperature"], **{**axis, **settings})


def full() -> SeriesPreprocessor:
    return make(
        vectors={"wind": ["speed", "bearing"]},
        calendar=["hour", "day_of_week", "day_of_year", "month"],
        missing={"pressure": [0.0, -9999.0]},
        indicators=True,
    )


# Reading


def test_a_regular_table_is_read_as_it_stands_in_the_order_of_the_columns():
    table = weather()
    rows = make().read(table[["bearing", "time", "speed", "pressure", "temperature"]])
    assert rows.repairs == [] and (rows.times == pd.DatetimeIndex(table["time"])).all()
    np.testing.assert_array_equal(rows.values, table[COLUMNS].to_numpy())


def test_table_file_dict_and_index_of_times_say_the_same(tmp_path):
    table = weather()
    table.to_csv(tmp_path / "weather.csv", index=False)
    table.to_csv(tmp_path / "weather.csv.gz", index=False)
    expected = make().read(table)
    as_dict = {column: table[column].tolist() for column in ["time", *COLUMNS]}
    for history in (str(tmp_path / "weather.csv"), tmp_path / "weather.csv.gz", as_dict, table.set_index("time")):
        rows = make().read(history)
        np.testing.assert_allclose(rows.values, expected.values, rtol=1e-12)
        assert (rows.times == expected.times).all()


def test_an_array_serves_where_no_times_are_needed():
    table = weather()
    rows = make().read(table[COLUMNS].to_numpy())
    assert rows.times is None
    np.testing.assert_array_equal(rows.values, table[COLUMNS].to_numpy())
    one = SeriesPreprocessor(["number"])
    np.testing.assert_array_equal(one.read([1, 2, 3]).values, [[1.0], [2.0], [3.0]])
    with pytest.raises(ValueError, match=r"the calendar \(hour\) needs times: give a DataFrame or CSV file"):
        make(calendar=["hour"]).read(table[COLUMNS].to_numpy())


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(range(12)),
    repeated=st.lists(st.integers(0, 11), max_size=4),
    absent=st.sets(st.integers(1, 10), max_size=5),
)
def test_unsorted_repeated_and_missing_steps_are_repaired_and_told(order, repeated, absent):
    table = weather(12)
    kept = [step for step in order if step not in absent]
    twice = [step for step in repeated if step not in absent]
    again = table.iloc[twice].assign(temperature=99.0)
    rows = make().read(pd.concat([table.iloc[kept], again], ignore_index=True))
    assert len(rows.values) == 12 and (rows.times == pd.DatetimeIndex(table["time"])).all()
    expected = table[COLUMNS].to_numpy().copy()
    expected[sorted(absent)] = np.nan
    np.testing.assert_array_equal(rows.values, expected)
    told = " ".join(rows.repairs)
    assert ("rows sorted by time" in told) == (kept + twice != sorted(kept + twice))
    assert (f"{len(twice)} row" in told and "dropped" in told) == bool(twice)
    assert (f"{len(absent)} missing step" in told) == bool(absent)


def test_repairs_are_logged(caplog):
    with caplog.at_level(logging.INFO, logger="seqzoo"):
        make().read(weather().drop(index=[3, 4]))
    assert "2 missing steps inserted without values, the first at 2016-03-26 23:00:00" in caplog.text


def test_offsets_become_utc_over_the_change_to_summer_time():
    utc = weather(zone="UTC")
    local = utc.assign(time=utc["time"].dt.tz_convert("Europe/Budapest"))
    texts = local.assign(time=[time.strftime("%Y-%m-%d %H:%M:%S.000 %z") for time in local["time"]])
    assert len({text[-5:] for text in texts["time"]}) == 2, "both offsets are there"
    for table in (local, texts):
        rows = make().read(table)
        assert rows.repairs == [] and (rows.times == pd.DatetimeIndex(utc["time"])).all() and str(rows.times.tz) == "UTC"
    assert make().read(weather()).times.tz is None


def test_months_are_a_regular_axis():
    table = weather(30, "MS").drop(index=[7])
    rows = make(frequency="MS").read(table)
    assert len(rows.values) == 30 and np.isnan(rows.values[7]).all()
    later = make(frequency="MS").later(rows.times, 1, 2)
    assert later[0] == rows.times[-1] + pd.DateOffset(months=1) and len(later) == 2


def test_later_times_follow_the_axis():
    times = make().read(weather(3)).times
    assert make().later(times, 24, 2).tolist() == [times[-1] + pd.Timedelta(hours=hours) for hours in (24, 25)]


def broken(**changes: Any) -> pd.DataFrame:
    table = weather().astype({"temperature": object, "time": object})
    for column, value in changes.items():
        table.loc[5, column] = value
    return table


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (lambda: weather().rename(columns={"pressure": "Pressure"}), "no column 'pressure'; did you mean 'Pressure'?"),
        (lambda: weather().drop(columns="time"), "no time column 'time', nor a DatetimeIndex"),
        (lambda: broken(temperature="warm"), "'temperature' must hold numbers: 'warm' in row 6"),
        (lambda: broken(temperature=float("inf")), "'temperature' must hold numbers: inf in row 6"),
        (lambda: broken(time="yesterday evening"), "'time' must hold times"),
        (lambda: broken(time=None), "'time' is empty in row 6"),
        (lambda: broken(time=pd.Timestamp("2016-03-27 00:30")), "times must be h apart: 2016-03-27 00:30:00"),
        (lambda: broken(time=pd.Timestamp("1916-03-27 00:00")), "steps of h, and only 50 are there; look for a wrong date"),
        (lambda: weather().assign(time=range(50)), "'time' must hold times such as"),
        (lambda: pd.concat([weather(), weather()["pressure"]], axis=1), "two columns 'pressure'"),
        (lambda: weather(0), "the history has 0 steps, and 1 are needed"),
        (lambda: np.zeros((9, 3)), r"must have the shape \(steps, 4\): temperature, pressure, speed, bearing; got \(9, 3\)"),
        (lambda: [["a", "b", "c", "d"]], "must be a table or an array of numbers, got list"),
        (lambda: np.full((9, 4), np.inf), "column 'temperature' is infinite in row 1"),
        (lambda: 7, r"got \(\)"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_the_reason(history, words):
    with pytest.raises(ValueError, match=words):
        make().read(history())


def test_times_with_and_without_offset_are_not_mixed():
    table = weather().astype({"time": str})
    table.loc[49, "time"] += "+02:00"
    with pytest.raises(ValueError, match="some have an offset"):
        make().read(table)


def test_too_short_a_history_says_how_much_is_needed():
    with pytest.raises(ValueError, match="the history has 50 steps, and 120 are needed"):
        make().read(weather(), at_least=120)


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "latin.csv").write_bytes("time,Größe\n".encode("latin-1"))
    (tmp_path / "packed.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.csv"):
        make().read(tmp_path / "nowhere.csv")
    for name, words in (("empty.csv", "not a CSV file"), ("latin.csv", "not UTF-8"), ("packed.csv.gz", "not a CSV file")):
        with pytest.raises(ValueError, match=words):
            make().read(tmp_path / name)


def test_day_first_times_are_read_by_their_format():
    table = weather().assign(time=lambda table: table["time"].dt.strftime("%d.%m.%Y %H:%M:%S"))
    rows = make(time_format="%d.%m.%Y %H:%M:%S").read(table)
    assert rows.times[0] == pd.Timestamp("2016-03-26 20:00") and rows.repairs == []
    with pytest.raises(ValueError, match="must hold times of the form %Y"):
        make(time_format="%Y/%m/%d").read(table)


# Channels and scaling


def test_values_that_mean_missing_are_masked_and_never_imputed_in_silence():
    table = weather()
    table.loc[[2, 3], "pressure"] = 0.0
    table.loc[4, "temperature"] = np.nan
    preprocessor = full()
    rows = preprocessor.read(table)
    assert rows.repairs == ["2 values of 'pressure' (0 and -9999) taken as missing"]
    preprocessor.fit(rows)
    inputs, names = preprocessor.transform(rows), preprocessor.input_names
    assert names[4:6] == ["temperature is missing", "pressure is missing"] and inputs.dtype == np.float32
    assert inputs[:, names.index("pressure is missing")].nonzero()[0].tolist() == [2, 3]
    assert (inputs[[2, 3], names.index("pressure")] == 0).all() and not np.isnan(inputs).any()
    targets, observed = preprocessor.standardise(rows)
    assert np.flatnonzero(~observed).tolist() == [4] and targets[4] == 0
    np.testing.assert_array_equal(targets, inputs[:, preprocessor.target_indices])


def test_wind_becomes_a_vector():
    preprocessor = full()
    assert preprocessor.channels == ["temperature", "pressure", "wind_x", "wind_y"]
    rows = preprocessor.read(weather(4).assign(speed=[2.0, 3.0, 4.0, 0.0], bearing=[0.0, 90.0, 225.0, 17.0]))
    half = np.sqrt(8)
    np.testing.assert_allclose(rows.values[:, 2:], [[0, 2], [3, 0], [-half, -half], [0, 0]], atol=1e-12)


def test_the_calendar_turns_once_in_its_period():
    preprocessor = full()
    rows = preprocessor.read(weather(24 * 7))
    inputs, names = preprocessor.fit(rows).transform(rows), preprocessor.input_names
    hour = inputs[:, names.index("hour_sin")]
    np.testing.assert_allclose(hour, np.sin(2 * np.pi * rows.times.hour / 24), atol=1e-6)
    np.testing.assert_allclose(hour[:24], hour[24:48], atol=1e-6)
    week = inputs[:, [names.index("day_of_week_sin"), names.index("day_of_week_cos")]]
    assert len(np.unique(week.round(5), axis=0)) == 24 * 7
    np.testing.assert_allclose((inputs[:, -8::2] ** 2 + inputs[:, -7::2] ** 2), 1, atol=1e-5)


def test_scaling_is_fitted_on_the_rows_given_and_on_no_others():
    table = weather()
    other = table.copy()
    other.loc[30:, COLUMNS] *= 1000
    fitted = []
    for each in (table, other):
        preprocessor = full()
        fitted.append(preprocessor.fit(preprocessor.read(each).part(0, 30)).to_json())
    assert fitted[0] == fitted[1]
    preprocessor = full()
    rows = preprocessor.read(table)
    np.testing.assert_allclose(preprocessor.fit(rows).transform(rows)[:, :4].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(preprocessor.transform(rows)[:, :4].std(0), 1, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(values=arrays(np.float64, (9, 2), elements=st.floats(-1e6, 1e6) | st.just(np.nan)), shift=st.sampled_from([0.0, 1e5]))
def test_inverse_undoes_standardise_wherever_a_value_was(values, shift):
    preprocessor = SeriesPreprocessor(["a", "b"], ["b", "a"])
    rows = preprocessor.read(values + shift)
    if np.isnan(values).all(axis=0).any():
        with pytest.raises(ValueError, match="has no value in the training rows"):
            preprocessor.fit(rows)
        return
    targets, observed = preprocessor.fit(rows).standardise(rows)
    expected = (values + shift)[:, ::-1]
    assert (observed == ~np.isnan(expected)).all()
    size = np.array(preprocessor.std)[::-1]
    distance = np.abs(preprocessor.inverse(targets) - expected)[observed]
    assert (distance <= (1e-6 * np.abs(targets) * size + 1e-9 * size + 1e-9)[observed]).all()
    assert preprocessor.inverse(np.zeros((3, 5, 2))).shape == (3, 5, 2)


def test_a_constant_channel_keeps_its_units():
    preprocessor = SeriesPreprocessor(["a"])
    rows = preprocessor.read(np.full((9, 1), 0.1))
    assert preprocessor.fit(rows).std == [1.0] and not preprocessor.transform(rows).any()


# File


def test_the_file_gives_back_the_same_preprocessor():
    preprocessor = full()
    rows = preprocessor.read(weather().assign(pressure=[0.0] * 10 + [1000.5] * 40))
    preprocessor.fit(rows)
    again = SeriesPreprocessor.from_json(preprocessor.to_json())
    assert again == preprocessor and again.to_json() == preprocessor.to_json()
    np.testing.assert_array_equal(again.transform(rows), preprocessor.transform(rows))
    assert again != full()
    with pytest.raises(ValueError, match="not fitted"):
        full().to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.0]},
        {"std": [1.0, 1.0, 0.0, 1.0]},
        {"std": [1.0, 1.0, "x", 1.0]},
        {"mean": None},
        {"mean": [None] * 4},
        {"targets": ["humidity"]},
        {"columns": "temperature"},
        {"columns": [1, 2]},
        {"vectors": {"wind": ["speed"]}},
        {"vectors": [1]},
        {"missing": {"humidity": [0.0]}},
        {"missing": {"pressure": 0.0}},
        {"calendar": ["minute"]},
        {"frequency": 3},
        {"frequency": None},
        {"indicators": "yes"},
        {"indicated": ["humidity"]},
        {"time_column": "pressure"},
        {"more": 1},
    ],
)
def test_a_file_that_is_not_ours_is_refused(change):
    preprocessor = full()
    told = json.loads(preprocessor.fit(preprocessor.read(weather())).to_json())
    with pytest.raises(ValueError, match="not a scaler file of ours"):
        SeriesPreprocessor.from_json(json.dumps(told | change))
    for text in ("", "[]", "{}", "[" * 100_000, "NaN"):
        with pytest.raises(ValueError, match="not a scaler file of ours"):
            SeriesPreprocessor.from_json(text)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"calendar": ["hours"]}, "calendar: there is no 'hours'; did you mean 'hour'?"),
        ({"calendar": ["hour"], "frequency": None}, "calendar needs a time_column and its frequency"),
        ({"time_column": None}, "frequency 'h' needs the time_column"),
        ({"vectors": {"wind": ["speed", "direction"]}}, "must name two of the columns"),
        ({"vectors": {"wind": ["temperature", "bearing"]}}, "targets: there is no channel 'temperature'"),
        ({"indicated": []}, "belong together"),
    ],
)
def test_a_wrong_setting_is_named(settings, words):
    with pytest.raises(ValueError, match=words):
        make(**settings)


def test_an_unknown_frequency_is_named_when_it_is_first_used():
    with pytest.raises(ValueError, match="frequency must be a pandas offset such as h, 10min, D or MS, got 'hourly'"):
        make(frequency="hourly").read(weather())
