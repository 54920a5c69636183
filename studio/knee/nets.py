"""The model folders of the small networks that read knees: config.json, tensors in float16, a card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save
from torch import nn

from gan_core.config import Settings
from gan_core.files import write_bytes, write_text
from gan_core.model import CARD, CONFIG, TENSORS, read_tensors, read_validated

N = TypeVar("N", bound=nn.Module)
C = TypeVar("C", bound=Settings)


def save_net(folder: Path, net: nn.Module, config: Settings, card: str) -> None:
    """Writes the folder. Float16 halves the tensors and moves no figure."""
    half = {k: t.half() if t.is_floating_point() else t for k, t in net.state_dict().items()}
    write_text(folder / CARD, card)
    write_text(folder / CONFIG, json.dumps(config.model_dump(), indent=2))
    write_bytes(folder / TENSORS, save({k: t.detach().cpu().contiguous() for k, t in half.items()}))


def load_net(folder: Path, make: Callable[[C], N], config: type[C]) -> N:
    """What `make` makes of the folder's `config`, with its tensors, ready for use. Raises `UserError` where anything
    about it is wrong."""
    settings = read_validated(folder, config)
    with torch.random.fork_rng(devices=[]):
        net = make(settings)
    net.load_state_dict(read_tensors(folder / TENSORS, net.state_dict()), strict=True)
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
