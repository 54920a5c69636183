"""From what a person writes ("phantom:500", "hf:owner/name", a path) to a `Dataset`."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_core.data import cache
from gan_core.data.dataset import Dataset, Skipped
from gan_core.data.files import list_folder, list_zip, natural, on_disk, slug
from gan_core.data.hub import hub_source
from gan_core.data.made import digits_source, mnist_source, phantom_source
from gan_core.data.pixels import Fit
from gan_core.data.source import FileSource, Source
from gan_core.errors import UserError

NAMED = ("phantom", "digits", "mnist", "fashion-mnist")

MAX_RESOLUTION = 4096
_GENERIC = frozenset({"train", "val", "test", "data", "images", "train_data"})


def absolute_source(source: str) -> str:
    """`source`, a path in it made absolute: so that what is kept of it holds in any folder. Named sources stay."""
    named = source.split(":")[0].replace("_", "-") in (*NAMED, "hf")
    return source if named or not source or not Path(source).exists() else str(Path(source).resolve())


def short_source(source: str) -> str:
    """`source` as it may be shown to others: of a path on this machine, also after kinds (`knee:/a/b`), two parts."""
    for start in (0, *(i + 1 for i, letter in enumerate(source) if letter == ":")):
        if (path := Path(source[start:])).is_absolute():
            return source[:start] + "/".join(path.parts[-2:])
    return source


def open_source(source: str, cache_dir: Path) -> Source:
    """What a source's text names.

    Raises:
        UserError: if it names nothing, or what it names cannot be read.
    """
    source = source.strip()
    kind, colon, rest = source.partition(":")
    kind = kind.lower().replace("_", "-")
    if kind == "hf" and colon:
        return hub_source(rest, cache_dir)
    if kind == "phantom":
        return phantom_source(rest)
    if kind == "digits" and not rest:
        return digits_source()
    if kind in ("mnist", "fashion-mnist") and not rest:
        return mnist_source(kind, cache_dir)
    return _path_source(source)


def _path_source(source: str) -> FileSource:
    missing = UserError(
        f"There is no file or folder {source[:200]!r}; give a folder, zip, DICOM or image file, hf:OWNER/NAME, "
        f"or one of {', '.join(NAMED)}."
    )
    if not source:
        raise missing
    try:
        path = Path(source).expanduser().resolve()
        if not path.exists():
            raise missing
        if path.is_dir():
            entries, skipped = list_folder(path)
            return FileSource(
                _short_name(path), entries, tuple((e.name, path / e.name) for e in entries), tuple(skipped)
            )
        if not path.is_file():
            raise UserError(f"{source} is neither a folder nor a file; give one of these.")
        with path.open("rb") as f:
            head = f.read(4)
        if head in (b"PK\3\4", b"PK\5\6") or path.suffix.lower() == ".zip":
            return FileSource(_short_name(path), list_zip(path), (("", path),), recipe="zip")
        entry = on_disk(path.name, path, path.stat().st_size)
        return FileSource(_short_name(path), [entry], ((path.name, path),))
    except (OSError, RuntimeError, ValueError) as e:
        why = getattr(e, "strerror", None) or e
        raise UserError(f"{source[:200]!r} cannot be opened ({why}); check the path and its permissions.") from e


def _short_name(path: Path) -> str:
    stem = path.stem if path.is_file() else path.name
    if stem.lower() in _GENERIC and path.parent.name:
        stem = f"{path.parent.name}-{stem}"
    return slug(stem)


def load(
    source: str,
    resolution: int,
    *,
    fit: Fit = "crop",
    progress: cache.Progress | None = None,
    cache_dir: Path | None = None,
    memory_share: float = cache.MEMORY_SHARE,
) -> Dataset:
    """All images of a source as squares of `resolution` pixels: decoded in parallel once, then from the cache.

    `progress` is called with (files done, files in all) while decoding. An array past `memory_share` of the
    available memory is a read-only memory map of the cache file. Without a writable cache all is held in memory.

    Raises:
        UserError: if the source is missing or refused, holds no usable image, or is too large for the memory.
    """
    if not 1 <= resolution <= MAX_RESOLUTION:
        raise UserError(f"The resolution is {resolution}; use 1 to {MAX_RESOLUTION} pixels.")
    if fit not in ("crop", "pad"):
        raise UserError(f"fit is {fit!r}; use crop or pad.")
    folder = cache_dir or cache.cache_folder_of(source)
    opened = open_source(source, folder)
    key = cache.fingerprint(cache.content_digest(opened, folder), resolution, fit)
    found = cache.fetch(folder, key, memory_share)
    if found is None:
        found = _decode(opened, resolution, fit, progress, folder, key, memory_share)
    images, about = found
    names = _class_names(opened, about["labels"])
    index = {"": 0} | {name: i for i, name in enumerate(names)}
    return Dataset(
        images=images,
        labels=np.array([index[label] for label in about["labels"]], np.int64),
        class_names=names,
        files=tuple(about["files"]),
        skipped=_skipped(opened, about),
        name=opened.name,
        fingerprint=key,
    )


def _decode(
    opened: Source,
    resolution: int,
    fit: Fit,
    progress: cache.Progress | None,
    folder: Path,
    key: str,
    memory_share: float,
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Images and description, through the cache where it can be written and in memory where it cannot."""
    try:
        about = cache.store(folder, key, opened, resolution, fit, progress)
    except OSError:
        about = None
    if about and not about["files"]:
        raise _nothing(opened, about)
    if found := cache.fetch(folder, key, memory_share):
        return found
    if len(opened) * resolution**2 > cache.available_memory():
        raise UserError(
            f"{len(opened)} images of {resolution}x{resolution} do not fit into the memory, and the cache folder "
            f"{folder} cannot be written or is full; set KNEE_GAN_CACHE to a folder with room for them."
        )
    memory = io.BytesIO()
    about = cache.build(opened, resolution, fit, memory, progress)
    if not about["files"]:
        raise _nothing(opened, about)
    return np.frombuffer(memory.getbuffer(), np.uint8).reshape(-1, 1, resolution, resolution), about


def _class_names(opened: Source, labels: Iterable[str]) -> tuple[str, ...]:
    """The classes of these labels: all that the source tells of, or those that occur; none where no label is given."""
    seen = set(labels) - {""}
    return opened.class_order if seen and seen <= set(opened.class_order) else tuple(sorted(seen, key=natural))


def _skipped(opened: Source, about: dict[str, Any]) -> tuple[Skipped, ...]:
    return (*opened.skipped, *(Skipped(*pair) for pair in about["skipped"]))


def _nothing(opened: Source, about: dict[str, Any]) -> UserError:
    skipped = _skipped(opened, about)
    if not skipped:
        return UserError(f"{opened.name} holds no files; give a folder or zip of images.")
    first = "; ".join(f"{s.file}: {s.reason}" for s in skipped[:3])
    count = f"{len(skipped):,} files were" if len(skipped) > 1 else "1 file was"
    return UserError(f"{opened.name} holds no usable image; {count} skipped ({first}).")


def inspect(source: str, *, progress: cache.Progress | None = None, cache_dir: Path | None = None) -> dict[str, Any]:
    """What is in a source, every file tried: {"count", "classes": {name: count}, "sizes": {"256x256": count},
    "skipped": [{"file", "reason"}]}. Sizes are width x height, the right way up; those of the phantom are "any".

    Raises:
        UserError: as `load` does.
    """
    folder = cache_dir or cache.cache_folder_of(source)
    opened = open_source(source, folder)
    note = folder / f"{cache.fingerprint(cache.content_digest(opened, folder), 0, 'survey')}.note"
    try:
        report = cache.read_note(note)
    except (OSError, ValueError):
        report = _survey(opened, progress)
        with contextlib.suppress(OSError):
            cache.write_note(note, report)
    return {**report, "skipped": [asdict(s) for s in _skipped(opened, report)]}


def _survey(opened: Source, progress: cache.Progress | None) -> dict[str, Any]:
    classes: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    skipped: list[tuple[str, str]] = []
    for done, item in enumerate(opened.survey(), 1):
        if item.label:
            classes[item.label] += len(item.sizes)
        sizes.update(f"{width}x{height}" if width else "any" for width, height in item.sizes)
        if item.reason:
            skipped.append((item.name, item.reason))
        if progress:
            progress(done, len(opened))
    if not sizes:
        raise _nothing(opened, {"skipped": skipped})
    return {
        "count": sizes.total(),
        "classes": {name: classes[name] for name in _class_names(opened, classes)},
        "sizes": dict(sizes.most_common()),
        "skipped": skipped,
    }
