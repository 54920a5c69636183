"""How the reader learnt: python -m studio.knee.readings.train --data knees/train --out FOLDER

From real knees and synthetic ones, each in several poses and exposures; its teachers are `joint_space`, the edges of
the plateau below it, the side in the file's name and the knee encoder. A single measurement jumps by a pixel here and
there; what the network makes of thousands of them does not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F

from gan_core import data
from gan_core.augment import augment
from gan_core.generate import generate_batches
from gan_core.images import to_float, to_uint8
from gan_core.model import SHIPPED, load_model
from gan_core.schedules import cosine
from studio.evaluate.extractors import open_extractor
from studio.knee.joint_space import joint_space, side
from studio.knee.nets import save_net
from studio.knee.readings.net import OUTPUTS, Reader, ReaderConfig

SYNTHETIC = {"knee-64": 1024, "knee-128": 2048, "knee-256": 512}  # images of each model
VARIANTS = 3  # poses and exposures of each image
BATCH, RATE, EPOCHS = 64, 2e-3, 4
# Ten epochs without noise read the films of others no better, and are of less use: the function gets rough, and no
# slider can follow its gradient for a whole standard deviation.
NOISE, DROPOUT, DECAY = 0.3, 0.2, 2e-2
_BAND = (5, 26)  # below the joint line, of 256 pixels: where the plateau's edges are looked for
_REACH = 0.36  # of the side, from either margin

Array = NDArray[np.float64]


def plateau(images: NDArray[np.uint8], line: Array, inverted: NDArray[np.bool_]) -> Array:
    """The tibial plateau's left and right end [N, 2], in pixels, where bone stands out most from what is beside it.

    `line` [N] is the height of the tibia's upper edge; NaN gives NaN.
    """
    n, _, _, size = images.shape
    out = np.full((n, 2), np.nan)
    reach = round(size * _REACH)
    for i in np.flatnonzero(np.isfinite(line)):
        top, bottom = (int(line[i] + rows * size / 256) for rows in _BAND)
        profile = images[i, 0, top : bottom + 1].astype(float).mean(0) * (-1 if inverted[i] else 1)
        slope = np.gradient(gaussian_filter1d(profile, 2.5 * size / 256))
        out[i] = slope[:reach].argmax(), size - reach + slope[size - reach :].argmin()
    return out


def taught(images: NDArray[np.uint8]) -> Array:
    """`OUTPUTS` [N, 8] of images, as its teachers have them but for fibula and grade; NaN where they see nothing."""
    found = joint_space(images)
    line = (found.femur + found.tibia).mean(2) / 2
    ends = plateau(images, np.median(found.tibia, axis=(1, 2)), found.inverted)
    lengths = np.column_stack([found.left, found.right, line, ends]) / images.shape[-1]
    return np.column_stack([lengths, np.full((len(images), 2), np.nan)])


def collected(source: str, resolution: int) -> tuple[NDArray[np.uint8], Array]:
    """Images uint8 [N, 1, R, R] and `OUTPUTS` [N, 8]."""
    films = data.load(source, resolution)
    parts = [films.images]
    fibula = [np.select([_ends(films.files, "L"), _ends(films.files, "R")], [1.0, -1.0], np.nan)]
    for name, count in SYNTHETIC.items():
        made = np.concatenate(list(generate_batches(load_model(SHIPPED / name), range(10**6, 10**6 + count))))
        which = side(made)
        fibula.append(np.select([which == "L", which == "R"], [1.0, -1.0], np.nan))
        parts.append(to_uint8(F.interpolate(to_float(made), (resolution, resolution), mode="area")))
        print(name, file=sys.stderr)
    plain = np.concatenate(parts)
    seen = open_extractor("knee").see(plain).probabilities
    assert seen is not None
    told = np.column_stack([np.concatenate(fibula), seen.astype(float) @ np.arange(seen.shape[1])])
    images, truth = [], []
    torch.manual_seed(0)
    for i in range(VARIANTS):
        changed = augment(to_float(plain), ("pose", "exposure", "grain"), share=0.8 if i else 0.0).clamp(-1, 1)
        images.append(to_uint8(changed))
        lengths = taught(images[-1])
        lengths[:, -2:] = told
        truth.append(lengths)
        print(f"poses: {i + 1} of {VARIANTS}", file=sys.stderr)
    return np.concatenate(images), np.concatenate(truth)


def _ends(files: tuple[str, ...], letter: str) -> NDArray[np.bool_]:
    return np.array([Path(f).stem.endswith(letter) for f in files])


def loss(out: Tensor, truth: Tensor) -> Tensor:
    """Huber's, of what is known: a teacher that errs now and then counts little."""
    known = truth.isfinite()
    return F.smooth_l1_loss(out[known], truth[known], beta=0.3)


def main(
    source: Annotated[str, typer.Option("--data", help="Knees, their side in each file's name.")],
    out: Annotated[Path, typer.Option(help="The model folder.")],
    epochs: Annotated[int, typer.Option(min=1)] = EPOCHS,
    resolution: Annotated[int, typer.Option(min=64, max=256)] = 128,
) -> None:
    """Teach the reader."""
    images, truth = collected(source, resolution)
    torch.manual_seed(0)
    net = Reader(ReaderConfig(resolution=resolution, data=source)).to(memory_format=torch.channels_last)
    net.mean.copy_(torch.from_numpy(np.nanmean(truth, 0)))
    net.spread.copy_(torch.from_numpy(np.nanstd(truth, 0)))
    standard = ((torch.from_numpy(truth) - net.mean) / net.spread).float()
    adam = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    steps, step = epochs * (len(images) // BATCH), 0
    for epoch in range(epochs):
        order, total = torch.randperm(len(images)).numpy(), 0.0
        for i in range(0, len(order) - BATCH + 1, BATCH):
            index = order[i : i + BATCH]
            adam.param_groups[0]["lr"] = RATE * cosine(0.01, step / steps)
            x = to_float(images[index]).contiguous(memory_format=torch.channels_last)
            noise = NOISE * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x)
            seen = F.dropout(net.body(net.evened(x) + noise), DROPOUT)
            this = loss(net.head(seen), standard[index])
            adam.zero_grad()
            this.backward()
            adam.step()
            step, total = step + 1, total + float(this.detach())
        print(f"epoch {epoch + 1} of {epochs}: loss {total * BATCH / len(order):.4f}", file=sys.stderr, flush=True)
        save_net(out, net.eval(), net.config, CARD)
        net.train()


CARD = f"""# knee-reader

A small network that reads a knee's anatomy off a picture: {", ".join(OUTPUTS)}. An instrument for the sliders of
Explore, **not for diagnosis**. Licence: MIT.

`python -m studio.knee.readings.train --data knees/train --out weights/knee-reader`

Its teachers are a measurement of the joint space, the sides in the films' names, and the knee encoder; how well it
repeats itself is in `docs/explore.md`, printed by `python benchmarks/readings.py`.
"""

if __name__ == "__main__":
    typer.run(main)
