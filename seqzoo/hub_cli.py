"""The verbs of the `seqzoo` command that fetch, check and publish checkpoints. Heavy libraries are imported by each."""

import argparse
import json
import sys
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

    sub = add("verify", _verify, "measure every number on a card again, and stamp the checkpoint for push")
    sub.add_argument("name", nargs="*", help="checkpoint name, folder, or hf-hub:owner/name@revision")
    sub.add_argument("--all", action="store_true", help="every checkpoint of the index whose corpus can be had")
    sub.add_argument("--no-speed", action="store_true", help="leave out time and memory")
    sub.add_argument("--stamp", action="store_true", help="stamp checkpoints of the index too; folders are stamped anyway")
    sub.add_argument(
        "--results", type=Path, metavar="FOLDER", help="write FOLDER/verified.csv, and RESULTS.md beside FOLDER"
    )
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("reproduce", _reproduce, "train from a checkpoint's stored recipe: is its claim inside the seeds' spread")
    sub.add_argument("name", help="checkpoint name, folder, or hf-hub:owner/name@revision")
    sub.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 1 to N (3)")
    sub.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="where the runs go (runs/reproduce)")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("push", _push, "push a verified checkpoint folder to the Hub, with its card; HF_TOKEN must allow to write")
    sub.add_argument("folder", type=Path)
    sub.add_argument("repo_id", help="owner/name on the Hub")
    sub.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    sub.add_argument("--revision", help="branch to push to (main)")
    sub.add_argument("--create-pr", action="store_true", help="ask for the change by a pull request")
    sub.add_argument("--message", help="of the commit")
    sub.add_argument("--unverified", action="store_true", help="push without verify's stamp; the card says so")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = add("doctor", _doctor, "versions, cache, index and hashes of this installation, and what is wrong with it")
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


def _verify(options: argparse.Namespace) -> int:
    """0 where all numbers hold, 1 where one differs, 2 where a checkpoint could not be measured."""
    from seqzoo import cards, cli, verification
    from seqzoo.fitting import machine

    if bool(options.name) == options.all:
        raise ValueError("verify needs either names of checkpoints or --all")
    index, reports, failed = cards.index(), [], {}
    for name in options.name or cards.list_checkpoints():
        try:
            report = verification.verify(name, machine=machine(), speed=not options.no_speed)
        except (ValueError, LookupError, OSError) as error:
            if not options.all:
                raise
            failed[name] = str(error)
            continue
        reports.append(report)
        own = name not in index and not name.startswith("hf-hub:")
        if report.holds and (own or options.stamp):
            verification.stamp(report)
        if not options.json:
            cli.table([("", "number", "claimed", "measured", "tolerance", "verdict"), *map(_row, report.numbers)])
            print(f"{name}: {'all numbers hold' if report.holds else 'DIFFERS'}\n")
    if options.json:
        print(json.dumps({"reports": list(map(_plain, reports)), "not_measured": failed}, ensure_ascii=False))
    for name, why in failed.items():
        print(f"seqzoo verify: {name} was not measured: {why}", file=sys.stderr)
    if options.results:
        from seqzoo import results

        results.record_verified(reports, options.results)
        results.write(options.results, options.results.absolute().parent / "RESULTS.md")
    return 1 if not all(report.holds for report in reports) else 2 if failed else 0


def _row(number: Any) -> list[str]:
    marks = {"holds": "", "differs": "!", "not comparable": "-"}
    shown = [f"{value:.6f}" if isinstance(value, float) else str(value) for value in number[1:4]]
    return [
        marks[number.verdict],
        number.name,
        *(value if len(value) < 20 else f"{value[:16]}..." for value in shown),
        number.verdict,
    ]


def _plain(report: Any) -> dict[str, Any]:
    numbers = [number._asdict() for number in report.numbers]
    return {"checkpoint": report.checkpoint, "holds": report.holds, "numbers": numbers}


def _reproduce(options: argparse.Namespace) -> int:
    """0 where the claim is inside, 1 where it is not."""
    from seqzoo.reproduction import reproduce

    if options.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {options.seeds}")
    found = reproduce(options.name, seeds=range(1, options.seeds + 1), runs=options.runs)
    if options.json:
        told = {**found._asdict(), "mean": found.mean, "spread": found.spread, "inside": found.inside}
        print(json.dumps(told))
    else:
        by_seed = ", ".join(f"seed {seed} {value:.4f}" for seed, value in found.seeds.items())
        print(f"{found.metric} on test: {by_seed}")
        print(f"mean {found.mean:.4f}, standard deviation {found.spread:.4f}; claimed {found.claimed:.4f}")
        print(f"the claim is {'inside' if found.inside else 'OUTSIDE'}: tolerance {found.tolerance:.4f}")
    return 0 if found.inside else 1


def _push(options: argparse.Namespace) -> None:
    from seqzoo import cards, catalog, sharing

    pushed = sharing.push(
        options.folder,
        options.repo_id,
        private=options.private,
        revision=options.revision,
        create_pr=options.create_pr,
        commit_message=options.message,
        unverified=options.unverified,
    )
    name = options.folder.resolve().name
    bundled, entry = catalog.resource("checkpoints") / name, cards.index().get(name)
    pinned = False
    if entry and entry["repo_id"] == options.repo_id and options.folder.resolve() == bundled.resolve():
        on_main = not options.create_pr and options.revision in (None, "main")
        if on_main and (bundled / "README.md").read_text(encoding="utf-8") == pushed.readme:
            from seqzoo import verification

            verification.enter(bundled, name, entry["label"], revision=pushed.revision)
            pinned = True
    if options.json:
        print(json.dumps({**pushed._asdict(), "pinned": pinned}, ensure_ascii=False))
    else:
        print(f"hf-hub:{pushed.repo_id}@{pushed.revision}{', which the index pins now' if pinned else ''}")
        if pushed.pull_request:
            print(pushed.pull_request)


def _doctor(options: argparse.Namespace) -> int:
    """0 where nothing is wrong, else 1."""
    from seqzoo import cli, doctor

    facts, wrong = doctor.examine(options.cache_dir)
    if options.json:
        print(json.dumps({**facts, "wrong": wrong}, ensure_ascii=False))
    else:
        for topic, told in facts.items():
            print(topic)
            if rows := list(cli.flat(told)):
                cli.table(rows, indent="  ")
        for line in wrong:
            print(f"wrong: {line}")
    return 1 if wrong else 0
