"""The edge network: where the bones' edges beside a knee's joint are, as curves, and its model folder.

For each column of a picture a distribution over its rows says where the femur's and the tibia's joint surfaces are, and
for each row one over its columns where the medial and lateral margins are; the mean of a distribution is the place. So
the curves are finer than the map's cells, and how wide a distribution is says how sure they are.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.config import Settings
from gan_core.images import resize
from gan_core.model import SHIPPED
from studio.knee.localizer.net import views
from studio.knee.nets import load_net

FOLDER = SHIPPED / "knee-edges"
SIDE, CELLS = 128, 64  # pixels that the network sees, and cells of its maps, to a side
SURFACES, MARGINS = ("femur", "tibia"), ("medial", "lateral")  # the maps, in their order
# Of a whole picture: size of osteophytes in mm and sclerosis from 0 to 1 as phantoms have them, and the logits of an
# inverted film and of a knee at all.
WHOLE = ("osteophytes_medial", "osteophytes_lateral", "sclerosis_medial", "sclerosis_lateral", "inverted", "knee")
_NEAR = 4  # cells about the likeliest one whose mean is the place: another edge far away does not draw it aside


class EdgesConfig(Settings):
    """What `config.json` of the network's folder holds."""

    format: int = Field(1, ge=1, le=1)
    role: Literal["edges"] = "edges"
    data: str = Field("", max_length=500)


class Seen(NamedTuple):
    """What the network sees in N pictures of left knees, places in shares of the side."""

    surfaces: Tensor  # [N, 2, CELLS], y of `SURFACES` in each column
    margins: Tensor  # [N, 2, CELLS], x of `MARGINS` in each row
    unsure: Tensor  # [N, 4, CELLS], the standard deviation of each of these
    whole: Tensor  # [N, 6], `WHOLE`


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.SiLU(inplace=True))


class EdgeNet(nn.Module):
    """`net(x)`: logits [N, 4, CELLS, CELLS] of the maps, `SURFACES` and `MARGINS`, and `WHOLE` [N, 6], of pictures x
    [N, 1, R, R] in [-1, 1] of left knees.
    """

    def __init__(self, config: EdgesConfig) -> None:
        super().__init__()
        self.config = config
        self.at2, self.at4 = _conv(2, 16, 2), nn.Sequential(_conv(16, 32, 2), _conv(32, 32))
        self.at8 = nn.Sequential(_conv(32, 48, 2), _conv(48, 48))
        self.at16 = nn.Sequential(_conv(48, 64, 2), _conv(64, 64), _conv(64, 64))
        self.up8, self.up4, self.up2 = nn.Conv2d(64, 48, 1), nn.Conv2d(48, 32, 1), nn.Conv2d(32, 16, 1)
        self.out8, self.out4, self.out2 = _conv(48, 48), _conv(32, 32), _conv(16, 16)
        self.maps = nn.Conv2d(16, 4, 1)
        self.few = nn.Sequential(nn.Conv2d(64, 12, 1), nn.SiLU(), nn.Flatten())
        self.whole = nn.Sequential(nn.Linear(12 * 64, 48), nn.SiLU(), nn.Linear(48, len(WHOLE)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = resize(x, SIDE)
        even = (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 0.02)
        at2 = self.at2(torch.cat([even, views(x / 2 + 0.5, 8)[:, 1:]], 1))
        at4 = self.at4(at2)
        at8 = self.at8(at4)
        at16 = self.at16(at8)
        y = self.out8(at8 + _twice(self.up8(at16)))
        y = self.out4(at4 + _twice(self.up4(y)))
        y = self.out2(at2 + _twice(self.up2(y)))
        return self.maps(y), self.whole(self.few(at16))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def oriented(maps: Tensor) -> Tensor:
    """The maps [N, 4, CELLS, CELLS] with what a distribution is over as the last axis."""
    return torch.cat([maps[:, :2].mT, maps[:, 2:]], 1)


def seen(net: EdgeNet, x: Tensor) -> Seen:
    """`Seen` of pictures x [N, 1, R, R] in [-1, 1] of left knees; differentiable."""
    maps, whole = net(x)
    logits = oriented(maps.float())
    cell = torch.arange(CELLS, device=x.device)
    at = (cell + 0.5) / CELLS
    share = logits.softmax(3)
    unsure = ((share @ at.square()) - (share @ at).square()).clamp(min=0).sqrt()
    far = (cell - logits.argmax(3, keepdim=True)).abs() > _NEAR
    mean = logits.masked_fill(far, -torch.inf).softmax(3) @ at
    return Seen(mean[:, :2], mean[:, 2:], unsure, whole.float())


@cache
def load_edges(folder: Path = FOLDER) -> EdgeNet:
    """The network in a model folder, ready for use. Raises `UserError` where anything about it is wrong."""
    return load_net(folder, EdgeNet, EdgesConfig)
