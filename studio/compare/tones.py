"""Which grays the two sides have and how much detail at each scale: where GANs betray themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from gan_core.data import split_by_patient
from gan_core.metrics.spectrum import intensity_histogram, radial_power, spectrum_gap
from studio.compare.sides import Sides

FEWEST = 10  # images in each half of the reals, for a floor
FINEST = 0.375  # cycles per pixel; from here to 0.5 lies what upsampling gets wrong
LIKE = 1.0  # dB; a smaller difference nobody sees


@dataclass(frozen=True)
class Tones:
    """A curve of each side, how far they lie apart, and how far one half of the real patients lies from the other."""

    x: NDArray[np.float64]  # [B]
    fake: NDArray[np.float64]  # [B]
    real: NDArray[np.float64]  # [B]
    unit: str  # of the gap
    gap: float  # of as many images as the floor
    floor: float | None
    why: str  # there is no floor

    @property
    def words(self) -> str:
        """The gap beside its floor, in a sentence for people."""
        if self.floor is None:
            return f"How far real patients are from each other is not known. {self.why}"
        if self.gap <= self.floor:
            return "No further apart than real patients are from each other."
        times = f"{self.gap / self.floor:.1f} times as far apart as" if self.floor else "Further apart than"
        return f"{times} real patients are from each other."


def spectra(sides: Sides) -> Tones:
    """Power spectra: x in cycles per pixel, curves in log10 of gray levels squared, gaps in dB.

    Raises:
        UserError: for images under 8 pixels, or all of one gray.
    """
    frequency, _ = radial_power(sides.real.images)
    return _tones(sides, frequency, lambda images: radial_power(images)[1], spectrum_gap, "dB")


def histograms(sides: Sides) -> Tones:
    """Histograms of gray: x in gray levels, curves as shares of the pixels. The gap is the number of gray levels by
    which a pixel has to change on average to make one side's grays the other's (Wasserstein)."""
    bins = 64
    centres = (np.arange(bins) + 0.5) * 256 / bins

    def gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(wasserstein_distance(centres, centres, a, b))

    return _tones(sides, centres, lambda images: intensity_histogram(images, bins), gap, "gray levels")


def _tones(
    sides: Sides,
    x: NDArray[np.float64],
    curve: Callable[[NDArray[np.uint8]], NDArray[np.float64]],
    gap: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    unit: str,
) -> Tones:
    fake, real = curve(sides.fake.images), curve(sides.real.images)
    if len(set(sides.real.patients)) < 2:
        return Tones(x, fake, real, unit, gap(fake, real), None, "The real images are all of one patient.")
    halves = split_by_patient(sides.real.patients, 0.5)
    n = min(map(len, halves))
    if n < FEWEST:
        return Tones(x, fake, real, unit, gap(fake, real), None, f"At least {2 * FEWEST} real images are needed.")
    # A gap hangs on the number of images, so both are of one half; the fakes are those made for the other's classes.
    one, other = (half[:n] for half in halves)
    half = curve(sides.real.images[one])
    floor = gap(curve(sides.real.images[other]), half)
    return Tones(x, fake, real, unit, gap(curve(sides.fake.images[other]), half), floor, "")


def finest(power: Tones) -> float:
    """By how many dB the fakes have more power than the reals in the finest detail; negative for less."""
    return float(10 * np.mean((power.fake - power.real)[power.x >= FINEST]))


def finest_in_words(power: Tones) -> str:
    """What the right end of the spectra shows, in a sentence for people."""
    more = finest(power)
    if abs(more) < LIKE:
        return "In the finest detail, at the right end, the two sides are alike."
    if more < 0:
        return (
            f"In the finest detail the synthetic images have {-more:.1f} dB less than the real ones: they are smoother."
        )
    return (
        f"In the finest detail the synthetic images have {more:.1f} dB more than the real ones: look for grain, or "
        "for the checkerboard pattern that upsampling leaves."
    )
