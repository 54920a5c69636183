#!/usr/bin/env bash
# Pillow 13.0.0 reads an uncompressed TIFF of 16-bit RGB in planes (PlanarConfiguration 2) wrong, without an error.
#
# The three planes are one ramp, so that the picture is gray. Interleaved it is; in
# planes, which TIFF 6.0 allows as well, most pixels have other values. tifffile reads both alike.
#
# Exits with 0 as long as this is so, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__)
ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
tifffile.imwrite("contig.tif", np.stack([ramp] * 3, -1), photometric="rgb", planarconfig="contig")
tifffile.imwrite("planes.tif", np.stack([ramp] * 3), photometric="rgb", planarconfig="separate")
assert np.array_equal(np.moveaxis(tifffile.imread("planes.tif"), 0, -1), tifffile.imread("contig.tif"))
wrong = {}
for name in ("contig", "planes"):
    with Image.open(f"{name}.tif") as image:
        got = np.asarray(image)
    wrong[name] = int((np.abs(got.astype(int) - (ramp >> 8)[..., None]) > 1).any(-1).sum())
    print(f"{name}: mode {image.mode}, {wrong[name]} of {ramp.size} pixels wrong, no error")
raise SystemExit(0 if wrong["contig"] == 0 and wrong["planes"] > ramp.size // 2 else "This has changed.")
PY
