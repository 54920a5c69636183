"""What a model is judged on: its fakes, reals to hold them against, and which of the reals it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gan_core import data
from gan_core.errors import UserError
from gan_core.generate import generate_batches
from gan_core.latent import own_labels
from gan_core.metrics.features import Extractor, features
from gan_core.metrics.sample import Sample
from gan_core.model import Model
from studio.evaluate.folder import EvaluationRequest
from studio.jobs.folder import Progress

ROLES = ("data", "reference")


@dataclass(frozen=True)
class Comparison:
    """Fakes of a model beside reals. `other` are reals of other patients than `real`: their distance is the floor."""

    fake: Sample
    real: Sample
    other: Sample
    seen: Sample | None  # the reals that the model was trained on, where known and patients beside them are given
    unseen: Sample | None
    class_names: tuple[str, ...]  # the classes that all sides share; () where there are none
    label_name: str
    learnt_from: str  # as the model's configuration has it
    real_name: str
    other_name: str
    skipped: int  # files of the two sources that could not be read

    def fakes_and_floor(self) -> tuple[Sample, Sample]:
        """As many fakes as other reals: a distance between sets depends on their sizes, so a fair pair has one size."""
        n = min(len(self.fake), len(self.other))
        return _some(self.fake, n), _some(self.other, n)

    def of_class(self, index: int) -> Comparison:
        """The same for one class."""

        def only(sample: Sample) -> Sample:
            return sample.take(np.flatnonzero(sample.labels == index))

        return replace(
            self,
            fake=only(self.fake),
            real=only(self.real),
            other=only(self.other),
            seen=None,
            unseen=None,
            class_names=(),
        )


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
        data.load(
            s, side, fit=model.config.fit, progress=lambda done, of: progress("Reading the reals", done, of)
        ).named_as(model.class_names)
        for s in (request.data, request.reference)
        if s
    ]
    if request.reference:
        _apart(*datasets)
    names = _shared_classes(model, datasets)
    reals = [_reals(d, extractor, names, progress) for d in datasets]
    if request.reference:
        real, other = reals
        roles = request.seen or _named_by(model, datasets)
    else:
        one, two = data.split_by_patient(datasets[0].patients, 0.5)
        real, other = reals[0].take(one), reals[0].take(two)
        roles = ""
    fake = _fakes(model, extractor, request, names, progress)
    real_name, other_name = (d.about for d in (datasets[0], datasets[-1]))
    if not request.reference:
        real_name, other_name = f"a half of {real_name}", f"the other patients of {other_name}"
    return Comparison(
        fake=fake,
        real=real,
        other=other,
        seen={"data": real, "reference": other}.get(roles),
        unseen={"data": other, "reference": real}.get(roles),
        class_names=names,
        label_name=model.config.label_name,
        learnt_from=model.config.data,
        real_name=real_name,
        other_name=other_name,
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


def _shared_classes(model: Model, datasets: Sequence[data.Dataset]) -> tuple[str, ...]:
    """The class names, where model and reals have the same ones; else none, and classes are left out of account."""
    names = model.class_names
    return names if names and all(d.class_names == names for d in datasets) else ()


def _reals(dataset: data.Dataset, extractor: Extractor, names: tuple[str, ...], progress: Progress) -> Sample:
    found = features(
        extractor,
        dataset.images,
        dataset.fingerprint,
        lambda done, of: progress(f"Looking at the reals of {dataset.name}", done, of),
    )
    labels = dataset.labels if names else np.zeros_like(dataset.labels)
    return Sample(dataset.images, labels, found.values, dataset.files, found.probabilities, dataset.patients)


def _fakes(
    model: Model, extractor: Extractor, request: EvaluationRequest, names: tuple[str, ...], progress: Progress
) -> Sample:
    n = request.n
    seeds = range(n)
    made: list[np.ndarray] = []
    for batch in generate_batches(model, seeds, truncation=request.truncation):
        made.append(batch)
        progress("Making synthetic images", sum(map(len, made)), n)
    images = np.concatenate(made)
    found = features(extractor, images, None, lambda done, of: progress("Looking at the synthetic images", done, of))
    labels = own_labels(seeds, model.config.class_shares).numpy() if names else np.zeros(n, np.int64)
    return Sample(images, labels, found.values, tuple(f"seed {s}" for s in seeds), found.probabilities)
