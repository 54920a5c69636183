"""A model folder that comes as a zip: the same checks as for one from the Hub."""

from __future__ import annotations

import secrets
import zipfile
from pathlib import Path, PurePosixPath

from gan_core.data.source import slug
from gan_core.errors import UserError, why
from gan_core.model import CONFIG, TENSORS, digest
from studio.data.archives import list_zip
from studio.models.check import CRITIC, TAKEN, called, check_model, check_sizes
from studio.models.store import Origin, Stored, keep, staging

_CHUNK = 2**20


def keep_zip(path: Path, name: str = "", owner: str = "") -> Stored:
    """Takes the one model folder in a zip, wherever in it that lies; `name` is how the person calls the file.

    That of an `owner` is kept under a name that nobody guesses and that says nothing of the file.

    Of its files only those of a model folder are read, each to its limit; nothing is ever unpickled.

    Raises:
        UserError: if the zip is damaged, encrypted, would lead outside or expand beyond measure, or holds no model,
            more than one, or one that does not load strictly.
    """
    name = PurePosixPath((name or path.name).replace("\\", "/")).name[:100]
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    list_zip(path)  # refuses names that lead outside, links, bombs
    with called(name), staging() as folder, zipfile.ZipFile(path) as archive:
        members = _members(archive)
        check_sizes({inside: member.file_size for inside, member in members.items()})
        for inside, member in members.items():
            _extract(archive, member, folder / inside)
        with called(name, folder):
            check_model(folder)
        repo = f"upload-{secrets.token_hex(6)}" if owner else slug(PurePosixPath(name).stem)
        return keep(folder, Origin(source="upload", repo=repo, commit=digest(folder), owner=owner))


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of the one model folder, by their names inside it."""
    everything: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        if everything.setdefault(member.filename, member) is not member:
            raise UserError(f"it holds {member.filename!r} twice")
    roots = [
        name.removesuffix(TENSORS)
        for name in everything
        if name.rpartition("/")[2] == TENSORS
        and name.removesuffix(TENSORS) + CONFIG in everything
        and not name.endswith(f"{CRITIC}/{TENSORS}")
    ]
    if len(roots) > 1:
        raise UserError(f"it holds {len(roots)} models: zip one model folder, such as a run's generator")
    root = roots[0] if roots else ""
    return {inside: everything[root + inside] for inside in TAKEN if root + inside in everything}


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Writes a member; it never reads on past the size that was declared and checked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(member) as source, target.open("wb") as out:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
    except OSError as e:  # of the disk
        raise UserError(f"it cannot be unpacked: {why(e)}") from e
    except Exception as e:  # a decompressor fed with damaged bytes raises anything
        raise UserError(f"{member.filename} in it is damaged: make the zip again") from e
