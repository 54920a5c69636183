"""A generator as an ONNX file, for programs that have no PyTorch: exported, then held against PyTorch by ONNX Runtime.

Inputs `z` [N, z_dim] from N(0, 1), and for a model with classes `c` [N, num_classes]: one-hot, or a mixture. Output
`images` [N, 1, R, R] in [-1, 1]. Float32, without truncation, any N.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gan_core.errors import UserError
from gan_core.files import replacing
from gan_core.model import NOT_FOR_DIAGNOSIS, Model
from gan_core.seeds import latents, own_labels

TOLERANCE = 1e-3  # of images in [-1, 1]: an eighth of a gray level
CHECKED = 10  # seeds


def export_onnx(model: Model, path: Path) -> float:
    """Writes `model` to `path`; the largest difference from PyTorch's images, over some seeds and two sizes of batch.

    Raises:
        UserError: where the packages are missing, or the file does not draw what PyTorch draws: none is written then.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  what torch.onnx writes with
    except ImportError as e:
        raise UserError("An export to ONNX needs: pip install onnx onnxscript onnxruntime.") from e
    inputs = _inputs(model, range(2))
    any_count = {0: torch.export.Dim("count", min=1)}
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own workings
            program = torch.onnx.export(
                model.net,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=["images"],
                dynamic_shapes=tuple(any_count for _ in inputs),
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        proto = program.model_proto
        onnx.helper.set_model_props(proto, _about(model))
        onnx.save(proto, temporary)
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        difference = max(_difference(model, session, seeds) for seeds in (range(1), range(CHECKED)))
        if not difference <= TOLERANCE:
            raise UserError(
                f"The ONNX file would differ from PyTorch by {difference:.2g}, more than {TOLERANCE:g}: not written."
            )
    return difference


def _inputs(model: Model, seeds: range) -> dict[str, Tensor]:
    z = latents(seeds, model.config.net.z_dim)
    if not model.class_names:
        return {"z": z}
    labels = own_labels(seeds, model.config.class_shares)
    return {"z": z, "c": nn.functional.one_hot(labels, len(model.class_names)).float()}


def _about(model: Model) -> dict[str, str]:
    about = {"notice": NOT_FOR_DIAGNOSIS, "model": model.digest, "resolution": str(model.config.net.resolution)}
    if model.class_names:
        about |= {"label": model.config.label_name, "classes": ", ".join(model.class_names)}
    return about


@torch.inference_mode()
def _difference(model: Model, session: object, seeds: range) -> float:
    inputs = _inputs(model, seeds)
    expected = model.net(*inputs.values()).numpy()
    (drawn,) = session.run(None, {name: x.numpy() for name, x in inputs.items()})  # type: ignore[attr-defined]
    return float(np.abs(drawn - expected).max())
