"""Checkpoints to and from disk and the Hugging Face Hub: safetensors and JSON only, every byte hashed, nothing half."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from seqzoo import cache, cards, catalog
from seqzoo.cache import CARD_FILES, CONFIG, LARGEST_CONFIG, LARGEST_FILE, fingerprint, is_plain_name

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "CheckpointError",
    "Parts",
    "check_place",
    "fill",
    "fingerprint",
    "load",
    "locate",
    "locked",
    "read",
    "replace_file",
    "shapes_only",
    "shows_progress",
    "write",
]

FORMAT = 1
WEIGHTS = "model.safetensors"
CONFIG_KEYS = {
    "format": int,
    "task": str,
    "architecture": str,
    "arguments": dict,
    "spec": dict,
    "labels": list,
    "preprocessing": dict,
    "files": dict,
}
FILLING = {
    *("uniform_", "normal_", "fill_", "zero_", "copy_", "constant_", "orthogonal_"),
    *("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"),
}
STRAY = 3600  # seconds after which a temporary folder belongs to nobody
LARGEST_TEXT = 128 << 20  # bytes of tokenizer.json and its like: two million words


class CheckpointError(ValueError):
    """A checkpoint's file is missing, damaged or not what its config says."""


class Parts(NamedTuple):
    """A checkpoint taken from disk, verified: config, tensors by name, other files' text by name."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    texts: dict[str, str]


def load(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Any:
    """A pretrained model in eval mode; of a checkpoint of word vectors, its WordVectors.

    `name_or_path` is a checkpoint's name (`imdb-bilstm`), a folder, `local-dir:folder`, or `hf-hub:owner/name@revision`.
    A name is taken from the installation where it is bundled, else from the cache, else from the Hub at the commit that the
    index pins. Bundled, local and cached files are read without any network; of the Hub's, sha256 is checked as they come.
    The cache is `cache_dir`, `$SEQZOO_CACHE` or Hugging Face's; `local_files_only` and `HF_HUB_OFFLINE=1` forbid the
    network; `token` (else `HF_TOKEN`, else that of `hf auth login`) opens private repositories. Weights are float32 unless
    `dtype` says otherwise.

    Raises UnknownName for a name that the zoo does not hold, CheckpointError (a ValueError) for a file that is missing,
    damaged or does not fit its config; FileNotFoundError for a folder that is not there, DownloadError (an OSError) for
    what is not in the cache and cannot be fetched.
    """
    source = os.fspath(name_or_path)
    folder = locate(source, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only, token=token)
    parts = read(folder)
    task = parts.config["task"]
    if task not in (*catalog.MODELS, catalog.WORD_VECTORS):
        known = ", ".join(sorted((*catalog.MODELS, catalog.WORD_VECTORS)))
        raise _broken(folder, "config.json", f"task must be one of {known}, got {task!r}")
    if task == catalog.WORD_VECTORS and (device != "cpu" or dtype is not None):
        raise ValueError(f"{name_or_path} holds word vectors, a table in memory: they take no device and no dtype")
    try:
        if task == catalog.WORD_VECTORS:
            return import_module("seqzoo.embeddings.vectors").WordVectors.from_parts(parts)
        model = catalog.resolve("models", catalog.MODELS[task]).from_parts(parts)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    except (ValueError, LookupError, TypeError, RuntimeError, ArithmeticError) as error:  # torch's own, of sizes too
        raise _broken(folder, "config.json", str(error)) from None
    model.folder = folder
    return model.to(device=device, dtype=dtype).eval()


def locate(
    source: str,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    force: bool = False,
) -> Path:
    """The folder that `load` reads for a source: bundled, local, cached or fetched; `force` fetches anew."""
    options = {"cache_dir": cache_dir, "local_files_only": local_files_only, "token": token, "force": force}
    if source.startswith("hf-hub:"):
        repo_id, _, pinned = source.removeprefix("hf-hub:").partition("@")
        if revision and pinned and revision != pinned:
            raise ValueError(f"{source} names a revision already; revision={revision!r} is another")
        return cache.fetch(repo_id, revision or pinned or None, **options)
    named = not source.startswith("local-dir:") and is_plain_name(source)
    known = cards.index() if named else {}
    if named and (source in known or not Path(source).is_dir()):
        if source not in known:
            _explain_interrupted(Path(source))
            raise catalog.UnknownName(f"there is no checkpoint {source!r}; {catalog.hint(source, sorted(known))}")
        bundled, entry = catalog.resource("checkpoints") / source, known[source]
        if bundled.is_dir() and revision in (None, entry["revision"]) and not force:
            return bundled
        if revision is None and entry["revision"] is None:
            raise FileNotFoundError(
                f"{source!r} is not bundled with this installation and not yet published on the Hub; "
                "take it from a checkout of seqzoo, which carries all checkpoints"
            )
        pins = entry["files"] if revision in (None, entry["revision"]) else None
        return cache.fetch(entry["repo_id"], revision or entry["revision"], pins=pins, **options)
    if revision is not None or force:
        raise ValueError(f"{source!r} is a folder: it has no revision, and is not fetched")
    folder = Path(given := source.removeprefix("local-dir:"))
    if not folder.is_dir():
        _explain_interrupted(folder)
        name = "" if given != source else ", and it is not the name of a checkpoint"
        raise FileNotFoundError(f"there is no folder {given!r}{name}")
    return folder


def _explain_interrupted(folder: Path) -> None:
    """FileNotFoundError where a process was killed as it exchanged an old checkpoint for a new one: the old one is whole."""
    for kept in folder.parent.glob(f".{folder.name}-old-*/{folder.name}"):
        raise FileNotFoundError(
            f"there is no folder {str(folder)!r}: saving was interrupted; the checkpoint that it was to replace "
            f"is whole in {kept}: move it to {folder}, or save again"
        )


def read(folder: Path) -> Parts:
    """Everything a checkpoint folder holds, checked: keys and types of config.json, size and sha256 of each file."""
    config = _read_json(folder, "config.json")
    if not isinstance(config, dict):
        raise _broken(folder, "config.json", f"must hold an object, got {type(config).__name__}")
    for key, expected in CONFIG_KEYS.items():
        if key not in config:
            raise _broken(folder, "config.json", f"key {key!r} is missing")
        if not isinstance(config[key], expected) or isinstance(config[key], bool):
            raise _broken(folder, "config.json", f"{key} must be {expected.__name__}, got {config[key]!r}")
    if extra := sorted(set(config) - set(CONFIG_KEYS)):
        raise _broken(folder, "config.json", f"unknown key {extra[0]!r}")
    if config["format"] != FORMAT:
        raise _broken(
            folder, "config.json", f"format must be {FORMAT}, got {config['format']}; update seqzoo if it is newer"
        )
    if WEIGHTS not in config["files"]:
        raise _broken(folder, "config.json", f"files must list {WEIGHTS}")
    contents = {name: _verified(folder, name, entry) for name, entry in config["files"].items()}
    weights = contents.pop(WEIGHTS)
    texts = {}
    for name, content in contents.items():
        try:
            texts[name] = content.decode("utf-8")
        except UnicodeDecodeError:
            raise _broken(folder, name, "is not UTF-8 text") from None
    return Parts(config, _tensors(folder, weights), texts)


def _verified(folder: Path, name: str, entry: Any) -> bytes:
    """A file's bytes, of the size and hash that config.json gives."""
    if not is_plain_name(name):
        raise _broken(folder, CONFIG, f"files: {name!r} is not a plain file name")
    if (
        not isinstance(entry, dict)
        or set(entry) != {"sha256", "bytes"}
        or not isinstance(entry["sha256"], str)
        or type(entry["bytes"]) is not int
    ):
        raise _broken(folder, CONFIG, f"files: {name} must give sha256 and bytes, got {entry!r}")
    content = _content(folder, name, LARGEST_FILE if name.endswith(".safetensors") else LARGEST_TEXT, entry["bytes"])
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise _broken(folder, name, "its sha256 is not the one in config.json: damaged or exchanged; fetch it again")
    return content


def _content(folder: Path, name: str, largest: int, expected: int | None = None) -> bytes:
    """A plain file's bytes, at most `largest`; it may be a link within its folder, or into the cache's `blobs` beside it."""
    try:
        place, real = folder.resolve(strict=True), (folder / name).resolve(strict=True)
        within = (place, place.parent.parent / "blobs") if place.parent.name == "snapshots" else (place,)
        if real.parent not in within:
            raise _broken(folder, name, f"is a link out of its folder, to {real}")
        if not real.is_file():
            raise _broken(folder, name, "is not a file")
        with open(real, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if expected is not None and size != expected:
                raise _broken(folder, name, f"has {size} bytes where config.json gives {expected}; fetch it again")
            if size > largest:
                raise _broken(folder, name, f"has {size} bytes; a checkpoint's may have {largest}")
            return file.read(size)
    except FileNotFoundError:
        way = "; is this a folder that save_pretrained wrote?" if name == CONFIG else ""
        raise _broken(folder, name, f"is missing{way}") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise _broken(folder, name, f"cannot be read ({error})") from None


def _read_json(folder: Path, name: str) -> Any:
    try:
        return json.loads(_content(folder, name, LARGEST_CONFIG), parse_constant=_no_number)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise _broken(folder, name, f"is not JSON ({error})") from None


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON's")


def _tensors(folder: Path, content: bytes) -> dict[str, Tensor]:
    """The tensors, in float32 where they were stored in another precision."""
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        tensors = safetensors.torch.load(content)
        return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, struct.error) as error:
        raise _broken(folder, WEIGHTS, f"is not a safetensors file ({error})") from None


@contextmanager
def shapes_only(tensors: Mapping[str, Tensor] | None = None) -> Iterator[None]:
    """Modules made here have shapes but no memory and no random numbers, until `fill` gives them their tensors.

    In-place filling is skipped: on the meta device it does nothing, at the cost of importing torch's compiler. With
    `tensors`, those of a checkpoint, a module that would need far more or far larger ones is given up with a ValueError.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    calls, largest = [0], sum(map(torch.Tensor.numel, tensors.values())) + (1 << 20) if tensors is not None else 0

    class Unfilled(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if getattr(function, "__name__", "") in FILLING:
                return args[0] if args else kwargs["tensor"]
            made = function(*args, **(kwargs or {}))
            if tensors is not None:
                calls[0] += 1
                if calls[0] > 1000 + 100 * len(tensors) or (isinstance(made, torch.Tensor) and made.numel() > largest):
                    raise ValueError(f"arguments ask for far more than the {len(tensors)} tensors of {WEIGHTS}")
            return made

    with torch.device("meta"), Unfilled():
        yield


def fill(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors into a model made on the meta device; CheckpointError names a missing, extra or misshapen one."""
    expected = model.state_dict()
    if missing := sorted(set(expected) - set(tensors)):
        raise CheckpointError(f"{WEIGHTS}: tensor {missing[0]!r} is missing")
    if extra := sorted(set(tensors) - set(expected)):
        raise CheckpointError(f"{WEIGHTS}: tensor {extra[0]!r} does not belong to this architecture")
    for name, tensor in tensors.items():
        wanted = expected[name]
        both_floats = tensor.is_floating_point() and wanted.is_floating_point()
        if tensor.shape != wanted.shape or not (both_floats or tensor.dtype == wanted.dtype):
            raise CheckpointError(
                f"{WEIGHTS}: tensor {name!r} must be {tuple(wanted.shape)} {wanted.dtype}, "
                f"got {tuple(tensor.shape)} {tensor.dtype}"
            )
    model.load_state_dict(tensors, strict=True, assign=True)


def shows_progress() -> bool:
    """Whether a progress bar may be drawn: on a terminal, unless HF_HUB_DISABLE_PROGRESS_BARS forbids it."""
    forbidden = os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS", "").upper() in ("1", "ON", "YES", "TRUE")
    return sys.stderr.isatty() and not forbidden


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its place under `path` only when it is whole and on disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time: for a table that is read and written again with more rows; the lock is a hidden file beside."""
    from huggingface_hub.utils import WeakFileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(path.with_name(f".{path.name}.lock")):
        yield


def _exchange(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`, at once where the system can; where that fails, `folder` is as it was."""
    if _swap(folder, fresh):
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    try:
        os.rename(folder, old / folder.name)  # a kill between the two: see _explain_interrupted
        try:
            os.rename(fresh, folder)
        except BaseException:
            os.rename(old / folder.name, folder)
            raise
    except BaseException:
        os.rmdir(old)
        raise
    shutil.rmtree(old)


def _swap(one: Path, other: Path) -> bool:
    """Exchange two folders' names in one step; False where system or file system cannot."""
    import ctypes

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return libc.renamex_np(os.fsencode(one), os.fsencode(other), 2) == 0  # RENAME_SWAP
        here = -100  # AT_FDCWD
        return libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), 2) == 0  # RENAME_EXCHANGE
    except (OSError, AttributeError, TypeError):
        return False


def _broken(folder: Path, name: str, what: str) -> CheckpointError:
    return CheckpointError(f"{folder / name}: {what}")


def check_place(folder: str | os.PathLike[str]) -> None:
    """FileExistsError where something else than a checkpoint stands in a folder to be written."""
    real = Path(os.path.realpath(folder))
    if real.exists() and (not real.is_dir() or (any(real.iterdir()) and not (real / "config.json").is_file())):
        raise FileExistsError(f"{Path(folder)} exists and is no checkpoint folder; choose another place")


def write(
    folder: str | os.PathLike[str],
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    texts: Mapping[str, str],
    *,
    half: bool = False,
) -> Path:
    """Write a checkpoint folder as a whole: into a temporary folder beside it, then exchanged in one step.

    `config` comes without `format` and `files`, which are added here. An existing checkpoint folder is replaced, its card
    files kept where `texts` brings no new ones; any other existing folder that is not empty is refused (FileExistsError).
    With `half`, floating-point weights are stored as float16.
    """
    import safetensors.torch

    check_place(folder)
    given, folder = Path(folder), Path(os.path.realpath(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in tensors.items()
    }
    contents = {WEIGHTS: safetensors.torch.save(stored)}
    contents |= {name: text.encode("utf-8") for name, text in texts.items() if name not in CARD_FILES}
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} for name, content in contents.items()
    }
    whole = {"format": FORMAT, **config, "files": files}
    contents["config.json"] = (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode()
    contents |= {name: text.encode("utf-8") for name, text in texts.items() if name in CARD_FILES}
    for stray in folder.parent.glob(f".{folder.name}.saving-*"):  # of a process that was killed
        if time.time() - stray.stat().st_mtime > STRAY:
            shutil.rmtree(stray, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.saving-", dir=folder.parent))
    try:
        for name, content in contents.items():
            with open(fresh / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in CARD_FILES:
            if name not in contents and (folder / name).is_file():
                shutil.copy2(folder / name, fresh / name)
        os.chmod(fresh, 0o755)
        if folder.exists():
            _exchange(folder, fresh)
        else:
            os.rename(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return given
