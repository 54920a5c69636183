"""Generators `G(z, c)` and discriminators `D(x, c)` for any resolution, built from a `NetConfig`."""

from __future__ import annotations

import torch
from torch import nn

from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.networks import dcgan, residual, style
from gan_core.networks.common import Scores
from gan_core.networks.grow import grow

MAX_PARAMETERS = 150_000_000  # 0.6 GB in float32: far above any preset, far below what hurts a host

__all__ = ["MAX_PARAMETERS", "Scores", "build", "count_parameters", "grow", "has_mapping"]

_CLASSES = {
    ("dcgan", "generator"): dcgan.Generator,
    ("dcgan", "discriminator"): dcgan.Discriminator,
    ("residual", "generator"): residual.Generator,
    ("residual", "discriminator"): residual.Discriminator,
    ("style", "generator"): style.Generator,
    ("style", "discriminator"): residual.Discriminator,
}


def build(config: NetConfig) -> nn.Module:
    """The network that `config` describes, freshly initialised from PyTorch's global random state.

    Raises `UserError` where it would have more than `MAX_PARAMETERS` parameters, before any memory is taken.
    """
    net_class = _CLASSES[config.architecture, config.role]
    # Networks leave weights on "meta" as they are: drawing normal numbers there loads 1.4 s of PyTorch.
    with torch.device("meta"):
        count = count_parameters(net_class(config))
    if count > MAX_PARAMETERS:
        raise UserError(
            f"This {config.role} would have {count:,} parameters, more than the limit of {MAX_PARAMETERS:,}: "
            "ask for fewer channels or a lower resolution."
        )
    return net_class(config)


def has_mapping(net: nn.Module) -> bool:
    """Whether a generator has a mapping network, so that its w is another space than z."""
    return isinstance(net, (residual.Generator, style.Generator))


def count_parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())
