"""Pushing to a Hub on loopback: verified or marked, one commit, a whole card, nobody's text overwritten."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import make_model
from localhub import LocalHub
from made_up import LABELS, environment, make_texts, read_json, write_json
from test_download import asked, fresh_process, scores, server_environment

import seqzoo
from seqzoo import cache, cards, catalog, cli, sharing, verification
from seqzoo.cache import DownloadError
from seqzoo.measures import text_classification
from seqzoo.models.text_classifier import TextClassifier


def readme_of(server: LocalHub, repo_id: str, revision: str = "main") -> str:
    repo = server.store.load("model", repo_id)
    tree = repo["commits"][server.store.resolve(repo, revision)]["tree"]
    return server.store.obj(tree["README.md"]["oid"]).read_bytes().decode()


def files_of(server: LocalHub, repo_id: str) -> set[str]:
    repo = server.store.load("model", repo_id)
    return set(repo["commits"][repo["branches"]["main"]]["tree"])


# What is pushed


def test_a_verified_checkpoint_is_pushed_as_one_commit(writer, verified):
    pushed = sharing.push(verified, "tester/films")
    repo = writer.store.load("model", "tester/films")
    assert len(repo["commits"]) == 2, "the repository's first and ours"
    assert repo["branches"]["main"] == pushed.revision and repo["private"] is False
    assert files_of(writer, "tester/films") == {path.name for path in verified.iterdir()} | {".gitattributes"}


def test_what_was_pushed_loads_bit_for_bit_by_its_commit_in_a_fresh_process(writer, verified):
    pushed = sharing.push(verified, "tester/films")
    texts = make_texts(5, seed=9)[0]
    found = fresh_process(writer, f"hf-hub:tester/films@{pushed.revision}", *texts)
    assert found == scores(seqzoo.load(verified), texts)


def test_a_model_pushes_the_folder_it_is_in(writer, verified, tokenizer, tmp_path):
    pushed = seqzoo.load(verified).push_to_hub("tester/films", private=True, commit_message="mine")
    repo = writer.store.load("model", "tester/films")
    assert repo["private"] is True and repo["commits"][pushed.revision]["title"] == "mine"
    model = make_model("gru", tokenizer)
    with pytest.raises(ValueError, match="in no folder yet"):
        model.push_to_hub("tester/other")
    changed = seqzoo.load(verified)
    with torch.no_grad():
        changed.head.bias.add_(1.0)
    with pytest.raises(ValueError, match="was changed since"):
        changed.push_to_hub("tester/other")
    model.save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match="gives no label"):
        model.push_to_hub("tester/other")


def test_a_branch_and_a_pull_request_leave_main_alone(writer, verified):
    first = sharing.push(verified, "tester/films")
    (verified / "README.md").write_text("---\nlicense: mit\n---\nA word.\n")
    branched = sharing.push(verified, "tester/films", revision="trial", commit_message="on a branch")
    (verified / "README.md").write_text("---\nlicense: mit\n---\nAnother word.\n")
    asked_for = sharing.push(verified, "tester/films", create_pr=True)
    repo = writer.store.load("model", "tester/films")
    assert repo["branches"]["main"] == first.revision and repo["branches"]["trial"] == branched.revision
    assert repo["branches"]["refs/pr/1"] == asked_for.revision and asked_for.pull_request.endswith("/discussions/1")
    assert seqzoo.load("hf-hub:tester/films@refs/pr/1").labels == LABELS


def test_the_command_pushes_and_says_the_commit(writer, verified, capsys):
    assert cli.main(["push", str(verified), "tester/films", "--private", "--message", "hello", "--quiet"]) == 0
    source = capsys.readouterr().out.strip()
    assert source == f"hf-hub:tester/films@{writer.head('tester/films')}"
    assert scores(seqzoo.load(source)) == scores(seqzoo.load(verified))


# The card


def test_the_card_gives_every_result_in_full(writer, verified):
    from huggingface_hub import ModelCard

    sharing.push(verified, "tester/films")
    card, numbers = ModelCard(readme_of(writer, "tester/films")), read_json(verified / "metrics.json")
    assert card.data.license == "mit" and card.data.library_name == "seqzoo"
    found = {result.metric_type: result for result in card.data.eval_results}
    assert found.keys() == text_classification.METRICS.keys() & numbers["test"].keys()
    for kind, result in found.items():
        assert result.metric_value == numbers["test"][kind] and result.metric_args["n"] == 160
        assert (result.dataset_type, result.dataset_config) == ("stanfordnlp/imdb", numbers["data"]["config"])
        assert result.dataset_split == "test" and result.dataset_revision == numbers["data"]["fingerprints"]["test"]
    for word in (
        'seqzoo.load("hf-hub:tester/films")',
        "torch.optim.AdamW: lr 0.01",
        "numbers measured again by `seqzoo verify`",
    ):
        assert word in card.text, word


OWN = "---\nlicense: cc-by-4.0\ntags:\n- cinema\nco2: 3\n---\n\n# My films\n\nWords of mine, | odd *signs*\r\nand all.\n"


def test_your_own_readme_stays_to_the_letter(writer, verified):
    (verified / "README.md").write_bytes(OWN.encode())
    for _ in range(2):
        sharing.push(verified, "tester/films")
        pushed = readme_of(writer, "tester/films")
        assert OWN.partition("---\n\n")[2].encode() in pushed.encode() and pushed.count(cards.BEGIN) == 1
        told = cards.metadata(pushed)
        assert (told["license"], told["co2"]) == ("cc-by-4.0", 3) and told["tags"][0] == "cinema" and "gru" in told["tags"]
        assert told["model-index"][0]["results"]
        (verified / "README.md").write_bytes(pushed.encode())  # taken over, and pushed again
    assert OWN.partition("---\n\n")[2] in readme_of(writer, "tester/films")


def test_what_was_written_on_the_hub_stays(writer, verified):
    from huggingface_hub import HfApi

    sharing.push(verified, "tester/films")
    written = readme_of(writer, "tester/films").replace(cards.END, f"{cards.END}\n\nWritten in the browser.")
    HfApi(endpoint=writer.url).upload_file(
        path_or_fileobj=written.encode(), path_in_repo="README.md", repo_id="tester/films"
    )
    sharing.push(verified, "tester/films")
    assert readme_of(writer, "tester/films").endswith("\nWritten in the browser.\n")
    (verified / "README.md").write_text(OWN)
    with pytest.raises(ValueError, match="neither may be overwritten"):
        sharing.push(verified, "tester/films")
    assert "Written in the browser." in readme_of(writer, "tester/films")


@pytest.mark.parametrize("head", ["---\n: : :\n---\n", "---\n- a\n- b\n---\n"])
def test_a_readme_with_broken_metadata_is_named(writer, verified, head):
    (verified / "README.md").write_text(head + "text")
    with pytest.raises(ValueError, match=r"README\.md"):
        sharing.push(verified, "tester/films")
    assert asked(writer) == []


# What is refused, before anything is asked of the Hub


def drop(folder: Path, key: str) -> None:
    numbers = read_json(folder / "metrics.json")
    del numbers[key]
    write_json(folder / "metrics.json", numbers)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda folder: (folder / "metrics.json").unlink(), "gives no label"),
        (lambda folder: drop(folder, "test"), "gives no test"),
        (lambda folder: (folder / "recipe.yaml").unlink(), r"there is no .*recipe\.yaml"),
        (lambda folder: drop(folder, "verified"), "no stamp of seqzoo verify"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "0 bytes"),
        (lambda folder: (folder / "config.json").unlink(), "is missing"),
    ],
)
def test_what_lacks_something_is_not_pushed(writer, verified, change, word):
    change(verified)
    with pytest.raises(ValueError, match=word):
        sharing.push(verified, "tester/films")
    assert asked(writer) == []


def test_what_has_no_licence_is_not_pushed(writer, films):
    drop(films, "license")
    (films / "README.md").unlink()
    verification.stamp(verification.verify(f"local-dir:{films}", speed=False))
    with pytest.raises(ValueError, match=r"no licence.*README"):
        sharing.push(films, "tester/films")
    (films / "README.md").write_text("---\nlicense: mit\n---\n")
    sharing.push(films, "tester/films")


def test_a_stamp_is_for_exactly_these_weights(writer, verified, tokenizer):
    """A checkpoint saved over another keeps the other's card: the stamp tells."""
    torch.manual_seed(7)
    arguments = {"embedding_size": 8, "hidden_size": 8}
    TextClassifier("gru", arguments, tokenizer=tokenizer, labels=LABELS, max_tokens=64).save_pretrained(verified)
    assert "verified" in read_json(verified / "metrics.json"), "the old card is still there"
    with pytest.raises(ValueError, match="verified for other weights"):
        sharing.push(verified, "tester/films")
    report = verification.verify(f"local-dir:{verified}", speed=False)
    assert not report.holds
    with pytest.raises(ValueError, match="it gets no stamp"):
        verification.stamp(report)


def test_a_number_changed_after_the_stamp_is_noticed(writer, verified):
    numbers = read_json(verified / "metrics.json")
    numbers["test"]["accuracy"] = 0.99
    write_json(verified / "metrics.json", numbers)
    with pytest.raises(ValueError, match="changed after it was verified"):
        sharing.push(verified, "tester/films")


def test_an_unverified_checkpoint_is_pushed_marked_as_such(writer, films):
    sharing.push(films, "tester/films", unverified=True)
    assert "**no: unverified** (metrics.json has no stamp of seqzoo verify)" in readme_of(writer, "tester/films")
    assert cli.main(["push", str(films), "tester/films"]) == 2
    assert cli.main(["push", str(films), "tester/films", "--unverified"]) == 0


def test_a_token_that_may_not_write_says_so(server, verified, monkeypatch):
    for token, word in ((None, "token"), ("hf_wrong", "refuses the token")):
        with pytest.raises(DownloadError, match=word):
            sharing.push(verified, "tester/films", token=token or False)
    with pytest.raises(DownloadError, match=r"refuses the token.*write"):
        sharing.push(verified, "somebody/films", token="hf_test")
    server.stop()
    with pytest.raises(DownloadError, match="cannot be reached"):
        sharing.push(verified, "tester/films", token="hf_test")


# The zoo's own checkpoints


@pytest.fixture
def zoo(verified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index that holds `films`, bundled and stamped."""
    (tmp_path / "checkpoints").mkdir()
    folder = Path(shutil.move(verified, tmp_path / "checkpoints" / "films"))
    numbers = read_json(folder / "metrics.json")
    del numbers["verified"], numbers["license"]
    write_json(folder / "metrics.json", numbers)
    (folder / "README.md").write_text(cards.card(folder, "films"))
    resource = catalog.resource
    monkeypatch.setattr(catalog, "resource", lambda kind: tmp_path / kind if kind == "checkpoints" else resource(kind))
    verification.enter(folder, "films", "Made-up films")
    return folder


def test_our_own_are_verified_stamped_pushed_and_pinned(writer, zoo, capsys, tmp_path):
    writer.tokens["hf_test"] = "seqzoo"
    before = {path.name: path.read_bytes() for path in zoo.iterdir()}
    assert cli.main(["verify", "--all", "--no-speed", "--quiet"]) == 0
    assert {path.name: path.read_bytes() for path in zoo.iterdir()} == before, "nothing is stamped unasked"
    assert cli.main(["verify", "films", "--no-speed", "--stamp", "--quiet"]) == 0
    entry = cards.index()["films"]
    assert entry["files"] == {path.name: cache.fingerprint(path) for path in zoo.iterdir()} and entry["revision"] is None
    assert cli.main(["push", str(zoo), "seqzoo/films", "--quiet"]) == 0
    entry = cards.index()["films"]
    assert entry["revision"] == writer.head("seqzoo/films")
    assert entry["files"] == {path.name: cache.fingerprint(path) for path in zoo.iterdir()}
    wanted = scores(seqzoo.load("films"))
    asked(writer)
    shutil.move(zoo, tmp_path / "away")  # as in a wheel that does not carry it
    assert scores(seqzoo.load("films")) == wanted and asked(writer)
    assert scores(seqzoo.load("films")) == wanted and asked(writer) == []


@pytest.fixture(scope="session")
def with_stamps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Copies of all checkpoints of the zoo, stamped as if verified: `verify` itself is tested elsewhere."""
    root, copies = tmp_path_factory.mktemp("stamped"), {}
    for name in seqzoo.list_checkpoints():
        folder = Path(shutil.copytree(catalog.resource("checkpoints") / name, root / name))
        numbers = cards.metrics(folder)
        stamp = {"date": "2026-01-01", "count": 1, "how": "a test", "versions": {"seqzoo": seqzoo.__version__}}
        write_json(folder / "metrics.json", {**numbers, "verified": {**cards.seal(folder, numbers), **stamp}})
        (folder / "README.md").write_text(cards.card(folder, name), encoding="utf-8")
        copies[name] = folder
    return copies


TASKS = ["a slow start, but what a finale!", "OPEC ministers agreed to cut production.", ""]
EACH = """
import json, sys, seqzoo
told, found = json.loads(sys.argv[1]), {}
for name, source in told["sources"].items():
    loaded = seqzoo.load(source)
    if hasattr(loaded, "matrix"):
        found[name] = loaded.sha256
    elif loaded.task == "text-classification":
        found[name] = [dict(result.scores) for result in loaded.predict(told["texts"])]
    else:
        found[name] = str(loaded.predict(told["examples"][name]))
print(json.dumps(found))
"""


def test_every_checkpoint_is_pushed_and_loads_bit_for_bit_by_its_pinned_commit(writer, with_stamps):
    writer.tokens["hf_test"] = "seqzoo"
    sources = {}
    for name, folder in with_stamps.items():
        pushed = sharing.push(folder, f"seqzoo/{name}")
        assert pushed.readme == (folder / "README.md").read_text(encoding="utf-8"), "pushed as it stands in the checkout"
        sources[name] = f"hf-hub:seqzoo/{name}@{pushed.revision}"
    assert not cache.root().exists()
    env = environment(**server_environment(writer))
    examples = {name: str(folder / "example.csv") for name, folder in with_stamps.items()}  # series have one
    command = [sys.executable, "-c", EACH, json.dumps({"sources": sources, "texts": TASKS, "examples": examples})]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.keys() == sources.keys()
    for name, folder in with_stamps.items():
        loaded = seqzoo.load(folder)
        if hasattr(loaded, "matrix"):
            wanted = loaded.sha256
        else:
            texts = loaded.task == "text-classification"
            wanted = scores(loaded, TASKS) if texts else str(loaded.predict(examples[name]))
        assert found[name] == wanted, name


def test_a_fetched_checkpoint_is_verified_and_not_stamped(writer, verified):
    source = f"hf-hub:tester/films@{sharing.push(verified, 'tester/films').revision}"
    folder = seqzoo.load(source).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert cli.main(["verify", source, "--no-speed", "--quiet"]) == 0
    assert cli.main(["verify", source, "--no-speed", "--quiet", "--stamp"]) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
