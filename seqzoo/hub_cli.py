"""The verbs of the `seqzoo` command that fetch, check and publish checkpoints. Heavy libraries are imported by each."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["add_verbs"]


def add_verbs(add: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Declare the verbs by `add(verb, function, description)`, which makes each one's parser."""
    sub = add("download", _download, "fetch a checkpoint into the cache and print its folder")
    sub.add_argument("name", help="checkpoint name, or hf-hub:owner/name@revision")
    sub.add_argument("--revision", help="branch, tag or commit; of a name, the pinned commit")
    sub.add_argument("--cache-dir", type=Path, help="where to (SEQZOO_CACHE, else HF_HUB_CACHE)")
    sub.add_argument("--force", action="store_true", help="fetch anew what is there already")

    sub = add("cache", _cache, "list or clear the checkpoints in the cache")
    sub.add_argument("what", choices=("list", "clear"))
    sub.add_argument("repo_id", nargs="*", help="to clear: owner/name as the list shows it")
    sub.add_argument("--all", action="store_true", help="to clear: every checkpoint of seqzoo; other libraries' files stay")
    sub.add_argument("--cache-dir", type=Path, help="of which cache (SEQZOO_CACHE, else HF_HUB_CACHE)")
    sub.add_argument("--json", action="store_true", help="for programs")


def _download(options: argparse.Namespace) -> None:
    from seqzoo import hub

    folder = hub.locate(options.name, revision=options.revision, cache_dir=options.cache_dir, force=options.force)
    hub.read(folder)
    print(folder)


def _cache(options: argparse.Namespace) -> None:
    from seqzoo import cache, catalog

    found = cache.contents(options.cache_dir)
    if options.what == "list":
        if options.repo_id or options.all:
            raise ValueError("cache list takes no names: it shows all")
        rows = [{**cached._asdict(), "folder": str(cached.folder)} for cached in found]
        if options.json:
            print(json.dumps({"cache": str(cache.root(options.cache_dir)), "checkpoints": rows}))
        else:
            print(cache.root(options.cache_dir))
            for row in rows:
                state = ", ".join(row["commits"]) or "not whole"
                print(f"  {row['repo_id']}  {row['bytes'] / 1e6:.1f} MB  {state}")
        return
    if bool(options.repo_id) == options.all:
        raise ValueError("cache clear needs either owner/name of what to remove, or --all")
    known = {cached.repo_id: cached for cached in found}
    for repo_id in options.repo_id or known:
        if repo_id not in known:
            raise catalog.UnknownName(f"the cache holds no checkpoint {repo_id!r}; {catalog.hint(repo_id, list(known))}")
        cache.clear(known[repo_id])
        if not options.quiet:
            print(f"removed {repo_id}, {known[repo_id].bytes / 1e6:.1f} MB")
