"""One small classifier for every measure that has to train one: real or fake, and grades from real and fake images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.images import resize, to_float, to_uint8

BATCH = 64
RATE = 3e-3
WEIGHT_DECAY = 0.05
SIDE = 64  # larger images are brought down to it; to learn from one then takes 19 million operations
WIDTHS = (16, 32, 64, 64)


def shrink(images: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """uint8 [N, 1, R, R] averaged down to `side` where R is larger; as they are where it is not."""
    if images.shape[-1] <= side:
        return images
    chunks = (resize(to_float(images[i : i + 256]), side) for i in range(0, len(images), 256))
    return np.concatenate([to_uint8(chunk) for chunk in chunks])


def network(num_classes: int) -> nn.Module:
    """Logits [N, num_classes] of images [N, 1, R, R] in [-1, 1], of any side from 8 up; 61,000 parameters."""
    layers: list[nn.Module] = []
    for before, after in zip((1, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], num_classes)]
    return nn.Sequential(*layers, *head).to(memory_format=torch.channels_last)


def vary(x: Tensor, rng: torch.Generator) -> Tensor:
    """Images [N, 1, R, R]: half of them mirrored, contrast and brightness a little changed."""
    mirror, contrast, brightness = torch.rand(3, len(x), 1, 1, 1, generator=rng)
    x = torch.where(mirror < 0.5, x.flip(3), x)
    return x * (0.85 + 0.3 * contrast) + (brightness - 0.5) * 0.2


def log_shares(labels: Tensor, num_classes: int) -> Tensor:
    """Logarithm of each class's share [num_classes]; 0 for a class that does not occur."""
    shares = torch.bincount(labels, minlength=num_classes) / len(labels)
    return torch.where(shares > 0, shares, 1.0).log()


def train_classifier(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    seed: int,
    steps: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> nn.Module:
    """A `network` trained for `steps` batches of 64 on uint8 images [N, 1, R, R] (`shrink` them first).

    Class-balanced by logit adjustment (Menon et al. 2021): what it predicts is as if all classes were equally frequent,
    so that two classifiers differ by the images they have seen and not by the shares of their classes. The result
    depends on the seed, not on PyTorch's global state. `progress` is called with (steps done, steps).
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = network(num_classes)
    y = torch.from_numpy(labels)
    prior = log_shares(y, num_classes)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        while len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(y), generator=rng)])
        index, order = order[:BATCH], order[BATCH:]
        x = vary(to_float(images[index.numpy()]), rng)
        loss = F.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)) + prior, y[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step + 1, steps)
    return net.eval()


@torch.inference_mode()
def predict(net: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities [N, K] of the classes of uint8 images [N, 1, R, R], were all equally frequent."""
    chunks = [to_float(images[i : i + 256]) for i in range(0, len(images), 256)]
    return torch.cat([net(x.contiguous(memory_format=torch.channels_last)).softmax(1) for x in chunks]).numpy()
