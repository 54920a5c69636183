"""The knee as solids: how much fat, muscle, trabecular and cortical bone each ray meets, in mm.

Everything here is a left knee as its film is read: x runs to lateral (the image's right), y runs distally (down), both
in mm from the middle of the tibial plateau. A bone is bounded by contours, each a curve y(x) or x(y) through the
control points below; its depth along the ray falls to nothing at a contour as an ellipse's does. A second, smaller
solid inside it holds the trabecular bone. The shell between the two is cortex, which a ray meets edge-on at the
contours: that is why edges come out bright without being drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from studio.knee.phantom import texture
from studio.knee.phantom.params import PhantomParams, Purpose, stream

Array = NDArray[np.floating]

JSW_AT_MM = (-25.0, 25.0)  # where joint-space width is defined: the middle of either compartment, in units of `size`
_SPINES_AT_MM = (-10.0, 7.0)
_REACH_MM = 70.0  # contours are tabulated from -_REACH_MM to +_REACH_MM
_EDGES = (  # the contours that `edges` tells, the axis that each runs along, and from where to where
    ("femur_condyles", "x", -38.0, 37.0),
    ("tibia_plateau", "x", -38.0, 37.0),
    ("femur_medial", "y", -20.0, -10.0),
    ("femur_lateral", "y", -20.0, -8.0),
    ("tibia_medial", "y", 0.5, 18.0),
    ("tibia_lateral", "y", 0.5, 18.0),
)


class Thickness(NamedTuple):
    """Path lengths in mm, each float32 [N, R, R]. Trabecular bone is in mm of bone of reference density."""

    fat: Array
    muscle: Array
    trabecular: Array
    cortical: Array


@dataclass(frozen=True)
class Contour:
    """A smooth curve through control points, each of which varies by about `wobble` mm from knee to knee."""

    at: tuple[float, ...]
    value: tuple[float, ...]
    wobble: float


# Traced from the proportions of healthy films. Proximal is negative y, medial is negative x.
# fmt: off
_CONTOURS = {
    "femur_condyles": Contour(  # y(x): the joint surface and the roof of the notch
        (-80, -48, -44, -41, -38, -34, -28, -22, -18, -14, -10, -5, -0.5, 4, 8, 12, 16, 20, 24, 28, 34, 38, 41, 44,
         48, 80),
        (-60, -25, -17, -10, -6.2, -4, -3, -3.2, -4.4, -7.2, -11, -15, -17, -15.9, -13.8, -11.6, -9.4, -7.4, -6.1,
         -5.5, -6.7, -9.9, -14, -19.5, -26, -60),
        wobble=0.3,
    ),
    "femur_medial": Contour(  # x(y)
        (-80, -61, -56, -51, -47, -41, -35, -29, -21, -15, -9, -3, 5, 80),
        (-25, -30, -35, -40.5, -44.5, -47, -46.7, -45.5, -44, -42.3, -41, -39.5, -38, -38),
        wobble=0.5,
    ),
    "femur_lateral": Contour(  # x(y)
        (-80, -61, -56, -51, -47, -41, -35, -29, -23, -19, -15, -11, -7, 0, 80),
        (26, 30.5, 33, 36.8, 40, 42.5, 42.3, 40.5, 39, 38.8, 39.2, 39.4, 38, 36, 36),
        wobble=0.5,
    ),
    "tibia_plateau": Contour(  # y(x), with the two spines
        (-80, -48, -42, -38, -34, -28, -22, -18, -15, -12.5, -10, -7.5, -4, 0, 3, 5, 7, 9, 12, 15, 18.5, 23, 28, 34,
         40, 46, 80),
        (4, 1, -0.4, 0, 0.8, 1.4, 1.1, 0.2, -1.6, -4.6, -7.2, -6.4, -5.2, -4.6, -5.6, -7.2, -8.2, -7.4, -4.4, -1.6,
         0.4, 1.2, 0.8, -0.3, -0.8, 0.5, 4),
        wobble=0.3,
    ),
    "tibia_medial": Contour(  # x(y)
        (-80, -8, -3, 0, 3, 9, 15, 21, 27, 33, 39, 50, 80),
        (-36, -38, -39, -39.6, -40, -38.8, -36.8, -34.6, -32, -29.3, -26.8, -22, -16),
        wobble=0.5,
    ),
    "tibia_lateral": Contour(  # x(y)
        (-80, -8, -3, 0, 5, 11, 17, 21, 25, 29, 34, 39, 50, 80),
        (38, 40, 40.8, 41.2, 41.3, 41, 39.6, 37, 33, 28.5, 24.3, 21.2, 17, 14),
        wobble=0.5,
    ),
    "femur_scar": Contour(  # y(x): where the growth plate was
        (-80, -40, -20, 0, 20, 40, 80),
        (-48, -43, -38.5, -41, -36, -37, -40),
        wobble=1,
    ),
    "tibia_scar": Contour(  # y(x)
        (-80, -40, -20, 0, 20, 40, 80),
        (20, 17, 15, 14, 13.5, 17, 20),
        wobble=1,
    ),
}
# fmt: on


@cache
def _spline_weights(name: str, size: int) -> Array:
    """[K, size]: the contour's table is the sum of its K control values times these weights."""
    contour = _CONTOURS[name]
    at = np.linspace(-_REACH_MM, _REACH_MM, size)
    return CubicSpline(contour.at, np.eye(len(contour.at)), bc_type="natural")(at).T.astype(np.float32)


class _Individual(NamedTuple):
    """What makes a knee itself besides its parameters, drawn from its seed."""

    wobble: Array  # [control points of all contours], standard normal
    spine_heights: Array  # [2] mm
    texture_at: Array  # [2] mm, the piece of the texture it has


def _individual(seed: int) -> _Individual:
    rng = stream(seed, Purpose.SHAPE)
    points = sum(len(contour.at) for contour in _CONTOURS.values())
    return _Individual(
        wobble=rng.standard_normal(points, dtype=np.float32),
        spine_heights=rng.uniform(-2.0, 2.0, 2).astype(np.float32),
        texture_at=rng.uniform(0, 100, 2).astype(np.float32),
    )


def _tables(params: Sequence[PhantomParams], individuals: Sequence[_Individual], size: int) -> dict[str, Array]:
    """Each contour of each knee, and whatever else depends on one coordinate alone, as a table [N, size]."""
    wobbles = np.stack([individual.wobble for individual in individuals])
    heights = np.stack([individual.spine_heights for individual in individuals])
    tables: dict[str, Array] = {}
    first = 0
    for name, contour in _CONTOURS.items():
        noise = wobbles[:, first : first + len(contour.at)]
        first += len(contour.at)
        # Neighbours vary together, for a contour that stays smooth.
        noise[:, 1:-1] = (noise[:, :-2] + 2 * noise[:, 1:-1] + noise[:, 2:]) / 2
        values = np.asarray(contour.value, np.float32) + np.float32(contour.wobble) * np.clip(noise, -3, 3)
        # One product a knee: a single product of all might round differently for another number of knees.
        tables[name] = (values[:, None, :] @ _spline_weights(name, size))[:, 0]
    t = _table_at(size)
    for at, height in zip(_SPINES_AT_MM, heights.T, strict=True):
        tables["tibia_plateau"] -= height[:, None] * _bump(t, at, 6.0, 6.0)
    _add_spurs(params, tables, t)
    every = np.ones((len(params), 1), np.float32)
    tables["eminence"] = every * _bump(t, -1.5, 20.0, 20.0)  # of x: 1 between the spines
    tables["groove"] = every * 2.8 * _bump(t, -22.0, 16.0, 12.0)  # of y: of the popliteus, on the lateral condyle
    tables["sclerosis"] = _column(params, "sclerosis_medial")[:, 0] * _bump(t, -31.0, 22.0, 17.0)
    tables["sclerosis"] += _column(params, "sclerosis_lateral")[:, 0] * _bump(t, 31.0, 17.0, 22.0)
    return tables


def _table_at(size: int) -> Array:
    """[1, size]: the coordinates in mm at which tables are made."""
    return np.linspace(-_REACH_MM, _REACH_MM, size, dtype=np.float32)[None]


def _column(params: Sequence[PhantomParams], name: str) -> Array:
    return np.array([getattr(p, name) for p in params], np.float32)[:, None, None]


def _bump(t: Array, centre: float, before: float, after: float) -> Array:
    """A smooth bump of height 1 at `centre` that falls within `before` mm on one side and `after` on the other."""
    u = (t - centre) / np.where(t < centre, np.float32(before), np.float32(after))
    return np.maximum(1 - u * u, 0) ** 2


def _add_spurs(params: Sequence[PhantomParams], tables: dict[str, Array], t: Array) -> None:
    """Grow the osteophytes: lips on the corners of the joint, drawn out sideways and a little along the joint line."""
    for compartment, sign, spine in zip(("medial", "lateral"), (-1, 1), _SPINES_AT_MM, strict=True):
        femur = _column(params, f"osteophyte_femur_{compartment}_mm")[:, 0]
        tibia = _column(params, f"osteophyte_tibia_{compartment}_mm")[:, 0]
        tables[f"femur_{compartment}"] += sign * femur * _bump(t, -8.0, 9.0, 6.0)
        tables[f"tibia_{compartment}"] += sign * tibia * _bump(t, 1.0, 5.0, 8.0)
        outward = sign * t
        tables["femur_condyles"] += 2.2 * femur * _bump(outward, 45.0, 8.0, 11.0)
        tables["tibia_plateau"] -= 0.45 * tibia * _bump(outward, 44.0, 6.0, 10.0)
        tables["tibia_plateau"] -= 0.3 * tibia * _bump(t, spine, 4.0, 4.0)


class _Solid(NamedTuple):
    """Path lengths in mm through a bone, each [N, R, R]."""

    outer: Array  # the whole of it
    core: Array  # the trabecular bone within its cortex
    scar: Array | float = 0.0  # cortical bone inside, where it once grew


class _Frame:
    """The coordinates of a bone, x and y, each [N, R, R] in mm, and the tables as seen at them."""

    def __init__(self, x: Array, y: Array, tables: dict[str, Array]) -> None:
        self.x, self.y, self.tables = x, y, tables
        self.size = next(iter(tables.values())).shape[1]
        self._index = {"x": self._indices(x), "y": self._indices(y)}

    def _indices(self, coordinate: Array) -> NDArray[np.intp]:
        scaled = coordinate * np.float32((self.size - 1) / (2 * _REACH_MM))
        scaled += np.float32((self.size - 1) / 2 + 0.5)
        np.clip(scaled, 0, self.size - 1, out=scaled)
        index = scaled.astype(np.intp)
        index += self.size * np.arange(len(index))[:, None, None]
        return index

    def _take(self, table: Array, axis: str) -> Array:
        return table.reshape(-1).take(self._index[axis])

    def at(self, name: str, axis: str) -> Array:
        """The value of a table over `axis` at every pixel."""
        return self._take(self.tables[name], axis)

    def inside(self, name: str, axis: str, sign: int) -> Array:
        """Distance in mm from a contour given over `axis`, positive on the side of the other axis that `sign` says."""
        table = self.tables[name]
        slope = np.gradient(table, np.float32(2 * _REACH_MM / (self.size - 1)), axis=1)
        across = sign / np.sqrt(1 + slope * slope)
        other = self.y if axis == "x" else self.x
        distance = other - self._take(table, axis)
        distance *= self._take(across, axis)
        return distance


def _product_root(*squares: Array) -> Array:
    """The square root of a product, in the first array's memory."""
    product = squares[0]
    for square in squares[1:]:
        product *= square
    return np.sqrt(product, out=product)


def _rise(distance: Array, radius: Array | float, blur: float) -> Array:
    """The square of a solid's relative depth at a distance inside a face: it rises like a quarter ellipse.

    An edge is softened over `blur` mm, because a pixel sees the mean of what it covers.
    """
    u = distance * distance
    u += np.float32(blur * blur)
    np.sqrt(u, out=u)
    u += distance
    u *= np.float32(0.5) / radius
    np.minimum(u, 1, out=u)
    u *= 2 - u
    return u


def _step(distance: Array, radius: float) -> Array:
    """From 0 to 1 over `radius` mm, smooth at both ends: a face that curves away from the ray on both sides."""
    u = np.clip(distance * np.float32(1 / radius), 0, 1)
    return u * u * (3 - 2 * u)


def thickness(params: Sequence[PhantomParams], resolution: int) -> Thickness:
    """Path lengths through each tissue for a batch of knees, all shown as left knees.

    Each knee's maps depend on nothing but its own parameters and the resolution.
    """

    def column(name: str) -> Array:
        return _column(params, name)

    size = column("size")
    centre = (np.arange(resolution, dtype=np.float32) + np.float32(0.5)) / np.float32(resolution) - np.float32(0.5)
    image_x = column("field_mm") * centre[None, None, :] - column("offset_lateral_mm")
    image_y = column("field_mm") * centre[None, :, None] - column("offset_distal_mm")
    angle = np.deg2rad(column("rotation_deg"))
    cos, sin = np.cos(angle), np.sin(angle)
    x = (cos * image_x + sin * image_y) / size
    y = (cos * image_y - sin * image_x) / size
    blur = 44.0 / resolution  # about half a pixel

    individuals = [_individual(p.seed) for p in params]
    tables = _tables(params, individuals, size=max(512, 8 * resolution))
    texture_at = np.stack([individual.texture_at for individual in individuals])
    strut, streak = texture.sample(image_x[:, 0] + texture_at[:, :1], image_y[:, :, 0] + texture_at[:, 1:])

    # The femur is tilted so that both joint spaces have their widths.
    shift, tilt = _femur_pose(params, tables)
    femur_x = x + tilt * y
    femur_y = y - shift - tilt * femur_x
    solids = (
        _femur(_Frame(femur_x, femur_y, tables), blur),
        _tibia(_Frame(x, y, tables), column("plateau_tilt_mm"), blur),
        _patella(x - column("patella_lateral_mm"), y + column("patella_proximal_mm")),
        _fibula(x - 42.0 - column("fibula_lateral_mm"), y - 31.0 - column("fibula_distal_mm"), blur),
    )
    bone = sum((solid.outer for solid in solids[1:]), start=solids[0].outer)
    trabecular = sum((solid.core for solid in solids[1:]), start=solids[0].core)
    scars = sum(solid.scar for solid in solids) * np.clip(0.6 + 0.5 * streak, 0, 2)
    cortical = bone - trabecular + scars
    # Texture and density change how much bone there is in a core, not its outline.
    trabecular *= column("bone_density") * (1 + np.float32(0.04) * strut)

    # The leg around it: muscle in a sheath of fat.
    half_width = column("leg_half_width_mm") - 0.1 * image_y
    half_depth = column("leg_half_depth_mm") - 0.15 * image_y
    skin = _oval_path(image_x - 3.0, half_width, half_depth)
    inner = _oval_path(image_x - 3.0, half_width - 6.0, half_depth - 9.0) + 1.5 * streak
    bone *= size
    fat = np.maximum(skin - np.maximum(inner, bone), 0)
    muscle = np.maximum(inner - bone, 0)
    return Thickness(fat, muscle, trabecular * size, cortical * size)


def _femur(frame: _Frame, blur: float) -> _Solid:
    """A front half with the epicondyles, and a back half, the condyles, parted by the notch."""
    medial = frame.inside("femur_medial", "y", 1)
    lateral = frame.inside("femur_lateral", "y", -1)
    joint = frame.inside("femur_condyles", "x", -1)
    shell = 0.55 + frame.at("sclerosis", "x") * np.exp(-np.maximum(joint, 0) / 8)
    outer_joint = _rise(joint, 22.0, blur)
    core_joint = _rise(joint - shell, 22.0, blur)
    outer = 32.0 * _product_root(_rise(medial, 12.0, blur), _rise(lateral, 14.0, blur), outer_joint)
    core = 30.0 * _product_root(_rise(medial - 1.1, 12.0, blur), _rise(lateral - 0.9, 14.0, blur), core_joint)
    medial -= 0.8
    lateral -= frame.at("groove", "y")
    notch = 13.0 - np.abs(frame.x - 1.0) + 0.1 * frame.y
    notch_height = 0.7 * _step(frame.y + 46.0, 26.0)
    condyles = 28.0 * _product_root(_rise(medial, 14.0, blur), _rise(lateral, 12.0, blur), outer_joint)
    condyles *= 1 - notch_height * _step(notch, 4.0)
    outer += condyles
    condyles = 26.6 * _product_root(_rise(medial - 0.9, 14.0, blur), _rise(lateral - 0.8, 12.0, blur), core_joint)
    condyles *= 1 - notch_height * _step(notch + 0.9, 4.0)
    core += condyles
    return _Solid(outer, core, 0.04 * core * _line(frame.y - frame.at("femur_scar", "x"), blur))


def _tibia(frame: _Frame, tilt: Array, blur: float) -> _Solid:
    """A back half whose rim is the joint line and a front half whose rim lies lower by the plateau's tilt.

    The spines stand in the middle of the depth, so it falls off steeply at the plateau and gently at the spines.
    """
    medial = frame.inside("tibia_medial", "y", 1)
    lateral = frame.inside("tibia_lateral", "y", -1)
    joint = frame.inside("tibia_plateau", "x", 1)
    shell = 0.7 + np.clip(0.015 * frame.y, 0, 0.8)
    plate = shell + (0.4 + 1.5 * frame.at("sclerosis", "x")) * np.exp(-np.maximum(joint, 0) / 8)
    eminence = frame.at("eminence", "x")
    radius = 3.0 + 18.0 * eminence
    front_joint = joint - tilt * (1 - eminence)
    half_depth = 23.0 - np.clip(0.17 * frame.y, 0, 8)
    outer = half_depth * _product_root(_rise(medial, 11.0, blur), _rise(lateral, 11.0, blur))
    outer *= np.sqrt(_rise(joint, radius, blur)) + np.sqrt(_rise(front_joint, radius, blur))
    core = (half_depth - shell) * _product_root(_rise(medial - shell, 11.0, blur), _rise(lateral - shell, 11.0, blur))
    core *= np.sqrt(_rise(joint - plate, radius, blur)) + np.sqrt(_rise(front_joint - plate, radius, blur))
    return _Solid(outer, core, 0.045 * core * _line(frame.y - frame.at("tibia_scar", "x"), blur))


def _patella(x: Array, y: Array) -> _Solid:
    """A lens in front of the femur, blunt above and pointed below, about its own centre.

    It lies farthest from the film, so its edge is blurred.
    """
    u, v = x / 23.0, y / 21.0
    edge = (1 - np.sqrt(u * u * (1 + 0.35 * v) + v * v)) * 21.0
    return _Solid(22.0 * np.sqrt(_rise(edge, 20.0, 1.5)), 20.4 * np.sqrt(_rise(edge - 0.8, 20.0, 1.5)))


def _fibula(x: Array, y: Array, blur: float) -> _Solid:
    """A head, about its own centre, on a narrower neck."""
    radius = 10.5 - 3.5 * _step(y, 28.0)
    above = np.minimum(y, 0)
    edge = radius - np.sqrt(x * x + above * above)
    return _Solid(22.0 * np.sqrt(_rise(edge, 9.0, blur)), 20.0 * np.sqrt(_rise(edge - 0.9, 9.0, blur)))


def _line(distance: Array, blur: float) -> Array:
    """The profile of a plate about a millimetre thick, blurred by a pixel without loss of its mass."""
    width = 0.9 + blur
    u = distance * np.float32(1 / width)
    u *= u
    u += 1
    u *= u
    return np.divide(np.float32(1.3 * 0.9 / width), u, out=u)


def _oval_path(x: Array, half_width: Array, half_depth: Array) -> Array:
    """The path through a leg, whose section is a little squarer than an ellipse."""
    u = (x / half_width) ** 2
    return 2 * half_depth * np.sqrt(np.maximum(1 - u * u, 0))


def edges(params: Sequence[PhantomParams], count: int = 48) -> dict[str, Array]:
    """Where the bones' edges are in the pictures, as left knees: points [N, count, 2], x and y in shares of the side.

    `femur` and `tibia` are the joint surfaces from the plateau's medial end to its lateral one, with the notch and the
    spines; the others are the outer edges of both bones beside the joint, from proximal to distal.
    """
    tables = _tables(params, [_individual(p.seed) for p in params], 1024)
    shift, tilt = (a[:, :, 0] for a in _femur_pose(params, tables))
    at = _table_at(1024)[0]
    places: dict[str, Array] = {}
    for name, axis, low, high in _EDGES:
        along = np.broadcast_to(np.linspace(low, high, count, dtype=np.float32), (len(params), count))
        across = np.stack([np.interp(a, at, t) for a, t in zip(along, tables[name], strict=True)])
        x, y = (along, across) if axis == "x" else (across, along)
        if name.startswith("femur"):  # back from the femur's own frame
            y = y + shift + tilt * x
            x = x - tilt * y
        places[name] = np.stack([x, y], 2)
    size, field, offset_x, offset_y, angle = (
        _column(params, name)[:, :, 0]
        for name in ("size", "field_mm", "offset_lateral_mm", "offset_distal_mm", "rotation_deg")
    )
    cos, sin = size * np.cos(np.deg2rad(angle)), size * np.sin(np.deg2rad(angle))
    out: dict[str, Array] = {}
    for name, xy in places.items():
        x, y = xy[..., 0], xy[..., 1]
        out[name] = np.stack([cos * x - sin * y + offset_x, sin * x + cos * y + offset_y], 2) / field[..., None] + 0.5
    return {"femur": out.pop("femur_condyles"), "tibia": out.pop("tibia_plateau")} | out


def _femur_pose(params: Sequence[PhantomParams], tables: dict[str, Array]) -> tuple[Array, Array]:
    """How far the femur is moved distally (mm) and tilted (mm per mm) to leave the joint spaces asked for."""
    size = tables["femur_condyles"].shape[1]
    wanted = []
    for at, name in zip(JSW_AT_MM, ("jsw_medial_mm", "jsw_lateral_mm"), strict=True):
        i = round((at + _REACH_MM) / (2 * _REACH_MM) * (size - 1))
        gap = tables["tibia_plateau"][:, i] - tables["femur_condyles"][:, i]
        width = np.array([getattr(p, name) / p.size for p in params], np.float32)
        wanted.append((gap - width)[:, None, None])
    medial, lateral = wanted
    at_medial, at_lateral = (np.float32(v) for v in JSW_AT_MM)
    tilt = (lateral - medial) / (at_lateral - at_medial)
    return medial - tilt * at_medial, tilt
