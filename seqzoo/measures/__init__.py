"""What the checkpoints of each task are measured by and told of on their cards: a file per task, named as the task.

Such a file offers, `data` being the corpus as its recipe makes it, not yet set up, and `test` what `evaluate` gave:

- `MAIN`: the metrics that a checkpoint may be compared by, the first that was measured -> the Hub's names of them;
  `HIGHER_IS_BETTER`; `METRICS`: those that a card gives, as far as they were measured; `NEEDED`: those it cannot do without
- `PIPELINE`, the Hub's pipeline tag or None; `ONE`, `MANY`: what one input and several are called; `COUNTED`: what `n`
  counts; `LABELS`: what the labels of config.json are called
- `evaluate(model, data, split, *, progress=False)`: the numbers of a split, `n` among them
- `baselines(data, split)`: name -> what the simplest guess reaches in the main metric
- `tolerance(kind, claimed, n)`: how far another processor's rounding may move a metric
- `example(data)`: one raw input, a text or columns by name; `told(model, example)`: what the model says of it, as JSON;
  `is_told(entry)`: whether a metrics.json from elsewhere has that form; `compare(claimed, told)`: name, claimed, measured
  and tolerance of what verify holds against each other
- `sample(data, n)`: at most n raw inputs of the test split, the same each time, as JSON: for time and memory
- `unit(data)`: what the main metric is measured in, "" where it has no unit
- `limits(model)`: sentences on what a model cannot do; `rows(config, numbers)`: rows of the card beside the main metric;
  `usage(example)`: the lines of Python on the card, of `model`, from metrics.json's example
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from seqzoo import catalog
from seqzoo.cache import EXAMPLE

__all__ = ["EXAMPLE", "Metric", "compare_plain", "main_metric", "of", "plain_rows", "read_example", "write_example"]

LARGEST_EXAMPLE = 1 << 20  # bytes of an example that is read; ours are much smaller
PLACES = 1e-3  # how far a predicted number may lie off, in its own scale


class Metric(NamedTuple):
    """How a card tells a metric: its words, decimal places, unit (`%` of a share) and the Hub's arguments of it.

    The unit `{unit}` is the corpus's own, as `unit(data)` gives it.
    """

    said: str
    digits: int = 4
    unit: str = ""
    hub: Mapping[str, Any] = {}

    def show(self, value: float, unit: str = "") -> str:
        """0.9073 -> `90.73 %`; 1.998 with the unit °C -> `1.998 °C`."""
        told = self.unit.format(unit=unit)
        return f"{100 * value if told == '%' else value:,.{self.digits}f} {told}".rstrip()


def of(task: str) -> ModuleType:
    """The measures of a task; UnknownName for one that the zoo has not."""
    if task not in catalog.MODELS:
        raise catalog.UnknownName(f"there is no task {task!r}; {catalog.hint(task, sorted(catalog.MODELS))}")
    return import_module(f"seqzoo.measures.{task.replace('-', '_')}")


def main_metric(task: str, test: Mapping[str, Any]) -> str:
    """What a checkpoint with these numbers is compared by: `accuracy`, or `micro_f1` where a text has several labels."""
    *others, last = of(task).MAIN
    return next((kind for kind in others if kind in test), last)


def plain_rows(task: str, numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A row for each metric of the test split but the main one."""
    test, unit = numbers["test"], numbers["data"].get("unit", "")
    main, known = main_metric(task, test), of(task).METRICS
    return [
        (f"test {metric.said}", metric.show(test[kind], unit))
        for kind, metric in known.items()
        if kind in test and kind != main
    ]


def compare_plain(claimed: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, float]]:
    """An example's prediction beside the one of now: numbers (and lists of them) by their scale, texts exactly."""
    for key, value in claimed.items():
        if key not in ("file", "sha256"):
            numbers = value if isinstance(value, list) else [value]
            scale = max((abs(one) for one in numbers if isinstance(one, int | float)), default=1.0)
            yield f"example {key}", value, told.get(key), PLACES * max(1.0, scale)


def write_example(columns: Mapping[str, Any]) -> str:
    """Columns of equal length as CSV; a missing value is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_field(value) for value in row] for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def _field(value: Any) -> Any:
    return "" if value is None or value != value else value  # NaN is not itself


def read_example(path: Path) -> dict[str, list[Any]]:
    """The columns of an example's file: numbers where a whole column is numbers (an empty field is NaN), else texts.

    ValueError for a file that is not there, is too large or no table.
    """
    try:
        if (size := path.stat().st_size) > LARGEST_EXAMPLE:
            raise ValueError(f"{path} has {size} bytes; an example has at most {LARGEST_EXAMPLE}")
        header, *rows = csv.reader(path.read_bytes().decode("utf-8").splitlines())
    except FileNotFoundError:
        raise ValueError(f"there is no {path}, which metrics.json gives as the example") from None
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path} is no table of comma-separated UTF-8 text") from None
    except ValueError as error:
        raise error if str(path) in str(error) else ValueError(f"{path} is empty") from None
    if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows):
        raise ValueError(f"{path} must have as many fields in each row as it has different names in the first")
    return {name: _numbers([row[place] for row in rows]) for place, name in enumerate(header)}


def _numbers(fields: list[str]) -> list[Any]:
    try:
        return [float(field) if field else float("nan") for field in fields]
    except ValueError:
        return fields
