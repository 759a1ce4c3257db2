"""Flaubert's Salammbô, 15 chapters in French and English: languages told apart by their letters."""

import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule, draw, find_folder, official

__all__ = ["Salammbo"]

CHAPTERS = range(1, 16)
FILES = {
    "french": tuple(f"salammbo_ch{chapter:02}.txt" for chapter in CHAPTERS),
    "english": tuple(f"salammbo_en_ch{chapter:02}.txt" for chapter in CHAPTERS),
}


class Salammbo(TextDataModule):
    """The 30 chapters of the novel (1862) and its translation, as Pierre Nugues' lectures count their letters.

    From `data_dir`, else `$SEQZOO_DATA/salammbo`; the files stand in the repository `pnugues/pnlp` on GitHub, folder
    `datasets/salammbo_chapters`. There is no official split: a third of the chapters is drawn as test with `split_seed`.
    `chapters` gives all of them in order, for `seqzoo embed salammbo`.
    """

    name = "salammbo"
    labels = ["french", "english"]
    source = {"type": "pnugues/pnlp", "config": "salammbo_chapters"}
    language = ["fr", "en"]
    citation = "Gustave Flaubert: Salammbô, 1862, and its English translation, from Project Gutenberg. Public domain."
    drawn = True
    limits = ["One novel and its translation: 30 texts, of one subject and one century."]
    example = "C'était à Mégara, faubourg de Carthage, dans les jardins d'Hamilcar."

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        batch_size: int = 4,
        max_tokens: int = 2_000,
        keep: str = "start",
        tokens: str = "characters",
        vocab_size: int = 200,
        min_frequency: int = 2,
        validation_size: int = 0,
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

    def chapters(self) -> LabelledTexts:
        """All 30, the French ones first; FileNotFoundError says which files are needed."""
        files = [file for names in FILES.values() for file in names]
        folder = find_folder(self.name, self.data_dir, files)
        if folder is None:
            raise FileNotFoundError(
                f"corpus {self.name}: fetch datasets/salammbo_chapters of the repository {self.source['type']} on GitHub "
                f"as {files[0]} ... {files[-1]}, and give their folder as data_dir, or set SEQZOO_DATA to the folder above "
                f"one named {self.name}"
            )
        texts = [(folder / file).read_text(encoding="utf-8-sig") for file in files]
        return LabelledTexts(texts, np.repeat(np.arange(2), len(CHAPTERS)))

    def read(self, split: str) -> LabelledTexts:
        """`train` or `test`, whole."""
        official(self.name, split)
        return draw(self.chapters(), 1 / 3, self.split_seed)[split]
