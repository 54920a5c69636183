"""Ways from seed to seed: along a sphere or straight, round in a loop, and over a square between four."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Path = Literal["spherical", "straight"]
PATHS: tuple[Path, ...] = ("spherical", "straight")


def mix(a: Tensor, b: Tensor, t: Tensor, path: Path) -> Tensor:
    """From a [..., D] at t [...] = 0 to b at 1.

    "spherical" turns the direction evenly and takes the length along (Shoemake 1985), so that a normal z stays as far
    from 0 as normal ones are; "straight" passes nearer to 0, where images are more average.
    """
    t = t[..., None].to(a)
    if path == "straight":
        return torch.lerp(a, b, t)
    lengths = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    u, v = (x / n.clamp(min=1e-12) for x, n in zip((a, b), lengths, strict=True))
    angle = torch.acos((u * v).sum(-1, keepdim=True).clamp(-1, 1))
    sine = torch.sin(angle)
    turned = (torch.sin((1 - t) * angle) * u + torch.sin(t * angle) * v) / sine.clamp(min=1e-6)
    # Without an angle there is nothing to turn; opposite directions have no one way, and the straight one serves.
    return torch.where(sine < 1e-6, torch.lerp(a, b, t), turned * torch.lerp(*lengths, t))


def loop(corners: Tensor, at: Tensor, path: Path) -> Tensor:
    """Points [M, D] at `at` [M] of the closed way through corners [n, D]: corner i is at i, and at n is the first."""
    n = len(corners)
    place = at % n
    leg = place.floor().long().clamp(max=n - 1)
    return mix(corners[leg], corners[(leg + 1) % n], place - leg, path)


def plane(corners: Tensor, x: Tensor, y: Tensor, path: Path) -> Tensor:
    """Points [M, D] over a square, x and y [M] in 0..1 from the top left: its corners [4, D] go row by row."""
    m = len(x)
    top, bottom = (mix(corners[i].expand(m, -1), corners[i + 1].expand(m, -1), x, path) for i in (0, 2))
    return mix(top, bottom, y, path)


def loop_times(n: int, steps: int) -> NDArray[np.float64]:
    """`steps` places a leg of a loop through n corners, slow at each corner, so that the motion has no kink there."""
    t = np.arange(steps) / steps
    return (np.arange(n)[:, None] + t * t * (3 - 2 * t)).ravel()
