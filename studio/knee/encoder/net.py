"""The knee encoder: an image -> features and a grade. EfficientNet-Lite0 of one channel, without its last 1x1 layer.

EfficientNet (Tan and Le 2019) in its Lite form leaves out squeeze-and-excitation and uses ReLU6: smaller and faster on
a processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from gan_core.config import MAX_CLASSES, Settings
from gan_core.images import resize, to_float
from gan_core.model import digest
from gan_core.networks.efficientnet import trunk
from studio.knee.nets import load_net

FEATURES = 320


class EncoderConfig(Settings):
    """What `config.json` of an encoder's folder holds."""

    format: int = Field(1, ge=1, le=1)
    role: Literal["encoder"] = "encoder"
    arch: Literal["efficientnet-lite0"] = "efficientnet-lite0"
    resolution: int = Field(128, ge=32, le=512)
    class_names: tuple[str, ...] = Field(min_length=2, max_length=MAX_CLASSES)
    label_name: str = Field("class", max_length=100)
    data: str = Field("", max_length=500)


class Encoder(nn.Module):
    """`net(x)`: features [N, 320] and logits of the classes [N, K] of images x [N, 1, R, R] in [-1, 1]."""

    digest = ""  # of the folder that it was loaded from

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = trunk()
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(FEATURES, len(config.class_names))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x).mean((2, 3))
        return features, self.head(self.dropout(features))

    @torch.inference_mode()
    def batches(self, images: NDArray[np.uint8], batch: int = 64) -> Iterator[tuple[NDArray, NDArray]]:
        """Features [n, 320] and probabilities [n, K] of uint8 images [N, 1, H, W] of any side, a batch at a time."""
        for i in range(0, len(images), batch):
            x = resize(to_float(images[i : i + batch]), self.config.resolution)
            features, logits = self(x.contiguous(memory_format=torch.channels_last))
            yield features.numpy(), logits.softmax(1).numpy()


def load_encoder(folder: Path) -> Encoder:
    """The encoder, ready for use, in a model folder. Raises `UserError` where anything about it is wrong."""
    net = load_net(folder, Encoder, EncoderConfig)
    net.digest = digest(folder)
    return net
