"""The computation of each metric of `metrics.METRICS`: a comparison to plain figures, ready for JSON.

Every figure comes with that of real against other real patients, the floor that a perfect model would reach. What
cannot be measured is a `UserError` that says why.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gan_core.errors import UserError
from gan_core.grades import KL_GRADE
from gan_core.metrics.distances import frechet_distance, kernel_distance
from gan_core.metrics.manifold import prdc
from gan_core.metrics.memorisation import copying, pixel_features
from gan_core.metrics.registry import Figures
from gan_core.metrics.sample import Sample
from gan_core.metrics.spectrum import intensity_histogram, radial_power, spectrum_gap
from gan_core.metrics.variety import ms_ssim_variety
from studio.evaluate.augmentation import useful
from studio.evaluate.comparison import Comparison, Progress
from studio.evaluate.two_sample import detect
from studio.knee.encoder.agreement import Agreement, agreement
from studio.knee.joint_space import JointSpace, Spread, joint_space, per_grade
from studio.knee.joint_space import side as side_of
from studio.knee.makeup import makeup

MIN_PER_CLASS = 20  # images on each side, for a figure of one class
SAME_SCALE = 0.01  # by so much of it the scales of images may differ and count as one
PAIRED = 4  # images of a class, for a figure of pairs


def frechet(c: Comparison, progress: Progress) -> Figures:
    fake, other = c.fakes_and_floor()
    return {
        "value": frechet_distance(fake.features, c.real.features),
        "floor": frechet_distance(other.features, c.real.features),
        "n": len(fake),
    }


def kernel(c: Comparison, progress: Progress) -> Figures:
    fake, other = c.fakes_and_floor()
    value, floor = (kernel_distance(side.features, c.real.features) for side in (fake, other))
    return {"value": value.value, "se": value.se, "floor": floor.value, "floor_se": floor.se, "n": len(fake)}


def manifold(c: Comparison, progress: Progress) -> Figures:
    fake, other = c.fakes_and_floor()
    value, floor = (asdict(prdc(c.real.features, side.features)) for side in (fake, other))
    return {name: {"value": value[name], "floor": floor[name]} for name in value} | {"n": len(fake)}


def likeness(c: Comparison, progress: Progress) -> Figures:
    fake, other = c.fakes_and_floor()
    counts = [np.bincount(s.labels, minlength=max(1, len(c.fake.class_names))) for s in (fake, other)]
    enough = np.flatnonzero(np.minimum(*counts) >= PAIRED)
    fake, other = (s.take(np.flatnonzero(np.isin(s.labels, enough))) for s in (fake, other))
    value, floor = (ms_ssim_variety(side.images, side.labels) for side in (fake, other))
    classes = {
        name: {"value": value.classes[i].value, "floor": floor.classes[i].value}
        for i, name in enumerate(c.fake.class_names)
        if i in value.classes and i in floor.classes
    }
    return {
        "value": value.overall.value,
        "se": value.overall.se,
        "floor": floor.overall.value,
        "floor_se": floor.overall.se,
        "n": len(fake),
        "per_class": classes,
    }


def spectrum(c: Comparison, progress: Progress) -> Figures:
    fake, other = c.fakes_and_floor()
    if (fewest := min(len(fake), len(c.real))) < MIN_PER_CLASS:
        raise UserError(f"A mean spectrum needs {MIN_PER_CLASS} images on each side; there are {fewest}.")
    frequency, of_real = radial_power(c.real.images)
    of_fake, of_other = (radial_power(side.images)[1] for side in (fake, other))
    return {
        "value": spectrum_gap(of_fake, of_real),
        "floor": spectrum_gap(of_other, of_real),
        "n": len(fake),
        "unit": "dB",
        "frequency": frequency.tolist(),
        "fake": of_fake.tolist(),
        "real": of_real.tolist(),
        "histogram": {k: intensity_histogram(s.images).tolist() for k, s in (("fake", fake), ("real", c.real))},
    }


def _seen_and_unseen(c: Comparison) -> tuple[Sample, Sample]:
    if c.seen is None or c.unseen is None:
        learnt = f", {c.learnt_from}," if c.learnt_from else ""
        raise UserError(
            f"This measure needs the images that the model was trained on{learnt} and images of other patients, one "
            "as the data and the other as the reference. If they have another name here, say which they are with "
            "--seen."
        )
    return c.seen, c.unseen


def copies(c: Comparison, progress: Progress) -> Figures:
    """In the extractor's features, and in pixels, which know nothing of the training; the worse of the two leads."""
    seen, unseen = _seen_and_unseen(c)
    found = {"features": copying(c.fake, seen, unseen)}
    found["pixels"] = copying(_in_pixels(c.fake), _in_pixels(seen), _in_pixels(unseen))
    where = "features" if found["pixels"].clean or not found["features"].clean else "pixels"
    lead = found[where]
    return {
        "value": lead.copied.value,
        "floor": lead.copied.expected,
        "n": len(c.fake),
        "clean": lead.clean,
        "where": where,
        "verdict": lead.verdict if where == "features" else f"{lead.verdict} This shows in the pixels.",
        **{k: {name: v for name, v in asdict(part).items() if name != "worst"} for k, part in found.items()},
        "worst": [asdict(p) | {"fake_name": c.fake.names[p.fake], "seen_name": seen.names[p.seen]} for p in lead.worst],
    }


def _in_pixels(sample: Sample) -> Sample:
    return replace(sample, features=pixel_features(sample.images))


def grades(c: Comparison, progress: Progress) -> Figures:
    """The encoder's reading of fakes against the grade asked for; of reals it has not seen, against the readers'."""
    real = c.real if c.unseen is None else c.unseen
    if c.fake.probabilities is None or real.probabilities is None:
        raise UserError("Only the knee extractor reads grades.")
    _only_knees(c)
    if c.fake.probabilities.shape[1] != len(c.fake.class_names):
        raise UserError("The encoder reads different grades from those that this model makes.")
    value, floor = agreement(c.fake.labels, c.fake.probabilities), agreement(real.labels, real.probabilities)
    return {"value": value.kappa, "floor": floor.kappa, "n": len(c.fake), "fake": _plain(value), "real": _plain(floor)}


def _plain(a: Agreement) -> Figures:
    return asdict(a) | {"confusion": a.confusion.tolist()}


def _only_knees(c: Comparison) -> None:
    if c.fake.label_name != KL_GRADE or not c.fake.class_names:
        raise UserError(
            "This measure needs knees with KL grades: the model, the data and the reference must all have them. Name "
            "the folders of the data 0 to 4, KL0 to KL4, or Normal to Severe, or give a table with --labels."
        )


def told_from_real(c: Comparison, progress: Progress) -> Figures:
    fake, other = c.fakes_and_floor()
    value, floor = (
        detect(c.real, side, progress=partial(progress, "Learning real from synthetic")) for side in (fake, other)
    )
    return {"value": value.auc, "floor": floor.auc, **{k: v for k, v in asdict(value).items() if k != "auc"}}


def joint_spaces(c: Comparison, progress: Progress) -> Figures:
    """How far the grades' mean widths lie from the reals', root mean square over the grades; the narrower compartment
    leads. Medial and lateral are told by the images alone, for fakes and reals alike."""
    _only_knees(c)
    fake, other = c.fakes_and_floor()
    sides = {"fake": fake, "real": c.real, "other": other}
    spaces = {side: joint_space(s.images) for side, s in sides.items()}
    widths = {side: _widths(spaces[side], s.images) for side, s in sides.items()}
    out: Figures = {"n": len(fake), "unit": "pixels", "mm": common_scale(c.real)}
    for part in ("narrower", "medial", "lateral"):
        grades = {side: per_grade(widths[side][part], s.labels, len(c.fake.class_names)) for side, s in sides.items()}
        out[part] = {
            "value": _gap(grades["fake"], grades["real"]),
            "floor": _gap(grades["other"], grades["real"]),
            "per_class": {
                name: {side: asdict(grades[side][i]) for side in sides} for i, name in enumerate(c.fake.class_names)
            },
        }
    missed = {side: spaces[side].share_not_found for side in sides}
    return {"value": out["narrower"]["value"], "floor": out["narrower"]["floor"], **out, "not_found": missed}


def common_scale(real: Sample) -> float | None:
    """A pixel's side in mm where all real images have the same; what has learnt from their like is taken to share it.

    None where it is not known of one, or differs.
    """
    mm = np.array(real.mm)
    known = len(mm) == len(real) > 0 and np.isfinite(mm).all() and np.ptp(mm) <= SAME_SCALE * mm.mean()
    return float(mm.mean()) if known else None


def _widths(space: JointSpace, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    medial, lateral = space.medial_lateral(side_of(images))
    return {"narrower": space.narrower, "medial": medial, "lateral": lateral}


def _gap(a: tuple[Spread, ...], b: tuple[Spread, ...]) -> float:
    """Over the grades that both sides have enough joints of."""
    both = [
        x.mean - y.mean
        for x, y in zip(a, b, strict=True)
        if x.mean is not None and y.mean is not None and min(x.n, y.n) >= MIN_PER_CLASS
    ]
    if not both:
        raise UserError(f"No grade has {MIN_PER_CLASS} images on each side in which the joint space was found.")
    return math.sqrt(sum(d * d for d in both) / len(both))


def sides_and_exposures(c: Comparison, progress: Progress) -> Figures:
    """The largest difference between the shares of images below any brightness leads (Kolmogorov and Smirnov)."""
    from scipy.stats import ks_2samp

    _only_knees(c)
    fake, other = c.fakes_and_floor()
    of = {side: makeup(s.images) for side, s in (("fake", fake), ("real", c.real), ("other", other))}
    return {
        "value": float(ks_2samp(of["fake"].brightness, of["real"].brightness).statistic),
        "floor": float(ks_2samp(of["other"].brightness, of["real"].brightness).statistic),
        "n": len(fake),
        "left": {side: m.left for side, m in of.items()},
        "inverted": {side: m.inverted for side, m in of.items()},
        "brightness": {side: m.percentiles() for side, m in of.items()},
    }


def usefulness(c: Comparison, progress: Progress) -> Figures:
    """The change in balanced accuracy where reals are scarcest stands for the whole; its floor is no change."""
    seen, unseen = _seen_and_unseen(c)
    found = useful(
        seen, c.fake, unseen, len(c.fake.class_names), progress=partial(progress, "Training grade classifiers")
    )
    return {
        **asdict(found.fractions[0].difference.balanced_accuracy),
        "floor": 0.0,
        "n": found.n_fake,
        "verdict": " ".join(arm.verdict for arm in found.fractions),
        **asdict(found),
    }
