#!/usr/bin/env bash
# pydicom 3.0.2 `iter_pixels` cannot read JPEG 2000 whose sign differs from the header's, which `pixel_array` reads.
#
# Where the codestream is unsigned and Pixel Representation is 1, or the other way round, pydicom corrects the sign in
# place. `pixel_array` does so in an array of its own. `iter_pixels` does so in `numpy.frombuffer` of the bytes that the
# decoder gave, which cannot be written: "output array is read-only". So slice by slice, the way that large stacks are
# read, valid files fail that are read whole.
#
# Exits with 0 as long as this is so, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6 pillow==13.0.0 imagecodecs==2026.3.6
"$folder/venv/bin/python" - <<'PY'
import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import iter_pixels

print("pydicom", pydicom.__version__)
values = (np.arange(64 * 64, dtype=np.uint16) % 8192).reshape(64, 64)  # 13 bits, unsigned
code = imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k", bitspersample=13)
ds = Dataset()
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
ds.Rows = ds.Columns = 64
ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 13, 12, 1
ds.PixelData = encapsulate([bytes(code)])
ds["PixelData"].is_undefined_length = True
print("pixel_array:", ds.pixel_array.dtype, ds.pixel_array.shape)
try:
    print("iter_pixels:", next(iter_pixels(ds)).shape)
except ValueError as e:
    print("iter_pixels:", type(e).__name__, e)
    raise SystemExit(0 if "read-only" in str(e) else "This has changed.")
raise SystemExit("This has changed.")
PY
