"""The two sides of a comparison: reals of a data set, and as many fakes of the same classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gan_core import data
from gan_core.data.cache import Progress, cache_folder_of
from gan_core.data.dataset import Dataset
from gan_core.data.source import open_source
from gan_core.errors import UserError
from gan_core.metrics.sample import Sample
from gan_core.model import Model, ModelConfig
from gan_core.seeds import MAX_SEED
from studio import samples
from studio.knee.phantom.source import PhantomSource

MOST = 400  # images a side: so many a map can show and a person wait for


@dataclass(frozen=True)
class Sides:
    """As many fakes as reals. Where both know the classes, fake i is of the class of real i."""

    fake: Sample
    real: Sample
    first_seed: int  # fake i is of seed first_seed + i
    matching: int  # as many reals as could have been taken
    learnt: bool  # the reals are drawn from what the model says that it has learnt from

    @property
    def about_copies(self) -> str:
        """Whether nearness may mean copying here, in words."""
        if self.learnt:
            return (
                f"The real images are {len(self.real):,} of those that the model was trained on. Two identical images "
                "would be a copy, but finding none among so few proves nothing. Evaluate searches all of them."
            )
        return (
            "As far as its card says, the model was not trained on these real images: near ones are merely alike, "
            "and this is no test of memorisation. Evaluate has one."
        )


def shared_classes(model: Model, dataset: Dataset) -> tuple[str, ...]:
    """The classes that both have, in the model's order; none where the reals have a class that the model lacks, since
    its classes then are of something else."""
    of_reals = set(dataset.named_as(model.class_names).class_names)
    return tuple(name for name in model.class_names if name in of_reals) if of_reals <= set(model.class_names) else ()


def read(source: str, model: ModelConfig, progress: Progress | None = None) -> Dataset:
    """The data, made squares as the model's own were. Of phantoms those are drawn that are looked at.

    Raises `UserError` as `data.load` does.
    """
    resolution, fit = model.net.resolution, model.fit
    opened = open_source(source, cache_folder_of(source))
    if isinstance(opened, PhantomSource):
        return opened.on_demand(resolution, fit)
    return data.load(source, resolution, fit=fit, progress=progress)


def sides(
    model: Model,
    dataset: Dataset,
    class_name: str | None = None,
    n: int = 100,
    first_seed: int = 0,
    truncation: float = 1.0,
) -> Sides:
    """Draws up to `n` reals, always the same ones, and makes a fake for each, from `first_seed` on.

    `dataset` is at the model's resolution. Where there are fewer than `n` reals, there are as few fakes.

    Raises:
        UserError: if a number is out of range, or a class is asked for that not both have or no real is of.
    """
    if not 1 <= n <= MOST:
        raise UserError(f"A comparison takes 1 to {MOST} images per side, not {n}.")
    if not 0 <= first_seed <= MAX_SEED - MOST:
        raise UserError(f"The first seed is a whole number from 0 to {MAX_SEED - MOST}.")
    dataset = dataset.named_as(model.class_names)
    shared = shared_classes(model, dataset)
    reals = samples.real(dataset)
    index = np.arange(len(reals))
    if class_name is not None:
        if class_name not in shared:
            both = f"both have {', '.join(shared)}" if shared else "they have none in common"
            raise UserError(f"{class_name!r} is not a class of both the model and the real images: {both}.")
        index = np.flatnonzero(reals.labels == reals.class_names.index(class_name))
        if not len(index):
            raise UserError(f"None of the real images has the class {class_name}. Choose another.")
    reals = reals.take(np.random.default_rng(0).permutation(index)[:n])  # a data set comes sorted by class
    if shared:
        reals = replace(reals, label_name=model.config.label_name)
    seeds = range(first_seed, first_seed + len(reals))
    return Sides(
        fake=samples.synthetic(model, seeds, reals.classes if shared else None, truncation),
        real=reals,
        first_seed=first_seed,
        matching=len(index),
        learnt=bool(model.config.data) and dataset.about == model.config.data,
    )
