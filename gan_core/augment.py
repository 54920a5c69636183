"""What D sees instead of the bare images: differentiable augmentation and input noise.

Both act alike on reals and fakes, in D's step and in G's, so that G never learns to imitate them
(DiffAugment, Zhao et al. 2020). Images are [N, 1, H, W] in [-1, 1]; randomness is PyTorch's global state.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

TRANSLATION = 1 / 8  # of the side, at most
CUTOUT = 1 / 2  # of the side
CROP = 7 / 8  # of the side


def _per_image(x: Tensor) -> Tensor:
    return torch.rand(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype)


def brightness(x: Tensor) -> Tensor:
    return x + (_per_image(x) - 0.5)


def contrast(x: Tensor) -> Tensor:
    mean = x.mean(dim=(2, 3), keepdim=True)
    return torch.lerp(mean, x, _per_image(x) + 0.5)


def translation(x: Tensor) -> Tensor:
    """Shifts each image by up to an eighth of its side; black comes in."""
    n, _, h, w = x.shape
    reach = max(1, round(h * TRANSLATION))
    dy, dx = torch.randint(-reach, reach + 1, (2, n, 1, 1), device=x.device)
    rows = (torch.arange(h, device=x.device).view(1, h, 1) + dy + 1).clamp(0, h + 1)
    cols = (torch.arange(w, device=x.device).view(1, 1, w) + dx + 1).clamp(0, w + 1)
    padded = F.pad(x, (1, 1, 1, 1), value=-1.0)
    image = torch.arange(n, device=x.device).view(n, 1, 1)
    return padded[:, 0][image, rows, cols].unsqueeze(1)


def cutout(x: Tensor) -> Tensor:
    """Hides a square of half the side (a pixel less where that is even), anywhere, by mid-gray."""
    n, _, h, w = x.shape
    size = round(h * CUTOUT)
    cy, cx = torch.randint(0, h + 1, (2, n, 1, 1), device=x.device)
    rows = torch.arange(h, device=x.device).view(1, h, 1)
    cols = torch.arange(w, device=x.device).view(1, 1, w)
    hidden = ((rows - cy).abs() * 2 < size) & ((cols - cx).abs() * 2 < size)
    return x.masked_fill(hidden.unsqueeze(1), 0.0)


def crop(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """A square of seven eighths of the side from each image; `down` and `right` [N] in [0, 1) say from where."""
    n, _, side, _ = x.shape
    size = round(side * CROP)
    image = torch.arange(n, device=x.device).view(n, 1, 1)
    rows, cols = (
        (at * (side - size + 1)).long().view(n, 1, 1) + torch.arange(size, device=x.device).view(shape)
        for at, shape in ((down, (1, size, 1)), (right, (1, 1, size)))
    )
    return x[:, 0][image, rows, cols].unsqueeze(1)


_OPERATIONS = {"brightness": brightness, "contrast": contrast, "translation": translation, "cutout": cutout}


def augment(x: Tensor, operations: Sequence[str], noise: float = 0.0, share: float = 1.0) -> Tensor:
    """`operations` in their order, each on a random `share` of the images; then normal noise of deviation `noise`.

    Where D also meets images as they are, G cannot take an operation for a trait of the data (ADA, Karras et al. 2020,
    here with a fixed share).
    """
    for name in operations:
        changed = _OPERATIONS[name](x)
        x = changed if share == 1 else torch.where(_per_image(x) < share, changed, x)
    return x + noise * torch.randn_like(x) if noise else x
