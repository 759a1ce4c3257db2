"""Language identification: sentences, word pairs and single words in 79 languages."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule, find_folder, read_parquet

__all__ = ["LangID"]

LABELS = """af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gu he hi hr hu hy id is it ja ka kk ko la lg
lt lv mi mk mn mr ms nb nl nn om pa pl pt ro ru si sk sl sn so sq sr st sv sw ta te th ti tl tn tr ts uk ur vi xh yo zh zu"""
KINDS = {"sentences": "sentences", "word-pairs": "pairs", "single-words": "words"}  # the file's name -> ours
ARMENIAN_MARKS = "՚՛՜՝՞՟֊"  # written inside a word, over its stressed vowel or between its parts
ALONE = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA")  # scripts without spaces: a sign is a word


class Row(NamedTuple):
    """A text, the number of its language, and of which kind it is: `sentences`, `pairs` or `words`."""

    text: str
    target: int
    kind: str


class LangID(TextDataModule):
    """About 1,000 sentences, word pairs and single words of each language, from the Leipzig corpora as Lingua uses them.

    There is no official split. It is drawn by word, with `split_seed`: of the different sentences, of the different pairs
    and of the different single words (upper and lower case alike, all languages together) a tenth each is the test
    split, with every language that a text stands for; repeats of a text in one language are dropped first. Then the
    single words of the test split are taken out of everything else, in whatever language they stand there: a sentence
    loses them and keeps its other words (without such sentences, a fifth of all, naive Bayes loses 0.4 points on pairs and
    0.2 on words of the validation texts), a pair that holds one is dropped. So none of them stands in training, and no
    training text is equal to a test text; the words of test pairs and sentences may stand there. `validation_size`
    different texts, a third of each kind, are drawn from the training texts in the same manner, and their single words
    taken out of the rest.

    A word is an unbroken run of letters, marks and digits, case apart; each Chinese character and each kana is a word
    of its own. `words_alone` adds to the training texts every different word of a language's training sentences that
    is not shorter than its shortest training word, and `pairs_alone` so many pairs of neighbours from each sentence.

    `read` knows `train`, `test` and the test split's parts `test-sentences`, `test-pairs` and `test-words`. From
    `data_dir`, else `$SEQZOO_DATA/langid`: lingua79.parquet with `text`, `language` (its code) and `kind`
    (`sentences`, `word-pairs`, `single-words`). There is no public source of this very file that could be named here.
    """

    name = "langid"
    labels = LABELS.split()
    source = {"type": "lingua79", "config": "default"}
    language = LABELS.split()
    citation = (
        "Dirk Goldhahn, Thomas Eckart and Uwe Quasthoff: Building Large Monolingual Dictionaries at the Leipzig Corpora "
        "Collection: From 100 to 200 Languages. LREC 2012. Selected by Peter M. Stahl for Lingua. CC BY."
    )
    limits = [
        "79 languages and no class for others: a text in another language, or in none, gets one of these.",
        "Bosnian and Croatian, Bokmål, Nynorsk and Danish, Indonesian and Malay, Xhosa and Zulu share many words: a short "
        "text of one is often taken for another.",
    ]
    example = "Der Zug nach Wien hat heute Verspätung."
    drawn = True
    scored_apart = ("test-sentences", "test-pairs", "test-words")

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        max_tokens: int = 256,
        keep: str = "start",
        tokens: str = "characters",
        vocab_size: int = 5_000,
        min_frequency: int = 3,
        validation_size: int = 21_000,
        split_seed: int = 0,
        num_train: int | None = None,
        words_alone: bool = False,
        pairs_alone: int = 0,
    ):
        if pairs_alone < 0:
            raise ValueError(f"pairs_alone must be at least 0, got {pairs_alone}")
        super().__init__(
            data_dir=data_dir,
            batch_size=batch_size,
            max_tokens=max_tokens,
            keep=keep,
            tokens=tokens,
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            validation_size=validation_size,
            split_seed=split_seed,
            num_train=num_train,
        )
        self.words_alone, self.pairs_alone = words_alone, pairs_alone
        self.rows: dict[str, list[Row]] = {}
        self.word = re.compile("")

    def read(self, split: str) -> LabelledTexts:
        """`train`, `test`, `test-sentences`, `test-pairs` or `test-words`, whole."""
        if split not in (known := ("train", "test", *self.scored_apart)):
            raise ValueError(f"langid has the splits {', '.join(known)}, not {split!r}")
        self._read()
        split, _, kind = split.partition("-")
        return _labelled(row for row in self.rows[split] if kind in ("", row.kind))

    def _read(self) -> None:
        if self.rows:
            return
        folder = find_folder(self.name, self.data_dir, ("lingua79.parquet",))
        if folder is None:
            raise FileNotFoundError(
                "corpus langid has no public source to fetch; give the folder of lingua79.parquet as data_dir, "
                "or set SEQZOO_DATA to a folder that holds langid/"
            )
        columns = read_parquet(folder / "lingua79.parquet", ("text", "language", "kind"))
        number = {label: index for index, label in enumerate(self.labels)}
        try:
            rows = [
                Row(unicodedata.normalize("NFC", text), number[language], KINDS[kind])
                for text, language, kind in zip(*columns.values(), strict=True)
            ]
        except KeyError as error:
            raise ValueError(f"{folder / 'lingua79.parquet'}: {error} is no language or kind of this corpus") from None
        self.word = word_pattern(row.text for row in rows)
        rows = list({(row.text.casefold(), row.target, row.kind): row for row in reversed(rows)}.values())[::-1]
        texts = {(row.text.casefold(), row.kind) for row in rows}
        sizes = {kind: round(sum(of == kind for _, of in texts) / 10) for kind in KINDS.values()}
        held, kept = hold_out(rows, sizes, self.word, np.random.default_rng(self.split_seed))
        self.rows = {"test": held, "train": kept}

    def _divide(self, whole: LabelledTexts) -> dict[str, LabelledTexts]:
        rows, random = self.rows["train"], np.random.default_rng((self.split_seed, 1))
        if self.validation_size >= len(rows):
            raise ValueError(f"validation_size must be below the {len(rows)} training texts, got {self.validation_size}")
        third, left = divmod(self.validation_size, 3)
        sizes = {kind: third + (index < left) for index, kind in enumerate(KINDS.values())}
        held, train = hold_out(rows, sizes, self.word, random)
        if self.num_train is not None:
            if self.num_train > len(train):
                raise ValueError(f"num_train must be at most {len(train)}, got {self.num_train}")
            train = [train[index] for index in random.permutation(len(train))[: self.num_train]]
        forbidden = {" ".join(spelling(self.word, row.text)) for row in [*held, *self.rows["test"]]}
        extra = [row for row in self._alone(train, random) if row.text not in forbidden]
        return {"train": _labelled([*train, *extra]), "validation": _labelled(held)}

    def _alone(self, train: Sequence[Row], random: np.random.Generator) -> list[Row]:
        """Words and pairs of neighbours out of training sentences, in lower case."""
        shortest = dict.fromkeys(range(len(self.labels)), 10**6)
        for row in train:
            if row.kind == "words":
                shortest[row.target] = min(shortest[row.target], len(row.text))
        words, pairs = {}, []
        for row in train:
            if row.kind != "sentences":
                continue
            found = [word for word in spelling(self.word, row.text) if len(word) >= shortest[row.target]]
            if self.words_alone:
                words |= dict.fromkeys((word, row.target) for word in found)
            for place in random.permutation(max(len(found) - 1, 0))[: self.pairs_alone]:
                pairs.append(Row(f"{found[place]} {found[place + 1]}", row.target, "pairs"))
        return [Row(word, target, "words") for word, target in words] + pairs


def word_pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Matches each word of these texts: one sign of a script without spaces, else a run of letters, marks and digits."""
    signs = sorted(set().union(*({*text, *text.casefold()} for text in texts)))
    letters = [sign for sign in signs if unicodedata.category(sign)[0] in "LMN"]
    alone = {sign for sign in letters if unicodedata.name(sign, "").startswith(ALONE)}
    runs = "".join(sign for sign in [*letters, *ARMENIAN_MARKS] if sign not in alone)
    return re.compile(f"[{re.escape(runs)}]+|[{re.escape(''.join(sorted(alone)))}]" if alone else f"[{re.escape(runs)}]+")


def spelling(word: re.Pattern[str], text: str) -> list[str]:
    """The words of a text, in lower case and without inner marks of emphasis."""
    return word.findall(text.casefold().translate(dict.fromkeys(map(ord, ARMENIAN_MARKS))))


def forms(word: re.Pattern[str], text: str) -> set[str]:
    """The words of a text, and what is left of them between combining marks."""
    spelt = spelling(word, text)
    return {*spelt, *re.findall(r"\w+", " ".join(spelt))}


def hold_out(
    rows: Sequence[Row], sizes: Mapping[str, int], word: re.Pattern[str], random: np.random.Generator
) -> tuple[list[Row], list[Row]]:
    """Rows of so many different texts of each kind; and the others, without the held-out single words.

    Sentences lose those words, pairs that hold one are dropped, and so is what is then empty or equal to a held text.
    """
    chosen = set()
    for kind, size in sizes.items():
        texts = list(dict.fromkeys(row.text.casefold() for row in rows if row.kind == kind))
        if size > len(texts):
            raise ValueError(f"langid has only {len(texts)} different {kind} to draw {size} from")
        chosen |= {(texts[index], kind) for index in random.permutation(len(texts))[:size]}
    held = [row for row in rows if (row.text.casefold(), row.kind) in chosen]
    words = {"".join(spelling(word, row.text)) for row in held if row.kind == "words"}
    texts = {" ".join(spelling(word, row.text)) for row in held}
    kept = []
    for row in rows:
        if (row.text.casefold(), row.kind) in chosen:
            continue
        if words & forms(word, row.text):
            if row.kind != "sentences":
                continue
            row = row._replace(text=without(row.text, words, word))
        if (spelt := " ".join(spelling(word, row.text))) and spelt not in texts:
            kept.append(row)
    return held, kept


def without(text: str, words: set[str], word: re.Pattern[str]) -> str:
    """A text less these words, its white space closed up."""
    shorter = word.sub(lambda found: " " if words & forms(word, found[0]) else found[0], text)
    return " ".join(shorter.split())


def _labelled(rows: Iterable[Row]) -> LabelledTexts:
    rows = list(rows)
    return LabelledTexts([row.text for row in rows], np.array([row.target for row in rows], dtype=np.int64))
