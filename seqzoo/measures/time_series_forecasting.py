"""Forecasting: mean absolute and squared error over every window, beside the last value and the last season's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from seqzoo.measures import Metric, compare_plain, plain_rows

__all__ = [
    "baselines",
    "compare",
    "evaluate",
    "example",
    "is_told",
    "limits",
    "rows",
    "sample",
    "told",
    "tolerance",
    "unit",
    "usage",
]

TASK = "time-series-forecasting"
MAIN = {"mae": ["mae", "mse"]}
HIGHER_IS_BETTER = False
METRICS = {
    "mae": Metric("mean absolute error", 3, "{unit}"),
    "mse": Metric("mean squared error", 3, "standardised"),
    "mae_standardised": Metric("mean absolute error", 4, "standardised"),
    "mse_standardised": Metric("mean squared error", 4, "standardised"),
    "quantile_loss": Metric("quantile loss, mean of the quantiles", 4, "standardised"),
}
NEEDED = ()
PIPELINE = TASK
ONE, MANY, COUNTED, LABELS = "forecast", "histories", " windows", "Targets"
BATCH = 4096  # windows that are gathered together
SEASONS = {"h": 24, "10min": 144, "MS": 12, "D": 7}  # steps after which a series is likely to be like itself
NUMBERS = 500_000  # that all sampled histories may have together
DIGITS = 6  # significant ones of a value in an example


def evaluate(model: Any, data: Any, split: str, *, progress: bool = False) -> dict[str, Any]:
    """Errors over all windows of a split, every observed step and target counted once; n, the number of windows.

    Of one target: mae in its units, mae_standardised and mse_standardised in standard deviations of the training rows. Of
    several: mae and mse, both standardised, as published benchmarks have them. Of a model with quantiles, whose median is
    its forecast, quantile_loss (the mean over its quantiles of the pinball loss, standardised) and coverage_10_90, the
    share of observed steps from the lowest to the highest quantile, named for those in percent.
    """
    data.setup("test" if split == "test" else None)
    return _errors(lambda past: torch.from_numpy(model.forecast(past)), data, split, model.quantiles)


def _errors(forecast: Any, data: Any, split: str, quantiles: list[float] | None = None) -> dict[str, Any]:
    windows, scale = data.windows(split), torch.from_numpy(data.preprocessor.target_scale[1])
    absolute = squared = pinball = inside = count = 0.0
    units = torch.zeros(len(scale), dtype=torch.float64)
    for start in range(0, len(windows), BATCH):
        past, future, observed = windows.batch(range(start, min(start + BATCH, len(windows))))
        ahead = forecast(past)
        if quantiles:
            levels = torch.tensor(quantiles)
            gap = (future[..., None] - ahead)[observed]
            pinball += torch.maximum(levels * gap, (levels - 1) * gap).mean(-1).sum(dtype=torch.float64).item()
            inside += ((ahead[..., 0] <= future) & (future <= ahead[..., -1]))[observed].sum().item()
            ahead = ahead[..., quantiles.index(0.5)]
        gap = torch.where(observed, ahead - future, 0.0).double()
        units += gap.abs().sum((0, 1))
        absolute, squared = absolute + gap.abs().sum().item(), squared + gap.square().sum().item()
        count += observed.sum().item()
    if not count:
        raise ValueError(f"{data.name}: nothing is observed in {split}")
    found = {"mae": absolute / count, "mse": squared / count}
    if len(scale) == 1:
        found = {"mae": (units * scale).sum().item() / count, **{f"{kind}_standardised": found[kind] for kind in found}}
    if quantiles:
        low, high = (f"{100 * level:g}" for level in (min(quantiles), max(quantiles)))
        found |= {"quantile_loss": pinball / count, f"coverage_{low}_{high}": inside / count}
    return {**found, "n": len(windows)}


def baselines(data: Any, split: str) -> dict[str, float]:
    """mae of the last value, and of the last season's (a day of hours or of ten minutes, a year of months, a week of days)
    where a season lies in what is read; on the very same windows.
    """
    data.setup("test" if split == "test" else None)
    places, asked = data.preprocessor.target_indices, data.options
    season, step = SEASONS.get(data.preprocessor.frequency), asked["sampling_step"]
    found = {"last value": _errors(lambda past: past[:, -1:, places].expand(-1, asked["horizon"], -1), data, split)["mae"]}
    if season is None:
        return found
    back = [-(asked["delay"] + ahead) % season for ahead in range(asked["horizon"])]  # steps before the last one read
    if any(back) and not any(one % step for one in back) and max(back) // step < asked["context_length"]:
        rows = [-1 - one // step for one in back]
        found["last season"] = _errors(lambda past: past[:, rows][..., places], data, split)["mae"]
    return found


def tolerance(kind: str, claimed: float, n: int) -> float:
    """Rounding alone; a share of covered steps moves by some of them."""
    return 1e-3 if kind.startswith("coverage") else 1e-3 * max(abs(claimed), 1e-3)


def example(data: Any) -> dict[str, list[Any]]:
    """The rows that the first window of test is forecast from."""
    return _history(data, 0)


def _history(data: Any, first: int) -> dict[str, list[Any]]:
    """As many published rows as a forecast reads, from row `first` of the test split on, a column each."""
    asked = data.options
    needed = (asked["context_length"] - 1) * asked["sampling_step"] + 1
    table, made = data.rows("test").iloc[first : first + needed], data.make_preprocessor()
    columns = {} if made.time_column is None else {made.time_column: table[made.time_column].astype(str).tolist()}
    return columns | {name: [_short(value) for value in table[name].tolist()] for name in made.columns}


def _short(value: Any) -> Any:
    return float(f"{float(value):.{DIGITS}g}") if value == value and value is not None else None


def told(model: Any, example: Any) -> dict[str, Any]:
    """The first and the last time of a forecast, and each of its columns, quantiles among them."""
    ahead = model.predict(example)
    columns = {str(name): [float(value) for value in ahead[name]] for name in ahead.columns}
    return {"first": str(ahead.index[0]), "last": str(ahead.index[-1]), "forecast": columns}


def is_told(entry: Mapping[str, Any]) -> bool:
    """Whether an example of metrics.json gives first and last time and columns of numbers."""
    columns = entry.get("forecast")
    return (
        isinstance(entry.get("first"), str)
        and isinstance(entry.get("last"), str)
        and isinstance(columns, dict)
        and bool(columns)
        and all(isinstance(values, list) and values for values in columns.values())
        and all(isinstance(one, int | float) for values in columns.values() for one in values)
    )


def compare(claimed: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, float]]:
    """The card's example: its times, and each column as a whole."""
    yield "example first", claimed["first"], told["first"], 0.0
    yield "example last", claimed["last"], told["last"], 0.0
    yield from compare_plain(claimed["forecast"], told["forecast"])


def sample(data: Any, n: int) -> list[dict[str, list[Any]]]:
    """Histories of the test split, the same each time; fewer where they are long."""
    history = _history(data, 0)
    length = len(next(iter(history.values())))
    places = len(data.rows("test")) - length + 1
    count = min(n, max(20, NUMBERS // (length * len(history))), places)
    return [_history(data, int(place)) for place in np.random.default_rng(0).permutation(places)[:count]]


def unit(data: Any) -> str:
    """The one target's, as its name has it in brackets: `Temperature (C)` is in °C; of several, `standardised`."""
    targets = data.labels
    if len(targets) > 1:
        return "standardised"
    found = re.search(r"\(([^()]+)\)$", targets[0])
    return {"C": "°C", "degC": "°C"}.get(found.group(1), found.group(1)) if found else ""


def limits(model: Any) -> list[str]:
    """What is read and what is forecast."""
    each = f" (one each `{model.preprocessor.frequency}`)" if model.preprocessor.frequency else ""
    needs = f"Reads the last {model.rows_needed:,} rows of a history{each}, and needs as many"
    return [f"{needs}; columns and their units are those of training."]


def rows(config: Mapping[str, Any], numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Other errors of the test split; of quantiles, how many values lie between them."""
    covered = [(kind, value) for kind, value in numbers["test"].items() if kind.startswith("coverage_")]
    return [
        *plain_rows(TASK, numbers),
        *(
            (f"test values between quantiles {kind.split('_')[1]} % and {kind.split('_')[2]} %", f"{100 * value:.2f} %")
            for kind, value in covered
        ),
    ]


def usage(example: Mapping[str, Any]) -> str:
    """`model.predict("example.csv")` and the first value of its first column."""
    (name, values), *_ = example["forecast"].items()
    more = f", {len(values)} steps to {example['last']}" if len(values) > 1 else ""
    return f'model.predict("{example.get("file")}")   # {name} at {example["first"]}: {values[0]:.2f}{more}'
