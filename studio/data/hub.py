"""An image data set on the Hugging Face Hub: its image files, zips and parquet tables. No code of it ever runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from gan_core.data.source import in_order, is_silent, natural, on_disk, slug
from gan_core.errors import UserError
from gan_core.files import write_text
from gan_core.hub import RemoteFile, Unreachable, api, explained, is_sound, remote_files
from studio.data import tables
from studio.data.archives import list_zip
from studio.data.names import SPLITS
from studio.data.options import ALL, Options
from studio.data.parquet import list_parquet
from studio.data.sources import UnderstoodFiles

MAX_HUB_BYTES = 8 * 2**30  # of all files downloaded for one source
_PICTURES = frozenset(
    (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".pgm", ".jp2", ".avif", ".dcm")
)
_ARCHIVES = frozenset((".zip", ".parquet"))
_SOURCE = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[^:@\s]+))?(:(?P<split>[\w-]+))?")


@dataclass(frozen=True)
class _Listing:
    commit: str
    files: list[RemoteFile]


def hub_source(text: str, folder: Path, options: Options = Options()) -> UnderstoodFiles:  # noqa: B008  (it is frozen)
    """The data set `owner/name[@revision][:split]`, downloaded into Hugging Face's own cache.

    Without a split it is the one called train, or everything where none is called so. What it holds is noted in
    `folder`, so that what was downloaded before is found again offline.

    Raises:
        UserError: if the text is malformed, the repository or the split is missing, gated, too large or without
            images, or the Hub cannot be reached.
    """
    asked = _SOURCE.fullmatch(text)
    if not asked:
        raise UserError(
            f"hf:{text} names no data set; write hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME:SPLIT."
        )
    repo, split = asked["repo"], asked["split"] or options.split or None
    split, everything = (None if split == ALL else split), split == ALL
    listing = _listing(repo, asked["revision"], folder / "hub")
    usable = {f.name: f for f in listing.files if _is_usable(f.name)}
    archives = [name for name in usable if _suffix(name) in _ARCHIVES]  # may hold the split within
    labels = [name for name in usable if PurePosixPath(name).name.lower() in tables.TABLES]
    wanted = list(usable) if everything else pick(usable, split) or archives
    chosen = [usable[name] for name in dict.fromkeys((*wanted, *labels))]
    if (total := sum(f.size for f in chosen)) > MAX_HUB_BYTES:
        raise UserError(
            f"{repo} has {total / 2**30:.1f} GiB of images; at most {MAX_HUB_BYTES // 2**30} GiB are downloaded. "
            "Name one of its splits, or download a part yourself and name the folder."
        )
    downloads = in_order(partial(_download, repo, listing.commit), chosen)
    paths = tuple((f.name, path) for f, path in zip(chosen, downloads, strict=True))
    columns = [list_parquet(name, path, options) for name, path in paths if _suffix(name) == ".parquet"]
    with_images = next((c for c in columns if c.files), tables.Columns([]))
    found = [file for c in columns for file in c.files]
    if not found:  # where there are tables of images, other files are only their previews
        for name, path in paths:
            if _suffix(name) == ".zip":
                found += [replace(f, name=f"{name}/{f.name}", folders=f.parents) for f in list_zip(path)]
            else:
                found.append(on_disk(name, path))
    files = {f.name: f for f in found}
    picked = set(files if everything else pick(files, split)) | set(labels)
    names = sorted(picked & files.keys(), key=natural)
    if not names:
        what = f"no images of a split {split!r}" if split else "no image files, zips or parquet tables with images"
        raise UserError(f"{repo} has {what}; look at its files on huggingface.co/datasets/{repo}.")
    return UnderstoodFiles(
        slug(repo),
        lambda: [files[name] for name in names],
        paths,
        options=options.model_copy(update={"split": ALL}),  # it has been picked
        class_order=with_images.class_order,
        column=with_images.column,
        recipe=f"hub {ALL if everything else split or ''}{options.recipe}",
    )


def _is_usable(name: str) -> bool:
    table = PurePosixPath(name).name.lower() in tables.TABLES
    return (table or _suffix(name) in _PICTURES | _ARCHIVES) and not is_silent(name)


def pick(names: Iterable[str], split: str | None) -> list[str]:
    """The names that belong to a split by their beginning or their folders'; without one, to train if any does."""
    names = list(names)
    chosen = [name for name in names if _synonym(split or "train") in _splits(name)]
    return chosen if chosen or split else names


def _splits(name: str) -> set[str]:
    return {_synonym(re.split(r"[-_.]", part)[0]) for part in PurePosixPath(name).parts}


def _synonym(split: str) -> str:
    return SPLITS.get(split.lower(), split.lower())


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _listing(repo: str, revision: str | None, folder: Path) -> _Listing:
    """The repository's files, asked of the Hub or, where it cannot be reached, remembered in `folder`."""
    note = folder / f"{hashlib.sha256(f'{repo}@{revision}'.encode()).hexdigest()}.json"
    try:
        with explained(repo, revision, "data set"):
            info = api().dataset_info(repo, revision=revision, files_metadata=True, timeout=20)
    except Unreachable as e:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(note.read_bytes())
            return _Listing(known["commit"], [RemoteFile(**f) for f in known["files"]])
        raise UserError(f"{e} {repo} was not downloaded before.") from e
    listing = _Listing(info.sha or "main", remote_files(info))
    with contextlib.suppress(OSError):
        write_text(note, json.dumps(asdict(listing)))
    return listing


def _download(repo: str, commit: str, file: RemoteFile) -> Path:
    """A file from Hugging Face's cache, or from the Hub and then checked against the sum that the Hub declares."""
    import huggingface_hub as hub

    cached = hub.try_to_load_from_cache(repo, file.name, revision=commit, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    with explained(repo, commit, "data set"):
        path = Path(api().hf_hub_download(repo, file.name, revision=commit, repo_type="dataset"))
    if not is_sound(path, file):
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise UserError(f"{file.name} of {repo} arrived damaged; try again.")
    return path
