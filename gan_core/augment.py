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
SHIFT, ZOOM, TURN = 0.05, 0.1, 6.0  # standard deviations: of the side, of the scale in powers of two, in degrees
EXPOSURE, CONTRAST, GAMMA, GRAIN = 0.2, 0.25, 0.3, 0.02  # of [-1, 1], powers of two twice, of [-1, 1]


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


def _normal(x: Tensor, spread: float, size: int = 1) -> Tensor:
    """[N, size], normal of deviation `spread`."""
    return spread * torch.randn(len(x), size, device=x.device)


def pose(x: Tensor) -> Tensor:
    """Shifts, scales and turns each image a little, as films differ; its edge goes on outwards."""
    n = len(x)
    shift, zoom, turn = _normal(x, 2 * SHIFT, 2), _normal(x, ZOOM).exp2(), _normal(x, TURN).deg2rad()
    sine, cosine = zoom * turn.sin(), zoom * turn.cos()
    matrix = torch.stack([torch.cat([cosine, -sine, shift[:, :1]], 1), torch.cat([sine, cosine, shift[:, 1:]], 1)], 1)
    grid = F.affine_grid(matrix, [n, 1, *x.shape[2:]], align_corners=False)
    return F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False).to(x.dtype)


def exposure(x: Tensor) -> Tensor:
    """Another exposure, contrast and film: gray levels by a line and a power, kept in range."""
    level, slope, bend = (_normal(x, s).view(-1, 1, 1, 1) for s in (EXPOSURE, CONTRAST, GAMMA))
    gray = ((x * slope.exp2() + level) / 2 + 0.5).clamp(1e-3, 1)  # 0 has no gradient of a power
    return (gray ** bend.exp2() * 2 - 1).to(x.dtype)


def grain(x: Tensor) -> Tensor:
    """Noise, of another strength in each image."""
    return x + (_normal(x, GRAIN).view(-1, 1, 1, 1) * torch.randn_like(x)).to(x.dtype)


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


_OPERATIONS = {f.__name__: f for f in (brightness, contrast, translation, cutout, pose, exposure, grain)}


def augment(x: Tensor, operations: Sequence[str], noise: float = 0.0, share: float = 1.0) -> Tensor:
    """`operations` in their order, each on a random `share` of the images; then normal noise of deviation `noise`.

    Where D also meets images as they are, G cannot take an operation for a trait of the data (ADA, Karras et al. 2020).
    """
    for name in operations if share else ():
        changed = _OPERATIONS[name](x)
        x = changed if share == 1 else torch.where(_per_image(x) < share, changed, x)
    return x + noise * torch.randn_like(x) if noise else x
