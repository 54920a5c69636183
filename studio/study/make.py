"""Chooses the images of a study: as many synthetic as real ones, alike in everything but where they come from."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan_core import data
from gan_core.errors import UserError
from gan_core.metrics.sample import Sample
from gan_core.model import Model
from gan_core.seeds import MAX_SEED
from studio import samples
from studio.study import clues
from studio.study.store import CLUES, Film, Kind, StudySet, add_set

SIZES = (20, 40, 60)  # images in a round
ROUNDS = 2
CLUE_POOL = 64  # synthetic images that the clues are chosen among


def even_png(image: NDArray[np.uint8]) -> bytes:
    """uint8 [H, W] as a PNG whose length depends on the size alone: a film's grain packs worse than a smooth fake."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def make_set(
    model: Model,
    model_name: str,
    source: str,
    size: int = SIZES[0],
    kind: Kind = "single",
    progress: Callable[[int, int], None] | None = None,
    owner: str = "",
) -> str:
    """Chooses images for both rounds, no patient twice, and keeps them: the set's id.

    Reals come through the path that a training takes, at the model's resolution; the synthetic ones have their grades.
    `progress` is called with (files read, files). On a host the set is that of `owner`.

    Raises:
        UserError: if the size is not 20, 40 or 60, the source cannot be read or holds too few patients, or the set
            cannot be kept.
    """
    if size not in SIZES:
        raise UserError(f"A study has {', '.join(map(str, SIZES))} images, not {size}.")
    resolution = model.config.net.resolution
    loaded = data.load(source, resolution, fit=model.config.fit, progress=progress).named_as(model.class_names)
    seed = secrets.randbits(62)
    rng = np.random.default_rng(seed)

    real = samples.real(loaded)
    shared = set(real.classes) & set(model.class_names)
    fits = [not shared or name in shared for name in real.classes]
    chosen = _one_of_each_patient(real.patients, fits, rng)
    half = size // 2
    rounds = min(len(chosen) // half, ROUNDS)
    if rounds == 0:
        raise UserError(
            f"A study of {size} images needs {half} real ones of different patients, and {data.short_source(source)} "
            f"has {len(chosen)}{' with a grade that the model knows' if shared else ''}: choose fewer or other images."
        )
    chosen = chosen[: rounds * half]
    real = real.take(chosen)
    seeds = np.unique(rng.integers(0, MAX_SEED, 2 * (len(chosen) + CLUE_POOL)))
    seeds = rng.permutation(seeds)[: len(chosen) + CLUE_POOL].tolist()
    fake_seeds, clue_seeds = seeds[: len(chosen)], seeds[len(chosen) :]
    fake = samples.synthetic(model, fake_seeds, real.classes if shared else None)
    if model.class_names and not shared:
        real = real.unlabelled()  # not called by another name

    films = []
    for i in range(len(chosen)):
        round_, question = i // half + 1, i % half
        other = question if kind == "pair" else question + half
        films.append(Film(round_, question, False, real.class_name(i), None, even_png(real.images[i, 0])))
        films.append(Film(round_, other, True, fake.class_name(i), fake_seeds[i], even_png(fake.images[i, 0])))
    if rounds == ROUNDS:
        pool = samples.synthetic(model, clue_seeds)
        for name, picked in clues.pick(pool.images).items():
            films += [
                Film(CLUES, n, True, pool.class_name(i), clue_seeds[i], even_png(pool.images[i, 0]), name)
                for n, i in enumerate(picked)
            ]
    return add_set(
        StudySet(
            kind=kind,
            size=size,
            rounds=rounds,
            seed=seed,
            resolution=resolution,
            model=model_name,
            digest=model.digest,
            data=data.short_source(source),
            label_name=(fake if model.class_names else real).label_name,
            rehearsal=real.kind == "phantom",
            note=_note(model, real, shared, rounds),
            owner=owner,
        ),
        films,
    )


def _one_of_each_patient(patients: tuple[str, ...], fits: list[bool], rng: np.random.Generator) -> NDArray[np.intp]:
    """Indices in a random order: of every patient one image among those that fit."""
    first: dict[str, int] = {}
    for i in rng.permutation(np.flatnonzero(fits)):
        first.setdefault(patients[i], i)
    return np.fromiter(first.values(), np.intp, len(first))


def _note(model: Model, real: Sample, shared: set[str], rounds: int) -> str:
    said = []
    if real.kind == "phantom":
        said.append(
            "The “real” images are phantoms, knees simulated by this program: this is a rehearsal, and its results "
            "say nothing about real radiographs."
        )
    label = model.config.label_name
    if shared:
        said.append(f"Real and synthetic images have the same mix of {label}s.")
    elif model.class_names:
        said.append(f"The real images have no {label} that the model knows, so the two mixes may differ.")
    elif real.class_names:
        said.append("The model has no classes to match those of the real images: the two mixes may differ.")
    if real.name == model.config.data:
        said.append("The model was trained on these very images.")
    if rounds < ROUNDS:
        said.append("There are too few real images for a second round.")
    return " ".join(said)
