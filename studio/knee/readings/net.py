"""The reader: a small convolutional network that reads a knee's anatomy off a picture, and its model folder.

Its readings are smooth and differentiable, which those of `joint_space` are not: a slider can follow their gradient.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_core.config import Settings
from gan_core.images import resize
from gan_core.model import SHIPPED
from studio.knee.nets import load_net

FOLDER = SHIPPED / "knee-reader"
# What it gives for an image, lengths in shares of the image's side: the joint space's width and height (from the top)
# in the left and right half, the plateau's ends (from the left), on which side the fibula is (1: right, -1: left), and
# the grade that the knee encoder expects.
OUTPUTS = ("width_left", "width_right", "line_left", "line_right", "end_left", "end_right", "fibula", "grade")


class ReaderConfig(Settings):
    """What `config.json` of the reader's folder holds."""

    format: int = Field(1, ge=1, le=1)
    role: Literal["reader"] = "reader"
    resolution: int = Field(128, ge=64, le=256, multiple_of=32)
    data: str = Field("", max_length=500)


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.SiLU(inplace=True))


class Reader(nn.Module):
    """`net(x)`: `OUTPUTS` [N, 8] of images x [N, 1, R, R] in [-1, 1], of any side."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        self.body = nn.Sequential(
            *(_conv(1, 16, 2), _conv(16, 32, 2), _conv(32, 32), _conv(32, 64, 2), _conv(64, 64), _conv(64, 96, 2)),
            *(_conv(96, 96), nn.Conv2d(96, 24, 1), nn.Flatten()),
        )
        self.head = nn.Sequential(
            nn.Linear(24 * (config.resolution // 16) ** 2, 96), nn.SiLU(), nn.Linear(96, len(OUTPUTS))
        )
        self.register_buffer("mean", torch.zeros(len(OUTPUTS)))
        self.register_buffer("spread", torch.ones(len(OUTPUTS)))

    @staticmethod
    def evened(x: Tensor) -> Tensor:
        """Images of mean 0 and deviation 1: exposure plays no part."""
        return (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 0.02)

    def standard(self, x: Tensor) -> Tensor:
        """`forward` in standard deviations among the images that it has learnt from."""
        return self.head(self.body(self.evened(resize(x, self.config.resolution))))

    def forward(self, x: Tensor) -> Tensor:
        return self.standard(x) * self.spread + self.mean


@cache
def load_reader(folder: Path = FOLDER) -> Reader:
    """The reader in a model folder, ready for use. Raises `UserError` where anything about it is wrong."""
    return load_net(folder, Reader, ReaderConfig)
