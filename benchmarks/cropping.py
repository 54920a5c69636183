"""How fast whole films become knees: python benchmarks/cropping.py [--films N] [--side PIXELS] [--kind dcm]

Makes N films of phantom knees, 2000 x 2000 pixels unless said otherwise, in a temporary folder, cuts the knees out of
them with `crop` in a process of its own, and prints films a second, the processor's time a film and the most memory
that was held; then the same once more, when there is nothing new.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gan_core.data.source import cores
from studio.knee.localizer import FRAME_MM
from studio.knee.phantom import render, sample_params

DIFFERENT = 16  # legs that films are made of


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
            pool.starmap(film, [(i, given.side, given.kind, folder) for i in range(given.films)])
        print(f"{given.films:,} films (.{given.kind}) of {given.side} x {given.side} pixels on {cores()} cores\n")
        print("| | films a second | seconds | processor, ms a film | most memory, MB | knees |")
        print("|---|---:|---:|---:|---:|---:|")
        print(f"| the first time | {cut(folder, out, cache)} |", flush=True)
        print(f"| again | {cut(folder, out, cache)} |")


if __name__ == "__main__":
    main()
