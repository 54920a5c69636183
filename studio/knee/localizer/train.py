"""How the localiser learnt: python -m studio.knee.localizer.train --data knees/train --others data --out FOLDER

Films are made beside the training (`films.py`) and kept in FOLDER/films; the same command again goes on where it was.
The finder learns where centres of knees are (CenterNet's focal loss; Zhou, Wang and Krähenbühl 2019), the reader to
correct boxes that are somewhat wrong, on which side the fibula is, and to say no.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gan_core.files import replacing
from gan_core.model import TENSORS, read_tensors
from studio.knee.localizer.boxes import Knee, window
from studio.knee.localizer.films import KNEES, NONE, Film, Sources, made, sources
from studio.knee.localizer.find import stretched, thumbnail
from studio.knee.localizer.net import STRIDE, Localizer, LocalizerConfig
from studio.knee.nets import save_net

BATCH = 16
RATE = 2e-3
AVERAGE = 0.998  # of the weights, from step to step
CHUNK = 64  # films of a file
PLACES = 4  # windows of a film for the reader
MOST = 4  # knees of a film
WITHOUT = 0.4  # share of films without a knee
OFTEN = ("small", "filling", "half", "hip", "bones", "pictures", "overturned")  # the hardest: they come twice as often

Arrays = dict[str, NDArray]


def chunk(have: Sources, index: int, config: LocalizerConfig) -> Arrays:
    """`CHUNK` films as both networks see them, the same for the same index.

    film [N, S, S] and knees [N, MOST, 4] (x, y, side in pixels, angle; side 0 for none) are the finder's; place
    [N, PLACES, R, R] and truth [N, PLACES, 6] (dx, dy, log side, angle / 15, right, knee) the reader's.
    """
    out: Arrays = {
        "film": np.zeros((CHUNK, config.film_side, config.film_side), np.uint8),
        "knees": np.zeros((CHUNK, MOST, 4), np.float32),
        "place": np.zeros((CHUNK, PLACES, config.window_side, config.window_side), np.uint8),
        "truth": np.zeros((CHUNK, PLACES, 6), np.float32),
    }
    for i in range(CHUNK):
        rng = np.random.default_rng((index, i))
        kinds: tuple[str, ...] = NONE if rng.random() < WITHOUT else KNEES
        kinds += tuple(kind for kind in kinds if kind in OFTEN)
        film = made(rng, have, kinds[rng.integers(len(kinds))], rng.uniform(60, 150))
        pixels = film.pixels.astype(np.float32)
        small, scale = thumbnail(pixels, config.film_side)
        out["film"][i] = small * 255
        for j, k in enumerate(film.knees):
            out["knees"][i, j] = (k.x * scale, k.y * scale, k.side_px * scale, k.angle)
        for j in range(PLACES):
            at, out["truth"][i, j] = _place(rng, film, pixels.shape)
            seen = window(pixels, at.x, at.y, at.side_px * config.window, at.angle, config.window_side)
            out["place"][i, j] = stretched(seen) * 255
    return out


def _place(rng: np.random.Generator, film: Film, shape: tuple[int, int]) -> tuple[Knee, tuple[float, ...]]:
    """A box to look at, and what the reader should say of it."""
    if film.knees and rng.random() < 0.7:
        k = film.knees[rng.integers(len(film.knees))]
        spread = rng.choice([0.3, 1.0])
        dx, dy = np.clip(rng.normal(0, 0.08 * spread, 2), -0.25, 0.25)
        size, turn = np.clip(rng.normal(0, 0.12 * spread), -0.35, 0.35), np.clip(rng.normal(0, 6 * spread), -18, 18)
        side, angle = k.side_px * math.exp(-size), k.angle - turn
        cos, sin = math.cos(math.radians(angle)) * side, math.sin(math.radians(angle)) * side
        at = Knee(k.x - (cos * dx - sin * dy), k.y - (sin * dx + cos * dy), side, angle)
        return at, (dx, dy, size, turn / 15, float(k.side == "L"), 1.0)
    for _ in range(50):
        side = max(shape) * math.exp(rng.uniform(math.log(0.12), 0))
        # On a film without a knee what lures lies rather in the middle.
        u, v = rng.uniform(0, 1, 2) if film.knees or rng.random() < 0.4 else np.clip(rng.normal(0.5, 0.15, 2), 0, 1)
        at = Knee(u * shape[1], v * shape[0], side, float(np.clip(rng.normal(0, 7), -20, 20)))
        if all(
            math.hypot(at.x - k.x, at.y - k.y) > 0.5 * k.side_px or abs(math.log(side / k.side_px)) > 0.6
            for k in film.knees
        ):
            break
    else:
        at = Knee(-side, -side, side)
    return at, (0.0,) * 6


def heat_of(knees: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of knees [N, MOST, 4]: the finder's maps: heat [N, C, C], boxes [N, 4, C, C], and where they count [N, C, C]."""
    n = len(knees)
    middle = (torch.arange(cells) + 0.5) * STRIDE
    heat, near = torch.zeros(n, cells, cells), torch.zeros(n, cells, cells)
    boxes = torch.zeros(n, 4, cells, cells)
    for x, y, side, angle in knees.permute(1, 2, 0)[..., None, None]:
        there = side > 0
        dx, dy = (x - middle[None, None]) / STRIDE, (y - middle[None, :, None]) / STRIDE
        sigma = (side / STRIDE * 0.12).clamp(min=0.6)
        bump = torch.exp(-(dx**2 + dy**2) / (2 * sigma**2)) * there
        bump = torch.where((dx.abs() <= 0.5) & (dy.abs() <= 0.5) & there, 1.0, bump)
        mine = (dx.abs() <= 1.5) & (dy.abs() <= 1.5) & there
        size = (side.clamp(min=1) / (cells * STRIDE / 4)).log()
        box = torch.stack(torch.broadcast_tensors(dx, dy, size, angle / 15), 1)
        boxes = torch.where(mine[:, None], box, boxes)
        heat, near = torch.maximum(heat, bump), torch.maximum(near, mine.float())
    return heat, boxes, near


def finder_loss(out: Tensor, knees: Tensor) -> Tensor:
    """CenterNet's focal loss of the centres, and the distance of the boxes."""
    heat, boxes, near = heat_of(knees, out.shape[-1])
    logit = out[:, 0]
    p = logit.sigmoid()
    hit = heat == 1
    loss = -torch.where(hit, (1 - p) ** 2 * F.logsigmoid(logit), (1 - heat) ** 4 * p**2 * F.logsigmoid(-logit)).sum()
    weight = torch.tensor([1.0, 1.0, 4.0, 1.0])[None, :, None, None]
    apart = (F.smooth_l1_loss(out[:, 1:], boxes, reduction="none", beta=0.1) * weight).sum(1)
    return (loss + 0.3 * (apart * near).sum()) / hit.sum().clamp(min=1)


def reader_loss(out: Tensor, truth: Tensor) -> Tensor:
    """The distance of the boxes, and the cross-entropies of the side and of a knee at all."""
    knee = truth[:, 5]
    apart = F.smooth_l1_loss(out[:, :4], truth[:, :4], reduction="none", beta=0.03)
    apart = (apart * torch.tensor([8.0, 8.0, 8.0, 2.0])).sum(1)
    side = F.binary_cross_entropy_with_logits(out[:, 4], truth[:, 4], reduction="none")
    here = F.binary_cross_entropy_with_logits(out[:, 5], knee, reduction="none")
    return (here + knee * (apart + side)).mean()


def varied(x: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures [N, 1, H, W] in [0, 1] exposed otherwise, grainier, with something laid over a part."""
    n, _, height, width = x.shape

    def each(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1, 1).uniform_(low, high, generator=rng)

    x = x.clamp(0, 1) ** each(-0.6, 0.6).exp2()
    x = (x - 0.5) * each(0.6, 1.15) + 0.5 + each(-0.12, 0.12)
    x = torch.where(each(0, 1) < 0.06, 1 - x, x)  # some films are inverted and do not say so
    x = x + torch.randn(x.shape, generator=rng) * each(-0.06, 0.05).clamp(min=0)
    left, top = each(0, 1) * width, each(0, 1) * height
    across, down = torch.arange(width)[None, None, None], torch.arange(height)[None, None, :, None]
    over = (
        (across > left) & (across < left + each(0, 0.2) * width) & (down > top) & (down < top + each(0, 0.2) * height)
    )
    return torch.where(over & (each(0, 1) < 0.15), each(0, 1), x).clamp(0, 1)


class _Pool:
    """Films that are made in other processes and kept in a folder, as far as they are there yet."""

    def __init__(self, folder: Path, have: Sources, config: LocalizerConfig, most: int, workers: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.parts: list[Arrays] = []
        self.waiting: dict[Future[Path], int] = {}
        self.maker = ProcessPoolExecutor(workers, get_context("spawn"))
        for index in range(most):
            path = folder / f"{index:05}.npz"
            if path.exists():
                self._take(path)
            else:
                self.waiting[self.maker.submit(_make, path, have, index, config)] = index
        if not self.parts:
            self.wait()

    def _take(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as stored:
            self.parts.append(dict(stored))

    def wait(self) -> None:
        self._take(next(iter(self.waiting)).result())
        self.waiting.pop(next(iter(self.waiting)))

    def batch(self, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        for done in [f for f in self.waiting if f.done()]:
            self._take(done.result())
            self.waiting.pop(done)
        which = torch.randint(len(self.parts) * CHUNK, (BATCH,), generator=rng).tolist()
        row = {k: np.stack([self.parts[i // CHUNK][k][i % CHUNK] for i in which]) for k in self.parts[0]}
        film, place = (
            torch.from_numpy(row["film"])[:, None] / 255,
            torch.from_numpy(row["place"]).flatten(0, 1)[:, None] / 255,
        )
        knees, truth = torch.from_numpy(row["knees"]), torch.from_numpy(row["truth"]).flatten(0, 1)
        side = film.shape[-1]
        if torch.rand((), generator=rng) < 0.5:  # in a mirror
            film, place = film.flip(3), place.flip(3)
            there = (knees[..., 2] > 0).float()
            knees = torch.stack([(side - knees[..., 0]) * there, knees[..., 1], knees[..., 2], -knees[..., 3]], -1)
            truth = truth * torch.tensor([-1.0, 1, 1, -1, -1, 1]) + torch.tensor([0.0, 0, 0, 0, 1, 0])
        return film, knees, place, truth


def _make(path: Path, have: Sources, index: int, config: LocalizerConfig) -> Path:
    with replacing(path) as temporary, temporary.open("wb") as f:
        np.savez_compressed(f, **chunk(have, index, config))  # type: ignore[arg-type]
    return path


def train(
    have: Sources,
    folder: Path,
    steps: int,
    chunks: int,
    workers: int = 1,
    begin: Path | None = None,
    rate: float = RATE,
) -> Localizer:
    """The mean of the weights along `steps` steps; the state is kept in `folder` and taken up again from there.

    `begin` is a localiser's folder to begin from. Raises `UserError` where anything about it is wrong.
    """
    config = LocalizerConfig(data=f"{len(have.crops):,} knee crops on made films")
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    net = Localizer(config).to(memory_format=torch.channels_last)
    if begin:
        net.load_state_dict(read_tensors(begin / TENSORS, net.state_dict()), strict=True)
    mean = copy.deepcopy(net).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    first, state = 0, folder / "state.pt"
    if state.exists():
        kept = torch.load(state, weights_only=True)
        net.load_state_dict(kept["net"])
        mean.load_state_dict(kept["mean"])
        optimizer.load_state_dict(kept["optimizer"])
        rng.set_state(kept["rng"])
        first = kept["step"]
    pool = _Pool(folder / "films", have, config, chunks, workers)
    sums, net = torch.zeros(2), net.train()
    for step in range(first + 1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(step / 100, 1) * (0.02 + 0.98 * (1 + math.cos(math.pi * step / steps)) / 2)
        film, knees, place, truth = pool.batch(rng)
        film, place = varied(film, rng), varied(place, rng)
        with torch.autocast("cpu", torch.bfloat16):
            maps = net.finder(film.contiguous(memory_format=torch.channels_last))
            said = net.reader(place.contiguous(memory_format=torch.channels_last))
        losses = finder_loss(maps.float(), knees), reader_loss(said.float(), truth)
        optimizer.zero_grad(set_to_none=True)
        (losses[0] + losses[1]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        keep = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for old, new in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
                if old.is_floating_point():  # the batch statistics too: they belong to the weights
                    old.lerp_(new, 1 - keep)
        sums += torch.tensor([loss.item() for loss in losses])
        if step % 50 == 0 or step == steps:
            told = f"finder {sums[0] / 50:.3f}, reader {sums[1] / 50:.3f}, films {len(pool.parts) * CHUNK}"
            print(f"step {step} of {steps}: {told}", flush=True)
            sums = torch.zeros(2)
        if step % 100 == 0 or step == steps:
            save_net(folder, mean, mean.config, CARD.format(steps=step, data=config.data))
            kept = {"net": net.state_dict(), "mean": mean.state_dict(), "optimizer": optimizer.state_dict()}
            with replacing(state) as temporary:
                torch.save(kept | {"rng": rng.get_state(), "step": step}, temporary)
    pool.maker.shutdown(cancel_futures=True)
    return mean


CARD = """# knee-localizer

Two small networks that find the knees on a whole radiograph: the box around each, how it is turned, on which side the
fibula is, and how sure they are. An instrument for cutting films, **not for diagnosis**. Licence: MIT.

| | |
|---|---|
| Finder | a film of 256 pixels -> a map of centres and boxes |
| Reader | a place of 96 pixels -> a corrected box, the side, whether it is a knee |
| Learnt from | {data}, {steps:,} steps of 16 films |
| Command | `python -m studio.knee.localizer.train --data knees/train --others data --out weights/knee-localizer` |

How well it does is in `docs/data.md`, printed by `python benchmarks/localizer.py`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="knee crops named <patient><side>.png")
    parser.add_argument("--others", type=Path, required=True, help="a folder with chest/, clothing/ and digits/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="a localiser's folder to begin from")
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at its highest")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--chunks", type=int, default=80, help=f"files of {CHUNK} films")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    given = parser.parse_args()
    have = sources(given.data, given.others, "train")
    if not have.crops:
        sys.exit(f"{given.data} holds no PNG.")
    train(have, given.out, given.steps, given.chunks, given.workers, given.init, given.rate)


if __name__ == "__main__":
    main()
