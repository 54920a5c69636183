"""Images in a NumPy archive (.npz): MedMNIST's train_images, train_labels and so on, or one array of images."""

from __future__ import annotations

import math
import threading
import zipfile
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gan_core.data.source import File
from gan_core.errors import UserError
from studio.data import tables
from studio.data.archives import expands_too_far
from studio.data.names import SPLITS
from studio.data.options import Options
from studio.data.tables import Columns

_LABELS = ("labels", "label", "y", "targets", "target", "grades", "grade", "kl", "arr 1")
_PATIENTS = ("patients", "patient", "patient ids", "subjects")
_MOST = 1_000_000  # images of one archive


@dataclass(frozen=True)
class _Array:
    """An array of an archive, read when first asked for."""

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype
    lock: threading.Lock

    @cached_property
    def values(self) -> NDArray:
        with np.load(self.path, allow_pickle=False) as archive:
            return archive[self.member]

    def image(self, i: int) -> BinaryIO:
        import tifffile

        with self.lock:
            picture = self.values if self.alone else self.values[i]
        if picture.ndim == 3 and picture.shape[0] == 1:
            picture = picture[0]
        if picture.ndim == 3 and picture.shape[-1] == 1:
            picture = picture[..., 0]
        out = BytesIO()
        tifffile.imwrite(out, picture, photometric="rgb" if picture.ndim == 3 else "minisblack")
        out.seek(0)
        return out

    @property
    def count(self) -> int:
        return 1 if self.alone else self.shape[0]

    @property
    def alone(self) -> bool:
        """Whether it is one image: [H, W], or in colour."""
        shape = self.shape
        return len(shape) == 2 or (len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) >= 16)


def list_npz(name: str, path: Path, options: Options = Options()) -> Columns:  # noqa: B008  (it is frozen)
    """Each image of an archive of arrays [N, H, W], [N, H, W, C] or [H, W], as files `name/ARRAY/INDEX`.

    Raises:
        Unclear: if it is not clear which array holds the images.
        UserError: if it is no readable archive, asks for Python objects, or is too large.
    """
    arrays = _arrays(name, path)
    splits: dict[str, dict[str, _Array]] = {}
    for key, array in arrays.items():
        (head, _, rest), (first, _, last) = key.partition("_"), key.rpartition("_")  # train_images, x_train
        if last.lower() in SPLITS:
            head, rest = last, first
        of_split = head.lower() if head.lower() in SPLITS and rest else ""
        splits.setdefault(of_split, {})[rest if of_split else key] = array
    files: list[File] = []
    column = ""
    for split, group in splits.items():
        pictures = [key for key, a in group.items() if _is_pictures(a)]
        if not pictures:
            continue
        chosen = tables.image_column(pictures, options.image, name)
        images = group[chosen]
        if images.count > _MOST:
            raise UserError(f"{name} claims {images.count:,} images; at most {_MOST:,} are read.")
        column = options.label or tables.find(group, _LABELS) or column
        labels = _column(group.get(column), images.count)
        owners = _column(group.get(tables.find(group, _PATIENTS)), images.count)
        for i in range(images.count):
            files.append(
                File(
                    "/".join(filter(None, (name, split, f"{chosen}-{i}"))),
                    partial(images.image, i),
                    folders=(),
                    label=labels[i] if labels else None,
                    split=split,
                    patient=f"patient {owners[i]}" if owners and owners[i] else "",
                )
            )
    if not files:
        listed = ", ".join(f"{key} {list(a.shape)}" for key, a in list(arrays.items())[:8])
        raise UserError(f"{name} holds no array of images [N, height, width]: it holds {listed or 'nothing'}.")
    return Columns(files, (), column)


def _arrays(name: str, path: Path) -> dict[str, _Array]:
    found = {}
    lock = threading.Lock()
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                total += member.file_size
                with archive.open(member) as f:
                    version = np.lib.format.read_magic(f)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = read(f)
                if math.prod(shape) * dtype.itemsize > member.file_size and not dtype.hasobject:
                    raise ValueError(f"{member.filename} claims {list(shape)} values and holds fewer")
                if dtype.hasobject:
                    continue  # Python objects, which only running a stranger's code would bring back
                found[member.filename.removesuffix(".npy")] = _Array(
                    path, member.filename.removesuffix(".npy"), shape, dtype, lock
                )
    except Exception as e:  # of a damaged archive `zipfile` raises anything
        raise UserError(f"{name} is not a readable archive of arrays ({e}).") from e
    if expands_too_far(total, path):
        raise UserError(f"{name} would expand to {total / 2**30:.1f} GiB, which is too much.")
    return found


def _is_pictures(array: _Array) -> bool:
    if array.dtype.kind not in "uif" or min(array.shape, default=0) < 1:
        return False
    shape = array.shape
    gray = len(shape) == 3 or (len(shape) == 2 and min(shape) >= 16)
    return gray or (len(shape) == 4 and (shape[-1] in (1, 3, 4) or shape[1] == 1))


def _column(array: _Array | None, count: int) -> list[str]:
    """A value for each image; none where the array is of something else, such as several findings an image."""
    if array is None or array.shape not in ((count,), (count, 1)) or array.dtype.kind not in "uifbUS":
        return []
    values = array.values.reshape(-1)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "latin-1")
    return [tables.as_text(v) for v in values.tolist()]
