"""What a recipe from outside our index may name: our classes, torch's optimisers, Lightning's; no other code, no path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

__all__ = ["ALLOWED", "check", "parse", "read"]

ALLOWED = ("seqzoo.", "torch.optim.", "lightning.pytorch.")
DEFAULTS = {"seqzoo.tasks._training.adamw", "seqzoo.tasks.text_classification._adamw"}  # the optimiser where none is given
KEYS = {"seed_everything", "model", "data", "trainer"}
DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
LARGEST = 1 << 20  # characters


class _Plain(yaml.SafeLoader):
    """Plain values without aliases, which grow without bound where they are unfolded."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def parse(recipe: str) -> dict[str, Any]:
    """A recipe's YAML, of plain values only; ValueError where it does not name its corpus."""
    if len(recipe) > LARGEST:
        raise ValueError(f"a recipe has at most {LARGEST} characters, got {len(recipe)}")
    try:
        told = yaml.load(recipe, Loader=_Plain)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"a recipe must be YAML of plain values, without aliases ({_line(error)})") from None
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise ValueError("a recipe must map data to its settings")
    if not isinstance(told["data"].get("class_path"), str) or not isinstance(told["data"].get("init_args") or {}, dict):
        raise ValueError("a recipe's data must give class_path and init_args")
    return told


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def read(file: Path) -> str:
    """A recipe's text; ValueError where it is not there or none."""
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"{file} has more than {LARGEST} bytes, which no recipe has")
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ValueError(
            f"there is no {file}: nobody could train or verify the checkpoint; save it with its recipe"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8 text") from None


def check(recipe: str, where: str) -> None:
    """ValueError where a recipe names code that is not among ALLOWED, or a place outside the current folder."""
    told = parse(recipe)
    for key in ("model", "trainer"):
        if not isinstance(told.get(key), dict):
            raise ValueError(f"{where}: a recipe must map {key} to its settings")
    if unknown := sorted(set(told) - KEYS):
        raise ValueError(f"{where}: {unknown[0]} is no key of a recipe that may be run; it has {', '.join(sorted(KEYS))}")
    for place, key, value in _strings(told, ""):
        if key == "class_path" or (DOTTED.fullmatch(value) and _could_be_imported(value)):  # a callable needs no class_path
            _check_class(value, f"{where}: {place}")
        _check_place(value, f"{where}: {place}")


def _strings(value: Any, place: str, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Every text in a recipe with its place and key; keys too, since a mapping's may be read as names."""
    if isinstance(value, dict):
        for inner, child in value.items():
            if not isinstance(inner, str):
                raise ValueError(f"{place or 'a recipe'}: keys must be texts, got {inner!r}")
            yield from _strings(child, f"{place}.{inner}" if place else inner, inner)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _strings(child, f"{place}.{number}", key)
    elif isinstance(value, str):
        yield place, key, value
    elif key == "class_path":
        raise ValueError(f"{place} must name a class, got {value!r}")


def _could_be_imported(name: str) -> bool:
    try:
        return find_spec(name.partition(".")[0]) is not None  # the top alone: nothing is imported
    except (ImportError, ValueError):
        return True


def _check_class(path: str, where: str) -> None:
    """ValueError unless it is a class defined below one of ALLOWED: `seqzoo.hub.os.system` is defined elsewhere."""
    refusal = f"{where} names {path}; a recipe from outside the index may name classes of {', '.join(ALLOWED)} only"
    if path in DEFAULTS:
        return
    if not path.startswith(ALLOWED) or not DOTTED.fullmatch(path) or "__" in path:
        raise ValueError(refusal)
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise ValueError(f"{where} names {path}, which is not there") from None
    if not isinstance(found, type) or not found.__module__.startswith(ALLOWED):
        raise ValueError(refusal)


def _check_place(value: str, where: str) -> None:
    """ValueError for what leads out of the current folder, on any system, or to another recipe."""
    windows = PureWindowsPath(value)
    if (
        PurePosixPath(value).is_absolute()
        or windows.drive
        or windows.root
        or ".." in (*PurePosixPath(value).parts, *windows.parts)
        or value.startswith(("~", "$"))
        or "://" in value
        or value.endswith((".yaml", ".yml"))
    ):
        raise ValueError(f"{where} is {value!r}: a recipe from outside the index may name no place out of its folder")
