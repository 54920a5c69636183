"""What both families of networks share: sizes, channels, normalisation, labels and the discriminator's answer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.config import GROUP, NetConfig

COARSEST = 7  # the image is halved until its side is at most this


class Scores(NamedTuple):
    """D's answer: `score` [N], large for real; `classes` [N, num_classes] logits, None without a class head."""

    score: Tensor
    classes: Tensor | None = None


def sizes(resolution: int) -> list[int]:
    """Sides of the feature maps from the coarsest to the image: 126 gives [4, 8, 16, 32, 63, 126]."""
    out = [resolution]
    while out[0] > COARSEST:
        out.insert(0, (out[0] + 1) // 2)
    return out


def widths(count: int, channels: int, max_channels: int) -> list[int]:
    """Channels of `count` levels from the coarsest to the finest, halving down to `channels`."""
    return [min(channels * 2**level, max_channels) for level in reversed(range(count))]


def crop(x: Tensor, size: int) -> Tensor:
    """`x` [N, C, H, W] cut to `size`: an odd side comes from the even one above it."""
    return x if x.shape[-1] == size else x[..., :size, :size]


class PixelNorm(nn.Module):
    """Each pixel's channels scaled to unit mean square (Karras et al. 2018, Progressive Growing of GANs)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-6)


def norm_layer(kind: str, channels: int, *, affine: bool = True) -> nn.Module:
    """The normalisation called `kind` over [N, channels, H, W]. "layer" normalises each image over all its channels."""
    if kind == "batch":
        return nn.BatchNorm2d(channels, affine=affine)
    if kind == "layer":
        return nn.GroupNorm(1, channels, affine=affine)
    return PixelNorm() if kind == "pixel" else nn.Identity()


def label_vector(c: Tensor | None, num_classes: int) -> Tensor:
    """Labels c [N] as one-hot float [N, num_classes]; c [N, num_classes] is a mixture of classes and stays as it is.

    Raises ValueError where labels are missing.
    """
    if c is None:
        raise ValueError("this network is conditional: give it labels c [N]")
    return F.one_hot(c, num_classes).float() if c.dim() == 1 else c


class Critic(nn.Module):
    """What every D ends in: a score, helped by the label (projection) or beside class logits (classifier)."""

    def add_head(self, features: int, config: NetConfig) -> None:
        """Layers from `features` numbers an image to its `Scores`."""
        self.projects, self.classifies = (how in config.conditioning for how in ("projection", "classifier"))
        self.score = nn.Linear(features, 1)
        if self.projects:
            self.embed = nn.Embedding(config.num_classes, features)
            nn.init.zeros_(self.embed.weight)
        if self.classifies:
            self.classify = nn.Linear(features, config.num_classes)

    def answer(self, h: Tensor, c: Tensor | None) -> Scores:
        """h [N, features], c [N] or None -> Scores. Raises ValueError where labels are missing."""
        score = self.score(h).squeeze(1)
        if self.projects:
            if c is None:
                raise ValueError("this discriminator is conditional: give it labels c [N]")
            score = score + (self.embed(c) * h).sum(1)
        classes = self.classify(h).float() if self.classifies else None
        return Scores(score.float(), classes)


def minibatch_stddev(x: Tensor, group: int = GROUP) -> Tensor:
    """x [N, C, H, W] with one more channel: the standard deviation within groups of neighbours in the batch.

    It lets D see a lack of variety (Karras et al. 2018). Groups are neighbours, so that a batch split over processes
    in multiples of `group` gives the same numbers as the whole.
    """
    n = x.shape[0]
    group = next(g for g in range(min(group, n), 0, -1) if n % g == 0)
    y = x.float().reshape(n // group, group, *x.shape[1:])
    std = (y.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    channel = std.repeat_interleave(group).to(x.dtype).view(n, 1, 1, 1).expand(n, 1, *x.shape[2:])
    return torch.cat([x, channel], dim=1)
