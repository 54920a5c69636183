"""What is damaged, and what must still hold: either it works, or a person is told why in a sentence.

Each target draws examples with hypothesis and checks one: nothing but a `UserError` in words may come of it, nothing
outside the house is read or written, nothing is unpickled, no process is started, and the memory stays bounded.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import numpy as np
import pydicom
from fuzz_damage import PLACES, Damage, Edit, edited, edits, numbers, odd, of_bytes, of_places, paths, words
from fuzz_house import CLASSES, ROOT, SECRET, Broken, House, in_words, works
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
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core import cli, lineup, media
from gan_core.data import inspect, load
from gan_core.deletion import delete_evaluation, delete_run
from gan_core.errors import UserError
from gan_core.evaluations import EvaluationFolder
from gan_core.explore.upload import read_image
from gan_core.export.folder import ExportFolder, delete_export
from gan_core.generate import generate, labels
from gan_core.hub.check import TAKEN, check_model
from gan_core.hub.inventory import inventory
from gan_core.hub.store import ORIGIN, models_root
from gan_core.hub.upload import keep_zip
from gan_core.model import CONFIG, TENSORS, find_generator, load_model, read_config
from gan_core.runs import Run, find_unfinished
from gan_core.study import store
from gan_core.study.make import make_set

SIDE = 16  # pixels of the sample model's images


@dataclass(frozen=True)
class Target:
    """`check(house, example)` says whether the example was taken; whatever it raises is a fault."""

    name: str
    about: str
    examples: st.SearchStrategy[Any]
    check: Callable[[House, Any], bool]
    few: int  # examples of the short form


# -- config.json ------------------------------------------------------------------------------------------------------


def _written(content: bytes, change: list[Edit] | Damage) -> bytes:
    """A JSON file's content after edits, or damage of its bytes."""
    return change.bytes(content) if isinstance(change, Damage) else edited(json.loads(content), change)


_PLAUSIBLE = [0, 1, 2, 3, 4, 5, 16, 17, 33, 64, 128, 255, 1023, 1024, 0.5, 1e-9, 1e300, "dcgan", "residual", "style", "none"]
_PLAUSIBLE += ["batch", "layer", "pixel", "projection", "classifier", "wasserstein", "relativistic", ["a", "a", ""]]
_fitting = st.lists(st.builds(Edit, st.just("set"), PLACES, st.sampled_from(_PLAUSIBLE)), min_size=1, max_size=3)
_of_config = st.tuples(st.sampled_from(["model", "critic", "run"]), st.one_of(_fitting, _fitting, edits, of_bytes))


def _check_config(house: House, example: tuple[str, Any]) -> bool:
    which, change = example
    work = house.empty()
    if which == "run":
        run = Run(work)
        (work / CONFIG).write_bytes(_written((house.run.path / CONFIG).read_bytes(), change))
        return works(lambda: [media.architecture(net) for net in run.config().nets(len(CLASSES))])
    shutil.copytree(house.model, work / "m")
    folder, role = (work / "m", "generator") if which == "model" else (work / "m" / "discriminator", "discriminator")
    (folder / CONFIG).write_bytes(_written((folder / CONFIG).read_bytes(), change))
    taken = works(lambda: media.architecture(read_config(folder).net), lambda: check_model(work / "m"))
    return works(lambda: _use(folder, role)) and taken


def _use(folder: Path, role: str = "generator") -> None:
    """What the pages do with a model."""
    model = load_model(folder, role)
    if role == "generator":
        images, names = generate(model, range(2)), labels(model, range(2))
        side = model.config.net.resolution
        if images.shape != (2, 1, side, side) or len(names) != 2:
            raise Broken(f"{images.shape} is no two images of {side} x {side} pixels.")


# -- model.safetensors ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header:
    """Changes of a safetensors file: of its header's JSON, of the length that it declares, and of the bytes."""

    changes: list[Edit]
    longer: int  # added to the header's declared length
    padding: int  # bytes after the data
    damage: Damage | None

    def bytes(self, content: bytes) -> bytes:
        (length,) = struct.unpack("<Q", content[:8])
        header = content[8 : 8 + length]
        if self.changes:
            header = edited(json.loads(header), self.changes)
        declared = struct.pack("<Q", (len(header) + self.longer) % 2**64)
        out = declared + header + content[8 + length :] + bytes(self.padding)
        return self.damage.bytes(out) if self.damage else out


_dtypes = st.sampled_from(["F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F4", "C64", "U64", "X"])
_sizes = st.one_of(st.integers(0, 600), st.sampled_from([-1, 2**31, 2**32, 2**62, 2**63, 2**64 - 1, 2**64]))
_of_header = st.lists(
    st.builds(Edit, st.sampled_from(["set", "set", "out", "rename", "join"]), PLACES, st.one_of(odd, _dtypes, _sizes)),
    max_size=3,
)
_of_tensors = st.builds(
    Header,
    _of_header,
    st.one_of(st.just(0), st.just(0), st.integers(-3, 3), st.sampled_from([-(2**10), 2**20, 2**40, 2**63, 2**64 - 9])),
    st.sampled_from([0, 0, 0, 1, 8]),
    st.one_of(st.none(), st.none(), of_bytes),
)


def _check_tensors(house: House, example: Header) -> bool:
    work = house.empty()
    shutil.copy(house.model / CONFIG, work)
    (work / TENSORS).write_bytes(example.bytes((house.model / TENSORS).read_bytes()))
    return works(lambda: check_model(work), lambda: _use(work))


# -- a model folder ---------------------------------------------------------------------------------------------------

Changes = list[tuple[str, Any]]  # (name of a file, what becomes of it)


def _of_folder(*names: str) -> st.SearchStrategy[Changes]:
    change = st.one_of(of_bytes, of_bytes, of_places, edits)
    return st.lists(st.tuples(st.sampled_from(names), change), min_size=1, max_size=2)


def _harm(folder: Path, changes: Changes, outside: Path) -> set[str]:
    """Damages files of a folder, of which `outside` is a copy. The names of those that are now links which lead there."""
    for name, change in changes:
        path = folder / name
        if not path.exists() or path.is_symlink():  # an earlier change has taken it
            continue
        if isinstance(change, Damage):
            if not (change.how == "link" and path.is_dir() and name != "samples"):  # a whole model may lie elsewhere
                change.do(path, outside / name)
        elif path.is_file():
            with suppress(ValueError, RecursionError):  # no JSON, or none any more
                path.write_bytes(_edited_lines(path.read_bytes(), change))
    return {name for name, _ in changes if (folder / name).is_symlink() and (folder / name).exists()}


def _edited_lines(content: bytes, changes: list[Edit]) -> bytes:
    """A JSON file after edits; of a file with a document in each line the one that the first of them names."""
    try:
        return edited(json.loads(content), changes)
    except ValueError:
        lines = content.splitlines() or [b"{}"]
        at = changes[0].at % len(lines)
        return b"\n".join([*lines[:at], edited(json.loads(lines[at]), changes), *lines[at + 1 :]]) + b"\n"


def _verb(*words: object) -> None:
    """`python -m gan_core ...`. Raises `UserError` with the last line of what it says where it refuses."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), mock.patch("sys.argv", ["gan_core", *map(str, words)]):
        try:
            cli.main()
        except SystemExit as done:
            if done.code:
                raise UserError(err.getvalue().strip().rpartition("\n")[2]) from None
        finally:
            if SECRET in out.getvalue() + err.getvalue():
                raise Broken("A verb prints what lies outside.")


_NAME = "model@0123456"
_MODEL_THEN: dict[str, Callable[[Path], object]] = {
    "load": lambda folder: _use(find_generator(_NAME)),
    "check": check_model,
    "models": lambda folder: _verb("models"),
    "generate": lambda folder: _verb("generate", "--model", _NAME, "--seeds", 0, "--out", folder.parent / "images"),
    "page models": lambda folder: _visit("models"),
    "page gallery": lambda folder: _visit("gallery", model=_NAME),
}
_of_model = st.tuples(_of_folder(*TAKEN, CONFIG, TENSORS, ORIGIN), st.sampled_from([*_MODEL_THEN, "load", "check"]))


def _check_model_folder(house: House, example: tuple[Changes, str]) -> bool:
    changes, then = example
    house.empty()
    folder = house.runs / "models" / "uploads" / _NAME
    shutil.copytree(house.model, folder)
    links = _harm(folder, changes, house.outside / "model")
    taken = works(lambda: _MODEL_THEN[then](folder))
    if taken and then == "check" and any(name.endswith((CONFIG, TENSORS)) for name in links):
        raise Broken("A link that leads outside was followed.")
    return taken


# -- a run directory --------------------------------------------------------------------------------------------------

_RUN = "00001-digits-acgan"
_RUN_FILES = ("config.json", "status.json", "status.json", "stats.jsonl", "stats.jsonl", "best.json", "result.json")
_RUN_FILES += ("log.txt", "state.pt", "state.pt", "samples", "samples/000000100.png", "generator", "discriminator", "lock")
_RUN_FILES += ("generator/config.json", "generator/model.safetensors", "generator-best/config.json")


def _lined_up(run: Run) -> None:
    member = lineup.read(lineup.find_entry(run.name))
    lineup.table_csv([member])
    lineup.curves_csv([member])
    lineup.overlaid([member], "d_loss", "minutes", 0.1)
    for axis in lineup.AXES:
        lineup.moments(member, axis)
    for nimg in member.samples:
        lineup.sheet(run, nimg, 1)


def _resume(run: Run) -> None:
    """Asked to stop at once, so that settings which were changed to large ones take no time."""
    config = run.config()
    if config.data == "digits" and config.resolution <= 32:
        run.request_stop()
        _verb("train", "--resume", "--out", run.path)
    in_words(run.status().message or "Fine.")


_RUN_THEN: dict[str, Callable[[Run], object]] = {
    "line up": _lined_up,
    "look": lambda run: [inventory(), find_unfinished(run.config()), _use(find_generator(run.name))],
    "runs": lambda run: [_verb("runs"), _verb("runs", "--json")],
    "compare-runs": lambda run: _verb("compare-runs", run.path),
    "media": lambda run: [media.curves_csv(run), media.animation_gif(run), media.run_nets(run)],
    "curves": media.curves_png,
    "resume": _resume,
    "delete": delete_run,
    "page train": lambda run: _visit("train", run=run.name),
    **{f"page runs: {v}": lambda run, v=v: _visit("runs", runs=run.name, view=v) for v in ("Curves", "Samples", "Table")},
}
_of_run = st.tuples(_of_folder(*_RUN_FILES), st.sampled_from([*_RUN_THEN, "resume", "page train"]))


def _check_run(house: House, example: tuple[Changes, str]) -> bool:
    changes, then = example
    house.empty()
    run = Run(house.runs / _RUN)
    shutil.copytree(house.run.path, run.path)
    links = _harm(run.path, changes, house.outside / "run")
    taken = works(lambda: _RUN_THEN[then](run))
    if taken and then == "resume" and any("/" not in name for name in links):
        raise Broken("A training writes to where a link leads.")
    return taken


# -- evaluations and exports ------------------------------------------------------------------------------------------

_JOB_FILES = {
    "evaluation": ("evaluation.json", "evaluation.json", "fakes.png", "report.html"),
    "export": ("export.json", "manifest.csv", "README.md", "0", "0/*.png"),
}


def _check_job(house: House, example: tuple[str, Changes, str]) -> bool:
    kind, changes, then = example
    house.empty()
    folder = house.runs / f"{kind}s" / house.jobs[kind].name
    shutil.copytree(house.jobs[kind], folder)
    inside = "" if kind == "evaluation" else f"synthetic-{folder.name}/"
    own = ("request.json", "status.json", "log.txt")
    named = [(name if name in own else f"{inside}{name}", change) for name, change in changes]
    found = [(str(path.relative_to(folder)), change) for name, change in named for path in folder.glob(name)]
    _harm(folder, found, house.outside / folder.name)
    job = EvaluationFolder(folder) if kind == "evaluation" else ExportFolder(folder)
    if then == "delete":
        return works(lambda: delete_evaluation(job) if kind == "evaluation" else delete_export(job))
    if then == "go on" and kind == "export":
        return works(lambda: _go_on(job))
    return works(lambda: _visit("evaluate" if kind == "evaluation" else "export", **{kind: folder.name}))


def _go_on(job: ExportFolder) -> None:
    if job.request().n <= 10:
        _verb("export", "--again", job.path)


def _of_job(kind: str) -> st.SearchStrategy[tuple[str, Changes, str]]:
    names = ("request.json", "status.json", "log.txt", *_JOB_FILES[kind])
    return st.tuples(st.just(kind), _of_folder(*names), st.sampled_from(["page", "page", "delete", "go on"]))


# -- zips -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """Of a zip, with what it claims of itself."""

    name: str
    content: str  # of `_contents_of_zips`
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
_of_zips = st.tuples(
    st.tuples(st.one_of(st.just([]), _whole_model, _films), _of_members).map(lambda parts: [*parts[0], *parts[1]]),
    st.lists(of_bytes, max_size=2),
)


def _zip(house: House, members: list[Member]) -> bytes:
    contents = {
        "config": (house.model / CONFIG).read_bytes(),
        "tensors": (house.model / TENSORS).read_bytes(),
        "card": b"# A card\n",
        "png": _png(),
        "dicom": _dicom(Film()),
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


def _check_zip(house: House, example: tuple[list[Member], list[Damage]]) -> bool:
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
    "US": ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel", "PixelRepresentation")
    + ("PlanarConfiguration", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    "DS": ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"),
    "IS": ("NumberOfFrames",),
    "SQ": ("VOILUTSequence", "ModalityLUTSequence"),
    "CS": ("PhotometricInterpretation", "VOILUTFunction", "PresentationLUTShape"),
}
_photometric = st.sampled_from(["MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "PALETTE COLOR", "SIGMOID", "X", ""])
_values = {"US": _SIZES, "DS": _DECIMALS, "IS": _DECIMALS, "SQ": _LUT, "CS": _photometric}
_tags = st.one_of(*(st.tuples(st.just(vr), st.sampled_from(names), _values[vr]) for vr, names in _OF_TAGS.items()))


@dataclass(frozen=True)
class Film:
    """A DICOM file: how its pixels are packed, how it says that they are, what it claims, and damage of its bytes."""

    packed: str = ExplicitVRLittleEndian
    declared: str | None = None
    tags: tuple[tuple[str, str, Any], ...] = ()
    without: str = ""
    damage: tuple[Damage, ...] = ()


_of_films = st.builds(
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


def _dicom(film: Film) -> bytes:
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


def _check_dicom(house: House, example: Film) -> bool:
    folder = house.empty()
    with pydicom.config.disable_value_validation():
        try:
            content = _dicom(example)
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


# -- links ------------------------------------------------------------------------------------------------------------

_NAMES = list(CLASSES)
_seeds = ["0", "7", "2147483647", "2147483648", "-1"]
_unit = ["0", "1", "0.5", "0.123", "-0", "1.01", "2"]
_model = {"model": [_RUN, f"{_RUN}/generator-best", "knee-64", "lab/knees@main"]}
_seen = _model | {"grade": _NAMES, "seed": _seeds, "variety": _unit}
_latent = {
    "seed": _seeds,
    "seeds": ["0,1,2,3", "5,6", "1,2,3,4,5,6,7,8,9", ",", "1,,2"],
    "path": ["straight", "spherical"],
    "at": ["0", "1.5", "4", "9"],
    "x": _unit,
    "y": _unit,
    "z": ["AAAAAAAAAAAAAAAAAAAAAA==", "AHwAfAB8AHwAfAB8AHwAfA==", "AAAA", "A", "====", "AH4AfgB-AH4AfgB-AH4Afg=="],
    "offset": ["AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"],
    "grade": ["0", "1.25", "2", "3", "0.5"],
    "truncation": _unit,
    "moves": ["0.5", "1,-1", "0,0,3", ",", "9,9,9,9,9,9,9,9,9"],
}
# What each page reads from its link, with values that it would write itself.
PAGES: dict[str, dict[str, list[str]]] = {
    "gallery": _seen | {"pages": ["1", "2", "20", "21"], "show": ["0", "23", "99"]},
    "explore": _model
    | _latent
    | {
        "view": ["One knee", "Between knees", "Plane", "Find a knee", "Describe"],
        "words": ["mild, left"],
        "show": ["7"],
    },
    "compare": _seen
    | {"n": ["20", "400", "0"], "light": ["100-100-1", "0-9999-0"], "fake": ["0", "19"], "pages": ["2", "99", "0"]}
    | {"view": ["Nearest real", "Brightness and detail", "Map"], "point": ["real-3", "synthetic-0", "synthetic-999"]},
    "study": {"study": ["STUDY"], "results": ["SET"], "set": ["SET"]},
    "train": {"run": [_RUN]},
    "runs": {"runs": [_RUN, f"{_RUN},x", ",,"], "view": ["Curves", "Samples", "Table", "Settings"]}
    | {"along": ["Epochs", "Minutes"], "smoothing": ["0", "25", "26"], "log": ["true", "false"], "every": ["true"]}
    | {"figures": ["Variety", "Penalty"], "step": ["Images"], "samples": ["All", "A strip"], "at": ["0.5", "0", "1"]},
    "evaluate": {"evaluation": ["New evaluation", "00001-x"], "view": ["Evaluate", "Compare"]},
    "models": {"view": ["here", "get", "share"], "hub": ["lab/knees", "lab/knees@main", "https://x/y/z"]},
    "export": _seen
    | {"export": ["New export", "00001-x"], "what": ["Pictures", "Training set", "DICOM"], "n": ["1", "100", "0"]}
    | {"grades": ["Balanced", "As in training", "One only", "So many of each"]},
    "learn": {
        "lesson": ["Watch a game", "How far apart?", "The losses", "Steadying the game"],
        "seed": ["0", "1", "99"],
    }
    | {"game": ["dcgan", "wgan"], "beside": ["wgan-gp", "nothing"], "target": ["Grid", "Ring", "Moons"]}
    | {"shape": ["Bells", "Points"], "recipe": ["dcgan", "wgan-gp"]},
}
_strange = st.one_of(
    words,
    numbers.map(str),
    st.sampled_from(
        ["", "9" * 5000, "1e999", "-inf", "NaN", "٣", "²", "0x10", " 7 ", "1_000", "true", "null", "[]", "7;8"]
    ),
)
_Query = dict[str, Any]  # parameter -> a value, or several


def _of_links(known: dict[str, list[str]]) -> st.SearchStrategy[_Query]:
    def value(good: list[str]) -> st.SearchStrategy[Any]:
        one = st.one_of(st.sampled_from(good), st.sampled_from(good), _strange)
        return st.one_of(one, one, one, st.lists(one, min_size=2, max_size=3))

    return st.fixed_dictionaries({}, optional={name: value(good) for name, good in known.items()})


def _of_page(name: str) -> st.SearchStrategy[tuple[str, _Query]]:
    return st.tuples(st.just(name), _of_links(PAGES[name]))


def _visit(page: str, **query: Any) -> bool:
    """Opens a page of the app; whether it did so without an objection, which must be in words."""
    from streamlit.testing.v1 import AppTest

    at = AppTest.from_file(str(ROOT / "studio" / "main.py"), default_timeout=120)
    for name, value in query.items():
        at.query_params[name] = value
    if page != "gallery":
        at.switch_page(f"../pages/{page}.py")
    at.run()
    for element in at.exception:
        raise Broken(f"{page} {query}: {element.message}\n{''.join(element.stack_trace)}")
    said = [e.value for kind in ("error", "warning") for e in at.get(kind)]
    for text in said:
        in_words(text.replace("\\", "").replace("\n", " "))
    if not at.title and not said:
        raise Broken(f"{page} {query}: nothing was drawn.")
    shown = [e.value for kind in ("markdown", "caption", "info", "code") for e in at.get(kind)]
    if any(SECRET in text for text in (*said, *shown)):
        raise Broken(f"{page} {query}: it shows what lies outside.")
    return not said


def _furnish(house: House) -> dict[str, str]:
    """A run, a study and its set, for links to lead to; the secret names of the last two."""
    run = house.runs / _RUN
    if not (run / "furnished").exists():
        house.empty()
        shutil.copytree(house.run.path, run)
        with house.at_home():
            set_id = make_set(load_model(house.model), _RUN, "phantom:60")
            study = store.begin(set_id)
        (run / "furnished").write_text(f"{set_id} {study}")
    return dict(zip(("SET", "STUDY"), (run / "furnished").read_text().split(), strict=True))


def _meant(query: _Query, secret: dict[str, str]) -> _Query:
    def one(value: str) -> str:
        return secret.get(value, value)

    return {name: [one(v) for v in value] if isinstance(value, list) else one(value) for name, value in query.items()}


def _check_page(house: House, example: tuple[str, _Query]) -> bool:
    page, query = example
    return _visit(page, **_meant(query, _furnish(house)))


# -- what the server answers beside the pages -------------------------------------------------------------------------

_of_routes = st.one_of(
    st.tuples(
        st.just("GET"),
        st.tuples(
            st.just("explore"), st.one_of(st.sampled_from(["image", "loop", "plane", "directions", "latent"]), words)
        ),
        _of_links(_model | _latent),
    ),
    st.tuples(
        st.just("GET"),
        st.just(("runs", "samples")),
        _of_links({"run": [_RUN, "seeds/x"], "at": ["0", "50", "100"], "rows": ["0", "1", "99"]}),
    ),
    st.tuples(
        st.just("GET"),
        st.just(("toy",)),
        _of_links({"game": ["dcgan", "wgan"], "target": ["grid", "ring"], "seed": ["0", "1"]}),
    ),
    st.tuples(st.just("GET"), st.tuples(st.just("export"), words.map(lambda w: f"{w}.zip")), st.just({})),
    st.tuples(st.just("GET"), st.tuples(st.just("study"), st.one_of(st.just("STUDY"), words)), st.just({})),
    st.tuples(st.just("GET"), st.tuples(st.just("study-image"), words), st.just({})),
    st.tuples(
        st.just("POST"),
        st.tuples(
            st.just("study"), st.one_of(st.just("STUDY"), words), st.sampled_from(["answer", "undo", "end", "x"])
        ),
        st.one_of(
            st.binary(max_size=30),
            st.fixed_dictionaries(
                {},
                optional={
                    "position": st.one_of(st.integers(0, 3), odd),
                    "choice": st.one_of(st.sampled_from(["real", "synthetic"]), odd),
                    "confidence": st.one_of(st.integers(1, 5), odd),
                    "seconds": st.one_of(st.floats(0, 9), odd),
                },
            ).map(lambda document: edited(document, [])),
        ),
    ),
)


def _check_route(house: House, example: tuple[str, tuple[str, ...], Any]) -> bool:
    from studio import learn_games
    from studio.routes import routes

    method, place, sent = example
    secret = _furnish(house)
    path = "/api/" + "/".join(quote(secret.get(part, part)[:2000], safe="") for part in place)
    with mock.patch.object(learn_games, "library", learn_games.Library(lambda keys: [])):
        client = TestClient(Starlette(routes=routes))
        if method == "GET":
            answer = client.get(path, params=_meant(sent, secret))
        else:
            answer = client.post(path, content=sent, headers={"content-type": "application/json"})
    if answer.status_code >= 500:
        raise Broken(f"{method} {path} {sent}: {answer.status_code} {answer.text[:300]}")
    if answer.headers.get("content-type") == "application/json" and "error" in answer.json():
        in_words(answer.json()["error"])
    if SECRET in answer.text:
        raise Broken(f"{method} {path} {sent}: it answers with what lies outside.")
    return answer.status_code == 200


# -- all of them ------------------------------------------------------------------------------------------------------

TARGETS = [
    Target("config", "config.json of a model, of its critic, of a run", _of_config, _check_config, 25),
    Target("tensors", "model.safetensors: length, header, bytes", _of_tensors, _check_tensors, 25),
    Target("model", "files of a model folder; then verbs and pages", _of_model, _check_model_folder, 10),
    Target("run", "files of a run directory; then verbs, pages, resuming", _of_run, _check_run, 12),
    Target("job", "files of an evaluation or export", st.one_of(*map(_of_job, _JOB_FILES)), _check_job, 8),
    Target("zip", "zips of images and of models", _of_zips, _check_zip, 20),
    Target("dicom", "DICOM files", _of_films, _check_dicom, 25),
    Target("routes", "what the server answers beside the pages", _of_routes, _check_route, 25),
    *(Target(f"page: {name}", "its link", _of_page(name), _check_page, 3) for name in PAGES),
]


def examine(target: Target, house: House, example: Any) -> bool:
    """One example; whether it was taken. What it raises is a fault."""
    with ExitStack() as stack:
        logging.disable()
        stack.callback(logging.disable, logging.NOTSET)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name, value in _STAND_INS.items():
            stack.enter_context(mock.patch(name, value))
        stack.enter_context(house.watched())
        return target.check(house, example)


def _pixels(sides: Any, extractor: Any) -> Any:
    """In place of the knee encoder, which takes seconds."""
    from gan_core.compare.space import Views

    fake, real = (side.images.reshape(len(side), -1).astype(np.float32) for side in (sides.fake, sides.real))
    return Views(fake, real, "pixels")


# The shipped models, and what takes long and is not looked at here.
_STAND_INS: dict[str, Any] = {
    "studio.models.shipped_generators": list,
    "gan_core.hub.inventory.shipped_generators": list,
    "gan_core.lineup.SHIPPED": Path("/nowhere"),
    "studio.evaluate_form.PHANTOMS": "phantom:60",
    "studio.compare._encoder": lambda: None,
    "studio.compare.look": _pixels,
}
