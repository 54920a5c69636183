"""GAN training on radiographs, without a user interface: data -> train -> model -> generate."""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Nothing goes out. ONNX Runtime reads this as it is imported, which nothing here does before this package; and whatever
# is started from here, as trainings are, inherits it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# The public interface, and `gan_core.generate.generate` beside it. Each name is loaded when it is first used: a command
# that only lists files needs no PyTorch.
_PUBLIC = {
    "UserError": "errors",
    "Dataset": "data",
    "load": "data",
    "split_by_patient": "data",
    "TrainConfig": "config",
    "configure": "presets",
    "Batches": "train.game",
    "Game": "train.game",
    "Run": "train.run",
    "Trainer": "train.trainer",
    "Model": "model",
    "ModelConfig": "model",
    "load_model": "model",
    "save_model": "model",
    "grid": "images",
    "save_png": "images",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
