"""An export as one zip, the same bytes every time: no clock, no owner, files in the order of the manifest."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from gan_core.files import replacing
from studio.jobs.work import Progress

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_TOLD = 500  # files between two words on how far it is


def write_zip(folder: Path, target: Path, files: Iterable[str], progress: Progress) -> None:
    """Packs `files`, and what lies beside them at the top of `folder`, below the folder's own name.

    PNG is stored as it is, the rest is deflated. The zip is there whole or not at all.
    """
    names = [*files, *sorted(p.relative_to(folder).as_posix() for p in _beside(folder))]
    with replacing(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
        for done, name in enumerate(names):
            if done % _TOLD == 0:
                progress("Packing the zip", done, len(names))
            info = zipfile.ZipInfo(f"{target.stem}/{name}", _EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16  # as on Unix, wherever it is made
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            info.file_size = (folder / name).stat().st_size
            with (folder / name).open("rb") as source, packed.open(info, "w") as sink:
                shutil.copyfileobj(source, sink)
        progress("Packing the zip", len(names), len(names))


def _beside(folder: Path) -> Iterable[Path]:
    """The files that tell of the images: manifest, data card, and the table of the `datasets` layout."""
    for place in (folder, folder / "data" / "train"):
        if place.is_dir():
            yield from (p for p in place.iterdir() if p.is_file() and not p.name.startswith("."))
