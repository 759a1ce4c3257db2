"""Rooms import downwards only, and nothing heavy is loaded before it is needed."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from made_up import ROOT, environment, python

from seqzoo import catalog

PACKAGE = ROOT / "seqzoo"
LIGHT = {"__init__", "__main__", "specs", "cache", "catalog", "cards", "cli", "embed_cli", "hub_cli", "series_cli"}
MAY_IMPORT = {  # room -> rooms; a room of several files may also import its own
    "__init__": set(),
    "__main__": {"cli"},
    "specs": set(),
    "catalog": set(),
    "cards": {"cache", "catalog", "measures"},
    "layers": {"layers", "specs"},  # first layers are chosen by the spec; specs itself imports nothing
    "architectures": {"specs", "layers", "architectures"},
    "preprocessing": {"specs", "preprocessing"},
    "embeddings": {"preprocessing", "embeddings", "hub", "catalog"},  # word vectors are checkpoints too
    "cache": set(),
    "hub": {"cache", "catalog", "cards"},
    "sharing": {"cache", "cards", "catalog", "hub", "trust"},
    "models": {"catalog", "layers", "models", "preprocessing", "hub", "sharing", "specs"},
    "tasks": {"models", "catalog", "preprocessing", "specs", "tasks"},
    "corpora": {"specs", "preprocessing", "corpora"},
    "callbacks": {"embeddings", "catalog", "hub", "preprocessing", "callbacks"},  # preprocessing: what events are
    "factory": {"catalog"},
    "trust": set(),
    "measures": {"cache", "catalog", "hub", "measures", "models", "preprocessing", "specs"},
    "verification": {"factory", "hub", "cards", "catalog", "measures", "trust", "embeddings"},
    "reproduction": {"verification", "hub", "cards", "catalog", "measures", "trust", "embeddings"},
    "doctor": {"cache", "cards", "catalog"},
    "results": {"verification", "hub", "cards", "catalog", "curves", "measures"},
    "fitting": {"catalog", "hub", "specs"},
    "plots": {"hub"},
    "curves": {"catalog", "hub", "plots"},
}
THIRD_PARTY = {
    "layers": {"torch", "numpy"},
    "architectures": {"torch", "numpy"},
    "models": {"torch", "numpy", "tqdm", "pandas"},
    "preprocessing": {"numpy", "tokenizers", "pandas", "torch"},
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_bundled" not in path.parts)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def files_of(rooms: Iterable[str]) -> pytest.MarkDecorator:
    files = [path for path in FILES if room_of(path) in rooms]
    return pytest.mark.parametrize("path", files, ids=lambda path: path.relative_to(PACKAGE).as_posix())


every_file = files_of({room_of(path) for path in FILES})


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def run_nodes(node: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """All nodes that run: without `if TYPE_CHECKING`, and without function bodies unless those are asked for."""
    for child in ast.iter_child_nodes(node):
        if is_for_types_only(child) or (not inside_functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
            continue
        yield child
        yield from run_nodes(child, inside_functions)


def imports_of(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Dotted names of what is imported; `from a import b` gives `a.b`."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where they lead"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def own_rooms(names: Iterable[str]) -> set[str]:
    """`seqzoo.hub.load` is room `hub`; names of the package itself, as `seqzoo.__version__`, are none."""
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} - {"__init__"}
    return {name.split(".")[1] for name in names if name.startswith("seqzoo.")} & rooms


@files_of({room_of(path) for path in FILES} - {"cli", "embed_cli", "hub_cli", "series_cli"})
def test_rooms_import_downwards_only(path):
    room = room_of(path)
    rooms = own_rooms(imports_of(run_nodes(ast.parse(path.read_text()), inside_functions=True)))
    assert rooms <= MAY_IMPORT[room], f"{room} must not import {sorted(rooms - MAY_IMPORT[room])}"


def test_the_command_imports_only_light_rooms_at_the_top():
    names = list(imports_of(run_nodes(ast.parse((PACKAGE / "cli.py").read_text()), inside_functions=False)))
    assert own_rooms(names) <= {"cards", "catalog", "hub_cli", "series_cli"}


@files_of(LIGHT)
def test_light_rooms_load_the_standard_library_only(path):
    names = imports_of(run_nodes(ast.parse(path.read_text()), inside_functions=False))
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | {"seqzoo"}


@files_of(THIRD_PARTY)
def test_a_room_knows_only_its_libraries(path):
    tops = {name.split(".")[0] for name in imports_of(run_nodes(ast.parse(path.read_text()), inside_functions=True))}
    assert tops - sys.stdlib_module_names - {"seqzoo"} <= THIRD_PARTY[room_of(path)]


@files_of({"tasks", "corpora"})
def test_tasks_and_corpora_never_import_each_other(path):
    rooms = own_rooms(imports_of(run_nodes(ast.parse(path.read_text()), inside_functions=True)))
    other = {"tasks": "corpora", "corpora": "tasks"}.get(room_of(path))
    assert other not in rooms


@every_file
def test_nothing_unpickles_or_asserts(path):
    """`torch.load` only with weights_only=True, no pickle, and no assert for users' mistakes."""
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Assert), f"assert in line {node.lineno}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}.get("weights_only") == "True"
    assert not {"pickle", "dill", "joblib"} & {
        name.split(".")[0] for name in imports_of(ast.walk(ast.parse(path.read_text())))
    }


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that a fresh process has loaded after running the code."""
    report = "import sys; print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = python("-c", f"{code}\n{report}")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "numpy", "lightning", "torchmetrics", "pandas", "gensim", "datasets", "huggingface_hub", "tokenizers"}


@pytest.mark.parametrize(
    "code",
    [
        "import seqzoo; seqzoo.TextSpec(3); dir(seqzoo)",
        "import seqzoo as s; s.list_architectures(), s.list_corpora(), s.list_recipes(), s.list_checkpoints()",
        "from seqzoo.cli import main; main(['list'])",
        "from seqzoo.cli import main; main(['list', 'architectures', 'b*', '--json'])",
        "from seqzoo.cli import main; main(['info', 'imdb-bow'])",
    ],
)
def test_looking_around_loads_nothing_heavy(code):
    assert not loaded_by(code) & HEAVY


def test_predicting_loads_neither_lightning_nor_its_company(saved):
    loaded = loaded_by(f"from seqzoo.cli import main; assert main(['predict', {str(saved)!r}, 'a lovely film']) == 0")
    assert {"torch", "tokenizers"} <= loaded
    assert not loaded & {"lightning", "pytorch_lightning", "torchmetrics", "datasets", "gensim", "pandas", "pyarrow"}
    assert not loaded & {"huggingface_hub", "jsonargparse", "sklearn", "scipy", "matplotlib"}


def test_creating_a_network_loads_torch_alone():
    loaded = loaded_by("import seqzoo; seqzoo.create_network('bilstm', seqzoo.TextSpec(9), hidden_size=4)")
    assert not loaded & {"lightning", "torchmetrics", "datasets", "gensim", "pandas", "tokenizers"}


@pytest.mark.parametrize("name", ["os", "Tokenizer", "load_model"])
def test_the_package_has_no_names_but_those_it_lists(name):
    import seqzoo

    with pytest.raises(AttributeError, match=f"module 'seqzoo' has no attribute '{name}'"):
        getattr(seqzoo, name)


def test_every_public_name_is_there():
    import seqzoo

    assert set(seqzoo.__all__) == set(seqzoo._HOMES)
    for name in seqzoo.__all__:
        assert getattr(seqzoo, name).__name__ == name and name in dir(seqzoo)


# Time


def seconds(*arguments: str) -> float:
    """Processor time of a process of this Python: what else the machine does must not count."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], env=environment(), check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def shortest(*commands: tuple[str, ...], runs: int = 5) -> list[float]:
    """The least time of each command, run in turns."""
    times = [[seconds(*command) for command in commands] for _ in range(runs)]
    return [min(column) for column in zip(*times, strict=True)]


def test_importing_the_package_takes_under_50_milliseconds():
    importing, bare = shortest(("-c", "import seqzoo"), ("-c", "pass"), runs=8)
    assert importing - bare < 0.05


def test_list_takes_at_most_400_milliseconds():
    (listing,) = shortest(("-m", "seqzoo", "list"))
    assert listing <= 0.4


def test_predicting_takes_at_most_1_6_times_importing_torch():
    if not (catalog.resource("checkpoints") / "imdb-bilstm" / "config.json").is_file():
        pytest.skip("imdb-bilstm is not there yet")
    command = ("-m", "seqzoo", "predict", "imdb-bilstm", "A slow start, but what a finale!")
    predicting, importing = shortest(command, ("-c", "import torch"))
    assert predicting <= 1.6 * importing, f"{predicting:.2f} s against {importing:.2f} s"
