"""A discriminator that looks at images through a network trained on photographs, which stays as it is.

Its heads judge what that network sees at four scales. They are small and have no pixel to learn by heart, so they find
other faults than that of pixels and know the films less (Projected GAN, Sauer et al. 2021; Vision-aided GAN,
Kumari et al. 2022).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from gan_core.networks.common import minibatch_stddev
from gan_core.networks.efficientnet import CHANNELS, Seen

HEAD = 64  # channels of a head
LEAST = 56  # side from which on the frozen network has something to see; smaller images are enlarged


class Head(nn.Module):
    """x [N, channels, s, s], c [N] or None -> scores [N, places], of maps halved `halvings` times."""

    def __init__(self, channels: int, halvings: int, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.GroupNorm(1, channels, affine=False), spectral_norm(nn.Conv2d(channels, HEAD, 1))]
        for _ in range(halvings):
            layers += [nn.LeakyReLU(0.2), spectral_norm(nn.Conv2d(HEAD, HEAD, 4, 2, 1))]
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(0.2))
        self.last = nn.Sequential(spectral_norm(nn.Conv2d(HEAD + 1, HEAD, 3, 1, 1)), nn.LeakyReLU(0.2))
        self.score = spectral_norm(nn.Conv2d(HEAD, 1, 1))
        self.embed = nn.Embedding(num_classes, HEAD) if num_classes else None
        if self.embed is not None:
            nn.init.zeros_(self.embed.weight)

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        h = self.last(minibatch_stddev(self.layers(x)))
        score = self.score(h)
        if self.embed is not None:
            assert c is not None
            score = score + (self.embed(c)[:, :, None, None] * h).sum(1, keepdim=True)
        return score.flatten(1).float()


class FeatureCritic(nn.Module):
    """`critic.see(x)` is what the frozen network sees in images; `critic(maps, c)` is what the heads, which learn, make
    of it.

    Raises `UserError` where the frozen network is not installed.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self._frozen = [Seen()]  # in a list, so that it is in no state: it is the same everywhere
        coarsest = len(CHANNELS) - 1
        self.heads = nn.ModuleList(
            Head(channels, coarsest - scale, num_classes) for scale, channels in enumerate(CHANNELS)
        )

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def, override]  # goes where the heads go
        self._frozen[0]._apply(fn)
        return super()._apply(fn, recurse)

    def see(self, x: Tensor) -> list[Tensor]:
        """Images [N, 1, R, R] in [-1, 1] -> a map for each head."""
        if x.shape[-1] < LEAST:
            x = F.interpolate(x, size=LEAST, mode="bilinear")
        return self._frozen[0](x)

    def forward(self, maps: list[Tensor], c: Tensor | None) -> Tensor:
        """Scores [N, places], large for real: what each head says of each place."""
        return torch.cat([head(m, c) for head, m in zip(self.heads, maps, strict=True)], 1)
