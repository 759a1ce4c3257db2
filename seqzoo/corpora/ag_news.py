"""AG News: 120,000 news items to train, 7,600 to test; world, sports, business, science and technology."""

import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule, find_folder, load_from_hub, official, read_parquet

__all__ = ["AGNews"]


class AGNews(TextDataModule):
    """AG's corpus, four largest classes (Zhang et al., 2015).

    From `data_dir`, else `$SEQZOO_DATA/ag_news` (train.parquet and test.parquet with `text` and `label` from 0), else
    `fancyzhx/ag_news` on the Hub. No checkpoint is published for it: nothing here was trained on the real data.
    """

    name = "ag_news"
    labels = ["World", "Sports", "Business", "Sci/Tech"]
    source = {"type": "fancyzhx/ag_news", "config": "default"}
    language = ["en"]
    citation = (
        "Xiang Zhang, Junbo Zhao and Yann LeCun: Character-level Convolutional Networks for Text Classification. 2015."
    )
    limits = ["English news items of 2004 to 2005."]
    example = "Shares rose after the central bank left interest rates unchanged."

    def read(self, split: str) -> LabelledTexts:
        """`train` or `test`, whole."""
        official(self.name, split)
        folder = find_folder(self.name, self.data_dir, ("train.parquet", "test.parquet"))
        if folder is not None:
            rows = read_parquet(folder / f"{split}.parquet", ("text", "label"))
        else:
            rows = load_from_hub(self.name, self.source["type"], split)
        return LabelledTexts(rows["text"][:], np.asarray(rows["label"][:], dtype=np.int64))
