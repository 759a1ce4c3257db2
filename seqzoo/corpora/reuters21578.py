"""Reuters newswire of 1987, ModApte split: one of 52 or 8 topics per story, or any of 90."""

from collections import Counter

import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule, find_folder, load_from_hub, official, read_parquet

__all__ = ["Reuters21578"]

COLUMNS = ("lewissplit", "has_topics", "topics", "title", "text")
SUBSETS = ("r52", "r8", "topics")


class Reuters21578(TextDataModule):
    """Reuters-21578 (Lewis, 1997), ModApte split; title and text.

    `subset="r52"`: stories of exactly one topic, of the 52 topics with such stories on both sides (6,532 and 2,568); `r8`:
    the eight largest topics. `topics`: all stories (9,603 and 3,299) and the 90 topics that stand on both sides; a story
    has several of them or, like 280 of the test stories, none. Not comparable with the 46 topics of Keras's
    `reuters.npz`, which is other data.

    From `data_dir`, else `$SEQZOO_DATA/reuters21578/all.parquet` (`lewissplit`, `has_topics`, `topics`, `title`,
    `text`), else `ucirvine/reuters21578` on the Hub in its configuration `ModApte`.
    """

    name = "reuters21578"
    source = {"type": "ucirvine/reuters21578", "config": "ModApte"}
    language = ["en"]
    citation = "David D. Lewis: Reuters-21578 Text Categorization Test Collection, distribution 1.0. 1997."
    limits = ["Financial newswire of 1987; most topics are rare, so numbers over all stories hide them: see macro F1."]
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
        self.subset, self.multi_label = subset, subset == "topics"
        self.stories: dict[str, list[tuple[list[str], str]]] | None = None

    @property
    def labels(self) -> list[str]:
        """The subset's topics in alphabetical order."""
        return self._topics()

    def read(self, split: str) -> LabelledTexts:
        """`train` or `test`, whole."""
        official(self.name, split)
        number = {topic: index for index, topic in enumerate(self._topics())}
        stories = self._stories()[split]
        if self.multi_label:
            targets = np.zeros((len(stories), len(number)), dtype=np.int64)
            for row, (topics, _) in enumerate(stories):
                targets[row, [number[topic] for topic in topics if topic in number]] = 1
            return LabelledTexts([text for _, text in stories], targets)
        kept = [(text, number[topics[0]]) for topics, text in stories if topics[0] in number]
        return LabelledTexts([text for text, _ in kept], np.array([index for _, index in kept], dtype=np.int64))

    def _topics(self) -> list[str]:
        counts = {split: Counter(topic for topics, _ in told for topic in topics) for split, told in self._stories().items()}
        both = [topic for topic in counts["train"] if topic in counts["test"]]
        if self.subset == "r8":
            both = sorted(both, key=lambda topic: -counts["train"][topic])[:8]
        return sorted(both)

    def _stories(self) -> dict[str, list[tuple[list[str], str]]]:
        """Topics and text of each ModApte story, by split; only those of one topic but for `topics`."""
        if self.stories is None:
            self.stories = {split: [] for split in ("train", "test")}
            for split, topics, text in self._modapte():
                if self.multi_label or len(topics) == 1:
                    self.stories[split].append((topics, text))
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
