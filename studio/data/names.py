"""What names of files, folders, classes and columns mean in this field."""

from __future__ import annotations

import re
from collections.abc import Collection

SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "auto_test", "holdout"), "test"),
}  # every name that is known, and what it is

_SPLIT_FOLDER = re.compile(r"(?:\d+[ _.-]+)?(.*?)[ _.-]?(?:set|data|split|images|imgs)?", re.IGNORECASE)
_PATIENT_FOLDER = re.compile(
    r"9\d{6}|M[BI]\d{5}|\d{7,}|(?:patient|pat|subject|subj|sub|case|person)[ _-]?\d+|[ps]\d{3,}", re.IGNORECASE
)
_NOTHING = re.compile(
    r"\d\.[A-Z]\.\d|V\d\d|(?:19|20)\d{6}|(?:19|20)\d\d-\d\d-\d\d|(?:\d+\.){3,}\d+"
    r"|baseline|visit[ _-]?\d+|\d+ ?_?m(?:onths?)?",
    re.IGNORECASE,
)  # an OAI release, a visit, a date, a DICOM UID
_IMAGES = frozenset({"images", "image", "imgs", "img", "xrays", "xray", "radiographs", "films"})
_MASKS = frozenset({"masks", "mask", "annotations", "annotation", "segmentations", "segmentation", "seg", "labels"})


def split_of(folder: str) -> str:
    """What a whole name says of a split: "train" of Train, train_set, 1_training; "" of any other."""
    found = _SPLIT_FOLDER.fullmatch(folder)
    return SPLITS.get(folder.casefold()) or SPLITS.get(found[1].casefold() if found else "", "")


def known_split(name: str) -> str:
    """What a folder's or a file's name says of its split, by its beginning: "train", "val", "test"; else ""."""
    return split_of(name) or SPLITS.get(re.split(r"[-_.]", name.casefold())[0], "")


def pattern(text: str) -> re.Pattern[str]:
    """A person's "{patient}_*" as an expression; without "/" it is of a file's name without its suffix."""
    first, *rest = re.split(r"(\*|\{patient\})", text)
    holes = {"*": "[^/]*?", "{patient}": "(?P<patient>[^/]+?)"}
    pairs = [holes[hole] + re.escape(after) for hole, after in zip(rest[::2], rest[1::2], strict=True)]
    # Each hole ends where what follows it first stands, for good (?>): else a few stars on a long name take for ever.
    body = re.escape(first) + "".join(f"(?>{pair})" for pair in pairs[:-1]) + "".join(pairs[-1:])
    return re.compile(rf"(?:.*/)?{body}", re.IGNORECASE)


def are_patients(names: Collection[str]) -> bool:
    """Whether folders are called as patients are."""
    return all(_PATIENT_FOLDER.fullmatch(name) for name in names)


def are_shards(names: Collection[str]) -> bool:
    """Whether folders are the numbered parts that StyleGAN's data sets come in: 00000, 00001, and so on."""
    return all(re.fullmatch(r"\d{4,6}", n) for n in names) and sorted(map(int, names)) == list(range(len(names)))


def mean_nothing(names: Collection[str]) -> bool:
    """Whether folders are releases, visits or dates, which are no classes."""
    return all(_NOTHING.fullmatch(name) for name in names)


def beside_masks(names: Collection[str]) -> set[str]:
    """The folders of images where others beside them are of masks; else none."""
    small = {name.casefold() for name in names}
    if not small & _IMAGES or not small & _MASKS or small - _IMAGES - _MASKS:
        return set()
    return {name for name in names if name.casefold() in _IMAGES}
