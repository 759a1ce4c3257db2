"""Corpora: files, splits, a tokenizer fitted on train only, batches of near-equal length."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from made_up import LABELS, TinyCorpus, make_texts, write_imdb

from seqzoo.corpora.datamodule import BucketSampler, LabelledTexts, find_folder
from seqzoo.corpora.imdb import IMDB

LENGTHS = np.random.default_rng(0).integers(1, 500, 1003)


def sampler(**options: Any) -> BucketSampler:
    return BucketSampler(LENGTHS, **{"batch_size": 16, "shuffle": True, "seed": 3, **options})


def flat(batches: Any) -> list[int]:
    return list(itertools.chain.from_iterable(batches))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 16, 1003, 5000])
def test_an_epoch_has_every_index_once(shuffle, batch_size):
    batches = list(sampler(shuffle=shuffle, batch_size=batch_size))
    assert sorted(flat(batches)) == list(range(1003))
    assert len(batches) == len(sampler(shuffle=shuffle, batch_size=batch_size)) == math.ceil(1003 / batch_size)
    assert max(map(len, batches)) <= batch_size


def test_each_epoch_has_its_own_order_and_the_seed_decides():
    one, same, other = sampler(), sampler(), sampler(seed=4)
    assert list(one) == list(same) == list(one) and list(one) != list(other)
    first = list(one)
    one.set_epoch(1)
    same.set_epoch(1)
    assert list(one) == list(same) != first
    assert {tuple(sorted(batch)) for batch in one} != {tuple(sorted(batch)) for batch in first}, "the same batches again"


def test_the_epoch_counts_that_is_set_before_the_first_batch():
    """Lightning makes the iterator of a resumed run before it sets the epoch."""
    early, late = sampler(), sampler()
    iterator = iter(early)
    early.set_epoch(5)
    late.set_epoch(5)
    assert list(iterator) == list(late)


def test_batches_are_of_near_equal_length_but_come_in_random_order():
    batches = list(sampler())
    padded = sum(len(batch) * LENGTHS[batch].max() for batch in batches)
    assert padded < 1.15 * LENGTHS.sum()
    means = [LENGTHS[batch].mean() for batch in batches]
    assert np.abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.4


def test_without_shuffling_texts_come_by_length():
    order = flat(sampler(shuffle=False))
    assert (np.diff(LENGTHS[order]) >= 0).all()


@pytest.mark.parametrize("replicas", [2, 3])
def test_processes_share_an_evaluation_without_a_repetition(replicas):
    parts = [list(sampler(shuffle=False, num_replicas=replicas, rank=rank)) for rank in range(replicas)]
    assert sorted(flat(flat(parts))) == list(range(1003))
    for rank, part in enumerate(parts):
        assert len(part) == len(sampler(shuffle=False, num_replicas=replicas, rank=rank))


@pytest.mark.parametrize(("replicas", "batch_size"), [(2, 16), (3, 16), (2, 17), (4, 400)])
def test_processes_share_training_in_equal_numbers_of_batches(replicas, batch_size):
    parts = [list(sampler(num_replicas=replicas, rank=rank, batch_size=batch_size)) for rank in range(replicas)]
    assert {len(part) for part in parts} == {len(sampler(num_replicas=replicas, batch_size=batch_size))}
    batches = [tuple(batch) for part in parts for batch in part]
    assert sorted(set(flat(batches))) == list(range(1003))
    repeated = len(batches) - len(set(batches))
    assert repeated < replicas and repeated == len(batches) - math.ceil(1003 / batch_size)
    assert repeated or not {tuple(batch) for batch in parts[0]} & {tuple(batch) for batch in parts[1]}


# Splits


def test_validation_is_drawn_from_train_by_its_seed_and_apart_from_it():
    parts = {}
    for seed in (0, 0, 1):
        corpus = TinyCorpus(validation_size=40, split_seed=seed)
        train, validation = corpus.texts("train"), corpus.texts("validation")
        assert len(train) == 160 and len(validation) == 40
        assert sorted([*train, *validation]) == sorted(corpus.read("train").texts)
        assert parts.setdefault(seed, validation) == validation
        known = dict(zip(corpus.read("train").texts, corpus.read("train").targets, strict=True))
        assert [known[text] for text in validation] == corpus.targets("validation").tolist()
    assert parts[0] != parts[1]


def test_no_validation_trains_on_all():
    corpus = TinyCorpus(validation_size=0)
    corpus.setup("fit")
    assert len(corpus.texts("train")) == 200 and corpus.val_dataloader() == []


def test_fewer_training_texts_keep_the_same_validation():
    few, all_ = TinyCorpus(validation_size=40, num_train=50), TinyCorpus(validation_size=40)
    assert few.texts("validation") == all_.texts("validation")
    assert list(few.texts("train")) == list(all_.texts("train"))[:50]


def test_the_tokenizer_is_fitted_on_train_only():
    corpus = TinyCorpus(validation_size=40)
    whole = corpus.read("train")
    held_out = set(corpus.texts("validation"))
    marked = [f"{text} heldout heldout" if text in held_out else text for text in whole.texts]
    assert len([text for text in whole.texts if text in held_out]) == 40

    corpus = TinyCorpus(validation_size=40)
    test = corpus.read("test")
    corpus.read = {"train": LabelledTexts(marked, whole.targets), "test": test}.__getitem__
    corpus.setup()
    assert all("heldout" in text for text in corpus.texts("validation"))
    assert "heldout" not in corpus.tokenizer.words
    assert corpus.documents("validation")[0][-2:].tolist() == [corpus.tokenizer.unknown_index] * 2
    everything = TinyCorpus(validation_size=0)
    everything.read = corpus.read
    everything.setup("fit")
    assert "heldout" in everything.tokenizer.words


def test_a_tokenizer_that_was_given_is_kept(tokenizer):
    corpus = TinyCorpus(validation_size=40)
    corpus.tokenizer = tokenizer
    corpus.setup()
    assert corpus.tokenizer is tokenizer


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
        ({"validation_size": -1}, "validation_size must be at least 0"),
        ({"num_train": 0}, "num_train must be at least 1"),
        ({"min_frequency": 0}, "min_frequency must be at least 1"),
        ({"keep": "middle"}, "keep must be"),
    ],
)
def test_a_value_out_of_range_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        TinyCorpus(**options)


def test_more_texts_than_there_are_cannot_be_asked_for():
    with pytest.raises(ValueError, match="validation_size must be below the 200 training texts, got 200"):
        TinyCorpus(validation_size=200).texts("train")
    with pytest.raises(ValueError, match="num_train must be at most 160, got 161"):
        TinyCorpus(validation_size=40, num_train=161).texts("train")


# Batches


def test_batches_hold_what_the_texts_say(corpus):
    corpus.setup()
    for loader, split in ((corpus.val_dataloader(), "validation"), (corpus.test_dataloader(), "test")):
        found = []
        for batch in loader:
            assert batch.tokens.dtype == batch.lengths.dtype == batch.targets.dtype == torch.int64
            assert batch.tokens.shape == (len(batch.lengths), batch.lengths.max())
            for row, length, target in zip(batch.tokens, batch.lengths, batch.targets, strict=True):
                assert not row[length:].any() and row[:length].all()
                found.append((row[:length].tolist(), int(target)))
        documents = [document.tolist() for document in corpus.documents(split)]
        assert sorted(found) == sorted(zip(documents, corpus.targets(split).tolist(), strict=True))


def test_training_batches_are_those_of_the_seed(corpus):
    corpus.setup("fit")
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        orders.append([batch.targets.tolist() for batch in corpus.train_dataloader()])
    assert orders[0] == orders[1] != orders[2] and sum(map(len, orders[0])) == 160


def test_long_texts_are_cut_and_empty_ones_get_an_unknown_word():
    corpus = TinyCorpus(max_tokens=4, keep="start", validation_size=1)
    read = corpus.read
    corpus.read = lambda split: LabelledTexts(["", "film " * 9], np.array([0, 1])) if split == "test" else read(split)
    corpus.setup()
    assert [document.tolist() for document in corpus.documents("test")] == [[1], [corpus.tokenizer.words.index("film")] * 4]


def test_a_model_reads_texts_as_the_corpus_does(corpus):
    from seqzoo.models.text_classifier import TextClassifier

    corpus.setup("fit")
    model = TextClassifier("bow", tokenizer=corpus.tokenizer, labels=LABELS, **corpus.preprocessing)
    tokens, lengths = model.batch(corpus.tokenizer.encode(corpus.texts("validation")))
    for row, length, document in zip(tokens, lengths, corpus.documents("validation"), strict=True):
        assert row[:length].tolist() == document.tolist()


def test_a_fingerprint_sees_texts_classes_and_their_order():
    texts, targets = make_texts(20)
    found = set()
    for changed in (
        LabelledTexts(texts, targets),
        LabelledTexts(texts[::-1], targets[::-1]),
        LabelledTexts(texts, 1 - targets),
        LabelledTexts([*texts[:-1], texts[-1] + "!"], targets),
        LabelledTexts([*texts[:-2], texts[-2] + "\n", texts[-1]], targets),
    ):
        corpus = TinyCorpus()
        corpus.read = lambda split, changed=changed: changed
        found.add(corpus.fingerprint("test"))
        assert corpus.fingerprint("test") in found
    assert len(found) == 5 and all(len(digest) == 64 for digest in found)


# Files


def test_imdb_reads_the_files_of_data_dir(tmp_path, no_corpora):
    corpus = IMDB(data_dir=str(write_imdb(tmp_path / "here")), validation_size=10)
    texts, targets = make_texts(160, seed=0)
    train = corpus.read("train")
    assert train.texts == texts and train.targets.tolist() == targets.tolist() and train.targets.dtype == np.int64
    assert set(corpus.read("unsupervised").targets.tolist()) == {-1}
    corpus.setup()
    assert sum(len(batch.targets) for batch in corpus.train_dataloader()) == 150


def test_imdb_reads_the_folder_that_the_environment_names(tmp_path, monkeypatch):
    write_imdb(tmp_path / "imdb", 20)
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    assert len(IMDB().read("test").texts) == 20
    write_imdb(tmp_path / "mine", 30)
    assert len(IMDB(data_dir=str(tmp_path / "mine")).read("test").texts) == 30, "data_dir comes first"


def test_a_folder_that_lacks_files_is_a_clear_error(tmp_path, no_corpora):
    (write_imdb(tmp_path) / "test.parquet").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        IMDB(data_dir=str(tmp_path)).prepare_data()
    for word in ("imdb", str(tmp_path), "no test.parquet", "train.parquet"):
        assert word in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        IMDB(data_dir=str(tmp_path / "nowhere")).read("train")


def test_a_folder_without_this_corpus_leads_to_its_public_source(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQZOO_DATA", str(tmp_path))
    assert find_folder("imdb", None, ("train.parquet",)) is None
    (tmp_path / "imdb").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no train\.parquet"):
        find_folder("imdb", None, ("train.parquet",))


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" + b"\0" * 64 + b"PAR1"])
def test_a_damaged_file_is_a_value_error_that_names_it(tmp_path, content):
    (write_imdb(tmp_path) / "train.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"train\.parquet is not a parquet file"):
        IMDB(data_dir=str(tmp_path)).read("train")


def test_a_truncated_file_is_a_value_error(tmp_path):
    path = write_imdb(tmp_path) / "train.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"train\.parquet"):
        IMDB(data_dir=str(tmp_path)).read("train")


def test_a_file_without_the_columns_is_a_value_error(tmp_path):
    import pyarrow
    import pyarrow.parquet

    write_imdb(tmp_path)
    pyarrow.parquet.write_table(pyarrow.table({"review": ["a"], "label": [1]}), tmp_path / "train.parquet")
    with pytest.raises(ValueError, match="columns text, label"):
        IMDB(data_dir=str(tmp_path)).read("train")


def test_without_a_folder_the_hub_is_asked(no_corpora, monkeypatch):
    import datasets

    asked = []

    class Column(list):  # as in datasets: lazy until it is sliced
        pass

    def load_dataset(path: str, config: str | None = None, *, split: str) -> dict[str, Column]:
        asked.append((path, config, split))
        return {"text": Column(["a film"] * 4), "label": Column([0, 1, 0, 1])}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    train = IMDB().read("train")
    assert [(path, split) for path, _, split in asked] == [("stanfordnlp/imdb", "train")]
    assert asked[0][1] in (None, "plain_text")
    assert train.texts == ["a film"] * 4 and train.targets.tolist() == [0, 1, 0, 1]


def test_a_hub_that_cannot_be_reached_says_what_to_do(no_corpora, monkeypatch):
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(OSError, match="SEQZOO_DATA"):
        IMDB().read("train")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train, test, unsupervised, not 'validation'"):
        IMDB().read("validation")


def test_two_processes_get_their_own_batches(corpus):
    corpus.setup("fit")
    seen = []
    for rank in range(2):
        corpus.trainer = SimpleNamespace(world_size=2, global_rank=rank)
        torch.manual_seed(0)
        seen.append([tuple(batch.tokens.flatten().tolist()) for batch in corpus.train_dataloader()])
    assert len(seen[0]) == len(seen[1]) == 5 and not set(seen[0]) & set(seen[1])


@pytest.mark.corpora
def test_the_real_imdb_has_the_official_sizes():
    corpus = IMDB()
    for split in ("train", "test"):
        whole = corpus.read(split)
        assert len(whole.texts) == 25_000 and np.bincount(whole.targets).tolist() == [12_500, 12_500]
