"""The source of images called phantom: procedural knees, without a folder, without a patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gan_core.data.cache import cache_folder, content_digest, fingerprint, in_class_order
from gan_core.data.dataset import Dataset, Skipped, about_patients
from gan_core.data.decode import Fit
from gan_core.data.source import File, Item, Layout
from gan_core.errors import UserError
from gan_core.grades import KL_GRADE
from studio.data.options import Options
from studio.knee.phantom import PhantomParams, phantom, render, sample_params

PHANTOMS = 2000  # where no number is given
_CHUNK = 64  # phantoms made at a time
# What runs on phantoms know their images by: the code that first drew them. To be changed when other images are drawn.
_KNOWN_BY = (
    "__init__.py|2fd7a709493a44ba721dfd0f448439a765b5031f29adcc6b4a725fd7ec2c5246",
    "anatomy.py|fe601f30ade9f6280f86c16c85878b01d3b77db35231380c3b92c0f03c45d2b6",
    "film.py|7eb43f6a8a989634ce5fcec95c7b2add7cd0889663bdd7ea3c4b7000217e2b99",
    "params.py|0dd7b46dea8b0097f951714dae0f8869aba1ea70f734cedecc7ed0ef4cfac962",
    "texture.py|4c3c2621f42d57f8a899deda52c6a4804006a1a89b3749b7891a8a99fa4b4da4",
)


@dataclass(frozen=True)
class PhantomSource:
    """Procedural knees, seeds 0 to count - 1, their class the Kellgren-Lawrence grade."""

    count: int
    name: str = "phantom"
    layout: Layout = Layout(KL_GRADE, tuple("01234"))  # noqa: RUF009  (it is frozen)
    skipped: tuple[Skipped, ...] = ()

    files: tuple[tuple[str, Path], ...] = ()

    @property
    def recipe(self) -> str:
        return "\n".join((f"phantom:{self.count}", *_KNOWN_BY))

    def __len__(self) -> int:
        return self.count

    def items(self, resolution: int, fit: Fit, survey: bool = False) -> Iterator[Item]:
        if survey:
            yield from (self._item(sample_params(seed), (), (0, 0)) for seed in range(self.count))
            return
        for first in range(0, self.count, _CHUNK):
            images, params = phantom(min(_CHUNK, self.count - first), resolution, first_seed=first)
            for image, knee in zip(images, params, strict=True):
                yield self._item(knee, [image[0]], (resolution, resolution))

    def on_demand(self, resolution: int, fit: Fit) -> Dataset:
        """What `data.load` gives, its images drawn when they are taken: who shows a few does not wait for all."""
        knees = [self._item(sample_params(seed), (), (0, 0)).file for seed in range(self.count)]
        labels = [knee.label or "" for knee in knees]
        names = in_class_order(labels, self.layout.class_order)
        patients = tuple(knee.patient for knee in knees)
        return Dataset(
            images=cast(NDArray[np.uint8], _OnDemand(self.count, resolution)),
            labels=np.array([names.index(label) for label in labels], np.int64),
            class_names=tuple(names),
            files=tuple(knee.name for knee in knees),
            skipped=(),
            name=self.name,
            fingerprint=fingerprint(content_digest(self, cache_folder()), resolution, fit),
            patients=patients,
            label_name=self.layout.label_name,
            said=(about_patients(patients, {"the program"}),),
        )

    def _item(self, knee: PhantomParams, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Item:
        name, whose = f"phantom{knee.seed:06d}{knee.side}", f"patient phantom{knee.seed:06d}"
        return Item(File(name, label=str(knee.kl_grade), patient=whose, patient_from="the program"), images, [size])


class _OnDemand:
    """Phantoms as an array [N, 1, R, R] of which parts can be taken."""

    base = None

    def __init__(self, count: int, resolution: int) -> None:
        self.shape = (count, 1, resolution, resolution)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: NDArray[np.integer]) -> NDArray[np.uint8]:
        return render([sample_params(int(seed)) for seed in index], self.shape[-1])


def phantom_source(count: str, folder: Path, options: Options) -> PhantomSource:
    """The source "phantom" or "phantom:COUNT"."""
    if not count:
        return PhantomSource(PHANTOMS)
    if not count.isascii() or not count.isdigit() or not 1 <= int(count) <= 1_000_000:
        raise UserError(f"phantom:{count} names no number of images; write for instance phantom:{PHANTOMS}.")
    return PhantomSource(int(count))
