"""Checkpoints to the Hub: one commit, a card written from measured numbers, nothing pushed that nobody has verified."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seqzoo import cache, cards, catalog, hub, trust

__all__ = ["Pushed", "push"]

log = logging.getLogger(__name__)
README = "README.md"


class Pushed(NamedTuple):
    """A commit on the Hub: its repository, full hash and page, the pull request that asks for it, and the card as pushed."""

    repo_id: str
    revision: str
    url: str
    pull_request: str | None
    readme: str


def push(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
    unverified: bool = False,
) -> Pushed:
    """Push a checkpoint folder to the Hub as one commit, its card written from metrics.json and recipe.yaml.

    The repository is made where it is not there, for everybody to see unless `private`. `revision` is the branch, made too
    where it is not there; `create_pr` asks for the change by a pull request. `token` (else `HF_TOKEN`, else that of
    `hf auth login`) must allow to write. What you wrote into README.md, in the folder or on the Hub, stays as it is: the
    card is added to it. Nothing is written into the folder.

    Raises ValueError for a folder without licence, metrics or recipe; without the stamp that `seqzoo verify` leaves in
    metrics.json for exactly these weights, unless `unverified`, which marks the card; CheckpointError for one that does not
    load; DownloadError where the Hub refuses.
    """
    folder = Path(folder)
    cache.check_repo_id(repo_id)
    if revision is not None:
        cache.check_revision(revision)
    hub.load(f"local-dir:{folder}")  # what does not load is not pushed
    config = hub.read(folder).config
    vectors = config["task"] == catalog.WORD_VECTORS
    numbers, recipe, doubt = _complete(folder, config["task"], unverified)
    local = _text(folder / README)
    if not (cards.metadata(local).get("license") or numbers.get("license")):
        raise ValueError(
            f"{folder} has no licence: write `license: ...` into the metadata of {README} (between two lines of ---)"
        )
    with cache.explained(repo_id, revision, folder, to="write to it"), cache.quiet():
        from huggingface_hub import CommitOperationAdd, HfApi

        api = HfApi(token=token, **cache.agent())
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        head = api.model_info(repo_id, revision=revision)
        there = {file.rfilename for file in head.siblings or ()}
        remote = _fetch_readme(repo_id, head.sha, token) if README in there else ""
        own = any(entry["repo_id"] == repo_id for entry in cards.index().values())
        rendered = cards.render(
            repo_id.partition("/")[2],
            config,
            numbers,
            recipe=recipe,
            source=None if own else f"hf-hub:{repo_id}",
            doubt=doubt,
        )
        readme = _readme(local, remote, rendered, repo_id.partition("/")[2], config, numbers)
        beside = () if vectors else ("recipe.yaml", *filter(None, [numbers["example"].get("file")]))
        names = sorted({"config.json", *config["files"], "metrics.json", *beside})
        operations = [CommitOperationAdd(name, str(folder / name)) for name in names]
        operations.append(CommitOperationAdd(README, readme.encode()))
        made = api.create_commit(
            repo_id,
            operations,
            commit_message=commit_message or f"{numbers['label']} ({'unverified' if doubt else 'verified'} by seqzoo)",
            revision=revision,
            create_pr=create_pr,
            parent_commit=head.sha,
        )
    log.info("pushed %s", made.commit_url)
    return Pushed(repo_id, made.oid, made.commit_url, made.pr_url if create_pr else None, readme)


def _complete(folder: Path, task: str, unverified: bool) -> tuple[dict[str, Any], str, str | None]:
    """Numbers, recipe, and why they are not verified; ValueError for what is missing."""
    numbers = cards.metrics(folder)
    cards.check(folder, numbers, task)
    vectors = task == catalog.WORD_VECTORS  # they have their settings in metrics.json
    recipe = "" if vectors else trust.read(folder / "recipe.yaml")
    doubt = cards.unverified(folder, numbers)
    if doubt is not None and not unverified:
        raise ValueError(f"{folder}: {doubt}; run seqzoo verify local-dir:{folder}, or push it marked with --unverified")
    return numbers, recipe, doubt


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")  # line ends as they are
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8 text") from None


def _fetch_readme(repo_id: str, commit: str, token: str | bool | None) -> str:
    """The README that the repository has now, past the cache."""
    from huggingface_hub import hf_hub_download

    with tempfile.TemporaryDirectory() as place:
        return _text(Path(hf_hub_download(repo_id, README, revision=commit, cache_dir=place, token=token, **cache.agent())))


def _readme(
    local: str, remote: str, rendered: str, title: str, config: Mapping[str, Any], numbers: Mapping[str, Any]
) -> str:
    """The card put into what is written already, here or on the Hub; ValueError where both have words of their own."""
    mine, theirs = ("" if cards.is_ours(text, config, numbers) else cards.own_text(text, title) for text in (local, remote))
    if theirs and mine and theirs not in mine:
        raise ValueError(
            f"the {README} on the Hub has text of its own, and so has yours: neither may be overwritten; "
            "take the Hub's text over into yours, or push to another --revision"
        )
    if mine:
        return cards.merge(local, rendered)
    if theirs:
        return cards.merge(remote, cards.merge_head(local, rendered))
    return cards.merge_head(local, rendered)
