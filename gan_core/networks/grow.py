"""Growing: a network takes over what a smaller one has learnt, at twice the side, with more channels, or both.

The old weights fill the corner of the new tensors and see nothing of the new channels at first; a block at a resolution
that is new begins by passing its input on. So the grown generator draws the small one's images, only larger, and learns
from there: Progressive Growing (Karras et al. 2018) without its fading in, and Net2Net (Chen et al. 2016) with fresh
channels in place of copies, which would never part. A finest level thinner than the small one's cannot pass its input
on: it learns, in a minute or two, to put out what the small one would.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.networks import style
from gan_core.networks.common import sizes, widths
from gan_core.networks.residual import SUM_GAIN, Discriminator, DownBlock, Generator, UpBlock

LESSONS = 300  # steps of a thinner level's imitation ...
LESSON = 8  # ... of so many images each
_OF_CLASSES = ("embed", "classify")  # other classes are learnt afresh


@torch.no_grad()
def grow(small: nn.Module, large: nn.Module) -> None:
    """`large`, freshly initialised, takes over from `small`, but for what that knows of other classes.

    Raises `UserError` where `large` does not contain `small`.
    """
    if not isinstance(small, (Generator, Discriminator, style.Generator)) or type(small) is not type(large):
        raise UserError("Only a residual or style network can start from another, and only from one of the same kind.")
    _check(small.config, large.config)
    if isinstance(large, (Generator, style.Generator)):
        old, new = large.blocks[: len(small.blocks)], large.blocks[len(small.blocks) :]
    else:
        new, old = large.blocks[: -len(small.blocks)], large.blocks[-len(small.blocks) :]
    for name, module in small.named_children():
        if hasattr(large, name):
            _fill(module, old if name == "blocks" else getattr(large, name), name)
    thinner = large.config.channels < small.config.channels
    match small, large:
        case style.Generator(), style.Generator():
            large.start.copy_(small.start)
            for level in new:
                assert isinstance(level, style.Level)
                level.be_silent()
        case Generator(), Generator() if thinner:
            _imitate_images(small.to(next(large.parameters()).device), large)
        case Discriminator(), Discriminator() if thinner:
            _imitate_features(small.to(next(large.parameters()).device), large)
        case _:
            for block in new:
                _pass_on(block, small.config.channels)


def _check(small: NetConfig, large: NetConfig) -> None:
    for name in ("norm", "z_dim"):
        if getattr(small, name) != getattr(large, name):
            raise UserError(f"Its {name} is {getattr(small, name)}, this run's is {getattr(large, name)}.")
    before, after = (sizes(c.resolution) for c in (small, large))
    if before != after[: len(before)]:
        raise UserError(f"{large.resolution} pixels do not come from {small.resolution} by doubling.")
    before, after = (widths(len(sizes(c.resolution)), c.channels, c.max_channels) for c in (small, large))
    fewer = any(now < then for then, now in zip(before, after, strict=False))
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


def _imitate_images(small: Generator, large: Generator) -> None:
    """The new blocks and what follows draw, enlarged, what the small one would draw of the features before them."""
    new, config = large.blocks[len(small.blocks) :], large.config

    def lesson(rng: torch.Generator) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            z = torch.randn(LESSON, config.z_dim, generator=rng, device=rng.device)
            c = torch.arange(LESSON, device=rng.device) % config.num_classes if config.num_classes else None
            w = large.mapping(z, c)
            x = large.features(w, len(small.blocks))
            image = small.draw(x[:, : small.config.channels])
        for block in new:
            x = block(x, w)
        return large.draw(x), _resize(image, config.resolution)

    _learn(large, [new, large.last_norm, large.last], lesson)


def _imitate_features(small: Discriminator, large: Discriminator) -> None:
    """The first layer and the new blocks put out what the small first layer makes of the image at its own side."""
    new, side = large.blocks[: -len(small.blocks)], large.config.resolution

    def lesson(rng: torch.Generator) -> tuple[Tensor, Tensor]:
        shapes = [(LESSON, 1, side >> level, side >> level) for level in range(6)]
        noise = [_resize(torch.randn(shape, generator=rng, device=rng.device), side) for shape in shapes]
        x = torch.stack(noise).sum(0).tanh()
        with torch.no_grad():
            wanted = small.first(_resize(x, small.config.resolution))
        h = large.first(x)
        for block in new:
            h = block(h)
        return h[:, : small.config.channels], wanted

    _learn(large, [large.first, new], lesson)


def _resize(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False, antialias=side < x.shape[-1])


def _learn(net: nn.Module, parts: list[nn.Module], lesson: Callable[[torch.Generator], tuple[Tensor, Tensor]]) -> None:
    """`parts` of `net` learn until the two tensors of a lesson, (is, should be), are alike."""
    rng, training = torch.Generator(next(net.parameters()).device).manual_seed(0), net.training
    net.eval()
    parameters = [p for part in parts for p in part.train().parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, LESSONS)
    with torch.enable_grad():
        for _ in range(LESSONS):
            found, wanted = lesson(rng)
            optimizer.zero_grad()
            F.mse_loss(found, wanted).backward()
            optimizer.step()
            rates.step()
    optimizer.zero_grad()
    net.train(training)


def _pass_on(block: nn.Module, channels: int) -> None:
    """`block` puts out its first `channels` inputs as they are, at its own resolution."""
    assert isinstance(block, (UpBlock, DownBlock))
    nn.init.zeros_(block.conv2.weight)
    weight = block.skip.weight
    weight[:channels] = 0
    weight[:channels, :channels, 0, 0] = torch.eye(channels) / SUM_GAIN
