"""DICOM data sets of given pixels."""

from dataclasses import replace
from io import BytesIO

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from studio.knee.phantom import render, sample_params

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8)


def dicom(pixels=RAMP, syntax=ExplicitVRLittleEndian, **attributes):
    """A data set of pixels [H, W], [frames, H, W] or, of photometric RGB, [H, W, 3]."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    color = attributes.get("PhotometricInterpretation") == "RGB"
    ds.Rows, ds.Columns = pixels.shape[-3:-1] if color else pixels.shape[-2:]
    if not color and pixels.ndim == 3:
        ds.NumberOfFrames = len(pixels)
    ds.SamplesPerPixel = 3 if color else 1
    if color:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 8 * pixels.itemsize
    ds.BitsStored, ds.HighBit = ds.BitsAllocated, ds.BitsAllocated - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


SPACING = 98 / 270  # mm per pixel of `bilateral`, whose knees fill a box of 98 mm


def bilateral():
    """A film [600, 1100] of two phantom knees, the right one on the picture's left as radiographs are read."""
    film = np.zeros((600, 1100), np.uint8)
    film[:9, :9] = 255  # a mark, for the whole range of greys
    for x, side in ((280, "R"), (820, "L")):
        seed = next(s for s in range(10, 60) if sample_params(s).side == side)
        film[30:570, x - 270 : x + 270] = render([replace(sample_params(seed), field_mm=2 * 98)], 540)[0, 0]
    return film


def bilateral_dicom(**attributes):
    """The same as a file's bytes, its scale known."""
    out = BytesIO()
    dicom(bilateral(), PixelSpacing=[SPACING, SPACING], **attributes).save_as(out)
    return out.getvalue()
