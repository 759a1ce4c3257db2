"""Corpora read files of the public form; those at hand have the sizes that their publishers give."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import seqzoo
from seqzoo import catalog
from seqzoo.corpora.datamodule import TextDataModule
from seqzoo.corpora.langid import spelling, word_pattern
from seqzoo.corpora.newsgroups20 import without

MESSAGE = """From: someone@example.org
Subject: engines

In article <1@example.org> another writes:
> which engine?

Take the small one.

--
Someone, a place
"""


def parquet(path: Path, **columns: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


PUBLIC = [
    name for name in catalog.list_corpora() if name != "csv" and issubclass(catalog.resolve("corpora", name), TextDataModule)
]


@pytest.mark.parametrize("name", PUBLIC)
def test_an_unknown_split_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="splits"):
        seqzoo.create_datamodule(name, data_dir=str(tmp_path)).read("nonsense")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_folder_without_the_files_is_named_with_what_it_needs(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no .*(parquet|txt); it needs"):
        seqzoo.create_datamodule(name, data_dir=str(tmp_path)).read("train")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_corpus_says_what_its_card_needs(name: str) -> None:
    corpus = catalog.resolve("corpora", name)
    assert corpus.name == name
    assert set(corpus.source) == {"type", "config"}
    assert corpus.citation and corpus.language and corpus.limits and corpus.example


def test_removing_takes_headers_then_quotations_and_signature() -> None:
    assert without(MESSAGE, "none") == MESSAGE
    assert without(MESSAGE, "headers").startswith("In article")
    assert without(MESSAGE, "all").strip() == "Take the small one."


def test_newsgroups_by_date_and_random_have_the_same_messages(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", text=[f"a: b\n\ntrain {index}" for index in range(30)], label=[0, 1, 2] * 10)
    parquet(tmp_path / "test.parquet", text=[f"a: b\n\ntest {index}" for index in range(10)], label=[3] * 10)
    bydate = seqzoo.create_datamodule("newsgroups20", data_dir=str(tmp_path))
    random = seqzoo.create_datamodule("newsgroups20", data_dir=str(tmp_path), split="random")
    parts = {split: random.read(split) for split in ("train", "test")}
    assert len(parts["test"].texts) == 8
    both = sorted([*parts["train"].texts, *parts["test"].texts])
    assert both == sorted([*bydate.read("train").texts, *bydate.read("test").texts])
    again = seqzoo.create_datamodule("newsgroups20", data_dir=str(tmp_path), split="random").read("test")
    assert again.texts == parts["test"].texts


def test_newsgroups_on_the_hub_have_no_headers_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQZOO_DATA", raising=False)
    with pytest.raises(ValueError, match="remove='all'"):
        seqzoo.create_datamodule("newsgroups20").read("train")


def test_sms_repeats_are_dropped_before_the_split(tmp_path: Path) -> None:
    texts = [f"message {index % 20}" for index in range(50)]
    parquet(tmp_path / "all.parquet", text=texts, label=[int(index % 20 < 5) for index in range(50)])
    data = seqzoo.create_datamodule("sms_spam", data_dir=str(tmp_path))
    train, test = data.read("train"), data.read("test")
    assert len(train.texts) == 16 and len(test.texts) == 4
    assert not set(train.texts) & set(test.texts)
    for part in (train, test):
        assert [int(int(text.split()[1]) < 5) for text in part.texts] == part.targets.tolist()


def test_reuters_keeps_stories_of_one_topic_on_both_sides(tmp_path: Path) -> None:
    rows = [
        ("TRAIN", "YES", ["earn"], "Profit", "up"),
        ("TEST", "YES", ["earn"], "Loss", "down"),
        ("TRAIN", "YES", ["acq", "earn"], "Both", "no"),
        ("TRAIN", "YES", ["acq"], "Bid", "yes"),
        ("TEST", "YES", ["acq"], None, "bid"),
        ("TRAIN", "YES", ["rice"], "Only in train", ""),
        ("NOT-USED", "YES", ["earn"], "Unused", ""),
        ("TRAIN", "NO", ["earn"], "No topics", ""),
    ]
    names = ("lewissplit", "has_topics", "topics", "title", "text")
    parquet(tmp_path / "all.parquet", **dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True)))
    data = seqzoo.create_datamodule("reuters21578", data_dir=str(tmp_path))
    assert data.labels == ["acq", "earn"]
    assert data.read("train").texts == ["Profit\nup", "Bid\nyes"]
    assert data.read("train").targets.tolist() == [1, 0]
    assert data.read("test").targets.tolist() == [1, 0]


def test_reuters_topics_are_those_of_both_sides_and_every_story_counts(tmp_path: Path) -> None:
    rows = [
        ("TRAIN", "YES", ["earn"], "Profit", "up"),
        ("TRAIN", "YES", ["acq", "earn", "earn"], "Both", "twice"),
        ("TRAIN", "YES", ["rice"], "Only in train", ""),
        ("TRAIN", "YES", [], "None", ""),
        ("TEST", "YES", ["acq", "earn"], "Bid", "bid"),
        ("TEST", "YES", ["corn"], "Only in test", ""),
        ("TEST", "NO", ["earn"], "No topics", ""),
    ]
    names = ("lewissplit", "has_topics", "topics", "title", "text")
    parquet(tmp_path / "all.parquet", **dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True)))
    data = seqzoo.create_datamodule("reuters21578", data_dir=str(tmp_path), subset="topics")
    assert data.multi_label and data.labels == ["acq", "earn"]
    assert data.read("train").targets.tolist() == [[0, 1], [1, 1], [0, 0], [0, 0]]
    assert data.read("test").targets.tolist() == [[1, 1], [0, 0]]
    assert data.fingerprint("test") != data.fingerprint("train")


@pytest.mark.corpora
def test_the_real_reuters_topics_are_ninety_and_no_test_story_is_left_out() -> None:
    data = seqzoo.create_datamodule("reuters21578", subset="topics")
    train, test = data.read("train"), data.read("test")
    assert train.targets.shape == (9_603, 90) and test.targets.shape == (3_299, 90)
    assert train.targets.sum(0).min() >= 1 and test.targets.sum(0).min() >= 1
    assert (test.targets.sum(1) == 0).sum() == 280 and test.targets.sum() == 3_744


def test_ag_news_counts_classes_from_zero(tmp_path: Path) -> None:
    for split in ("train", "test"):
        parquet(tmp_path / f"{split}.parquet", text=["a", "b"], label=[0, 3])
    data = seqzoo.create_datamodule("ag_news", data_dir=str(tmp_path))
    assert [data.labels[target] for target in data.read("test").targets] == ["World", "Sci/Tech"]


def write_langid(folder: Path, each: int = 40) -> Path:
    """Sentences, pairs and words in English, German, Chinese and Armenian, made up of 60 words each."""
    random = np.random.default_rng(0)
    spell = {"en": "aeiou", "de": "äöüßx", "zh": "天地玄黄宇宙洪荒日月", "hy": "աբգդե"}
    rows = []
    for language, signs in spell.items():
        words = sorted({"".join(random.choice([*signs], 6 if language != "zh" else 1)) for _ in range(60)})
        gap = "" if language == "zh" else " "
        for _ in range(each):
            drawn = random.choice(words, 8).tolist()
            rows.append((gap.join(drawn).capitalize() + "! " + gap.join(drawn[::-1]).upper() + ".", language, "sentences"))
            rows.append((gap.join(drawn[:2]), language, "word-pairs"))
            rows.append((drawn[2] + ("՞" if language == "hy" else ""), language, "single-words"))
    rows.append(rows[0])
    parquet(
        folder / "lingua79.parquet",
        **dict(zip(("text", "language", "kind"), map(list, zip(*rows, strict=True)), strict=True)),
    )
    return folder


def all_words(texts: Any) -> set[str]:
    pattern = word_pattern(texts)
    return {word for text in texts for word in spelling(pattern, text)}


@pytest.fixture
def langid(tmp_path: Path) -> Any:
    return seqzoo.create_datamodule("langid", data_dir=str(write_langid(tmp_path)), validation_size=30, words_alone=True)


def test_no_held_out_word_stands_in_training_in_any_form(langid: Any) -> None:
    held = all_words(langid.read("test-words").texts)
    assert held and not held & all_words(langid.read("train").texts)
    langid.setup("fit")
    rows, sizes = langid.splits, {split: len(langid.texts(split)) for split in ("train", "validation")}
    assert not held & all_words(rows["train"].texts)
    assert sizes["validation"] >= 30
    single = {text for text in rows["validation"].texts if len(spelling(langid.word, text)) == 1}
    assert single and not all_words(single) & all_words(rows["train"].texts)
    assert not {*langid.read("test").texts, *rows["validation"].texts} & set(rows["train"].texts)


def test_sentences_keep_their_other_words(langid: Any) -> None:
    held = all_words(langid.read("test-words").texts)
    sentences = [text for text in langid.read("train").texts if text.endswith(".")]
    assert len(sentences) > 100
    assert any(len(spelling(langid.word, text)) < 16 for text in sentences)
    for text in langid.read("train").texts:
        assert not held & set(spelling(langid.word, text)) and "  " not in text


def test_the_parts_of_the_test_split_make_it_up(langid: Any) -> None:
    parts = {part: langid.read(part) for part in langid.scored_apart}
    assert sorted(text for part in parts.values() for text in part.texts) == sorted(langid.read("test").texts)
    assert {len(spelling(langid.word, text)) for text in parts["test-words"].texts} == {1}
    assert {len(spelling(langid.word, text)) for text in parts["test-pairs"].texts} == {2}
    assert len(parts["test-sentences"].texts) == 16, "a tenth of 160, the repeat not counted"


def test_words_and_neighbours_out_of_sentences_become_training_texts(tmp_path: Path) -> None:
    folder, sizes = str(write_langid(tmp_path)), {}
    for words, pairs in ((False, 0), (True, 0), (False, 2)):
        data = seqzoo.create_datamodule("langid", data_dir=folder, validation_size=0, words_alone=words, pairs_alone=pairs)
        texts, targets = data.texts("train"), data.targets("train")
        assert len(texts) == len(targets)
        sizes[words, pairs] = len(texts)
        again = seqzoo.create_datamodule("langid", data_dir=folder, validation_size=0, words_alone=words, pairs_alone=pairs)
        assert again.texts("train") == texts
    assert sizes[False, 0] < sizes[True, 0] and sizes[False, 0] + 100 < sizes[False, 2]


def test_langid_reads_characters(langid: Any) -> None:
    langid.setup("fit")
    assert set("aeiou天") & set(langid.tokenizer.words) and langid.tokens == "characters"


def test_langid_without_its_file_says_what_it_needs(no_corpora: None) -> None:
    with pytest.raises(FileNotFoundError, match="no public source to fetch; give the folder"):
        seqzoo.create_datamodule("langid").read("train")


def test_an_unknown_language_is_named(tmp_path: Path) -> None:
    parquet(tmp_path / "lingua79.parquet", text=["a"], language=["xx"], kind=["sentences"])
    with pytest.raises(ValueError, match="'xx' is no language or kind"):
        seqzoo.create_datamodule("langid", data_dir=str(tmp_path)).read("train")


def write_csv(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return str(path)


def test_a_users_file_is_split_by_seed_and_names_its_labels(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "mine.csv", [(f"text {index}", str(index % 3 + 9)) for index in range(30)])
    data = seqzoo.create_datamodule("csv", file=file)
    train, test = data.read("train"), data.read("test")
    assert data.labels == ["9", "10", "11"]
    assert len(train.texts) == 24 and len(test.texts) == 6 and not set(train.texts) & set(test.texts)
    for text, target in zip(test.texts, test.targets, strict=True):
        assert int(text.split()[1]) % 3 == target


def test_a_users_own_test_file_is_taken_whole(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "train.csv", [("a", "x"), ("b", "y")])
    test = write_csv(tmp_path / "test.csv", [("c", "y")])
    data = seqzoo.create_datamodule("csv", file=file, test_file=test)
    assert data.read("train").texts == ["a", "b"] and data.read("test").targets.tolist() == [1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "x"), ("b", "x")], "two different labels"),
        ([("a", "x"), ("b", "")], "row 2: no label under 'label'"),
        ([], "holds no rows"),
    ],
)
def test_a_users_file_that_cannot_be_used_says_why(tmp_path: Path, rows: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        seqzoo.create_datamodule("csv", file=write_csv(tmp_path / "bad.csv", rows)).read("train")


def test_a_test_label_that_train_has_not_is_named(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "train.csv", [("a", "x"), ("b", "y")])
    test = write_csv(tmp_path / "test.csv", [("c", "z")])
    with pytest.raises(ValueError, match="row 1: 'z' is no label"):
        seqzoo.create_datamodule("csv", file=file, test_file=test).read("test")


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "arguments", "n_train", "n_test", "n_labels"),
    [
        ("newsgroups20", {}, 11_314, 7_532, 20),
        ("reuters21578", {}, 6_532, 2_568, 52),
        ("reuters21578", {"subset": "r8"}, None, None, 8),
        ("sms_spam", {}, 4_128, 1_032, 2),
        ("langid", {}, 204_536, 23_248, 79),
    ],
)
def test_real_corpora_have_their_published_sizes(
    name: str, arguments: dict[str, Any], n_train: int | None, n_test: int | None, n_labels: int
) -> None:
    data = seqzoo.create_datamodule(name, **arguments)
    train, test = data.read("train"), data.read("test")
    assert n_train in (None, len(train.texts)) and n_test in (None, len(test.texts))
    assert len(data.labels) == n_labels
    assert set(np.unique(train.targets)) == set(range(n_labels))


@pytest.mark.corpora
def test_no_held_out_word_of_the_real_langid_stands_in_training() -> None:
    data = seqzoo.create_datamodule("langid", validation_size=0, words_alone=True, pairs_alone=1)
    assert [len(data.read(part).texts) for part in data.scored_apart] == [7_795, 7_857, 7_596]
    held = {text.lower() for text in data.read("test-words").texts}
    texts = data.texts("train")
    for split in (str.split, lambda text: re.findall(r"\w+", text), lambda text: spelling(data.word, text)):
        assert not held & {word for text in texts for word in split(text.lower())}
    assert not {text.lower() for text in data.read("test").texts} & {text.lower() for text in texts}
