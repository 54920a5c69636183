"""The extractors that can be asked for by name: networks that turn images into features."""

from __future__ import annotations

from gan_core.errors import UserError
from gan_core.metrics.features import Extractor
from gan_core.registry import resolve

_HERE = "studio.evaluate.extractors"
# name -> (function of the text after its colon and a device, loaded when it is asked for; what it is)
EXTRACTORS = {
    "knee": (
        "studio.knee.extractor:open_knee",
        "knee: The project's own knee encoder, which ships and also grades; knee:FOLDER for another one.",
    ),
    "inception": (
        f"{_HERE}.pretrained:open_inception",
        "inception: The Inception-v3 of the usual FID; its weights are downloaded, or given as inception:PATH.",
    ),
    "torchvision": (
        f"{_HERE}.pretrained:open_torchvision",
        "torchvision:NAME: A torchvision backbone such as resnet18; weights downloaded, or torchvision:NAME:PATH.",
    ),
    "file": (
        f"{_HERE}.own:open_file",
        "file:PATH: Your own TorchScript (.pt, .ts, .torchscript) or ONNX (.onnx) file, taking images in [-1, 1] of "
        "224 pixels unless it says otherwise or you do, as in file:net.pt@128. TorchScript runs its author's code: "
        "open only files that you trust.",
    ),
}


def open_extractor(text: str, device: str = "cpu") -> Extractor:
    """The extractor that `text` names: one of `EXTRACTORS`, or just the path of a TorchScript or ONNX file.

    Raises `UserError` where there is no such extractor, or its weights cannot be had.
    """
    from studio.evaluate.extractors.own import names_file

    kind, _, rest = text.partition(":")
    if kind not in EXTRACTORS:
        if not names_file(text):
            raise UserError(
                f"There is no extractor {text!r}. Available: {' '.join(what for _, what in EXTRACTORS.values())}"
            )
        kind, rest = "file", text
    return resolve(EXTRACTORS[kind][0])(rest, device)
