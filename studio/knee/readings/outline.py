"""The outline of a knee's joint as an anatomy panel draws it, and the figures that it gives.

Joint surfaces and margins come from the edge network; everything else here is geometry on them. Medial and lateral are
told by the fibula. An instrument for looking at pictures, real or synthetic; it is no diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

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


FIGURES = {
    "medial_space": QUANTITIES["medial_space"],
    "lateral_space": QUANTITIES["lateral_space"],
    "tilt": Quantity("Lateral less medial", "less", "more", "The lateral joint space less the medial one."),
    "osteophytes_medial": Quantity("Medial osteophytes", "smaller", "larger", "Spurs on the inner margins."),
    "osteophytes_lateral": Quantity("Lateral osteophytes", "smaller", "larger", "Spurs on the outer margins."),
    "rotation": QUANTITIES["rotation"],  # degrees
    "size": QUANTITIES["size"],  # percent of the picture's side; those above rotation are in percent of the plateau
}
LENGTHS = tuple(FIGURES)[:5]

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
_PHANTOM_MM = 80.0  # the plateau's width of the phantoms by which osteophytes, in mm, are learnt
_SURE, _BLURRED = 0.0, 0.035  # least logit of a knee; most that the surfaces may be unsure, in shares of the side


@dataclass(frozen=True)
class Outline:
    """What to draw on N pictures, in shares of their side (x, y); NaN where no knee is found. Medial comes before
    lateral. Of the edges, points where the network is not sure are NaN too.
    """

    found: NDArray[np.bool_]  # [N]
    side: NDArray[np.str_]  # [N], "L", "R" or "" where no knee is found
    femur: Array  # [N, 2, P, 2], the condyles' lower edges, each from medial to lateral
    tibia: Array  # [N, 2, P, 2], the plateau's edge below them
    margins: Array  # [N, 2 bones (femur, tibia), 2, Q, 2], the margins beside the joint, from proximal to distal
    joint_line: Array  # [N, 2, 2], through the plateau's two compartments, from one margin to the other
    calipers: Array  # [N, 2, 2, 2], of the medial and the lateral joint space: a point on the femur, one on the tibia
    figures: dict[str, Array]  # `FIGURES`, each [N]; NaN where they cannot be read


def outline(images: NDArray[np.uint8]) -> Outline:
    """The outline and the figures of PA knees, uint8 [N, 1, R, R], real or synthetic.

    Args:
        images: R from 64 up; best 128 to 256. At 64 a joint space below two pixels cannot be told from none.

    Raises:
        UserError: if there is no image, or they are not square or smaller than 64 pixels.
    """
    if images.ndim != 4 or not len(images) or images.shape[1] != 1 or images.shape[2] != images.shape[3]:
        raise UserError(f"An outline needs square gray images [N, 1, R, R], not {list(images.shape)}.")
    if images.shape[-1] < MIN_RESOLUTION:
        raise UserError(f"An outline needs images of {MIN_RESOLUTION} pixels or more, not {images.shape[-1]}.")
    net, reader = load_edges(), load_reader()
    parts = [_part(images[i : i + _CHUNK], net, reader) for i in range(0, len(images), _CHUNK)]
    names = [field.name for field in fields(Outline) if field.name != "figures"]
    merged = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Outline(**merged, figures={n: np.concatenate([part.figures[n] for part in parts]) for n in FIGURES})


def in_mm(figures: dict[str, Array], across: float | Array) -> dict[str, Array]:
    """The figures of pictures that are `across` mm wide, lengths and the plateau's width in mm."""
    plateau = figures["size"] / 100 * across
    return figures | {name: figures[name] / 100 * plateau for name in LENGTHS} | {"size": plateau}


@torch.inference_mode()
def _part(images: NDArray[np.uint8], net: EdgeNet, reader: Reader) -> Outline:
    x = to_float(images)
    sign = outwards(x, reader)
    surfaces, margins, unsure, whole = seen(net, torch.where(sign[:, None, None, None] > 0, x, x.flip(3)))

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
    femur, tibia, *blurs = (
        _at(curve, along.flatten(1)).view_as(along)
        for curve in (surfaces[:, 0], surfaces[:, 1], unsure[:, 0], unsure[:, 1])
    )
    window = torch.stack([(part >= low) & (part <= high) for part, (low, high) in zip(share, _WINDOWS, strict=True)])
    upper, lower, middle, spread = (
        (values * window).sum(2) / window.sum(1) for values in (femur, tibia, along, torch.hypot(*blurs))
    )  # each [N, 2]
    slope = (lower[:, 1] - lower[:, 0]) / (middle[:, 1] - middle[:, 0])
    cos = 1 / (1 + slope.square()).sqrt()
    length, gap = width / cos, (lower - upper) * cos[:, None]
    found = (
        (whole[:, 5] > _SURE)
        & (spread.min(1).values < _BLURRED)
        & (gap.mean(1) > -0.02)
        & (gap.max(1).values < 0.2)
        & (slope.abs() < 0.6)
        & (width > 0.4)
    )
    per = 100 / length
    figures = {
        "medial_space": gap[:, 0] * per,
        "lateral_space": gap[:, 1] * per,
        "tilt": (gap[:, 1] - gap[:, 0]) * per,
        "osteophytes_medial": whole[:, 0] * 100 / _PHANTOM_MM,
        "osteophytes_lateral": whole[:, 1] * 100 / _PHANTOM_MM,
        "rotation": torch.rad2deg(torch.atan(slope)),
        "size": length * 100,
    }

    def known(values: Tensor) -> Array:
        """[N, ...], NaN where no knee is found."""
        return values.masked_fill(~found.view(-1, *[1] * (values.ndim - 1)), torch.nan).double().numpy()

    def picture(at_x: Tensor, at_y: Tensor, blur: Tensor | None = None) -> Array:
        """Places as left knees, [N, ...], as those in the pictures."""
        back = torch.where(sign.view(-1, *[1] * (at_x.ndim - 1)) > 0, at_x, 1 - at_x)
        places = torch.stack([back, at_y.expand_as(back)], -1)
        return known(places if blur is None else places.masked_fill((blur > _BLURRED)[..., None], torch.nan))

    # A caliper stands upright on the joint line, in the middle of its window.
    half = gap * cos[:, None] / 2
    aside, centre = half * slope[:, None], (upper + lower) / 2
    starts = torch.stack([upper, lower], 1)[..., None]  # of the margins
    y = starts + width[:, None, None, None] * torch.stack([torch.linspace(*p, _ROWS) for p in _BESIDE])[:, None]
    beside, doubt = (
        torch.stack([_at(curve[:, i], y[:, :, i].flatten(1)).unflatten(1, (2, _ROWS)) for i in range(2)], 2)
        for curve in (margins, unsure[:, 2:])
    )
    return Outline(
        found=found.numpy().copy(),
        side=np.where(~found, "", np.where(sign > 0, "L", "R")),
        femur=picture(along, femur, blurs[0]),
        tibia=picture(along, tibia, blurs[1]),
        margins=picture(beside, y, doubt),
        joint_line=picture(ends, lower.mean(1, keepdim=True) + slope[:, None] * (ends - middle.mean(1, keepdim=True))),
        calipers=np.stack([picture(middle + aside, centre - half), picture(middle - aside, centre + half)], 2),
        figures={name: known(values) for name, values in figures.items()},
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
