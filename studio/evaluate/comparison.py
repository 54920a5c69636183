"""What a model is judged on: its fakes, reals to hold them against, and which of the reals it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gan_core import data
from gan_core.errors import UserError
from gan_core.metrics.features import Extractor
from gan_core.metrics.sample import Sample
from gan_core.model import Model
from studio import samples
from studio.evaluate.folder import EvaluationRequest
from studio.jobs.work import Progress

ROLES = ("data", "reference")


@dataclass(frozen=True)
class Comparison:
    """Fakes of a model beside reals, all with the same classes or none. `other` are reals of other patients than
    `real`: their distance is the floor."""

    fake: Sample
    real: Sample
    other: Sample
    seen: Sample | None  # the reals that the model was trained on, where known and patients beside them are given
    unseen: Sample | None
    learnt_from: str  # as the model's configuration has it
    skipped: int  # files of the two sources that could not be read

    def fakes_and_floor(self) -> tuple[Sample, Sample]:
        """As many fakes as other reals: a distance between sets depends on their sizes, so a fair pair has one size."""
        n = min(len(self.fake), len(self.other))
        return _some(self.fake, n), _some(self.other, n)

    def of_class(self, index: int) -> Comparison:
        """The same for one class."""

        def only(sample: Sample) -> Sample:
            return sample.take(np.flatnonzero(sample.labels == index))

        return replace(self, fake=only(self.fake), real=only(self.real), other=only(self.other), seen=None, unseen=None)


def _some(sample: Sample, n: int) -> Sample:
    """`n` of a sample, spread over it: a data set comes sorted by class."""
    return sample.take(np.sort(np.random.default_rng(0).permutation(len(sample))[:n]))


def compare(model: Model, extractor: Extractor, request: EvaluationRequest, progress: Progress) -> Comparison:
    """Makes the fakes (seeds from 0 on, classes as often as in training) and reads both sources at the model's side.

    Without a reference the data is split by patient in two. With both, the request says which of them the model has
    learnt from; where it does not, that is the one that the model's configuration names.

    Raises:
        UserError: where a source cannot be read, the two share patients, or there is too little to compare.
    """
    side = model.config.net.resolution
    datasets = [
        data.load(s, side, fit=model.config.fit, progress=partial(progress, "Reading the real images")).named_as(
            model.class_names
        )
        for s in (request.data, request.reference)
        if s
    ]
    if request.reference:
        _apart(*datasets)
    # Where model and reals have other classes, these are left out of account.
    classes = bool(model.class_names) and all(d.class_names == model.class_names for d in datasets)

    def ready(sample: Sample, what: str, fingerprint: str | None = None) -> Sample:
        found = samples.seen(sample, extractor, partial(progress, f"Looking at the {what}"), fingerprint)
        return found if classes else found.unlabelled()

    reals = [ready(samples.real(d), f"real images of {d.name}", d.fingerprint) for d in datasets]
    if request.reference:
        real, other = reals
        role = request.seen or _named_by(model, datasets)
    else:
        one, two = data.split_by_patient(reals[0].patients, 0.5)
        real = replace(reals[0].take(one), name=f"one half of {reals[0].name}")
        other = replace(reals[0].take(two), name=f"the other patients of {reals[0].name}")
        role = ""
    making = partial(progress, "Making synthetic images")
    fake = samples.synthetic(model, range(request.n), truncation=request.truncation, progress=making)
    return Comparison(
        fake=ready(fake, "synthetic images"),
        real=real,
        other=other,
        seen={"data": real, "reference": other}.get(role),
        unseen={"data": other, "reference": real}.get(role),
        learnt_from=model.config.data,
        skipped=sum(len(d.skipped) for d in datasets),
    )


def _named_by(model: Model, datasets: Sequence[data.Dataset]) -> str:
    """ "data" or "reference", whichever the model's configuration names as what it has learnt from; else ""."""
    return next((role for d, role in zip(datasets, ROLES, strict=True) if d.about == model.config.data), "")


def _apart(a: data.Dataset, b: data.Dataset) -> None:
    """Raises `UserError` where two sources show the same patients: as a floor the one would then flatter itself."""
    if a.fingerprint == b.fingerprint:
        raise UserError("The data and the reference are the same images: give other patients as the reference.")
    both = {p for p in a.patients if p.startswith("patient ")} & set(b.patients)
    if both:
        raise UserError(
            f"{len(both):,} patients are in both the data and the reference, such as {min(both)}: a reference needs "
            "other patients."
        )
