"""An image data set on the Hugging Face Hub: its image files, zips, tables and arrays. No code of it ever runs.

`search` and `look` say what there is before anything of it is fetched, `fetch` downloads it with progress, and
`hub_source` reads it. All download into Hugging Face's own cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

from gan_core.data import cache
from gan_core.data.source import File, in_order, is_silent, natural, on_disk, slug
from gan_core.errors import UserError
from gan_core.files import size_text, write_text
from gan_core.hub import (
    PATIENCE,
    RemoteFile,
    Unreachable,
    api,
    check_public,
    explained,
    is_sound,
    lends_token,
    meter,
    remote_files,
    within,
)
from gan_core.registry import resolve
from studio.data import sources, tables
from studio.data.archives import list_zip
from studio.data.names import SPLITS
from studio.data.options import ALL, Options
from studio.data.tables import Columns

MAX_HUB_BYTES = 8 * 2**30  # of all files downloaded for one source
_PICTURES = frozenset(
    (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".pgm", ".jp2", ".avif", ".dcm")
)
_ARCHIVES = frozenset((".zip", ".parquet"))
_ARRAYS = frozenset(
    (".npz",)
)  # only where there is nothing else: beside pictures they hold features, or the same again
_SOURCE = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[^:@\s]+))?(:(?P<split>[\w-]+))?")
_ADDRESS = re.compile(r"(hf:|(https?://)?(www\.)?(huggingface\.co|hf\.co)/)?(datasets/)?", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_FOUND = 20  # data sets of a search
_MOST_OF_CARD = 2**20  # bytes
_MOST_PARTS = 50  # on offer


@dataclass(frozen=True)
class Known:
    """A public data set by name: what its page on the Hub says of it."""

    title: str
    source: str  # as `look` takes it
    about: str


KNOWN = (
    Known(
        "Knees: UMIE, knee osteoarthritis",
        "lion-ai/umie_datasets:knee_osteoarthritis",
        "A part of the Unified Medical Imaging Ensemble. 203 MB, CC BY 4.0.",
    ),
    Known(
        "Chests: pneumonia in children",
        "hf-vision/chest-xray-pneumonia",
        "5,856 chest films of children aged one to five, with and without pneumonia. 1.2 GB, CC BY 4.0.",
    ),
    Known(
        "Chests: PneumoniaMNIST",
        "albertvillanova/medmnist-v2:pneumoniamnist",
        "The same films at 28 × 28 pixels, for a first try. 4 MB, CC BY 4.0.",
    ),
)


@dataclass(frozen=True)
class _Listing:
    commit: str
    files: list[RemoteFile]
    public: bool = False  # as far as is known


@dataclass(frozen=True)
class Hit:
    """A data set that a search has found."""

    repo: str
    licence: str  # "" where it states none
    size: str  # its number of images as the Hub puts it, "1K<n<10K"; "" where it does not say
    downloads: int  # in the last month


@dataclass(frozen=True)
class Offer:
    """A data set on the Hub as it was at one commit, before anything of it is fetched."""

    repo: str
    commit: str
    files: tuple[RemoteFile, ...]  # that can be read
    licence: str  # "" where it states none
    gated: bool
    private: bool
    card: str  # Markdown, without its front matter
    asked: str  # the part that was asked for; "" for none

    @cached_property
    def parts(self) -> list[str]:
        """What can be had: "" for the training images, or for everything where none are called so; splits, folders or
        archives by name; `ALL`."""
        names = [file.name for file in self.files]
        known = set().union(*(_splits(name) for name in names)) & set(SPLITS.values())
        folders = {PurePosixPath(name).parts[0] for name in names if "/" in name}
        archives = {PurePosixPath(name).stem for name in names if _suffix(name) in _ARCHIVES | _ARRAYS}
        found = sorted(known) or sorted(folders if len(folders) > 1 else archives, key=natural)
        if len(folders) > 1 and not folders <= SPLITS.keys():
            found += [name for name in sorted(folders, key=natural) if name not in found]
        found = [name for name in found if re.fullmatch(r"[\w-]+", name)]
        return list(dict.fromkeys(("", *([self.asked] if self.asked else []), *found[:_MOST_PARTS], ALL)))

    def needed(self, part: str) -> list[RemoteFile]:
        """The files to fetch for a part; none where the data set has no such part."""
        return _wanted({file.name: file for file in self.files}, part)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Bytes to fetch for each part."""
        return {part: sum(file.size for file in self.needed(part)) for part in self.parts}

    def source(self, part: str) -> str:
        """The source that is this part at this commit."""
        return f"hf:{self.repo}@{self.commit}" + (f":{part}" if part else "")

    def is_here(self, part: str) -> bool:
        """Whether all of a part was fetched before."""
        return all(_cached(self.repo, self.commit, file) for file in self.needed(part))


def search(words: str) -> list[Hit]:
    """The data sets that the Hub finds for some words, those that are fetched most first.

    Raises:
        Unreachable: if the Hub does not answer, within five seconds.
    """

    def ask() -> list[Any]:
        with explained(words, what="data set"):
            return list(api().list_datasets(search=words, sort="downloads", limit=_MOST_FOUND))

    hits = []
    for info in within(PATIENCE, ask):
        said = dict(tag.split(":", 1) for tag in info.tags or () if ":" in tag)
        hits.append(Hit(info.id, said.get("license", ""), said.get("size_categories", ""), info.downloads or 0))
    return [hit for hit in hits if _SOURCE.fullmatch(hit.repo)]


def names_one(text: str) -> bool:
    """Whether a text names a data set, or is the address of one's page; else it is words to search for."""
    return bool(_SOURCE.fullmatch(_bare(text)))


def look(text: str) -> Offer:
    """Asks the Hub what `owner/name[@revision][:part]` or the address of a page is; fetches its card alone.

    Raises:
        Unreachable: if the Hub does not answer.
        UserError: if the text names no data set, there is none of that name, it holds no images that can be read, or
            it has no such part.
    """
    repo, revision, part = _parsed(_bare(text))
    info = _info(repo, revision)
    listing = _note(repo, revision, info, cache.cache_folder() / "hub")
    stated = (info.card_data or {}).get("license") or ""
    offer = Offer(
        repo=repo,
        commit=listing.commit,
        files=tuple(_usable(listing).values()),
        licence=(", ".join(map(str, stated)) if isinstance(stated, list) else str(stated))[:200],
        gated=bool(info.gated),
        private=bool(info.private),
        card=_card(repo, listing),
        asked=part or "",
    )
    if not any(_suffix(file.name) in _PICTURES | _ARCHIVES | _ARRAYS for file in offer.files):
        raise _without_images(repo, None)
    if not offer.needed(offer.asked):
        raise _without_images(repo, offer.asked)
    return offer


def fetch(offer: Offer, part: str = "", progress: Callable[[int], None] = lambda n: None) -> str:
    """Downloads a part of what `look` has found, at the commit that it saw: the source to read.

    `progress` gets the bytes as they come, from several threads; what it raises ends the download.

    Raises:
        Unreachable: if the connection is lost for good.
        UserError: if it is too large, there is no room, it is gated, or a file is not what the Hub declares.
    """
    from huggingface_hub import constants

    files = offer.needed(part)
    _check_size(offer.repo, files)
    home = Path(constants.HF_HUB_CACHE)
    home.mkdir(parents=True, exist_ok=True)
    total, room = sum(file.size for file in files), shutil.disk_usage(home).free
    if room < total and not offer.is_here(part):
        raise UserError(f"{offer.repo} takes {size_text(total)}, and the disk has room for {size_text(room)}.")
    list(in_order(partial(_download, offer.repo, offer.commit, progress=progress), files))
    return offer.source(part)


def hub_source(text: str, folder: Path, options: Options = Options()) -> sources.UnderstoodFiles:  # noqa: B008  (it is frozen)
    """The data set `owner/name[@revision][:split]`, downloaded into Hugging Face's own cache.

    Without a split it is the one called train, or everything where none is called so. What it holds is noted in
    `folder`, so that what was downloaded before is found again offline.

    Raises:
        UserError: if the text is malformed, the repository or the split is missing, gated, too large or without
            images, or the Hub cannot be reached.
    """
    repo, revision, part = _parsed(text)
    split = part or options.split or None
    within = options.split if part else ALL  # what is still to be picked of what has been picked
    split, everything = (None if split == ALL else split), split == ALL
    listing = _listing(repo, revision, folder / "hub")
    usable = _usable(listing)
    labels = [name for name in usable if _is_table(name)]
    chosen = _wanted(usable, ALL if everything else split or "")
    _check_size(repo, chosen)
    downloads = in_order(partial(_download, repo, listing.commit), chosen)
    paths = tuple((f.name, path) for f, path in zip(chosen, downloads, strict=True))
    columns = [_columns(name, path, options) for name, path in paths if _suffix(name) in sources.CONTAINERS]
    with_images = next((c for c in columns if c.files), Columns([]))
    found = [file for c in columns for file in c.files]
    if not found:  # where there are tables of images, other files are only their previews
        for name, path in paths:
            if _suffix(name) == ".zip":
                found += [replace(f, name=f"{name}/{f.name}", folders=f.parents) for f in list_zip(path)]
            else:
                found.append(on_disk(name, path))
    files: dict[str, File] = {f.name: f for f in found}
    picked = set(files if everything else pick(files, split)) | set(labels)
    names = sorted(picked & files.keys(), key=natural)
    if not names:
        raise _without_images(repo, split)
    return sources.UnderstoodFiles(
        slug(repo),
        lambda: [files[name] for name in names],
        paths,
        options=options.model_copy(update={"split": within or ALL}),
        class_order=with_images.class_order,
        column=with_images.column,
        recipe=f"hub {ALL if everything else split or ''}{options.recipe}",
    )


def _bare(text: str) -> str:
    """A name without what may stand before it: hf:, or the address of the Hub."""
    text = text.strip()
    return text[len(found[0]) :].removesuffix("/") if (found := _ADDRESS.match(text)) else text


def _parsed(text: str) -> tuple[str, str | None, str | None]:
    """Repository, revision and part."""
    asked = _SOURCE.fullmatch(text)
    if not asked:
        raise UserError(
            f"hf:{text} names no data set; write hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME:SPLIT."
        )
    return asked["repo"], asked["revision"], asked["split"]


def _without_images(repo: str, split: str | None) -> UserError:
    what = f"no images of a split {split!r}" if split else "no image files, zips or parquet tables with images"
    return UserError(f"{repo} has {what}; look at its files on huggingface.co/datasets/{repo}.")


def _check_size(repo: str, files: Iterable[RemoteFile]) -> None:
    if (total := sum(f.size for f in files)) > MAX_HUB_BYTES:
        raise UserError(
            f"{repo} has {total / 2**30:.1f} GiB of images; at most {MAX_HUB_BYTES // 2**30} GiB are downloaded. "
            "Name one of its splits, or download a part yourself and name the folder."
        )


def _usable(listing: _Listing) -> dict[str, RemoteFile]:
    """The files that can be read, by name."""
    heard = [file for file in listing.files if not is_silent(file.name)]
    kinds = _PICTURES | _ARCHIVES
    if not any(_suffix(file.name) in kinds for file in heard):
        kinds = _ARRAYS
    return {file.name: file for file in heard if _is_table(file.name) or _suffix(file.name) in kinds}


def _wanted(usable: dict[str, RemoteFile], part: str) -> list[RemoteFile]:
    """The files that a part needs, with the tables of labels; none where there is no such part."""
    archives = [name for name in usable if _suffix(name) in _ARCHIVES | _ARRAYS]  # may hold the part within
    names = list(usable) if part == ALL else pick(usable, part or None) or archives
    labels = [name for name in usable if _is_table(name)] if names else []
    return [usable[name] for name in dict.fromkeys((*names, *labels))]


def _is_table(name: str) -> bool:
    return PurePosixPath(name).name.lower() in tables.TABLES


def _columns(name: str, path: Path, options: Options) -> Columns:
    return resolve(sources.CONTAINERS[_suffix(name)])(name, path, options)


def pick(names: Iterable[str], split: str | None) -> list[str]:
    """The names that belong to a split by their beginning or their folders'; without one, to train if any does."""
    names = list(names)
    chosen = [name for name in names if _synonym(split or "train") in _splits(name)]
    return chosen if chosen or split else names


def _splits(name: str) -> set[str]:
    parts = PurePosixPath(name).parts
    return {_synonym(word) for part in parts for word in (re.split(r"[-_.]", part)[0], part.partition(".")[0])}


def _synonym(split: str) -> str:
    return SPLITS.get(split.lower(), split.lower())


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _info(repo: str, revision: str | None) -> Any:
    with explained(repo, revision, "data set"):
        info = api(repo).dataset_info(repo, revision=revision, files_metadata=True, timeout=20)
    check_public(repo, bool(info.private or info.gated))
    return info


def _listing(repo: str, revision: str | None, folder: Path) -> _Listing:
    """The repository's files, asked of the Hub or, where it cannot be reached, remembered in `folder`. At a commit they
    are for ever what they were: then nobody is asked twice."""
    if revision and _COMMIT.fullmatch(revision) and (known := _noted(repo, revision, folder)):
        return known
    try:
        return _note(repo, revision, _info(repo, revision), folder)
    except Unreachable as e:
        if known := _noted(repo, revision, folder):
            return known
        raise UserError(f"{e} {repo} was not downloaded before.") from e


def _note(repo: str, revision: str | None, info: Any, folder: Path) -> _Listing:
    """The files of an answer, which is remembered for what was asked and for the commit."""
    listing = _Listing(info.sha or "main", remote_files(info), not (info.private or info.gated))
    for name in {revision, listing.commit}:
        with contextlib.suppress(OSError):
            write_text(_note_path(repo, name, folder), json.dumps(asdict(listing)))
    return listing


def _noted(repo: str, revision: str | None, folder: Path) -> _Listing | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(_note_path(repo, revision, folder).read_bytes())
        listing = _Listing(known["commit"], [RemoteFile(**f) for f in known["files"]], known.get("public") is True)
        if listing.public or lends_token(repo):  # what the host has fetched with a token is not for visitors
            return listing
    return None


def _note_path(repo: str, revision: str | None, folder: Path) -> Path:
    return folder / f"{hashlib.sha256(f'{repo}@{revision}'.encode()).hexdigest()}.json"


def _card(repo: str, listing: _Listing) -> str:
    """A data set's card without its front matter; "" where it has none that can be had."""
    from huggingface_hub import RepoCard

    file = next((f for f in listing.files if f.name == "README.md" and f.size <= _MOST_OF_CARD), None)
    if file is None:
        return ""
    with contextlib.suppress(UserError, ValueError):  # gated, or no YAML
        text = _download(repo, listing.commit, file).read_text(encoding="utf-8", errors="replace")
        return RepoCard(text, ignore_metadata_errors=True).text.strip()
    return ""


def _cached(repo: str, commit: str, file: RemoteFile) -> Path | None:
    import huggingface_hub as hub

    cached = hub.try_to_load_from_cache(repo, file.name, revision=commit, repo_type="dataset")
    return Path(cached) if isinstance(cached, str) else None


def _download(repo: str, commit: str, file: RemoteFile, progress: Callable[[int], None] = lambda n: None) -> Path:
    """A file from Hugging Face's cache, or from the Hub and then checked against the sum that the Hub declares."""
    if cached := _cached(repo, commit, file):
        progress(file.size)
        return cached
    with explained(repo, commit, "data set"):
        path = Path(
            api(repo).hf_hub_download(repo, file.name, revision=commit, repo_type="dataset", tqdm_class=meter(progress))
        )
    if not is_sound(path, file):
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise UserError(f"{file.name} of {repo} arrived damaged; try again.")
    return path
