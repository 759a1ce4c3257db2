"""Reuters newswire of 1987, one topic per story: R52 or R8 of the ModApte split."""

from collections import Counter

import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule, find_folder, load_from_hub, official, read_parquet

__all__ = ["Reuters21578"]

COLUMNS = ("lewissplit", "has_topics", "topics", "title", "text")
SUBSETS = ("r52", "r8")


class Reuters21578(TextDataModule):
    """Reuters-21578 (Lewis, 1997), ModApte split, stories of exactly one topic; title and text.

    `subset="r52"`: the 52 topics with such stories on both sides (6,532 and 2,568); `r8`: the eight largest topics. Not
    comparable with the 46 topics of Keras's `reuters.npz`, which is other data.

    From `data_dir`, else `$SEQZOO_DATA/reuters21578/all.parquet` (`lewissplit`, `has_topics`, `topics`, `title`,
    `text`), else `ucirvine/reuters21578` on the Hub in its configuration `ModApte`.
    """

    name = "reuters21578"
    source = {"type": "ucirvine/reuters21578", "config": "ModApte"}
    language = ["en"]
    citation = "David D. Lewis: Reuters-21578 Text Categorization Test Collection, distribution 1.0. 1997."
    limits = ["Financial newswire of 1987; nine topics in ten are rare, so accuracy hides them: see macro F1."]
    example = "Oil prices rose today after OPEC ministers agreed to cut crude production."

    def __init__(
        self,
        *,
        subset: str = "r52",
        data_dir: str | None = None,
        batch_size: int = 64,
        max_tokens: int = 512,
        keep: str = "start",
        tokens: str = "words",
        vocab_size: int = 20_000,
        min_frequency: int = 2,
        validation_size: int = 650,
        split_seed: int = 0,
        num_train: int | None = None,
    ):
        if subset not in SUBSETS:
            raise ValueError(f"subset must be one of {', '.join(SUBSETS)}, got {subset!r}")
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
        self.subset = subset
        self.stories: dict[str, list[tuple[str, str]]] | None = None

    @property
    def labels(self) -> list[str]:
        """The subset's topics in alphabetical order."""
        return self._topics()

    def read(self, split: str) -> LabelledTexts:
        """`train` or `test`, whole."""
        official(self.name, split)
        number = {topic: index for index, topic in enumerate(self._topics())}
        stories = [(text, number[topic]) for topic, text in self._single()[split] if topic in number]
        return LabelledTexts([text for text, _ in stories], np.array([index for _, index in stories], dtype=np.int64))

    def _topics(self) -> list[str]:
        counts = {split: Counter(topic for topic, _ in stories) for split, stories in self._single().items()}
        both = [topic for topic in counts["train"] if topic in counts["test"]]
        if self.subset == "r8":
            both = sorted(both, key=lambda topic: -counts["train"][topic])[:8]
        return sorted(both)

    def _single(self) -> dict[str, list[tuple[str, str]]]:
        """Topic and text of each ModApte story with one topic, by split."""
        if self.stories is None:
            self.stories = {split: [] for split in ("train", "test")}
            for split, topics, text in self._modapte():
                if len(topics) == 1:
                    self.stories[split].append((topics[0], text))
        return self.stories

    def _modapte(self) -> list[tuple[str, list[str], str]]:
        folder = find_folder(self.name, self.data_dir, ("all.parquet",))
        if folder is None:
            return [
                (split, row["topics"], f"{row['title']}\n{row['text']}")
                for split in ("train", "test")
                for row in load_from_hub(self.name, self.source["type"], split, self.source["config"])
            ]
        rows = read_parquet(folder / "all.parquet", COLUMNS)
        return [
            (split.lower(), topics, f"{title or ''}\n{text or ''}")
            for split, has, topics, title, text in zip(*rows.values(), strict=True)
            if split in ("TRAIN", "TEST") and has == "YES"
        ]
