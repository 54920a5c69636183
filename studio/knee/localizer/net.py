"""The two networks of the localiser, both small and convolutional, and their model folder.

Both look at grey values and, beside them, at the grey values less their surroundings' mean over their surroundings'
spread: a knee that is all but white on its film looks like any other there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.config import Settings
from gan_core.model import SHIPPED
from gan_core.networks.efficientnet import fuse
from studio.knee.nets import load_net

FOLDER = SHIPPED / "knee-localizer"
STRIDE = 8  # pixels of the reduced film to a cell of the finder's map


class LocalizerConfig(Settings):
    """What `config.json` of the localiser's folder holds."""

    format: int = Field(1, ge=1, le=1)
    role: Literal["localizer"] = "localizer"
    film_side: int = Field(256, ge=64, le=1024, multiple_of=16)  # the longer side of a film as the finder sees it
    window_side: int = Field(96, ge=32, le=512, multiple_of=16)  # the side of a place as the reader sees it
    window: float = Field(1.4, ge=1, le=3)  # its side in sides of the box
    data: str = Field("", max_length=500)


def _conv(inside: int, outside: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, 3, stride, dilation, dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = _conv(channels, channels, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


def views(x: Tensor, cell: int) -> Tensor:
    """Grey values [N, 1, H, W] in [0, 1] -> [N, 2, H, W]: centred, and relative to five cells of `cell` pixels around
    each.
    """
    cells = F.avg_pool2d(torch.cat([x, x * x], 1), cell)
    cells = F.avg_pool2d(cells, 5, 1, 2, count_include_pad=False)
    mean, square = F.interpolate(cells, x.shape[2:], mode="bilinear", align_corners=False).chunk(2, 1)
    spread = (square - mean * mean).clamp(min=0).sqrt()
    return torch.cat([x * 2 - 1, (x - mean) / (spread + 0.02) / 2], 1)


class Finder(nn.Module):
    """`net(x)`: maps [N, 5, H/8, W/8] of films x [N, 1, H, W] in [0, 1].

    In each cell: the logit of a knee's centre there, its place in the cell (x, y in cells from the cell's middle), the
    logarithm of the box's side over a quarter of the film, and its angle in units of 15 degrees.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(2, 16, 2), _conv(16, 32, 2), _conv(32, 48, 2), _Residual(48), _Residual(48, 2))
        self.context = nn.Sequential(_conv(48, 64, 2), _Residual(64), _Residual(64, 2), _Residual(64, 4))
        self.up = nn.Conv2d(64, 48, 1)
        self.head = nn.Sequential(_Residual(48), _conv(48, 48), nn.Conv2d(48, 5, 1))

    def forward(self, x: Tensor) -> Tensor:
        near = self.stem(views(x, 8))
        far = F.interpolate(self.up(self.context(near)), scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(near + far)


class Reader(nn.Module):
    """`net(x)`: [N, 6] of places x [N, 1, R, R] in [0, 1].

    Where the knee's box is (x, y in sides of the box that was looked at, from its middle; the logarithm of its side
    over that box's; its angle in units of 15 degrees), and the logits of the fibula on the picture's right and of
    a knee at all.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(_conv(2, 16, 2), _conv(16, 32, 2), _Residual(32), _conv(32, 48, 2), _Residual(48), _Residual(48, 2)),
            *(_conv(48, 64, 2), _Residual(64), nn.Conv2d(64, 16, 1), nn.BatchNorm2d(16), nn.ReLU(inplace=True)),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(16 * (side // 16) ** 2, 64), nn.ReLU())
        self.out = nn.Linear(64, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.head(self.body(views(x, 6))))


class Localizer(nn.Module):
    """Both networks, as they lie in one model folder."""

    def __init__(self, config: LocalizerConfig) -> None:
        super().__init__()
        self.config = config
        self.finder = Finder()
        self.reader = Reader(config.window_side)


@cache
def load_localizer(folder: Path = FOLDER) -> Localizer:
    """The localiser in a model folder, fused: for looking at films, no longer for training.

    Raises `UserError` where anything about it is wrong.
    """
    net = load_net(folder, Localizer, LocalizerConfig)
    fuse(net)
    return net
