"""What a DICOM file says of how a film was taken: its scale, its side, which way round it is."""

from __future__ import annotations

import math

import pydicom

from gan_core.data.decode import Taken

_SPACINGS_MM = (0.01, 5.0)  # of a radiograph's pixels; beyond these it is no side of a pixel
_MAGNIFICATIONS = (1.0, 3.0)
_SQUARE = 0.02  # by so much of it the sides of a pixel may differ
_SIDEWAYS = ("LL", "RL", "LLD", "RLD", "LLO", "RLO", "ML", "LM", "LAT", "LATERAL")  # as View Position has them


def taken(ds: pydicom.Dataset) -> Taken:
    """Scale, side and orientation of a projection radiograph. What is empty or makes no sense counts as absent."""
    spacing, source, remarks = _scale(ds)
    mirrored = _text(ds, "PatientOrientation").startswith("R")
    if mirrored:
        remarks.append("The file says that the patient's right is on the picture's right (Patient Orientation).")
    if (view := _text(ds, "ViewPosition")) in _SIDEWAYS:
        remarks.append(f"The file says that it is a lateral view ({view}); sides are told from frontal ones.")
    sides = {_text(ds, "ImageLaterality")[:1], _text(ds, "Laterality")[:1]} & {"R", "L"}
    if len(sides) == 2:
        remarks.append("The file contradicts itself about the side (Laterality and Image Laterality).")
    return Taken(spacing, source, sides.pop() if len(sides) == 1 else "", mirrored, tuple(remarks))


def _scale(ds: pydicom.Dataset) -> tuple[float | None, str, list[str]]:
    """A pixel's side in mm, where that is from, and what is to be said of it (PS3.3 10.7.1.3)."""
    spacing, imager = _spacing(ds, "PixelSpacing"), _spacing(ds, "ImagerPixelSpacing")
    calibrated = _text(ds, "PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")
    # Where both are the same and nothing is calibrated, Pixel Spacing repeats what is true at the detector.
    if spacing and (calibrated or not imager or not math.isclose(spacing, imager, rel_tol=1e-4)):
        return spacing, "Pixel Spacing, calibrated" if calibrated else "Pixel Spacing", []
    if not imager:
        return None, "", []
    factor = _number(ds, "EstimatedRadiographicMagnificationFactor")
    to_detector, to_patient = _number(ds, "DistanceSourceToDetector"), _number(ds, "DistanceSourceToPatient")
    words = "Imager Pixel Spacing and Estimated Radiographic Magnification Factor"
    if not factor and to_detector and to_patient:
        factor, words = to_detector / to_patient, "Imager Pixel Spacing and the distances from the source"
    if factor and _MAGNIFICATIONS[0] <= factor <= _MAGNIFICATIONS[1]:
        return imager / factor, words, []
    remark = "The scale is that at the detector (Imager Pixel Spacing): by how much the knee is magnified is not known."
    return imager, "Imager Pixel Spacing, at the detector", [remark]


def _spacing(ds: pydicom.Dataset, keyword: str) -> float | None:
    """The side of square pixels; None of others."""
    try:
        down, across = (float(value) for value in ds.get(keyword) or ())
    except (TypeError, ValueError, OverflowError):
        return None
    low, high = _SPACINGS_MM
    good = low <= down <= high and low <= across <= high and abs(down - across) <= _SQUARE * across
    return math.sqrt(down * across) if good else None


def _number(ds: pydicom.Dataset, keyword: str) -> float | None:
    """A positive number; None where there is none."""
    try:
        value = float(ds.get(keyword))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return value if 0 < value < math.inf else None


def _text(ds: pydicom.Dataset, keyword: str) -> str:
    """A word, the first of several, in capital letters; "" where there is none."""
    value = ds.get(keyword)
    if isinstance(value, pydicom.multival.MultiValue | list):
        value = value[0] if len(value) else ""
    return str(value or "").strip().upper()
