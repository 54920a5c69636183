"""What a phantom knee is: its parameters, which are also its ground truth, and how they are drawn from a seed."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import asdict, dataclass
from enum import IntEnum
from itertools import accumulate

import numpy as np

from gan_core.errors import UserError

GRADES = ("0", "1", "2", "3", "4")

# The share of each Kellgren-Lawrence grade among the 5,778 training knees of Chen 2018 (from the OAI).
GRADE_SHARE = (0.40, 0.18, 0.26, 0.13, 0.03)
_GRADE_UP_TO = tuple(accumulate(GRADE_SHARE))

# Joint-space width in mm in the compartment that wears, mean and spread by grade. Near the published widths of fixed
# flexion films of the OAI: about 5 mm in health, about bone on bone at grade 4.
_WORN_JSW_MM = ((5.0, 0.55), (4.6, 0.55), (3.9, 0.65), (2.4, 0.65), (0.6, 0.35))
_SPARED_JSW_MM = ((5.6, 0.6), (5.6, 0.6), (5.5, 0.7), (5.4, 0.8), (5.2, 0.9))
_OSTEOPHYTE_MM = (0.0, 0.5, 1.7, 3.0, 4.6)  # typical largest spur by grade
_SCLEROSIS = (0.0, 0.05, 0.2, 0.55, 0.95)  # typical sclerosis by grade, in [0, 1]


@dataclass(frozen=True)
class PhantomParams:
    """Everything that decides a phantom's picture, apart from its resolution.

    Lengths are in mm, angles in degrees. Directions are those of the patient (lateral, proximal), so the same numbers
    with the other `side` are the mirrored knee. Fine shape, texture and grain follow from `seed`.
    """

    seed: int
    side: str  # "L" or "R"; the fibula lies to the right in an image of a left knee
    kl_grade: int  # Kellgren-Lawrence, 0 to 4
    jsw_medial_mm: float  # joint-space width in the middle of the compartment
    jsw_lateral_mm: float
    osteophyte_femur_medial_mm: float
    osteophyte_femur_lateral_mm: float
    osteophyte_tibia_medial_mm: float
    osteophyte_tibia_lateral_mm: float
    sclerosis_medial: float  # 0 none, 1 marked
    sclerosis_lateral: float
    field_mm: float  # side of the square crop, in the plane of the knee
    size: float  # of the bones, 1 = a tibial plateau about 80 mm wide
    rotation_deg: float  # in the image plane, positive turns the knee's top towards lateral
    offset_lateral_mm: float  # of the knee's centre from the crop's centre
    offset_distal_mm: float
    plateau_tilt_mm: float  # how far the front and back rims of the tibial plateau lie apart
    patella_lateral_mm: float
    patella_proximal_mm: float
    fibula_lateral_mm: float
    fibula_distal_mm: float
    leg_half_width_mm: float
    leg_half_depth_mm: float
    bone_density: float  # 1 = reference
    exposure_stops: float  # doublings of the dose on the film; more dose is a blacker film
    film_contrast: float  # slope of the film's response
    photons_per_mm2: float  # that reach an uncovered film; fewer is grainier

    def mm_per_pixel(self, resolution: int) -> float:
        """The size of a pixel, in mm, of this knee's image at `resolution`."""
        return self.field_mm / resolution

    def as_row(self) -> dict[str, int | float | str]:
        """The parameters as one row of a table, lengths rounded to 0.1 micrometre."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


class Purpose(IntEnum):
    """What a seed's random numbers are for; each purpose has a stream of its own."""

    PARAMETERS = 0
    SHAPE = 1
    GRAIN = 2


def stream(seed: int, purpose: Purpose) -> np.random.Generator:
    """An independent stream of random numbers for one purpose of one seed."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, purpose], dtype=np.uint64)))


def sample_params(seed: int, grade: int | None = None) -> PhantomParams:
    """Draw a knee from a seed in [0, 2**63).

    The draws do not depend on the grade: one seed at several grades is one patient as the disease goes on. Without a
    grade it is drawn with the frequencies of the real training set.

    Raises:
        UserError: if the grade is not 0 to 4 or the seed is out of range.
    """
    if not 0 <= seed < 2**63:
        raise UserError(f"The phantom's seed is {seed}; use a whole number from 0 to 2**63 - 1.")
    if grade is not None and grade not in range(len(GRADES)):
        raise UserError(f"The phantom's grade is {grade!r}; use a Kellgren-Lawrence grade from 0 to 4, or none.")
    rng = stream(seed, Purpose.PARAMETERS)
    uniform = rng.random(8).tolist()
    # Truncated at two standard deviations and a half: a phantom is a plausible knee, not an outlier.
    normal = iter(np.clip(rng.standard_normal(32), -2.5, 2.5).tolist())

    def around(mean: float, spread: float) -> float:
        return mean + spread * next(normal)

    if grade is None:
        grade = min(bisect_right(_GRADE_UP_TO, uniform[0]), len(GRADES) - 1)
    worn_laterally = uniform[1] < 0.2
    worn_jsw = max(around(*_WORN_JSW_MM[grade]), 0.1)
    spared_jsw = max(around(*_SPARED_JSW_MM[grade]), 1.5)
    worn_sclerosis = min(max(_SCLEROSIS[grade] * around(1.0, 0.3), 0.0), 1.0)
    # Spurs are larger on the worn side and uneven among the corners.
    spur = _OSTEOPHYTE_MM[grade]
    worn_spurs = [spur * max(around(0.9, 0.35), 0.0) for _ in range(2)]
    spared_spurs = [spur * max(around(0.55, 0.35), 0.0) for _ in range(2)]

    def by_compartment(worn: float, spared: float) -> tuple[float, float]:
        return (spared, worn) if worn_laterally else (worn, spared)

    jsw_medial, jsw_lateral = by_compartment(worn_jsw, spared_jsw)
    sclerosis_medial, sclerosis_lateral = by_compartment(worn_sclerosis, 0.25 * worn_sclerosis)
    femur_medial, femur_lateral = by_compartment(worn_spurs[0], spared_spurs[0])
    tibia_medial, tibia_lateral = by_compartment(worn_spurs[1], spared_spurs[1])
    underexposed = uniform[3] < 0.15  # a white knee between black sides: common among real films
    half_width = around(60.0, 5.0)
    return PhantomParams(
        seed=seed,
        side="L" if uniform[2] < 0.5 else "R",
        kl_grade=grade,
        jsw_medial_mm=jsw_medial,
        jsw_lateral_mm=jsw_lateral,
        osteophyte_femur_medial_mm=femur_medial,
        osteophyte_femur_lateral_mm=femur_lateral,
        osteophyte_tibia_medial_mm=tibia_medial,
        osteophyte_tibia_lateral_mm=tibia_lateral,
        sclerosis_medial=sclerosis_medial,
        sclerosis_lateral=sclerosis_lateral,
        field_mm=around(98.0, 2.5),
        size=around(1.0, 0.035),
        rotation_deg=around(0.0, 2.0),
        offset_lateral_mm=around(-1.0, 1.5),
        offset_distal_mm=around(9.0, 1.8),
        plateau_tilt_mm=abs(around(1.0, 0.8)),
        patella_lateral_mm=around(2.0, 4.0),
        patella_proximal_mm=around(39.0, 4.0),
        fibula_lateral_mm=around(-0.5, 3.0),
        fibula_distal_mm=around(2.0, 3.5),
        leg_half_width_mm=half_width,
        leg_half_depth_mm=0.85 * half_width * around(1.0, 0.05),
        bone_density=around(1.0, 0.1),
        exposure_stops=around(0.0, 0.4) - 0.7 * underexposed,
        film_contrast=math.exp(around(math.log(1.55 + 0.4 * underexposed), 0.35)),
        photons_per_mm2=math.exp(around(math.log(2e5), 0.5)),
    )
