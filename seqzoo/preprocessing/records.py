"""Rows of a user's file: text, CSV or JSON lines, read as they are asked for."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

__all__ = ["read_records"]

MAX_FIELD = 1 << 30  # characters of one CSV field


def read_records(file: str, column: str) -> Iterator[dict[str, str]]:
    """Rows of a .txt, .csv or .jsonl file, or lines of standard input, read as they are asked for."""
    kind = "txt" if file == "-" else Path(file).suffix.removeprefix(".").lower()
    if kind not in ("txt", "csv", "jsonl"):
        raise ValueError(f"--file must be .txt, .csv, .jsonl or -, got {file!r}")
    # newline="" leaves line ends inside CSV fields alone
    source = sys.stdin if file == "-" else open(file, encoding="utf-8-sig", newline="" if kind == "csv" else None)
    try:
        with source:
            if kind == "txt":
                for line in source:
                    yield {column: line.rstrip("\r\n")}
            elif kind == "csv":
                yield from _csv_rows(file, source, column)
            else:
                yield from _json_rows(file, source, column)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 text ({error}); convert it first") from None


def _csv_rows(file: str, source: Any, column: str) -> Iterator[dict[str, str]]:
    csv.field_size_limit(MAX_FIELD)
    reader = csv.DictReader(source)
    if column not in (reader.fieldnames or ()):
        raise ValueError(f"{file} has no column {column!r}; {_hint(column, reader.fieldnames or ())}")
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{file}, line {reader.line_num}: the row has not as many fields as the header")
            yield row
    except csv.Error as error:
        raise ValueError(f"{file}, line {reader.line_num}: {error}") from None


def _json_rows(file: str, source: Any, column: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: not JSON ({error})") from None
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            raise ValueError(f"{file}, line {number}: must be an object with a text under {column!r}")
        yield row


def _hint(column: str, columns: Sequence[str]) -> str:
    close = get_close_matches(column, columns, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(columns)}"
