"""Word vectors trained, read, written, asked, and kept as checkpoints."""

import gzip
import json

import numpy as np
import pytest
from made_up import BAD, GOOD, PLAIN, make_texts, python, read_json, write_json

import seqzoo
from seqzoo import hub
from seqzoo.embeddings import evaluation, fasttext, letters, svd, word2vec
from seqzoo.embeddings.opening import open_vectors
from seqzoo.embeddings.sentences import Sentences
from seqzoo.embeddings.subwords import Subwords, buckets_of
from seqzoo.embeddings.vectors import UnknownWord, WordVectors, fingerprint
from seqzoo.preprocessing.tokenizer import Tokenizer

SENTENCES = [text.split() for text in make_texts(120, seed=3)[0]]
TRAIN = {"vector_size": 8, "epochs": 2, "min_count": 1, "workers": 1}


@pytest.fixture
def square() -> WordVectors:
    """man and king differ as woman and queen do."""
    rows = [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [-1, 0, 0], [0, 0, 0]]
    return WordVectors(["man", "king", "woman", "queen", "other", "nought"], np.array(rows, np.float32), "made up")


@pytest.fixture(scope="module")
def grams() -> WordVectors:
    return fasttext.train(SENTENCES, buckets=300, **TRAIN)


# Asking


def test_a_word_gives_its_row_and_an_unknown_one_says_so(square):
    assert np.array_equal(square["king"], [1, 1, 0]) and "king" in square and "kin" not in square and len(square) == 6
    with pytest.raises(UnknownWord, match="there is no vector for 'prince'"):
        square["prince"]
    with pytest.raises(UnknownWord, match="there is one for 'king'"):
        square["King"]


def test_neighbours_come_nearest_first_and_without_the_word_itself(square):
    found = square.most_similar("king", topn=3)
    assert found[0][0] == "man" and "king" not in dict(found) and len(found) == 3
    assert found == sorted(found, key=lambda pair: -pair[1])
    assert dict(found)["man"] == pytest.approx(square.similarity("king", "man")) == pytest.approx(2**-0.5)
    assert len(square.most_similar("king", topn=99)) == 5
    with pytest.raises(ValueError, match="topn must be at least 1"):
        square.most_similar("king", topn=0)
    with pytest.raises(ValueError, match="at least one word"):
        square.most_similar([])


def test_man_is_to_king_as_woman_to_queen(square):
    assert square.analogy("king", "man", "woman", topn=1)[0][0] == "queen"
    assert square.analogy("king", "man", "woman") == square.most_similar(["king", "woman"], ["man"])


def test_neighbours_are_gensims(tmp_path):
    from gensim.models import KeyedVectors

    vectors = word2vec.train(SENTENCES, **TRAIN)
    theirs = KeyedVectors.load_word2vec_format(word2vec.write(vectors, tmp_path / "v.txt"))
    for positive, negative in ((["lovely"], []), (["lovely", "boring"], ["film"])):
        found = vectors.most_similar(positive, negative, topn=5)
        expected = theirs.most_similar(positive, negative, topn=5)
        assert [word for word, _ in found] == [word for word, _ in expected]
        assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-5)


def test_a_matrix_that_does_not_fit_and_a_word_that_stands_twice_are_refused():
    with pytest.raises(ValueError, match="2 words but a matrix of shape"):
        WordVectors(["a", "b"], np.zeros((3, 2), np.float32), "x")
    with pytest.raises(ValueError, match="the word 'a' stands twice"):
        WordVectors(["a", "b", "a"], np.zeros((3, 2), np.float32), "x")["b"]


def test_the_sha256_is_that_of_words_and_numbers(square):
    import hashlib

    assert square.sha256 == fingerprint(square.words, square.matrix)
    content = "".join(f"{word}\n" for word in square.words).encode() + square.matrix.astype("<f4").tobytes()
    assert square.sha256 == hashlib.sha256(content).hexdigest()
    assert square.restrict(["queen", "man", "absent"]).words == ["man", "queen"]


# Training


@pytest.mark.parametrize("skip_gram", [True, False])
def test_one_worker_and_one_seed_give_the_same_bits_again(skip_gram):
    for train, extra in ((word2vec.train, {}), (fasttext.train, {"buckets": 300})):
        first, again = (train(SENTENCES, skip_gram=skip_gram, seed=3, **TRAIN, **extra) for _ in range(2))
        other = train(SENTENCES, skip_gram=skip_gram, seed=4, **TRAIN, **extra)
        assert first.words == again.words and np.array_equal(first.matrix, again.matrix) and first.sha256 == again.sha256
        assert not np.array_equal(first.matrix, other.matrix)
        assert ("skip-gram" if skip_gram else "CBOW") in first.source


def test_another_process_gives_the_same_bits_too():
    code = f"""
from seqzoo.embeddings import word2vec
print(word2vec.train({SENTENCES[:40]!r}, vector_size=4, epochs=1, min_count=1, workers=1).sha256)
"""
    assert python("-c", code).stdout == python("-c", code).stdout != ""


def test_vectors_are_those_of_a_bare_gensim_call():
    from gensim.models import Word2Vec

    bare = Word2Vec(SENTENCES, vector_size=8, epochs=2, min_count=1, workers=1, sg=1, sample=1e-4, seed=1)
    ours = word2vec.train(SENTENCES, progress=True, **TRAIN)
    assert ours.words == bare.wv.index_to_key and np.array_equal(ours.matrix, bare.wv.vectors)


def test_sentences_are_read_again_and_again_out_of_numbers():
    tokenizer = Tokenizer.fit([" ".join(words) for words in SENTENCES], vocab_size=25)
    documents = tokenizer.encode([" ".join(words) for words in SENTENCES])
    sentences = Sentences(documents, tokenizer.words)
    known = set(tokenizer.words[2:])
    assert list(sentences) == list(sentences) == [[word for word in words if word in known] for words in SENTENCES]
    assert len(sentences) == len(SENTENCES) and sentences.n_tokens == sum(map(len, sentences))
    assert sentences.sha256() != Sentences(documents[::-1], tokenizer.words).sha256()


@pytest.mark.parametrize("train", [word2vec.train, fasttext.train, svd.train])
def test_what_cannot_be_trained_on_is_refused(train):
    with pytest.raises(ValueError, match="give a list or an object that starts anew, not a generator"):
        train(words for words in SENTENCES)
    with pytest.raises(ValueError, match="no word stands 9999 times"):
        train(SENTENCES, min_count=9999)
    with pytest.raises(ValueError, match="vector_size must be at least 1"):
        train(SENTENCES, vector_size=0)


# fastText


@pytest.mark.parametrize("word", ["unlovely", "filmography", "x", "naïveté", "🎬🎬", "日本語"])
def test_a_word_never_seen_is_answered_as_gensim_answers_it(word):
    from gensim.models import FastText

    options = {"vector_size": 8, "epochs": 2, "min_count": 1, "workers": 1, "bucket": 300, "min_n": 2, "max_n": 4}
    theirs = FastText(SENTENCES, sg=1, sample=1e-4, seed=1, **options)
    ours = fasttext.train(SENTENCES, buckets=300, shortest=2, longest=4, **TRAIN)
    assert np.array_equal(ours.matrix, theirs.wv.vectors)
    from gensim.models.fasttext import ft_ngram_hashes

    asked = buckets_of(word, 2, 4, 300)
    assert asked == ft_ngram_hashes(word, 2, 4, 300)
    trained = [bucket for bucket in asked if bucket in set(ours.subwords.ids)]
    if trained == asked:
        np.testing.assert_allclose(ours[word], theirs.wv[word], atol=1e-6)
    elif trained:
        np.testing.assert_allclose(ours[word], theirs.wv.vectors_ngrams[trained].mean(0), atol=1e-6)
    assert word not in ours


def test_a_word_without_any_known_part_has_no_vector(grams):
    few = Subwords(grams.subwords.ids[:1], grams.subwords.rows[:1], 300, 3, 6)
    pruned = WordVectors(grams.words, grams.matrix, "x", subwords=few)
    unknown = [word for word in ("zzz", "qqq", "jjj", "vvv") if not set(buckets_of(word, 3, 6, 300)) & set(few.ids)]
    with pytest.raises(UnknownWord):
        pruned[unknown[0]]
    assert pruned.most_similar("lovely", topn=1)


def test_pruning_keeps_the_parts_of_most_words_and_meets_the_size(grams, tmp_path):
    room = (grams.matrix.size * 2 + sum(len(word) + 5 for word in grams.words) + 40 * (8 * 2 + 4)) / 1e6
    pruned = fasttext.prune(grams, room)
    assert len(pruned.subwords.ids) == 40 and np.array_equal(pruned.matrix, grams.matrix)
    counts = dict.fromkeys(grams.subwords.ids.tolist(), 0)
    for word in grams.words:
        for bucket in set(buckets_of(word, 3, 6, 300)):
            counts[bucket] += 1
    kept = pruned.subwords.ids.tolist()
    assert min(counts[bucket] for bucket in kept) >= max(n for bucket, n in counts.items() if bucket not in kept)
    folder = pruned.save_pretrained(tmp_path / "m", half=True)
    assert sum((folder / name).stat().st_size for name in ("model.safetensors", "vocabulary.json")) < room * 1e6 + 2_000
    assert fasttext.prune(grams, 16).subwords.ids.tolist() == grams.subwords.ids.tolist()
    with pytest.raises(ValueError, match="words alone take"):
        fasttext.prune(grams, 0.0001)


# Counting


def test_information_is_that_of_the_formula():
    sentences = [["a", "b", "c"], ["a", "b"], ["c", "a"]]
    words, pairs = svd.counts(sentences, window=1)
    assert words == ["a", "b", "c"]
    expected = np.array([[0, 2, 1], [2, 0, 1], [1, 1, 0]])
    assert np.array_equal(pairs.toarray(), expected)
    n, marginal = expected.sum(), expected.sum(1)
    with np.errstate(divide="ignore"):
        information = np.log2(n * expected / np.outer(marginal, marginal))
    np.testing.assert_allclose(svd.ppmi(pairs).toarray(), np.maximum(information, 0), rtol=1e-6)


def test_a_window_of_k_reaches_k_places_to_both_sides_and_not_across_sentences():
    words, pairs = svd.counts([list("abcde"), list("ab")], window=2, min_count=1)
    table = pairs.toarray()
    at = {word: place for place, word in enumerate(words)}
    assert table[at["c"]].sum() == 4 and table[at["a"], at["d"]] == 0 == table[at["e"], at["a"]]
    words, pairs = svd.counts([list("axbxc")], window=2, min_count=2, max_words=1)
    assert (words, pairs.toarray().tolist()) == (["x"], [[2.0]]), "a word that is left out keeps its place"


def test_counts_do_not_depend_on_how_many_are_counted_together(monkeypatch):
    whole = svd.counts(SENTENCES, window=3)[1].toarray()
    monkeypatch.setattr(svd, "CHUNK", 50)
    assert np.array_equal(svd.counts(SENTENCES, window=3)[1].toarray(), whole)
    assert np.array_equal(whole, whole.T)


def test_rare_contexts_tell_less_when_they_are_smoothed():
    _, pairs = svd.counts(SENTENCES, window=2)
    plain, smooth = svd.ppmi(pairs).toarray(), svd.ppmi(pairs, smoothing=0.75).toarray()
    rare, frequent = pairs.toarray().sum(0).argmin(), pairs.toarray().sum(0).argmax()
    assert smooth[:, rare].sum() < plain[:, rare].sum() and smooth[:, frequent].sum() > plain[:, frequent].sum()
    with pytest.raises(ValueError, match="smoothing must be above 0"):
        svd.ppmi(pairs, smoothing=0.0)


@pytest.mark.parametrize("sparse", [True, False])
def test_the_truncated_svd_is_the_exact_one_cut(sparse):
    from scipy.sparse import csr_matrix

    random = np.random.default_rng(0)
    matrix = random.normal(size=(60, 40)) @ np.diag(0.8 ** np.arange(40))
    left, values, right = svd.truncated_svd(csr_matrix(matrix) if sparse else matrix, 5, seed=2)
    exact = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(values, exact[1][:5], rtol=1e-6)
    np.testing.assert_allclose(left * values @ right, exact[0][:, :5] * exact[1][:5] @ exact[2][:5], atol=1e-4)
    np.testing.assert_allclose(left.T @ left, np.eye(5), atol=1e-6)
    again = svd.truncated_svd(csr_matrix(matrix) if sparse else matrix, 5, seed=2)
    assert np.array_equal(left, again[0])
    with pytest.raises(ValueError, match="size must be from 1 to 40"):
        svd.truncated_svd(matrix, 41)


def test_counted_vectors_put_words_of_like_use_together():
    random = np.random.default_rng(1)
    sentences = []
    for _ in range(600):
        group = (GOOD, BAD)[random.integers(2)]
        context = (PLAIN[:4], PLAIN[4:8])[group is BAD]
        sentences.append([str(random.choice(context)), str(random.choice(group)), str(random.choice(context))])
    vectors = svd.train(sentences, vector_size=4, window=2, min_count=1)
    assert vectors.similarity(GOOD[0], GOOD[1]) > 0.8 > vectors.similarity(GOOD[0], BAD[0]) + 0.3
    again = svd.train(sentences, vector_size=4, window=2, min_count=1)
    assert np.array_equal(vectors.matrix, again.matrix) and vectors.matrix.dtype == np.float32
    with pytest.raises(ValueError, match="too few for vectors of 50 numbers"):
        svd.train(sentences, vector_size=50, min_count=1)


def test_principal_components_are_those_of_the_covariance():
    features = np.random.default_rng(0).normal(size=(30, 6)) * [5, 3, 1, 1, 1, 0]
    found = svd.pca(features, 2)
    values = np.linalg.eigvalsh(np.cov(features.T, bias=True))[::-1]
    np.testing.assert_allclose(found.coordinates.var(0), values[:2], rtol=1e-9)
    np.testing.assert_allclose(found.share, values[:2] / values.sum(), rtol=1e-9)
    scaled = svd.pca(features, 2, normalise=True, standardise=True)
    assert np.isfinite(scaled.coordinates).all(), "a constant column has no deviation"
    with pytest.raises(ValueError, match="size must be from 1"):
        svd.pca(features, 7)


# Letters


def test_letters_are_counted_in_lower_case_with_their_accents():
    names, table = letters.letter_counts(["Àa, à!", "b é", ""])
    assert names == ["a", "b", "à", "é"] and table.tolist() == [[1, 0, 2, 0], [0, 1, 0, 1], [0, 0, 0, 0]]


def test_two_clouds_are_parted_by_a_line():
    random = np.random.default_rng(0)
    points = np.concatenate([random.normal(size=(20, 2)), random.normal((6, -3), size=(10, 2))])
    targets = np.repeat([0, 1], [20, 10])
    direction, threshold = letters.discriminant(points, targets)
    assert np.array_equal((points @ direction > threshold).astype(int), targets)
    assert np.array_equal(letters.leave_one_out(points, targets), targets)
    with pytest.raises(ValueError, match="two classes"):
        letters.discriminant(points, np.zeros(30, int))


# word2vec's files


@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.bin"])
def test_a_file_gives_back_every_bit_and_gensim_reads_it(tmp_path, name):
    from gensim.models import KeyedVectors

    vectors = word2vec.train(SENTENCES, **TRAIN)
    path = word2vec.write(vectors, tmp_path / name)
    back = word2vec.read(path)
    assert back.words == vectors.words and np.array_equal(back.matrix, vectors.matrix)
    theirs = KeyedVectors.load_word2vec_format(path, binary=name.endswith(".bin"))
    assert theirs.index_to_key == vectors.words and np.array_equal(theirs.vectors, vectors.matrix)
    some = word2vec.read(path, ["lovely", "absent"])
    assert some.words == ["lovely"] and np.array_equal(some.matrix[0], vectors["lovely"])


@pytest.mark.parametrize("binary", [True, False])
def test_files_of_gensim_are_read(tmp_path, binary):
    from gensim.models import Word2Vec

    model = Word2Vec(SENTENCES, vector_size=8, epochs=1, min_count=1, workers=1)
    path = tmp_path / ("v.bin" if binary else "v.txt")
    model.wv.save_word2vec_format(path, binary=binary)
    read = open_vectors(path)
    assert read.words == model.wv.index_to_key and np.array_equal(read.matrix, model.wv.vectors)
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(open_vectors(packed).matrix, read.matrix)
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(ValueError, match="is damaged"):
        open_vectors(packed)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("v.txt", b"the 1 2\n", "does not begin with the number of words"),
        ("v.txt", b"", "does not begin with the number of words"),
        ("v.bin", b"\x00\x01\x02", "does not begin with the number of words"),
        ("v.txt", b"2 2\nthe 1 2\nfilm 1\n", "line 3: 1 numbers where the header says 2"),
        ("v.txt", b"2 2\nthe 1 2\nfilm 1 x\n", "line 3: not 2 numbers"),
        ("v.txt", b"3 2\nthe 1 2\nfilm 1 2\n", "holds 2 words where its header says 3"),
        ("v.txt", b"1 2\ncaf\xe9 1 2\n", "is not UTF-8"),
        ("v.bin", b"2 1\nthe \x00\x00\x80?\nfilm \x00", "word 2 of 2 is not whole"),
        ("v.bin", b"1 1\nthe \x00\x00\x80?\nfilm \x00\x00\x80?\n", "goes on after the 1 words"),
        ("v.bin", b"1 1\nthe \x00\x00\xc0\x7f\n", "not all numbers are finite"),
        ("v.pkl", b"", "must end in"),
    ],
)
def test_a_damaged_file_says_where(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        word2vec.read(tmp_path / name)


def test_words_that_stand_twice_and_words_with_blanks(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("3 2\n. . . 1 2\nthe 3 4\nthe 5 6\n")
    vectors = word2vec.read(path)
    assert vectors.words == [". . .", "the"] and vectors.matrix.tolist() == [[1, 2], [3, 4]]
    assert word2vec.read(word2vec.write(vectors, tmp_path / "again.txt")).words == [". . .", "the"]
    with pytest.raises(ValueError, match=r"'\. \. \.' cannot stand in a \.bin file"):
        word2vec.write(vectors, tmp_path / "v.bin")
    with pytest.raises(ValueError, match=r"must end in \.txt, \.vec or \.bin"):
        word2vec.write(vectors, tmp_path / "v.csv")
    assert not (tmp_path / "v.bin").exists()


# Folders and checkpoints


def test_a_folder_gives_back_words_numbers_and_parts(grams, tmp_path):
    back = WordVectors.load(grams.save(tmp_path / "v"))
    assert (back.words, back.source, back.sha256) == (grams.words, grams.source, grams.sha256)
    assert np.array_equal(back.matrix, grams.matrix) and np.array_equal(back["unlovely"], grams["unlovely"])
    assert open_vectors(tmp_path / "v").made_by == grams.made_by


def test_a_folder_of_before_is_still_read(square, tmp_path):
    """words.json held source and words alone."""
    folder = square.save(tmp_path / "v")
    write_json(folder / "words.json", {"source": square.source, "words": square.words})
    back = WordVectors.load(folder)
    assert np.array_equal(back.matrix, square.matrix) and back.sha256 == square.sha256
    with pytest.raises(ValueError, match="do not say how they were made"):
        back.save_pretrained(tmp_path / "m")


def test_a_damaged_folder_says_so(square, tmp_path):
    folder = square.save(tmp_path / "v")
    write_json(folder / "words.json", {"source": "x", "words": ["a"]})
    with pytest.raises(ValueError, match="holds no word vectors of ours"):
        WordVectors.load(folder)


@pytest.mark.parametrize("half", [False, True])
def test_a_checkpoint_is_loaded_by_the_one_load(grams, tmp_path, half):
    folder = grams.save_pretrained(tmp_path / "m", half=half)
    vectors = seqzoo.load(folder)
    assert isinstance(vectors, WordVectors) and vectors.words == grams.words and vectors.matrix.dtype == np.float32
    np.testing.assert_allclose(vectors["lovely"], grams["lovely"], atol=1e-3 if half else 0)
    np.testing.assert_allclose(vectors["unlovely"], grams["unlovely"], atol=1e-3 if half else 0)
    assert [word for word, _ in vectors.most_similar("unlovely", topn=1)]
    config = read_json(folder / "config.json")
    assert (config["format"], config["task"], config["architecture"]) == (1, "word-vectors", "fasttext")
    assert vectors.source == grams.source and vectors.made_by == grams.made_by


def test_loading_a_checkpoint_needs_no_gensim(grams, tmp_path):
    folder = grams.save_pretrained(tmp_path / "m")
    code = f"""
import seqzoo, sys
print(seqzoo.load({str(folder)!r}).most_similar("unlovely", topn=1)[0][0])
print(sorted({{"gensim", "scipy", "lightning", "pandas", "tokenizers"}} & set(sys.modules)))
"""
    done = python("-c", code)
    assert done.stdout.splitlines()[1] == "[]", done.stdout + done.stderr


def test_a_changed_checkpoint_is_refused_by_file(grams, tmp_path):
    folder = grams.save_pretrained(tmp_path / "m")
    content = (folder / "vocabulary.json").read_text(encoding="utf-8")
    (folder / "vocabulary.json").write_text(content.replace("lovely", "lovelz"), encoding="utf-8")
    with pytest.raises(hub.CheckpointError, match=r"vocabulary\.json: its sha256"):
        seqzoo.load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: config["spec"].update(vocab_size=3), "spec"),
        (lambda config: config.update(labels=["a"]), "spec"),
        (lambda config: config.update(preprocessing={}), "must hold vectors, got"),
        (lambda config: config["preprocessing"]["subwords"].update(buckets=2), "buckets must be below 2"),
        (lambda config: config["preprocessing"].update(subwords={"x": 1}), "x"),
        (lambda config: config.update(task="word-vector"), "task must be one of anomaly-detection, .*, word-vectors"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(grams, tmp_path, change, words):
    folder = grams.save_pretrained(tmp_path / "m")
    config = read_json(folder / "config.json")
    change(config)
    write_json(folder / "config.json", config)
    with pytest.raises(hub.CheckpointError, match=words):
        seqzoo.load(folder)


def test_word_vectors_take_no_device(grams, tmp_path):
    folder = grams.save_pretrained(tmp_path / "m")
    with pytest.raises(ValueError, match="no device and no dtype"):
        seqzoo.load(folder, device="cuda")


def test_a_model_is_no_checkpoint_of_word_vectors(saved):
    with pytest.raises(ValueError, match="is a model for text-classification"):
        open_vectors(saved)


# Evaluation


def test_analogies_are_answered_among_all_words(square, tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text(
        ": royal\nMan King Woman Queen\nking man queen woman\nman king prince princess\n\n: wrong\nman king other queen\n"
    )
    found = evaluation.analogies(square, evaluation.read_analogies(path))
    assert found["royal"] == {"accuracy": 1.0, "n": 2, "asked": 3}
    assert found["all"]["asked"] == 4 and found["all"]["n"] == 3
    path.write_text("one two three\n")
    with pytest.raises(ValueError, match="line 1: a section"):
        evaluation.read_analogies(path)


def test_likeness_is_the_rank_correlation_with_judgements(square, tmp_path):
    from scipy.stats import spearmanr

    path = tmp_path / "pairs.tsv"
    path.write_text(
        "# judged\nfirst\tsecond\tscore\nman\tking\t8\nman\twoman\t5\nking\tqueen\t8\nman\tother\t0\nman\tprince\t9\n"
    )
    pairs = evaluation.read_pairs(path)
    found = evaluation.similarities(square, pairs)
    cosines = [square.similarity(first, second) for first, second, _ in pairs[:4]]
    assert found["n"] == 4 and found["asked"] == 5
    assert found["spearman"] == pytest.approx(spearmanr(cosines, [8, 5, 8, 0]).statistic)
    path.write_text("man\tking\t8\nman\tking\n")
    with pytest.raises(ValueError, match="line 2: two words and a number"):
        evaluation.read_pairs(path)


def test_a_vocabulary_is_json(grams, tmp_path):
    vocabulary = json.loads((grams.save_pretrained(tmp_path / "m") / "vocabulary.json").read_text(encoding="utf-8"))
    assert vocabulary == {"source": grams.source, "words": grams.words}
