"""seqzoo: small pretrained sequence models for text and time series."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seqzoo.cards import list_checkpoints
    from seqzoo.catalog import list_architectures, list_corpora, list_recipes
    from seqzoo.factory import create_datamodule, create_model, create_network, create_task
    from seqzoo.hub import load
    from seqzoo.specs import SeriesSpec, TextSpec

_HOMES = {
    "SeriesSpec": "specs",
    "TextSpec": "specs",
    "create_datamodule": "factory",
    "create_model": "factory",
    "create_network": "factory",
    "create_task": "factory",
    "list_architectures": "catalog",
    "list_checkpoints": "cards",
    "list_corpora": "catalog",
    "list_recipes": "catalog",
    "load": "hub",
}
__all__ = [
    "SeriesSpec",
    "TextSpec",
    "create_datamodule",
    "create_model",
    "create_network",
    "create_task",
    "list_architectures",
    "list_checkpoints",
    "list_corpora",
    "list_recipes",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seqzoo' has no attribute {name!r}")
    value = getattr(import_module(f"seqzoo.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
