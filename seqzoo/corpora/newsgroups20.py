"""20 Newsgroups: messages to twenty Usenet groups; by date, or a random split."""

import re

import numpy as np

from seqzoo.corpora.datamodule import (
    LabelledTexts,
    TextDataModule,
    draw,
    find_folder,
    load_from_hub,
    official,
    read_parquet,
)

__all__ = ["Newsgroups20"]

LABELS = """alt.atheism comp.graphics comp.os.ms-windows.misc comp.sys.ibm.pc.hardware comp.sys.mac.hardware comp.windows.x
misc.forsale rec.autos rec.motorcycles rec.sport.baseball rec.sport.hockey sci.crypt sci.electronics sci.med sci.space
soc.religion.christian talk.politics.guns talk.politics.mideast talk.politics.misc talk.religion.misc"""
QUOTE = re.compile(r"^(?:[>|:]|\S{0,4}>)|\b(?:writes in|writes:|wrote:|says:|said:|In article|Quoted from)")
PARTS = ("none", "headers", "all")


class Newsgroups20(TextDataModule):
    """20 Newsgroups *bydate* (Lang, 1995; Rennie's split): 11,314 messages to train, 7,532 later ones to test.

    `remove` says what is taken out of a message: `none`, its `headers`, or `all` (headers, quotations and signature),
    which costs 10 to 15 points of accuracy, since headers and quotations tell group and thread. `split="random"` draws
    a fifth of all 18,846 messages as test with `split_seed`, as some lectures do: easier, since threads fall on both sides.

    From `data_dir`, else `$SEQZOO_DATA/newsgroups20` (train.parquet and test.parquet with `text` and `label`), else
    `SetFit/20_newsgroups` on the Hub, whose messages come without headers: it is refused unless `remove` is `all`.
    """

    name = "newsgroups20"
    labels = LABELS.split()
    source = {"type": "SetFit/20_newsgroups", "config": "default"}
    language = ["en"]
    citation = "Ken Lang: NewsWeeder: Learning to Filter Netnews. ICML 1995. Split by date: Jason Rennie, 20news-bydate."
    limits = ["Usenet of 1993 on these twenty subjects; addresses and machine names of that time count as words."]
    example = "Subject: Re: Shuttle launch\n\nDoes anyone know when the next shuttle mission reaches orbit?"

    def __init__(
        self,
        *,
        remove: str = "none",
        split: str = "bydate",
        data_dir: str | None = None,
        batch_size: int = 64,
        max_tokens: int = 512,
        keep: str = "start",
        tokens: str = "words",
        vocab_size: int = 20_000,
        min_frequency: int = 2,
        validation_size: int = 1_100,
        split_seed: int = 0,
        num_train: int | None = None,
        vocabulary_splits: list[str] | None = None,
    ):
        if remove not in PARTS:
            raise ValueError(f"remove must be one of {', '.join(PARTS)}, got {remove!r}")
        if split not in ("bydate", "random"):
            raise ValueError(f"split must be bydate or random, got {split!r}")
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
            vocabulary_splits=vocabulary_splits,
        )
        self.remove, self.split, self.drawn = remove, split, split == "random"

    def read(self, split: str) -> LabelledTexts:
        """`train` or `test`, whole."""
        official(self.name, split)
        if self.split == "bydate":
            return self._bydate(split)
        train, test = self._bydate("train"), self._bydate("test")
        whole = LabelledTexts([*train.texts, *test.texts], np.concatenate([train.targets, test.targets]))
        return draw(whole, 0.2, self.split_seed)[split]

    def _bydate(self, split: str) -> LabelledTexts:
        folder = find_folder(self.name, self.data_dir, ("train.parquet", "test.parquet"))
        if folder is not None:
            rows = read_parquet(folder / f"{split}.parquet", ("text", "label"))
        elif self.remove == "all":
            rows = load_from_hub(self.name, self.source["type"], split)
        else:
            raise ValueError(
                f"newsgroups20: {self.source['type']} on the Hub has no headers; use remove='all', "
                "or give whole messages by data_dir or SEQZOO_DATA"
            )
        texts = [without(text, self.remove) for text in rows["text"][:]]
        return LabelledTexts(texts, np.asarray(rows["label"][:], dtype=np.int64))


def without(message: str, remove: str) -> str:
    """A message less its headers (up to the first empty line), or less quoted lines and signature too."""
    if remove == "none":
        return message
    head, gap, body = message.partition("\n\n")
    body = body if gap else head
    if remove == "headers":
        return body
    lines = [line for line in body.split("\n") if not QUOTE.search(line)]
    while lines and not lines[-1].strip(" -"):
        lines.pop()
    for back in range(len(lines) - 1, max(len(lines) - 8, 0), -1):  # a short last block under a rule or empty line
        if not lines[back].strip(" -"):
            return "\n".join(lines[:back])
    return "\n".join(lines)
