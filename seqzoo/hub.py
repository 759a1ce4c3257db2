"""Checkpoints to and from disk and the Hugging Face Hub: safetensors and JSON only, every byte hashed, nothing half."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from seqzoo import cards, catalog

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "CheckpointError",
    "Parts",
    "fill",
    "fingerprint",
    "load",
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
CARD_FILES = ("README.md", "metrics.json", "recipe.yaml")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
) -> Any:
    """A pretrained model in eval mode; of a checkpoint of word vectors, its WordVectors.

    `name_or_path` is a checkpoint's name (`imdb-bilstm`), a folder, `local-dir:folder`, or `hf-hub:owner/name@revision`.
    Bundled and local folders are read without any network. Weights are float32 unless `dtype` says otherwise.

    Raises UnknownName for a name that the zoo does not hold, CheckpointError (a ValueError) for a file that is missing,
    damaged or does not fit its config; FileNotFoundError for a folder that is not there.
    """
    folder = _folder(os.fspath(name_or_path), revision, cache_dir, local_files_only)
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
    except (ValueError, LookupError, TypeError, RuntimeError) as error:  # RuntimeError: torch, of sizes without sense
        raise _broken(folder, "config.json", str(error)) from None
    return model.to(device=device, dtype=dtype).eval()


def _folder(source: str, revision: str | None, cache_dir: Any, local_files_only: bool) -> Path:
    if source.startswith("local-dir:"):
        source = source.removeprefix("local-dir:")
        if not Path(source).is_dir():
            raise FileNotFoundError(f"there is no folder {source!r}")
        return Path(source)
    if source.startswith("hf-hub:"):
        repo_id, _, pinned = source.removeprefix("hf-hub:").partition("@")
        return _download(repo_id, revision or pinned or None, cache_dir, local_files_only)
    if NAME.fullmatch(source) and (source in (known := cards.index()) or not Path(source).is_dir()):
        if source not in known:
            raise catalog.UnknownName(f"there is no checkpoint {source!r}; {catalog.hint(source, sorted(known))}")
        bundled = catalog.resource("checkpoints") / source
        if revision is None and bundled.is_dir():
            return bundled
        entry = known[source]
        pinned = revision or entry["revision"]
        if pinned is None:
            raise FileNotFoundError(
                f"{source!r} is not bundled with this installation and not yet published on the Hub; "
                "take it from a checkout of seqzoo, which carries all checkpoints"
            )
        return _download(entry["repo_id"], pinned, cache_dir, local_files_only)
    if not Path(source).is_dir():
        raise FileNotFoundError(f"there is no folder {source!r}, and it is not the name of a checkpoint")
    return Path(source)


def _download(repo_id: str, revision: str | None, cache_dir: Any, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download

    from seqzoo import __version__

    names = ["config.json", WEIGHTS, "tokenizer.json", "scaler.json", "vocabulary.json", *CARD_FILES]
    return Path(
        snapshot_download(
            repo_id,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            allow_patterns=names,
            library_name="seqzoo",
            library_version=__version__,
        )
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
    if not NAME.fullmatch(name):
        raise _broken(folder, "config.json", f"files: {name!r} is not a plain file name")
    if (
        not isinstance(entry, dict)
        or set(entry) != {"sha256", "bytes"}
        or not isinstance(entry["sha256"], str)
        or type(entry["bytes"]) is not int
    ):
        raise _broken(folder, "config.json", f"files: {name} must give sha256 and bytes, got {entry!r}")
    try:
        with open(folder / name, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != entry["bytes"]:
                raise _broken(folder, name, f"has {size} bytes where config.json gives {entry['bytes']}; fetch it again")
            content = file.read()
    except FileNotFoundError:
        raise _broken(folder, name, "is missing") from None
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise _broken(folder, name, "its sha256 is not the one in config.json: damaged or exchanged; fetch it again")
    return content


def _read_json(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_bytes())
    except FileNotFoundError:
        raise _broken(folder, name, "is missing; is this a folder that save_pretrained wrote?") from None
    except (ValueError, RecursionError) as error:
        raise _broken(folder, name, f"is not JSON ({error})") from None


def _tensors(folder: Path, content: bytes) -> dict[str, Tensor]:
    """The tensors, in float32 where they were stored in half precision."""
    import safetensors.torch
    import torch
    from safetensors import SafetensorError

    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, struct.error) as error:
        raise _broken(folder, WEIGHTS, f"is not a safetensors file ({error})") from None
    return {
        name: tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
        for name, tensor in tensors.items()
    }


@contextmanager
def shapes_only() -> Iterator[None]:
    """Modules made here have shapes but no memory and no random numbers, until `fill` gives them their tensors.

    In-place filling is skipped: on the meta device it does nothing, at the cost of importing torch's compiler.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if getattr(function, "__name__", "") in FILLING:
                return args[0] if args else kwargs["tensor"]
            return function(*args, **(kwargs or {}))

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


def fingerprint(file: Path) -> dict[str, Any]:
    """sha256 and bytes of a file, as config.json and the index give them."""
    content = file.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


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


def _exchange(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`; where that fails, `folder` is as it was."""
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    try:
        os.rename(folder, old / folder.name)
        try:
            os.rename(fresh, folder)
        except BaseException:
            os.rename(old / folder.name, folder)
            raise
    except BaseException:
        os.rmdir(old)
        raise
    shutil.rmtree(old)


def _broken(folder: Path, name: str, what: str) -> CheckpointError:
    return CheckpointError(f"{folder / name}: {what}")


def write(
    folder: str | os.PathLike[str],
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    texts: Mapping[str, str],
    *,
    half: bool = False,
) -> Path:
    """Write a checkpoint folder as a whole: into a temporary folder beside it, then renamed.

    `config` comes without `format` and `files`, which are added here. An existing checkpoint folder is replaced, its card
    files kept where `texts` brings no new ones; any other existing folder that is not empty is refused (FileExistsError).
    With `half`, floating-point weights are stored as float16.
    """
    import safetensors.torch

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "config.json").is_file())):
        raise FileExistsError(f"{folder} exists and is no checkpoint folder; choose another place")
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
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
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
    return folder
