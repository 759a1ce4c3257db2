"""Checkpoints on disk: whole or refused, with the file and the key that is wrong."""

import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from conftest import make_model
from made_up import make_texts, read_json, write_json

import seqzoo
from seqzoo import catalog, hub
from seqzoo.hub import CheckpointError
from seqzoo.preprocessing.tokenizer import Tokenizer

FORMAT_1 = Path(__file__).parent / "data" / "format-1"
KEYS = ["format", "task", "architecture", "arguments", "spec", "labels", "preprocessing", "files"]


def edit_config(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    config = read_json(folder / "config.json")
    edit(config)
    write_json(folder / "config.json", config)


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Another content with a hash that fits, so that what reads the file has to notice."""
    (folder / name).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    edit_config(folder, lambda config: config["files"].update({name: entry}))


def edit_tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    edit(tensors)
    rewrite(folder, "model.safetensors", safetensors.torch.save(tensors))


def refused(folder: Path, *words: str) -> None:
    """The folder does not load, and the one-line error names all these words."""
    with pytest.raises(CheckpointError) as caught:
        seqzoo.load(f"local-dir:{folder}")
    assert isinstance(caught.value, ValueError)
    for word in (str(folder), *words):
        assert word in str(caught.value), f"{word!r} is not in: {caught.value}"


# Damaged files


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_truncated_file_is_refused(checkpoint, name):
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[: len(content) // 2])
    refused(checkpoint, name, str(len(content)), str(len(content) // 2))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_an_empty_file_is_refused(checkpoint, name):
    (checkpoint / name).write_bytes(b"")
    refused(checkpoint, name, "0 bytes")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_missing_file_is_refused(checkpoint, name):
    (checkpoint / name).unlink()
    refused(checkpoint, name, "is missing")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_flipped_bit_is_refused_wherever_it_is(saved, tmp_path, name):
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    content = (folder / name).read_bytes()
    random.seed(0)
    for position in [0, 7, 8, len(content) - 1, *random.sample(range(len(content)), 20)]:
        flipped = bytearray(content)
        flipped[position] ^= 1 << random.randrange(8)
        (folder / name).write_bytes(flipped)
        refused(folder, name, "sha256")


def test_a_flipped_bit_with_a_fitting_hash_gives_our_error_or_a_whole_model(saved, tmp_path):
    """What the hash cannot catch, the safetensors parser or the strict loading must: no other error may come out."""
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    content = (folder / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    random.seed(0)
    outcomes = {"refused": 0, "loaded": 0}
    for position in [*range(16), *random.sample(range(16, header), 150), *random.sample(range(header, len(content)), 10)]:
        flipped = bytearray(content)
        flipped[position] ^= 1 << random.randrange(8)
        rewrite(folder, "model.safetensors", bytes(flipped))
        try:
            model = seqzoo.load(folder)
        except CheckpointError as error:
            assert "model.safetensors" in str(error)
            outcomes["refused"] += 1
        else:
            assert not any(tensor.is_meta for tensor in model.state_dict().values())
            outcomes["loaded"] += 1
    assert outcomes["refused"] > 100 and outcomes["loaded"] >= 5, outcomes


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 64, b"{}", b"not a tensor file at all" * 9], ids=len)
def test_what_is_no_safetensors_file_is_refused_with_a_fitting_hash(checkpoint, content):
    rewrite(checkpoint, "model.safetensors", content)
    refused(checkpoint, "model.safetensors")


def test_a_truncated_safetensors_file_is_refused_with_a_fitting_hash(checkpoint):
    content = (checkpoint / "model.safetensors").read_bytes()
    for cut in (4, 8, 20, len(content) // 2, len(content) - 1):
        rewrite(checkpoint, "model.safetensors", content[:cut])
        refused(checkpoint, "model.safetensors")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_another_checkpoints_file_is_refused(tokenizer, tmp_path, name):
    one = make_model("bilstm", tokenizer).save_pretrained(tmp_path / "one")
    other_tokenizer = Tokenizer.fit(make_texts(200, seed=1)[0], vocab_size=20)
    two = make_model("bilstm", other_tokenizer).save_pretrained(tmp_path / "two")
    shutil.copy(two / name, one / name)
    refused(one, name)
    rewrite(one, name, (two / name).read_bytes())  # with a fitting hash: the shapes do not fit
    refused(one, "spec" if name == "tokenizer.json" else "embedding.weight")


def test_a_tokenizer_of_another_kind_is_refused(checkpoint):
    for content in (b"{}", b"[]", b'"a"', b"not json", b"\xff\xfe\xfd", b'{"version": "1.0"}'):
        rewrite(checkpoint, "tokenizer.json", content)
        refused(checkpoint, "tokenizer.json")


# Tensors that do not fit, with hashes that do


def test_a_missing_tensor_is_named(checkpoint):
    edit_tensors(checkpoint, lambda tensors: tensors.pop("head.weight"))
    refused(checkpoint, "model.safetensors", "'head.weight' is missing")


def test_an_extra_tensor_is_named(checkpoint):
    edit_tensors(checkpoint, lambda tensors: tensors.update({"surplus": torch.zeros(1)}))
    refused(checkpoint, "model.safetensors", "'surplus'")


@pytest.mark.parametrize("shape", [(3, 8), (8,), (2, 1, 8), ()])
def test_a_tensor_of_the_wrong_shape_is_named(checkpoint, shape):
    edit_tensors(checkpoint, lambda tensors: tensors.update({"head.weight": torch.zeros(shape)}))
    refused(checkpoint, "model.safetensors", "'head.weight'", str(shape))


def test_a_tensor_of_the_wrong_type_is_named(checkpoint):
    edit_tensors(checkpoint, lambda tensors: tensors.update({"head.weight": tensors["head.weight"].long()}))
    refused(checkpoint, "model.safetensors", "'head.weight'", "int64")


def test_integers_of_the_wrong_width_are_named(tokenizer, tmp_path):
    folder = make_model("bow", tokenizer).save_pretrained(tmp_path / "bow")
    edit_tensors(folder, lambda tensors: tensors.update({"network.table.keys": tensors["network.table.keys"].int()}))
    refused(folder, "model.safetensors", "'network.table.keys'", "int32")


# config.json


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(checkpoint, key):
    edit_config(checkpoint, lambda config: config.pop(key))
    refused(checkpoint, "config.json", repr(key))


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "text", [], [1], {}, {"a": [None]}], ids=repr)
@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_the_wrong_type_or_content_is_named(saved, tmp_path, key, value):
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    if value == read_json(folder / "config.json")[key] or (key == "arguments" and value == {}):
        pytest.skip("nothing wrong with it")
    edit_config(folder, lambda config: config.update({key: value}))
    refused(folder, "config.json", key.removesuffix("s") if key == "arguments" else key)


def test_every_key_of_the_design_is_there_and_no_other(checkpoint):
    assert sorted(read_json(checkpoint / "config.json")) == sorted(KEYS)


def test_an_extra_key_is_named(checkpoint):
    edit_config(checkpoint, lambda config: config.update(class_path="os.system"))
    refused(checkpoint, "config.json", "'class_path'")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000], ids=len)
def test_a_config_that_is_no_json_object_is_refused(checkpoint, content):
    (checkpoint / "config.json").write_bytes(content)
    refused(checkpoint, "config.json")


@pytest.mark.parametrize("number", [0, 2, 99, -1])
def test_another_format_is_refused(checkpoint, number):
    edit_config(checkpoint, lambda config: config.update(format=number))
    refused(checkpoint, "config.json", f"got {number}")


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("architecture", "bilstn", "did you mean 'bilstm'?"),
        ("architecture", "../bilstm", "architectures holds no"),
        ("task", "text-clasification", "text-classification"),
        ("arguments", {"hidden_sizes": 8}, "did you mean 'hidden_size'?"),
        ("arguments", {"hidden_size": "8"}, "hidden_size must be int"),
        ("arguments", {"hidden_size": 9}, "model.safetensors"),
        ("arguments", {"hidden_size": -1}, "hidden_size"),
        ("arguments", {"hidden_size": 10**15}, ""),
        ("spec", {"vocab_size": 5, "pad_index": 0, "unknown_index": 1}, "spec"),
        ("spec", {"vocab_size": 100}, "spec"),
        ("spec", {}, "spec"),
        ("labels", ["negative"], "labels"),
        ("labels", ["a", "a"], "labels"),
        ("labels", ["a", 2], "labels"),
        ("labels", ["a", []], "labels"),
        ("labels", ["a", "b", "c"], "head."),
        ("preprocessing", {"max_tokens": 0, "keep": "ends"}, "max_tokens"),
        ("preprocessing", {"max_tokens": "9", "keep": "ends"}, "max_tokens"),
        ("preprocessing", {"max_tokens": 9, "keep": "middle"}, "keep"),
        ("preprocessing", {"max_tokens": 9, "keep": []}, "keep"),
        ("preprocessing", {"max_tokens": 9}, "preprocessing"),
        ("preprocessing", {"max_tokens": 9, "keep": "ends", "lower": True}, "preprocessing"),
    ],
)
def test_a_value_that_does_not_fit_is_named(tokenizer, tmp_path, key, value, word):
    folder = make_model("bilstm", tokenizer).save_pretrained(tmp_path / "model")
    edit_config(folder, lambda config: config.update({key: value}))
    refused(folder, word)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "abc",
        {},
        {"sha256": "a"},
        *({"sha256": a, "bytes": b} for a, b in ((1, 2), ("a", "2"), ("a", True), ("a", 2.0))),
    ],
)
def test_a_file_entry_of_the_wrong_form_is_named(checkpoint, entry):
    edit_config(checkpoint, lambda config: config["files"].update({"tokenizer.json": entry}))
    refused(checkpoint, "config.json", "tokenizer.json")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "sub/file", ".hidden", ""])
def test_a_file_outside_the_folder_is_not_read(checkpoint, name):
    edit_config(checkpoint, lambda config: config["files"].update({name: {"sha256": "a", "bytes": 1}}))
    refused(checkpoint, "config.json", repr(name))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_config_does_not_list_is_not_used(checkpoint, name):
    edit_config(checkpoint, lambda config: config["files"].pop(name))
    refused(checkpoint, "config.json", name)


def test_a_folder_in_the_place_of_a_file_is_refused(checkpoint):
    (checkpoint / "tokenizer.json").unlink()
    (checkpoint / "tokenizer.json").mkdir()
    with pytest.raises((CheckpointError, OSError), match=r"tokenizer\.json"):
        seqzoo.load(checkpoint)


def test_loading_draws_no_random_numbers(saved):
    before = torch.get_rng_state()
    seqzoo.load(saved)
    assert torch.equal(torch.get_rng_state(), before)


# Names and places


def test_a_path_a_local_dir_and_a_pathlike_load_alike(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    wanted = seqzoo.load(saved).predict("a lovely film")
    for source in (str(saved), f"local-dir:{saved}", f"local-dir:{saved.name}", f"./{saved.name}", saved.name):
        assert seqzoo.load(source).predict("a lovely film") == wanted, source


@pytest.mark.parametrize("source", ["local-dir:nowhere", "./nowhere", "some/nowhere", "/nowhere/at/all"])
def test_a_missing_folder_is_named(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=re.escape(source.removeprefix("local-dir:"))):
        seqzoo.load(source)


def test_an_empty_folder_is_refused(tmp_path):
    refused(tmp_path, "config.json", "is missing")


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: Path) -> Path:
    """Bundled checkpoints of which `tiny-bilstm` is there and `tiny-gone` is not."""
    root = tmp_path / "checkpoints"
    shutil.copytree(saved, root / "tiny-bilstm")
    entry = {"repo_id": "seqzoo/tiny", "revision": None, "label": "a tiny one", "files": {}}
    write_json(
        root / "index.json", {"tiny-bilstm": entry, "tiny-gone": entry, "tiny-pinned": {**entry, "revision": "a" * 40}}
    )
    resource = catalog.resource
    monkeypatch.setattr(catalog, "resource", lambda kind: root if kind == "checkpoints" else resource(kind))
    return root


def test_a_name_loads_the_bundled_folder(zoo, saved):
    assert seqzoo.load("tiny-bilstm").predict("boring") == seqzoo.load(saved).predict("boring")
    assert seqzoo.list_checkpoints("tiny-[bg]*") == ["tiny-bilstm", "tiny-gone"]


def test_an_unknown_name_suggests_the_nearest(zoo):
    with pytest.raises(catalog.UnknownName, match=r"there is no checkpoint 'tiny-bilsm'; did you mean 'tiny-bilstm'\?"):
        seqzoo.load("tiny-bilsm")


def test_a_name_that_is_neither_bundled_nor_published_says_so(zoo):
    with pytest.raises(FileNotFoundError, match="not yet published"):
        seqzoo.load("tiny-gone")


def test_a_folder_does_not_hide_a_checkpoint_of_its_name(zoo, tmp_path, monkeypatch):
    (tmp_path / "here" / "tiny-bilstm").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    seqzoo.load("tiny-bilstm")


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"repo_id": "x"}}', "null"])
def test_a_damaged_index_is_named(zoo, content):
    (zoo / "index.json").write_text(content)
    with pytest.raises(ValueError, match=r"index\.json"):
        seqzoo.list_checkpoints()


# Saving


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_saving_over_a_checkpoint_replaces_it_and_keeps_its_card(tokenizer, tmp_path):
    texts = {"README.md": "card", "metrics.json": "{}"}
    folder = make_model("bow", tokenizer).save_pretrained(tmp_path / "model", texts=texts)
    (folder / "stray.bin").write_text("old")
    make_model("bilstm", tokenizer).save_pretrained(folder, texts={"metrics.json": '{"new": 1}'})
    assert seqzoo.load(folder).architecture == "bilstm"
    assert (folder / "README.md").read_text() == "card" and read_json(folder / "metrics.json") == {"new": 1}
    assert names_in(folder) == {"config.json", "model.safetensors", "tokenizer.json", "README.md", "metrics.json"}
    assert names_in(tmp_path) == {"model"}


def test_saving_into_a_folder_of_something_else_is_refused(tokenizer, tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="choose another place"):
        make_model("bow", tokenizer).save_pretrained(tmp_path)
    with pytest.raises(FileExistsError):
        make_model("bow", tokenizer).save_pretrained(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "dear" and names_in(tmp_path) == {"thesis.txt"}


def test_saving_makes_the_folders_above_and_fills_an_empty_one(tokenizer, tmp_path):
    deep = tmp_path / "a" / "b"
    assert make_model("bow", tokenizer).save_pretrained(deep) == deep
    (tmp_path / "empty").mkdir()
    seqzoo.load(make_model("bow", tokenizer).save_pretrained(tmp_path / "empty"))


@pytest.mark.parametrize("swaps", [True, False], ids=["exchange in one step", "two renames"])
@pytest.mark.parametrize("call", range(12))
def test_a_save_that_fails_anywhere_leaves_the_old_checkpoint_whole(tokenizer, tmp_path, monkeypatch, call, swaps):
    if not swaps:
        monkeypatch.setattr(hub, "_swap", lambda one, other: False)
    folder = make_model("bilstm", tokenizer).save_pretrained(tmp_path / "model", texts={"README.md": "card"})
    wanted, calls = seqzoo.load(folder).predict("a lovely film"), []

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            calls.append(real)
            if len(calls) == call + 1:
                raise OSError("no space left on device")
            return real(*arguments, **options)

        return function

    new = make_model("bow", tokenizer)
    with monkeypatch.context() as patch:
        for place, name in ((os, "fsync"), (os, "rename"), (os, "chmod"), (shutil, "copy2"), (safetensors.torch, "save")):
            patch.setattr(place, name, failing(getattr(place, name)))
        try:
            new.save_pretrained(folder)
            saved_new = True
        except OSError:
            saved_new = False
    assert saved_new == (len(calls) <= call)
    found = seqzoo.load(folder)
    assert (found.architecture == "bow") if saved_new else (found.predict("a lovely film") == wanted)
    assert (folder / "README.md").read_text() == "card"
    assert names_in(tmp_path) == {"model"}


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), hub.replace_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and names_in(tmp_path) == {"file.txt"}
    with hub.replace_file(path) as file:
        file.write(b"new")
    assert path.read_text() == "new" and names_in(tmp_path) == {"file.txt"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("swaps", [True, False], ids=["exchange in one step", "two renames"])
def test_kills_in_the_middle_of_saving_leave_a_whole_checkpoint(tokenizer, tmp_path, monkeypatch, swaps, kills):
    """The old one or the new one; where the system cannot exchange in one step, perhaps the words that say where it is."""
    if not swaps:
        monkeypatch.setattr(hub, "_swap", lambda one, other: False)
    models = {name: make_model(name, tokenizer) for name in ("bilstm", "bow")}
    wanted = {name: model.predict("a lovely film").scores for name, model in models.items()}
    folder, found = tmp_path / "model", {"bilstm": 0, "bow": 0, "told": 0}
    start = time.perf_counter()
    for model in models.values():
        model.save_pretrained(folder)
    seconds = time.perf_counter() - start
    random.seed(0)
    for number in range(kills):
        child = os.fork()
        if not child:
            try:
                for turn in itertools.count(number):
                    models[("bilstm", "bow")[turn % 2]].save_pretrained(folder)
            finally:
                os._exit(1)
        time.sleep(random.uniform(0.0, 1.5 * seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            model = seqzoo.load(folder)
        except FileNotFoundError as error:
            assert not swaps and "saving was interrupted" in str(error)
            kept = re.search(r"whole in (.+): move it", str(error)).group(1)
            os.rename(kept, folder)  # what it says to do
            model, found["told"] = seqzoo.load(folder), found["told"] + 1
        assert model.predict("a lovely film").scores == wanted[model.architecture]
        found[model.architecture] += 1
    assert found["bilstm"] + found["bow"] == kills


def test_temporary_folders_of_a_killed_process_are_removed_by_a_later_save(tokenizer, tmp_path):
    for name, age in ((".model.saving-old", 7200), (".model.saving-new", 0), (".other.saving-old", 7200)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    make_model("bow", tokenizer).save_pretrained(tmp_path / "model")
    assert names_in(tmp_path) == {"model", ".model.saving-new", ".other.saving-old"}


def test_saving_through_a_link_keeps_the_link(tokenizer, tmp_path):
    folder = make_model("bow", tokenizer).save_pretrained(tmp_path / "real")
    (tmp_path / "link").symlink_to(folder)
    make_model("bilstm", tokenizer).save_pretrained(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and seqzoo.load(folder).architecture == "bilstm"


def test_an_interrupted_exchange_says_where_the_old_one_is(saved, tmp_path):
    shutil.copytree(saved, tmp_path / ".model-old-abc" / "model")
    for source in (f"local-dir:{tmp_path / 'model'}", tmp_path / "model"):
        with pytest.raises(FileNotFoundError, match=r"saving was interrupted.*is whole in .*\.model-old-abc"):
            seqzoo.load(source)


# Links and what is no file


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_link_out_of_the_folder_is_not_followed(checkpoint, tmp_path, name):
    shutil.move(checkpoint / name, tmp_path / "outside")
    (checkpoint / name).symlink_to(tmp_path / "outside")
    refused(checkpoint, name, "is a link out of its folder")


def test_a_link_within_the_folder_is_followed_and_one_in_a_circle_is_not(checkpoint):
    os.rename(checkpoint / "tokenizer.json", checkpoint / "words.json")
    (checkpoint / "tokenizer.json").symlink_to("words.json")
    seqzoo.load(checkpoint)
    (checkpoint / "words.json").unlink()
    (checkpoint / "words.json").symlink_to("tokenizer.json")
    refused(checkpoint, "tokenizer.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name")
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(checkpoint, name):
    (checkpoint / name).unlink()
    os.mkfifo(checkpoint / name)
    refused(checkpoint, name, "is not a file")


@pytest.mark.parametrize(
    ("name", "size"), [("config.json", 17 << 20), ("tokenizer.json", 129 << 20), ("model.safetensors", 3 << 30)]
)
def test_a_file_beyond_all_bounds_is_not_read(checkpoint, name, size):
    with open(checkpoint / name, "r+b") as file:
        file.truncate(size)  # sparse: it takes no room
    if name != "config.json":
        edit_config(checkpoint, lambda config: config["files"].update({name: {"sha256": "a", "bytes": size}}))
    refused(checkpoint, name, str(size))


# For ever


@pytest.mark.parametrize("name", ["bilstm", "bow"])
def test_a_frozen_checkpoint_of_format_1_loads_for_ever(name):
    """Never write these folders anew: what they hold must go on loading, with these very probabilities."""
    model = seqzoo.load(FORMAT_1 / name)
    expected = json.loads((FORMAT_1 / "expected.json").read_text(encoding="utf-8"))[name]
    assert sum(path.stat().st_size for path in (FORMAT_1 / name).iterdir()) < 20_000
    for text, positive in expected.items():
        assert model.predict(text).scores["positive"] == pytest.approx(positive, abs=1e-5)
