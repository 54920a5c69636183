"""Whole films to a folder of knees: a PNG for each, and crops.csv with what is known of them.

The same again goes on where it was: what was found is remembered, and each image says in itself from which box it was
cut. Boxes that were put right in the folder's crops.csv are taken as they stand there.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan_core.data.cache import MAX_RESOLUTION, Progress
from gan_core.data.dataset import Skipped
from gan_core.data.source import File, cores, in_order
from gan_core.errors import UserError, why
from gan_core.files import replacing, sweep
from studio.data.crops import NO_KNEE, CroppedFiles, films_of
from studio.data.films import TABLE, Film, write_table
from studio.data.options import ALL, split_options, with_options
from studio.data.tables import MAX_TABLE_BYTES, as_it_is, read_rows
from studio.knee.localizer import DOUBTFUL, Knee, cut

_BOX = "Knee"  # the text in a PNG that says which box it was cut from
_MM_PER_INCH = 25.4


@dataclass
class Tally:
    """What came of it."""

    films: int = 0  # that could be read
    knees: int = 0
    new: int = 0  # knees that were cut out now
    doubtful: list[str] = field(default_factory=list)  # images of knees that are to be looked at
    without: list[str] = field(default_factory=list)  # films on which no knee was found
    unread: list[Skipped] = field(default_factory=list)
    remarks: list[Skipped] = field(default_factory=list)  # what is to be known of a film


def write_crops(
    source: str,
    out: Path,
    resolution: int = 256,
    workers: int = 0,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
) -> Tally:
    """Cuts the knees out of all films of a source, of every split unless it names one, into the folder `out`.

    Args:
        resolution: of the images, in pixels.
        workers: threads; 0 for as many as there are cores.
        progress: called with (files done, files in all).

    Raises:
        UserError: if the source is missing or refused, `out` lies in it, or an image cannot be written.
        OSError: if `out` or its table cannot be written.
    """
    if not 16 <= resolution <= MAX_RESOLUTION:
        raise UserError(f"The resolution is {resolution}; use 16 to {MAX_RESOLUTION} pixels.")
    base, options = split_options(source)
    if Path(base).is_dir() and out.resolve().is_relative_to(Path(base).resolve()):
        raise UserError(f"{out} lies in {base}, so its knees would count as films: name another folder.")
    table, before = out / TABLE, dict[str, str]()
    if table.is_file():
        with table.open("rb") as f:
            before = {
                row.get("crop", ""): row.get("file", "") for row in read_rows(f.read(MAX_TABLE_BYTES), TABLE, as_it_is)
            }
        if not options.crop:
            source = with_options(source, crop=str(table.resolve()))
    opened = films_of(source if options.split else with_options(source, split=ALL), cache_dir)
    files = opened.in_use
    threads = workers or min(8, cores())
    torch.set_num_threads(max(1, cores() // threads))  # each film has a thread already
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    cutter = _Cutter(opened, out, resolution, Counter(_stem(f.name).casefold() for f in files))
    tally, films, crops = Tally(), list[Film](), dict[tuple[str, int], str]()
    for done, (found, new) in enumerate(in_order(cutter.work, files, threads), 1):
        for film in found:
            films.append(replace(film, decode=None))
            cut_out = {(film.name, i): name for i, name, _ in cutter.crops(film)}
            crops |= cut_out
            _count(tally, film, cut_out)
        tally.new += new
        if progress:
            progress(done, len(files))
    write_table(table, films, crops)
    there, kept = {film.name for film in films}, set(crops.values())
    for name, film_name in before.items():  # of boxes that were moved to the other side, or taken back
        if name not in kept and film_name in there and _is_crop(out, name):
            (out / name).unlink()
    return tally


def _count(tally: Tally, film: Film, crops: Mapping[tuple[str, int], str]) -> None:
    if film.reason == NO_KNEE:
        tally.without.append(film.name)
    elif film.reason and not film.knees:
        tally.unread.append(Skipped(film.name, film.reason))
        return
    tally.films += 1
    tally.knees += len(crops)
    tally.doubtful += [name for (_, i), name in crops.items() if film.knees[i].confidence < DOUBTFUL]
    if film.remark:
        tally.remarks.append(Skipped(film.name, film.remark))


@dataclass(frozen=True)
class _Cutter:
    opened: CroppedFiles
    out: Path
    resolution: int
    stems: Mapping[str, int]  # how many files are called so but for their suffix

    def crops(self, film: Film) -> Iterator[tuple[int, str, Knee]]:
        """Number, image's name and box of each knee that is used: 9000099_R.png of 9000099.dcm."""
        name = _stem(film.file.name)
        if self.stems[name.casefold()] > 1:  # as of a.png beside a.dcm
            name = _plain(film.file.name)
        of_stack = film.name.removeprefix(film.file.name).replace("#", "-")
        sides = Counter(knee.side for knee in film.used)
        for i, knee in enumerate(film.knees):
            if i not in film.unused and film.class_of(knee) is not None:
                yield i, f"{name}{of_stack}_{knee.side if knee.side and sides[knee.side] == 1 else i + 1}.png", knee

    def missing(self, film: Film) -> list[tuple[Path, Knee]]:
        """The knees of which there is no image yet, or one of another box."""
        there = ((self.out / name, knee) for _, name, knee in self.crops(film))
        return [(path, knee) for path, knee in there if _box(path) != self.said(knee)]

    def said(self, knee: Knee) -> str:
        """What an image says of the box that it was cut from."""
        return f"{knee.x:.2f} {knee.y:.2f} {knee.side_px:.2f} {knee.angle:.2f} {self.resolution}"

    def work(self, file: File) -> tuple[list[Film], int]:
        """The films in a file, and how many knees were cut out of them."""
        new = 0

        def do(film: Film, pixels: NDArray[np.uint8] | None) -> Film:
            nonlocal new
            for path, knee in self.missing(film) if pixels is not None else ():
                assert pixels is not None
                mm = knee.side_px * knee.mm / self.resolution if knee.mm else None
                png = encoded(cut(pixels, knee, self.resolution), self.said(knee), mm)
                try:
                    with replacing(path) as temporary:
                        temporary.write_bytes(png)
                except OSError as e:
                    raise UserError(f"{path} cannot be written: {why(e)}.") from e
                new += 1
            return film

        return self.opened.each(file, lambda film: bool(self.missing(film)), do), new


def encoded(picture: NDArray[np.uint8], box: str = "", mm: float | None = None) -> bytes:
    """A knee [H, W] as a PNG that says from which box it was cut and, as pHYs, how large its pixels are."""
    about = PngInfo()
    about.add_text(_BOX, box)
    scale = {"dpi": (_MM_PER_INCH / mm,) * 2} if mm else {}
    out = BytesIO()
    # Runs alone: on radiographs smaller than zlib's usual way, in a sixth of its time.
    Image.fromarray(picture).save(out, "PNG", pnginfo=about, compress_type=zlib.Z_RLE, **scale)
    return out.getvalue()


def _plain(name: str) -> str:
    """A name relative to its source, as any file system takes it."""
    parts = [re.sub(r'[<>:"|?*\\\x00-\x1f]', "_", part).strip() for part in PurePosixPath(name).parts]
    return "/".join(part for part in parts if part.strip("./"))[-200:].lstrip("/") or "film"


def _stem(name: str) -> str:
    return re.sub(r"(?<=[^/])\.[A-Za-z]\w{1,5}$", "", _plain(name))


def _box(path: Path) -> str:
    """What an image says of the box that it was cut from; "" where it is none, or not there."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return str(image.info.get(_BOX, ""))
    except (OSError, ValueError, SyntaxError):
        return ""


def _is_crop(out: Path, name: str) -> bool:
    """Whether a table's name is of an image in the folder that was cut here."""
    path = out / name
    return bool(name) and path.resolve().is_relative_to(out.resolve()) and bool(_box(path))
