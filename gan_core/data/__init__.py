"""From a folder of pictures, or whatever an application opens, to uint8 images, their labels and whose they are."""

from importlib import import_module
from typing import Any

# Loaded when first used: what trains on a `Dataset` needs nothing of what reads files.
_PUBLIC = {
    "Dataset": "dataset",
    "Skipped": "dataset",
    "split_by_patient": "dataset",
    "take": "dataset",
    "load": "cache",
    "short_source": "source",
}
__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
