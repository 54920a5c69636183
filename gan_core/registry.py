"""What is found by name and loaded when it is first asked for: who opens sources, decoders, and feature extractors.

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
# name -> function(text after the colon, device) -> gan_core.metrics.extractors.Extractor
EXTRACTORS: dict[str, str] = {
    "inception": "gan_core.metrics.extractors.pretrained:open_inception",
    "torchvision": "gan_core.metrics.extractors.pretrained:open_torchvision",
    "file": "gan_core.metrics.extractors.own:open_file",
}


def resolve(entry: str) -> Callable[..., Any]:
    """The function that an entry names."""
    module, _, function = entry.partition(":")
    return getattr(import_module(module), function)
