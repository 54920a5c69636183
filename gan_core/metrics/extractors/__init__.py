"""Extractors: networks that turn images into the features by which sets of images are compared."""

from __future__ import annotations

from gan_core import registry
from gan_core.errors import UserError
from gan_core.metrics.extractors.base import Extractor, Features, Progress
from gan_core.metrics.extractors.own import names_file, open_file

__all__ = ["EXTRACTORS", "Extractor", "Features", "Progress", "open_extractor"]

EXTRACTORS = {
    "knee": "The project's own knee encoder, which ships and also grades; knee:FOLDER for another one.",
    "inception": "The Inception-v3 of the usual FID; its weights are downloaded, or given as inception:PATH.",
    "torchvision:NAME": "A torchvision backbone such as resnet18; weights downloaded, or torchvision:NAME:PATH.",
    "file:PATH": "Your own TorchScript (.pt, .ts, .torchscript) or ONNX (.onnx) file, taking images in [-1, 1] of 224 "
    "pixels unless it says otherwise or you do, as in file:net.pt@128. TorchScript runs its author's code: open only "
    "files that you trust.",
}


def open_extractor(text: str, device: str = "cpu") -> Extractor:
    """The extractor that `text` names: one of `EXTRACTORS`, or just the path of a TorchScript or ONNX file.

    Raises `UserError` where there is no such extractor, or its weights cannot be had.
    """
    kind, _, rest = text.partition(":")
    if kind in registry.EXTRACTORS:
        return registry.resolve(registry.EXTRACTORS[kind])(rest, device)
    if names_file(text):
        return open_file(text, device)
    there_is = " ".join(f"{name}: {what}" for name, what in EXTRACTORS.items())
    raise UserError(f"There is no extractor {text!r}. There are: {there_is}")
