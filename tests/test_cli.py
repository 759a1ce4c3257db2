"""The command: what it prints, what it writes, how it refuses."""

import csv
import io
import json
import math
import sys
from pathlib import Path

import pytest
from made_up import GOOD, make_texts, python, seqzoo_command

import seqzoo
from seqzoo import cli

TEXTS = ["a lovely film", "boring, clumsy", 'a "superb" story;\nwith two lines', "نص 🎬", ""]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Call the command here: exit status, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return call


def refused(result: tuple[int, str, str], *words: str) -> None:
    """Exit status 2 and one clear line, nothing printed."""
    status, out, err = result
    assert (status, out) == (2, ""), result
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("seqzoo "), err
    for word in words:
        assert word in lines[0], f"{word!r} is not in: {lines[0]}"


def wanted(saved: Path, texts: list[str] = TEXTS) -> list[tuple[str, float]]:
    return [(result.label, result.score) for result in seqzoo.load(saved).predict(texts)]


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


# predict


def test_predict_prints_a_line_per_text(run, saved):
    status, out, err = run("predict", saved, *TEXTS[:2])
    assert (status, err) == (0, "")
    for line, text, (label, score) in zip(out.splitlines(), TEXTS, wanted(saved), strict=False):
        assert line.split("\t") == [label, f"{score:.4f}", text]


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_predict_takes_options_anywhere(run, saved, place):
    arguments: list[object] = ["predict", saved, "lovely", "boring"]
    status, out, _ = run(*arguments[:place], "--json", *arguments[place:])
    assert status == 0 and [json.loads(line)["text"] for line in out.splitlines()] == ["lovely", "boring"]


def test_predict_says_which_text_was_cut(run, saved):
    assert run("predict", saved, "plot " * 100)[1].rstrip().endswith("... (truncated)")


def test_predict_json_is_one_object_per_line(run, saved):
    status, out, _ = run("predict", saved, "--json", *TEXTS)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [row["text"] for row in rows] == TEXTS
    assert [(row["label"], row["score"]) for row in rows] == [
        (label, pytest.approx(score, abs=1e-5)) for label, score in wanted(saved)
    ]
    assert set(rows[0]) == {"text", "label", "score", "scores", "truncated"}


def test_predict_reads_a_text_file_line_by_line(run, saved, tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes("\ufeffa lovely film\r\nboring\n\nlast 🎬".encode())
    rows = [json.loads(line) for line in run("predict", saved, "--file", path, "--json")[1].splitlines()]
    assert [row["text"] for row in rows] == ["a lovely film", "boring", "", "last 🎬"]


def test_predict_keeps_every_column_of_a_csv(run, saved, tmp_path):
    rows = [{"id": number, "review": text} for number, text in enumerate(TEXTS)]
    path = write_csv(tmp_path / "in.csv", rows)
    status, out, err = run("predict", saved, "--file", path, "--input", "review", "--out", tmp_path / "out.csv")
    assert (status, out, err) == (0, "", "")
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["id", "review", "label", "score", "truncated"]
    assert [(row["id"], row["review"], row["label"]) for row in found] == [
        (str(number), text, label) for number, (text, (label, _)) in enumerate(zip(TEXTS, wanted(saved), strict=True))
    ]
    assert [float(row["score"]) for row in found] == pytest.approx([score for _, score in wanted(saved)], abs=1e-5)


def test_predict_goes_from_jsonl_to_jsonl(run, saved, tmp_path):
    path = write_lines(tmp_path / "in.jsonl", [json.dumps({"text": text, "n": [1]}) for text in TEXTS] + ["", "  "])
    assert run("predict", saved, "--file", path, "--out", tmp_path / "out.jsonl", "--quiet") == (0, "", "")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in rows] == TEXTS and rows[0]["n"] == [1]
    assert [row["label"] for row in rows] == [label for label, _ in wanted(saved)]


def test_predict_reads_standard_input(saved):
    done = seqzoo_command("predict", saved, "--file", "-", stdin="a lovely film\nنص 🎬\n")
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == ["a lovely film", "نص 🎬"]
    assert done.stderr == ""


def test_predict_reads_standard_input_here(run, saved, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("boring\nlovely"))
    assert len(run("predict", saved, "--file", "-")[1].splitlines()) == 2


@pytest.mark.parametrize("suffix", ["txt", "jsonl"])
def test_an_empty_file_gives_nothing(run, saved, tmp_path, suffix):
    path = write_lines(tmp_path / f"in.{suffix}", [])
    assert run("predict", saved, "--file", path) == (0, "", "")


def test_a_csv_with_a_header_alone_gives_nothing(run, saved, tmp_path):
    assert run("predict", saved, "--file", write_lines(tmp_path / "in.csv", ["text"])) == (0, "", "")


def test_a_field_of_a_million_characters_is_read(run, saved, tmp_path):
    path = write_csv(tmp_path / "in.csv", [{"text": "lovely " * 150_000}])
    status, out, _ = run("predict", saved, "--file", path, "--json")
    assert status == 0 and json.loads(out)["truncated"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", b"txt,id\na,1\n", ["in.csv", "no column 'text'", "did you mean 'txt'?"]),
        ("in.csv", b"", ["in.csv", "no column 'text'"]),
        ("in.csv", b"text,id\na,1\nb\n", ["in.csv", "line 3", "fields"]),
        ("in.csv", b"text,id\na,1\nb,2,3\n", ["in.csv", "line 3", "fields"]),
        ("in.csv", b"id,text\n1\n", ["in.csv", "line 2", "fields"]),
        ("in.csv", b"text\ncaf\xe9\n", ["in.csv", "not UTF-8"]),
        ("in.txt", b"caf\xe9\n", ["in.txt", "not UTF-8"]),
        ("in.jsonl", b'{"text": "caf\xe9"}\n', ["in.jsonl", "not UTF-8"]),
        ("in.jsonl", b'{"text": "a"}\n{"text": \n', ["in.jsonl", "line 2", "not JSON"]),
        ("in.jsonl", b'{"text": "a"}\n\n{"other": "b"}\n', ["in.jsonl", "line 3", "'text'"]),
        ("in.jsonl", b'{"text": 3}\n', ["in.jsonl", "line 1", "'text'"]),
        ("in.jsonl", b"[1]\n", ["in.jsonl", "line 1", "object"]),
        ("in.jsonl", b'{"text": "\\ud800"}\n', ["surrogate"]),
        ("in.xlsx", b"", ["in.xlsx", ".csv"]),
    ],
)
def test_a_bad_file_gives_status_2_and_one_clear_line(run, saved, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "out.jsonl"
    refused(run("predict", saved, "--file", tmp_path / name, "--out", out), *words)
    assert [path.name for path in tmp_path.iterdir()] == [name], "something half-written was left"


def test_an_old_result_is_kept_when_a_row_fails(run, saved, tmp_path):
    path = write_lines(tmp_path / "in.jsonl", [json.dumps({"text": "a"})] * 5000 + ["broken"])
    (tmp_path / "out.csv").write_text("precious")
    refused(run("predict", saved, "--file", path, "--out", tmp_path / "out.csv", "--batch-size", 8), "line 5001")
    assert (tmp_path / "out.csv").read_text() == "precious"
    assert {item.name for item in tmp_path.iterdir()} == {"in.jsonl", "out.csv"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["either texts or --file"]),
        (["a", "--file", "in.txt"], ["either texts or --file"]),
        (["--file", "nowhere.txt"], ["nowhere.txt"]),
        (["a", "--out", "out.parquet"], [".csv or .jsonl", "out.parquet"]),
        (["a", "--out", "no/folder/out.csv"], ["no folder", "no/folder"]),
        (["a", "--batch-size", "0"], ["batch_size"]),
    ],
)
def test_predict_refuses_what_makes_no_sense(run, saved, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(run("predict", saved, *arguments), *words)


def test_a_folder_in_the_place_of_a_file_is_refused(run, saved, tmp_path):
    (tmp_path / "in.txt").mkdir()
    refused(run("predict", saved, "--file", tmp_path / "in.txt"), "in.txt")


def test_an_unknown_checkpoint_is_refused_with_a_hint(run):
    refused(run("predict", "imdb-bilsm", "a film"), "there is no checkpoint 'imdb-bilsm'")
    refused(run("predict", "./nowhere", "a film"), "nowhere")


def test_a_damaged_checkpoint_is_refused_by_name(run, checkpoint):
    (checkpoint / "model.safetensors").write_bytes(b"short")
    refused(run("predict", checkpoint, "a film"), "model.safetensors", "5 bytes")


def test_a_closed_pipe_is_no_error(saved):
    code = f"""
import subprocess, sys
command = [sys.executable, "-m", "seqzoo", "predict", {str(saved)!r}, *["a lovely film"] * 5000]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
process.stdout.readline(); process.stdout.close()
print(process.stderr.read().decode(), process.wait())
"""
    assert python("-c", code).stdout.strip() == "0"


# evaluate


def labelled(path: Path, as_numbers: bool = False) -> Path:
    texts, targets = make_texts(30, seed=3)
    names = targets if as_numbers else [("negative", "positive")[target] for target in targets]
    return write_csv(path, [{"review": text, "class": name} for text, name in zip(texts, names, strict=True)])


@pytest.mark.parametrize("as_numbers", [False, True], ids=["names", "numbers"])
def test_evaluate_scores_labels_given_by_name_or_number(run, saved, tmp_path, as_numbers):
    path = labelled(tmp_path / "in.csv", as_numbers)
    status, out, _ = run("evaluate", saved, "--file", path, "--input", "review", "--target", "class", "--json")
    scores = json.loads(out)
    texts, targets = make_texts(30, seed=3)
    results = seqzoo.load(saved).predict(texts)
    hits = [(result.label == "positive") == target for result, target in zip(results, targets, strict=True)]
    assert status == 0 and scores["n"] == 30 and scores["accuracy"] == pytest.approx(sum(hits) / 30)
    assert set(scores) == {
        *("accuracy", "macro_f1", "micro_f1", "positive_f1", "mcc", "log_loss", "calibration_error", "n", "truncated")
    }


def test_evaluate_prints_a_table(run, saved, tmp_path):
    path = labelled(tmp_path / "in.csv")
    status, out, _ = run("evaluate", saved, "--file", path, "--input", "review", "--target", "class")
    assert status == 0 and out.splitlines()[0].startswith("accuracy ")


def test_evaluate_reads_jsonl(run, saved, tmp_path):
    rows = [{"text": "lovely", "label": 1}, {"text": "boring", "label": "negative"}, {"text": "", "label": "0"}]
    path = write_lines(tmp_path / "in.jsonl", [json.dumps(row) for row in rows])
    status, out, _ = run("evaluate", saved, "--file", path, "--input", "text", "--target", "label", "--json")
    assert status == 0 and json.loads(out)["n"] == 3


@pytest.mark.parametrize("value", ["neutral", "2", "-1", "", "1.0", "²"])
def test_an_unknown_label_is_named_with_its_row(run, saved, tmp_path, value):
    path = write_csv(tmp_path / "in.csv", [{"text": "a", "label": "positive"}, {"text": "b", "label": value}])
    result = run("evaluate", saved, "--file", path, "--input", "text", "--target", "label")
    refused(result, "in.csv", "row 2", repr(value), "negative, positive")


def test_evaluate_refuses_a_missing_column_an_empty_file_and_standard_input(run, saved, tmp_path):
    path, columns = labelled(tmp_path / "in.csv"), ("--input", "review", "--target", "class")
    refused(run("evaluate", saved, "--file", path, "--input", "reviews", "--target", "class"), "did you mean 'review'?")
    refused(run("evaluate", saved, "--file", path, "--input", "review", "--target", "klass"), "did you mean 'class'?")
    refused(run("evaluate", saved, "--file", write_lines(tmp_path / "e.csv", ["review,class"]), *columns), "no rows")
    refused(run("evaluate", saved, "--file", "-", *columns), ".csv or .jsonl")
    refused(run("evaluate", saved, "--file", tmp_path / "in.txt", *columns), ".csv or .jsonl")


def test_evaluate_of_a_perfect_model_is_perfect():
    """The measure itself, on answers that are known."""
    from types import SimpleNamespace

    from seqzoo import verification

    def fake(rows: list[list[float]]) -> SimpleNamespace:
        results = [SimpleNamespace(scores=dict(zip("ab", row, strict=True)), truncated=False) for row in rows]
        return SimpleNamespace(labels=["a", "b"], multi_label=False, predict=lambda texts, progress: results)

    perfect = verification.evaluate(fake([[1.0, 0.0], [0.0, 1.0]]), ["x", "y"], [0, 1])
    assert (perfect["accuracy"], perfect["macro_f1"], perfect["n"]) == (1.0, 1.0, 2)
    assert perfect["log_loss"] == pytest.approx(0.0, abs=1e-9)
    half = verification.evaluate(fake([[0.75, 0.25]] * 4), list("wxyz"), [0, 0, 0, 1])
    assert half["accuracy"] == 0.75 and half["macro_f1"] == pytest.approx((2 * 3 / 7 + 0.0) / 2)
    assert half["log_loss"] == pytest.approx(-(3 * math.log(0.75) + math.log(0.25)) / 4)


# list, info


def test_list_shows_every_kind(run):
    status, out, _ = run("list")
    assert status == 0
    lines = out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list(cli.KINDS)
    for name in ("bilstm", "bow", "imdb", "imdb-bilstm"):
        assert any(line.split()[:1] == [name] for line in lines), name


@pytest.mark.parametrize("kind", cli.KINDS)
def test_list_one_kind_as_json_and_by_pattern(run, kind):
    status, out, _ = run("list", kind, "--json")
    names = json.loads(out)
    assert status == 0 and list(names) == [kind]
    assert list(names[kind]) == getattr(seqzoo, f"list_{kind}")()
    assert json.loads(run("list", kind, "b*", "--json")[1])[kind].keys() == {n for n in names[kind] if n.startswith("b")}
    assert run("list", kind, "nothing-*")[:2] == (0, "")


def test_every_name_in_the_list_has_a_line_on_it(run):
    for kind, names in json.loads(run("list", "--json")[1]).items():
        for name, label in names.items():
            assert label.strip(), f"{kind} {name}"


@pytest.mark.parametrize("name", ["bilstm", "bow", "imdb", "imdb-bow"])
def test_info_tells_what_a_name_is(run, name):
    status, out, _ = run("info", name)
    assert status == 0 and name in out
    facts = json.loads(run("info", name, "--json")[1])
    assert facts["label"] and name in facts.values()


def test_info_of_an_unknown_name_suggests_the_nearest(run):
    refused(run("info", "bilsm"), "the zoo holds no 'bilsm'; did you mean 'bilstm'?")


def test_a_wrong_verb_or_kind_is_status_2(run):
    for arguments in (["predikt"], ["list", "checkpoint"], [], ["predict"], ["predict", "x", "--nonsense"]):
        status, out, err = run(*arguments)
        assert status == 2 and out == "" and "usage" in err


def test_version_and_help(run):
    assert run("--version") == (0, f"seqzoo {seqzoo.__version__}\n", "")
    assert "predict" in run("--help")[1] and "--out" in run("predict", "--help")[1]


def test_the_command_works_from_any_folder(saved, tmp_path):
    done = seqzoo_command("predict", saved, GOOD[0], cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_a_column_of_the_users_own_is_never_overwritten(tmp_path, saved, run):
    file, out = tmp_path / "labelled.csv", tmp_path / "out.csv"
    file.write_text("text,label\na lovely film,mine\n", encoding="utf-8")
    assert run("predict", saved, "--file", file, "--out", out)[0] == 0
    header, row = out.read_text(encoding="utf-8").splitlines()
    assert header == "text,label,predicted_label,score,truncated"
    assert row.startswith("a lovely film,mine,")
