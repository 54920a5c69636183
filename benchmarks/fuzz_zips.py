"""Zips of images and of models with anything in them, and DICOM files that claim anything."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from fuzz_damage import Damage, of_bytes, paths, words
from fuzz_house import SIDE, Broken, House, works
from hypothesis import reject
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from gan_core.data import load
from gan_core.model import CONFIG, TENSORS
from studio.data.survey import inspect
from studio.explore.upload import read_image
from studio.models.check import TAKEN
from studio.models.store import ORIGIN, models_root
from studio.models.upload import keep_zip

# -- zips -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """Of a zip, with what it claims of itself."""

    name: str
    content: str  # of `_contentsof_zips`
    method: int
    link: bool = False
    encrypted: bool = False
    claims: int | None = None  # its size, where that is a lie


_MODEL_NAMES = st.sampled_from([CONFIG, TENSORS, "README.md", f"discriminator/{CONFIG}", f"discriminator/{TENSORS}"])
_member_names = st.one_of(
    _MODEL_NAMES,
    st.tuples(st.sampled_from(["g/", "a/b/", "../", "/", "C:", "..\\", "./", "g//"]), _MODEL_NAMES).map("".join),
    st.sampled_from(["a.png", "0/a.png", "0/b.dcm", "1/c.png", "1/", "__MACOSX/x", "n.zip", "x.pkl", "../a.png"]),
    paths,
    words,
)
_methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
_kinds = ["config", "tensors", "card", "png", "dicom", "text", "zeros", "zip"]
_seldom = st.sampled_from([False] * 9 + [True])
_of_members = st.lists(
    st.builds(
        Member,
        _member_names,
        st.sampled_from(_kinds),
        st.sampled_from(_methods),
        _seldom,
        _seldom,
        st.sampled_from([None] * 6 + [0, 1, 2**20, 2**31, 2**32 - 2]),
    ),
    max_size=4,
)
_whole_model = st.tuples(st.sampled_from(_methods), st.sampled_from(["", "g/"])).map(
    lambda how: [Member(f"{how[1]}{name}", kind, how[0]) for name, kind in ((CONFIG, "config"), (TENSORS, "tensors"))]
)
_films = st.sampled_from(_methods).map(
    lambda method: [Member(name, name[-3:].replace("dcm", "dicom"), method) for name in ("0/a.png", "1/b.dcm")]
)
of_zips = st.tuples(
    st.tuples(st.one_of(st.just([]), _whole_model, _films), _of_members).map(lambda parts: [*parts[0], *parts[1]]),
    st.lists(of_bytes, max_size=2),
)


def _zip(house: House, members: list[Member]) -> bytes:
    contents = {
        "config": (house.model / CONFIG).read_bytes(),
        "tensors": (house.model / TENSORS).read_bytes(),
        "card": b"# A card\n",
        "png": _png(),
        "dicom": dicom(Film()),
        "text": b"/etc/passwd",
        "zeros": bytes(4_000_000),
        "zip": b"PK\5\6" + bytes(18),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member in members:
            about = zipfile.ZipInfo(member.name.replace("\0", "") or "x")
            about.compress_type = member.method
            about.external_attr = (stat.S_IFLNK | 0o777) << 16 if member.link else 0o644 << 16
            archive.writestr(about, contents[member.content])
        for member, about in zip(members, archive.infolist(), strict=True):  # of which the directory is made at the end
            about.flag_bits |= member.encrypted
            if member.claims is not None:
                about.file_size = member.claims
    return out.getvalue()


def _png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(out, "PNG")
    return out.getvalue()


def check_zip(house: House, example: tuple[list[Member], list[Damage]]) -> bool:
    members, damages = example
    path = house.empty() / "some.zip"
    content = _zip(house, members)
    for damage in damages:
        content = damage.bytes(content)
    path.write_bytes(content)
    read = works(lambda: load(str(path), SIDE), lambda: inspect(str(path)))
    kept = works(lambda: keep_zip(path, "some.zip"))
    here = {str(p.relative_to(models_root())) for p in models_root().rglob("*") if p.is_file()}
    strange = [p for p in here if p.removeprefix("uploads/").partition("/")[2] not in (*TAKEN, ORIGIN)]
    if strange or bool(here) != kept:
        raise Broken(f"It left {strange or 'nothing'} and was {'kept' if kept else 'refused'}.")
    return read or kept


# -- DICOM ------------------------------------------------------------------------------------------------------------

_SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEG2000Lossless,
    JPEGLSLossless,
)
_SIZES = st.one_of(st.integers(0, 65535), st.sampled_from([0, 1, 3, 8, 12, 16, 32, 64, 8000, 65535]))
_DECIMALS = st.one_of(
    st.sampled_from(["", "abc", "1e400", "nan", "-1", "0", "1e-300", "1\\2\\3", "9" * 16]),
    st.floats(-1e6, 1e6).map(lambda x: f"{x:.8g}"),
)
_LUT = st.tuples(_SIZES, _SIZES, _SIZES, st.lists(st.integers(0, 65535), max_size=20))
_OF_TAGS = {
    "US": "Rows Columns BitsAllocated BitsStored HighBit SamplesPerPixel PixelRepresentation PlanarConfiguration "
    "PixelPaddingValue PixelPaddingRangeLimit",
    "DS": "WindowCenter WindowWidth RescaleSlope RescaleIntercept",
    "IS": "NumberOfFrames",
    "SQ": "VOILUTSequence ModalityLUTSequence",
    "CS": "PhotometricInterpretation VOILUTFunction PresentationLUTShape",
}
_photometric = st.sampled_from(["MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "PALETTE COLOR", "SIGMOID", "X", ""])
_values = {"US": _SIZES, "DS": _DECIMALS, "IS": _DECIMALS, "SQ": _LUT, "CS": _photometric}
_tags = st.one_of(
    *(st.tuples(st.just(vr), st.sampled_from(names.split()), _values[vr]) for vr, names in _OF_TAGS.items())
)


@dataclass(frozen=True)
class Film:
    """A DICOM file: how its pixels are packed, how it says that they are, what it claims, and damage of its bytes."""

    packed: str = ExplicitVRLittleEndian
    declared: str | None = None
    tags: tuple[tuple[str, str, Any], ...] = ()
    without: str = ""
    damage: tuple[Damage, ...] = ()


of_films = st.builds(
    Film,
    st.sampled_from(_SYNTAXES),
    st.one_of(st.none(), st.none(), st.none(), st.sampled_from(_SYNTAXES), words),
    st.lists(_tags, max_size=4).map(tuple),
    st.sampled_from(["", "", "", "PixelData", "Rows", "BitsStored", "PhotometricInterpretation", "SamplesPerPixel"]),
    st.lists(of_bytes, max_size=2).map(tuple),
)


def _packed(pixels: np.ndarray, syntax: str) -> bytes:
    if syntax in (JPEGBaseline8Bit, JPEG2000Lossless):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG" if syntax == JPEGBaseline8Bit else "JPEG2000")
        return encapsulate([out.getvalue()])
    if syntax == RLELossless:
        literal = bytes([63]) + pixels.tobytes()  # 64 bytes as they are
        return encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + literal + b"\0"])
    return encapsulate([bytes(64)]) if syntax == JPEGLSLossless else pixels.tobytes()


def dicom(film: Film) -> bytes:
    """The film as bytes: 8 x 8 pixels of 8 bits, where it does not say otherwise."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    meta.TransferSyntaxUID = pydicom.uid.UID(film.packed)
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.Rows = ds.Columns = ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.SamplesPerPixel, ds.PixelRepresentation = 7, 1, 0
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = _packed(np.arange(64, dtype=np.uint8).reshape(8, 8), film.packed)
    ds["PixelData"].VR = "OB"
    for vr, name, value in film.tags:
        if vr == "SQ":
            table = pydicom.Dataset()
            table.add_new("LUTDescriptor", "US", list(value[:3]))
            table.add_new("LUTData", "US", value[3])
            table.add_new("ModalityLUTType", "LO", "US")
            value = [table]
        ds.add_new(name, vr, value)
    if film.without in ds:
        del ds[film.without]
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    content = out.getvalue()
    if film.declared is not None:
        declared, own = film.declared.encode()[:20], film.packed.encode()
        content = content.replace(own, declared.ljust(len(own), b"\0")[: len(own)], 1)
    for damage in film.damage:
        content = damage.bytes(content)
    return content


def check_dicom(house: House, example: Film) -> bool:
    folder = house.empty()
    with pydicom.config.disable_value_validation():
        try:
            content = dicom(example)
        except Exception:  # pydicom writes no such thing
            reject()
    (folder / "film.dcm").write_bytes(content)
    images = []
    fine = works(
        lambda: images.append(read_image(content, "film.dcm", SIDE)),
        lambda: images.extend(load(str(folder), SIDE).images[:, 0]),
        lambda: inspect(str(folder)),
    )
    if any(image.shape != (SIDE, SIDE) or image.dtype != np.uint8 for image in images):
        raise Broken("It gave no image of the size that was asked for.")
    return fine
