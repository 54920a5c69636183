"""What is found by name and loaded when it is first asked for: who opens sources, decoders, and models.

A value is "module:function". The core has those of its own; an application adds its own by an entry.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

OPEN = ""  # function(source, cache folder) -> gan_core.data.source.Source; "" for folders of pictures alone
# module with claims(head, name) and frames(file, name, resolution) -> the packages whose versions its images hang on;
# the first that claims a file reads it, and Pillow reads the rest
DECODERS: dict[str, tuple[str, ...]] = {}
UNREAD = ""  # function(head, name) -> why a file that nothing reads is passed over
# function(name) -> a generator's folder, or None: models that are found by another name than their folder's
MODELS: list[str] = []
LENDS = ""  # function(repository) -> whether the Hub may be shown this computer's token for it; "" for all


def resolve(entry: str) -> Callable[..., Any]:
    """The function that an entry names."""
    module, _, function = entry.partition(":")
    return getattr(import_module(module), function)
