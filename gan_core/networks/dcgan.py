"""The networks of the classic recipes: strided convolutions all the way (Radford et al. 2015), at any resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_core.config import NetConfig
from gan_core.networks.common import Critic, Scores, crop, label_vector, norm_layer, sizes, widths


def _init(module: nn.Module) -> None:
    """DCGAN's initialisation: every weight from N(0, 0.02)."""
    if any(p.is_meta for p in module.parameters(recurse=False)):
        return
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class Generator(nn.Module):
    """G(z [N, z_dim], c [N] or None, truncation) -> images [N, 1, R, R] in [-1, 1]."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.sizes = sizes(config.resolution)
        chans = widths(len(self.sizes) - 1, config.channels, config.max_channels)
        self.first = nn.Linear(config.z_dim + config.num_classes, chans[0] * self.sizes[0] ** 2, bias=False)
        self.first_norm = norm_layer(config.norm, chans[0])
        ups = list(zip(chans, [*chans[1:], 1], strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(i, o, 4, 2, 1, bias=o == 1) for i, o in ups)
        self.norms = nn.ModuleList(norm_layer(config.norm, o) for _, o in ups[:-1])
        self.apply(_init)

    def forward(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        return self.synthesis(self.mapping(z, c, truncation), c)

    def mapping(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """w, which without a mapping network is z; truncation shortens it."""
        return z * truncation

    def synthesis(self, w: Tensor, c: Tensor | None = None) -> Tensor:
        """w [N, z_dim], c [N] or None -> images [N, 1, R, R] in [-1, 1]."""
        if self.config.num_classes:
            w = torch.cat([w, label_vector(c, self.config.num_classes).to(w)], dim=1)
        x = self.first(w).unflatten(1, (-1, self.sizes[0], self.sizes[0]))
        x = self.first_norm(x).relu()
        for up, norm, size in zip(self.ups[:-1], self.norms, self.sizes[1:], strict=False):
            x = norm(crop(up(x), size)).relu()
        return crop(self.ups[-1](x), self.sizes[-1]).float().tanh()


class Discriminator(Critic):
    """D(x [N, 1, R, R], c [N] or None) -> Scores. No sigmoid at the end: the losses work on logits."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        side = config.resolution
        levels = config.levels or len(sizes(config.resolution)) - 1
        chans = widths(levels, config.channels, config.max_channels)[::-1]
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, (inp, out) in enumerate(zip([1, *chans[:-1]], chans, strict=True)):
            # As in the paper, the first layer has no normalisation.
            norm = config.norm if i else "none"
            self.convs.append(nn.Conv2d(inp, out, 4, 2, 1, bias=norm == "none"))
            self.norms.append(norm_layer(norm, out))
            side = side // 2
        self.act = nn.LeakyReLU(0.2)
        self.dropout = nn.Dropout(config.dropout)
        self.add_head(chans[-1] * side**2, config)
        self.apply(_init)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Scores:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.dropout(self.act(norm(conv(x))))
        return self.answer(x.flatten(1), c)
