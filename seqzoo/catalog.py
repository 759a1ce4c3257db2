"""Names first, imports last: what the zoo holds is read from file names."""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any

__all__ = [
    "MODELS",
    "UnknownName",
    "check_arguments",
    "check_spec",
    "hint",
    "initialisers",
    "list_architectures",
    "list_corpora",
    "list_names",
    "list_recipes",
    "plugins",
    "recipe_path",
    "resolve",
    "resource",
    "summary",
]

PACKAGE = Path(__file__).parent
ROOMS = ("architectures", "corpora", "models", "tasks")
OPEN_ROOMS = ("architectures", "corpora")  # other packages may add to these by entry point `seqzoo.<room>`
OVERLAYS = {"trainer", "initialise"}  # folders of recipes that overlay another and are none themselves
SHARED = {"corpora": {"datamodule", "labelled_series", "series_datamodule"}}  # files of a room that are no animal
MODELS = {  # which model serves a task of config.json
    "anomaly-detection": "anomaly_detector",
    "text-classification": "text_classifier",
    "time-series-classification": "series_classifier",
    "time-series-forecasting": "forecaster",
}
WORD_VECTORS = "word-vectors"  # the task of a checkpoint that holds no model but a table of words


class UnknownName(LookupError):
    """Asked for something the zoo does not hold."""


def resource(kind: str) -> Path:
    """Folder of the bundled `checkpoints` or `recipes`: inside an installed package, beside it in a checkout."""
    installed = PACKAGE / "_bundled" / kind
    return installed if installed.is_dir() else PACKAGE.parent / kind


def _plugins(room: str) -> dict[str, Any]:
    """Entry points of other packages, by name."""
    if room not in OPEN_ROOMS:
        return {}
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"seqzoo.{room}")}


def plugins(room: str) -> dict[str, str]:
    """Names that other packages add to a room, and which package each is from."""
    return {name: summary(room, name).removeprefix("from ") for name in _plugins(room) if name not in _own(room)}


def _own(room: str) -> list[str]:
    if room not in ROOMS:
        raise UnknownName(f"there is no room {room!r}; {hint(room, ROOMS)}")
    shared = SHARED.get(room, set())
    return sorted(path.stem for path in (PACKAGE / room).glob("[!_]*.py") if path.stem not in shared)


def list_names(room: str, pattern: str = "*") -> list[str]:
    """Names in a room, our own and plug-ins', that match a shell pattern."""
    return [name for name in sorted({*_own(room), *_plugins(room)}) if fnmatchcase(name, pattern)]


def list_architectures(pattern: str = "*") -> list[str]:
    """Names of architectures that match a shell pattern such as `bi*`."""
    return list_names("architectures", pattern)


def list_corpora(pattern: str = "*") -> list[str]:
    """Names of corpora that match a shell pattern."""
    return list_names("corpora", pattern)


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of the bundled training recipes that match a shell pattern; those of the lectures are `lectures/...`."""
    return [name for name in _recipes() if name.partition("/")[0] not in OVERLAYS and fnmatchcase(name, pattern)]


def initialisers() -> list[str]:
    """Names of the overlays in `recipes/initialise`: ways for an embedding to begin."""
    return [name.partition("/")[2] for name in _recipes() if name.startswith("initialise/")]


def recipe_path(name: str) -> Path:
    """The file of a bundled recipe, or of one of the overlays as `trainer/cpu`; UnknownName where there is none."""
    if name not in (known := _recipes()):
        raise UnknownName(f"there is no recipe {name!r}; {hint(name, known)}")
    return resource("recipes") / f"{name}.yaml"


def _recipes() -> list[str]:
    """Recipes and overlays, as paths below their folder and without suffix."""
    root = resource("recipes")
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def summary(room: str, name: str) -> str:
    """First line of the file's docstring, read without importing the file; for a plug-in, who brings it."""
    if name in _own(room):
        source = (PACKAGE / room / f"{name}.py").read_text(encoding="utf-8")
        if source.startswith('"""'):  # the docstring alone: parsing all files to their ends takes long
            source = source[: source.index('"""', 3) + 3]
        return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    point = _plugins(room).get(name)
    if point is None:
        raise UnknownName(f"{room} holds no {name!r}; {hint(name, list_names(room))}")
    return f"from {point.dist.name if point.dist else point.value}"


def resolve(room: str, name: str) -> type:
    """Import one file and return the single class its `__all__` names; UnknownName with the nearest name."""
    if name in _own(room):
        module = import_module(f"seqzoo.{room}.{name}")
        (exported,) = module.__all__
        return getattr(module, exported)
    plugins = _plugins(room)
    if name in plugins:
        return plugins[name].load()
    raise UnknownName(f"{room} holds no {name!r}; {hint(name, list_names(room))}")


def check_arguments(name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """ValueError where an argument is not one of the function's keywords, is missing, or not of its annotated plain type."""
    if not isinstance(arguments, Mapping):
        raise ValueError(f"{name}: arguments must be a mapping of names to values, got {arguments!r}")
    parameters = inspect.signature(function, eval_str=True).parameters
    known = [key for key, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in arguments:
            raise ValueError(f"{name} needs the argument {key!r}")
    for key, value in arguments.items():
        if key not in known:
            raise ValueError(f"{name} has no argument {key!r}; {hint(key, known)}")
        expected = parameters[key].annotation
        if expected in (int, float, bool, str) and not _is_a(value, expected):
            raise ValueError(f"{name}: {key} must be {expected.__name__}, got {value!r}")


def check_spec(name: str, network: type, spec: Any) -> None:
    """ValueError where the network is not for what `spec` describes, text or series, by the annotation of its argument."""
    wanted = next(iter(inspect.signature(network, eval_str=True).parameters.values())).annotation
    if isinstance(wanted, type | UnionType) and wanted is not inspect.Parameter.empty and not isinstance(spec, wanted):
        kinds = {"TextSpec": "text", "SeriesSpec": "series"}
        needed, given = (kinds.get(getattr(kind, "__name__", ""), str(kind)) for kind in (wanted, type(spec)))
        raise ValueError(f"{name} reads {needed} and cannot serve {given}; choose another architecture")


def _is_a(value: Any, expected: type) -> bool:
    if isinstance(value, bool):
        return expected is bool
    return isinstance(value, (int, float) if expected is float else expected)


def hint(name: object, known: Sequence[str]) -> str:
    """How an error goes on: the nearest known name, else all of them."""
    close = get_close_matches(str(name), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "none is known"
