"""How the edge network learnt: python -m studio.knee.readings.edges_train --data knees/train --others chest --out DIR

From phantoms, whose edges are known, and from real and synthetic knees, with `joint_space` and the steepest margins as
teachers where they see something; each picture turned, shifted, scaled and exposed anew every time, its edges with it.
Pictures of other things teach it to say no. The same command again goes on where it was.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F

from gan_core import data
from gan_core.augment import augment
from gan_core.files import replacing
from gan_core.generate import generate_batches
from gan_core.images import to_float, to_uint8
from gan_core.model import SHIPPED, load_model
from gan_core.schedules import cosine
from studio.knee.joint_space import joint_space, side
from studio.knee.nets import save_net
from studio.knee.phantom import PhantomParams, render, sample_params
from studio.knee.phantom.anatomy import edges
from studio.knee.readings.edges import CELLS, SIDE, WHOLE, EdgeNet, EdgesConfig, oriented

PHANTOMS, SYNTHETIC, NOTHING = 6000, 1024, 1500  # pictures
FIRST = 5_000_000  # seed of the phantoms, far from those that anything else shows
BATCH, RATE, STEPS = 32, 2e-3, 4000
AVERAGE = 0.995  # of the weights, from step to step
SAVED = 100  # every so many steps
POINTS = 48  # of a line
LINES = 6  # femur and tibia; the femur's medial and lateral margin; the tibia's
_REACH = 0.36  # of the side, from either margin, in which the bone ends
_SPREAD = 1.0  # cells: how sharp a distribution should be

_SPACES = ("jsw_medial_mm", "jsw_lateral_mm")
_SPURS = tuple(f"osteophyte_{bone}_{part}_mm" for bone in ("femur", "tibia") for part in ("medial", "lateral"))
_SCLEROSIS = ("sclerosis_medial", "sclerosis_lateral")

Array = NDArray[np.float32]
Pictures = tuple[NDArray[np.uint8], Array, Array]  # images [N, 1, SIDE, SIDE], lines [N, LINES, POINTS, 3], WHOLE


def real_lines(images: NDArray[np.uint8]) -> Array:
    """Lines of left knees, uint8 [N, 1, R, R], by the teachers: [N, LINES, POINTS, 3], x, y and 1 where known.

    Of the joint surfaces the columns that `joint_space` follows, and the margins beside them, 15 mm or so up and down.
    """
    n, _, _, size = images.shape
    found = joint_space(images)
    out = np.zeros((n, LINES, POINTS, 3), np.float32)
    columns = found.columns.shape[1]
    x = np.concatenate([found.columns[0], [size / 2], found.columns[1]]) / size
    for i, edge in enumerate((found.femur, found.tibia)):
        y = np.concatenate([edge[:, 0], edge[:, :, :1].mean(1), edge[:, 1]], 1) / size
        out[:, i, : len(x), 0], out[:, i, : len(x), 1] = x, y
        out[:, i, : len(x), 2] = np.isfinite(y)
        out[:, i, columns, 2] = 0
        out[:, i, len(x) :, 0] = np.linspace(1.5, 2, POINTS - len(x))  # beyond the picture
    unit = size / 256
    for row, (edge, low, high) in enumerate(((found.femur, -40, -14), (found.tibia, 2, 46))):
        for half in (0, 1):
            line = 2 + 2 * row + half
            outer = edge[:, half].mean(1)
            for i in np.flatnonzero(np.isfinite(outer)).tolist():
                rows = np.clip(outer[i] + np.linspace(low, high, POINTS) * unit, 0, size - 1)
                picture = images[i, 0].astype(np.float32) * (-1 if found.inverted[i] else 1)
                out[i, line, :, 0] = (_margin(picture, rows, half == 1) + 0.5) / size
                out[i, line, :, 1] = (rows + 0.5) / size
                out[i, line, :, 2] = 1
    return np.nan_to_num(out)


def _margin(picture: Array, rows: NDArray[np.floating], right: bool) -> NDArray[np.floating]:
    """Where bone stands out most from what is beside it, in each of `rows`, without jumps: x [len(rows)] in pixels."""
    size = picture.shape[1]
    reach = round(size * _REACH)
    part = picture[np.round(rows).astype(int)]
    if right:
        part = part[:, ::-1]
    smooth = gaussian_filter1d(gaussian_filter1d(part, 1.6 * size / 256, axis=1), 2.0, axis=0)
    rise = np.gradient(smooth, axis=1)[:, 2:reach]
    rise = rise / (np.abs(rise).mean() + 1e-3)
    best, back = rise[0], []
    for row in rise[1:]:
        moves = np.stack([np.roll(best, 1) - 0.3, best, np.roll(best, -1) - 0.3])
        moves[0, 0] = moves[2, -1] = -1e9
        choice = moves.argmax(0)
        back.append(choice)
        best = row + moves.max(0)
    at = [int(best.argmax())]
    for choice in reversed(back):
        at.append(at[-1] + (-1, 0, 1)[choice[at[-1]]])
    path = gaussian_filter1d(np.array(at[::-1], float), 2.0, mode="nearest") + 2
    return size - 1 - path if right else path


def independent(seed: int) -> PhantomParams:
    """A phantom whose joint spaces, spurs and sclerosis have nothing to do with one another.

    Where they go together, as they do in patients, who reads one may read another and seem right.
    """
    rng = np.random.default_rng(seed)
    spurs = (rng.random(4) < 0.7) * rng.uniform(0, 5, 4)
    sclerosis = (rng.random(2) < 0.7) * rng.uniform(0, 1, 2)
    names, values = (*_SPACES, *_SPURS, *_SCLEROSIS), (*rng.uniform(0.1, 7.5, 2), *spurs, *sclerosis)
    drawn: dict[str, Any] = {name: float(value) for name, value in zip(names, values, strict=True)}
    return replace(sample_params(seed), **drawn)


def phantoms(first: int, count: int) -> Pictures:
    """Phantoms as left knees, and the truth."""
    params = [independent(first + i) for i in range(count)]
    images = render(params, SIDE)
    for i, p in enumerate(params):
        if p.side == "R":
            images[i] = images[i, :, :, ::-1].copy()
    lines = np.ones((count, LINES, POINTS, 3), np.float32)
    for i, points in enumerate(edges(params, POINTS).values()):
        lines[:, i, :, :2] = points
    whole = np.full((count, len(WHOLE)), np.nan, np.float32)
    for i in range(2):  # medial and lateral
        whole[:, i] = [(getattr(p, _SPURS[i]) + getattr(p, _SPURS[2 + i])) / 2 for p in params]
        whole[:, 2 + i] = [getattr(p, _SCLEROSIS[i]) for p in params]
    whole[:, 4:] = 0, 1
    return images, lines, whole


def knees(source: str) -> Pictures:
    """Real knees and those of knee-128, as left knees, and what the teachers say of them."""
    films = data.load(source, 256)
    made = np.concatenate(list(generate_batches(load_model(SHIPPED / "knee-128"), range(10**6, 10**6 + SYNTHETIC))))
    told, images, lines = side(made), [], []
    named = np.array([Path(name).stem[-1:] for name in films.files])
    for some, right in ((films.images, named == "R"), (made[told != ""], told[told != ""] == "R")):
        some = np.where(right[:, None, None, None], some[..., ::-1], some)
        lines.append(real_lines(some))
        images.append(_reduced(some))
    whole = np.full((sum(map(len, images)), len(WHOLE)), np.nan, np.float32)
    whole[:, 5] = 1
    inverted = np.concatenate([joint_space(part).inverted for part in images])
    whole[:, 4] = np.where(np.concatenate([part[:, 0, 0, 2] for part in lines]), inverted, np.nan)
    return np.concatenate(images), np.concatenate(lines), whole


def nothing(others: list[str], count: int) -> Pictures:
    """Pictures without a knee: every second one of the sources (the rest is for measuring), and noise of all grains."""
    rng = np.random.default_rng(0)
    have = np.concatenate([data.load(source, SIDE).images[::2] for source in others])
    images = have[rng.permutation(len(have))[: count // 2]]
    noise = torch.randn(count - len(images), 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    for i, cells in enumerate(rng.choice((2, 4, 8, 16, 32, SIDE), len(noise))):
        coarse = F.interpolate(noise[i : i + 1], (int(cells), int(cells)), mode="area")
        coarse = F.interpolate(coarse / coarse.std(), (SIDE, SIDE), mode="bicubic")
        noise[i] = coarse[0] * rng.uniform(0.1, 0.6) + rng.uniform(-0.5, 0.5)
    whole = np.full((count, len(WHOLE)), np.nan, np.float32)
    whole[:, 5] = 0
    return np.concatenate([images, to_uint8(noise)]), np.zeros((count, LINES, POINTS, 3), np.float32), whole


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    parts = (F.interpolate(to_float(part), (SIDE, SIDE), mode="area") for part in np.array_split(images, 50))
    return np.concatenate([to_uint8(part) for part in parts])


def moved(x: Tensor, lines: Tensor, turn: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures x [N, 1, R, R] and lines [N, LINES, POINTS, 3] turned (degrees [N]), scaled [N] and shifted (shares of
    the side, [N, 2]), all about the middle.
    """
    cos, sin = torch.cos(torch.deg2rad(turn)) * scale, torch.sin(torch.deg2rad(turn)) * scale
    forth = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # [N, 2, 2]
    back = torch.linalg.inv(forth)
    grid = F.affine_grid(torch.cat([back, -(back @ (2 * shift[:, :, None]))], 2), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    places = (lines[..., :2] - 0.5) @ forth.mT[:, None] + shift[:, None, None] + 0.5
    return x, torch.cat([places, lines[..., 2:]], 3)


def crossed(lines: Tensor) -> Tensor:
    """Where the lines [N, LINES, POINTS, 3] cross each column or row of the maps: [N, 4, CELLS], NaN where unknown."""
    at = (torch.arange(CELLS) + 0.5) / CELLS
    along = torch.cat([lines[:, :2, :, 0], lines[:, 2:, :, 1]], 1).contiguous()
    across = torch.cat([lines[:, :2, :, 1], lines[:, 2:, :, 0]], 1)
    along = along.cummax(2).values  # a line that turns back, which a spur's may, is followed once
    right = torch.searchsorted(along, at.expand(*along.shape[:2], CELLS).contiguous()).clamp(1, POINTS - 1)
    a, b = along.gather(2, right - 1), along.gather(2, right)
    share = (at - a) / (b - a).clamp(min=1e-6)
    out = torch.lerp(across.gather(2, right - 1), across.gather(2, right), share)
    known = (lines[..., 2].gather(2, right - 1) > 0) & (lines[..., 2].gather(2, right) > 0)
    out = torch.where(known & (share >= 0) & (share <= 1) & (out > 0) & (out < 1), out, math.nan)
    return torch.cat([out[:, :2], torch.where(out[:, 2:4].isnan(), out[:, 4:6], out[:, 2:4])], 1)


def loss(maps: Tensor, whole: Tensor, truth: Tensor, told: Tensor) -> Tensor:
    """The cross-entropy of each known place's distribution and the distance of its mean, and Huber's of `WHOLE`."""
    logits = oriented(maps)
    known = truth.isfinite()
    at = (torch.arange(CELLS) + 0.5) / CELLS
    place = truth[known][:, None]
    goal = torch.exp(-0.5 * ((at - place) * (CELLS / _SPREAD)) ** 2)
    ranked = logits[known].log_softmax(1)
    entropy = -(goal / goal.sum(1, keepdim=True) * ranked).sum(1).mean()
    apart = F.smooth_l1_loss(ranked.exp() @ at * CELLS, place[:, 0] * CELLS, beta=0.5)
    sizes, logit = told[:, :4].isfinite(), told[:, 4:].isfinite()
    figures = F.smooth_l1_loss(whole[:, :4][sizes], told[:, :4][sizes], beta=0.3)
    said = F.binary_cross_entropy_with_logits(whole[:, 4:][logit], told[:, 4:][logit])
    return entropy + 0.5 * apart + figures + said


def varied(x: Tensor, lines: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A batch in other poses and exposures, some of it coarse, inverted or partly hidden."""
    n = len(x)
    x, lines = moved(x, lines, 4 * torch.randn(n), torch.exp2(0.1 * torch.randn(n)), 0.04 * torch.randn(n, 2))
    x = augment(x, ("exposure", "grain"), share=0.8)
    half = F.interpolate(F.avg_pool2d(x, 2), x.shape[2:], mode="bilinear", align_corners=False)
    x = torch.where(torch.rand(n, 1, 1, 1) < 0.25, half, x)
    for i in (torch.rand(n) < 0.1).nonzero()[:, 0].tolist():
        top, left, height, width = (torch.rand(4) * torch.tensor([0.9, 0.9, 0.25, 0.25]) * SIDE).int().tolist()
        x[i, :, top : top + height, left : left + width] = float(torch.rand(()) * 2 - 1)
    inverted = torch.rand(n) < 0.05
    x = torch.where(inverted[:, None, None, None], -x, x).clamp(-1, 1)
    whole = whole.clone()
    whole[:, 4] = torch.where(inverted, 1 - whole[:, 4], whole[:, 4])
    return x, crossed(lines), whole


def main(
    source: Annotated[str, typer.Option("--data", help="Knees, their side in each file's name.")],
    others: Annotated[list[str], typer.Option(help="Pictures without knees; may be given several times.")],
    out: Annotated[Path, typer.Option(help="The model folder; its state.pt and pictures.npz may go afterwards.")],
    steps: Annotated[int, typer.Option(min=1)] = STEPS,
) -> None:
    """Teach the edge network."""
    out.mkdir(parents=True, exist_ok=True)
    kept, state = out / "pictures.npz", out / "state.pt"
    if not kept.exists():
        pictures = (phantoms(FIRST, PHANTOMS), knees(source), nothing(others, NOTHING))
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, *(np.concatenate([part[i] for part in pictures]) for i in range(3)))
    with np.load(kept) as saved:
        images, lines, whole = (saved[f"arr_{i}"] for i in range(3))
    torch.manual_seed(0)
    net = EdgeNet(EdgesConfig(data=data.short_source(source))).to(memory_format=torch.channels_last)
    mean = {k: v.clone() for k, v in net.state_dict().items()}
    adam = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-2)
    first = 0
    if state.exists():
        had = torch.load(state, weights_only=True)
        net.load_state_dict(had["net"])
        adam.load_state_dict(had["adam"])
        mean, first = had["mean"], had["step"]
    total = 0.0
    for step in range(first + 1, steps + 1):
        torch.manual_seed(step)
        index = torch.randint(len(images), (BATCH,)).numpy()
        batch = (to_float(images[index]), torch.from_numpy(lines[index]), torch.from_numpy(whole[index]))
        x, truth, told = varied(*batch)
        adam.param_groups[0]["lr"] = RATE * min(1, step / 100) * cosine(0.01, step / steps)
        maps, said = net(x.contiguous(memory_format=torch.channels_last))
        this = loss(maps, said, truth, told)
        adam.zero_grad()
        this.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        adam.step()
        keep = min(AVERAGE, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():  # batch statistics too: they belong to the weights
            mean[name] = mean[name].lerp(value, 1 - keep) if value.is_floating_point() else value.clone()
        total += float(this.detach())
        if step % SAVED == 0 or step == steps:
            print(f"step {step} of {steps}: loss {total / SAVED:.3f}", file=sys.stderr, flush=True)
            total = 0.0
            with replacing(state) as temporary:
                torch.save({"net": net.state_dict(), "mean": mean, "adam": adam.state_dict(), "step": step}, temporary)
    net.load_state_dict(mean)
    save_net(out, net.eval(), net.config, CARD.format(steps=steps))


CARD = """# knee-edges

A small network that draws the outline of a knee's joint: the femur's and the tibia's joint surface, and the medial and
lateral margin of both. An instrument for the anatomy panel, **not for diagnosis**. Licence: MIT.

`python -m studio.knee.readings.edges_train --data knees/train --others chest --others clothing
--others digits --out weights/knee-edges`

It learnt from 6,000 phantoms, whose edges are known, from real and synthetic knees as `joint_space` measures them, and
from pictures without a knee; {steps:,} steps of 32. How far its lines and figures can be believed is in
`docs/explore.md`, printed by `python benchmarks/outline.py`.
"""

if __name__ == "__main__":
    typer.run(main)
