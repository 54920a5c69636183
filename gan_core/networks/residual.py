"""The networks of the modern recipe: residual blocks, a mapping network, styles.

Many cheap updates win over capacity at small compute: blocks are thin at full resolution and double at each halving.
Pieces: StyleGAN's mapping network (Karras et al. 2019), style as scale and shift after a normalisation (AdaIN without
noise), a residual D with minibatch standard deviation (Karras et al. 2018) and label projection (Miyato & Koyama
2018).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.config import NetConfig
from gan_core.networks.common import Critic, Scores, crop, label_vector, minibatch_stddev, norm_layer, sizes, widths

SUM_GAIN = math.sqrt(0.5)  # keeps the variance where two branches of equal variance meet
CENTRE_SAMPLES = 512  # of z, whose mean w is the centre that truncation pulls towards


def init(module: nn.Module) -> None:
    """He's initialisation. With PyTorch's own a dozen layers let a hundredth of the signal through, and D
    starts blind."""
    if isinstance(module, (nn.Conv2d, nn.Linear)) and not module.weight.is_meta:
        nn.init.kaiming_normal_(module.weight, a=0.2)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Mapping(nn.Module):
    """(z [N, z_dim], c [N], [N, num_classes] or None) -> w [N, z_dim]: two layers; labels join as an embedding of z's
    size, mixed where c is a mixture."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.z_dim, self.num_classes = config.z_dim, config.num_classes
        if config.num_classes:
            self.embed = nn.Linear(config.num_classes, config.z_dim)
        inputs = config.z_dim * (2 if config.num_classes else 1)
        self.layers = nn.Sequential(
            nn.Linear(inputs, config.z_dim), nn.LeakyReLU(0.2), nn.Linear(config.z_dim, config.z_dim), nn.LeakyReLU(0.2)
        )

    def forward(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        w = self._map(z, c)
        return w if truncation == 1.0 else torch.lerp(self._centre(z, c), w, truncation)

    def _map(self, z: Tensor, c: Tensor | None) -> Tensor:
        if self.num_classes:
            z = torch.cat([z, self.embed(label_vector(c, self.num_classes).to(z))], dim=1)
        return self.layers(z)

    def _centre(self, like: Tensor, c: Tensor | None) -> Tensor:
        """The mean w of each label, [N or 1, z_dim]: truncation goes to the middle of the class asked for, not of all.

        Taken afresh from fixed z rather than tracked in training, so it always belongs to these weights.
        """
        z = torch.randn(CENTRE_SAMPLES, self.z_dim, generator=torch.Generator().manual_seed(0)).to(like)
        if c is None:
            return self._map(z, None).mean(0, keepdim=True)
        labels, place = c.unique(dim=0, return_inverse=True)
        means = [self._map(z, label.expand(CENTRE_SAMPLES, *label.shape)).mean(0) for label in labels]
        return torch.stack(means)[place]


class Style(nn.Module):
    """Normalises x [N, C, H, W], then scales and shifts each channel by what w [N, w_dim] says."""

    def __init__(self, kind: str, channels: int, w_dim: int) -> None:
        super().__init__()
        self.norm = norm_layer(kind, channels, affine=False)
        self.affine = nn.Linear(w_dim, 2 * channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.affine(w).to(x.dtype)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


def doubled(weight: Tensor) -> Tensor:
    """A 3x3 kernel [O, I, 3, 3] as seen from twice or half the resolution: [O, I, 4, 4], its sum over a sliding 2x2."""
    p = F.pad(weight, (1, 1, 1, 1))
    return p[..., 1:, 1:] + p[..., 1:, :-1] + p[..., :-1, 1:] + p[..., :-1, :-1]


class UpConv(nn.Conv2d):
    """x [N, I, s, s] -> [N, O, 2s, 2s]: nearest upsampling, then this 3x3 convolution, in one of 16 taps for 36."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, doubled(self.weight).transpose(0, 1).flip(2, 3), self.bias, stride=2, padding=1)


class DownConv(nn.Conv2d):
    """x [N, I, s, s] -> [N, O, floor(s / 2), floor(s / 2)]: this 3x3 convolution, then the mean of each 2x2, in one."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, doubled(self.weight) / 4, self.bias, stride=2, padding=1)


class UpBlock(nn.Module):
    """x [N, inp, s, s] -> [N, out, size, size], with size 2s or 2s - 1."""

    def __init__(self, inp: int, out: int, size: int, config: NetConfig) -> None:
        super().__init__()
        self.size = size
        self.style1, self.style2 = (Style(config.norm, ch, config.z_dim) for ch in (inp, out))
        self.conv1 = UpConv(inp, out, 3)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(inp, out, 1, bias=False)
        if config.norm == "batch":
            # A shift of a whole channel ends in a batch normalisation, which takes it out: the gradient is zero, and
            # the transposed convolution's costs more than all the rest of its backward pass.
            for conv in (self.conv1, self.conv2):
                assert conv.bias is not None
                conv.bias.requires_grad_(False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        h = crop(self.conv1(F.leaky_relu_(self.style1(x, w), 0.2)), self.size)
        h = self.conv2(F.leaky_relu_(self.style2(h, w), 0.2))
        # A 1x1 convolution and nearest upsampling commute: convolve at the small size.
        skip = F.interpolate(self.skip(x), scale_factor=2, mode="nearest")
        return (crop(skip, self.size) + h) * SUM_GAIN


class Generator(nn.Module):
    """G(z [N, z_dim], c [N] or None, truncation) -> images [N, 1, R, R] in [-1, 1]."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.sizes = sizes(config.resolution)
        chans = widths(len(self.sizes), config.channels, config.max_channels)
        self.mapping = Mapping(config)
        self.first = nn.Linear(config.z_dim, chans[0] * self.sizes[0] ** 2)
        self.blocks = nn.ModuleList(
            UpBlock(i, o, size, config) for i, o, size in zip(chans[:-1], chans[1:], self.sizes[1:], strict=True)
        )
        self.last_norm = norm_layer(config.norm, chans[-1])
        self.last = nn.Conv2d(chans[-1], 1, 3, padding=1)
        self.apply(init)
        for module in self.modules():
            if (
                isinstance(module, Style) and not module.affine.weight.is_meta
            ):  # gentle at first: each channel near its normalised self
                nn.init.normal_(module.affine.weight, 0.0, 0.5 / math.sqrt(config.z_dim))

    def forward(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        return self.synthesis(self.mapping(z, c, truncation))

    def synthesis(self, w: Tensor, c: Tensor | None = None) -> Tensor:
        """w [N, z_dim] -> images [N, 1, R, R] in [-1, 1]. What c says is in w."""
        return self.draw(self.features(w))

    def features(self, w: Tensor, blocks: int | None = None) -> Tensor:
        """w [N, z_dim] -> what the first `blocks` blocks, or all, make of it, [N, C, s, s]."""
        x = self.first(w).unflatten(1, (-1, self.sizes[0], self.sizes[0]))
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks[:blocks]:
            x = block(x, w)
        return x

    def draw(self, x: Tensor) -> Tensor:
        """The last block's x [N, C, R, R] -> images [N, 1, R, R] in [-1, 1]."""
        return self.last(F.leaky_relu_(self.last_norm(x), 0.2)).float().tanh()


class DownBlock(nn.Module):
    """x [N, inp, s, s] -> [N, out, floor(s / 2), floor(s / 2)]."""

    def __init__(self, inp: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inp, inp, 3, padding=1)
        self.conv2 = DownConv(inp, out, 3)
        self.skip = nn.Conv2d(inp, out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.leaky_relu(x, 0.2))
        h = self.conv2(F.leaky_relu_(h, 0.2))
        # The skip pools first: the 1x1 convolution commutes with the mean and is four times cheaper there.
        return (h + self.skip(F.avg_pool2d(x, 2))) * SUM_GAIN


class Discriminator(Critic):
    """D(x [N, 1, R, R], c [N] or None) -> Scores."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        levels = len(sizes(config.resolution))
        chans = widths(levels, config.channels, config.max_channels)[::-1]
        self.first = nn.Conv2d(1, chans[0], 3, padding=1)
        self.blocks = nn.ModuleList(DownBlock(i, o) for i, o in pairwise(chans))
        side = config.resolution >> (levels - 1)
        self.last = nn.Conv2d(chans[-1] + 1, chans[-1], 3, padding=1)
        self.hidden = nn.Linear(chans[-1] * side**2, chans[-1])
        self.add_head(chans[-1], config)
        self.apply(init)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Scores:
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        h = F.leaky_relu(self.last(minibatch_stddev(h)), 0.2)
        h = F.leaky_relu(self.hidden(h.flatten(1)), 0.2)
        return self.answer(h, c)
