"""The verbs of `seqzoo embed`: word vectors trained, read, asked, measured, drawn, written and published."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["add"]

KINDS = {"word2vec": "word2vec: skip-gram, or CBOW", "fasttext": "fastText: words and their parts", "svd": "PMI and SVD"}
TRAINING = "training.json"
MEGABYTES = 16
SHOWN = 60  # words of a plot where none are named


def add(parser: argparse.ArgumentParser) -> None:
    """Give the verb `embed` its own verbs."""
    verbs = parser.add_subparsers(dest="embed", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], None], description: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=description, description=description)
        sub.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress bar, no messages")
        sub.add_argument("--json", action="store_true", help="for programs")
        sub.set_defaults(run=run)
        return sub

    for kind, told in KINDS.items():
        sub = verb(kind, _train, f"train word vectors on a corpus: {told}")
        _corpus(sub)
        sub.add_argument("--out", type=Path, required=True, help="folder of the vectors")
        sub.add_argument("--vector-size", type=int, default=100)
        sub.add_argument("--window", type=int, default=5, help="words to each side")
        sub.add_argument("--min-count", type=int, default=5, help="words that stand less often are left out")
        sub.add_argument("--max-words", type=int, default=30_000, help="the most frequent words that are kept")
        sub.add_argument("--seed", type=int, default=1)
        if kind == "svd":
            sub.add_argument("--smoothing", type=float, default=0.75, help="of context counts; 1 is the plain formula")
            sub.add_argument("--power", type=float, default=0.5, help="of the singular values")
        else:
            sub.add_argument("--epochs", type=int, default=5)
            sub.add_argument("--cbow", action="store_true", help="CBOW in place of skip-gram")
            sub.add_argument("--negative", type=int, default=5)
            sub.add_argument("--workers", type=int, default=0, help="threads; 0 is one per core, 1 repeats every bit")
        if kind == "fasttext":
            sub.add_argument("--shortest", type=int, default=3, help="characters of an n-gram")
            sub.add_argument("--longest", type=int, default=6)
            sub.add_argument("--buckets", type=int, default=200_000)

    sub = verb("glove", _glove, "read GloVe vectors, of all words or those of a corpus, into a folder")
    _corpus(sub, required=False)
    sub.add_argument("--out", type=Path, required=True, help="folder of the vectors")
    sub.add_argument("--dimension", type=int, help="numbers per vector: 50, 100, 200 or 300")
    sub.add_argument("--file", type=Path, help="a .txt, .txt.gz or .zip of your own")
    sub.add_argument("--gensim", metavar="NAME", help="by gensim's downloader, as glove-wiki-gigaword-100")
    sub.add_argument("--download", action="store_true", help="fetch glove.6B.zip from Stanford (862 MB) if it is not here")
    sub.add_argument("--max-words", type=int, default=30_000, help="the most frequent words of the corpus that are kept")
    sub.add_argument("--min-count", type=int, default=1, help="words of the corpus that stand less often are left out")

    sub = verb("neighbours", _neighbours, "the words nearest to a word by cosine")
    sub.add_argument("word")
    sub = _vectors(sub)
    sub.add_argument("--top", type=int, default=10)

    sub = verb("analogy", _analogy, "king man woman: what is to woman as king is to man")
    sub.add_argument("word", nargs=3)
    sub = _vectors(sub)
    sub.add_argument("--top", type=int, default=10)

    sub = _vectors(verb("evaluate", _evaluate, "analogies, likeness beside people's judgement, and neighbours"))
    sub.add_argument("--analogies", type=Path, help="file of Google's form; else gensim's questions-words.txt")
    sub.add_argument("--pairs", type=Path, help="two words and a judgement per line; else gensim's wordsim353.tsv")
    sub.add_argument("--words", nargs="+", default=[], help="words whose neighbours are shown")

    sub = _vectors(verb("plot", _plot, "words as points in two dimensions"))
    sub.add_argument("--words", nargs="+", help=f"else the {SHOWN} most frequent")
    sub.add_argument("--method", choices=("pca", "t-sne"), default="pca", help="t-sne needs scikit-learn")
    sub.add_argument("--out", type=Path, required=True, help=".svg, .html, or .png with matplotlib")

    sub = _vectors(verb("export", _export, "write the vectors for other programs"))
    sub.add_argument("--format", choices=("word2vec",), default="word2vec")
    sub.add_argument("--out", type=Path, required=True, help=".txt or .vec for text, .bin for binary")

    sub = verb("publish", _publish, "make a checkpoint with a card of a folder of trained vectors")
    sub.add_argument("folder", type=Path, help="what word2vec, fasttext or svd wrote")
    sub.add_argument("name", help="name of the checkpoint")
    sub.add_argument("--label", required=True, help="one line that says what it is")
    sub.add_argument("--chosen", required=True, help="a sentence on how the settings were chosen")
    sub.add_argument("--limit", action="append", default=[], help="a sentence on what it cannot do")
    sub.add_argument("--words", nargs="+", required=True, help="words whose neighbours the card shows")
    sub.add_argument("--unseen", nargs="+", default=[], help="words outside the vocabulary, for fastText")
    sub.add_argument("--megabytes", type=float, default=MEGABYTES, help="parts of words are left out to meet it")

    sub = verb("salammbo", _salammbo, "Flaubert's chapters in French and English, told apart by their letters")
    sub.add_argument("--data-dir", help="folder of the chapters; else $SEQZOO_DATA/salammbo")
    sub.add_argument("--out", type=Path, help="plot: .svg, .html, or .png with matplotlib")

    sub = verb("curve", _curve, "accuracy against the number of labelled texts, for each initialiser; goes on where it was")
    sub.add_argument("--config", default="embeddings/imdb-embed-mlp", help="recipe (embeddings/imdb-embed-mlp)")
    sub.add_argument("--initialisers", nargs="+", help="overlays in recipes/initialise; else all")
    sub.add_argument(
        "--sizes", nargs="+", type=_texts, help="labelled texts, or all (200 500 2000 10000, up to half of them, and all)"
    )
    sub.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    sub.add_argument("--out", type=Path, default=Path("results/learning_curve.csv"), help="a row per cell; plot beside it")
    sub.add_argument("--data-dir", help="folder of the corpus")
    sub.add_argument("--set", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"), help="a setting, as data.keep")
    sub.add_argument("--validation-only", action="store_true", help="leave test alone, while settings are chosen")


def _corpus(sub: argparse.ArgumentParser, required: bool = True) -> None:
    sub.add_argument("--corpus", required=required, help="corpus whose texts are read")
    sub.add_argument("--split", action="append", help="its splits, more than once; else what it has to read without labels")
    sub.add_argument("--data-dir", help="folder of the corpus")


def _texts(given: str) -> int | str:
    """A number of texts, or `all`."""
    if given != "all" and not given.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number or 'all', got {given!r}")
    return given if given == "all" else int(given)


def _vectors(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub.add_argument("--vectors", default="imdb-word2vec", help="checkpoint, folder, or .txt, .vec, .bin, .gz file")
    return sub


def _say(options: argparse.Namespace, value: Any, lines: list[str]) -> None:
    """One JSON value, or lines for people."""
    print(json.dumps(value, ensure_ascii=False) if options.json else "\n".join(lines))


def _read_corpus(options: argparse.Namespace) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Texts of a corpus as Sentences, its tokenizer's settings, and what was read."""
    from seqzoo import factory
    from seqzoo.embeddings.sentences import Sentences
    from seqzoo.preprocessing.tokenizer import Tokenizer

    data = factory.create_datamodule(options.corpus, **({"data_dir": options.data_dir} if options.data_dir else {}))
    splits = options.split or list(data.unlabelled)
    if forbidden := {"validation", "test"} & set(splits):
        raise ValueError(f"vectors must not be trained on {sorted(forbidden)[0]} texts")
    texts = {split: data.texts(split) for split in splits}
    texts = {split: own for split, own in texts.items() if len(own)}
    every = [text for own in texts.values() for text in own]
    tokenizer = Tokenizer.fit(every, vocab_size=options.max_words + 2, min_frequency=options.min_count)
    sentences = Sentences(tokenizer.encode(every), tokenizer.words, (tokenizer.pad_index, tokenizer.unknown_index))
    read = {"corpus": options.corpus, "texts": {split: len(own) for split, own in texts.items()}}
    read |= {"tokens": sentences.n_tokens, "texts_sha256": sentences.sha256()}
    facts = {**data.source, "language": data.language, "citation": data.citation}
    return sentences, read, facts


def _train(options: argparse.Namespace) -> None:
    import os

    from seqzoo import hub
    from seqzoo.embeddings import fasttext, svd, word2vec
    from seqzoo.embeddings.vectors import WordVectors
    from seqzoo.fitting import machine

    word2vec.check(options.vector_size, options.window, 1, options.min_count, 1)
    sentences, read, facts = _read_corpus(options)
    named = {key: getattr(options, key) for key in ("vector_size", "window", "seed")}
    named |= {"min_count": 1, "progress": not options.quiet}  # rarer words are left out already
    epochs, started = 1, time.monotonic()
    if options.embed == "svd":
        named |= {"max_words": options.max_words, "smoothing": options.smoothing, "power": options.power}
        vectors = svd.train(sentences, **named)
    else:
        epochs, workers = options.epochs, options.workers or os.cpu_count() or 1
        named |= {"epochs": epochs, "skip_gram": not options.cbow, "negative": options.negative, "workers": workers}
        if options.embed == "fasttext":
            named |= {key: getattr(options, key) for key in ("shortest", "longest", "buckets")}
        vectors = {"word2vec": word2vec, "fasttext": fasttext}[options.embed].train(sentences, **named)
    seconds = time.monotonic() - started
    texts = " and ".join(f"{count} of {split}" for split, count in read["texts"].items())
    made_by = {**vectors.made_by, "min_count": options.min_count, "corpus": options.corpus, "texts": read["texts"]}
    source = f"{vectors.source}, texts: {texts} of {options.corpus}"
    vectors = WordVectors(vectors.words, vectors.matrix, source, "", vectors.subwords, made_by)
    folder = vectors.save(options.out)
    training = {**read, "epochs": epochs, "seconds": round(seconds, 1), "machine": machine()}
    training["max_words"] = options.max_words
    training |= {"workers": named.get("workers", 1), "words_per_second": round(read["tokens"] * epochs / seconds)}
    training["data"] = facts
    with hub.replace_file(folder / TRAINING) as file:
        file.write((json.dumps(training, indent=2, ensure_ascii=False) + "\n").encode())
    done = {"folder": str(folder), "words": len(vectors), "vector_size": vectors.size, "sha256": vectors.sha256, **training}
    speed = f"{training['words_per_second']:,} words/s"
    _say(options, done, [f"{folder}\t{len(vectors):,} words of {vectors.size} numbers in {seconds:.0f} s, {speed}"])


def _glove(options: argparse.Namespace) -> None:
    from seqzoo.embeddings import glove
    from seqzoo.embeddings.opening import open_vectors

    if sum(given is not None for given in (options.dimension, options.file, options.gensim)) != 1 and not (
        options.file is not None and options.gensim is None
    ):
        raise ValueError("give one of --dimension, --file (with --dimension for a .zip) and --gensim")
    words = _read_corpus(options)[0].words if options.corpus else None
    if options.gensim:
        vectors = glove.from_gensim(options.gensim, words)
    elif options.file:
        vectors = open_vectors(options.file, words, options.dimension)
    else:
        if options.download:
            try:
                path = glove.find(options.dimension)
            except FileNotFoundError:
                path = glove.download(progress=not options.quiet)
        else:
            path = glove.find(options.dimension)
        vectors = glove.read(path, words, dimension=options.dimension)
    folder = vectors.save(options.out)
    done = {"folder": str(folder), "words": len(vectors), "vector_size": vectors.size, "sha256": vectors.sha256}
    covered = f" for {len(vectors) / max(len(words), 1):.1%} of the corpus's words" if words else ""
    _say(options, done, [f"{folder}\t{len(vectors):,} words of {vectors.size} numbers{covered}"])


def _pairs(options: argparse.Namespace, found: list[tuple[str, float]]) -> None:
    lines = [f"{word}\t{cosine:.4f}" for word, cosine in found]
    _say(options, [{"word": word, "cosine": round(cosine, 6)} for word, cosine in found], lines)


def _neighbours(options: argparse.Namespace) -> None:
    from seqzoo.embeddings.opening import open_vectors

    _pairs(options, open_vectors(options.vectors).most_similar(options.word, topn=options.top))


def _analogy(options: argparse.Namespace) -> None:
    from seqzoo.embeddings.opening import open_vectors

    _pairs(options, open_vectors(options.vectors).analogy(*options.word, topn=options.top))


def _evaluate(options: argparse.Namespace) -> None:
    from seqzoo.embeddings.opening import open_vectors

    found = _measure(open_vectors(options.vectors), options.words, options.analogies, options.pairs)
    lines = [
        f"{name}\taccuracy {row['accuracy']:.4f} of {row['n']} questions ({row['asked']} asked)"
        for name, row in found.get("analogies", {}).items()
    ]
    if "similarity" in found:
        row = found["similarity"]
        lines.append(f"similarity\tSpearman {row['spearman']:.4f} over {row['n']} pairs ({row['asked']} asked)")
    lines += [f"{word}\t{', '.join(near for near, _ in own)}" for word, own in found["neighbours"].items()]
    _say(options, found, lines)


def _measure(vectors: Any, words: list[str], analogies: Path | None = None, pairs: Path | None = None) -> dict[str, Any]:
    """Analogies and likeness by the files given, else by gensim's copies where it brings them; neighbours of words."""
    from seqzoo.embeddings import evaluation

    found: dict[str, Any] = {}
    if questions := analogies or _gensims("questions-words.txt"):
        found["analogies"] = evaluation.analogies(vectors, evaluation.read_analogies(questions))
    if judged := pairs or _gensims("wordsim353.tsv"):
        found["similarity"] = evaluation.similarities(vectors, evaluation.read_pairs(judged))
    near = {word: vectors.most_similar(word, topn=8) for word in words}
    found["neighbours"] = {word: [[other, round(cosine, 4)] for other, cosine in own] for word, own in near.items()}
    return found


def _gensims(name: str) -> Path | None:
    from gensim.test.utils import datapath

    path = Path(datapath(name))
    return path if path.is_file() else None


def _plot(options: argparse.Namespace) -> None:
    import numpy as np

    from seqzoo import plots
    from seqzoo.embeddings import svd
    from seqzoo.embeddings.opening import open_vectors

    vectors = open_vectors(options.vectors)
    words = options.words or vectors.words[:SHOWN]
    rows = np.stack([vectors[word] for word in words])
    if len(words) < 3:
        raise ValueError(f"a plot needs at least three words, got {len(words)}")
    if options.method == "pca":
        points = svd.pca(rows, 2, normalise=True).coordinates
    else:
        try:
            from sklearn.manifold import TSNE
        except ImportError:
            raise ValueError("t-sne needs scikit-learn (pip install scikit-learn); --method pca needs nothing") from None
        points = TSNE(2, perplexity=min(30, len(words) / 3), metric="cosine", random_state=0).fit_transform(rows)
    path = plots.save(plots.scatter(points.tolist(), words, [0] * len(words), vectors.source), options.out)
    _say(options, {"file": str(path), "words": words, "points": points.tolist()}, [str(path)])


def _export(options: argparse.Namespace) -> None:
    from seqzoo.embeddings import word2vec
    from seqzoo.embeddings.opening import open_vectors

    vectors = open_vectors(options.vectors)
    path = word2vec.write(vectors, options.out)
    _say(options, {"file": str(path), "words": len(vectors)}, [f"{path}\t{len(vectors):,} words"])


def _publish(options: argparse.Namespace) -> None:
    """All is made and measured in a folder beside the checkpoint's own, which is written when it is known to be right."""
    import tempfile
    from dataclasses import replace

    from seqzoo import cards, catalog, hub, verification
    from seqzoo.embeddings import fasttext
    from seqzoo.embeddings.vectors import WordVectors

    training = json.loads((options.folder / TRAINING).read_text(encoding="utf-8"))
    facts = training.pop("data")
    trained = WordVectors.load(options.folder)
    vectors, room = trained, options.megabytes - 0.1  # the card and config.json
    if trained.subwords is not None:
        vectors = fasttext.prune(trained, room)
    target = catalog.resource("checkpoints") / options.name
    hub.check_place(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{options.name}.publishing-", dir=target.parent) as place:
        folder = replace(vectors, sha256="").save_pretrained(Path(place) / options.name, half=True)
        started = time.perf_counter()
        published = hub.load(f"local-dir:{folder}")
        loaded = time.perf_counter() - started
        parts = {"kept": len(vectors.subwords.ids), "trained": len(trained.subwords.ids)} if vectors.subwords else None
        numbers = {
            "label": options.label,
            **_measure(published, [*options.words, *options.unseen]),
            "unseen": options.unseen,
            "words": len(published),
            "vector_size": published.size,
            **({"parts": parts} if parts else {}),
            "training": {
                **training,
                "chosen": options.chosen,
                "seed": published.made_by["seed"],
                "source": published.source,
            },
            "data": facts,
            "bytes": sum(file.stat().st_size for file in folder.iterdir()),
            "load_seconds": round(loaded, 3),
            "limits": options.limit,
        }
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        texts = {
            "metrics.json": json.dumps(numbers, indent=2, ensure_ascii=False) + "\n",
            "README.md": cards.render_vectors(options.name, config, numbers),
        }
        size = numbers["bytes"] + sum(len(text.encode()) for text in texts.values())
    if size > options.megabytes * 1e6:
        raise ValueError(
            f"{options.name} takes {size / 1e6:.1f} MB, more than {options.megabytes}; train fewer words or numbers"
        )
    folder = published.save_pretrained(target, half=True, texts=texts)
    verification.enter(folder, options.name, options.label)
    _say(options, numbers, [f"{folder}\t{size / 1e6:.1f} MB, {len(published):,} words"])


def _salammbo(options: argparse.Namespace) -> None:
    from seqzoo import factory, plots
    from seqzoo.embeddings import letters, svd

    data = factory.create_datamodule("salammbo", **({"data_dir": options.data_dir} if options.data_dir else {}))
    chapters = data.chapters()
    names, counts = letters.letter_counts(chapters.texts)
    found = svd.pca(counts, 2, normalise=True, standardise=True)  # as the lectures prepare the table
    direction, threshold = letters.discriminant(found.coordinates, chapters.targets)
    guesses = (found.coordinates @ direction > threshold).astype(int)
    others = letters.leave_one_out(found.coordinates, chapters.targets)
    called = [f"{number % 15 + 1}_{'fr' if number < 15 else 'en'}" for number in range(len(counts))]
    result = {
        "letters": names,
        "counts": dict(zip(called, counts.tolist(), strict=True)),
        "coordinates": dict(zip(called, found.coordinates.round(6).tolist(), strict=True)),
        "share": found.share.round(6).tolist(),
        "right": {
            label: int((guesses == chapters.targets)[chapters.targets == n].sum()) for n, label in enumerate(data.labels)
        },
        "right_by_the_others": int((others == chapters.targets).sum()),
        "n": len(counts),
    }
    if options.out:
        points = found.coordinates.tolist()
        plots.save(
            plots.scatter(points, called, chapters.targets.tolist(), "Salammbô: letters, two dimensions"), options.out
        )
    shown = [letter for letter in "aeikwéà" if letter in names]
    lines = ["chapter  letters  " + "  ".join(f"{letter:>5}" for letter in shown) + "        x        y  told as"]
    for name, row, point, guess in zip(called, counts, found.coordinates, guesses, strict=True):
        cells = "  ".join(f"{row[names.index(letter)]:>5}" for letter in shown)
        lines.append(f"{name:<7}  {row.sum():>7}  {cells}  {point[0]:>7.3f}  {point[1]:>7.3f}  {data.labels[guess]}")
    right = ", ".join(f"{label} {count} of 15" for label, count in result["right"].items())
    lines.append(f"told apart on two coordinates: {right}; each by the other 29: {result['right_by_the_others']} of 30")
    _say(options, result, lines)


def _curve(options: argparse.Namespace) -> None:
    from seqzoo import catalog, curves

    known = catalog.initialisers()
    chosen = options.initialisers or known
    if unknown := [name for name in chosen if name not in known]:
        raise catalog.UnknownName(f"there is no initialiser {unknown[0]!r}; {catalog.hint(unknown[0], known)}")
    rows = curves.run(
        options.config,
        chosen,
        options.sizes,
        options.seeds,
        options.out,
        data_dir=options.data_dir,
        changes=dict(options.set),
        test=not options.validation_only,
        progress=not options.quiet,
    )
    for row in rows:
        told = [f"{row['initialiser']}, {row['size']} texts, seed {row['seed']}: "]
        told += [
            f"{kind} {float(row[f'{kind}_accuracy']):.4f} " for kind in ("validation", "test") if row[f"{kind}_accuracy"]
        ]
        _say(options, row, ["".join(told).rstrip()])
    plot = curves.plot(options.out)
    if plot is not None and not options.json:
        print(plot)
