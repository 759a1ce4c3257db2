"""Word vectors read from files, and what an embedding gets of them."""

import gzip
import hashlib
import http.server
import logging
import os
import threading
import time
import zipfile
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from made_up import GOOD, PLAIN, TinyCorpus, read_json, write_glove

from seqzoo.callbacks.initialise_embedding import InitialiseEmbedding
from seqzoo.embeddings import fasttext, glove
from seqzoo.embeddings.vectors import WordVectors
from seqzoo.tasks.text_classification import TextClassification

LINES = "the 0.5 -1.25 3e-2\nfilm 1 2 3\n. . . 7 8 9\nthe 4 4 4\nnaïve 0.1 0.2 0.3\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "glove.6B.3d.txt").write_text(LINES, encoding="utf-8")
    return tmp_path / "glove.6B.3d.txt"


def test_numbers_are_those_of_the_file(file):
    vectors = glove.read(file)
    assert vectors.words == ["the", "film", ". . .", "naïve"], "a word may hold a space; of two equal ones the first counts"
    expected = [[0.5, -1.25, 3e-2], [1, 2, 3], [7, 8, 9], [0.1, 0.2, 0.3]]
    assert vectors.matrix.dtype == np.float32 and np.array_equal(vectors.matrix, np.array(expected, np.float32))
    assert vectors.source == "GloVe, glove.6B.3d.txt"


def test_only_the_words_asked_for_are_kept_and_gzip_makes_no_difference(file):
    packed = file.with_name("glove.6B.3d.txt.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    for path in (file, packed):
        vectors = glove.read(path, ["film", "absent", "naïve"])
        assert vectors.words == ["film", "naïve"] and vectors.matrix.shape == (2, 3)
    assert glove.read(file, ["absent"]).matrix.shape == (0, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"the 1 2 3\nfilm 1 2\n", "line 2: 2 numbers where the first line has 3"),
        (b"the 1 2 3\nfilm 1 x 3\n", "line 2: not 3 numbers"),
        (b"the 1 2 3\n\xff\xfe 1 2 3\n", "not UTF-8"),
        (b"the\n", "line 1"),
    ],
)
def test_a_damaged_file_says_where(tmp_path, content, words):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        glove.read(path)


def test_a_cut_gzip_and_another_kind_of_file_are_refused(file, tmp_path):
    cut = file.with_name("cut.txt.gz")
    random = os.urandom(20_000).hex()
    cut.write_bytes(gzip.compress(f"{LINES}{random} 1 2 3\n".encode())[:9_000])
    with pytest.raises(ValueError, match="is damaged"):
        glove.read(cut)
    with pytest.raises(ValueError, match=r"must end in \.txt, \.txt\.gz, \.zip"):
        glove.read(file.with_suffix(".rar"))


def archive(path: Path) -> Path:
    """Stanford's archive in small: members of 2 and 3 dimensions."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("glove.6B.2d.txt", "the 1 2\nfilm 3 4\n")
        packed.writestr("glove.6B.3d.txt", LINES)
    return path


def test_the_member_of_a_zip_is_chosen_by_its_dimension(tmp_path, file):
    path = archive(tmp_path / "glove.6B.zip")
    assert glove.read(path, dimension=2).matrix.tolist() == [[1, 2], [3, 4]]
    three = glove.read(path, ["film"], dimension=3)
    assert three.words == ["film"] and np.array_equal(three.matrix, glove.read(file, ["film"]).matrix)
    assert three.sha256 == hashlib.sha256(path.read_bytes()).hexdigest(), "the archive's, as its publisher gives it"
    with pytest.raises(ValueError, match=r"glove\.6B\.2d\.txt, glove\.6B\.3d\.txt: say which by its dimension"):
        glove.read(path)
    with pytest.raises(ValueError, match="no vectors of 50 numbers"):
        glove.read(path, dimension=50)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match="is damaged"):
        glove.read(path, dimension=2)


def test_a_member_whose_bytes_were_changed_is_refused(tmp_path):
    path = tmp_path / "glove.6B.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("glove.6B.2d.txt", "the 1 2\nfilm 3 4\n")
    path.write_bytes(path.read_bytes().replace(b"film 3 4", b"film 3 5"))
    with pytest.raises(ValueError, match="is damaged"):
        glove.read(path)


def test_another_dimension_than_asked_and_another_form_are_refused(file, tmp_path):
    with pytest.raises(ValueError, match="vectors of 3 numbers where 50 were asked for"):
        glove.read(file, dimension=50)
    with_header = tmp_path / "other.txt"
    with_header.write_text("2 3\nthe 1 2 3\nfilm 1 2 3\n")
    with pytest.raises(ValueError, match=r"word2vec's header '2 3'; read it by word2vec\.read"):
        glove.read(with_header)


def test_bytes_that_are_not_utf8_matter_only_in_words_that_are_kept(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"the 1 2\ncaf\xe9 3 4\n")
    assert glove.read(path, ["the"]).words == ["the"]
    with pytest.raises(ValueError, match=r"the word b'caf\\xe9' is not UTF-8"):
        glove.read(path)


@pytest.mark.parametrize("number", ["nan", "inf", "1e999", "--1", "0x1p3", "1,5"])
def test_what_is_no_finite_number_is_refused_with_its_line(tmp_path, number):
    path = tmp_path / "bad.txt"
    path.write_text(f"the 1 2 3\nfilm 1 {number} 3\nplot 1 2 3\n")
    with pytest.raises(ValueError, match=r"bad\.txt, line 2: not 3"):
        glove.read(path)


def test_more_rows_than_a_block_are_all_there(tmp_path):
    rows = np.random.default_rng(0).normal(size=(9_000, 4)).astype(np.float32)
    path = tmp_path / "large.txt"
    path.write_text("".join(f"w{number} {' '.join(map(str, row))}\n" for number, row in enumerate(rows)))
    vectors = glove.read(path)
    assert np.array_equal(vectors.matrix, rows) and vectors.words[-1] == "w8999"
    some = glove.read(path, [f"w{number}" for number in range(0, 20_000, 3)])
    assert np.array_equal(some.matrix, rows[::3])


# Download


class Server(http.server.SimpleHTTPRequestHandler):
    """Knows ranges as Stanford's server does; `cut` bytes are the most that one answer holds."""

    ranges, cut, asked = True, None, []

    def do_GET(self) -> None:
        content = Path(self.directory, self.path.lstrip("/")).read_bytes()
        start = int(self.headers["Range"].split("=")[1].rstrip("-")) if "Range" in self.headers and self.ranges else 0
        self.asked.append(start)
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path):
    """An archive behind an address, and the class that answers."""
    (tmp_path / "www").mkdir()
    path = archive(tmp_path / "www" / "glove.6B.zip")
    handler = type("Handler", (Server,), {"asked": []})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *given: handler(*given, directory=str(tmp_path / "www"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield path, f"http://127.0.0.1:{server.server_port}/glove.6B.zip", handler
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_goes_on_where_it_stopped(served, tmp_path, ranges):
    path, url, handler = served
    whole, sha256 = path.read_bytes(), hashlib.sha256(path.read_bytes()).hexdigest()
    handler.ranges, handler.cut = ranges, 100
    with pytest.raises(OSError, match=r"was cut .*; the same call goes on from .*glove\.6B\.zip\.part"):
        glove.download(tmp_path / "here", url=url, sha256=sha256)
    assert (tmp_path / "here" / "glove.6B.zip.part").stat().st_size == 100
    handler.cut = None
    got = glove.download(tmp_path / "here", url=url, sha256=sha256)
    assert got.read_bytes() == whole and handler.asked == ([0, 100] if ranges else [0, 0])
    assert glove.download(tmp_path / "here", url=url, sha256=sha256) == got and len(handler.asked) == 2, "it is there"
    assert [item.name for item in got.parent.iterdir()] == ["glove.6B.zip"]


def test_a_download_that_only_lacks_its_name_is_checked_and_named(served, tmp_path):
    path, url, _ = served
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "glove.6B.zip.part").write_bytes(path.read_bytes())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert glove.download(tmp_path / "here", url=url, sha256=sha256).read_bytes() == path.read_bytes()


def test_another_file_than_the_published_one_is_refused_and_removed(served, tmp_path):
    _, url, _ = served
    with pytest.raises(ValueError, match=f"is not {glove.SHA256}; removed"):
        glove.download(tmp_path / "here", url=url)
    assert not list((tmp_path / "here").iterdir())
    with pytest.raises(OSError, match=r"answers 404|cannot be reached"):
        glove.download(tmp_path / "here", url=url.replace("6B", "7B"))


def test_a_downloaded_archive_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    (tmp_path / "glove").mkdir()
    assert glove.find(100, archive(tmp_path / "glove" / "glove.6B.zip").parent).name == "glove.6B.zip"


def test_the_file_is_found_by_its_dimension(tmp_path, monkeypatch):
    expected = write_glove(tmp_path / "glove", size=8)
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    assert glove.find(8) == glove.find(8, tmp_path / "glove") == expected
    with pytest.raises(FileNotFoundError, match=r"8 d.*glove\.6B\.100d\.txt.*\$SEQZOO_DATA/glove"):
        glove.find(100)
    monkeypatch.delenv("SEQZOO_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="SEQZOO_DATA is not set"):
        glove.find(8)


# The callback


def trainer_of(callback: InitialiseEmbedding, folder: Path, epochs: int = 1) -> L.Trainer:
    return L.Trainer(
        default_root_dir=folder,
        max_epochs=epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def fit(callback: InitialiseEmbedding, folder: Path, *, epochs: int = 1, **arguments: object) -> TextClassification:
    task = TextClassification("embed_mlp", {"embedding_size": 8, **arguments})
    trainer_of(callback, folder, epochs).fit(task, datamodule=TinyCorpus(validation_size=40))
    return task


@pytest.fixture
def glove_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$SEQZOO_DATA/glove with vectors for some words: not for all that the corpus has."""
    path = write_glove(tmp_path / "glove", words=(*GOOD, *PLAIN[:5], "notinthecorpus"))
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    return path


@pytest.mark.parametrize("unknown", ["mean", "zero", "normal"])
def test_a_frozen_embedding_is_the_files_and_never_changes(glove_folder, tmp_path, caplog, unknown):
    with caplog.at_level(logging.INFO, logger="seqzoo"):
        task = fit(InitialiseEmbedding(source="glove", freeze=True, unknown=unknown), tmp_path / "run", epochs=2)
    weight, words = task.model.network.embedding.weight.detach().numpy(), task.model.tokenizer.words
    vectors = glove.read(glove_folder, words)
    assert "notinthecorpus" not in vectors.words
    scaled = vectors.matrix * (0.5 / vectors.matrix.std())
    for word, row in zip(vectors.words, scaled, strict=True):
        np.testing.assert_array_equal(weight[words.index(word)], row.astype(np.float32))
    absent = weight[[index for index, word in enumerate(words) if index > 0 and word not in vectors.words]]
    assert not weight[0].any(), "padding stays zero"
    if unknown == "normal":
        assert len(np.unique(absent, axis=0)) == len(absent) and 0.3 < absent.std() < 0.7
    else:
        np.testing.assert_allclose(absent, np.tile(scaled.mean(0) * (unknown == "mean"), (len(absent), 1)), atol=1e-6)
    assert not task.model.network.embedding.weight.requires_grad
    assert f"{len(vectors.words)} of {len(words) - 2} words have vectors" in caplog.text and "tokens" in caplog.text


def test_an_embedding_that_is_not_frozen_is_trained_on_and_padding_stays_zero(glove_folder, tmp_path):
    task = fit(InitialiseEmbedding(source=str(glove_folder)), tmp_path / "run")
    weight, words = task.model.network.embedding.weight, task.model.tokenizer.words
    vectors = glove.read(glove_folder, words)
    scaled = vectors.matrix * (0.5 / vectors.matrix.std())
    moved = weight.detach().numpy()[[words.index(word) for word in vectors.words]] - scaled
    assert weight.requires_grad and moved.any() and np.abs(moved).max() < 0.1 and not weight[0].any()


def test_random_vectors_have_the_deviation_asked_for_and_follow_the_seed(tmp_path, no_corpora):
    first, again, other = (
        fit(InitialiseEmbedding(source="random", standard_deviation=0.03, freeze=True, seed=seed), tmp_path)
        for seed in (1, 1, 2)
    )
    weights = [task.model.network.embedding.weight.detach() for task in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert float(weights[0][1:].std()) == pytest.approx(0.03, rel=0.2) and not weights[0][0].any()


def test_other_sources_and_policies_are_refused(tmp_path):
    for options, words in (
        ({"source": str(tmp_path / "nowhere")}, "source must be word2vec, fasttext, svd, glove, random"),
        ({"unknown": "median"}, "unknown must be one of mean, zero, normal, subword"),
        ({"weighting": "tf-idf"}, "weighting must be one of none, sif"),
        ({"source": "glove", "splits": ["train"]}, "splits and folder are for word2vec, fasttext, svd"),
        ({"source": "glove", "folder": "here"}, "splits and folder are for word2vec, fasttext, svd"),
        ({"source": "glove", "unknown": "subword"}, "subword needs vectors of fastText"),
        ({"source": "random", "weighting": "sif"}, "random numbers have no weighting"),
        ({"splits": ["test"]}, "must not be trained on test"),
    ):
        with pytest.raises(ValueError, match=words):
            InitialiseEmbedding(**options)


def test_vectors_of_another_dimension_are_refused(glove_folder, tmp_path):
    with pytest.raises(ValueError, match="vectors of 8 numbers do not fit embedding_size 16"):
        fit(InitialiseEmbedding(source=str(glove_folder)), tmp_path / "run", embedding_size=16)
    with pytest.raises(FileNotFoundError, match="GloVe vectors of 16 numbers are not here"):
        fit(InitialiseEmbedding(source="glove"), tmp_path / "run", embedding_size=16)


def test_an_architecture_without_embedding_is_refused(glove_folder, tmp_path):
    task = TextClassification("bow", {"max_features": 50})
    trainer = L.Trainer(
        default_root_dir=tmp_path, max_epochs=1, callbacks=[InitialiseEmbedding(source="glove")], logger=False
    )
    with pytest.raises(ValueError, match="bow has no embedding"):
        trainer.fit(task, datamodule=TinyCorpus(validation_size=40))


# What the callback does with words that are not there


def words_of(task: TextClassification) -> tuple[np.ndarray, list[str]]:
    return task.model.network.embedding.weight.detach().numpy(), task.model.tokenizer.words


@pytest.mark.parametrize("case_fallback", [True, False])
def test_a_word_without_a_vector_takes_that_of_another_case(tmp_path, case_fallback):
    path = write_glove(tmp_path, words=("Superb", "MOVING", *PLAIN))
    callback = InitialiseEmbedding(source=str(path), unknown="zero", freeze=True, case_fallback=case_fallback)
    weight, words = words_of(fit(callback, tmp_path / "run"))
    assert weight[words.index("superb")].any() == weight[words.index("moving")].any() == case_fallback
    assert weight[words.index("the")].any() and not weight[words.index("boring")].any()


def test_padding_stays_zero_through_steps_with_weight_decay(glove_folder, tmp_path):
    """Also where the network would move it: a row that is no padding to torch."""
    task = TextClassification(
        "embed_mlp", {"embedding_size": 8}, optimizer=lambda weights: torch.optim.AdamW(weights, lr=0.1, weight_decay=0.5)
    )

    class Unpadded(InitialiseEmbedding):
        def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            super().on_fit_start(trainer, pl_module)
            pl_module.model.network.embedding.padding_idx = None

        def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: object, _: int) -> None:
            pl_module.model.network.embedding.weight.register_hook(lambda slope: slope + 1.0)

    for kind, folder in ((InitialiseEmbedding, "a"), (Unpadded, "b")):
        trainer_of(kind(source=str(glove_folder)), tmp_path / folder, 2).fit(task, datamodule=TinyCorpus(validation_size=40))
        weight = task.model.network.embedding.weight
        assert not weight[0].any() and weight[1:].any()


def trainings(caplog: pytest.LogCaptureFixture) -> int:
    return sum(message.startswith("training ") for message in caplog.messages)


@pytest.mark.parametrize(
    ("source", "skip_gram"),
    [("word2vec", True), ("word2vec", False), ("fasttext", True), ("fasttext", False), ("svd", True)],
)
def test_trained_vectors_are_kept_and_taken_again(tmp_path, caplog, source, skip_gram):
    def callback(**options: object) -> InitialiseEmbedding:
        folder = str(tmp_path / "vectors")
        return InitialiseEmbedding(
            source=source, skip_gram=skip_gram, epochs=2, workers=1, folder=folder, freeze=True, **options
        )

    with caplog.at_level(logging.INFO, logger="seqzoo"):
        first, again = words_of(fit(callback(), tmp_path / "a")), words_of(fit(callback(), tmp_path / "b"))
    assert np.array_equal(first[0], again[0]) and trainings(caplog) == 1 and "taking the word" in caplog.text
    assert not (tmp_path / "a" / "embedding").exists() and WordVectors.load(tmp_path / "vectors").size == 8
    with caplog.at_level(logging.INFO, logger="seqzoo"):
        fit(callback(window=2), tmp_path / "c")
    assert trainings(caplog) == 2, "other settings are trained anew"


@pytest.mark.parametrize(("asked", "trainers", "drawn"), [(None, True, True), (None, False, False), (True, False, True)])
def test_a_bar_is_drawn_while_vectors_are_trained_where_the_trainer_draws_one(tmp_path, monkeypatch, asked, trainers, drawn):
    from seqzoo import hub
    from seqzoo.embeddings.sentences import Watched

    seen: list[bool] = []
    enter = Watched.__enter__
    monkeypatch.setattr(hub, "shows_progress", lambda: True)
    monkeypatch.setattr(Watched, "__enter__", lambda self: seen.append(self.drawn is not None) or enter(self))
    callback = InitialiseEmbedding(source="svd")
    callback.progress = asked
    trainer = L.Trainer(
        default_root_dir=tmp_path,
        max_epochs=1,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=trainers,
        enable_model_summary=False,
    )
    trainer.fit(TextClassification("embed_mlp", {"embedding_size": 8}), datamodule=TinyCorpus(validation_size=40))
    assert seen == [drawn]


def test_vectors_of_other_texts_are_not_taken_for_those_asked(tmp_path, caplog):
    callback = InitialiseEmbedding(epochs=1, workers=1, folder=str(tmp_path / "vectors"))
    with caplog.at_level(logging.INFO, logger="seqzoo"):
        fit(callback, tmp_path / "a")
        trainer_of(callback, tmp_path / "b").fit(
            TextClassification("embed_mlp", {"embedding_size": 8}), datamodule=TinyCorpus(validation_size=40, split_seed=1)
        )
    assert trainings(caplog) == 2 and "taking the word" not in caplog.text


def test_subwords_answer_for_words_that_fasttext_never_saw(tmp_path):
    seen = [word for word in (*GOOD, *PLAIN) if word != "wonderful"]
    sentences = [list(np.random.default_rng(seed).permutation(seen)) for seed in range(30)]
    folder = fasttext.train(sentences, vector_size=8, epochs=2, min_count=1, buckets=500, workers=1).save(tmp_path / "ft")
    task = fit(InitialiseEmbedding(source=str(folder), unknown="subword", freeze=True), tmp_path / "run")
    weight, words = words_of(task)
    vectors = WordVectors.load(folder)
    rows = [words.index("wonderful"), words.index("lovely")]
    scale = weight[rows[1]] / vectors["lovely"]
    np.testing.assert_allclose(weight[rows[0]], vectors["wonderful"] * scale, rtol=1e-4)
    report = read_json(tmp_path / "run" / "embedding.json")
    assert report["by_subwords"] >= 1 and report["unknown"] == "subword"
    plain = glove.read(write_glove(tmp_path)).save(tmp_path / "plain")
    with pytest.raises(ValueError, match="has no subwords"):
        fit(InitialiseEmbedding(source=str(plain), unknown="subword"), tmp_path / "other")


def test_frequent_words_weigh_less_by_smooth_inverse_frequency(glove_folder, tmp_path):
    plain, _ = words_of(fit(InitialiseEmbedding(source="glove", freeze=True), tmp_path / "a"))
    weighed, words = words_of(fit(InitialiseEmbedding(source="glove", freeze=True, weighting="sif"), tmp_path / "b"))
    data = TinyCorpus(validation_size=40)
    data.setup("fit")
    counts = np.bincount(np.concatenate(data.documents("train")))
    rows = [words.index("lovely"), words.index("the")]
    factor = 1e-3 / (1e-3 + counts[rows] / counts.sum())
    ratios = np.linalg.norm(weighed[rows], axis=1) / np.linalg.norm(plain[rows], axis=1)
    assert ratios[0] / ratios[1] == pytest.approx(factor[0] / factor[1], rel=1e-3)


# The report


def test_what_the_vectors_cover_is_kept_in_the_run_folder(glove_folder, tmp_path):
    fit(InitialiseEmbedding(source="glove"), tmp_path / "run")
    report = read_json(tmp_path / "run" / "embedding.json")
    data = TinyCorpus(validation_size=40)
    data.setup("fit")
    counts = np.bincount(np.concatenate(data.documents("train")))
    known = [index for index, word in enumerate(data.tokenizer.words) if word in glove.read(glove_folder)]
    assert report["types"] == {"covered": len(known), "all": len(data.tokenizer) - 2}
    assert report["tokens"] == {"covered": int(counts[known].sum()), "all": int(counts.sum())}
    assert report["sha256"] == hashlib.sha256(glove_folder.read_bytes()).hexdigest() and not report["frozen"]
    missing = dict(report["missing"])
    assert set(missing) == set(data.tokenizer.words[2:]) - set(glove.read(glove_folder).words)
    assert [count for _, count in report["missing"]] == sorted(missing.values(), reverse=True)


def test_a_card_tells_what_the_vectors_covered_and_an_old_one_is_as_it_was():
    from seqzoo import cards

    name = "reuters-r52-cnn"
    folder = cards.catalog.resource("checkpoints") / name
    config, numbers = read_json(folder / "config.json"), cards.metrics(folder)
    assert cards.render(name, config, numbers) == (folder / "README.md").read_text(encoding="utf-8")
    embedding = {
        "source": "GloVe, x.txt",
        "types": {"covered": 3, "all": 4},
        "tokens": {"covered": 9, "all": 10},
        "by_subwords": 0,
        "missing": [["zzz", 1]],
        "unknown": "mean",
        "frozen": True,
    }
    card = cards.render(name, config, {**numbers, "embedding": embedding})
    assert "| word vectors at the start | GloVe, x.txt; frozen |" in card
    assert "75.0 % of 4 types, 90.0 % of the training tokens; others: mean" in card and "`zzz` (1)" in card


@pytest.mark.corpora
def test_every_number_of_the_real_file_is_the_one_that_python_reads():
    path = glove.find(50)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [line.rstrip().split(" ") for _, line in zip(range(2_000), file, strict=False)]
    vectors = glove.read(path, [line[0] for line in lines])
    assert vectors.words == [line[0] for line in lines]
    expected = np.array([[float(number) for number in line[1:]] for line in lines]).astype(np.float32)
    assert np.array_equal(vectors.matrix, expected)


@pytest.mark.corpora
def test_reading_glove_for_a_vocabulary_takes_seconds():
    path = glove.find(50)
    start = time.perf_counter()
    vectors = glove.read(path, ["the", "film", "zzzz-not-a-word"])
    assert vectors.words == ["the", "film"] and time.perf_counter() - start < 5
    assert np.array_equal(vectors.matrix[0, :3], np.array([0.418, 0.24968, -0.41242], np.float32))
    assert torch.from_numpy(vectors.matrix).isfinite().all()
