"""A style-based generator: what is drawn comes from a learned constant, how it is drawn from w at every level.

StyleGAN2 (Karras et al. 2020): the style scales each convolution's inputs, and its outputs are divided by the size that
leaves them expected to have; each level adds its own picture to the enlarged picture so far. Without the noise inputs:
a seed must always be the same image. The discriminator is the residual one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.config import NetConfig
from gan_core.networks.common import crop, sizes, widths
from gan_core.networks.residual import Mapping, UpConv, init


class StyledConv(nn.Module):
    """x [N, inp, s, s], w [N, w_dim] -> [N, out, s, s], or twice the side with `up`. Modulated, demodulated."""

    def __init__(self, inp: int, out: int, w_dim: int, up: bool) -> None:
        super().__init__()
        self.conv = (UpConv if up else nn.Conv2d)(inp, out, 3, padding=1, bias=False)
        self.to_scale = nn.Linear(w_dim, inp)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale = 1 + self.to_scale(w)
        # The weights are shared by the batch: scaling the inputs instead of the weights is the same sum.
        energy = self.conv.weight.float().square().sum((2, 3)) @ scale.float().square().T  # [out, N]
        size = torch.rsqrt(energy.T + 1e-8).to(x.dtype)[:, :, None, None]
        x = self.conv(x * scale.to(x.dtype)[:, :, None, None])
        return F.leaky_relu(torch.addcmul(self.bias.to(x.dtype)[:, None, None], x, size), 0.2) * math.sqrt(2)


class Level(nn.Module):
    """One resolution: (x, image so far or None, w) -> (x, image so far), at `size` pixels."""

    def __init__(self, inp: int, out: int, size: int, w_dim: int, up: bool) -> None:
        super().__init__()
        self.size = size
        self.conv1 = StyledConv(inp, out, w_dim, up)
        self.conv2 = StyledConv(out, out, w_dim, up=False)
        self.draw = nn.Conv2d(out, 1, 1)

    @torch.no_grad()
    def be_silent(self) -> None:
        """Adds nothing to the picture so far, at first."""
        for parameter in self.draw.parameters():
            parameter.zero_()

    def forward(self, x: Tensor, image: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv2(crop(self.conv1(x, w), self.size), w)
        drawn = self.draw(x)
        if image is None:
            return x, drawn
        large = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
        return x, crop(large, self.size) + drawn


class Generator(nn.Module):
    """G(z [N, z_dim], c [N] or None, truncation) -> images [N, 1, R, R] in [-1, 1]."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        levels = sizes(config.resolution)
        chans = widths(len(levels), config.channels, config.max_channels)
        self.mapping = Mapping(config)
        self.start = nn.Parameter(torch.empty(1, chans[0], levels[0], levels[0]))
        self.blocks = nn.ModuleList(
            Level(inp, out, size, config.z_dim, up=i > 0)
            for i, (inp, out, size) in enumerate(zip([chans[0], *chans[:-1]], chans, levels, strict=True))
        )
        self.apply(init)
        if not self.start.is_meta:
            nn.init.normal_(self.start)
            for module in self.modules():
                if isinstance(module, StyledConv):  # gentle at first: each input near its own size
                    nn.init.normal_(module.to_scale.weight, 0.0, 0.5 / math.sqrt(config.z_dim))
                elif isinstance(module, Level):  # the pictures of all levels add up
                    nn.init.normal_(module.draw.weight, 0.0, 0.3 / math.sqrt(module.draw.in_channels))

    def forward(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        return self.synthesis(self.mapping(z, c, truncation))

    def synthesis(self, w: Tensor, c: Tensor | None = None) -> Tensor:
        """w [N, z_dim] -> images [N, 1, R, R] in [-1, 1]. What c says is in w."""
        x = self.start.expand(w.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        image = None
        for block in self.blocks:
            x, image = block(x, image, w)
        assert image is not None
        return image.float().tanh()
