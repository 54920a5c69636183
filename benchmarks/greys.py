"""Whether files look here as other software shows them: `python benchmarks/greys.py FOLDER`.

Every file below the folder is decoded here and by a reference, and those whose means differ by more than 1.5 of 255
greys are printed. Without a folder the test files of pydicom and, where they are, the cases in ../shared are taken.
It ends with 1 where some differ.

DICOM's reference is dcmtk (`dcmj2pnm`, `dcml2pnm`; Debian's package dcmtk): with the VOI LUT where there is one, else
the first window, else the range of the values (`+Wm`), but 8 bits that are not rescaled as they are stored. JPEG 2000,
which it leaves to others, it gets as pydicom with Pillow decodes it. Where it is known to differ from the standard, it
is helped: padding is left out of the comparison, a window of LINEAR_EXACT becomes the LINEAR one that is equal to it, a
functional group's rescale and window are put where it looks for them, big-endian values of 32 bits, whose words it
swaps, come little-endian, and single bits are shown by their range, since its white would be half gray.

TIFF's reference is tifffile's values: deeper pages than 8 bits by their range, WhiteIsZero inverted, colour as luma.
Other formats are Pillow's here as there, so nothing is compared. Of a stack the first slice is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pydicom
import tifffile
import typer
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gan_core.data.decode import HEAD, Unusable, frames
from studio.data import dicom, tiff

MOST = 1.5  # greys of 255 between two means
SHARED = Path(__file__).resolve().parents[2] / "shared" / "cases"
_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")


class Incomparable(Exception):
    """Why there is no reference."""


def by_dcmtk(path: Path) -> tuple[NDArray, NDArray | None]:
    """The first slice as dcmtk shows it, as floats in 0..255, and where it is no padding.

    Raises:
        Incomparable: where dcmtk does not show it.
    """
    head = path.open("rb").read(HEAD)
    at = 0 if head[128:132] == b"DICM" else dicom.start(head) or 0
    with path.open("rb") as f:
        f.seek(at)
        ds = pydicom.dcmread(f, force=True)
        ds.get("PixelData")
    if int(ds.get("NumberOfFrames") or 1) > 1 and _options(ds) == ["+Wm"]:
        raise Incomparable("a stack without a window: dcmtk's range is a slice's, ours the stack's")
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    with tempfile.TemporaryDirectory() as folder:
        copy, out = Path(folder) / "copy.dcm", Path(folder) / "out.pnm"
        program = "dcml2pnm" if syntax in _LS else "dcmj2pnm"
        shown = _adapted(ds)
        if shown is None:
            copy.write_bytes(path.read_bytes()[at:])
            shown = ds
        else:
            little = shown.file_meta.TransferSyntaxUID != ExplicitVRBigEndian
            pydicom.dcmwrite(copy, shown, enforce_file_format=True, little_endian=little, implicit_vr=False)
        done = subprocess.run([program, *_options(shown), copy, out], capture_output=True, text=True)
        if done.returncode or not out.exists():
            raise Incomparable(f"dcmtk: {(done.stderr.strip().splitlines() or ['nothing'])[-1]}")
        with Image.open(out) as image:
            values = np.asarray(image.convert("L"), float)
    return values, _seen(ds, values.shape)


def _windowed(ds: pydicom.Dataset) -> bool:
    return bool(ds.get("VOILUTSequence")) or all(ds.get(k) not in (None, "") for k in ("WindowCenter", "WindowWidth"))


def _adapted(ds: pydicom.Dataset) -> pydicom.Dataset | None:
    """A copy that dcmtk reads as the standard means it; None where the file itself will do."""
    changed = False
    groups = [
        *(ds.get("PerFrameFunctionalGroupsSequence") or [])[:1],
        *(ds.get("SharedFunctionalGroupsSequence") or []),
    ]
    for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
        items = [item for group in groups for item in (group.get(name) or [])[:1]]
        for item in items[:1]:
            ds.update(item)
            changed = True
    if ds.get("VOILUTFunction") == "LINEAR_EXACT":
        for keyword in ("WindowCenter", "WindowWidth"):
            value = ds[keyword].value
            first = float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
            setattr(ds, keyword, first + (0.5 if keyword == "WindowCenter" else 1))
        ds.VOILUTFunction = "LINEAR"
        changed = True
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    if syntax.startswith("1.2.840.10008.1.2.4.9") or (syntax == ExplicitVRBigEndian and ds.BitsAllocated > 16):
        try:
            values = ds.pixel_array
        except Exception as e:
            raise Incomparable("JPEG 2000, which neither dcmtk nor Pillow reads here") from e
        ds.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()
        ds["PixelData"].is_undefined_length = False
        ds["PixelData"].VR = "OW"
        ds.BitsAllocated = 8 * values.itemsize
        if ds.SamplesPerPixel == 3:
            ds.PhotometricInterpretation, ds.PlanarConfiguration = "RGB", 0
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        changed = True
    return ds if changed else None


def _options(ds: pydicom.Dataset) -> list[str]:
    if ds.get("VOILUTSequence"):
        return ["+Wl", "1"]
    if _windowed(ds):
        return ["+Wi", "1"]
    gray = str(ds.get("PhotometricInterpretation", "MONOCHROME2")).startswith("MONOCHROME")
    rescaled = any(k in ds and ds.get(k) != usual for k, usual in (("RescaleSlope", 1), ("RescaleIntercept", 0)))
    plain = 1 < (ds.get("BitsStored") or 8) <= 8 and not ds.get("PixelRepresentation")
    return ["+Wm"] if gray and (rescaled or not plain or "ModalityLUTSequence" in ds) else []


def _seen(ds: pydicom.Dataset, shape: tuple[int, ...]) -> NDArray | None:
    if ds.get("PixelPaddingValue") in (None, ""):
        return None
    try:
        stored = pydicom.pixels.pixel_array(ds, index=0)
    except Exception:
        return None
    return stored != np.int64(ds.PixelPaddingValue) if stored.shape == shape else None


def by_tifffile(path: Path) -> tuple[NDArray, None]:
    """The first page as tifffile's values, by the plain rule.

    Raises:
        Incomparable: where that rule does not do.
    """
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        try:
            values = page.asarray().astype(float)
        except Exception as e:
            raise Incomparable(f"tifffile: {e}") from e
        if page.photometric not in (0, 1, 2) or page.imagedepth > 1:
            raise Incomparable(f"tifffile leaves colours of kind {page.photometric} as they are")
        if page.planarconfig == 2 and values.ndim == 3:
            values = np.moveaxis(values, 0, -1)
        if page.extrasamples:
            values = values[..., : 3 if page.photometric == 2 else 1].squeeze()
        if values.ndim == 3:
            values = values @ np.array([0.299, 0.587, 0.114])
        values = np.where(np.isfinite(values), values, np.nanmin(np.where(np.isfinite(values), values, np.nan)))
        bits = page.bitspersample
        most = 2.0**bits - 1 if bits <= 8 and page.dtype.kind in "ub" else None
        low, high = (0.0, most) if most else (values.min(), values.max())
        shown = (values - low) * 255 / (high - low) if high > low else np.zeros_like(values)
    return (255 - shown if page.photometric == 0 else shown), None


def compare(path: Path) -> float | None:
    """By how many greys the means of ours and the reference's differ; None for what is no picture of either kind.

    Raises:
        Incomparable: with the reason.
        Unusable: where it is not read here.
    """
    with path.open("rb") as f:
        head = f.read(HEAD)
        if dicom.claims(head, path.name):
            reference = by_dcmtk
        elif head.startswith(tiff.MAGIC):
            reference = by_tifffile
        else:
            return None
        f.seek(0)
        try:
            ours = next(iter(frames(f, path.name, 4096))).image
        except Unusable as e:
            if "without an image" in str(e) or "DICOMDIR" in str(e):
                return None
            ours, reason = None, e
    try:
        theirs, seen = reference(path)
    except Incomparable:
        raise
    except Exception as e:  # damaged on purpose, some of pydicom's
        raise Incomparable(f"{e}"[:200]) from e
    if ours is None:
        raise reason
    values = np.asarray(ours, float)
    if values.shape != theirs.shape:
        raise Incomparable(f"{values.shape} here and {theirs.shape} there: turned")
    if seen is not None and seen.any():
        values, theirs = values[seen], theirs[seen]
    return abs(float(values.mean() - theirs.mean()))


def files(folder: Path | None) -> Iterator[Path]:
    """All below a folder, or those to be looked at without one."""
    own = Path(pydicom.__file__).parent / "data" / "test_files"
    for root in [folder] if folder else [own, *([SHARED] if SHARED.is_dir() else [])]:
        yield from sorted(p for p in root.rglob("*") if p.is_file())


def main(folder: Annotated[Path | None, typer.Argument(exists=True, file_okay=False)] = None) -> None:
    """Decode files here and by dcmtk or tifffile, and print where they differ."""
    if not shutil.which("dcmj2pnm"):
        raise typer.BadParameter("dcmtk is not installed (dcmj2pnm)")
    warnings.simplefilter("ignore")
    agree, differ, apart = 0, 0, []
    for path in files(folder):
        try:
            by = compare(path)
        except (Incomparable, Unusable) as e:
            if isinstance(e, Unusable):
                differ += 1
                print(f"{path.name}: not read here, though it is there: {e}")
            else:
                apart.append(f"{path.name}: {e}")
            continue
        if by is None:
            continue
        agree += by <= MOST
        differ += by > MOST
        if by > MOST:
            print(f"{path.name}: the means are {by:.1f} greys apart")
    for line in apart:
        print(f"not compared: {line}")
    print(f"{agree} agree, {differ} differ, {len(apart)} could not be compared.")
    if differ:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
