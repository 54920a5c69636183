"""What a toy game must learn: mixtures of small Gaussians in the plane, in a square around the origin."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_core.errors import UserError

EXTENT = 1.8  # all that is drawn lies within +-EXTENT on both axes
ARCS = 5  # a moon is counted in so many pieces


@dataclass(frozen=True)
class Target:
    """A mixture in equal parts of Gaussians around `centres` [K, 2], standard deviation `sigma` in both directions.

    `mode` [K] says which of `modes` clumps a centre belongs to, numbered from 0.
    """

    name: str
    title: str
    centres: Tensor
    mode: Tensor
    sigma: float

    @property
    def modes(self) -> int:
        return int(self.mode.max()) + 1

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Points [n, 2]."""
        which = torch.randint(len(self.centres), (n,), generator=rng)
        return self.centres[which] + self.sigma * torch.randn(n, 2, generator=rng)

    def judge(self, points: Tensor) -> tuple[int, float]:
        """(clumps covered, share of good points) of points [N, 2].

        A point is good within three standard deviations of a centre (Srivastava et al. 2017, VEEGAN). A clump is
        covered where it holds at least a fifth of the good points that would be its fair share of N.
        """
        distance, nearest = torch.cdist(points, self.centres).min(dim=1)
        good = distance <= 3 * self.sigma
        counts = torch.bincount(self.mode[nearest[good]], minlength=self.modes)
        return int((counts >= max(1, len(points) / self.modes / 5)).sum()), float(good.float().mean())


def _ring() -> Target:
    angle = torch.arange(8) * (2 * math.pi / 8)
    return Target("ring", "Ring of 8", torch.stack([angle.cos(), angle.sin()], 1), torch.arange(8), 0.07)


def _grid() -> Target:
    side = torch.linspace(-1.2, 1.2, 5)
    return Target("grid", "Grid of 25", torch.cartesian_prod(side, side), torch.arange(25), 0.07)


def _moons() -> Target:
    angle = (torch.arange(12 * ARCS) + 0.5) * (math.pi / (12 * ARCS))
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
    arc = torch.arange(ARCS).repeat_interleave(12)
    return Target("moons", "Two moons", 0.9 * torch.cat([upper, -upper]), torch.cat([arc, arc + ARCS]), 0.06)


_TARGETS: dict[str, Callable[[], Target]] = {"ring": _ring, "grid": _grid, "moons": _moons}
TARGETS = tuple(_TARGETS)


def target(name: str) -> Target:
    """The target of that name. Raises `UserError` where there is none."""
    if name not in _TARGETS:
        raise UserError(f"There is no target {name[:40]!r}. Available: {', '.join(TARGETS)}.")
    return _TARGETS[name]()
