"""How fast whole films become knees: python benchmarks/cropping.py [--films N] [--side PIXELS] [--kind dcm]

Makes N films of phantom knees, 2000 x 2000 pixels unless said otherwise, in a temporary folder, cuts the knees out of
them with `crop` in a process of its own, and prints films a second, the processor's time a film and the most memory
that was held; then the same once more, when there is nothing new. Last comes where the time of a film goes.

From the 301st on films repeat the first 300, each with a number of its own in bytes that no picture is made of. What
is found is remembered by the content of a file, so every one of them is still read, decoded, searched and cut. A
PNG of that size has 1.9 MB: 10,000 take 19 GB, which is asked for before the first is written.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from multiprocessing import Pool
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gan_core.data.cache import MAX_RESOLUTION
from gan_core.data.decode import frames
from gan_core.data.source import cores
from studio.data.crops import _gray
from studio.data.cutting import encoded
from studio.knee.localizer import FRAME_MM, find
from studio.knee.localizer import cut as box
from studio.knee.localizer.find import reduce, thumbnail
from studio.knee.localizer.net import load_localizer
from studio.knee.phantom import render, sample_params

T = TypeVar("T")
DIFFERENT = 16  # legs that films are made of
DRAWN = 300  # films that are drawn; the others repeat them


def leg(seed: int, side: int) -> np.ndarray:
    """A leg with its knee, [side, side]."""
    params = replace(sample_params(seed), field_mm=2 * FRAME_MM)
    small = render([params], 512)[0, 0]
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def film(i: int, side: int, kind: str, folder: Path) -> None:
    """The `i`-th film, another one for each number."""
    rng = np.random.default_rng(i)
    half = side // 2
    right, left = (leg(2 * int(rng.integers(DIFFERENT)) + k, half) for k in (0, 1))
    pixels = np.full((side, side), 12.0)
    top = int(rng.integers(half))
    pixels[top : top + half] = np.concatenate([right, left], 1)
    pixels += rng.normal(0, 2, (side, side))
    out = np.clip(pixels, 0, 255)
    path = folder / f"{9_000_000 + i}.{kind}"
    if kind == "dcm":
        _dicom(path, np.round(out * 16).astype(np.uint16))
    else:
        Image.fromarray(out.astype(np.uint8)).save(path)


def repeated(i: int, kind: str, folder: Path) -> None:
    """The `i`-th film: one that was drawn, of another content."""
    content = (folder / f"{9_000_000 + i % DRAWN}.{kind}").read_bytes()
    number = i.to_bytes(128, "big")  # as long as DICOM's preamble, which stands first; a PNG ends before the file does
    (folder / f"{9_000_000 + i}.{kind}").write_bytes(number + content[128:] if kind == "dcm" else content + number)


def _dicom(path: Path, pixels: np.ndarray) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelSpacing = [FRAME_MM / (len(pixels) / 4)] * 2
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    ds.save_as(path)


def cut(folder: Path, out: Path, cache: Path) -> str:
    """Runs `crop`; what it took."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom studio.data.cutting import write_crops\n"
        "tally = write_crops(sys.argv[1], Path(sys.argv[2]), cache_dir=Path(sys.argv[3]))\n"
        "print(tally.knees, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(out), str(cache)], capture_output=True, text=True, check=True
    )
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    knees, kilobytes = map(int, done.stdout.split())
    n = len(list(folder.iterdir()))
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{n / wall:.1f} | {wall:.1f} | {1000 * spent / n:.0f} | {kilobytes / 1024:.0f} | {knees:,}"


def parts(films: list[Path]) -> dict[str, float]:
    """The processor's milliseconds of each step of a film, one thread, the mean over these."""
    torch.set_num_threads(1)
    net, spent = load_localizer(), dict[str, float]()
    find(np.zeros((512, 512), np.uint8))  # what is made once

    def step(name: str, do: Callable[[], T]) -> T:
        begun = time.process_time()
        done = do()
        spent[name] = spent.get(name, 0.0) + 1000 * (time.process_time() - begun) / len(films)
        return done

    for path in films:
        content = step("read, SHA-256", lambda: (b := path.read_bytes(), hashlib.sha256(b))[0])  # noqa: B023
        pixels = step("decode", lambda: _gray(next(frames(BytesIO(content), path.name, MAX_RESOLUTION))))  # noqa: B023
        small, _ = step("reduce", lambda: reduce(pixels, 3 * net.config.film_side))  # noqa: B023
        step("of which: to the finder's size", lambda: thumbnail(small, net.config.film_side))  # noqa: B023
        knees = step("find, with the reduction", lambda: find(pixels))  # noqa: B023
        crops = step("cut", lambda: [box(pixels, knee, 256) for knee in knees])  # noqa: B023
        step("encode", lambda: [encoded(crop) for crop in crops])  # noqa: B023
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--side", type=int, default=2000)
    parser.add_argument("--kind", choices=("png", "dcm"), default="png")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, out, cache = (Path(temporary) / name for name in ("films", "knees", "cache"))
        folder.mkdir()
        with Pool() as pool:
            drawn = [(i, given.side, given.kind, folder) for i in range(min(given.films, DRAWN))]
            pool.starmap(film, drawn)
        each = sum(path.stat().st_size for path in folder.iterdir()) / len(drawn)
        if (needed := each * (given.films - len(drawn)) * 1.05) > (free := shutil.disk_usage(folder).free):
            sys.exit(f"{given.films:,} films need {needed / 1e9:.0f} GB more; there are {free / 1e9:.0f} (see TMPDIR).")
        for i in range(len(drawn), given.films):
            repeated(i, given.kind, folder)
        print(f"{given.films:,} films (.{given.kind}) of {given.side} x {given.side} pixels on {cores()} cores\n")
        print("| | films a second | seconds | processor, ms a film | most memory, MB | knees |")
        print("|---|---:|---:|---:|---:|---:|")
        print(f"| the first time | {cut(folder, out, cache)} |", flush=True)
        print(f"| again | {cut(folder, out, cache)} |")
        print("\n| of a film | processor, ms |\n|---|---:|")
        for name, ms in parts(sorted(folder.iterdir())[:20]).items():
            print(f"| {name} | {ms:.1f} |")


if __name__ == "__main__":
    main()
