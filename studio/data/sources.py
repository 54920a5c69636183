"""From what a person writes ("phantom:500", "hf:owner/name", a path) to a source of images.

A source of another kind is an entry of `SOURCES`, a file that holds images in rows one of `CONTAINERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from gan_core.data.dataset import Skipped
from gan_core.data.decode import Unusable
from gan_core.data.source import File, FileSource, Layout, Source, list_folder, natural, on_disk, slug
from gan_core.errors import UserError
from gan_core.registry import resolve
from studio.data import tables
from studio.data.archives import blobs, is_tar, list_tar, list_zip, snapshot, without_blobs
from studio.data.layout import understand
from studio.data.options import KNEES, NONE, Options, Question, split_options, with_options
from studio.data.tables import Columns

# name -> function(text after the colon, cache folder, options) -> Source
SOURCES: dict[str, str] = {
    "digits": "studio.data.made:digits_source",
    "mnist": "studio.data.made:mnist_source",
    "fashion-mnist": "studio.data.made:fashion_mnist_source",
    "phantom": "studio.knee.phantom.source:phantom_source",
    "hf": "studio.data.hub:hub_source",
}
# ending of a file -> function(name, path, options) -> Columns
CONTAINERS: dict[str, str] = {".parquet": "studio.data.parquet:list_parquet", ".npz": "studio.data.arrays:list_npz"}
_GENERIC = frozenset({"train", "val", "test", "data", "images", "train_data"})


def is_named(source: str) -> bool:
    """Whether a source is one of the program's own names, or of the Hub's, and no path."""
    return source.split(":")[0].lower().replace("_", "-") in SOURCES


def absolute_source(source: str) -> str:
    """`source`, the paths in it made absolute: so that what is kept of it holds in any folder. Named sources stay."""
    base, options = split_options(source)
    if options.labels not in ("", NONE):
        source = with_options(source, labels=_absolute(options.labels))
    if options.crop not in ("", KNEES):
        source = with_options(source, crop=_absolute(options.crop))
    made = base if is_named(base) else _absolute(base)
    return made + source[len(base) :] if source.startswith(base) else source


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if path and Path(path).exists() else path


def stem(source: str) -> str:
    """A short name of a source, for a run that learns from it."""
    return Path(split_options(source)[0]).stem


def open_source(source: str, cache_dir: Path) -> Source:
    """What a source's text names.

    Raises:
        UserError: if it names nothing, what it names cannot be read, or it asks for what a source cannot give.
    """
    options = split_options(source.strip())[1]
    opened = _opened(source, cache_dir)
    if not options.crop:
        return opened
    from studio.data.crops import cropped  # the networks that find knees are slow to load

    return cropped(opened, cache_dir)


def _opened(source: str, cache_dir: Path) -> Source:
    """The source of whole images."""
    base, options = split_options(source.strip())
    kind, colon, rest = base.partition(":")
    kind = kind.lower().replace("_", "-")
    if is_named(base) and (colon or kind != "hf"):
        if options.recipe and kind != "hf":
            raise UserError(f"{base} is read in one way only: leave out what follows the question mark.")
        return resolve(SOURCES[kind])(rest, cache_dir, options)
    missing = UserError(
        f"There is no file or folder {base[:200]!r}; give a folder, zip, DICOM or image file, hf:OWNER/NAME, "
        f"or one of {', '.join(SOURCES)}."
    )
    if not base:
        raise missing
    try:
        path = Path(base).expanduser().resolve()
        if not path.exists():
            raise missing
        if path.is_dir():
            return _folder(snapshot(path), options)
        if not path.is_file():
            raise UserError(f"{base} is neither a folder nor a file; give one of these.")
        return _file(path, options)
    except (OSError, RuntimeError, ValueError) as e:
        why = getattr(e, "strerror", None) or e
        raise UserError(f"{base[:200]!r} cannot be opened ({why}); check the path and its permissions.") from e


@dataclass(frozen=True)
class UnderstoodFiles(FileSource):
    """Image files of a folder, an archive or a repository, with all that their places and tables say of them."""

    options: Options = Options()  # noqa: RUF009  (it is frozen)
    class_order: tuple[str, ...] = ()  # of a container that names its classes
    column: str = ""  # that they stand in

    @property
    def owned(self) -> bool:
        """Whether a file may say in itself whose it is: unless a person has said how that is known."""
        return not self.options.patients

    @cached_property
    def known(self) -> tuple[list[File], Layout]:
        """Every file that is no table of labels, and what is known of all."""
        files = self.sniffed()
        found, sure, unread = self._tables({f.name: f for f in files if f.reason})
        pictures = [f for f in files if not f.reason]
        known, layout, used = understand(pictures, found, sure, self.options, self.class_order, self.column)
        each = iter(known)
        # What is passed over unopened belongs to no split, and is told whichever is used.
        all_known = [replace(f, split=layout.split) if f.reason else next(each) for f in files if f.name not in used]
        return all_known, replace(layout, said=(*layout.said, *unread))

    def _tables(self, others: Mapping[str, File]) -> tuple[dict[str, list[dict[str, str]]], frozenset[str], list[str]]:
        """The rows of the tables that may hold labels, by name, which of them certainly are such tables, and what is to
        be said of those that are not used. `others` are the files that are no pictures.

        Raises:
            UserError: if the one that was asked for cannot be read.
        """
        asked = self.options.labels
        if asked == NONE:
            return {}, frozenset(), []
        if asked:
            return {asked: _asked_table(asked)}, frozenset({asked}), []
        texts = [name for name in others if PurePosixPath(name).suffix.lower() in tables.SUFFIXES]
        named = [name for name in texts if PurePosixPath(name).name.lower() in tables.TABLES]
        chosen = named or (texts if len(texts) == 1 else [])
        found: dict[str, list[dict[str, str]]] = {}
        csvs = [name for name in texts if name.lower().endswith((".csv", ".tsv"))]
        unread = []
        if csvs and not chosen:
            listed = ", ".join(csvs[:4]) + (f" and {len(csvs) - 4:,} more" if len(csvs) > 4 else "")
            unread.append(
                f"There are tables beside the images: {listed}. If one holds their classes, name it with --labels."
            )
        for name in chosen:
            try:
                with others[name].open() as file:
                    found[name] = tables.read_rows(file.read(tables.MAX_TABLE_BYTES), name)
            except (UserError, OSError, Unusable) as e:  # it stays among the files that are no images
                if name in named:
                    unread.append(f"The labels are not read: {e}")
        return found, frozenset(named), unread


def _folder(path: Path, options: Options) -> FileSource:
    """A folder of images; of parquet tables and of archives of arrays in it, the images are as files of its own."""
    listed, skipped = list_folder(path, blobs(path))
    found = without_blobs(listed)
    files: list[File] = []
    containers: list[Columns] = []
    for file in found:
        try:
            held = _columns(file.name, file.path, options)
        except Question:
            raise
        except UserError as e:
            skipped.append(Skipped(file.name, str(e)))
            continue
        if held is None or not held.files:
            files.append(file)
        else:
            containers.append(held)
    if containers:  # other pictures beside them are only previews
        skipped += [Skipped(f.name, "lies beside tables that hold the images") for f in files if not _tells(f.name)]
        files = [f for f in files if _tells(f.name)] + [f for c in containers for f in c.files]
        files.sort(key=lambda f: natural(f.name))
    paths = tuple((f.name, f.path) for f in found if f.path)
    return _source(path, lambda: files, paths, "files", options, containers, skipped)


def _tells(name: str) -> bool:
    return Path(name).suffix.lower() in (".csv", ".tsv", ".json", ".jsonl")


def _columns(name: str, path: Path | None, options: Options) -> Columns | None:
    """The images in a file that holds them in rows; None of any other."""
    reader = CONTAINERS.get(Path(name).suffix.lower())
    return resolve(reader)(name, path, options) if reader else None


def _file(path: Path, options: Options) -> FileSource:
    """A zip, a tar, a parquet table, an archive of arrays, or a picture."""
    with path.open("rb") as f:
        head = f.read(4)
    if held := _columns(path.name, path, options):
        if not held.files:
            raise UserError(f"{path.name} has no column of images.")
        return _source(path, lambda: held.files, (("", path),), "table", options, [held])
    if head in (b"PK\3\4", b"PK\5\6") or path.suffix.lower() == ".zip":
        members = list_zip(path)
        return _source(path, lambda: members, (("", path),), "zip", options)
    if is_tar(path):
        return _source(path, partial(list_tar, path), (("", path),), "tar", options)
    alone = on_disk(path.name, path)
    return _source(path, lambda: [alone], ((path.name, path),), "files", options)


def _source(
    path: Path,
    listed: Callable[[], Sequence[File]],
    paths: tuple[tuple[str, Path], ...],
    kind: str,
    options: Options,
    containers: Sequence[Columns] = (),
    skipped: Sequence[Skipped] = (),
) -> UnderstoodFiles:
    held = containers[0] if containers else Columns([])
    stem = path.stem.removesuffix(".tar") if path.is_file() else path.name
    if stem.lower() in _GENERIC and path.parent.name:
        stem = f"{path.parent.name}-{stem}"
    return UnderstoodFiles(
        slug(stem),
        listed,
        (*paths, *_labels_file(options)),
        tuple(skipped),
        f"{kind}{options.recipe}",
        options,
        held.class_order,
        held.column,
    )


def _labels_file(options: Options) -> Iterator[tuple[str, Path]]:
    if options.labels not in ("", NONE):
        path = Path(options.labels).expanduser()
        if not path.is_file():  # a device may never end
            raise UserError(f"The table of labels {options.labels!r} cannot be opened (there is no such file).")
        yield "?labels", path


def _asked_table(path: str) -> list[dict[str, str]]:
    try:
        with Path(path).expanduser().open("rb") as file:
            return tables.read_rows(file.read(tables.MAX_TABLE_BYTES), path)
    except (OSError, RuntimeError, ValueError) as e:
        raise UserError(f"The table of labels {path!r} cannot be opened ({getattr(e, 'strerror', None) or e}).") from e
