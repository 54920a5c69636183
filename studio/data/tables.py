"""Labels that stand in a table beside the images: CSV, JSON lines, parquet, StyleGAN's dataset.json."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gan_core.data.dataset import patient
from gan_core.data.source import File, natural
from gan_core.errors import UserError
from gan_core.grades import plain
from studio.data.options import Question

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_TABLE_BYTES = 64 * 2**20
TABLES = frozenset(
    f"{name}.{kind}" for name in ("labels", "metadata") for kind in ("csv", "tsv", "jsonl", "parquet")
) | {"dataset.json", "crops.csv"}  # taken without being named
SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet")

_FILE = (
    "file name",
    "filename",
    "file",
    "path",
    "filepath",
    "file path",
    "image",
    "image name",
    "img",
    "image id",
    "name",
    "id",
)
_LABEL = (
    *("kl grade", "kl", "klg", "kellgren lawrence", "kellgren lawrence grade", "xrkl", "v00xrkl", "grade"),
    *("label", "labels", "class", "class name", "target", "category", "diagnosis", "severity"),
)
_PATIENT = ("patient id", "patientid", "patient", "subject id", "subject", "src subject id", "case id", "id")
_SPLIT = ("split", "subset", "partition", "set", "fold")
_SIDE = ("side", "laterality", "knee")
_CROP = ("crop",)  # the column of a table of crops that names what was cut out
_SIDES = {"1": "r", "2": "l", "r": "r", "l": "l", "right": "r", "left": "l"}  # the OAI writes 1 for right
_MOST_CLASSES = 100
_MOST_COLUMNS, MOST_CELLS = 10_000, 8_000_000  # of a table; the OAI's have 6 million values
_IMAGE = ("image", "img", "radiograph", "xray", "x ray", "film", "picture", "scan", "pixels")
_NO_IMAGE = ("mask", "annotation", "segmentation", "seg", "label", "heatmap", "attention", "saliency", "thumbnail")


@dataclass(frozen=True)
class Columns:
    """Images of a container with columns, and what these say of them."""

    files: list[File]
    class_order: tuple[str, ...] = ()  # of a column that names its classes
    column: str = ""  # that the classes stand in; "" for none


@dataclass(frozen=True)
class Row:
    """What a table says of one image; "" where it says nothing."""

    label: str = ""
    split: str = ""
    patient: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)  # the classes of the right and the left knee, "R" and "L"
    side: str = ""  # "R" or "L", of a crop
    across: float | None = None  # what a crop shows from left to right, in mm


@dataclass(frozen=True)
class Labels:
    """A table that has been understood."""

    rows: Mapping[str, Row]  # by the names of the images
    column: str  # that the classes stand in; "" where none does
    file_column: str
    torn: int = 0  # images that it says different things of, and so nothing


class Unclear(Question):
    """A table that does not say by itself which of its columns is meant: one of `columns`, as `option`."""

    def __init__(self, what: str, option: str, columns: Sequence[str]) -> None:
        listed = ", ".join(columns[:12]) or "there is none"
        super().__init__(
            f"{what} Which column is meant?" if columns else what,
            {c: {option: c} for c in columns},
            f"Name it with --read {option}=COLUMN: {listed}.",
        )


def read_rows(content: bytes, name: str, value: Callable[[Any], str] | None = None) -> list[dict[str, str]]:
    """A table's rows, every value as text: a class's name by `as_text`, or in a CSV as `value` makes it.

    Raises:
        UserError: if it is no such table.
    """
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".parquet":
            return _parquet(content)
        text = _text(content)
        if suffix == ".jsonl":
            return [texts(json.loads(line)) for line in text.splitlines() if line.strip()]
        if suffix == ".json":
            return _json(json.loads(text))
        text = re.sub(r"^sep=.[\r\n]+", "", text.lstrip("\r\n"))  # Excel may begin with what parts the columns
        return _csv(text, value or as_text)
    except (ValueError, TypeError, AttributeError, RecursionError, csv.Error) as e:
        raise UserError(f"{name} is not a readable table ({e}): save it as CSV with a line of headings.") from e


def _csv(text: str, value: Callable[[Any], str]) -> list[dict[str, str]]:
    lines = io.StringIO(text, newline=None)  # old Macs end lines with a carriage return alone
    reader = csv.DictReader(lines, delimiter=_dialect(text), skipinitialspace=True)
    rows: list[dict[str, str]] = []
    for row in reader:
        _refuse_size(len(rows) + 1, len(row))
        if any(row.values()):
            rows.append(texts(row, value))
    return rows


def _refuse_size(rows: int, columns: int) -> None:
    if columns > _MOST_COLUMNS or rows * columns > MOST_CELLS:
        raise ValueError("it has too many rows and columns for a table of labels")


def _text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text"
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _dialect(text: str) -> str:
    """What parts the columns: whatever the first line has most of."""
    first = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(",;\t|", key=first.count)


def as_text(value: Any) -> str:
    """A value as a class's name: 2.0 and 2,0 are 2; what is no single value, what is missing, and the Hub's -1 for a
    label kept back, is ""."""
    text = as_it_is(value)
    if text.lower() in ("", "nan", "none", "null", "na", "n/a", "-1", "."):
        return ""
    return whole[1] if (whole := re.fullmatch(r"(\d+)[.,]0*", text)) else text


def as_it_is(value: Any) -> str:
    """A value as text; "" for what is missing or no single value."""
    return "" if value is None or isinstance(value, list | dict) else str(value).strip()


def texts(row: Mapping[Any, Any], value: Callable[[Any], str] = as_text) -> dict[str, str]:
    """A row with every value as text."""
    return {str(k).strip(): value(v) for k, v in row.items() if k is not None}


def _json(found: Any) -> list[dict[str, str]]:
    """StyleGAN's {"labels": [[file, class], ...]}, or a list of rows."""
    if isinstance(found, dict):
        pairs = found.get("labels")
        if pairs is None:
            return []
        pairs = pairs.items() if isinstance(pairs, dict) else pairs
        rows = [(file, label) for file, label in pairs]
        if any(isinstance(x, list | dict) or (isinstance(x, float) and x % 1) for _, x in rows):
            raise ValueError("its labels are not single numbers")
        return [{"file": str(file), "label": as_text(label)} for file, label in rows]
    return [texts(row) for row in found]


def _parquet(content: bytes) -> list[dict[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        if sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)) > 4 * MAX_TABLE_BYTES:
            raise ValueError("it is too large for a table of labels")
        _refuse_size(file.metadata.num_rows, len(simple_columns(file)))
        return parquet_rows(file)
    except pa.ArrowException as e:
        raise ValueError(e) from e


def simple_columns(table: pq.ParquetFile) -> list[str]:
    """The columns of a parquet table whose values are single ones, and no bytes."""
    from pyarrow import types

    several = (types.is_nested, types.is_binary, types.is_large_binary)
    return [f.name for f in table.schema_arrow if not any(kind(f.type) for kind in several)]


def parquet_rows(table: pq.ParquetFile) -> list[dict[str, str]]:
    """A parquet table's rows, every value of its simple columns as text, and a class by its name where it has one."""
    if not (columns := simple_columns(table)):
        return [{} for _ in range(table.metadata.num_rows)]
    names = class_names(table.schema_arrow.metadata)
    rows = table.read(columns=columns).to_pylist()
    return [texts({k: named(v, names.get(k, ())) for k, v in row.items()}) for row in rows]


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, tuple[str, ...]]:
    """The names that the `datasets` library wrote beside a table for columns of whole-number labels, by column."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {k: tuple(map(str, f["names"])) for k, f in features.items() if isinstance(f, dict) and f.get("names")}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def named(value: Any, names: tuple[str, ...]) -> Any:
    """A label's name, where labels have names; None for one out of their range."""
    if not names or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def find(columns: Iterable[str], wanted: Sequence[str]) -> str:
    """The column that is called as one of `wanted`, the first of these first; "" where none is."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(plain(column), column)
    return next((by_name[name] for name in wanted if name in by_name), "")


def image_column(columns: Sequence[str], asked: str, where: str) -> str:
    """Which of a parquet table's columns of pictures holds the radiographs; "" where it has none.

    Raises:
        Unclear: where their names do not say it.
    """
    if asked:
        if asked not in columns:
            raise Unclear(f"{where} has no column of images called {asked!r}.", "image", columns)
        return asked
    likely = [c for c in columns if not any(word in plain(c).split() for word in _NO_IMAGE)] or list(columns)
    if len(likely) > 1:
        likely = [c for c in likely if any(plain(c).startswith(word) for word in _IMAGE)] or likely
    if len(likely) > 1:
        raise Unclear(f"{where} has {len(likely)} columns of images.", "image", likely)
    return likely[0] if likely else ""


def label_column(columns: Sequence[str], asked: str, where: str) -> str:
    """The column of classes: the one asked for, or one called as such columns are; "" where none is."""
    if asked and asked not in columns:
        raise Unclear(f"{where} has no column called {asked!r}.", "label", columns)
    return asked or find(columns, _LABEL)


def patient_column(columns: Sequence[str]) -> str:
    """The column that says whose an image is; "" where none does."""
    return find(columns, _PATIENT[:-1])


def split_column(columns: Sequence[str]) -> str:
    """The column that says which split an image is of; "" where none does."""
    return find(columns, _SPLIT)


def understand(
    rows: Sequence[Mapping[str, str]],
    files: Sequence[str],
    where: str,
    file: str = "",
    label: str = "",
    whole: bool = False,
) -> Labels | None:
    """What a table says of `files` (paths from the table's folder, with "/"); None where it is of other things.

    A file is known by its path, its name, or its name without a suffix, where no other file has the same; or, in a
    table like the OAI's, by its patient and side. Of `whole` films, whose knees are told apart, a row with a side is of
    one knee, and a patient's only film is known by its patient alone.

    Raises:
        Unclear: where a column that was asked for is missing, or several could hold the classes.
    """
    if not rows:
        return None
    columns = list(rows[0])
    keys = _keys(files)
    exact = {_normal(f): f for f in files}
    if any(_normal(c) in keys and PurePosixPath(c).suffix for c in columns):  # no line of headings: a row
        first = {f"column {i}": c for i, c in enumerate(columns, 1)}
        rows = [first, *({name: row.get(c) or "" for name, c in first.items()} for row in rows)]
        columns = list(first)
    if file and file not in columns:
        raise Unclear(f"{where} has no column called {file!r}.", "file", columns)
    best: tuple[dict[str, list[Mapping[str, str]]], str] = ({}, "")
    may_name = [c for c in columns if plain(c) not in _LABEL]  # grades are no names, though a file be called 3.png
    for column in [file] if file else sorted(may_name, key=lambda c: plain(c) not in _FILE):
        matched: dict[str, list[Mapping[str, str]]] = {}
        for row in rows:
            if found_file := _file_of(_normal(row.get(column) or ""), keys, exact):
                matched.setdefault(found_file, []).append(row)
        if len(matched) > len(best[0]):
            best = matched, column
    if not best[0] and not file:
        best = _by_patient_and_side(rows, columns, files)
        if not best[0] and whole:
            best = _by_patient(rows, columns, files)
    matched, file_column = best
    if not matched:
        return None
    rest = [c for c in columns if c != file_column]
    in_use = [row for of_file in matched.values() for row in of_file]
    at_label = label_column(rest, label, where) or only_class_like(rest, in_use, where)
    at_patient, at_split = patient_column(rest), split_column(rest)

    def values(of_file: Sequence[Mapping[str, str]], column: str) -> set[str]:
        return {row.get(column) or "" for row in of_file} if column else {""}

    def one(of_file: Sequence[Mapping[str, str]], column: str) -> str:
        different = values(of_file, column)
        return different.pop() if len(different) == 1 else ""

    at_side = find(columns, _SIDE) if whole else ""
    found, torn = {}, 0
    for name, of_file in matched.items():
        sided: dict[str, list[Mapping[str, str]]] = {}
        for row in of_file:
            sided.setdefault(_side(row, at_side), []).append(row)
        parts = {}
        if at_side and at_label and "" not in sided:
            parts = {side: text for side, of_side in sided.items() if (text := one(of_side, at_label))}
        torn += not parts and len(values(of_file, at_label)) > 1
        side, across = _of_crop(of_file[0]) if plain(file_column) in _CROP else ("", None)
        class_ = "" if parts else one(of_file, at_label)
        found[name] = Row(class_, one(of_file, at_split), one(of_file, at_patient), parts, side, across)
    return Labels(found, at_label, file_column, torn)


def _file_of(name: str, keys: Mapping[str, str], exact: Mapping[str, str]) -> str:
    """The file that a table calls so: with another suffix too, and by a path from further up, such as another
    machine's, that ends in the file's own; "" for none."""
    if not name:
        return ""
    bare = re.sub(r"\.(png|jpe?g|tiff?|dcm|bmp|webp)$", "", name)
    if found := keys.get(name) or keys.get(bare):
        return found
    parts = name.split("/")
    ends = ("/".join(parts[i:]) for i in range(1, min(len(parts), 32)))
    return next((exact[end] for end in ends if end in exact), "")


def _normal(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").casefold()


def _keys(files: Sequence[str]) -> dict[str, str]:
    """Each file by all that a table may call it, but for what two would answer to."""
    called: dict[str, str] = {}
    count: Counter[str] = Counter()
    for file in files:
        path = PurePosixPath(_normal(file))
        ends = {"/".join(path.parts[i:]) for i in range(max(0, len(path.parts) - 32), len(path.parts))}
        for key in ends | {str(PurePosixPath(end).with_suffix("")) for end in ends}:
            count[key] += 1
            called[key] = file
    exact = {_normal(file): file for file in files}
    return {key: file for key, file in called.items() if count[key] == 1} | exact


def _by_patient_and_side(
    rows: Sequence[Mapping[str, str]], columns: Sequence[str], files: Sequence[str]
) -> tuple[dict[str, list[Mapping[str, str]]], str]:
    at, side = find(columns, _PATIENT), find(columns, _SIDE)
    if not at or not side:
        return {}, ""
    keys = {
        key: file
        for file in files
        for stem in [PurePosixPath(_normal(file)).stem]
        for key in {stem, stem.replace("_", "").replace("-", "").replace("right", "r").replace("left", "l")}
    }
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        key = f"{row.get(at) or ''}{_side(row, side) or '?'}".lower()
        if key in keys:
            found.setdefault(keys[key], []).append(row)
    return found, f"{at}, {side}"


def _by_patient(
    rows: Sequence[Mapping[str, str]], columns: Sequence[str], files: Sequence[str]
) -> tuple[dict[str, list[Mapping[str, str]]], str]:
    """The rows of a table of knees, by patient and side, for the only film of each patient."""
    at, side = find(columns, _PATIENT), find(columns, _SIDE)
    if not at or not side:
        return {}, ""
    owners = [(patient(file).removeprefix("patient "), file) for file in files]
    count = Counter(owner for owner, _ in owners)
    only = {owner: file for owner, file in owners if count[owner] == 1}
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        if (file := only.get(row.get(at) or "")) and _side(row, side):
            found.setdefault(file, []).append(row)
    return found, at


def _side(row: Mapping[str, str], column: str) -> str:
    """The side that a row is of, "R" or "L"; "" where it says none."""
    return _SIDES.get((row.get(column) or "").split(":")[0].strip().lower(), "").upper()


def _of_crop(row: Mapping[str, str]) -> tuple[str, float | None]:
    """The side of a crop, and what it shows from left to right in mm, from its row in a table of crops."""
    across = None
    with contextlib.suppress(ValueError):
        across = float(row.get("side_px") or "") * float(row.get("mm") or "")
    return _side(row, "side"), across if across and 0 < across < math.inf else None


def only_class_like(columns: Sequence[str], rows: Sequence[Mapping[str, str]], where: str) -> str:
    """The one column with a few values that come again and again; "" where there is none.

    Raises:
        Unclear: where there are several.
    """
    likely = []
    for column in columns:
        values = Counter(row.get(column) or "" for row in rows)
        values.pop("", None)
        if 2 <= len(values) <= _MOST_CLASSES and 2 * len(values) <= values.total():
            likely.append(column)
    left = [c for c in likely if plain(c) not in (*_SIDE, *_SPLIT, *_PATIENT, "sex", "gender", "race")] or []
    if len(left) > 1:
        raise Unclear(f"{where} has several columns that could hold the classes.", "label", sorted(left, key=natural))
    return left[0] if left else ""
