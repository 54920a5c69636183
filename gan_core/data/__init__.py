"""From a folder of pictures, or whatever an application opens, to uint8 images, their labels and whose they are."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_core.data.cache import load
    from gan_core.data.dataset import Dataset, Skipped, split_by_patient, take
    from gan_core.data.source import short_source

__all__ = ["Dataset", "Skipped", "load", "short_source", "split_by_patient", "take"]


def __getattr__(name: str) -> Any:
    """Each name when it is first used: what trains on a `Dataset` needs nothing of what reads files."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"load": "cache", "short_source": "source"}.get(name, "dataset")
    return getattr(import_module(f"{__name__}.{module}"), name)
