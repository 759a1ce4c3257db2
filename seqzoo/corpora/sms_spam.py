"""SMS Spam Collection: 5,171 different short messages, ham or spam."""

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

__all__ = ["SMSSpam"]


class SMSSpam(TextDataModule):
    """SMS Spam Collection v.1 (Almeida et al., 2011). 13 % is spam: look at F1, not accuracy.

    There is no official split. Repeats (403 of 5,574) are dropped first, keeping the first of each, so that none stands
    on both sides; then a fifth is drawn as test with `split_seed`.

    From `data_dir`, else `$SEQZOO_DATA/sms_spam/all.parquet` (`text`, `label`: 1 is spam), else `ucirvine/sms_spam`.
    """

    name = "sms_spam"
    labels = ["ham", "spam"]
    source = {"type": "ucirvine/sms_spam", "config": "plain_text"}
    language = ["en"]
    citation = (
        "Tiago A. Almeida, José María Gómez Hidalgo and Akebo Yamakami: Contributions to the Study of SMS Spam "
        "Filtering. DocEng 2011. CC BY 4.0."
    )
    drawn = True
    limits = ["British and Singaporean messages of the 2000s; today's spam reads differently."]
    example = "WINNER!! You have been selected to receive a prize, call now"

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 64,
        max_tokens: int = 200,
        keep: str = "ends",
        tokens: str = "words",
        vocab_size: int = 20_000,
        min_frequency: int = 1,
        validation_size: int = 400,
        split_seed: int = 0,
        num_train: int | None = None,
    ):
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

    def read(self, split: str) -> LabelledTexts:
        """`train` or `test`, whole."""
        official(self.name, split)
        folder = find_folder(self.name, self.data_dir, ("all.parquet",))
        if folder is not None:
            rows = read_parquet(folder / "all.parquet", ("text", "label"))
            texts, labels = rows["text"], rows["label"]
        else:
            rows = load_from_hub(self.name, self.source["type"], "train")
            texts, labels = rows["sms"][:], rows["label"][:]
        first = {text.strip(): label for text, label in zip(reversed(texts), reversed(labels), strict=True)}
        kept = list(dict.fromkeys(text.strip() for text in texts))
        targets = np.array([first[text] for text in kept], dtype=np.int64)
        return draw(LabelledTexts(kept, targets), 0.2, self.split_seed)[split]
