"""Growing: a network takes over what a smaller one has learnt, at twice the side, with more channels, or both.

The old weights fill the corner of the new tensors and see nothing of the new channels at first; a block at a resolution
that is new begins by passing its input on. So the grown generator draws the small one's images, only larger, and learns
from there: Progressive Growing (Karras et al. 2018) without its fading in, and Net2Net (Chen et al. 2016) with fresh
channels in place of copies, which would never part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.networks import style
from gan_core.networks.common import sizes, widths
from gan_core.networks.residual import SUM_GAIN, Discriminator, DownBlock, Generator, UpBlock

_OF_CLASSES = ("embed", "classify")  # other classes are learnt afresh


@torch.no_grad()
def grow(small: nn.Module, large: nn.Module) -> None:
    """`large`, freshly initialised, takes over from `small`, but for what that knows of other classes.

    Raises `UserError` where `large` does not contain `small`.
    """
    if not isinstance(small, (Generator, Discriminator, style.Generator)) or type(small) is not type(large):
        raise UserError("Only a residual or style network can start from another, and only from one of its own kind.")
    _check(small.config, large.config)
    if isinstance(large, (Generator, style.Generator)):
        old, new = large.blocks[: len(small.blocks)], large.blocks[len(small.blocks) :]
    else:
        new, old = large.blocks[: -len(small.blocks)], large.blocks[-len(small.blocks) :]
    for name, module in small.named_children():
        if hasattr(large, name):
            _fill(module, old if name == "blocks" else getattr(large, name), name)
    if isinstance(large, style.Generator) and isinstance(small, style.Generator):
        large.start.copy_(small.start)
    for block in new:
        if isinstance(block, style.Level):
            block.be_silent()
        else:
            _pass_on(block, small.config.channels)


def _check(small: NetConfig, large: NetConfig) -> None:
    for name in ("norm", "z_dim"):
        if getattr(small, name) != getattr(large, name):
            raise UserError(f"Its {name} is {getattr(small, name)}, this run's is {getattr(large, name)}.")
    before, after = (sizes(c.resolution) for c in (small, large))
    if before != after[: len(before)]:
        raise UserError(f"{large.resolution} pixels do not come from {small.resolution} by doubling.")
    before, after = (widths(len(sizes(c.resolution)), c.channels, c.max_channels) for c in (small, large))
    fewer = any(now < then for then, now in zip(before, after, strict=False)) or large.channels < small.channels
    if fewer or before[0] != after[0]:
        raise UserError(
            f"Channels from the coarsest on are {before}, this run's {after}: none may be fewer, the first not more."
        )


def _fill(old: nn.Module, new: nn.Module, called: str) -> None:
    """All of `old`'s tensors into the corners of `new`'s, but for those of other classes."""
    target = new.state_dict()
    for name, tensor in old.state_dict().items():
        of_classes = any(part in f"{called}.{name}" for part in _OF_CLASSES)
        if name not in target or (of_classes and target[name].shape != tensor.shape):
            continue
        if "affine" in name:  # a style's scales, then its shifts: each half has a corner of its own
            for part, like in zip(target[name].chunk(2), tensor.chunk(2), strict=True):
                _corner(part, like)
        else:
            _corner(target[name], tensor)


def _corner(new: Tensor, old: Tensor) -> None:
    if old.dim() > 1 and new.shape[1] > old.shape[1]:
        new[: old.shape[0]] = 0  # what was there is blind to the new inputs until it has learnt to use them
    both = tuple(slice(min(n, o)) for n, o in zip(new.shape, old.shape, strict=True))
    new[both] = old[both]


def _pass_on(block: nn.Module, channels: int) -> None:
    """`block` puts out its first `channels` inputs as they are, at its own resolution."""
    assert isinstance(block, (UpBlock, DownBlock))
    nn.init.zeros_(block.conv2.weight)
    weight = block.skip.weight
    weight[:channels] = 0
    weight[:channels, :channels, 0, 0] = torch.eye(channels) / SUM_GAIN
