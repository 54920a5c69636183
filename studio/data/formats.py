"""Formats that are known but not read, and what is said of them."""

from __future__ import annotations

import re

# What is known but not read, by how it begins or is named, and what to do.
_AS_PICTURE = "save it as PNG or JPEG"
_SLICES = "export its slices as PNG or DICOM"
_UNPACK = "unpack it and name the folder"
_UNREAD: tuple[tuple[str, bytes | None, tuple[str, ...], str], ...] = (
    ("NIfTI", None, (".nii", ".nii.gz"), _SLICES),
    ("MetaImage", rb"\A(ObjectType|NDims|Comment) *=", (".mha", ".mhd"), _SLICES),
    ("NRRD", rb"\ANRRD000", (".nrrd", ".nhdr"), _SLICES),
    ("Analyze", None, (".hdr", ".img"), _SLICES),
    ("NumPy", rb"\A\x93NUMPY", (".npy",), _SLICES),
    ("MATLAB or HDF5", rb"\A(MATLAB [57]|\x89HDF\r\n)", (".mat", ".h5", ".hdf5"), _SLICES),
    ("HEIC", rb"\A....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", (".heic", ".heif"), _AS_PICTURE),
    ("JPEG XL", rb"\A(\xff\x0a|\0\0\0\x0cJXL \r\n)", (".jxl",), _AS_PICTURE),
    ("JPEG XR", rb"\AII\xbc", (".jxr", ".wdp"), _AS_PICTURE),
    ("PAM", rb"\AP7\s", (".pam",), _AS_PICTURE),
    ("PDF", rb"\A%PDF-", (".pdf",), _AS_PICTURE),
    ("PostScript", rb"\A(%!PS|\xc5\xd0\xd3\xc6)", (".eps", ".ps"), _AS_PICTURE),
    ("Photoshop", rb"\A8BPS", (".psd", ".psb"), _AS_PICTURE),
    ("OpenEXR", rb"\A\x76\x2f\x31\x01", (".exr",), _AS_PICTURE),
    ("Radiance HDR", rb"\A#\?R", (), _AS_PICTURE),
    ("FITS", rb"\ASIMPLE  =", (".fits", ".fit"), _AS_PICTURE),
    ("SVG", rb"\A(<\?xml[^>]*>\s*)?<svg", (".svg",), _AS_PICTURE),
    ("Windows icon", rb"\A\0\0[\1\2]\0[^\0]", (".ico", ".cur"), _AS_PICTURE),
    ("Targa", None, (".tga",), _AS_PICTURE),
    ("film", rb"\A(....ftyp(isom|iso[2-6]|mp4|avc1|qt  |M4V )|RIFF....AVI |\x1a\x45\xdf\xa3)", (), "save its pictures"),
    ("tar", None, (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"), _UNPACK),
    ("7-Zip", rb"\A7z\xbc\xaf\x27\x1c", (".7z",), _UNPACK),
    ("RAR", rb"\ARar!\x1a\x07", (".rar",), _UNPACK),
    ("gzip", rb"\A\x1f\x8b", (".gz",), _UNPACK),
    ("bzip2", rb"\ABZh[1-9]", (".bz2",), _UNPACK),
    ("xz", rb"\A\xfd7zXZ\0", (".xz",), _UNPACK),
    ("raw", None, (".raw",), "export it as PNG, TIFF or DICOM, which say how large the picture is"),
)


def unread(head: bytes, name: str) -> str:
    """Why a file that nothing here reads is passed over: the name of its format, where that is known."""
    if head[:4] == b"PK\3\4":
        if name.lower().endswith(".npz"):
            return f"this format is not read: NumPy; {_SLICES}"
        return "a zip inside the source; name it as a source itself"
    for about, pattern, endings, instead in _UNREAD:
        if (pattern and re.match(pattern, head, re.DOTALL)) or (endings and name.lower().endswith(endings)):
            return f"this format is not read: {about}; {instead}"
    return "not an image"
