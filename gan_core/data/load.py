"""From what a person writes ("phantom:500", "hf:owner/name", a path) to a `Dataset`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_core import registry
from gan_core.data import cache
from gan_core.data.dataset import Dataset, Skipped
from gan_core.data.files import Columns, Entry, TarEntries, is_tar, list_folder, list_zip, on_disk, snapshot
from gan_core.data.names import natural, slug
from gan_core.data.options import Options, Question, split_options, with_options
from gan_core.data.pixels import Fit
from gan_core.data.source import FileSource, Source
from gan_core.errors import UserError

MAX_RESOLUTION = 4096
_GENERIC = frozenset({"train", "val", "test", "data", "images", "train_data"})


def is_named(source: str) -> bool:
    """Whether a source is one of the program's own names, or of the Hub's, and no path."""
    return source.split(":")[0].lower().replace("_", "-") in registry.SOURCES


def absolute_source(source: str) -> str:
    """`source`, the paths in it made absolute: so that what is kept of it holds in any folder. Named sources stay."""
    base, options = split_options(source)
    if options.labels not in ("", "none"):
        source = with_options(source, labels=_absolute(options.labels))
    made = base if is_named(base) else _absolute(base)
    return made + source[len(base) :] if source.startswith(base) else source


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if path and Path(path).exists() else path


def short_source(source: str) -> str:
    """`source` as it may be shown to others: of a path on this machine, also after kinds (`knee:/a/b`), two parts, and
    the name of a table of labels."""
    base, options = split_options(source)
    if options.labels not in ("", "none"):
        source = with_options(source, labels=Path(options.labels).name)
    asked = source[len(base) :]
    for start in (0, *(i + 1 for i, letter in enumerate(base) if letter == ":")):
        if (path := Path(base[start:])).is_absolute():
            return base[:start] + "/".join(path.parts[-2:]) + asked
    return source


def stem(source: str) -> str:
    """A short name of a source, for a run that learns from it."""
    return Path(split_options(source)[0]).stem


def open_source(source: str, cache_dir: Path) -> Source:
    """What a source's text names.

    Raises:
        UserError: if it names nothing, what it names cannot be read, or it asks for what a source cannot give.
    """
    base, options = split_options(source.strip())
    kind, colon, rest = base.partition(":")
    kind = kind.lower().replace("_", "-")
    if is_named(base) and (colon or kind != "hf"):
        if options.recipe and kind != "hf":
            raise UserError(f"{base} is read in one way only: leave out what follows the question mark.")
        return registry.resolve(registry.SOURCES[kind])(rest, cache_dir, options)
    return _path_source(base, options)


def _path_source(source: str, options: Options) -> FileSource:
    missing = UserError(
        f"There is no file or folder {source[:200]!r}; give a folder, zip, DICOM or image file, hf:OWNER/NAME, "
        f"or one of {', '.join(registry.SOURCES)}."
    )
    if not source:
        raise missing
    try:
        path = Path(source).expanduser().resolve()
        if not path.exists():
            raise missing
        if path.is_dir():
            return _folder_source(snapshot(path), options)
        if not path.is_file():
            raise UserError(f"{source} is neither a folder nor a file; give one of these.")
        return _file_source(path, options)
    except (OSError, RuntimeError, ValueError) as e:
        why = getattr(e, "strerror", None) or e
        raise UserError(f"{source[:200]!r} cannot be opened ({why}); check the path and its permissions.") from e


def _folder_source(path: Path, options: Options) -> FileSource:
    """A folder of images; of parquet tables and of archives of arrays in it, the images are as files of its own."""
    found, skipped = list_folder(path)
    places = {e.name: path / e.name for e in found}
    entries: list[Entry] = []
    containers: list[Columns] = []
    for entry in found:
        try:
            held = _columns(entry.name, entry.path or places[entry.name], options)
        except Question:
            raise
        except UserError as e:
            skipped.append(Skipped(entry.name, str(e)))
            continue
        if held is None or not held.entries:
            entries.append(entry)
        else:
            containers.append(held)
    if containers:  # other pictures beside them are only previews
        skipped += [Skipped(e.name, "lies beside tables that hold the images") for e in entries if not _tells(e.name)]
        entries = [e for e in entries if _tells(e.name)] + [e for c in containers for e in c.entries]
    return FileSource(
        _short_name(path),
        sorted(entries, key=lambda e: natural(e.name)),
        (*((e.name, e.path or places[e.name]) for e in found), *_labels_file(options)),
        tuple(skipped),
        options,
        next((c.class_order for c in containers), ()),
        next((c.column for c in containers), ""),
        f"files{options.recipe}",
    )


def _tells(name: str) -> bool:
    return Path(name).suffix.lower() in (".csv", ".tsv", ".json", ".jsonl")


def _columns(name: str, path: Path, options: Options) -> Columns | None:
    """The images in a file that holds them in rows; None of any other."""
    reader = registry.CONTAINERS.get(Path(name).suffix.lower())
    return registry.resolve(reader)(name, path, options) if reader else None


def _file_source(path: Path, options: Options) -> FileSource:
    """A zip, a tar, a parquet table, an archive of arrays, or a picture."""
    with path.open("rb") as f:
        head = f.read(4)
    files = (("", path), *_labels_file(options))
    name = _short_name(path)
    if held := _columns(path.name, path, options):
        if not held.entries:
            raise UserError(f"{path.name} has no column of images.")
        return FileSource(
            name, held.entries, files, (), options, held.class_order, held.column, f"table{options.recipe}"
        )
    if head in (b"PK\3\4", b"PK\5\6") or path.suffix.lower() == ".zip":
        return FileSource(name, list_zip(path), files, options=options, recipe=f"zip{options.recipe}")
    if is_tar(path):
        return FileSource(name, TarEntries(path), files, options=options, recipe=f"tar{options.recipe}")
    entry = on_disk(path.name, path, path.stat().st_size)
    return FileSource(name, [entry], ((path.name, path), *files[1:]), options=options, recipe=f"files{options.recipe}")


def _labels_file(options: Options) -> Iterator[tuple[str, Path]]:
    if options.labels not in ("", "none"):
        path = Path(options.labels).expanduser()
        if not path.is_file():  # a device may never end
            raise UserError(f"The table of labels {options.labels!r} cannot be opened (there is no such file).")
        yield "?labels", path


def _short_name(path: Path) -> str:
    stem = path.stem.removesuffix(".tar") if path.is_file() else path.name
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
    fingerprint = cache.fingerprint(cache.content_digest(opened, folder), resolution, fit)
    key = cache.key(fingerprint)
    found = cache.fetch(folder, key, memory_share)
    if found is None:
        found = _decode(opened, resolution, fit, progress, folder, key, memory_share)
    images, about = found
    names = tuple(about["class_names"])
    index = {"": 0} | {name: i for i, name in enumerate(names)}
    return Dataset(
        images=images,
        labels=np.array([index[label] for label in about["labels"]], np.int64),
        class_names=names,
        files=tuple(about["files"]),
        skipped=skipped(opened, about),
        name="-".join(filter(None, (opened.name, slug(about["split"]) if about["split"] else ""))),
        fingerprint=fingerprint,
        patients=tuple(about["patients"]),
        label_name=about["label_name"],
        said=tuple(about["said"]),
        splits=tuple(about["splits"]),
        checksum=about["crc32"],
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
        raise nothing(opened, about)
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
        raise nothing(opened, about)
    return np.frombuffer(memory.getbuffer(), np.uint8).reshape(-1, 1, resolution, resolution), about


def skipped(opened: Source, about: dict[str, Any]) -> tuple[Skipped, ...]:
    return (*opened.skipped, *(Skipped(*pair) for pair in about["skipped"]))


def nothing(opened: Source, about: dict[str, Any]) -> UserError:
    left = skipped(opened, about)
    if not left:
        return UserError(f"{opened.name} holds no files; give a folder or zip of images.")
    first = "; ".join(f"{s.file}: {s.reason}" for s in left[:3])
    count = f"{len(left):,} files were" if len(left) > 1 else "1 file was"
    return UserError(f"{opened.name} holds no usable image; {count} skipped ({first}).")
