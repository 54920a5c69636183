"""Sources that need no folder: the phantom, scikit-learn's digits, torchvision's MNIST and FashionMNIST."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan_core.data.dataset import Skipped
from gan_core.data.layout import Layout, Place
from gan_core.data.pixels import Fit, square
from gan_core.data.source import Item, in_order
from gan_core.errors import UserError
from gan_core.grades import KL_GRADE

if TYPE_CHECKING:
    from gan_core.phantom.params import PhantomParams

PHANTOMS = 2000  # where no number is given
_CHUNK = 64  # phantoms made at a time
_IDX = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}


@dataclass(frozen=True)
class ArraySource:
    """Images of one size that come as an array, read when first asked for."""

    name: str
    count: int
    size: tuple[int, int]
    read: Callable[[], tuple[NDArray[np.uint8], NDArray[np.integer]]]  # [N, H, W] and the labels [N]
    class_order: tuple[str, ...]
    label_name: str
    recipe: str
    files: tuple[tuple[str, Path], ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return self.count

    @property
    def layout(self) -> Layout:
        return Layout((), self.label_name, self.class_order)

    def items(self, resolution: int, fit: Fit) -> Iterator[Item]:
        images, labels = self.read()

        def scale(i: int) -> Item:
            image = square(Image.fromarray(images[i]), resolution, fit)
            return Item(str(i), self._place(i, labels), [image], [self.size])

        return in_order(scale, range(len(images)))

    def some(self, names: Collection[str], resolution: int) -> Iterator[Item]:
        return iter(())

    def survey(self, resolution: int) -> Iterator[Item]:
        labels = self.read()[1]
        for i in range(len(labels)):
            yield Item(str(i), self._place(i, labels), (), [self.size])

    def _place(self, i: int, labels: NDArray[np.integer]) -> Place:
        return Place(self.class_order[labels[i]], patient=f"file {i}")


@dataclass(frozen=True)
class PhantomSource:
    """Procedural knees, seeds 0 to count - 1, their class the Kellgren-Lawrence grade."""

    count: int
    name: str = "phantom"
    layout: Layout = Layout((), KL_GRADE, tuple("01234"))  # noqa: RUF009  (it is frozen)
    skipped: tuple[Skipped, ...] = ()

    @property
    def recipe(self) -> str:
        return f"phantom:{self.count}"

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """The phantom's own code: other code, other images."""
        import gan_core.phantom

        return tuple((path.name, path) for path in sorted(Path(gan_core.phantom.__file__).parent.glob("*.py")))

    def __len__(self) -> int:
        return self.count

    def items(self, resolution: int, fit: Fit) -> Iterator[Item]:
        from gan_core.phantom import phantom

        for first in range(0, self.count, _CHUNK):
            images, params = phantom(min(_CHUNK, self.count - first), resolution, first_seed=first)
            for image, knee in zip(images, params, strict=True):
                yield self._item(knee, [image[0]], (resolution, resolution))

    def some(self, names: Collection[str], resolution: int) -> Iterator[Item]:
        return iter(())

    def survey(self, resolution: int) -> Iterator[Item]:
        from gan_core.phantom import sample_params

        for seed in range(self.count):
            yield self._item(sample_params(seed), (), (0, 0))

    def _item(self, knee: PhantomParams, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Item:
        place = Place(str(knee.kl_grade), patient=f"patient phantom{knee.seed:06d}", patient_from="the program")
        return Item(f"phantom{knee.seed:06d}{knee.side}", place, images, [size])


def phantom_source(count: str) -> PhantomSource:
    """The source "phantom" or "phantom:COUNT"."""
    if not count:
        return PhantomSource(PHANTOMS)
    if not count.isascii() or not count.isdigit() or not 1 <= int(count) <= 1_000_000:
        raise UserError(f"phantom:{count} names no number of images; write for instance phantom:{PHANTOMS}.")
    return PhantomSource(int(count))


def digits_source() -> ArraySource:
    """scikit-learn's 1,797 digits of 8x8 pixels, which come with it."""

    def read() -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target

    return ArraySource("digits", 1797, (8, 8), read, tuple("0123456789"), "digit", "digits")


def mnist_source(name: str, folder: Path) -> ArraySource:
    """The 60,000 training images of "mnist" or "fashion-mnist", downloaded below `folder` if they are not there.

    Raises:
        UserError: if they cannot be downloaded or written.
    """
    kind = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name]
    raw = folder / "torchvision" / kind / "raw"
    images, labels, *test = (raw / f"{part}-ubyte" for part in _IDX)

    def dataset(download: bool) -> Any:
        from torchvision import datasets

        return getattr(datasets, kind)(folder / "torchvision", train=True, download=download)

    def read() -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
        try:
            found = dataset(download=False)
            return found.data.numpy(), found.targets.numpy()
        except Exception as e:  # whatever its reader makes of damaged files
            raise UserError(f"The files of {kind} in {raw} are damaged; delete that folder and try again.") from e

    if not all(path.is_file() for path in (images, labels, *test)):
        try:
            with contextlib.redirect_stdout(sys.stderr):  # for torchvision's progress; stdout is for results
                dataset(download=True)
        except (RuntimeError, OSError) as e:
            raise UserError(
                f"{kind} could not be downloaded into {raw}; connect to the internet, put its four .gz files there "
                "yourself, or use the data set digits, which needs no download."
            ) from e
    files = ((images.name, images), (labels.name, labels))
    return ArraySource(
        name, 60_000, (28, 28), read, _CLASSES[name], "digit" if name == "mnist" else "item", name, files
    )
