"""One file's bytes to gray images, trusting nothing that the file says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from gan_core.data import codecs, dicom, tiff
from gan_core.data.limits import MAX_PIXELS, Unusable, pixel_limit, room
from gan_core.data.pixels import UPRIGHT, Frame, brightness, gray

# Only these: other formats of Pillow's start outside programs (EPS) or are never a data set.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
_DEPTHS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 16, "F": 32}  # others have 8 bits
HEAD = 144  # bytes that tell a picture from another file
_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = (
    _PNG,
    b"\xff\xd8\xff",
    *tiff.MAGIC,
    b"BM",
    b"GIF8",
    *(b"P%d" % n for n in range(1, 7)),
    codecs.JP2,
    codecs.J2K,
)
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


def is_picture(head: bytes, name: str) -> bool:
    """Whether a file that begins with `head` (its first HEAD bytes) claims to be an image or DICOM that is read."""
    return (
        dicom.is_dicom(head, name)
        or head.startswith(_MAGIC)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or head[4:12] in (b"ftypavif", b"ftypavis")
    )


def unread(head: bytes, name: str) -> str:
    """Why a file that is none of `is_picture` is passed over: the name of its format, where that is known."""
    if head[:4] == b"PK\3\4":
        if name.lower().endswith(".npz"):
            return f"this format is not read: NumPy; {_SLICES}"
        return "a zip inside the source; name it as a source itself"
    for about, pattern, endings, instead in _UNREAD:
        if (pattern and re.match(pattern, head, re.DOTALL)) or (endings and name.lower().endswith(endings)):
            return f"this format is not read: {about}; {instead}"
    return "not an image"


@cache
def decoders() -> str:
    """The decoders that are installed, with their versions: changes when what can be decoded may have changed."""
    return ", ".join(f"{name} {version(name)}" for name in ("imagecodecs", "pillow", "pydicom", "tifffile"))


def frames(file: BinaryIO, name: str, resolution: int) -> Iterator[Frame]:
    """The images in a file, one at a time.

    DICOM and TIFF give each slice, other formats their first image. A JPEG of more than four times `resolution` may
    come out smaller, though no smaller than that, since its decoder can do so for less; its size is told as stored.

    Raises:
        Unusable: with the reason.
    """
    try:
        head = file.read(HEAD)
        file.seek(0)
        if not head:
            raise Unusable("empty file")
        if not is_picture(head, name):
            raise Unusable(unread(head, name))
        if head[128:132] == b"DICM" or not head.startswith(_MAGIC):  # a preamble may be a TIFF's head
            yield from dicom.frames(file) if dicom.is_dicom(head, name) else _pictures(file, resolution)
        elif head.startswith(tiff.MAGIC):
            yield from tiff.frames(file)
        elif head.startswith((b"\xff\xd8", codecs.JP2, codecs.J2K)):
            yield from _jpeg(file, resolution)
        else:
            yield from _pictures(file, resolution)
    except Unusable:
        raise
    except Image.DecompressionBombError as e:
        raise Unusable(pixel_limit()) from e
    except UnidentifiedImageError as e:
        raise Unusable("damaged or not an image") from e
    except Exception as e:  # decoders fed with damaged bytes raise anything
        why = " ".join(re.sub(r"<\S+ object at \w+>", "it", str(e)).split())
        raise Unusable(f"damaged: {why[:200] or 'it cannot be decoded'}") from e


def _pictures(file: BinaryIO, resolution: int) -> Iterator[Frame]:
    with Image.open(file, formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise Unusable(pixel_limit(width, height))
        scale = 4 * resolution / min(width, height)
        if scale < 1 and image.format in ("JPEG", "MPO"):
            image.draft("L", (int(width * scale) + 1, int(height * scale) + 1))
        orientation = _orientation(image)
        depth = _DEPTHS.get(image.mode, 8)
        deep = _deep(file)
        with room(image.width * image.height, 2 * deep if deep else 2):
            if deep:
                upright, depth = brightness(*_deep_values(file, width, height)), 16
            else:
                image.load()
                upright = gray(image)
            if orientation in UPRIGHT:
                upright = upright.transpose(UPRIGHT[orientation])
            yield Frame(upright, (height, width) if orientation >= 5 else (width, height), depth)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken metadata around a whole picture
        return 1


_PPM = re.compile(rb"P6(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


def _deep(file: BinaryIO) -> int:
    """How many channels of 16 bits a picture has that Pillow would make 8 bits; 0 for any other."""
    place = file.tell()
    file.seek(0)
    head = file.read(1000)
    file.seek(place)
    if head.startswith(_PNG) and head[24] == 16:  # its header is the first chunk, or Pillow would not have opened it
        return {2: 3, 4: 2, 6: 4}.get(head[25], 0)
    return 3 if (found := _PPM.match(head)) and int(found[3]) > 255 else 0


def _deep_values(file: BinaryIO, width: int, height: int) -> tuple[NDArray, int, NDArray | None]:
    """Their values, bits and alpha."""
    file.seek(0)
    content = file.read()
    if content.startswith(_PNG):
        return _split(imagecodecs.png_decode(content), 16)
    found = _PPM.match(content)
    values = np.frombuffer(content, ">u2", 3 * width * height, found.end() if found else 0)
    return values.reshape(height, width, 3).astype(np.uint16), 16, None


def _split(values: NDArray, bits: int) -> tuple[NDArray, int, NDArray | None]:
    """Values [H, W] or [H, W, channels] as gray or colour, their bits, and the alpha that comes last of 2 or 4."""
    if values.ndim == 2:
        return values, bits, None
    channels = values.shape[2]
    alpha = values[..., -1] * np.float32(1 / (2**bits - 1)) if channels in (2, 4) else None
    return (values[..., 0] if channels <= 2 else values[..., :3]), bits, alpha


def _jpeg(file: BinaryIO, resolution: int) -> Iterator[Frame]:
    """JPEG of any kind: baseline and progressive ones, and JPEG 2000 of 8 bits, are Pillow's."""
    content = file.read()
    file.seek(0)
    told = codecs.header(content)
    if told.bits <= 8 and told.kind != "jpegls" and not told.lossless:
        yield from _pictures(file, resolution)
        return
    if told.kind == "jpeg" and told.channels == 4:
        raise Unusable("this kind of JPEG is not read: CMYK, lossless or of 12 bits; save it as PNG")
    with room(told.width * told.height, 2 * told.channels):
        values = codecs.decode(content, told)
        if told.kind == "jpeg" and told.channels == 3 and not (told.rgb or told.lossless):
            values = values[..., 0]  # luma
        yield Frame(brightness(*_split(values, told.bits)), (told.width, told.height), max(8, told.bits))
