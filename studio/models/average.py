"""The mean of several models' weights: between two that share a start lies one with something of both."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path

from gan_core.data import short_source
from gan_core.errors import UserError
from gan_core.model import NOT_FOR_DIAGNOSIS, Model, save_model


def average(models: Sequence[Model], shares: Sequence[float], folder: Path) -> None:
    """Writes a model folder with the mean of the `models`' weights, each by its share of their sum (model soups,
    Wortsman et al. 2022). It makes sense for models that went on from the same one, and for no others.

    Raises `UserError` where they are not alike, or the shares are no shares of theirs.
    """
    first = models[0]
    if len(models) != len(shares) or not all(0 <= s < math.inf for s in shares) or not sum(shares):
        raise UserError(f"There are {len(models)} models: give as many shares, none negative, not all zero.")
    for other in models[1:]:
        if other.config.net != first.config.net or other.class_names != first.class_names:
            raise UserError(f"{first.path} and {other.path} are different networks and have no mean.")
    last = models[-1].net.state_dict()
    states = [m.net.state_dict() for m in models]
    means = {
        name: sum(s[name].double() * (share / sum(shares)) for s, share in zip(states, shares, strict=True)).to(t.dtype)
        if t.is_floating_point()
        else t
        for name, t in last.items()
    }
    net = copy.deepcopy(first.net)
    net.load_state_dict(means, strict=True)
    seen = max(m.config.images_seen for m in models)
    parts = " and ".join(f"{share:g} of {short_source(str(m.path))}" for m, share in zip(models, shares, strict=True))
    card = f"# The mean of {len(models)} models\n\n{NOT_FOR_DIAGNOSIS}\n\nBy weight: {parts}.\n"
    save_model(folder, net, models[-1].config.model_copy(update={"images_seen": seen}), card)
