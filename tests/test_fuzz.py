"""A checkpoint's files and the index, changed at random: a typed error or a working model; no hang, flood, stray write."""

import hashlib
import json
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from conftest import make_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import read_json

import seqzoo
from seqzoo import cards, catalog, hub
from seqzoo.preprocessing.tokenizer import Tokenizer

SECONDS, MEMORY = 20, 2 << 30  # that one input may take
KINDS = ("config", "tokenizer", "weights", "index")
CHECKPOINTS = ("bilstm", "bow", "cnn", "skip_rnn", "leaky_rnn", "transformer", "tdnn")
HUGE = st.sampled_from([2**31, 2**40, 2**63, 2**64, 10**30, -(2**63), 1e308, 10**9, 10**7])
NAMES = st.sampled_from(
    [
        "../x",
        "/etc/passwd",
        "C:\\x",
        "..\\x",
        "con",
        "a/b",
        "os.system",
        "__class__",
        "bilstm",
        "bow",
        "gru",
        "mean",
        "last",
        "\0",
        "",
    ]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), HUGE, st.floats(), st.text(max_size=8), NAMES)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | NAMES, inner, max_size=3),
    max_leaves=6,
)
RAW = st.binary(max_size=64)
SMALL = st.integers(1, 64) | st.sampled_from([0.0, 0.3, "mean", "max", "attention", "one-hot", True, False])
ARGUMENTS = {
    name: sorted({*signature(catalog.resolve("architectures", name)).parameters} - {"spec"}) for name in CHECKPOINTS
}

opened: list[str] = []
outcomes: Counter[str] = Counter()
watching = [False]


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if watching[0] and event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str):
        if set(arguments[1]) & set("wax+"):
            opened.append(arguments[0])
    elif watching[0] and event in ("os.system", "subprocess.Popen", "os.exec", "socket.connect", "os.rename", "os.remove"):
        opened.append(f"{event} {arguments}")


sys.addaudithook(_watch)


@contextmanager
def guarded() -> Iterator[None]:
    """Fails what takes too long, asks for too much memory, or writes, starts or connects to anything."""

    def late(*_: Any) -> None:
        raise AssertionError(f"took more than {SECONDS} s")

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, limits[1]))
    opened.clear()
    watching[0] = True
    try:
        yield
    finally:
        watching[0] = False
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert not opened, opened


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> dict[str, dict[str, bytes]]:
    """The files of a small checkpoint of several architectures, and where to put a changed one."""
    root = tmp_path_factory.mktemp("fuzz")
    found = {}
    for name in CHECKPOINTS:
        folder = make_model(name, tokenizer).save_pretrained(root / name)
        found[name] = {path.name: path.read_bytes() for path in folder.iterdir()}
    (root / "changed").mkdir()
    found["folder"] = {"": str(root / "changed").encode()}
    seqzoo.load(folder).predict("all that is loaded late is loaded now")
    return found


def edit(draw: Any, value: Any) -> Any:
    """One change somewhere inside: another value, one key or entry more or less, or a number gone wild."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        how = draw(st.integers(0, 5))
        if how == 0:
            return {name: inner for name, inner in value.items() if name != key}
        if how == 1:
            return {**value, draw(st.text(max_size=5) | NAMES): draw(VALUES)}
        return {**value, key: edit(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 2)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], edit(draw, value[place]), *value[place + draw(st.integers(0, 2)) :]]
    if isinstance(value, int) and draw(st.booleans()):
        return draw(HUGE | st.integers(-3, 300))
    return draw(VALUES)


def edit_bytes(draw: Any, content: bytes) -> bytes:
    """Bits turned, a piece cut out, or a piece put in."""
    how, place = draw(st.integers(0, 3)), draw(st.integers(0, max(len(content) - 1, 0)))
    if how == 0:
        return content[:place]
    if how == 1:
        return content[:place] + draw(RAW) + content[place:]
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        changed[draw(st.integers(0, min(len(changed) - 1, 2000)))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def seal(files: dict[str, bytes]) -> dict[str, bytes]:
    """Hashes and sizes made to fit, so that what reads the files has to notice."""
    config = json.loads(files["config.json"])
    config["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in files.items()
        if name != "config.json"
    }
    return {**files, "config.json": dump(config)}


@st.composite
def changed(draw: Any, kind: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """A checkpoint's files with one of them changed."""
    if kind == "config":
        if not draw(st.integers(0, 4)):
            return {**files, "config.json": edit_bytes(draw, files["config.json"])}
        config = json.loads(files["config.json"])
        if draw(st.booleans()):
            known = ARGUMENTS[config["architecture"]]
            key = draw(st.sampled_from(known) | st.sampled_from(sorted(config["arguments"])))
            config["arguments"] = {**config["arguments"], key: draw(HUGE | VALUES | SMALL)}
        else:
            config = edit(draw, config)
        return {**files, "config.json": dump(config)}
    if kind == "tokenizer":
        told = json.loads(files["tokenizer.json"])
        content = dump(edit(draw, told)) if draw(st.integers(0, 3)) else edit_bytes(draw, files["tokenizer.json"])
        return seal({**files, "tokenizer.json": content})
    weights = files["model.safetensors"]
    size = int.from_bytes(weights[:8], "little")
    if draw(st.integers(0, 2)):
        header = dump(edit(draw, json.loads(weights[8 : 8 + size])))
        length = draw(st.just(len(header)) | st.sampled_from([0, 2**31, 2**63, 2**64 - 1]))
        return seal({**files, "model.safetensors": length.to_bytes(8, "little") + header + weights[8 + size :]})
    return seal({**files, "model.safetensors": edit_bytes(draw, weights)})


def load_changed(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with guarded():
        try:
            model = seqzoo.load(f"local-dir:{folder}")
        except hub.CheckpointError as error:
            assert str(folder) in str(error)
            outcomes["refused"] += 1
            return
        outcomes["loaded"] += 1
        results = model.predict(["a lovely film", "", "boring " * 40])
        assert len(results) == 3 and all(set(result.scores) == set(model.labels) for result in results)


def check_index(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    with guarded():
        try:
            entries = cards.index()
        except ValueError as error:
            assert "index.json" in str(error)
            outcomes["refused"] += 1
            return
        outcomes["loaded"] += 1
        for name in entries:
            try:
                folder = hub.locate(name, local_files_only=True)
            except (ValueError, LookupError, OSError):
                continue
            assert folder.is_relative_to(place.parent), folder


def fuzz(kind: str, folders: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch, examples: int) -> None:
    folder = Path(folders["folder"][""].decode())
    if kind == "index":
        resource_of = catalog.resource
        monkeypatch.setattr(catalog, "resource", lambda name: folder if name == "checkpoints" else resource_of(name))
        monkeypatch.setenv("SEQZOO_CACHE", str(folder / "cache"))
    told = read_json(Path(__file__).parents[1] / "checkpoints" / "index.json")

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def one(data: st.DataObject) -> None:
        if kind == "index":
            whole = dump(told)
            content = dump(edit(data.draw, told)) if data.draw(st.integers(0, 4)) else edit_bytes(data.draw, whole)
            check_index(folder / "index.json", content)
        else:
            files = folders[data.draw(st.sampled_from(CHECKPOINTS))]
            load_changed(folder, data.draw(changed(kind, files)))

    outcomes.clear()
    one()
    assert min(outcomes["refused"], outcomes["loaded"]) > examples // 50, f"one-sided: {outcomes}"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("examples", [125, pytest.param(5_000, marks=pytest.mark.slow)])
def test_a_changed_file_gives_a_typed_error_or_a_working_model(kind, examples, folders, monkeypatch):
    fuzz(kind, folders, monkeypatch, examples)


HOSTILE = [
    ("bilstm", {"num_layers": 10**9}),
    ("bilstm", {"hidden_size": 10**9}),
    ("bilstm", {"hidden_size": 10**30}),
    ("bilstm", {"embedding_size": 2**62}),
    ("leaky_rnn", {"hidden_size": 10**9}),
    ("leaky_rnn", {"max_time_constant": 1e308}),
    ("skip_rnn", {"delay": 10**9}),
    ("cnn", {"num_kernels": 10**9}),
    ("cnn", {"pool_size": 10**12}),
    ("cnn", {"num_layers": 10**7}),
    ("cnn", {"kernel_size": 10**9}),
    ("tdnn", {"delay_1": 10**9}),
    ("transformer", {"num_layers": 10**9}),
    ("transformer", {"num_heads": 0}),
    ("bow", {"max_features": 10**12}),
    ("bow", {"ngrams": 10**6}),
    ("bow", {"ngrams": 10**18}),
    ("bow", {"hidden_size": 10**12}),
]


@pytest.mark.parametrize(("name", "arguments"), HOSTILE, ids=str)
def test_sizes_are_bounded_before_anything_is_allocated(name, arguments, folders):
    files = folders[name]
    config = json.loads(files["config.json"])
    config["arguments"] |= arguments
    load_changed(Path(folders["folder"][""].decode()), {**files, "config.json": dump(config)})


def test_a_foreign_pattern_is_not_run(folders):
    """A regular expression that takes for ever, in a tokenizer whose hash fits."""
    files = folders["bilstm"]
    told = json.loads(files["tokenizer.json"])
    told["pre_tokenizer"]["pattern"]["Regex"] = r"(\w+\w+)+$|(b+)+c"
    folder = Path(folders["folder"][""].decode())
    for name, content in seal({**files, "tokenizer.json": dump(told)}).items():
        (folder / name).write_bytes(content)
    with pytest.raises(hub.CheckpointError, match=r"tokenizer\.json.*none of ours"):
        seqzoo.load(folder)
