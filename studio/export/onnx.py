"""A generator as an ONNX file, for programs that have no PyTorch: exported, then held against PyTorch by ONNX Runtime.

Inputs `z` [N, z_dim] from N(0, 1), and for a model with classes `c` [N, num_classes]: one-hot, or a mixture. Output
`images` [N, 1, R, R] in [-1, 1]. Float32, without truncation, any N. From w on, as the app's own files are: one input
`w` [N, z_dim], what the mapping network makes of the two.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_core.errors import UserError
from gan_core.files import replacing
from gan_core.latent import latents, own_labels
from gan_core.model import NOT_FOR_DIAGNOSIS, Model
from gan_core.networks import has_mapping

TOLERANCE = 1e-3  # of images in [-1, 1]: an eighth of a gray level
CHECKED = 10  # seeds
POINTS, DIGEST = "w", "model"  # the input of a file from w on, and where its weights' digest stands


def export_onnx(model: Model, path: Path, from_w: bool = False) -> float:
    """Writes `model` to `path`; the largest difference from PyTorch's images, over some seeds and two sizes of batch.

    Raises:
        UserError: where the packages are missing, the model has no mapping network to leave out, or the file does
            not draw what PyTorch draws: none is written then.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  what torch.onnx writes with
    except ImportError as e:
        raise UserError("An export to ONNX needs: pip install onnx onnxscript onnxruntime.") from e
    if from_w and not has_mapping(model.net):
        raise UserError("This model's networks have no mapping to w: export it whole.")
    inputs = _inputs(model, range(2), from_w)
    any_count = {0: torch.export.Dim("count", min=1)}
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own workings
            program = torch.onnx.export(
                _Synthesis(model.net) if from_w else model.net,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=["images"],
                dynamic_shapes=tuple(any_count for _ in inputs),
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        proto = program.model_proto
        for node in proto.graph.node:  # where in this computer's folders each came from
            del node.metadata_props[:]
        onnx.helper.set_model_props(proto, _about(model))
        onnx.save(proto, temporary)
        session = onnxruntime.InferenceSession(temporary.read_bytes(), providers=["CPUExecutionProvider"])
        difference = max(_difference(model, session, seeds, from_w) for seeds in (range(1), range(CHECKED)))
        if not difference <= TOLERANCE:
            raise UserError(
                f"The ONNX file would differ from PyTorch by {difference:.2g}, more than {TOLERANCE:g}: not written."
            )
    return difference


class _Synthesis(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, w: Tensor) -> Any:
        return self.net.synthesis(w)  # type: ignore[operator]


@torch.inference_mode()
def _inputs(model: Model, seeds: range, from_w: bool) -> dict[str, Tensor]:
    inputs = {"z": latents(seeds, model.config.net.z_dim)}
    if model.class_names:
        labels = own_labels(seeds, model.config.class_shares)
        inputs["c"] = nn.functional.one_hot(labels, len(model.class_names)).float()
    return {POINTS: model.net.mapping(*inputs.values())} if from_w else inputs  # type: ignore[operator]


def _about(model: Model) -> dict[str, str]:
    about = {"notice": NOT_FOR_DIAGNOSIS, DIGEST: model.digest, "resolution": str(model.config.net.resolution)}
    if model.class_names:
        about |= {"label": model.config.label_name, "classes": ", ".join(model.class_names)}
    return about


@torch.inference_mode()
def _difference(model: Model, session: object, seeds: range, from_w: bool) -> float:
    inputs = _inputs(model, seeds, from_w)
    net = _Synthesis(model.net) if from_w else model.net
    expected = net(*inputs.values()).numpy()
    (drawn,) = session.run(None, {name: x.numpy() for name, x in inputs.items()})  # type: ignore[attr-defined]
    return float(np.abs(drawn - expected).max())
