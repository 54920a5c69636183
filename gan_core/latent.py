"""The latent space: z of a seed and its class, mixtures of classes, w, and ways from point to point.

Every generator draws in two steps, `w = G.mapping(z, c, truncation)` and `images = G.synthesis(w, c)`. In one without a
mapping network w is z.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from gan_core.seeds import own_classes

Path = Literal["spherical", "straight"]
PATHS: tuple[Path, ...] = ("spherical", "straight")


def latents(seeds: Sequence[int], z_dim: int) -> Tensor:
    """z [len(seeds), z_dim], standard normal: row i depends on seeds[i] alone."""
    return torch.stack([torch.randn(z_dim, generator=torch.Generator().manual_seed(s)) for s in seeds])


def own_labels(seeds: Sequence[int], shares: Sequence[float]) -> Tensor:
    """c [len(seeds)]: `seeds.own_classes`."""
    return torch.from_numpy(own_classes(seeds, shares))


def mixtures(places: Sequence[float], num_classes: int) -> Tensor | None:
    """c [N, num_classes]: each place, 2.5 say, as a mixture of the two classes beside it; None without classes."""
    if not num_classes:
        return None
    at = torch.tensor(places, dtype=torch.float64).clamp(0, num_classes - 1)[:, None]
    return (1 - (at - torch.arange(num_classes)).abs()).clamp(min=0).float()


def to_w(net: Any, z: Tensor, c: Tensor | None, truncation: float = 1.0, offset: Tensor | None = None) -> Tensor:
    """w [N, z_dim] of z [N, z_dim]. `offset` [z_dim] or [N, z_dim] is added first, and truncated with the rest."""
    if offset is None:
        return net.mapping(z, c, truncation)
    w = net.mapping(z, c) + offset
    return w if truncation == 1.0 else torch.lerp(net.mapping(z, c, 0.0), w, truncation)


def interpolate(a: Tensor, b: Tensor, t: Tensor, path: Path) -> Tensor:
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
    return interpolate(corners[leg], corners[(leg + 1) % n], place - leg, path)


def plane(corners: Tensor, x: Tensor, y: Tensor, path: Path) -> Tensor:
    """Points [M, D] over a square, x and y [M] in 0..1 from the top left: its corners [4, D] go row by row."""
    m = len(x)
    top, bottom = (interpolate(corners[i].expand(m, -1), corners[i + 1].expand(m, -1), x, path) for i in (0, 2))
    return interpolate(top, bottom, y, path)
