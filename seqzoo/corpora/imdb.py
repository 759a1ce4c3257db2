"""IMDB film reviews, negative or positive: 25,000 to train, 25,000 to test, 50,000 unlabelled."""

import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule, find_folder, load_from_hub, read_parquet

__all__ = ["IMDB"]

FILES = ("train.parquet", "test.parquet")
SIZES = {"train": 25_000, "test": 25_000, "unsupervised": 50_000}


class IMDB(TextDataModule):
    """Large Movie Review Dataset (Maas et al., 2011).

    From `data_dir`, else `$SEQZOO_DATA/imdb`, else `stanfordnlp/imdb` on the Hugging Face Hub: columns `text` and `label`
    (0 negative, 1 positive, -1 in `unsupervised`). There is no official validation split: it is drawn from train.
    123 texts stand both in train and in test; the official test split is used as it is.
    """

    name = "imdb"
    labels = ["negative", "positive"]
    source = {"type": "stanfordnlp/imdb", "config": "plain_text"}
    language = ["en"]
    citation = (
        "Andrew L. Maas, Raymond E. Daly, Peter T. Pham, Dan Huang, Andrew Y. Ng and Christopher Potts: "
        "Learning Word Vectors for Sentiment Analysis. ACL 2011."
    )
    limits = [
        "English film reviews written before 2011, clearly positive or negative (ratings from 1 to 4 and from 7 to 10): "
        "there is no neutral class, and other kinds of text, other languages and short remarks were not measured.",
        "123 texts of the official test split stand in train as well; they are counted.",
    ]
    example = "A slow start, but what a finale!"
    fingerprinted = ("train", "test", "unsupervised")
    unlabelled = ("unsupervised",)

    def read(self, split: str) -> LabelledTexts:
        """`train`, `test` or `unsupervised`. ValueError for another name or a damaged file."""
        if split not in SIZES:
            raise ValueError(f"imdb has the splits {', '.join(SIZES)}, not {split!r}")
        folder = find_folder(self.name, self.data_dir, FILES if split != "unsupervised" else (f"{split}.parquet",))
        if folder is None:
            rows = load_from_hub(self.name, self.source["type"], split)
            return LabelledTexts(rows["text"][:], np.asarray(rows["label"][:], dtype=np.int64))
        rows = read_parquet(folder / f"{split}.parquet", ("text", "label"))
        return LabelledTexts(rows["text"], np.asarray(rows["label"], dtype=np.int64))
