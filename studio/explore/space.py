"""Points and pictures of any generator: a point is a w where it has a mapping network, and z itself where it has none.

A grade between two classes is a mixture of both (see `label_vector`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_core.images import to_uint8
from gan_core.model import Model
from gan_core.networks import has_mapping
from studio.explore import single

BATCH_PIXELS = 16 * 128**2  # of images made at a time


@dataclass(frozen=True)
class Space:
    """The latent space of a model."""

    model: Model

    @property
    def net(self) -> Any:  # a module's parts have no types of their own
        return self.model.net

    @property
    def mapped(self) -> bool:
        """Whether points are w's."""
        return has_mapping(self.net)

    def labels(self, grades: Sequence[float]) -> Tensor | None:
        """c [N, num_classes]: each grade as a mixture of the two classes beside it; None without classes."""
        names = self.model.class_names
        if not names:
            return None
        at = torch.tensor(grades, dtype=torch.float64).clamp(0, len(names) - 1)[:, None]
        return (1 - (at - torch.arange(len(names))).abs()).clamp(min=0).float()

    def centre(self, z: Tensor, c: Tensor | None) -> Tensor:
        """Where truncation leads, [N or 1, dim]: the mean w of each label, or 0."""
        return self.net.mapping(z, c, 0.0) if self.mapped else torch.zeros_like(z)

    def points(self, z: Tensor, c: Tensor | None, truncation: float = 1.0, offset: Tensor | float = 0.0) -> Tensor:
        """The points [N, dim] of z [N, z_dim]. `offset` is added before truncation, and so is shortened with it."""
        p = (self.net.mapping(z, c) if self.mapped else z) + offset
        return p if truncation == 1.0 else torch.lerp(self.centre(z, c), p, truncation)

    def synthesis(self, p: Tensor, c: Tensor | None) -> Tensor:
        """Points [N, dim] -> images [N, 1, R, R] in [-1, 1]."""
        return self.net.synthesis(p) if self.mapped else self.net(p, c)

    @torch.inference_mode()
    def batches(self, p: Tensor, c: Tensor | None) -> Iterator[NDArray[np.uint8]]:
        """Images uint8 [n, 1, R, R] of points [N, dim], some at a time. One label c [1, num_classes] serves all."""
        draw = single.drawer(self.model) if len(p) <= single.FEW else None
        step = max(1, BATCH_PIXELS // self.model.config.net.resolution**2)
        for i in range(0, len(p), step):
            part = p[i : i + step]
            label = c if c is None else c.expand(len(p), -1)[i : i + step]
            yield to_uint8(draw(part) if draw else self.synthesis(part, label))

    def images(self, p: Tensor, c: Tensor | None) -> NDArray[np.uint8]:
        """All of `batches` at once."""
        return np.concatenate(list(self.batches(p, c)))
