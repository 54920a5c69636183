"""What is in a source, every file tried: for a person to check before anything is trained or measured."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_core.data import cache
from gan_core.data.dataset import Skipped, about_patients
from gan_core.data.source import FileSource, Source, open_source
from studio.data import checks

LISTED = 20  # files named of a group
SHEET, SHEET_COLUMNS = 24, 8  # groups on a sheet of pictures, and images in a row of it


def inspect(source: str, *, progress: cache.Progress | None = None, cache_dir: Path | None = None) -> dict[str, Any]:
    """What is in a source, every file of every split tried, for JSON:

    {"count", "classes": {name: count}, "label_name", "split", "splits": {name: count}, "patients", "said": [sentence],
    "sizes": {"256x256": count}, "depths": {"8": count}, "skipped": [{"file", "reason"}],
    "left_out": [{"reason", "count", "files"}], "findings": [{"what", "count", "files", "words"}]}

    Counts and classes are those of the split that is used. Sizes are width x height, the right way up; those of the
    phantom are "any".

    Raises:
        UserError: as `load` does.
    """
    folder = cache_dir or cache.cache_folder_of(source)
    opened = open_source(source, folder)
    key = cache.key(cache.fingerprint(cache.content_digest(opened, folder), 0, "survey"))
    note = folder / f"{key}.note"
    try:
        report = cache.read_note(note)
    except (OSError, ValueError):
        report = _survey(opened, progress)
        with contextlib.suppress(OSError):
            cache.write_note(note, report)
    left = cache.skipped(opened, report)
    return {**report, "skipped": [asdict(s) for s in left], "left_out": _grouped(left)}


def _survey(opened: Source, progress: cache.Progress | None) -> dict[str, Any]:
    classes: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    depths: Counter[str] = Counter()
    owners: list[str] = []
    known_from: set[str] = set()
    left: list[tuple[str, str]] = []
    seen = checks.Seen()
    split = opened.layout.split
    for done, item in enumerate(opened.items(checks.SIDE, "crop", survey=True), 1):
        count, file = len(item.sizes), item.file
        if file.split:
            splits[file.split] += count
        if file.reason:
            left.append((file.name, file.reason))
        if count and (not split or file.split == split):
            if item.labels:
                classes.update(filter(None, item.labels))
            elif file.label:
                classes[file.label] += count
            sizes.update(f"{width}x{height}" if width else "any" for width, height in item.sizes)
            depths[str(item.depth)] += count
            owners += [file.patient] * count
            known_from.add(file.patient_from)
        for name, image, label in zip(item.names, item.images, item.classes, strict=True):
            seen.add(name, image, replace(file, label=label) if item.labels else file)
        if progress:
            progress(done, len(opened))
    if not sizes:
        raise cache.nothing(opened, {"skipped": left})
    return {
        "count": sizes.total(),
        "classes": {name: classes[name] for name in cache.in_class_order(classes, opened.layout.class_order)},
        "label_name": opened.layout.label_name,
        "split": split,
        "splits": dict(splits),
        "patients": len({owner for owner in owners if owner.startswith("patient ")}),
        "said": [*opened.layout.said, about_patients(owners, known_from)],
        "sizes": dict(sizes.most_common()),
        "depths": dict(depths.most_common()),
        "skipped": left,
        "findings": seen.findings(),
    }


def sheet(source: str, finding: dict[str, Any], *, side: int = 128, cache_dir: Path | None = None) -> NDArray[np.uint8]:
    """The images of one of `inspect`'s findings, [rows * side, columns * side]: what is alike lies beside each other.

    Raises:
        UserError: as `load` does.
    """
    groups = finding["files"][:SHEET]
    alone = [group[0] for group in groups if len(group) == 1]
    rows = [group[:SHEET_COLUMNS] for group in groups if len(group) > 1]
    rows += [alone[i : i + SHEET_COLUMNS] for i in range(0, len(alone), SHEET_COLUMNS)]
    wanted = {name for row in rows for name in row}
    opened = open_source(source, cache_dir or cache.cache_folder_of(source))
    assert isinstance(opened, FileSource), "nothing to check: these images are generated"
    of = {re.sub(r"#\d+$", "", name) for name in wanted} | wanted
    items = opened.decoded([f for f in opened.listing if f.name in of], side, "pad")
    found = {name: image for item in items for name, image in zip(item.names, item.images, strict=True)}
    black = np.zeros((side, side), np.uint8)
    columns = max(map(len, rows))
    padded = [[found.get(name, black) for name in row] + [black] * (columns - len(row)) for row in rows]
    return np.block(padded)


def _grouped(skipped: tuple[Skipped, ...]) -> list[dict[str, Any]]:
    """The files left out, by why: the commonest reason first."""
    by_reason: dict[str, list[str]] = {}
    for s in skipped:
        by_reason.setdefault(s.reason, []).append(s.file)
    ordered = sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
    return [{"reason": reason, "count": len(files), "files": files[:LISTED]} for reason, files in ordered]
