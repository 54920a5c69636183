"""Model folders with small networks that have hardly learnt anything."""

import torch

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.model import ModelConfig, save_model

GRADES = ("none", "mild", "severe")


def make(folder, architecture="residual", names=GRADES, resolution=28, role="generator", seed=0, **settings):
    """A model folder with a network that has seen one batch."""
    torch.manual_seed(seed)
    conditioning = "none" if not names else "embedding" if role == "generator" else "projection"
    net_config = NetConfig(
        role=role,
        architecture=architecture,
        resolution=resolution,
        num_classes=len(names),
        conditioning=conditioning,
        channels=4,
        max_channels=16,
        z_dim=8,
        norm="batch" if role == "generator" and architecture != "style" else "none",
        **settings,
    )
    net = networks.build(net_config)
    if role == "generator":
        net(torch.randn(32, 8), torch.arange(32) % 3 if names else None)
    shares = (0.5, 0.3, 0.2)[: len(names)]
    config = ModelConfig(net=net_config, class_names=names, class_shares=shares, preset="test", images_seen=7)
    save_model(folder, net.eval(), config, "# A card\n")
    return folder
