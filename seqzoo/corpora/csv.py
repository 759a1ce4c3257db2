"""A file of your own: texts and their labels in a .csv or .jsonl file."""

from pathlib import Path

import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule, draw, official
from seqzoo.preprocessing.records import read_records

__all__ = ["CSV"]


class CSV(TextDataModule):
    """`file` (.csv with a header, or .jsonl) holds a text in column `input` and its label in column `target`.

    Test texts come from `test_file`, or are `test_fraction` of the rows, drawn with `split_seed`; validation texts are
    drawn from the rest. Labels are what stands in `target`, in alphabetical order (numbers by value). With `separator`, any
    number of labels stand there, that sign between them, and models learn to give each text several. Raises ValueError
    for a row without text, or without label where each has one, for fewer than two labels, and for a label of
    `test_file` that `file` has not.
    """

    name = "csv"
    language: list[str] = []
    citation = "A file of the user's own."
    drawn = True
    limits = ["Texts unlike those of the file were not measured."]
    example = "An example."

    def __init__(
        self,
        *,
        file: str,
        input: str = "text",
        target: str = "label",
        separator: str = "",
        test_file: str | None = None,
        test_fraction: float = 0.2,
        batch_size: int = 64,
        max_tokens: int = 512,
        keep: str = "ends",
        tokens: str = "words",
        vocab_size: int = 20_000,
        min_frequency: int = 2,
        validation_size: int = 0,
        split_seed: int = 0,
        num_train: int | None = None,
    ):
        if not 0.0 < test_fraction < 1.0:
            raise ValueError(f"test_fraction must be above 0 and below 1, got {test_fraction}")
        for path in (file, test_file):
            if path is not None and Path(path).suffix.lower() not in (".csv", ".jsonl"):
                raise ValueError(f"file and test_file must be .csv or .jsonl, got {path!r}")
        super().__init__(
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
        self.file, self.input, self.target = file, input, target
        self.separator, self.multi_label = separator, bool(separator)
        self.test_file, self.test_fraction = test_file, test_fraction
        self.source = {"type": "csv", "config": Path(file).name}
        self._labels: list[str] | None = None

    @property
    def labels(self) -> list[str]:
        """What stands in the target column, each once."""
        if self._labels is None:
            found = {label for _, labels in self._rows(self.file) for label in labels}
            if len(found) < 2:
                raise ValueError(f"{self.file}: {self.target} must have at least two different labels, got {sorted(found)}")
            numbers = all(label.lstrip("-").isdecimal() for label in found)
            self._labels = sorted(found, key=int if numbers else None)
        return self._labels

    def read(self, split: str) -> LabelledTexts:
        """`train` or `test`, whole."""
        official(self.name, split)
        if self.test_file is not None:
            return self._labelled(self.test_file if split == "test" else self.file)
        return draw(self._labelled(self.file), self.test_fraction, self.split_seed)[split]

    def _labelled(self, file: str) -> LabelledTexts:
        number = {label: index for index, label in enumerate(self.labels)}
        rows = self._rows(file)
        for line, (_, labels) in enumerate(rows, 1):
            for label in labels:
                if label not in number:
                    raise ValueError(f"{file}, row {line}: {label!r} is no label of {self.file} ({', '.join(number)})")
        targets = np.zeros((len(rows), len(number)), dtype=np.int64)
        for row, (_, labels) in enumerate(rows):
            targets[row, [number[label] for label in labels]] = 1
        return LabelledTexts([text for text, _ in rows], targets if self.multi_label else targets.argmax(1))

    def _rows(self, file: str) -> list[tuple[str, list[str]]]:
        """Text and labels of each row: one, unless there is a separator."""
        rows = []
        for line, row in enumerate(read_records(file, self.input), 1):
            if row.get(self.target) in (None, "") and not self.multi_label:
                raise ValueError(f"{file}, row {line}: no label under {self.target!r}")
            told = str(row.get(self.target) or "")
            labels = [part.strip() for part in told.split(self.separator) if part.strip()] if self.multi_label else [told]
            rows.append((row[self.input], labels))
        if not rows:
            raise ValueError(f"{file} holds no rows")
        return rows
