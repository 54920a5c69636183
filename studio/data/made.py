"""Sources that need no folder: scikit-learn's digits, torchvision's MNIST and FashionMNIST."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan_core.data.dataset import Skipped
from gan_core.data.decode import Fit, square
from gan_core.data.source import File, Item, Layout, in_order
from gan_core.errors import UserError
from studio.data.options import Options

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
        return Layout(self.label_name, self.class_order)

    def items(self, resolution: int, fit: Fit, survey: bool = False) -> Iterator[Item]:
        images, labels = self.read()

        def scale(i: int) -> Item:
            made = [] if survey else [square(Image.fromarray(images[i]), resolution, fit)]
            return Item(File(str(i), label=self.class_order[labels[i]], patient=f"file {i}"), made, [self.size])

        return in_order(scale, range(len(images)))


def digits_source(rest: str, folder: Path, options: Options) -> ArraySource:
    """scikit-learn's 1,797 digits of 8x8 pixels, which come with it."""

    def read() -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target

    return ArraySource("digits", 1797, (8, 8), read, tuple("0123456789"), "digit", "digits")


def mnist_source(rest: str, folder: Path, options: Options) -> ArraySource:
    """The 60,000 training images of MNIST, downloaded below `folder` if they are not there."""
    return _torchvision("mnist", folder)


def fashion_mnist_source(rest: str, folder: Path, options: Options) -> ArraySource:
    """The 60,000 training images of FashionMNIST, downloaded below `folder` if they are not there."""
    return _torchvision("fashion-mnist", folder)


def _torchvision(name: str, folder: Path) -> ArraySource:
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
