"""What the folders and the tables of a source say of its images: their classes, splits and patients.

What is found is said in sentences, for a person to check. What cannot be decided is a `Question`, never a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from statistics import median

from gan_core.data.dataset import patient
from gan_core.data.source import File, Layout, natural
from gan_core.errors import UserError
from gan_core.grades import KL_GRADE, grade, grades, is_kl
from studio.data import names, tables
from studio.data.options import ALL, NONE, Options, Question

MANY, FEW = 20, 5  # more folders than MANY with at most FEW images in each may be patients as well as classes
LISTED = 8


@dataclass
class _Found:
    """The layout in the making; lists run along the files."""

    files: Sequence[File]
    folders: list[tuple[str, ...]]
    labels: list[str | None]
    splits: list[str]
    owners: list[tuple[str, str]] = field(default_factory=list)  # whose, and where that is known from
    masks: list[bool] = field(default_factory=list)
    parts: list[Mapping[str, str]] = field(default_factory=list)  # the classes of each film's knees
    shown: list[tuple[str, float | None]] = field(default_factory=list)  # side and width in mm, of crops
    column: str = ""
    labels_from: str = ""
    said: list[str] = field(default_factory=list)


def understand(
    files: Sequence[File],
    found_tables: Mapping[str, Sequence[Mapping[str, str]]],
    sure: Collection[str],
    options: Options,
    class_order: tuple[str, ...] = (),
    column: str = "",
) -> tuple[list[File], Layout, frozenset[str]]:
    """What is known of each image file and of all, from their folders, their containers and the tables (rows by name)
    beside them; and which of these tables say something.

    `sure` are the tables that certainly are of labels; `column` names what the containers' labels are.

    Raises:
        Question: where it can be read in more than one way.
        UserError: where an option names what is not there.
    """
    out = _Found(files, [f.parents for f in files], [f.label or None for f in files], [f.split for f in files])
    used: frozenset[str] = frozenset()
    out.owners = [(f.patient, "a table" if f.patient else "") for f in files]
    out.masks = [False] * len(files)
    out.parts = [f.parts for f in files]
    out.shown = [(f.side, f.across) for f in files]
    if any(f.label is not None for f in files):
        out.column, out.labels_from = column, f"column {column!r}"
    if not out.labels_from or options.labels not in ("", NONE):  # a table that was asked for counts before all else
        used = _from_tables(out, found_tables, sure, options)
    _from_folders(out, options)
    labels, label_name, order = _classes(out, class_order)
    split = _split(out, options)
    _say(out, labels, label_name, split)
    known = [
        replace(
            f,
            label=label or "",
            split=of,
            patient=whose,
            patient_from=where,
            reason=_left_out(out, "" if parts else label, mask),
            parts=parts,
            side=side,
            across=across,
        )
        for f, label, of, (whose, where), mask, parts, (side, across) in zip(
            files, labels, out.splits, _patients(out, options), out.masks, out.parts, out.shown, strict=True
        )
    ]
    return known, Layout(label_name, order, split, _there(out), tuple(out.said)), used


def _left_out(out: _Found, label: str | None, mask: bool) -> str:
    if mask:
        return "lies beside the images, in a folder of masks"
    if label is None:
        return "lies beside the class folders, not in one" if out.labels_from == "the folders" else "has no label"
    return ""


# -- folders ----------------------------------------------------------------------------------------------------------


def _from_folders(out: _Found, options: Options) -> None:
    """Splits and patients, and classes where nothing else tells of them."""
    depth, in_patient, classed, told = 0, False, False, bool(out.labels_from)
    while True:
        here = [folders[depth] if len(folders) > depth else None for folders in out.folders]
        level = {name for name in here if name is not None}
        if not level:
            return
        kind = _kind(level, here, in_patient, classed, told, options)
        if kind == "splits":
            named = [name or "" for name in here]
            if told:  # beside the splits may lie what is no split, such as the images that a table tells of
                named = [name if names.split_of(name) else "" for name in named]
            out.splits = [s or name for s, name in zip(out.splits, named, strict=True)]
        elif kind == "patients":
            owners = [(f"patient {name}", "the folders") if name else ("", "") for name in here]
            out.owners = [owner if owner[0] else of for owner, of in zip(out.owners, owners, strict=True)]
            in_patient = True
        elif kind == "masks":
            images = names.beside_masks(level)
            out.masks = [mask or name not in images for mask, name in zip(out.masks, here, strict=True)]
            out.said.append(f"The images are those in {_listed(images)}: there are masks beside them.")
        elif kind == "shards":
            out.said.append(f"The folders {_listed(level)} are numbered parts of one set, not classes.")
        elif kind == "classes" and not options.folders and not told and not grades(level) and _grades_below(out, depth):
            out.said.append(f"The folders {_listed(level)} are not the classes: the grades lie in them.")
        elif kind == "classes" and 2 * here.count(None) > len(here):
            return  # more files lie beside these folders than in one
        elif kind == "classes" and told:
            _compare(out, here)
            classed = True
        elif kind == "classes":
            out.labels, out.labels_from, classed = list(here), "the folders", True
        depth += 1


def _grades_below(out: _Found, depth: int) -> bool:
    """Whether folders of a greater depth, two or more, are called as grades are."""
    deepest = max(map(len, out.folders))
    levels = ({folders[d] for folders in out.folders if len(folders) > d} for d in range(depth + 1, deepest))
    return any(len(level) > 1 and grades(level) for level in levels)


def _compare(out: _Found, folders: Sequence[str | None]) -> None:
    """Says where the folders would have it otherwise than what tells of the classes."""

    def mean(name: str) -> object:
        return name if grade(name) is None else grade(name)

    pairs = [(a, b) for a, b in zip(out.labels, folders, strict=True) if a and b]
    apart = sum(mean(a) != mean(b) for a, b in pairs)
    if pairs and not {mean(b) for _, b in pairs} - {mean(a) for a, _ in pairs}:
        end = f"in {apart:,} of {len(pairs):,} they differ" if apart else "which agree"
        out.said.append(f"The classes are those of {out.labels_from}, not those of the folders: {end}.")


def _kind(
    level: Collection[str],
    here: Sequence[str | None],
    in_patient: bool,
    classed: bool,
    told: bool,
    options: Options,
) -> str:
    """What folders of one depth are: "splits", "patients", "classes", "shards", "masks" or "" for nothing."""
    one = len(level) == 1 and None not in here
    of_split = [name for name in level if names.split_of(name)]
    if len(of_split) == len(level):
        return "splits"
    if options.folders == "none":
        return ""
    if options.folders == "classes":
        return "" if one or classed else "classes"
    if options.folders == "patients":
        return "patients" if not one and not in_patient else ""
    if "train" in map(names.split_of, level):
        return "splits" if told else _some_splits(level, of_split)
    if names.mean_nothing(level):
        return ""
    if names.are_patients(level):
        return "patients"
    if one or classed:
        return ""
    if told:
        return "masks" if names.beside_masks(level) else "classes"
    if grades(level):
        return "classes"
    if names.are_shards(level) and min(map(len, level)) >= 4:
        return "shards"
    if names.beside_masks(level):
        return "masks"
    if in_patient:
        return ""
    filled = Counter(name for name in here if name is not None)
    if len(level) > MANY and median(filled.values()) <= FEW and 2 * here.count(None) <= len(here):
        raise Question(
            f"{len(level):,} folders with {round(median(filled.values()))} images or so in each, such as "
            f"{_listed(level, 3)}: are these classes or patients?",
            {
                "Each folder is a patient": {"folders": "patients"},
                "Each folder is a class": {"folders": "classes"},
                "Neither": {"folders": "none"},
            },
            "Say --read folders=patients, --read folders=classes or --read folders=none.",
        )
    return "classes"


def _some_splits(level: Collection[str], of_split: Sequence[str]) -> str:
    """What folders are of which some are called as splits are."""
    others = sorted(set(level) - set(of_split), key=natural)
    if len(of_split) > 1 and not grades(others):
        return "splits"
    raise Question(
        f"The folders {_listed(of_split)} are named like splits, and beside them are {_listed(others)}: are all of "
        "them classes?",
        {"Each folder is a class": {"folders": "classes"}, "They are not classes": {"folders": "none"}},
        "Say --read folders=classes or --read folders=none, or name one of them as the data.",
    )


# -- tables -----------------------------------------------------------------------------------------------------------


def _from_tables(
    out: _Found, found: Mapping[str, Sequence[Mapping[str, str]]], sure: Collection[str], options: Options
) -> frozenset[str]:
    """Which of the tables say something."""
    used = set()
    for name, rows in sorted(found.items(), key=lambda item: -item[0].count("/")):  # the nearest table first
        asked, short = name == options.labels, PurePosixPath(name).name
        folder = "" if asked else f"{PurePosixPath(name).parent}/".removeprefix("./")
        below = {f.name[len(folder) :]: i for i, f in enumerate(out.files) if f.name.startswith(folder)}
        try:
            table = tables.understand(rows, list(below), short, options.file, options.label, bool(options.crop))
        except Question:
            if name in sure:
                raise
            out.said.append(f"{short} is beside the images. If it holds their classes, name it with --labels.")
            continue
        if table is None and asked:
            raise UserError(f"{short} names none of the images. Name its column of file names with --read file=COLUMN.")
        if table is None and rows and name in sure:
            out.said.append(f"{short} names none of the images.")
        if table is not None and _take(out, table, below, short, asked):
            used.add(name)
        elif asked:
            if table is not None and table.torn:
                raise UserError(
                    f"{short} gives {table.torn:,} images more than one class each, and no image a single one."
                )
            raise UserError(f"{short} has no column of classes. Name it with --read label=COLUMN.")
    return frozenset(used)


def _take(out: _Found, table: tables.Labels, below: Mapping[str, int], where: str, asked: bool) -> bool:
    """Whether the table said something."""
    rows = {below[name]: row for name, row in table.rows.items()}
    labelled = {i: row for i, row in rows.items() if row.label or row.parts}
    if table.torn:
        out.said.append(f"{where} gives {table.torn:,} images more than one class each: these have no label.")
    for i, row in rows.items():
        out.splits[i] = row.split
        if row.patient:
            out.owners[i] = (f"patient {row.patient}", where)
        out.shown[i] = (row.side, row.across)
    if not labelled or (not asked and 2 * len(labelled) < len(below)):
        if table.column and labelled:
            out.said.append(f"{where} is not used: it labels {len(labelled):,} of {len(below):,} images.")
        return any(row.split or row.patient or row.side for row in rows.values())
    out.labels_from, out.column = f"{where}, column {table.column!r}", table.column
    for i, row in labelled.items():
        out.labels[i], out.parts[i] = row.label or None, row.parts
    if any(out.parts):
        out.said.append(f"Each knee has the class of its own side, from {where}.")
    return True


# -- what it comes to -------------------------------------------------------------------------------------------------


def _classes(out: _Found, order: tuple[str, ...]) -> tuple[list[str | None], str, tuple[str, ...]]:
    """The labels, as grades where that is what they mean; what they are called; and all of them in order."""
    seen = _all_classes(out, out.labels)
    if not seen:
        return [""] * len(out.labels), "class", ()
    order = order if seen <= set(order) else ()
    as_grades = grades(order or seen)
    if not as_grades:
        return out.labels, out.column or "class", order
    plainly = all(name in "01234" for name in seen)
    graded = [as_grades[label] if label else label for label in out.labels]
    out.parts = [{side: as_grades[label] for side, label in parts.items()} for parts in out.parts]
    if not plainly:
        pairs = ", ".join(f"{n!r} as {g}" for n, g in sorted(as_grades.items(), key=lambda p: p[1]))
        out.said.append(f"The classes are taken as KL grades: {pairs}.")
    of_grades = not plainly or is_kl(out.column)
    kept = tuple(as_grades[n] for n in order) if order else ()
    return graded, KL_GRADE if of_grades else "", kept


def _all_classes(out: _Found, labels: Sequence[str | None]) -> set[str]:
    return {label for label in labels if label} | {label for parts in out.parts for label in parts.values()}


def _patients(out: _Found, options: Options) -> list[tuple[str, str]]:
    """Whose each file is, and where that comes from."""
    if options.patients == NONE:
        return [(f"file {f.name}", "") for f in out.files]
    if not options.patients:
        owned = [owner if owner[0] else (patient(f.name), "") for owner, f in zip(out.owners, out.files, strict=True)]
        return [(w, of or ("the names of the files" if w.startswith("patient ") else "")) for w, of in owned]
    expression = names.pattern(options.patients)
    owners = []
    for f in out.files:
        match = expression.fullmatch(str(PurePosixPath(f.name).with_suffix(""))) or expression.fullmatch(f.name)
        owners.append((f"patient {match['patient']}", options.patients) if match else (f"file {f.name}", ""))
    if not any(of for _, of in owners):
        raise UserError(
            f"No file is called {options.patients!r}, such as {out.files[0].name}: write {{patient}} where a name says "
            "whose it is, and * for the rest."
        )
    return owners


def _there(out: _Found) -> tuple[str, ...]:
    """The splits that there are."""
    return tuple(sorted({s for s in out.splits if s}, key=natural))


def _split(out: _Found, options: Options) -> str:
    """The split that is used: the one asked for, or the training one; "" where that is all there is."""
    there = _there(out)
    if options.split and options.split != ALL:
        wanted = options.split.casefold()
        exact = [s for s in there if s.casefold() == wanted]
        alike = [s for s in there if names.known_split(s) == names.known_split(wanted) != ""]
        if not exact and len(alike) != 1:
            has = f"it has {', '.join(there)}" if there else "it has none"
            raise UserError(f"There is no split {options.split!r}: {has}.")
        chosen = (exact or alike)[0]
        return chosen if set(out.splits) != {chosen} else ""
    training = [s for s in there if names.split_of(s) == "train"]
    one = len(training) == 1 and options.split != ALL and set(out.splits) != set(training)
    return training[0] if one else ""


def _say(out: _Found, labels: Sequence[str | None], label_name: str, split: str) -> None:
    classes = _all_classes(out, labels)
    if classes:
        what = "KL grades" if label_name == KL_GRADE else "Classes"
        out.said.insert(0, f"{what}: {_listed(classes)}, from {out.labels_from}.")
    count = Counter(s for s in out.splits if s)
    if count:
        each = ", ".join(f"{name} ({n:,})" for name, n in count.items())
        used = split or ("all of them" if len(count) > 1 else "all")
        rest = out.splits.count("")
        beside = f" {rest:,} images of no split are left out." if split and rest else ""
        out.said.append(f"Splits: {each}. Used: {used}.{beside}")


def _listed(found: Collection[str], most: int = LISTED) -> str:
    ordered = sorted(found, key=natural)
    more = f" and {len(ordered) - most:,} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more
