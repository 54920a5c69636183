"""The knee encoder: an image -> features and a grade. EfficientNet-Lite0 of one channel, without its last 1x1 layer.

EfficientNet (Tan and Le 2019) in its Lite form leaves out squeeze-and-excitation and uses ReLU6: smaller and faster on
a processor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

from gan_core.config import MAX_CLASSES, Settings
from gan_core.files import replacing, write_text
from gan_core.images import to_float
from gan_core.model import CARD, CONFIG, TENSORS, digest, read_tensors, read_validated

FEATURES = 320
# expansion, kernel, stride, channels in and out, layers
BLOCKS = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


class EncoderConfig(Settings):
    """What `config.json` of an encoder's folder holds."""

    format: int = Field(1, ge=1, le=1)
    role: Literal["encoder"] = "encoder"
    arch: Literal["efficientnet-lite0"] = "efficientnet-lite0"
    resolution: int = Field(128, ge=32, le=512)
    class_names: tuple[str, ...] = Field(min_length=2, max_length=MAX_CLASSES)
    label_name: str = Field("class", max_length=100)
    data: str = Field("", max_length=500)


class _Nothing(nn.Identity):
    """Stands where EfficientNet has squeeze-and-excitation."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()


def trunk() -> nn.Sequential:
    """The stem and the seven stages: x [N, 1, R, R] -> [N, 320, R / 32, R / 32], freshly initialised."""
    # Here, since it takes longer to load than PyTorch, and most that imports this module never reads an image.
    from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig

    block = partial(MBConv, se_layer=_Nothing)
    stages = [MBConvConfig(*row, width_mult=1.0, depth_mult=1.0, block=block) for row in BLOCKS]
    out = EfficientNet(
        stages, dropout=0.0, stochastic_depth_prob=0.1, norm_layer=partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
    ).features[:-1]
    out[0][0] = nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False)
    for module in out.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.SiLU):
                setattr(module, name, nn.ReLU6(inplace=True))
    return out


def fuse(net: nn.Module) -> None:
    """Folds each batch normalisation into the convolution before it: a third less work, the same within rounding."""
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for i, (first, second) in enumerate(pairwise(module)):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()


class Encoder(nn.Module):
    """`net(x)`: features [N, 320] and logits of the classes [N, K] of images x [N, 1, R, R] in [-1, 1]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = trunk()
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(FEATURES, len(config.class_names))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x).mean((2, 3))
        return features, self.head(self.dropout(features))


def resize(x: Tensor, resolution: int) -> Tensor:
    """Images [N, 1, H, W] at another side: averaged down, or interpolated up (bicubic)."""
    if x.shape[-1] == resolution == x.shape[-2]:
        return x
    if x.shape[-1] < resolution:
        return F.interpolate(x, (resolution, resolution), mode="bicubic", align_corners=False).clamp(-1, 1)
    return F.interpolate(x, (resolution, resolution), mode="bilinear", align_corners=False, antialias=True)


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder ready for use, and the digest of its folder."""

    net: Encoder
    config: EncoderConfig
    digest: str

    @torch.inference_mode()
    def batches(self, images: NDArray[np.uint8], batch: int = 64) -> Iterator[tuple[NDArray, NDArray]]:
        """Features [n, 320] and probabilities [n, K] of uint8 images [N, 1, H, W] of any side, a batch at a time."""
        for i in range(0, len(images), batch):
            x = resize(to_float(images[i : i + batch]), self.config.resolution)
            features, logits = self.net(x.contiguous(memory_format=torch.channels_last))
            yield features.numpy(), logits.softmax(1).numpy()


def save_encoder(folder: Path, net: Encoder, card: str) -> None:
    """Writes the model folder; tensors in float16, which halves it and moves no figure."""
    half = {k: t.half() if t.is_floating_point() else t for k, t in net.state_dict().items()}
    write_text(folder / CARD, card)
    write_text(folder / CONFIG, json.dumps(net.config.model_dump(), indent=2))
    with replacing(folder / TENSORS) as temporary:
        temporary.write_bytes(save({k: t.detach().cpu().contiguous() for k, t in half.items()}))


def load_encoder(folder: Path) -> TrainedEncoder:
    """The encoder in a model folder. Raises `UserError` where anything about it is wrong."""
    config = read_validated(folder, EncoderConfig)
    with torch.random.fork_rng(devices=[]):
        net = Encoder(config)
    net.load_state_dict(read_tensors(folder / TENSORS, net.state_dict()), strict=True)
    net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return TrainedEncoder(net, config, digest(folder))
