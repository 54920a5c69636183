"""Where samples come from: real ones from a data set, synthetic ones from a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gan_core.data import Dataset
from gan_core.generate import class_index, generate_batches
from gan_core.latent import own_labels
from gan_core.metrics.features import Extractor, features
from gan_core.metrics.sample import Sample
from gan_core.model import Model

Counted = Callable[[int, int], None]  # (images done, of how many)


def is_phantom(name: str) -> bool:
    """Whether data of this name is no film of anybody, but drawn by this program."""
    return "phantom" in name.lower()


def real(dataset: Dataset) -> Sample:
    """All images of a data set, not copied."""
    return Sample(
        dataset.images,
        dataset.labels,
        np.empty((len(dataset.images), 0), np.float32),
        dataset.files,
        patients=dataset.patients,
        kind="phantom" if is_phantom(dataset.name) else "real",
        name=dataset.about,
        class_names=dataset.class_names,
        label_name=dataset.called("class"),
        sides=dataset.sides,
        mm=dataset.mm,
    )


def synthetic(
    model: Model,
    seeds: Sequence[int],
    classes: Sequence[str] | None = None,
    truncation: float = 1.0,
    progress: Counted = lambda done, of: None,
) -> Sample:
    """An image of each seed, of the class named for it in `classes` [N]; by default of the seed's own.

    Raises `UserError` as `generate` does, or where the model has no such class.
    """
    n = len(seeds)
    labels = np.zeros(n, np.int64)
    if classes is not None:
        labels = np.array([class_index(model, name) for name in classes])
    elif model.class_names:
        labels = own_labels(seeds, model.config.class_shares).numpy()
    made: list[np.ndarray] = []
    for batch in generate_batches(model, seeds, labels if model.class_names else None, truncation):
        made.append(batch)
        progress(sum(map(len, made)), n)
    return Sample(
        np.concatenate(made),
        labels,
        np.empty((n, 0), np.float32),
        tuple(f"seed {s}" for s in seeds),
        kind="synthetic",
        class_names=model.class_names,
        label_name=model.config.label_name,
    )


def seen(
    sample: Sample, extractor: Extractor, progress: Counted | None = None, fingerprint: str | None = None
) -> Sample:
    """The sample with what the extractor sees in it; kept on disk where `fingerprint` names the images' content.

    Raises `UserError` where it sees what are no numbers.
    """
    found = features(extractor, sample.images, fingerprint, progress)
    return replace(sample, features=found.values, probabilities=found.probabilities)
