"""`seqzoo embed`: word vectors from the command line; learning curves."""

import csv
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_up import GOOD, PLAIN, ROOT, read_json, write_glove, write_imdb

import seqzoo
from seqzoo import cards, catalog, cli, curves, plots, verification
from seqzoo.embeddings import letters, word2vec
from seqzoo.embeddings.vectors import WordVectors

SMALL = ("--vector-size", "8", "--min-count", "2", "--quiet")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Call `seqzoo embed` here: exit status, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = cli.main(["embed", *map(str, arguments)])
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors of fastText on the made-up reviews."""
    root = tmp_path_factory.mktemp("embed")
    data = ("--corpus", "imdb", "--data-dir", str(write_imdb(root / "imdb")))
    options = ("--epochs", "2", "--workers", "1", "--buckets", "500", *SMALL)
    assert cli.main(["embed", "fasttext", *data, "--out", str(root / "ft"), *options]) == 0
    return root / "ft"


@pytest.mark.parametrize("kind", ["word2vec", "fasttext", "svd"])
def test_training_writes_a_folder_and_says_what_was_read(run, tmp_path, kind):
    extra = () if kind == "svd" else ("--epochs", "1", "--workers", "1")
    data = ("--corpus", "imdb", "--data-dir", write_imdb(tmp_path / "imdb"))
    status, out, _ = run(kind, *data, "--out", tmp_path / "v", *SMALL, *extra, "--json")
    done = json.loads(out)
    assert status == 0 and done["texts"] == {"unsupervised": 160} and done["tokens"] > 1_000 and done["words_per_second"] > 0
    vectors = WordVectors.load(tmp_path / "v")
    assert vectors.size == 8 and "lovely" in vectors and vectors.source.endswith("texts: 160 of unsupervised of imdb")
    assert vectors.made_by["corpus"] == "imdb" and vectors.made_by["min_count"] == 2
    again = run(kind, *data, "--split", "train", "--split", "unsupervised", "--out", tmp_path / "w", *SMALL, *extra)
    assert again[0] == 2 and "validation_size must be below" in again[2], "150 reviews leave none for validation"


def test_validation_and_test_texts_are_never_trained_on(run, tmp_path):
    data = ("--corpus", "imdb", "--data-dir", write_imdb(tmp_path / "imdb"))
    for split in ("test", "validation"):
        status, _, err = run("word2vec", *data, "--split", split, "--out", tmp_path / "v")
        assert status == 2 and f"vectors must not be trained on {split} texts" in err


def test_glove_is_read_for_the_words_of_a_corpus(run, tmp_path, monkeypatch):
    write_glove(tmp_path / "glove", words=(*PLAIN, "absent"))
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    data = ("--corpus", "imdb", "--data-dir", write_imdb(tmp_path / "imdb"))
    status, out, _ = run("glove", "--dimension", 8, *data, "--out", tmp_path / "v")
    assert status == 0 and "of the corpus's words" in out
    vectors = WordVectors.load(tmp_path / "v")
    assert set(vectors.words) == set(PLAIN) and vectors.made_by["architecture"] == "glove"
    assert run("glove", "--dimension", 8, "--out", tmp_path / "all")[0] == 0
    assert len(WordVectors.load(tmp_path / "all")) == len(PLAIN) + 1
    assert "give one of --dimension" in run("glove", "--out", tmp_path / "x")[2]
    assert "are not here" in run("glove", "--dimension", 100, "--out", tmp_path / "x")[2]


def test_gensims_downloader_may_bring_glove(run, tmp_path, monkeypatch, folder):
    from gensim import downloader

    path = word2vec.write(WordVectors.load(folder), tmp_path / "glove-x.txt")
    monkeypatch.setattr(downloader, "load", lambda name, return_path: path)
    assert run("glove", "--gensim", "glove-wiki-gigaword-8", "--out", tmp_path / "v")[0] == 0
    assert WordVectors.load(tmp_path / "v").source == "GloVe, gensim's glove-wiki-gigaword-8"
    assert "are called glove-..." in run("glove", "--gensim", "word2vec-google-news-300", "--out", tmp_path / "v")[2]


def test_neighbours_and_analogies_are_those_of_the_vectors(run, folder):
    vectors = WordVectors.load(folder)
    status, out, _ = run("neighbours", "lovely", "--vectors", folder, "--top", 3)
    assert status == 0 and [line.split("\t")[0] for line in out.splitlines()] == [
        word for word, _ in vectors.most_similar("lovely", topn=3)
    ]
    found = json.loads(run("analogy", "lovely", "boring", "film", "--vectors", folder, "--json")[1])
    expected = vectors.analogy("lovely", "boring", "film")
    assert [row["word"] for row in found] == [word for word, _ in expected]
    assert found[0]["cosine"] == pytest.approx(expected[0][1], abs=1e-6)
    assert run("neighbours", "unlovely", "--vectors", folder)[0] == 0, "by its parts"


def test_a_word_without_a_vector_is_status_2(run, tmp_path, folder):
    plain = word2vec.write(WordVectors.load(folder), tmp_path / "v.txt")
    status, out, err = run("neighbours", "zzz", "--vectors", plain)
    assert (status, out) == (2, "") and "there is no vector for 'zzz'" in err
    assert "nowhere" in run("neighbours", "film", "--vectors", "./nowhere")[2]


def test_evaluate_measures_what_it_is_given(run, tmp_path, folder):
    (tmp_path / "q.txt").write_text(": x\nlovely film boring story\n")
    (tmp_path / "p.tsv").write_text("lovely\tfilm\t1\nlovely\tsuperb\t9\nthe\tof\t5\n")
    options = ("--analogies", tmp_path / "q.txt", "--pairs", tmp_path / "p.tsv", "--words", "film", "--vectors", folder)
    found = json.loads(run("evaluate", *options, "--json")[1])
    assert found["analogies"]["all"]["n"] == 1 and found["similarity"]["n"] == 3 and len(found["neighbours"]["film"]) == 8
    out = run("evaluate", *options)[1]
    assert "accuracy" in out and "Spearman" in out and out.splitlines()[-1].startswith("film\t")
    default = json.loads(run("evaluate", "--vectors", folder, "--json")[1])
    assert default["analogies"]["all"]["asked"] > 19_000 and default["similarity"]["asked"] == 353


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_plot_names_every_word_without_any_library(run, tmp_path, folder, suffix):
    status, out, _ = run("plot", "--words", *GOOD, "--vectors", folder, "--out", tmp_path / f"p.{suffix}")
    content = (tmp_path / f"p.{suffix}").read_text(encoding="utf-8")
    assert status == 0 and out.strip().endswith(suffix) and all(f">{word}</text>" in content for word in GOOD)
    assert content.startswith("<svg" if suffix == "svg" else "<!doctype html>")
    assert run("plot", "--vectors", folder, "--out", tmp_path / "p.gif")[0] == 2
    assert run("plot", "--vectors", folder, "--words", "film", "--out", tmp_path / "p.svg")[0] == 2


def test_png_and_t_sne_say_what_they_need(run, tmp_path, folder):
    for name, library, options in (("p.png", "matplotlib", ()), ("p.svg", "sklearn", ("--method", "t-sne"))):
        status, _, err = run("plot", "--vectors", folder, "--out", tmp_path / name, *options)
        try:
            __import__(library)
        except ImportError:
            assert status == 2 and "pip install" in err
        else:
            assert status == 0 and (tmp_path / name).stat().st_size


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_an_export_is_read_back(run, tmp_path, folder, name):
    assert run("export", "--vectors", folder, "--format", "word2vec", "--out", tmp_path / name)[0] == 0
    assert np.array_equal(word2vec.read(tmp_path / name).matrix, WordVectors.load(folder).matrix)


# Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "index.json").write_text("{}")
    monkeypatch.setattr(catalog, "resource", lambda kind: tmp_path / kind if kind == "checkpoints" else ROOT / kind)
    return tmp_path / "checkpoints"


def test_published_vectors_are_loaded_by_name_and_their_card_follows_from_their_numbers(run, folder, checkpoints):
    options = ("--label", "fastText on made-up reviews", "--chosen", "Nothing was.", "--limit", "Made up.")
    words = ("--words", "lovely", "--unseen", "unlovely", "--megabytes", "0.2")
    status, _, err = run("publish", folder, "tiny-fasttext", *options, *words)
    assert status == 0, err
    vectors = seqzoo.load("tiny-fasttext")
    assert vectors.words == WordVectors.load(folder).words and vectors["unlovely"].shape == (8,)
    assert vectors.most_similar("lovely", topn=1)
    home = checkpoints / "tiny-fasttext"
    assert {path.name for path in home.iterdir()} == {
        *("config.json", "model.safetensors", "vocabulary.json", "metrics.json", "README.md")
    }
    readme = (home / "README.md").read_text(encoding="utf-8")
    assert readme == cards.render_vectors("tiny-fasttext", read_json(home / "config.json"), read_json(home / "metrics.json"))
    metadata = yaml.safe_load(readme.split("---\n")[1])
    assert metadata["library_name"] == "seqzoo" and metadata["pipeline_tag"] == "feature-extraction"
    for said in ("not in the vocabulary", "words/s", "n-gram buckets", "Made up.", "Nothing was."):
        assert said in readme
    assert sum(path.stat().st_size for path in home.iterdir()) < 200_000
    assert set(cards.index()["tiny-fasttext"]["files"]) == {path.name for path in home.iterdir()}
    assert run("neighbours", "lovely", "--vectors", "tiny-fasttext")[0] == 0


def test_vectors_that_take_too_much_leave_the_zoo_as_it_was(run, folder, checkpoints, monkeypatch):
    options = ("--label", "x", "--chosen", "x", "--words", "lovely", "--megabytes")
    assert run("publish", folder, "tiny", *options, "0.2")[0] == 0
    before = {path: path.read_bytes() for path in checkpoints.rglob("*") if path.is_file()}
    monkeypatch.setattr("seqzoo.embeddings.fasttext.prune", lambda vectors, megabytes: vectors)  # as for word2vec
    for name in ("tiny", "other"):
        status, _, err = run("publish", folder, name, *options, "0.01")
        assert status == 2 and "more than 0.01; train fewer words" in err
    assert {path: path.read_bytes() for path in checkpoints.rglob("*") if path.is_file()} == before
    assert {path.name for path in checkpoints.iterdir()} == {"tiny", "index.json"}


def test_info_of_published_vectors(run, folder, checkpoints, capsys):
    run("publish", folder, "tiny-fasttext", "--label", "x", "--chosen", "x", "--words", "lovely")
    assert cli.main(["info", "tiny-fasttext"]) == 0 and "word-vectors" in capsys.readouterr().out


def test_the_command_on_a_card_trains_the_vectors_again(run, folder, checkpoints, tmp_path, monkeypatch, capsys):
    assert run("publish", folder, "tiny", "--label", "x", "--chosen", "x", "--words", "lovely")[0] == 0
    home = checkpoints / "tiny"
    command = cards.vectors_command(read_json(home / "config.json"), read_json(home / "metrics.json")["training"])
    assert f"`seqzoo {' '.join(command)} --out DIR`" in (home / "README.md").read_text(encoding="utf-8")
    assert {"--corpus=imdb", "--split=unsupervised", "--epochs=2", "--buckets=500", "--vector-size=8"} < set(command)
    monkeypatch.setenv("SEQZOO_DATA", str(folder.parent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verification, "analogies", lambda vectors: {"all": {"accuracy": len(vectors) / 100}})
    claimed = change(
        home / "metrics.json", lambda numbers: numbers["analogies"]["all"], accuracy=len(seqzoo.load("tiny")) / 100
    )
    capsys.readouterr()
    assert cli.main(["reproduce", str(home), "--seeds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["inside"] and found["claimed"] == claimed["accuracy"] and found["metric"] == "analogies"
    assert list(found["seeds"]) == ["1", "2"] and len(list((tmp_path / "runs" / "reproduce").iterdir())) == 2
    first, second = (WordVectors.load(tmp_path / "runs" / "reproduce" / f"tiny-seed{seed}") for seed in (1, 2))
    assert first.made_by == {**second.made_by, "seed": 1} and first.subwords.buckets == 500
    assert not np.array_equal(first.matrix, second.matrix)

    change(home / "metrics.json", lambda numbers: numbers["training"], texts_sha256="0" * 64)
    assert cli.main(["reproduce", str(home), "--seeds", "1"]) == 2 and "other fingerprint" in capsys.readouterr().err


def test_a_foreign_card_gives_no_other_option_than_those_of_training(run, folder, checkpoints, capsys):
    assert run("publish", folder, "tiny", "--label", "x", "--chosen", "x", "--words", "lovely")[0] == 0
    config, training = (read_json(checkpoints / "tiny" / name) for name in ("config.json", "metrics.json"))
    for key, value in (("corpus", "imdb --out=/"), ("corpus", "../x"), ("window", [5]), ("seed", None), ("epochs", "-1")):
        with pytest.raises(ValueError, match=r"is no (plain name|number)"):
            changed = {**config, "arguments": {**config["arguments"], key: value}}
            cards.vectors_command(changed, training["training"])
    before = {key: value for key, value in training["training"].items() if key != "max_words"}
    assert cards.vectors_command(config, before) is None
    change(checkpoints / "tiny" / "metrics.json", lambda numbers: numbers["training"], max_words=None)
    assert cli.main(["reproduce", str(checkpoints / "tiny")]) == 2 and "which is no number" in capsys.readouterr().err


def change(path: Path, part, **values) -> dict:
    """Set some values of a part of a JSON file; the part."""
    numbers = read_json(path)
    part(numbers).update(values)
    path.write_text(json.dumps(numbers), encoding="utf-8")
    return part(numbers)


# Salammbô


@pytest.fixture
def chapters(tmp_path: Path) -> Path:
    """Thirty short texts, told apart by one letter."""
    from seqzoo.corpora.salammbo import FILES

    random = np.random.default_rng(0)
    for language, signs in (("french", "aeéu "), ("english", "aewh ")):
        for file in FILES[language]:
            (tmp_path / file).write_text("".join(random.choice(list(signs), 400)), encoding="utf-8")
    return tmp_path


def test_languages_are_told_apart_by_two_coordinates(run, chapters, tmp_path):
    found = json.loads(run("salammbo", "--data-dir", chapters, "--out", tmp_path / "p.svg", "--json")[1])
    assert found["right"] == {"french": 15, "english": 15} and found["right_by_the_others"] == 30
    assert set(found["letters"]) == set("aeéuwh") and len(found["coordinates"]["15_en"]) == 2
    assert ">1_fr</text>" in (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert "french 15 of 15, english 15 of 15" in run("salammbo", "--data-dir", chapters)[1]


def test_salammbo_is_a_corpus_like_any_other(chapters, tmp_path, no_corpora):
    data = seqzoo.create_datamodule("salammbo", data_dir=str(chapters))
    assert len(data.read("train").texts) == 20 and len(data.read("test").texts) == 10 and len(data.chapters().texts) == 30
    data.setup("fit")
    assert data.tokenizer.split(["Ab"]) == [["a", "b"]]
    with pytest.raises(FileNotFoundError, match=r"salammbo_ch01\.txt"):
        seqzoo.create_datamodule("salammbo").read("train")


@pytest.mark.corpora
def test_the_letters_of_salammbo_are_those_of_the_lectures_table(run):
    """Every letter of every chapter, and the sums: the lectures' table is in tests/data."""
    lines = (ROOT / "tests" / "data" / "salammbo_letters.txt").read_text(encoding="utf-8").splitlines()
    expected = [{cell[0]: int(cell[1:]) for cell in line.split()} for line in lines if not line.startswith("#")]
    names, counts = letters.letter_counts(seqzoo.create_datamodule("salammbo").chapters().texts)
    table = [*counts, counts.sum(0)]
    assert len(expected) == len(table) == 31
    for row, wanted in zip(table, expected, strict=True):
        assert {letter: count for letter, count in zip(names, row.tolist(), strict=True) if count} == wanted
    found = json.loads(run("salammbo", "--json")[1])
    assert found["counts"]["1_fr"][0] == 2_503 and found["counts"]["2_fr"][0] == 2_992
    assert found["right"] == {"french": 15, "english": 15} and found["right_by_the_others"] == 30


# Learning curves


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recipes of few steps on small reviews, and the place of the table."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.setattr(catalog, "resource", lambda kind: tmp_path / kind if kind == "recipes" else ROOT / kind)
    path = tmp_path / "recipes" / "embeddings" / "imdb-embed-mlp.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    recipe["trainer"]["max_steps"] = 30
    recipe["model"]["init_args"]["arguments"]["embedding_size"] = 8
    recipe["model"]["init_args"]["optimizer"]["init_args"]["lr"] = 0.05
    recipe["data"]["init_args"] |= {
        "validation_size": 40,
        "min_frequency": 1,
        "data_dir": str(write_imdb(tmp_path / "imdb")),
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return tmp_path / "results" / "curve.csv"


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_curve_has_a_row_per_cell_and_goes_on_where_it_was(run, grid, monkeypatch):
    options = ("--sizes", 20, 60, "--seeds", 1, 2, "--out", grid, "--initialisers", "random", "skip-gram", "svd", "--quiet")
    status, out, err = run("curve", *options)
    assert status == 0, err
    rows = rows_of(grid)
    cells = {(row["initialiser"], row["size"], row["seed"]) for row in rows}
    assert len(cells) == len(rows) == 12 and all(row["test_n"] == "160" and row["validation_n"] == "40" for row in rows)
    assert out.splitlines()[-1].endswith("curve.svg") and "skip-gram" in grid.with_suffix(".svg").read_text(encoding="utf-8")
    assert len(list(Path("runs/vectors").iterdir())) == 2, "vectors are trained once for all cells"
    best = [float(row["test_accuracy"]) for row in rows if (row["initialiser"], row["size"]) == ("random", "60")]
    assert min(best) > 0.6

    grid.write_text("\n".join(grid.read_text().splitlines()[:-2]) + "\n")
    trained: list[object] = []
    monkeypatch.setattr(curves, "_cell", lambda *given: trained.append(given) or dict.fromkeys(curves.COLUMNS[4:11], "1"))
    assert run("curve", *options)[0] == 0 and len(trained) == 2


def test_the_table_of_results_has_a_section_for_a_curve(tmp_path, capsys):
    shutil.copytree(ROOT / "results", tmp_path / "results", ignore=shutil.ignore_patterns("learning_curve*"))
    options = ["results", "--folder", str(tmp_path / "results"), "--out", str(tmp_path / "RESULTS.md")]
    assert cli.main(options) == 0
    before = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    base = {"recipe": "embeddings/imdb-embed-mlp", "initialiser": "svd", "settings_sha256": "x", "seed": "1"}
    rows = [{**base, "size": "200", "test_accuracy": "0.8"}, {**base, "seed": "2", "size": "200", "test_accuracy": "0.9"}]
    rows += [{**base, "size": "2000", "test_accuracy": "0.95"}, {**base, "size": "500", "test_accuracy": ""}]
    rows += [{**base, "initialiser": "cbow", "size": "200", "test_accuracy": "0.9", "available": "2000"}]
    rows = [{**base, "settings_sha256": "old", "size": "200", "test_accuracy": "0.1"}, *rows]
    curves._write(tmp_path / "results" / "learning_curve.csv", rows)
    assert cli.main(options) == 0
    after = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert after.startswith(before) and "| initialiser | 200 | 2,000 (all) | seeds |" in after
    best = "| cbow | **90.00** | - | 1 |"  # with the fewest texts, hence above
    assert f"{best}\n| svd | **85.00** (80.00 to 90.00) | **95.00** | 1 to 2 |" in after and "![" not in after
    assert after.endswith("not counted above: 1.\n")
    assert curves.plot(tmp_path / "results" / "learning_curve.csv") and cli.main(options) == 0
    assert "](results/learning_curve.svg)" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    capsys.readouterr()


def test_a_run_of_two_configurations_tells_its_vectors_in_its_numbers(grid, capsys):
    """What a card is made of: `seqzoo fit` with a recipe and an overlay."""
    options = ["--trainer.default_root_dir", "runs/one", "--data.num_train", "40", "--quiet"]
    assert cli.main(["fit", "--config", "embeddings/imdb-embed-mlp", "--config", "initialise/skip-gram", *options]) == 0
    numbers, report = read_json(Path("runs/one/model/metrics.json")), read_json(Path("runs/one/embedding.json"))
    assert numbers["embedding"] == report and report["frozen"] and report["tokens"]["covered"] > 0
    assert "word2vec skip-gram, 8 d" in report["source"] and "160 unlabelled" in report["source"]
    shutil.rmtree("runs/one/embedding")
    assert seqzoo.load("runs/one/model").predict("a lovely film").score > 0.5, "no vector file is needed"
    capsys.readouterr()


def test_a_cell_is_the_same_again_in_whatever_order(run, grid):
    """Nothing that cells share changes what one finds."""
    base = ("--out", grid, "--quiet", "--initialisers", "skip-gram", "--seeds", 2)
    assert run("curve", *base, "--sizes", 20, 60)[0] == 0
    first = {row["size"]: row["test_accuracy"] for row in rows_of(grid)}
    grid.unlink()
    assert run("curve", *base, "--sizes", 60)[0] == run("curve", *base, "--sizes", 20)[0] == 0
    assert {row["size"]: row["test_accuracy"] for row in rows_of(grid)} == first


def test_while_settings_are_chosen_test_is_left_alone(run, grid):
    options = ("--out", grid, "--quiet", "--initialisers", "random", "--seeds", 1, "--sizes", 20)
    assert run("curve", *options, "--validation-only", "--set", "model.init_args.optimizer.init_args.lr", "0.1")[0] == 0
    (row,) = rows_of(grid)
    assert row["test_accuracy"] == "" and float(row["validation_accuracy"]) > 0
    assert run("curve", *options)[0] == 0
    assert len(rows_of(grid)) == 2, "other settings are another row"


def test_wrong_names_and_tables_are_refused(run, grid):
    assert "did you mean 'skip-gram'?" in run("curve", "--initialisers", "skipgram", "--out", grid)[2]
    assert "there is no recipe" in run("curve", "--config", "embeddings/imdb", "--out", grid)[2]
    grid.parent.mkdir()
    grid.write_text("a,b\n1,2\n")
    assert "must have the columns" in run("curve", "--out", grid)[2]


def test_two_runs_may_add_to_one_table(grid, monkeypatch):
    monkeypatch.setattr(curves, "_cell", lambda *_: dict.fromkeys(curves.COLUMNS[4:11], "1") | {"available": 120})

    def add(name: str) -> int:
        return len(list(curves.run("embeddings/imdb-embed-mlp", [name], [20, 60], range(20), grid)))

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(add, ["random", "svd", "skip-gram"])) == [40, 40, 40]
    assert len({(row["initialiser"], row["size"], row["seed"]) for row in rows_of(grid)}) == len(rows_of(grid)) == 120


def test_all_stands_for_every_text_that_validation_leaves(run, grid):
    options = ("--out", grid, "--quiet", "--initialisers", "random", "--seeds", 1)
    assert run("curve", *options, "--sizes", "all", 120, 20)[0] == 0
    assert [(row["size"], row["available"]) for row in rows_of(grid)] == [("120", "120"), ("20", "120")]
    assert curves._numbers(None, 160) == [160] and curves._numbers(None, 10_214) == [200, 500, 2_000, 10_214]


def test_sizes_that_are_not_there_are_refused_before_anything_is_trained(run, grid, monkeypatch):
    monkeypatch.setattr(curves, "_cell", None)
    for sizes, told in (
        ((20, 121), "sizes must be from 1 to 120, the labelled texts that validation leaves, got 121"),
        ((0,), "got 0"),
        (("some",), "must be a whole number or 'all', got 'some'"),
    ):
        status, _, err = run("curve", "--out", grid, "--initialisers", "random", "--sizes", *sizes)
        assert status == 2 and told in err
    assert not grid.exists()


def test_every_initialiser_fits_the_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for recipe in catalog.list_recipes("embeddings/*"):
        for name in catalog.initialisers():
            settings = curves._settings(recipe, name, {})
            stanza, *_ = settings["trainer"]["callbacks"]
            callback = curves._named(stanza["class_path"])(**stanza["init_args"])
            assert callback.source in ("random", "glove", *callback.__init__.__globals__["TRAINED"])
            assert settings["model"]["init_args"]["optimizer"]["class_path"] == "torch.optim.Adam"
    assert set(catalog.initialisers()) == {"random", "cbow", "skip-gram", "fasttext", "svd", "glove-frozen", "glove-trained"}


def test_a_line_plot_has_round_heights_and_bars_that_fit(tmp_path):
    figure = plots.lines({"a": [(200, 0.741), (500, 0.8)]}, "t", "x", "y", reach={"a": [(200, 0.70, 0.85)]})
    svg = plots.save(figure, tmp_path / "p.svg").read_text(encoding="utf-8")
    assert svg.count("<circle") == 2 and svg.count('stroke-opacity="0.4"') == 1
    for height in ("0.7", "0.72", "0.78", "0.86"):
        assert f">{height}</text>" in svg
    assert plots._round_steps(73.87, 87.26) == [72, 74, 76, 78, 80, 82, 84, 86, 88]
    for low, high in ((0.0, 1.0), (-3.0, 1e-3), (1e6, 1e6 + 1), (0.501, 0.502)):
        steps = plots._round_steps(low, high)
        assert steps[0] <= low and steps[-1] >= high and 4 <= len(steps) <= 11


def test_a_plot_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nothing to plot"):
        plots.save(plots.lines({}, "x", "x", "y"), tmp_path / "p.svg")
    with pytest.raises(ValueError, match="do not fit"):
        plots.scatter([(0, 0)], ["a", "b"], [0], "x")
