"""Another package's architecture and corpus, really installed: found by name, trained, saved, loaded."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from made_up import ROOT, environment

ARCHITECTURE = '''"""Zebra: the mean of embeddings."""
from torch import nn

from seqzoo.specs import Encoded


class Zebra(nn.Module):
    def __init__(self, spec, *, embedding_size: int = 4):
        super().__init__()
        self.embedding = nn.Embedding(spec.vocab_size, embedding_size, padding_idx=spec.pad_index)
        self.output_size = embedding_size

    def forward(self, inputs, lengths, state=None):
        return Encoded(None, self.embedding(inputs).sum(1) / lengths[:, None].to(inputs.device))
'''
CORPUS = '''"""Stripes: black or white."""
import numpy as np

from seqzoo.corpora.datamodule import LabelledTexts, TextDataModule


class Stripes(TextDataModule):
    name, labels, language = "stripes", ["black", "white"], ["en"]
    source = {"type": "zebra/stripes", "config": "default"}
    citation, limits, example = "nobody", [], "white snow"

    def read(self, split):
        random = np.random.default_rng({"train": 1, "test": 2}[split])
        targets = np.arange(80) % 2
        texts = [f"{('black coal', 'white snow')[target]} of day {random.integers(5)}" for target in targets]
        return LabelledTexts(texts, targets)
'''
ENTRY_POINTS = (
    "[seqzoo.architectures]\nzebra = seqzoo_zebra.zebra:Zebra\n\n[seqzoo.corpora]\nstripes = seqzoo_zebra.stripes:Stripes\n"
)
RECIPE = {
    "model": {
        "class_path": "seqzoo.tasks.text_classification.TextClassification",
        "init_args": {
            "architecture": "zebra",
            "arguments": {"embedding_size": 8},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.1}},
        },
    },
    "data": {"class_path": "seqzoo_zebra.stripes.Stripes", "init_args": {"validation_size": 10, "batch_size": 16}},
    "trainer": {"max_epochs": 3, "accelerator": "cpu", "default_root_dir": "runs/zebra"},
}
FIT = """
import seqzoo
from seqzoo import cli
assert cli.main(["fit", "--config", "zebra.yaml", "--quiet"]) == 0
print(*(result.label for result in seqzoo.load("runs/zebra/model").predict(["white snow", "black coal"])), sep="\\n")
data = seqzoo.create_datamodule("stripes", validation_size=10)
print(seqzoo.create_model("zebra", corpus=data, embedding_size=3).predict("white snow").label in data.labels)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the package from a wheel, without any network."""
    root = tmp_path_factory.mktemp("zebra")
    info = "seqzoo_zebra-1.0.dist-info"
    files = {
        "seqzoo_zebra/__init__.py": "",
        "seqzoo_zebra/zebra.py": ARCHITECTURE,
        "seqzoo_zebra/stripes.py": CORPUS,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: seqzoo-zebra\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": ENTRY_POINTS,
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    wheel = root / "seqzoo_zebra-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    command = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(root / "site"), str(wheel)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment())
    return root / "site"


def run(site: Path | None, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = str(ROOT) if site is None else f"{ROOT}:{site}"
    env = environment(PYTHONPATH=path)
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


def test_names_of_an_installed_package_are_listed_with_where_they_are_from(site, tmp_path):
    for kind, name in (("architectures", "zebra"), ("corpora", "stripes")):
        done = run(site, tmp_path, "-m", "seqzoo", "list", kind, "--json")
        assert json.loads(done.stdout)[kind][name] == "from seqzoo-zebra", done.stderr
        assert name not in json.loads(run(None, tmp_path, "-m", "seqzoo", "list", kind, "--json").stdout)[kind]


def test_an_installed_packages_architecture_trains_on_its_corpus_and_its_checkpoint_loads(site, tmp_path):
    (tmp_path / "zebra.yaml").write_text(yaml.safe_dump(RECIPE))
    done = run(site, tmp_path, "-c", FIT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ["white", "black", "True"], done.stdout
    folder = tmp_path / "runs" / "zebra" / "model"
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"] == "zebra" and "seqzoo_zebra" not in json.dumps(config), "a name, and no import path"
    done = run(None, tmp_path, "-m", "seqzoo", "predict", str(folder), "white snow")
    assert done.returncode == 2 and "architectures holds no 'zebra'" in done.stderr, "without the package it says what lacks"


def test_a_recipe_from_outside_may_not_name_an_installed_package(site, tmp_path):
    (tmp_path / "zebra.yaml").write_text(yaml.safe_dump(RECIPE))
    code = "from pathlib import Path; from seqzoo import trust; trust.check(Path('zebra.yaml').read_text(), 'zebra.yaml')"
    done = run(site, tmp_path, "-c", code)
    assert done.returncode == 1 and "names seqzoo_zebra.stripes.Stripes" in done.stderr
