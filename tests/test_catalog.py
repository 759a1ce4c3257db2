"""Names: listed without imports, resolved late, corrected when misspelt."""

import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from made_up import python
from torch import nn

import seqzoo
from seqzoo import catalog
from seqzoo.catalog import UnknownName, check_arguments, hint, list_names, resolve, summary

THIS = sys.modules[__name__]


class Plugin(nn.Module):
    """What another package might bring."""

    def __init__(self, spec: seqzoo.TextSpec, *, size: int = 3):
        super().__init__()
        self.output_size = size


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another package had registered architecture `from_afar`, and tried to replace `bow`."""
    import importlib.metadata

    def entry_points(*, group: str) -> list[EntryPoint]:
        if group != "seqzoo.architectures":
            return []
        return [EntryPoint(name, f"{__name__}:Plugin", group) for name in ("from_afar", "bow")]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


@pytest.mark.parametrize("room", ["architectures", "corpora"])
def test_names_are_those_of_the_files(room):
    files = {path.stem for path in (catalog.PACKAGE / room).glob("*.py")} - {"__init__"}
    assert list_names(room) == sorted(files - catalog.SHARED.get(room, set()))


def test_wildcards_choose_among_the_names():
    assert seqzoo.list_architectures("bilst?") == ["bilstm"] and seqzoo.list_architectures("b?w") == ["bow"]
    assert seqzoo.list_architectures("nothing") == [] and seqzoo.list_corpora("im*") == ["imdb"]
    assert {"imdb-bilstm", "imdb-bow"} <= set(seqzoo.list_recipes("imdb-*"))
    assert "lectures/imdb-rnn" in seqzoo.list_recipes("lectures/*")
    assert not [name for name in seqzoo.list_recipes() if name.startswith("trainer/")], "an overlay is no recipe"


@pytest.mark.parametrize("room", catalog.ROOMS)
def test_every_name_resolves_to_the_one_class_of_its_file(room):
    for name in list_names(room):
        found = resolve(room, name)
        assert isinstance(found, type) and found.__module__ == f"seqzoo.{room}.{name}"
        assert summary(room, name)


@pytest.mark.parametrize(
    ("room", "name", "words"),
    [
        ("architectures", "bilstn", "architectures holds no 'bilstn'; did you mean 'bilstm'?"),
        ("corpora", "imbd", "corpora holds no 'imbd'; did you mean 'imdb'?"),
        ("architectures", "datamodule.py", "architectures holds no 'datamodule.py'"),
        ("corpora", "datamodule", "corpora holds no 'datamodule'"),
        ("corpora", "../hub", "corpora holds no '../hub'"),
        ("architectures", "", "architectures holds no ''"),
        ("architecture", "bow", "there is no room 'architecture'; did you mean 'architectures'?"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(room, name, words):
    for function in (resolve, summary):
        with pytest.raises(UnknownName) as caught:
            function(room, name)
        assert words in str(caught.value)


def test_an_unknown_recipe_suggests_the_nearest():
    with pytest.raises(UnknownName, match=r"there is no recipe 'trainer/gpus'; did you mean 'trainer/gpu'\?"):
        catalog.recipe_path("trainer/gpus")


def test_a_hint_names_the_nearest_or_all():
    assert hint("hiden", ["hidden", "size"]) == "did you mean 'hidden'?"
    assert hint("zzz", ["a", "b"]) == "known: a, b" and hint("zzz", []) == "none is known"
    assert hint(3, ["a"]) == "known: a"


def test_other_packages_add_architectures_by_entry_point(plugins):
    assert "from_afar" in seqzoo.list_architectures() and "from_afar" not in seqzoo.list_corpora()
    assert resolve("architectures", "from_afar") is Plugin
    assert seqzoo.create_network("from_afar", seqzoo.TextSpec(9), size=4).output_size == 4
    assert summary("architectures", "from_afar") == f"from {__name__}:Plugin"


def test_a_plug_in_is_in_the_did_you_mean(plugins):
    with pytest.raises(UnknownName, match=r"did you mean 'from_afar'\?"):
        resolve("architectures", "from_afr")


def test_a_plug_in_does_not_replace_one_of_ours(plugins):
    assert resolve("architectures", "bow").__module__ == "seqzoo.architectures.bow"
    assert seqzoo.list_architectures().count("bow") == 1
    assert not summary("architectures", "bow").startswith("from ")


def test_models_and_tasks_are_ours_alone(monkeypatch):
    import importlib.metadata

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: pytest.fail("plug-ins were asked for"))
    list_names("models"), list_names("tasks")


def test_labels_are_read_without_importing_the_file():
    code = "import sys; from seqzoo import catalog; print(catalog.summary('architectures', 'lstm'), 'torch' in sys.modules)"
    line = python("-c", code).stdout.strip()
    assert line.endswith(" False") and "short-term" in line


def test_arguments_are_checked_by_name_and_plain_type():
    def function(spec: Any, *, size: int = 1, rate: float = 0.0, deep: bool = False, kind: str = "a", free: Any = None):
        pass

    check_arguments("it", function, {"size": 2, "rate": 1, "deep": True, "kind": "b", "free": object()})
    check_arguments("it", function, {"rate": 0.5})
    for bad, words in (
        ({"sise": 2}, "it has no argument 'sise'; did you mean 'size'?"),
        ({"spec": 2}, "it has no argument 'spec'"),
        ({"size": 2.0}, "it: size must be int, got 2.0"),
        ({"size": True}, "it: size must be int, got True"),
        ({"rate": True}, "it: rate must be float, got True"),
        ({"rate": "1"}, "it: rate must be float, got '1'"),
        ({"deep": 1}, "it: deep must be bool, got 1"),
        ({"kind": None}, "it: kind must be str, got None"),
        ([("size", 2)], "it: arguments must be a mapping"),
    ):
        with pytest.raises(ValueError) as caught:
            check_arguments("it", function, bad)
        assert words in str(caught.value)
