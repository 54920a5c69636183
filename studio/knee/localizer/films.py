"""Made films: knee crops continued into legs, laid on films as X-ray rooms make them, with the truth; and other films.

They are what the localiser learns from and is measured on. No crop's square outline may show, or that is what a
network learns: a crop is continued beyond its edges by what lies inside them, ever smoother, into soft tissue and air.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import gaussian_filter, map_coordinates

from studio.knee.localizer.boxes import FRAME_MM, Knee
from studio.knee.phantom import render, sample_params

Array = NDArray[np.floating]
PHANTOM_MM = 2 * FRAME_MM  # a phantom's picture shows the leg for two boxes' sides

KNEES = ("one knee", "two knees", "small", "filling", "turned", "implant", "black border", "white border", "phantom")
NONE = ("chest", "pictures", "noise", "empty", "shafts", "half", "hand", "hip", "bones", "cut", "overturned", "collage")


@dataclass(frozen=True)
class Film:
    pixels: NDArray[np.uint8]  # [H, W], bone bright
    knees: tuple[Knee, ...]  # whose `side` is the one that the fibula tells
    kind: str


@dataclass
class Sources:
    """Folders of what films are made of; crops are named `<patient><side>.png`."""

    crops: list[Path]
    chests: list[Path]
    pictures: list[Path]
    phantoms: int = 300  # how many, of seeds that start at `first_phantom`
    first_phantom: int = 1_000_000

    def __post_init__(self) -> None:
        self._phantoms: dict[int, tuple[Array, str]] = {}

    def crop(self, rng: np.random.Generator) -> tuple[Array, str]:
        """A knee as its crop, in [0, 1], and its side."""
        path = self.crops[rng.integers(len(self.crops))]
        picture = _open(path)
        middle, sides = picture[:, 64:192].mean(), (picture[:, :20].mean() + picture[:, -20:].mean()) / 2
        return (1 - picture if sides > middle + 0.08 else picture), path.stem[-1]

    def phantom(self, rng: np.random.Generator) -> tuple[Array, str]:
        """A leg of two boxes' sides, in [0, 1] with air 0, and its side."""
        seed = self.first_phantom + int(rng.integers(self.phantoms))
        if seed not in self._phantoms:
            params = replace(sample_params(seed), field_mm=PHANTOM_MM)
            leg = render([params], 256)[0, 0].astype(np.float32) / 255
            air = float(np.percentile(leg, 2))
            self._phantoms[seed] = np.clip((leg - air) / (1 - air), 0, 1).astype(np.float16), params.side
        leg, side = self._phantoms[seed]
        return leg.astype(np.float32), side


def sources(crops: Path, others: Path, part: str) -> Sources:
    """The crops under `crops`, and what else `others` holds (chest/, clothing/, digits/): "train" or "test" of it."""

    def those(*folders: str) -> list[Path]:
        found = [p for f in folders for p in sorted((others / f).rglob("*")) if p.suffix.lower() in (".png", ".jpg")]
        return [p for i, p in enumerate(found) if (i % 3 == 2) == (part == "test")]

    first = 1_000_000 if part == "train" else 2_000_000
    return Sources(sorted(crops.rglob("*.png")), those("chest"), those("clothing", "digits"), first_phantom=first)


def made(rng: np.random.Generator, have: Sources, kind: str, box_px: float = 110, longest: int = 640) -> Film:
    """A film of a kind, whose boxes are about `box_px` wide where its longer side then stays within `longest`."""
    if kind in NONE:
        side = int(rng.uniform(0.4, 0.7) * longest)
        height, width = _shape(rng, side)
        picture = _WITHOUT[kind](rng, have, height, width)
        return Film(_taken(rng, picture, []), (), kind)
    return _with_knees(rng, have, kind, box_px, longest)


def _open(path: Path) -> Array:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), np.float32) / 255


def _shape(rng: np.random.Generator, longest: float, least: float = 0.0) -> tuple[int, int]:
    """Height and width; the shorter is at least `least`."""
    shorter = max(longest * rng.choice([0.5, 0.7, 0.8, 0.83, 1.0], p=[0.1, 0.2, 0.3, 0.2, 0.2]), least)
    sides = (round(longest), round(min(shorter, longest)))
    return sides if rng.random() < 0.6 else sides[::-1]


def _with_knees(rng: np.random.Generator, have: Sources, kind: str, box_px: float, longest: int) -> Film:
    two = kind == "two knees" or (kind not in ("filling", "one knee", "small") and rng.random() < 0.4)
    share = {"small": rng.uniform(0.125, 0.2), "filling": rng.uniform(0.75, 1.1)}.get(kind, rng.uniform(0.2, 0.7))
    apart = rng.uniform(1.05, 2.0)  # of two knees' centres, in sides of the box
    if two:
        share = min(share, 1 / (apart + 0.9))
    long = min(box_px / share, longest)
    side = long * share
    if two:
        height, width = round(max(long * rng.uniform(0.55, 1.25), side)), round(long)
    else:
        height, width = _shape(rng, long, side * (0.9 if kind == "filling" else 1.0))

    def middle(length: float, room: float) -> float:
        slack = max(length - 2 * room, 0.0) / 2
        return length / 2 + slack * float(np.clip(rng.normal(0, 0.45), -1, 1))

    turned = rng.uniform(-15, 15) if kind == "turned" or rng.random() < 0.2 else rng.normal(0, 4)
    knees = []
    y = middle(height, side * 0.5)
    at: list[tuple[float, str]] = [(middle(width, side * 0.48), str(rng.choice(["R", "L"])))]
    if two:
        centre = middle(width, side * (apart / 2 + 0.45))
        at = [(centre - apart * side / 2, "R"), (centre + apart * side / 2, "L")]
    for x, of in at:
        angle = turned if not two else turned / 2 + rng.normal(0, 2)
        knees.append(Knee(x, y + two * side * rng.normal(0, 0.05), side * rng.uniform(0.97, 1.03), angle, of))
    air = float(rng.choice([0.0, rng.uniform(0, 0.12)]))
    picture = np.zeros((height, width), np.float32)
    looks = rng.integers(2**31)
    for i, knee in enumerate(knees):
        phantom = kind == "phantom" or rng.random() < 0.05
        # Both knees of a film are of one patient in one exposure: legs are drawn by the same numbers.
        leg = _leg(np.random.default_rng(looks), rng, have, knee, height, width, phantom)
        picture = np.maximum(picture, leg) if i else leg
    picture = air + (1 - air) * picture
    if kind == "implant" or rng.random() < 0.06:
        picture = _implanted(rng, picture, knees[int(rng.integers(len(knees)))])
    border = {"black border": 0.0, "white border": 1.0}.get(kind)
    return Film(_taken(rng, picture, knees, border), tuple(knees), kind)


def _frame(knee: Knee, height: int, width: int) -> tuple[Array, Array]:
    """Where each pixel of a film lies in the knee's box: u and v, 0 to 1 inside, each [H, W]."""
    cos, sin = math.cos(math.radians(knee.angle)), math.sin(math.radians(knee.angle))
    dx = (np.arange(width, dtype=np.float32) + np.float32(0.5 - knee.x))[None] / np.float32(knee.side_px)
    dy = (np.arange(height, dtype=np.float32) + np.float32(0.5 - knee.y))[:, None] / np.float32(knee.side_px)
    return cos * dx + sin * dy + np.float32(0.5), cos * dy - sin * dx + np.float32(0.5)


def _sample(picture: Array, u: Array, v: Array) -> Array:
    n = len(picture)
    return map_coordinates(picture, [v * n - 0.5, u * n - 0.5], order=1, mode="nearest", output=np.float32)


def _brought(picture: Array, pixels: float) -> Array:
    """The picture with about `pixels` to its side, if that is less than it has."""
    n = max(8, math.ceil(pixels))
    if n >= len(picture):
        return picture
    return np.asarray(Image.fromarray(picture).resize((n, n), Image.Resampling.LANCZOS), np.float32)


def _leg(
    rng: np.random.Generator, own: np.random.Generator, have: Sources, knee: Knee, height: int, width: int, drawn: bool
) -> Array:
    """A leg with its knee in the box, on a film of air (0): [H, W]."""
    u, v = _frame(knee, height, width)
    narrow_top, narrow_low = rng.uniform(0.1, 0.8), rng.uniform(0.2, 0.9)
    reach_top, reach_low = rng.uniform(0.2, 0.5, 2)
    deep, wide = rng.uniform(0.03, 0.15), rng.uniform(0.02, 0.1)
    half = rng.uniform(0.54, 0.9)
    thigh, calf = rng.uniform(0.0, 0.45), rng.uniform(-0.25, 0.15)
    brighter = rng.uniform(-0.25, 0.3, 2)
    round_off, whole = rng.uniform(1.5, 5), rng.random() < 0.25
    scaffold = rng.random() < 0.3
    above, below = np.maximum(-v, 0), np.maximum(v - 1, 0)

    def of_phantom() -> Array:
        leg, side = have.phantom(own)
        if side != knee.side:
            leg = leg[:, ::-1]
        return _sample(_brought(np.ascontiguousarray(leg), 2 * knee.side_px), (u + 0.5) / 2, (v + 0.5) / 2)

    if drawn:
        picture = of_phantom()
    else:
        crop, side = have.crop(own)
        if side != knee.side:
            crop = crop[:, ::-1]
        crop = _brought(np.ascontiguousarray(crop), knee.side_px)
        low, high = np.percentile(crop, (0.5, 99.8))
        crop = np.clip((crop - low * own.uniform(0.3, 1)) / max(high - low, 0.1), 0, 1.2) * own.uniform(0.75, 1)
        # Outside the crop the leg is what lies within it near that edge: bones run on and narrow, edges soften.
        to = 1 - np.exp(-above / reach_top), 1 - np.exp(-below / reach_low)
        vs = np.clip(v, 0, 1) + deep * (1 - np.exp(-above / deep)) - deep * (1 - np.exp(-below / deep))
        centre = 0.5 + own.uniform(-0.05, 0.05)
        us = centre + (u - centre) * (1 + narrow_top * to[0] + narrow_low * to[1])
        left, right = np.maximum(-us, 0), np.maximum(us - 1, 0)
        us = np.clip(us, 0, 1) + wide * (1 - np.exp(-left / wide)) - wide * (1 - np.exp(-right / wide))
        picture = _sample(crop, us, vs)
        far = np.minimum((above + below + left + right) * 5, 1)
        picture += far * (_sample(gaussian_filter(crop, 0.03 * len(crop), mode="nearest"), us, vs) - picture)
        picture *= 1 + brighter[0] * to[0] + brighter[1] * to[1]
        edge = half * (1 + thigh * to[0] + calf * to[1]) * (2 if whole else 1)
        picture *= np.sqrt(np.clip(1 - (np.abs(u - 0.5) / edge) ** round_off, 0, 1))
        if scaffold:  # a phantom's shafts and fibula around a real knee
            leg = of_phantom()
            inside = np.clip(np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)) / own.uniform(0.06, 0.2), 0, 1)
            inside = inside * inside * (3 - 2 * inside)
            ring = (inside > 0.05) & (inside < 0.95)
            gain = float(picture[ring].mean() / max(leg[ring].mean(), 0.05)) if ring.any() else 1.0
            picture = leg * np.clip(gain, 0.5, 2) * (1 - inside) + picture * inside
    return picture.astype(np.float32)


def _implanted(rng: np.random.Generator, picture: Array, knee: Knee) -> Array:
    """With metal: the parts of a total or half knee replacement, a plate, screws."""
    layer = Image.new("L", picture.shape[::-1], 0)
    pen = ImageDraw.Draw(layer)
    cos, sin = math.cos(math.radians(knee.angle)), math.sin(math.radians(knee.angle))

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        moved = [((u - 0.5) * knee.side_px, (v - 0.5) * knee.side_px) for u, v in points]
        return [(knee.x + cos * a - sin * b, knee.y + sin * a + cos * b) for a, b in moved]

    what = rng.choice(["whole", "half", "screws", "plate"], p=[0.5, 0.15, 0.2, 0.15])
    j = lambda: float(rng.normal(0, 0.012))  # noqa: E731
    if what in ("whole", "half"):
        left, right = (0.08, 0.92) if what == "whole" else ((0.08, 0.45) if rng.random() < 0.5 else (0.55, 0.92))
        top, joint, tray = 0.3 + 3 * j(), 0.48 + j(), 0.545 + j()
        rim = [(left + j(), top), (left - 0.02, joint - 0.06), (left + 0.08, joint), (left + 0.28, joint - 0.01)]
        if what == "whole":
            rim += [(0.45, joint - 0.14), (0.55, joint - 0.14)]
        rim += [(right - 0.28, joint - 0.01), (right - 0.08, joint), (right + 0.02, joint - 0.06), (right + j(), top)]
        if rng.random() < 0.5:
            rim += [(right - 0.15, top + 0.03), (left + 0.15, top + 0.03)]
        else:
            rim += [(right - 0.05, top), (right - 0.1, joint - 0.12), (left + 0.1, joint - 0.12), (left + 0.05, top)]
        pen.polygon(at(*rim), fill=255)
        pen.polygon(at((left, tray), (right, tray), (right, tray + 0.035), (left, tray + 0.035)), fill=255)
        mid, keel = (left + right) / 2, rng.uniform(0.08, 0.5)
        pen.polygon(
            at((mid - 0.05, tray), (mid + 0.05, tray), (mid + 0.03, tray + keel), (mid - 0.03, tray + keel)), 255
        )
    else:
        for _ in range(rng.integers(1, 6)):
            u, v, turn = rng.uniform(0.15, 0.85), rng.uniform(-0.2, 1.2), rng.uniform(0, math.pi)
            length = rng.uniform(0.1, 0.5)
            end = (u + length * math.cos(turn), v + length * math.sin(turn))
            pen.line(at((u, v), end), fill=255, width=max(1, round(knee.side_px * rng.uniform(0.02, 0.05))))
        if what == "plate":
            u, v = rng.choice([0.15, 0.85]) + j(), rng.choice([-0.2, 0.6])
            pen.line(at((u, v), (u + 3 * j(), v + rng.uniform(0.4, 0.9))), 255, max(1, round(knee.side_px * 0.05)))
    metal = np.asarray(layer.filter(ImageFilter.GaussianBlur(0.7)), np.float32) / 255
    return picture + metal * (rng.uniform(0.9, 1.1) - picture)


def _taken(
    rng: np.random.Generator, picture: Array, knees: list[Knee], border: float | None = None
) -> NDArray[np.uint8]:
    """The picture as a film of some room: collimated, marked, exposed, processed, packed: uint8 [H, W]."""
    height, width = picture.shape
    x = picture.astype(np.float32)
    if rng.random() < 0.6:  # exposure
        x = np.clip(x, 0, None) ** 2 ** rng.uniform(-0.8, 0.8)
    if rng.random() < 0.3:  # uneven: heel effect, scatter
        slope = rng.normal(0, 0.25, 2)
        x = x * (1 + slope[0] * np.linspace(-1, 1, width, dtype=np.float32)[None])
        x = x * (1 + slope[1] * np.linspace(-1, 1, height, dtype=np.float32)[:, None])
    if rng.random() < 0.25:  # processed by the maker: details raised
        wide = gaussian_filter(x, rng.uniform(0.02, 0.08) * max(x.shape))
        x = x - rng.uniform(0.3, 0.9) * (wide - wide.mean())
    if rng.random() < 0.3:
        x = gaussian_filter(x, rng.uniform(0.3, 1.5))
    x = _marked(rng, _collimated(rng, x, knees, border), knees)
    low, high = np.percentile(x, (rng.uniform(0, 2), rng.uniform(97, 100)))
    x = (x - low) / max(high - low, 1e-3)
    x = rng.uniform(0, 0.25) + x * rng.uniform(0.5, 1.1)
    if rng.random() < 0.8:
        x = x + rng.normal(0, 1, x.shape).astype(np.float32) * rng.choice([0.005, 0.01, 0.02, 0.05])
    out = np.clip(x * 255, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        packed = io.BytesIO()
        Image.fromarray(out).save(packed, "JPEG", quality=int(rng.integers(25, 90)))
        out = np.asarray(Image.open(packed))
    return out


def _collimated(rng: np.random.Generator, x: Array, knees: list[Knee], border: float | None) -> Array:
    """Inside a field of view whose edges cut into no box by more than a twelfth, or none at all."""
    height, width = x.shape
    if border is None and rng.random() < 0.55:
        return x
    value = border if border is not None else float(rng.choice([0.0, 0.0, 0.05, 0.3, 1.0]))
    spared = [
        (k.x - k.side_px * 0.42, k.y - k.side_px * 0.42, k.x + k.side_px * 0.42, k.y + k.side_px * 0.42) for k in knees
    ] or [(width * 0.4, height * 0.4, width * 0.6, height * 0.6)]
    room = (
        max(min(s[0] for s in spared), 0), max(min(s[1] for s in spared), 0),
        max(width - max(s[2] for s in spared), 0), max(height - max(s[3] for s in spared), 0),
    )  # fmt: skip
    inset = [r * (rng.uniform(0, 0.95) if rng.random() < 0.75 else 0) for r in room]
    if border is not None:
        inset = [max(i, min(r, 0.04 * max(x.shape))) for i, r in zip(inset, room, strict=True)]
    yy, xx = np.mgrid[:height, :width].astype(np.float32)
    lean = rng.normal(0, 0.01) if rng.random() < 0.5 else 0.0
    xx, yy = xx + lean * (yy - height / 2), yy - lean * (xx - width / 2)
    depth = np.minimum(
        np.minimum(xx - inset[0], width - inset[2] - xx), np.minimum(yy - inset[1], height - inset[3] - yy)
    )
    if rng.random() < 0.1 and not knees:
        depth = np.hypot(width, height) / 2.2 - np.hypot(xx - width / 2, yy - height / 2)
    inside = np.clip(depth / rng.choice([1.0, 1.0, 4.0]) + 0.5, 0, 1)
    beyond = value if rng.random() < 0.7 else value + (x - value) * rng.uniform(0.03, 0.2)
    return beyond + (x - beyond) * inside


def _marked(rng: np.random.Generator, x: Array, knees: list[Knee]) -> Array:
    """With letters, lines of text, rulers and dots of lead, away from the joints."""
    if rng.random() < 0.35:
        return x
    height, width = x.shape
    layer = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(layer)
    for _ in range(rng.integers(1, 5)):
        for _ in range(8):
            px, py = rng.uniform(0, 0.95) * width, rng.uniform(0, 0.95) * height
            if all(abs(px - k.x) > 0.42 * k.side_px or abs(py - k.y) > 0.42 * k.side_px for k in knees):
                break
        else:
            continue
        size = max(6.0, rng.uniform(0.02, 0.12) * max(x.shape))
        what = rng.random()
        if what < 0.7:
            text = str(
                rng.choice(["R", "L", "R", "L", "RT", "LT", "PA", "AP", "STANDING", "WB", "12:04", "R KNEE", "D", "G"])
            )
            small = size if len(text) < 3 else size / 2
            pen.text((px, py), text, fill=255, font=ImageFont.load_default(small))
        elif what < 0.85:
            step, n = size / 4, int(rng.integers(4, 20))
            for i in range(n):
                pen.line([(px, py + i * step), (px + (size / 2 if i % 5 == 0 else size / 4), py + i * step)], 255)
        else:
            pen.ellipse([px, py, px + size / 2, py + size / 2], fill=255)
    mark = np.asarray(layer, np.float32) / 255
    return x + mark * (float(rng.choice([1.0, 1.0, 0.8, 0.0])) - x)


# Films without a knee.


def _chest(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    return _picture(rng, have.chests, height, width)


def _pictures(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    return _picture(rng, have.pictures, height, width)


def _picture(rng: np.random.Generator, paths: list[Path], height: int, width: int) -> Array:
    with Image.open(paths[rng.integers(len(paths))]) as image:
        grey = image.convert("L")
    w, h = grey.size
    zoom = rng.uniform(0.3, 1) if rng.random() < 0.5 else 1.0
    left, top = rng.uniform(0, 1 - zoom, 2)
    box = (left * w, top * h, (left + zoom) * w, (top + zoom) * h)
    x = np.asarray(grey.resize((width, height), Image.Resampling.BICUBIC, box), np.float32) / 255
    return x if rng.random() < 0.8 else 1 - x


def _noise(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """Noise of some fineness, gradients, shades."""
    x = rng.normal(0, 1, (height, width)).astype(np.float32)
    if rng.random() < 0.7:
        x = gaussian_filter(x, 2 ** rng.uniform(-1, 5))
    x = (x - x.mean()) / max(float(x.std()), 1e-6) * rng.uniform(0, 0.3) + 0.5
    return (
        x
        + rng.normal(0, 0.5) * np.linspace(0, 1, width)[None]
        + rng.normal(0, 0.5) * np.linspace(0, 1, height)[:, None]
    )


def _empty(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """The air between two legs, with their inner edges."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.ones((height, 1), np.float32)
    x = x + rng.normal(0, 0.2) * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    gap = rng.uniform(0.15, 0.9)
    left = np.sqrt(np.clip(-(x + gap), 0, 1)) * (rng.random() < 0.8)
    return left * rng.uniform(0.4, 1) + np.sqrt(np.clip(x - gap, 0, 1)) * rng.uniform(0.4, 1) * (rng.random() < 0.8)


def _shafts(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """A leg whose knee lies beyond the film."""
    side = rng.uniform(0.25, 0.8) * max(height, width)
    y = -side * rng.uniform(0.55, 1) if rng.random() < 0.5 else height + side * rng.uniform(0.55, 1)
    knee = Knee(rng.uniform(0.2, 0.8) * width, y, side, rng.normal(0, 5), str(rng.choice(["R", "L"])))
    return _leg(rng, rng, have, knee, height, width, rng.random() < 0.3)


def _half(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """Bones of a knee, but no joint: one half of it mirrored, or cut off by the film's edge."""
    side = rng.uniform(0.4, 0.8) * max(height, width)
    knee = Knee(rng.uniform(0.3, 0.7) * width, height / 2, side, rng.normal(0, 5), str(rng.choice(["R", "L"])))
    x = _leg(rng, rng, have, knee, height, width, rng.random() < 0.2)
    how = rng.random()
    if how < 0.4:  # the femur or the tibia alone, then soft tissue
        part = (
            slice(None, int(height / 2 - 0.1 * side))
            if rng.random() < 0.5
            else slice(int(height / 2 + 0.12 * side), None)
        )
        x = np.asarray(Image.fromarray(x[part]).resize((width, height), Image.Resampling.BICUBIC))
    elif how < 0.7:  # only one condyle
        part = (
            slice(None, int(max(knee.x - 0.2 * side, 8)))
            if rng.random() < 0.5
            else slice(int(min(knee.x + 0.2 * side, width - 8)), None)
        )
        x = np.asarray(Image.fromarray(x[:, part]).resize((width, height), Image.Resampling.BICUBIC))
    else:  # on its side
        x = np.asarray(Image.fromarray(np.rot90(x).copy()).resize((width, height), Image.Resampling.BICUBIC))
    return x


def _cut(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """A leg whose joint the film's edge cuts off: above, below, or along it."""
    side, angle, of = rng.uniform(0.35, 1) * max(height, width), rng.normal(0, 6), str(rng.choice(["R", "L"]))
    beyond = rng.uniform(0.1, 0.45) * side
    x, y = rng.uniform(0.25, 0.75) * width, rng.uniform(0.25, 0.75) * height
    where = rng.random()
    if where < 0.7:
        y = -beyond if where < 0.35 else height + beyond
    else:
        x = -beyond if where < 0.85 else width + beyond
    return _leg(rng, rng, have, Knee(x, y, side, angle, of), height, width, rng.random() < 0.25)


def _overturned(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """A whole knee lying on its side, or upside down."""
    side, of = rng.uniform(0.3, 0.9) * min(height, width), str(rng.choice(["R", "L"]))
    x, y = rng.uniform(0.35, 0.65) * width, rng.uniform(0.35, 0.65) * height
    turn = float(rng.choice([-90, 90, 180]))
    knee = Knee(x, y, side, turn + rng.normal(0, 12), of)
    return _leg(rng, rng, have, knee, height, width, rng.random() < 0.25)


def _collage(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """Some pictures, turned any way, beside and over each other on an empty film."""
    x = np.zeros((height, width), np.float32)
    paths = have.pictures if rng.random() < 0.75 else have.chests
    for _ in range(int(rng.integers(1, 5))):
        n = max(8, int(rng.uniform(0.2, 0.9) * min(height, width)))
        part = Image.fromarray(_picture(rng, paths, n, n)).rotate(
            rng.uniform(0, 360) if rng.random() < 0.5 else 0, Image.Resampling.BILINEAR
        )
        top, left = int(rng.integers(height - n + 1)), int(rng.integers(width - n + 1))
        there = x[top : top + n, left : left + n]
        np.maximum(there, np.asarray(part) * rng.uniform(0.4, 1), out=there)
    return gaussian_filter(x, rng.uniform(0, 0.02) * max(height, width))


def _rods(
    rng: np.random.Generator, height: int, width: int, rods: list[tuple[float, float, float, float, float]]
) -> Array:
    """Bones as rods with bright cortices and round ends, in soft tissue: (x0, y0, x1, y1, half width) in pixels."""
    yy, xx = np.mgrid[:height, :width].astype(np.float32)
    bone, flesh = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    cortex, soft = rng.uniform(0.15, 0.5), rng.uniform(1.3, 3.5)
    for x0, y0, x1, y1, half in rods:
        dx, dy = x1 - x0, y1 - y0
        length = max(math.hypot(dx, dy), 1e-3)
        along = np.clip(((xx - x0) * dx + (yy - y0) * dy) / length**2, 0, 1)
        across = np.hypot(xx - x0 - along * dx, yy - y0 - along * dy)
        flare = half * (1 + rng.uniform(0, 0.8) * (2 * np.abs(along - 0.5)) ** rng.uniform(2, 6))
        r = np.clip(across / flare, 0, 2)
        inside = np.sqrt(np.clip(1 - r**2, 0, 1)) - (1 - cortex) * np.sqrt(np.clip(1 - (r / 0.8) ** 2, 0, 1))
        bone = np.maximum(bone, inside + 0.3 * (r < 1))
        flesh = np.maximum(flesh, np.sqrt(np.clip(1 - (across / (half * soft)) ** 2, 0, 1)))
    texture = gaussian_filter(rng.normal(0, 1, (height, width)).astype(np.float32), rng.uniform(0.7, 2))
    return flesh * rng.uniform(0.2, 0.5) + bone * (rng.uniform(0.4, 0.8) + rng.uniform(0, 0.3) * texture)


def _hand(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """Rays of bones from a block of small ones: a hand, a foot."""
    size = min(height, width) * rng.uniform(0.6, 1)
    cx, cy, lean = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.55, 0.8), rng.normal(0, 0.3)
    rods = []
    for i in range(int(rng.integers(3, 6))):
        turn = -math.pi / 2 + (i - 2) * rng.uniform(0.15, 0.3) + lean
        start, half = 0.12 * size, size * rng.uniform(0.02, 0.04)
        for _ in range(int(rng.integers(2, 5))):
            end = start + size * rng.uniform(0.1, 0.25)
            rods.append(
                (
                    cx + start * math.cos(turn),
                    cy + start * math.sin(turn),
                    cx + end * math.cos(turn),
                    cy + end * math.sin(turn),
                    half,
                )
            )
            start, half = end + 2.6 * half, half * 0.9
    for _ in range(int(rng.integers(4, 9))):
        x, y = cx + rng.normal(0, 0.08) * size, cy + rng.normal(0, 0.05) * size
        rods.append((x, y, x + 2, y + 2, size * rng.uniform(0.02, 0.05)))
    for k in (-1, 1):
        rods.append((cx + k * 0.07 * size, cy + 0.12 * size, cx + k * 0.08 * size, float(height), size * 0.05))
    return _rods(rng, height, width, rods)


def _hip(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """A ball in a cup on a bent shaft."""
    size = min(height, width) * rng.uniform(0.5, 1)
    k, cx, cy = float(rng.choice([-1, 1])), width * rng.uniform(0.35, 0.65), height * rng.uniform(0.25, 0.5)
    ball, neck = 0.13 * size, (cx + k * 0.25 * size, cy + 0.2 * size)
    rods = [(cx, cy, cx + 1, cy + 1, ball), (cx, cy, *neck, 0.08 * size), (*neck, neck[0], neck[1] + size, 0.09 * size)]
    rods += [(cx - k * 0.15 * size, cy - 0.4 * size, cx - k * 0.12 * size, cy + 0.3 * size, 0.1 * size)]
    return _rods(rng, height, width, rods)


def _bones(rng: np.random.Generator, have: Sources, height: int, width: int) -> Array:
    """Long bones at random: forearms, ankles, elbows, ribs."""
    size, rods = max(height, width), []
    at, turn = rng.uniform(0.2, 0.8, 2) * (width, height), rng.uniform(0, math.pi)
    for _ in range(int(rng.integers(1, 5))):
        x, y = at + rng.normal(0, 0.12, 2) * size
        angle, length = turn + rng.normal(0, 0.4), size * rng.uniform(0.15, 0.8)
        rods.append((x, y, x + length * math.cos(angle), y + length * math.sin(angle), size * rng.uniform(0.015, 0.1)))
    return _rods(rng, height, width, rods)


_WITHOUT: dict[str, Callable[[np.random.Generator, Sources, int, int], Array]] = {
    "chest": _chest, "pictures": _pictures, "noise": _noise, "empty": _empty, "shafts": _shafts, "half": _half,
    "hand": _hand, "hip": _hip, "bones": _bones, "cut": _cut, "overturned": _overturned, "collage": _collage,
}  # fmt: skip
