"""The cache of downloads, in Hugging Face's layout: what is in it whole is read without any request, the rest is fetched."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "Cached",
    "DownloadError",
    "agent",
    "check_repo_id",
    "check_revision",
    "clear",
    "contents",
    "explained",
    "fetch",
    "fingerprint",
    "is_plain_name",
    "listed",
    "quiet",
    "root",
]

log = logging.getLogger(__name__)
CONFIG = "config.json"
EXAMPLE = "example.csv"  # of a series; what a text checkpoint says is in its metrics.json
CARD_FILES = ("README.md", "metrics.json", "recipe.yaml", EXAMPLE)
LARGEST_CONFIG, LARGEST_FILE = 16 << 20, 2 << 30  # bytes
COMMIT = re.compile(r"[0-9a-f]{40}")
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # to Windows, whatever follows the dot
LOCK = "seqzoo.lock"  # beside Hugging Face's own locks of a repository; says too that we fetched it
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DownloadError(OSError):
    """The Hub did not give (or take) a checkpoint; the message says why, and what to do."""


class Cached(NamedTuple):
    """A repository in the cache: its commits that are whole, and the bytes that it takes, broken-off files included."""

    repo_id: str
    commits: list[str]
    bytes: int
    folder: Path


def root(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where downloads lie: `cache_dir`, else `$SEQZOO_CACHE`, else Hugging Face's own place (`HF_HUB_CACHE`, `HF_HOME`)."""
    chosen = cache_dir or os.environ.get("SEQZOO_CACHE")
    if not chosen:
        from huggingface_hub import constants

        chosen = constants.HF_HUB_CACHE
    return Path(chosen).expanduser().absolute()


def is_plain_name(name: str) -> bool:
    """Whether a file of that name lies in its folder on every system: no path, no drive, no device, no trailing dot."""
    return bool(NAME.fullmatch(name)) and not name.endswith(".") and not DEVICE.fullmatch(name)


def fingerprint(file: Path) -> dict[str, Any]:
    """sha256 and bytes of a file, as config.json and the index give them."""
    digest, size = hashlib.sha256(), 0
    with open(file, "rb") as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return {"sha256": digest.hexdigest(), "bytes": size}


def check_repo_id(repo_id: str) -> None:
    """ValueError unless it reads owner/name, both of letters, digits, `-`, `_` and `.`"""
    parts = repo_id.split("/")
    if len(parts) != 2 or not all(PART.fullmatch(part) for part in parts) or ".." in repo_id or "--" in repo_id:
        raise ValueError(f"a repository on the Hub reads owner/name, got {repo_id!r}")


def check_revision(revision: str) -> None:
    """ValueError unless it can be a branch, a tag or a commit."""
    parts = revision.split("/")
    if not all(PART.fullmatch(part) and not part.startswith(".") and ".." not in part for part in parts):
        raise ValueError(f"a revision is a branch, a tag or a commit, got {revision!r}")


def fetch(
    repo_id: str,
    revision: str | None,
    *,
    pins: Mapping[str, Mapping[str, Any]] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    force: bool = False,
) -> Path:
    """The folder of a repository's files at a revision, from the cache, else from the Hub.

    Nothing is asked of the network where `revision` is a full commit whose files are in the cache. A branch, a tag or None
    (`main`) costs one request, which tells the commit; where the Hub cannot be reached, what was fetched last is taken.
    `pins` are sha256 and bytes of each file, checked as it is fetched; without them those that config.json gives. `force`
    fetches anew. One process fetches at a time, the others wait for it.

    Raises ValueError for a repository or revision that can be none, DownloadError for what cannot be had.
    """
    check_repo_id(repo_id)
    revision = revision or "main"
    check_revision(revision)
    if force and local_files_only:
        raise ValueError("force fetches from the Hub, which local_files_only forbids; give one of them")
    place = root(cache_dir) / f"models--{repo_id.replace('/', '--')}"
    commit = revision if COMMIT.fullmatch(revision) else None
    if commit and not force and _is_whole(place / "snapshots" / commit, pins):
        return place / "snapshots" / commit
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if local_files_only or HF_HUB_OFFLINE:
        why = "local_files_only" if local_files_only else "HF_HUB_OFFLINE"
        return _cached(place, revision, pins) or _absent(repo_id, revision, place, f"{why} forbids to ask the Hub for it")
    try:
        with explained(repo_id, revision, place.parent):
            commit, sizes = _resolve(repo_id, revision, token)  # of a commit too: it tells at once what is not there
    except DownloadError as error:
        kept = None if force else _cached(place, revision, pins)
        if kept is None or not isinstance(error.__cause__, ConnectionError):
            raise
        log.warning("%s; taking commit %s from the cache", error, kept.name)
        return kept
    with explained(repo_id, revision, place.parent), _locked(place), quiet():
        if force:
            _remove_snapshot(place / "snapshots" / commit)
        if not _is_whole(place / "snapshots" / commit, pins):
            log.info("fetching %s at %s", repo_id, commit)
            _fill(repo_id, commit, place, pins, sizes, token)
        if revision != commit:
            _write(place / "refs" / revision, commit)
    return place / "snapshots" / commit


def _cached(place: Path, revision: str, pins: Mapping[str, Any] | None) -> Path | None:
    """The snapshot that a revision last stood for, if it is whole."""
    commit = revision
    if not COMMIT.fullmatch(revision):
        try:
            commit = (place / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
    snapshot = place / "snapshots" / commit
    return snapshot if COMMIT.fullmatch(commit) and _is_whole(snapshot, pins) else None


def _absent(repo_id: str, revision: str, place: Path, why: str) -> Path:
    """Always a DownloadError: nothing of it in the cache, or only some."""
    state = "is not whole in" if (place / "snapshots" / revision).is_dir() else "is not in"
    raise DownloadError(
        f"{repo_id} at {revision} {state} the cache {place.parent}, and {why}; "
        f"go online once: seqzoo download hf-hub:{repo_id}@{revision}"
    )


def _is_whole(snapshot: Path, pins: Mapping[str, Mapping[str, Any]] | None) -> bool:
    """Whether every file is there in its size, and the very config.json that is pinned: it gives the others' hashes."""
    try:
        wanted = pins or listed(snapshot)
        sizes = all(os.stat(snapshot / name).st_size == entry["bytes"] for name, entry in wanted.items())
        return sizes and (pins is None or CONFIG not in pins or fingerprint(snapshot / CONFIG) == dict(pins[CONFIG]))
    except (OSError, ValueError):
        return False


def listed(snapshot: Path) -> dict[str, dict[str, Any]]:
    """What config.json lists under `files`: names -> sha256 and bytes; ValueError where it does not."""
    if (size := os.stat(snapshot / CONFIG).st_size) > LARGEST_CONFIG:
        raise ValueError(f"config.json has {size} bytes, more than {LARGEST_CONFIG}")
    try:
        files = json.loads((snapshot / CONFIG).read_bytes())["files"]
        for name, entry in files.items():
            if not is_plain_name(name) or name == CONFIG or type(entry["bytes"]) is not int:
                raise ValueError(f"{name!r} is no file that a checkpoint could have")
            if not isinstance(entry["sha256"], str) or not 0 <= entry["bytes"] <= LARGEST_FILE:
                raise ValueError(f"{name!r} must have a sha256 and at most {LARGEST_FILE} bytes, got {entry!r}")
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"config.json does not list its files ({type(error).__name__})") from None
    return files


def _resolve(repo_id: str, revision: str, token: str | bool | None) -> tuple[str, dict[str, int]]:
    """The commit that a branch, a tag or the beginning of a commit means now, and the bytes of its files."""
    from huggingface_hub import HfApi

    info = HfApi(**agent()).model_info(repo_id, revision=revision, token=token, timeout=10, files_metadata=True)
    if not COMMIT.fullmatch(info.sha or "") or (COMMIT.fullmatch(revision) and info.sha != revision):
        raise DownloadError(f"{repo_id}: the Hub gives {info.sha!r} as the commit of {revision}, which cannot be")
    return info.sha, {file.rfilename: file.size for file in info.siblings or () if file.size is not None}


def agent() -> dict[str, str]:
    """Who asks the Hub."""
    from seqzoo import __version__

    return {"library_name": "seqzoo", "library_version": __version__}


def _fill(
    repo_id: str,
    commit: str,
    place: Path,
    pins: Mapping[str, Mapping[str, Any]] | None,
    sizes: Mapping[str, int],
    token: str | bool | None,
) -> None:
    """Fetch the files that a snapshot lacks; one that is not what it must be is removed, and an error.

    `sizes` are those that the Hub tells: what is too large, or of another size than it must have, is not even fetched.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    snapshot = place / "snapshots" / commit

    def get(name: str, wanted: Mapping[str, Any] | None) -> None:
        if wanted is not None and (snapshot / name).exists() and fingerprint(snapshot / name) != dict(wanted):
            _remove(snapshot / name, place)
        size = sizes.get(name, 0)
        if wanted is None and size > LARGEST_CONFIG:
            raise DownloadError(f"{repo_id} at {commit}: {name} has {size} bytes, more than {LARGEST_CONFIG}: not fetched")
        if wanted is not None and name in sizes and size != wanted["bytes"]:
            raise DownloadError(
                f"{repo_id} at {commit}: {name} has {size} bytes where {wanted['bytes']} are wanted: not fetched; "
                "the repository was tampered with, or is not the one that was pinned"
            )
        try:
            hf_hub_download(repo_id, name, revision=commit, cache_dir=place.parent, token=token, **agent())
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):
                raise  # not asked
            if wanted is None and name != CONFIG:
                log.info("%s has no %s", repo_id, name)
                return
            raise DownloadError(f"{repo_id} at {commit} has no {name}: it is no whole checkpoint of seqzoo") from error
        if wanted is not None and (found := fingerprint(snapshot / name)) != dict(wanted):
            _remove(snapshot / name, place)
            raise DownloadError(
                f"{repo_id} at {commit}: {name} has {found['bytes']} bytes and sha256 {found['sha256']} where "
                f"{wanted['bytes']} and {wanted['sha256']} are wanted; it was removed. Try again; if it stays so, "
                "the repository was tampered with, or is not the one that was pinned"
            )

    if pins is not None:
        for name, wanted in pins.items():
            get(name, wanted)
        return
    get(CONFIG, None)
    try:
        files = listed(snapshot)
    except ValueError as error:
        _remove(snapshot / CONFIG, place)
        raise DownloadError(f"{repo_id} at {commit} is no checkpoint of seqzoo: {error}") from None
    for name in CARD_FILES:  # before what makes it whole
        if name != EXAMPLE or name in sizes:
            get(name, None)
    for name, wanted in files.items():
        get(name, {"sha256": wanted["sha256"], "bytes": wanted["bytes"]})


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of Hugging Face's where there is no terminal to see them."""
    from huggingface_hub import constants
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silence = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not sys.stderr.isatty() and not are_progress_bars_disabled()
    if silence:
        disable_progress_bars()
    try:
        yield
    finally:
        if silence:
            enable_progress_bars()


def _remove(file: Path, place: Path) -> None:
    """A file of a snapshot and, if it is a link into the same repository, what it leads to."""
    blob = file.resolve()
    file.unlink(missing_ok=True)
    if blob.parent == (place / "blobs").resolve():
        blob.unlink(missing_ok=True)


def _remove_snapshot(snapshot: Path) -> None:
    if snapshot.is_dir():
        for file in snapshot.iterdir():
            _remove(file, snapshot.parent.parent)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    from huggingface_hub.utils import WeakFileLock

    folder = place.parent / ".locks" / place.name
    folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(folder / LOCK):
        yield


def _write(path: Path, text: str) -> None:
    """A small file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def explained(repo_id: str, revision: str | None, place: Path | None = None, to: str = "read it") -> Iterator[None]:
    """Turns what `huggingface_hub` and the disk raise into a DownloadError that says which and what to do."""
    from huggingface_hub import constants, errors

    transport = errors.HfHubHTTPError.__bases__[0]  # httpx's (or requests') own, whichever this version stands on
    what = f"{repo_id} at {revision or 'main'}"
    token = f"set HF_TOKEN to a token that may {to}, or run hf auth login"
    try:
        yield
    except DownloadError:
        raise
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{what}: access must be granted on its page at {constants.ENDPOINT}/{repo_id}; then {token}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DownloadError(
            f"{what}: the Hub knows no such repository, or it is private; check the name, or {token}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DownloadError(
            f"{what}: the repository has no such revision (any more); "
            f"see which it has at {constants.ENDPOINT}/{repo_id}/commits/main"
        ) from error
    except errors.LocalEntryNotFoundError as error:  # the file could not be asked for
        raise _unreachable(what, error.__cause__ or error, token) from error
    except errors.EntryNotFoundError as error:
        raise DownloadError(f"{what}: a file is missing there ({_line(error)}); it is no whole checkpoint") from error
    except (transport, ConnectionError, TimeoutError) as error:
        raise _unreachable(what, error, token) from _as_connection_error(error)
    except errors.HFValidationError as error:
        raise ValueError(f"{what}: {_line(error)}") from None
    except errors.LocalTokenNotFoundError as error:
        raise DownloadError(f"{what}: there is no token; {token}") from error
    except OSError as error:
        if error.errno in FULL or "space" in str(error).lower():
            raise DownloadError(
                f"{what}: the disk is full ({place}: {_line(error)}); free some, or name another cache by SEQZOO_CACHE"
            ) from error
        if "consistency check" in str(error).lower():
            raise DownloadError(f"{what}: the download was cut ({_line(error)}); try again, nothing was kept") from error
        raise DownloadError(f"{what}: {place} cannot be written ({_line(error)})") from error


def _as_connection_error(error: BaseException) -> BaseException:
    """What `fetch` knows an unreachable Hub by, whatever library said so; the Hub's refusal stays itself."""
    status = getattr(getattr(error, "response", None), "status_code", 500)
    return error if isinstance(error, ConnectionError) or status < 500 else ConnectionError(_line(error))


def _unreachable(what: str, error: BaseException, token: str) -> DownloadError:
    """An answer that refuses, else no answer, or half of one."""
    from huggingface_hub import constants

    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return DownloadError(f"{what}: the Hub refuses the token ({status}); {token}, or take back the one that is set")
    if status is not None:
        return DownloadError(f"{what}: the Hub answers {status} ({_line(error)}); try again later")
    if type(error).__name__ in ("RemoteProtocolError", "ReadError", "ReadTimeout", "ChunkedEncodingError"):
        return DownloadError(f"{what}: the download was cut ({_line(error)}); try again, nothing was kept")
    return DownloadError(f"{what}: {constants.ENDPOINT} cannot be reached ({_line(error)}); go online and try again")


def _line(error: BaseException) -> str:
    """An error in a line: the Hub's tell a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def contents(cache_dir: str | os.PathLike[str] | None = None) -> list[Cached]:
    """Checkpoints of ours in the cache, which other libraries may share."""
    place, found = root(cache_dir), []
    for folder in sorted(place.glob("models--*--*")):
        if folder.is_symlink() or not folder.is_dir():
            continue
        commits = [path.name for path in sorted((folder / "snapshots").glob("*")) if _is_whole(path, None)]
        if commits or (place / ".locks" / folder.name / LOCK).is_file():
            size = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
            found.append(Cached(folder.name.removeprefix("models--").replace("--", "/"), commits, size, folder))
    return found


def clear(cached: Cached) -> None:
    """Remove a repository from the cache, under its lock: never while another process fetches it."""
    with _locked(cached.folder):
        doomed = Path(tempfile.mkdtemp(prefix=".seqzoo-cleared-", dir=cached.folder.parent))
        try:
            os.rename(cached.folder, doomed / cached.folder.name)  # at once: no load finds half of it
        finally:
            shutil.rmtree(doomed)
