"""What an installation consists of, and what is wrong with it: versions, cache, index, hashes."""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import seqzoo
from seqzoo import cache, cards, catalog

__all__ = ["examine"]

LIBRARIES = (
    *("torch", "lightning", "tokenizers", "safetensors", "numpy", "huggingface-hub", "jsonargparse", "torchmetrics"),
    *("datasets", "gensim", "pandas", "pyarrow", "pyyaml"),
)


def examine(cache_dir: Path | None = None) -> tuple[dict[str, Any], list[str]]:
    """Facts by topic, and what is wrong, each with its way out; nothing is loaded, and no network asked."""
    wrong: list[str] = []
    facts = {
        "versions": _versions(wrong),
        "cache": _cache(cache_dir, wrong),
        "checkpoints": _checkpoints(wrong),
        "data": _data(wrong),
        "plug-ins": {room: catalog.plugins(room) for room in catalog.OPEN_ROOMS},
    }
    return facts, wrong


def _versions(wrong: list[str]) -> dict[str, str]:
    found = {
        "seqzoo": seqzoo.__version__,
        "python": platform.python_version(),
        "system": f"{sys.platform} {platform.machine()}",
    }
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            wrong.append(f"{library} is not installed; pip install seqzoo brings it")
    return found


def _cache(cache_dir: Path | None, wrong: list[str]) -> dict[str, Any]:
    place, found = cache.root(cache_dir), cache.contents(cache_dir)
    nearest = next(path for path in (place, *place.parents) if path.exists())
    if not os.access(nearest, os.W_OK):
        wrong.append(f"the cache {place} cannot be written; name another by SEQZOO_CACHE")
    facts: dict[str, Any] = {"folder": str(place), "bytes": sum(cached.bytes for cached in found)}
    for cached in found:
        facts[cached.repo_id] = ", ".join(cached.commits) or "not whole"
        if not cached.commits:
            wrong.append(f"{cached.repo_id} is not whole in the cache; seqzoo cache clear {cached.repo_id}, or download it")
        for commit in cached.commits:
            folder = cached.folder / "snapshots" / commit
            for name, wanted in cache.listed(folder).items():
                if cache.fingerprint(folder / name) != wanted:
                    wrong.append(f"{folder / name} is damaged; seqzoo download --force hf-hub:{cached.repo_id}@{commit}")
    return facts


def _checkpoints(wrong: list[str]) -> dict[str, str]:
    """How each checkpoint of the index can be had: bundled, with every hash checked, else from the Hub."""
    try:
        entries = cards.index()
    except ValueError as error:
        wrong.append(str(error))
        return {}
    facts = {}
    for name, entry in entries.items():
        folder = catalog.resource("checkpoints") / name
        if not folder.is_dir():
            facts[name] = f"on the Hub at {entry['revision']}" if entry["revision"] else "neither bundled nor published yet"
            continue
        bad = [file for file, wanted in entry["files"].items() if not _is(folder / file, wanted)]
        facts[name] = "bundled, hashes right" if not bad else f"bundled, {', '.join(bad)} wrong"
        if bad:
            wrong.append(f"{folder / bad[0]} is missing or not what the index says; reinstall seqzoo")
    return facts


def _is(file: Path, wanted: dict[str, Any]) -> bool:
    return file.is_file() and cache.fingerprint(file) == wanted


def _data(wrong: list[str]) -> dict[str, Any]:
    root = os.environ.get("SEQZOO_DATA")
    if root is None:
        return {"SEQZOO_DATA": "not set: corpora come from their public source"}
    if not Path(root).is_dir():
        wrong.append(f"SEQZOO_DATA is {root}, which is no folder; correct or unset it")
        return {"SEQZOO_DATA": root}
    there = [name for name in catalog.list_corpora() if (Path(root) / name).is_dir()]
    return {"SEQZOO_DATA": root, "corpora there": ", ".join(there) or "none"}
