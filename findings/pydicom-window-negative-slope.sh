#!/usr/bin/env bash
# pydicom 3.0.2 `apply_voi_lut` turns a window round where the rescale slope is negative.
#
# A window lies on the rescaled values (PS3.3 C.11.2.1.2): the greater of them is the brighter, whatever the slope was.
# pydicom maps the window onto the range that the stored bits have after the rescale, computed as (least * slope +
# intercept, greatest * slope + intercept): with a negative slope its first end is the greater one, and the film comes
# out as its own negative, without a word. dcmtk and Orthanc show it the right way round.
#
# Exits with 0 as long as this is so, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

print("pydicom", pydicom.__version__)
for slope, intercept in ((10, 0), (-10, 3000)):
    ds = Dataset()
    ds.PhotometricInterpretation, ds.BitsStored, ds.PixelRepresentation = "MONOCHROME2", 8, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = slope, intercept, 1700, 2600
    rescaled = np.sort(apply_modality_lut(np.array([20, 100, 200], np.uint8), ds))
    shown = apply_voi_lut(rescaled, ds)
    print(f"slope {slope}: rescaled values {rescaled.tolist()} are shown as {np.round(shown).tolist()}")
    rises = bool(np.all(np.diff(shown) > 0))
    print("  the greater is the", "brighter, as the standard says" if rises else "DARKER: the film is inverted")
    if rises != (slope > 0):
        raise SystemExit("This has changed.")
PY
