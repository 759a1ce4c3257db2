"""Loading from a Hub on loopback with the real client: pinned, cached, private, cut, gone; and the cache itself."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import make_model
from localhub import LocalHub
from made_up import environment, make_texts, read_json, write_json

import seqzoo
from seqzoo import cache, catalog, cli
from seqzoo.cache import DownloadError

TEXTS = ["a lovely film", "boring, clumsy", ""]
PREDICT = (
    "import sys, json, seqzoo; print(json.dumps([dict(r.scores) for r in seqzoo.load(sys.argv[1]).predict(sys.argv[2:])]))"
)


def put(server: LocalHub, repo_id: str, folder: Path, **options: Any) -> str:
    """Upload a folder as it is, without any check; the commit."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=server.url, token="hf_test")
    api.create_repo(repo_id, exist_ok=True, **options)
    return api.upload_folder(repo_id=repo_id, folder_path=folder).oid


def scores(model: Any, texts: list[str] = TEXTS) -> list[dict[str, float]]:
    return [dict(result.scores) for result in model.predict(texts)]


def asked(server: LocalHub) -> list[tuple[str, str]]:
    """Requests since the last call."""
    found = list(server.requests)
    server.requests.clear()
    return found


def fresh_process(server: LocalHub, *arguments: str, **extra: str) -> list[dict[str, float]]:
    """What a new process predicts."""
    env = environment(**{**server_environment(server), **extra})
    done = subprocess.run([sys.executable, "-c", PREDICT, *arguments], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def server_environment(server: LocalHub) -> dict[str, str]:
    from huggingface_hub import constants

    return {
        "HF_ENDPOINT": server.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_CACHE": constants.HF_HUB_CACHE,
        "HF_HOME": str(Path(constants.HF_HUB_CACHE).parent),
    }


@pytest.fixture
def commit(server: LocalHub, saved: Path) -> str:
    """A public repository `tester/tiny` that holds one checkpoint."""
    found = put(server, "tester/tiny", saved)
    server.requests.clear()
    return found


@pytest.fixture
def pinned(server: LocalHub, commit: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An index that pins `tiny`, which is not bundled."""
    files = {path.name: cache.fingerprint(path) for path in sorted(saved.iterdir())}
    entry = {"repo_id": "tester/tiny", "revision": commit, "label": "a tiny one", "files": files}
    (tmp_path / "checkpoints").mkdir()
    write_json(tmp_path / "checkpoints" / "index.json", {"tiny": entry})
    resource = catalog.resource
    monkeypatch.setattr(catalog, "resource", lambda kind: tmp_path / kind if kind == "checkpoints" else resource(kind))
    return "tiny"


# Where from


@pytest.mark.parametrize("revision", ["", "@main", "@v1", "@trial", "@{commit}", "@{short}"])
def test_a_branch_a_tag_or_a_commit_loads(server, commit, saved, revision):
    from huggingface_hub import HfApi

    api = HfApi(endpoint=server.url, token="hf_test")
    api.create_tag("tester/tiny", tag="v1")
    api.create_branch("tester/tiny", branch="trial")
    source = "hf-hub:tester/tiny" + revision.format(commit=commit, short=commit[:8])
    assert scores(seqzoo.load(source)) == scores(seqzoo.load(saved))


def test_a_commit_in_the_cache_is_loaded_without_a_request(server, commit, saved):
    source = f"hf-hub:tester/tiny@{commit}"
    first = scores(seqzoo.load(source))
    assert asked(server)
    assert scores(seqzoo.load(source)) == first == scores(seqzoo.load(saved))
    assert asked(server) == []
    server.stop()
    assert scores(seqzoo.load(source)) == first
    assert seqzoo.load(source).folder.name == commit


def test_a_branch_costs_one_request_and_falls_back_on_the_cache(server, commit, saved, caplog):
    seqzoo.load("hf-hub:tester/tiny")
    asked(server)
    seqzoo.load("hf-hub:tester/tiny")
    assert len(asked(server)) == 1
    server.stop()
    assert scores(seqzoo.load("hf-hub:tester/tiny")) == scores(seqzoo.load(saved))
    assert "cannot be reached" in caplog.text and commit in caplog.text


def test_a_branch_that_moved_on_is_followed_and_a_pinned_commit_is_not(server, commit, tokenizer, tmp_path, saved):
    seqzoo.load("hf-hub:tester/tiny")
    put(server, "tester/tiny", make_model("bow", tokenizer).save_pretrained(tmp_path / "new"))
    assert seqzoo.load("hf-hub:tester/tiny").architecture == "bow"
    assert seqzoo.load(f"hf-hub:tester/tiny@{commit}").architecture == "bilstm"


def test_a_name_is_fetched_once_at_its_pinned_commit(server, pinned, saved):
    assert scores(seqzoo.load(pinned)) == scores(seqzoo.load(saved))
    paths = [path for _, path in asked(server)]
    assert all(server.head("tester/tiny") in path for path in paths if "/resolve/" in path)
    server.stop()
    assert scores(seqzoo.load(pinned)) == scores(seqzoo.load(saved))
    assert asked(server) == []


def test_a_fresh_process_predicts_bit_for_bit_what_was_pushed(server, commit, saved):
    source = f"hf-hub:tester/tiny@{commit}"
    assert fresh_process(server, source, *TEXTS) == scores(seqzoo.load(saved))
    asked(server)
    offline = fresh_process(server, source, *TEXTS, HF_HUB_OFFLINE="1")
    assert offline == scores(seqzoo.load(saved)) and asked(server) == []


@pytest.mark.parametrize("how", ["cache_dir", "SEQZOO_CACHE", "HF_HUB_CACHE"])
def test_the_cache_is_where_it_was_asked_for(server, commit, tmp_path, monkeypatch, how):
    from huggingface_hub import constants

    options = {}
    if how == "cache_dir":
        options["cache_dir"] = tmp_path / "elsewhere"
    elif how == "SEQZOO_CACHE":
        monkeypatch.setenv(how, str(tmp_path / "elsewhere"))
    else:
        monkeypatch.setattr(constants, how, str(tmp_path / "elsewhere"))
    folder = seqzoo.load(f"hf-hub:tester/tiny@{commit}", **options).folder
    assert folder.is_relative_to(tmp_path / "elsewhere")


@pytest.mark.parametrize("how", ["local_files_only", "HF_HUB_OFFLINE"])
def test_what_is_not_cached_is_not_asked_for_where_that_is_forbidden(server, commit, monkeypatch, how):
    from huggingface_hub import constants

    if how == "HF_HUB_OFFLINE":
        monkeypatch.setattr(constants, how, True)
    options = {"local_files_only": True} if how == "local_files_only" else {}
    for source in (f"hf-hub:tester/tiny@{commit}", "hf-hub:tester/tiny"):
        with pytest.raises(DownloadError, match=rf"{how} forbids.*seqzoo download"):
            seqzoo.load(source, **options)
    assert asked(server) == []


def test_what_is_cached_loads_where_the_network_is_forbidden(server, commit, monkeypatch):
    from huggingface_hub import constants

    wanted = scores(seqzoo.load("hf-hub:tester/tiny"))
    asked(server)
    assert scores(seqzoo.load("hf-hub:tester/tiny", local_files_only=True)) == wanted
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert scores(seqzoo.load(f"hf-hub:tester/tiny@{commit}")) == wanted
    assert scores(seqzoo.load("hf-hub:tester/tiny")) == wanted and asked(server) == []


# Who may


def test_a_private_repository_opens_with_its_token_only(server, saved, monkeypatch):
    commit = put(server, "tester/secret", saved, private=True)
    for source in (f"hf-hub:tester/secret@{commit}", "hf-hub:tester/secret"):
        with pytest.raises(DownloadError, match=r"private.*HF_TOKEN"):
            seqzoo.load(source)
        with pytest.raises(DownloadError, match=r"refuses the token.*HF_TOKEN"):
            seqzoo.load(source, token="hf_wrong")
    wanted = scores(seqzoo.load(f"hf-hub:tester/secret@{commit}", token="hf_test"))
    shutil.rmtree(cache.root())
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    assert scores(seqzoo.load("hf-hub:tester/secret")) == wanted == scores(seqzoo.load(saved))


def test_no_message_holds_the_token(server, commit, caplog):
    with pytest.raises(DownloadError) as caught:
        seqzoo.load("hf-hub:tester/nothing", token="hf_secret_token")
    assert "hf_secret_token" not in f"{caught.value} {caught.value.__cause__} {caplog.text}"


# What can go wrong


def test_an_unreachable_hub_says_so(server, commit):
    server.stop()
    for source in (f"hf-hub:tester/tiny@{commit}", "hf-hub:tester/tiny"):
        with pytest.raises(DownloadError, match=r"cannot be reached.*go online"):
            seqzoo.load(source)


@pytest.mark.parametrize("revision", ["gone", "f" * 40])
def test_a_gone_revision_says_so(server, commit, revision):
    with pytest.raises(DownloadError, match=f"{revision}: the repository has no such revision"):
        seqzoo.load(f"hf-hub:tester/tiny@{revision}")


def test_a_repository_that_is_not_there_says_so(server):
    with pytest.raises(DownloadError, match="no such repository"):
        seqzoo.load("hf-hub:tester/nothing")


def test_a_repository_of_something_else_says_so(server, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("no model")
    put(server, "tester/other", tmp_path / "other")
    with pytest.raises(DownloadError, match=r"config\.json"):
        seqzoo.load("hf-hub:tester/other")
    write_json(tmp_path / "other" / "config.json", {"architectures": ["BertModel"]})
    put(server, "tester/other", tmp_path / "other")
    with pytest.raises(DownloadError, match="no checkpoint of seqzoo"):
        seqzoo.load("hf-hub:tester/other")


def snapshots(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if "snapshots" in path.parts and not path.is_dir()]


def test_a_download_cut_mid_file_is_taken_up_again(server, commit, saved, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.cut_after, server.cuts = 500, 2
    assert scores(seqzoo.load(f"hf-hub:tester/tiny@{commit}")) == scores(seqzoo.load(saved))
    assert server.cuts == 0


def test_a_download_that_stays_cut_says_so_and_leaves_nothing_half(server, commit, saved, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.cut_after, server.cuts = 500, 10**6
    with pytest.raises(DownloadError, match=r"tester/tiny at .*(cut|cannot be reached).*try again"):
        seqzoo.load(f"hf-hub:tester/tiny@{commit}")
    left = {path.name for path in snapshots(cache.root())}
    assert "model.safetensors" not in left
    server.cuts = 0
    assert scores(seqzoo.load(f"hf-hub:tester/tiny@{commit}")) == scores(seqzoo.load(saved))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so(server, commit, monkeypatch, number):
    import huggingface_hub.file_download as file_download

    def full(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(DownloadError, match=r"disk is full.*SEQZOO_CACHE"):
        seqzoo.load(f"hf-hub:tester/tiny@{commit}")


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_half(server, commit, saved):
    """A real limit of the system on the size of files, in a process of its own."""
    code = (
        "import resource, sys, seqzoo\nfrom seqzoo import hub\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try: hub.locate(sys.argv[1])\nexcept OSError as error: print(type(error).__name__, error)"
    )
    source = f"hf-hub:tester/tiny@{commit}"
    env = environment(**server_environment(server))
    done = subprocess.run([sys.executable, "-c", code, source], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("DownloadError") and "disk is full" in done.stdout, done.stdout + done.stderr
    assert "model.safetensors" not in {path.name for path in snapshots(cache.root())}
    assert scores(seqzoo.load(source)) == scores(seqzoo.load(saved))


def test_a_file_that_is_not_the_pinned_one_is_refused_and_not_kept(server, pinned, tmp_path, saved):
    index = read_json(tmp_path / "checkpoints" / "index.json")
    right = index["tiny"]["files"]["tokenizer.json"]["sha256"]
    index["tiny"]["files"]["tokenizer.json"]["sha256"] = "0" * 64
    write_json(tmp_path / "checkpoints" / "index.json", index)
    with pytest.raises(DownloadError, match=r"tokenizer\.json has .* sha256 .* wanted; it was removed"):
        seqzoo.load(pinned)
    assert "tokenizer.json" not in {path.name for path in snapshots(cache.root())}
    index["tiny"]["files"]["tokenizer.json"]["sha256"] = right
    write_json(tmp_path / "checkpoints" / "index.json", index)
    assert scores(seqzoo.load(pinned)) == scores(seqzoo.load(saved))


def test_a_file_that_does_not_fit_the_repositorys_own_config_is_refused(server, saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "wrong"))
    (folder / "tokenizer.json").write_bytes(b"x" * (folder / "tokenizer.json").stat().st_size)
    put(server, "tester/wrong", folder)
    with pytest.raises(DownloadError, match=r"tokenizer\.json"):
        seqzoo.load("hf-hub:tester/wrong")


def test_a_damaged_cache_is_noticed_and_mended(server, pinned, saved):
    folder = seqzoo.load(pinned).folder
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").resolve().write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(seqzoo.hub.CheckpointError, match="sha256"):  # of the right size: the hash tells
        seqzoo.load(pinned)
    assert cli.main(["download", pinned, "--force"]) == 0
    assert scores(seqzoo.load(pinned)) == scores(seqzoo.load(saved))
    (folder / "model.safetensors").resolve().write_bytes(whole[:-1])
    assert scores(seqzoo.load(pinned)) == scores(seqzoo.load(saved))  # of another size: fetched again
    (folder / "config.json").unlink()
    assert scores(seqzoo.load(pinned)) == scores(seqzoo.load(saved))


def test_what_is_too_large_or_of_another_size_is_not_even_fetched(server, saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "large"))
    (folder / "metrics.json").write_bytes(b" " * (17 << 20))
    put(server, "tester/large", folder)
    with pytest.raises(DownloadError, match=r"metrics\.json has 17825792 bytes.*not fetched"):
        seqzoo.load("hf-hub:tester/large")
    (folder / "metrics.json").unlink()
    (folder / "model.safetensors").write_bytes(b" " * (3 << 20))
    put(server, "tester/other", folder)
    asked(server)
    with pytest.raises(DownloadError, match=r"model\.safetensors has 3145728 bytes where .* not fetched"):
        seqzoo.load("hf-hub:tester/other")
    assert not [path for _, path in asked(server) if "/_cdn/" in path]


@pytest.mark.parametrize(
    "source",
    ["hf-hub:tiny", "hf-hub:a/b/c", "hf-hub:../x", "hf-hub:a/..", "hf-hub:a--b/c", "hf-hub:/etc", "hf-hub:", "hf-hub:a/b c"],
)
def test_what_can_be_no_repository_is_refused_before_any_request(server, source):
    with pytest.raises(ValueError, match="owner/name"):
        seqzoo.load(source)
    assert asked(server) == []


@pytest.mark.parametrize("revision", ["../main", "/etc/passwd", "a//b", "..", "a/../b", "C:\\x", "a\\b", ".x", "a b"])
def test_what_can_be_no_revision_is_refused_before_any_request(server, commit, revision):
    with pytest.raises(ValueError, match="revision"):
        seqzoo.load(f"hf-hub:tester/tiny@{revision}")
    with pytest.raises(ValueError, match="revision"):
        seqzoo.load("hf-hub:tester/tiny", revision=revision)
    assert asked(server) == []


def test_two_revisions_or_a_folders_revision_are_refused(server, commit, saved):
    with pytest.raises(ValueError, match="another"):
        seqzoo.load(f"hf-hub:tester/tiny@{commit}", revision="main")
    with pytest.raises(ValueError, match="is a folder"):
        seqzoo.load(saved, revision="main")


def test_a_hub_that_names_a_commit_outside_its_folder_is_not_followed(server, commit, monkeypatch):
    from huggingface_hub import HfApi

    class Info:
        sha = "../../../../outside"

    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: Info())
    with pytest.raises(DownloadError, match="which cannot be"):
        seqzoo.load("hf-hub:tester/tiny")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/b", "con", "NUL.txt", "x.", ".hidden", "C:evil", "a\\b"])
def test_a_config_that_lists_a_file_elsewhere_is_not_followed(server, saved, tmp_path, name):
    folder = Path(shutil.copytree(saved, tmp_path / "evil"))
    config = read_json(folder / "config.json")
    config["files"][name] = {"sha256": "0" * 64, "bytes": 4}
    write_json(folder / "config.json", config)
    put(server, "tester/evil", folder)
    with pytest.raises(DownloadError, match="no file that a checkpoint could have"):
        seqzoo.load("hf-hub:tester/evil")
    with pytest.raises(seqzoo.hub.CheckpointError, match="not a plain file name"):
        seqzoo.load(folder)


# Many at once, and killed


EIGHT = {
    "fetch": "import sys; from seqzoo import cache, hub; folder = hub.locate(sys.argv[1]); files = cache.listed(folder)\n"
    "for name, entry in files.items(): assert cache.fingerprint(folder / name) == entry",
    "load": "import sys, seqzoo; seqzoo.load(sys.argv[1]).predict('a lovely film')",
}


@pytest.mark.parametrize("what", ["fetch", pytest.param("load", marks=pytest.mark.slow)])
def test_eight_processes_want_the_same_checkpoint_at_once(server, commit, saved, what):
    env = environment(**server_environment(server))
    server.slow = True
    command = [sys.executable, "-c", EIGHT[what], f"hf-hub:tester/tiny@{commit}"]
    processes = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    weights = [path for method, path in asked(server) if method == "GET" and "/_cdn/" in path]
    assert len(weights) == 1
    assert scores(seqzoo.load(f"hf-hub:tester/tiny@{commit}", local_files_only=True)) == scores(seqzoo.load(saved))


def kill_a_download(server: LocalHub, source: str, after: int) -> None:
    """A process that fetches, killed when the server has sent so many pieces; the next load must be whole."""
    code = "import sys; from seqzoo import hub; hub.locate(sys.argv[1])"
    env = environment(**server_environment(server))
    reached = threading.Event()
    server.sent, server.watch = 0, lambda sent: reached.set() if sent >= after else None
    process = subprocess.Popen([sys.executable, "-c", code, source], env=env, stderr=subprocess.DEVNULL)
    while not reached.wait(0.01) and process.poll() is None:
        pass
    process.kill()
    process.wait()
    server.watch = None


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_killed_download_harms_no_later_load(server, tokenizer, tmp_path, kills):
    import random

    random.seed(kills)
    model = make_model("bilstm", tokenizer)
    commit = put(server, "tester/tiny", model.save_pretrained(tmp_path / "tiny"))
    size = sum(path.stat().st_size for path in (tmp_path / "tiny").iterdir())
    source, wanted = f"hf-hub:tester/tiny@{commit}", scores(seqzoo.load(tmp_path / "tiny"))
    server.piece = 1000
    for _ in range(kills):
        shutil.rmtree(cache.root(), ignore_errors=True)
        server.slow = True
        kill_a_download(server, source, random.randrange(size))
        server.slow = False
        try:
            found = seqzoo.load(source, local_files_only=True)  # whole already, or it says what is missing
        except DownloadError as error:
            assert "seqzoo download" in str(error)
        else:
            assert scores(found) == wanted
        assert scores(seqzoo.load(source)) == wanted


# seqzoo download and seqzoo cache


def test_download_fetches_and_prints_the_folder(server, pinned, capsys):
    assert cli.main(["download", pinned]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert (folder / "model.safetensors").is_file()
    asked(server)
    assert cli.main(["download", pinned]) == 0 and asked(server) == []


def test_the_cache_is_listed_and_cleared(server, commit, saved, capsys):
    other = cache.root() / "models--google--bert" / "snapshots" / ("a" * 40)
    other.mkdir(parents=True)
    (other / "config.json").write_text("{}")
    put(server, "tester/second", saved)
    seqzoo.load("hf-hub:tester/tiny")
    seqzoo.load("hf-hub:tester/second")
    assert cli.main(["cache", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [row["repo_id"] for row in rows] == ["tester/second", "tester/tiny"] and rows[1]["commits"] == [commit]
    assert rows[0]["bytes"] >= (saved / "model.safetensors").stat().st_size
    assert cli.main(["cache", "clear", "tester/second"]) == 0
    assert cli.main(["cache", "list"]) == 0
    out = capsys.readouterr().out
    assert "tester/tiny" in out.splitlines()[-1] and "google" not in out
    assert cli.main(["cache", "clear"]) == 2  # says to name one or --all
    assert cli.main(["cache", "clear", "google/bert"]) == 2
    assert cli.main(["cache", "clear", "--all"]) == 0
    assert other.is_dir(), "the cache is shared: what is not ours stays"
    assert not (cache.root() / "models--tester--tiny").exists()


# Corpora from the same server


def test_a_corpus_comes_from_the_same_server(server, tmp_path):
    from huggingface_hub import HfApi
    from made_up import write_imdb

    write_imdb(tmp_path / "imdb", 20)
    api = HfApi(endpoint=server.url, token="hf_test")
    api.create_repo("tester/films", repo_type="dataset")
    for split in ("train", "test", "unsupervised"):
        api.upload_file(
            path_or_fileobj=tmp_path / "imdb" / f"{split}.parquet",
            path_in_repo=f"plain_text/{split}-00000-of-00001.parquet",
            repo_id="tester/films",
            repo_type="dataset",
        )
    code = (
        "from seqzoo.corpora.datamodule import load_from_hub\n"
        "rows = load_from_hub('imdb', 'tester/films', 'test')\nprint(rows['text'][0])"
    )
    env = environment(**server_environment(server))
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == make_texts(20, 1)[0][0]
