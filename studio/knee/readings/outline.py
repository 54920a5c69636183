"""The outline of a knee's joint as an anatomy panel draws it, and the figures that it gives.

Joint surfaces and margins come from the edge network; everything else here is geometry on them. Medial and lateral are
told by the fibula. An instrument for looking at pictures, real or synthetic; it is no diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_core.errors import UserError
from gan_core.images import to_float
from studio.knee.readings import QUANTITIES, Quantity, outwards
from studio.knee.readings.edges import CELLS, EdgeNet, load_edges, seen
from studio.knee.readings.net import Reader, load_reader

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Figure(Quantity):
    """A quantity with what it is counted in.

    "length" is mm where the scale is known, else percent of the plateau's width; "size" is mm, else percent of the
    picture's side; "side" is percent of that always.
    """

    unit: str = ""


def _figure(name: str, unit: str) -> Figure:
    known = QUANTITIES[name]
    return Figure(known.name, known.low, known.high, known.what, unit)


FIGURES = {
    "medial_space": _figure("medial_space", "length"),
    "lateral_space": _figure("lateral_space", "length"),
    "tilt": Figure("Varus and valgus", "valgus", "varus", "The lateral joint space less the medial one.", "length"),
    "osteophytes_medial": Figure("Medial osteophytes", "smaller", "larger", "Spurs on the inner margins.", "length"),
    "osteophytes_lateral": Figure("Lateral osteophytes", "smaller", "larger", "Spurs on the outer margins.", "length"),
    "rotation": _figure("rotation", "degrees"),
    "size": Figure(
        "Size", "smaller", "larger", "Width of the tibial plateau: in mm, or of the picture's side.", "size"
    ),
    "position_lateral": _figure("position_lateral", "side"),
    "position_distal": _figure("position_distal", "side"),
    "brightness": Figure("Brightness", "darker", "brighter", "Mean gray level, 0 to 255.", "gray"),
    "contrast": Figure("Contrast", "flatter", "more contrast", "Standard deviation of gray levels.", "gray"),
    "sharpness": Figure("Sharpness", "softer", "sharper", "Mean step from pixel to pixel, over the contrast.", ""),
}

MIN_RESOLUTION = 64
_CHUNK = 32
# Of the plateau, from medial to lateral: the compartments' surfaces, and where their width is measured. Between them,
# at the notch and the spines, the curves do not hold.
_COMPARTMENTS, _WINDOWS = ((0.0, 0.36), (0.64, 1.0)), ((0.12, 0.27), (0.73, 0.88))
_ALONG = 19  # points of a compartment's surface
# Lengths below are in widths of the plateau.
_BELOW = (0.03, 0.12)  # below the tibia's surface: the rows whose margins are the plateau's ends
_BESIDE = ((-0.19, -0.06), (0.01, 0.2))  # the margins that are drawn: above the femur's surface and below the tibia's
_ROWS = 17  # points of a margin
_PHANTOM_MM = 80.0  # the plateau's width of the phantoms by which osteophytes are learnt
_SURE, _BLURRED = 0.0, 0.035  # least logit of a knee; most that the surfaces may be unsure, in shares of the side


@dataclass(frozen=True)
class Outline:
    """What to draw on N pictures, in their pixels (x, y); NaN where no knee is found. Medial comes before lateral.

    Of a margin, points where the network is not sure are NaN too.
    """

    found: NDArray[np.bool_]  # [N]
    side: NDArray[np.str_]  # [N], "L", "R" or "" where no knee is found
    femur: Array  # [N, 2, P, 2], the condyles' lower edges, each from medial to lateral
    tibia: Array  # [N, 2, P, 2], the plateau's edge below them
    margins: Array  # [N, 2 bones (femur, tibia), 2, Q, 2], the margins beside the joint, from proximal to distal
    ends: Array  # [N, 2, 2], of the plateau
    calipers: Array  # [N, 2, 2, 2], of the medial and the lateral joint space: a point on the femur, one on the tibia
    unsure: Array  # [N, 2], of the calipers' lengths, in pixels, as the network has it
    mm: Array  # [N], mm in a pixel; NaN where it is not known
    figures: dict[str, Array]  # `FIGURES`, each [N]; NaN where they cannot be read


def outline(images: NDArray[np.uint8], mm_per_pixel: float | Array | None = None) -> Outline:
    """The outline and the figures of PA knees, uint8 [N, 1, R, R], real or synthetic.

    Args:
        images: R from 64 up; best 128 to 256. At 64 a joint space below two pixels cannot be told from none.
        mm_per_pixel: of each picture or of all, in the plane of the knee; lengths are in mm where it is known.

    Raises:
        UserError: if there is no image, they are not square or smaller than 64 pixels, or a scale is not positive.
    """
    if images.ndim != 4 or not len(images) or images.shape[1] != 1 or images.shape[2] != images.shape[3]:
        raise UserError(f"An outline needs square gray images [N, 1, R, R], not {list(images.shape)}.")
    if images.shape[-1] < MIN_RESOLUTION:
        raise UserError(f"An outline needs images of {MIN_RESOLUTION} pixels or more, not {images.shape[-1]}.")
    mm = np.broadcast_to(np.asarray(np.nan if mm_per_pixel is None else mm_per_pixel, np.float64), len(images)).copy()
    if (mm <= 0).any() or np.isinf(mm).any():
        raise UserError("A picture's scale is a positive number of mm in a pixel.")
    net, reader = load_edges(), load_reader()
    parts = [_part(images[i : i + _CHUNK], mm[i : i + _CHUNK], net, reader) for i in range(0, len(images), _CHUNK)]
    merged = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Outline.__dataclass_fields__
        if name != "figures"
    }
    return Outline(**merged, figures={n: np.concatenate([part.figures[n] for part in parts]) for n in FIGURES})


def read(images: NDArray[np.uint8], mm_per_pixel: float | Array | None = None) -> dict[str, Array]:
    """`FIGURES` of images alone, each [N]; as `outline`."""
    return outline(images, mm_per_pixel).figures


@torch.inference_mode()
def _part(images: NDArray[np.uint8], mm: Array, net: EdgeNet, reader: Reader) -> Outline:
    size = images.shape[-1]
    x = to_float(images)
    sign = outwards(x, reader)
    x = torch.where(sign[:, None, None, None] > 0, x, x.flip(3))  # as left knees
    surfaces, margins, unsure, whole = seen(net, x)

    # Twice, as the plateau's ends say where its surface is and that says beside which rows the ends are.
    ends = torch.tensor([0.1, 0.9]).expand(len(x), 2)
    for _ in range(2):
        width = ends[:, 1] - ends[:, 0]
        middle = ends[:, :1] + width[:, None] * torch.tensor(_WINDOWS).mean(1)
        top = _at(surfaces[:, 1], middle)
        slope = (top[:, 1] - top[:, 0]) / (middle[:, 1] - middle[:, 0])
        ends = torch.stack([_mean(margins[:, i], top[:, i], width, slope, _BELOW) for i in range(2)], 1)
    width = (ends[:, 1] - ends[:, 0]).clamp(min=0.2)
    share = torch.stack([torch.linspace(*part, _ALONG) for part in _COMPARTMENTS])
    along = ends[:, :1, None] + width[:, None, None] * share  # [N, 2, P]

    def on(curve: Tensor) -> Tensor:
        return _at(curve, along.flatten(1)).view_as(along)

    femur, tibia = on(surfaces[:, 0]), on(surfaces[:, 1])
    blurred = (on(unsure[:, 0]).square() + on(unsure[:, 1]).square()).sqrt()
    window = torch.stack([(part >= low) & (part <= high) for part, (low, high) in zip(share, _WINDOWS, strict=True)])
    upper, line, middle, spread = (
        (values * window).sum(2) / window.sum(1) for values in (femur, tibia, along, blurred)
    )  # each [N, 2]
    slope = (line[:, 1] - line[:, 0]) / (middle[:, 1] - middle[:, 0])
    cos = 1 / (1 + slope.square()).sqrt()
    length, gap = width / cos, (line - upper) * cos[:, None]

    found = (
        (whole[:, 5] > _SURE)
        & (spread.min(1).values < _BLURRED)
        & (gap.mean(1) > -0.02)
        & (gap.max(1).values < 0.2)
        & (slope.abs() < 0.6)
        & (width > 0.4)
    )
    deviation = x.std((1, 2, 3)) + 0.01
    steps = x.diff(dim=3).abs().mean((1, 2, 3)) + x.diff(dim=2).abs().mean((1, 2, 3))
    scale = torch.from_numpy(mm * size)  # mm in a picture's side
    known = scale.isfinite()
    per = torch.where(known, scale, 100 / length.double())
    figures = {
        "medial_space": gap[:, 0] * per,
        "lateral_space": gap[:, 1] * per,
        "tilt": (gap[:, 1] - gap[:, 0]) * per,
        "osteophytes_medial": whole[:, 0] / _PHANTOM_MM * length * per,
        "osteophytes_lateral": whole[:, 1] / _PHANTOM_MM * length * per,
        "rotation": torch.rad2deg(torch.atan(slope)),
        "size": length * torch.where(known, scale, 100.0),
        "position_lateral": (ends.mean(1) - 0.5) * 100,
        "position_distal": line.mean(1) * 100,
        "brightness": (x.mean((1, 2, 3)) + 1) * 127.5,
        "contrast": x.std((1, 2, 3)) * 127.5,
        "sharpness": steps / deviation * size**0.5,
    }

    def picture(at_x: Tensor, at_y: Tensor) -> Array:
        """Places as left knees, in shares [N, ...], as pixels of the pictures."""
        flat = sign.view(-1, *[1] * (at_x.ndim - 1))
        back = torch.where(flat > 0, at_x, 1 - at_x)
        out = (torch.stack([back, at_y], -1) * size).double().numpy()
        out[~found.numpy()] = np.nan
        return out

    # A caliper stands upright on the joint line, in the middle of its window.
    down = gap * cos[:, None]
    aside = gap * cos[:, None] * slope[:, None]
    centre = (line + upper) / 2
    calipers = np.stack(
        [
            picture(middle + aside / 2, centre - down / 2),
            picture(middle - aside / 2, centre + down / 2),
        ],
        2,
    )
    rows = [torch.linspace(*part, _ROWS) for part in _BESIDE]
    y = torch.stack(
        [start[:, :, None] + width[:, None, None] * r for start, r in zip((upper, line), rows, strict=True)], 1
    )
    beside, doubt = (
        torch.stack([_at(curve[:, i], y[:, :, i].flatten(1)).unflatten(1, (2, _ROWS)) for i in range(2)], 2)
        for curve in (margins, unsure[:, 2:])
    )
    hide = ~found.numpy()

    def hidden(values: Tensor) -> Array:
        out = values.double().numpy().copy()
        out[hide] = np.nan
        return out

    return Outline(
        found=found.numpy().copy(),
        side=np.where(hide, "", np.where(sign.numpy() > 0, "L", "R")),
        femur=picture(along, femur),
        tibia=picture(along, tibia),
        margins=picture(beside.masked_fill(doubt > _BLURRED, torch.nan), y),
        ends=picture(ends, _at(surfaces[:, 1], ends)),
        calipers=calipers,
        unsure=hidden(spread * size),
        mm=mm,
        figures={n: hidden(v) for n, v in figures.items()},
    )


def _at(curve: Tensor, places: Tensor) -> Tensor:
    """A curve [N, CELLS] at places [N, K] in shares of the side, linearly between its cells."""
    cell = (places * CELLS - 0.5).clamp(0, CELLS - 1.001)
    left = cell.long()
    return torch.lerp(curve.gather(1, left), curve.gather(1, left + 1), cell - left)


def _mean(margin: Tensor, row: Tensor, width: Tensor, slope: Tensor, part: tuple[float, float]) -> Tensor:
    """The margin's mean place, [N], a `part` of `width` below `row`, brought upright to a joint line of that slope."""
    away = width[:, None] * torch.linspace(*part, 9)
    return (_at(margin, row[:, None] + away) + slope[:, None] * away).mean(1)
