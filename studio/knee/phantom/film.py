"""From thickness along the ray to a film: Beer-Lambert attenuation, scatter, photon noise and the film's response."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

# Linear attenuation per mm near 50 keV, a knee film's effective energy (NIST XCOM tables: muscle, adipose tissue,
# cortical bone; trabecular bone as an eighth bone by volume in marrow).
MU_FAT = 0.0195
MU_MUSCLE = 0.0235
MU_TRABECULAR = 0.0290
MU_CORTICAL = 0.0810

SCATTER_TO_PRIMARY = 0.15  # behind a grid


def transmitted(fat: Array, muscle: Array, trabecular: Array, cortical: Array) -> Array:
    """The share of the beam that passes: exp(-sum mu * thickness), thicknesses in mm along the ray (Beer-Lambert)."""
    depth = np.float32(MU_FAT) * fat
    depth += np.float32(MU_MUSCLE) * muscle
    depth += np.float32(MU_TRABECULAR) * trabecular
    depth += np.float32(MU_CORTICAL) * cortical
    np.negative(depth, out=depth)
    return np.exp(depth, out=depth)


def expose(intensity: Array, reference: Array, photons: Array, noise: Array | None) -> Array:
    """Add scatter and counting noise to a transmitted share of the beam.

    Args:
        intensity: [N, R, R], the share of the beam that passes.
        reference: [N, 1, 1], a typical share, which sets the even veil of scattered rays.
        photons: [N, 1, 1], photons a pixel without an object.
        noise: [N, R, R] standard normal, the Gaussian limit of Poisson's law; None for a film without grain.
    """
    exposed = intensity + np.float32(SCATTER_TO_PRIMARY) * reference
    if noise is not None:
        exposed += noise * np.sqrt(exposed / photons)
        np.maximum(exposed, 1 / photons, out=exposed)
    return exposed


def develop(exposed: Array, reference: Array, exposure_stops: Array, contrast: Array) -> NDArray[np.uint8]:
    """The film as it is seen: the Hurter-Driffield curve, a sigmoid of the logarithm of the exposure.

    Bone, where little light arrives, is white. All but `exposed` [N, R, R] are [N, 1, 1]; returns uint8 [N, R, R].
    """
    # sigmoid(contrast * log(middle / exposed)): the middle grey is what the reference share gives at 0 stops.
    middle = reference * (1 + np.float32(SCATTER_TO_PRIMARY)) * np.exp2(-exposure_stops)
    ratio = np.log(exposed / middle)
    ratio *= contrast
    np.exp(ratio, out=ratio)
    ratio += 1
    np.divide(np.float32(255), ratio, out=ratio)
    ratio += np.float32(0.5)
    return ratio.astype(np.uint8)
