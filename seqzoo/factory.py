"""Make networks, models, tasks and corpora from names and plain arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqzoo import catalog

if TYPE_CHECKING:
    from lightning import LightningDataModule, LightningModule
    from torch import nn

    from seqzoo.preprocessing.labelled import LabelledSeriesPreprocessor
    from seqzoo.preprocessing.series import SeriesPreprocessor
    from seqzoo.preprocessing.tokenizer import Tokenizer
    from seqzoo.specs import SeriesSpec, TextSpec

__all__ = ["create_datamodule", "create_model", "create_network", "create_task"]


def create_network(architecture: str, spec: TextSpec | SeriesSpec, **arguments: Any) -> nn.Module:
    """A freshly initialised network. UnknownName and ValueError name what is wrong and the nearest right word."""
    network = catalog.resolve("architectures", architecture)
    catalog.check_arguments(architecture, network, arguments)
    catalog.check_spec(architecture, network, spec)
    return network(spec, **arguments)


def create_model(
    architecture: str,
    *,
    task: str | None = None,
    corpus: str | LightningDataModule | None = None,
    preprocessor: Tokenizer | SeriesPreprocessor | LabelledSeriesPreprocessor | None = None,
    labels: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> nn.Module:
    """A freshly initialised model: network, head and preprocessor.

    Give either `corpus` (a name, or a datamodule with your own options), whose training part then fits the preprocessor,
    or a fitted `preprocessor`, `labels` (but to a forecaster, which takes them from the preprocessor), and as `options` what
    else the model's constructor asks for: `context_length` and `horizon` of a forecaster, `max_steps` of a series
    classifier. The task is the corpus's own, else text classification. Raises ValueError where neither or both are given.
    """
    if task is not None and task not in catalog.MODELS:
        raise catalog.UnknownName(f"there is no task {task!r}; {catalog.hint(task, sorted(catalog.MODELS))}")
    if (corpus is None) == (preprocessor is None and labels is None):
        raise ValueError("create_model needs either corpus=, or preprocessor= and labels=")
    catalog.check_arguments(architecture, catalog.resolve("architectures", architecture), arguments)
    if corpus is not None:
        data = create_datamodule(corpus) if isinstance(corpus, str) else corpus
        if task not in (None, data.task):
            raise ValueError(f"the corpus {data.name} is for {data.task}, not {task}")
        task = data.task
        data.prepare_data()
        data.setup("fit")
        given = data.model_arguments
    else:
        task = task or "text-classification"
        named = {"tokenizer" if task == "text-classification" else "preprocessor": preprocessor}
        if labels is not None or task != "time-series-forecasting":
            named["labels"] = labels
        if None in named.values():
            raise ValueError("create_model needs both preprocessor= and labels= where no corpus is given")
        given = named
    model = catalog.resolve("models", catalog.MODELS[task])
    given = {**given, **(options or {})}
    catalog.check_arguments(task, model, given)
    return model(architecture, arguments, **given)


def create_task(model: nn.Module, *, optimizer: Any = None, lr_scheduler: Any = None, **options: Any) -> LightningModule:
    """The LightningModule that trains `model`.

    `optimizer` maps parameters to an optimiser (AdamW at 1e-3 by default), `lr_scheduler` an optimiser to a schedule.
    """
    task = catalog.resolve("tasks", model.task.replace("-", "_"))
    if optimizer is not None:
        options["optimizer"] = optimizer
    return task.from_model(model, lr_scheduler=lr_scheduler, **options)


def create_datamodule(corpus: str, **arguments: Any) -> LightningDataModule:
    """A corpus by name; what it reads and downloads, it does in `prepare_data` and `setup`."""
    datamodule = catalog.resolve("corpora", corpus)
    catalog.check_arguments(corpus, datamodule, arguments)
    return datamodule(**arguments)
