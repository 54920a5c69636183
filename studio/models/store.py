"""Models that came from elsewhere, kept beside the runs: `runs/models/hub/owner/name@1a2b3c4/` and
`runs/models/uploads/name@1a2b3c4/`. Each is a model folder with an `origin.json`; none is ever changed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from gan_core import files
from gan_core.config import Settings
from gan_core.errors import UserError, why
from gan_core.hub import parse_name
from gan_core.train.run import runs_root

ORIGIN = "origin.json"
SHORT = 7  # digits of a commit or a digest in a name


class Origin(Settings):
    """Where a model came from."""

    source: Literal["hub", "upload"]
    repo: str = Field(max_length=200)  # owner/name; of an upload its file's name
    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$")  # of an upload the digest of its model
    revisions: tuple[str, ...] = ()  # as it was asked for; "" is the newest
    licence: str = Field("", max_length=200)
    when: float = Field(0.0, ge=0)  # seconds since 1970
    owner: str = Field("", max_length=200)  # whose upload it is, on a host


@dataclass(frozen=True)
class Stored:
    name: str  # owner/name@1a2b3c4, or name@1a2b3c4 of an upload
    folder: Path
    origin: Origin

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())


def models_root() -> Path:
    return runs_root() / "models"


def stored() -> list[Stored]:
    """All of them, the newest first."""
    found = [s for kind in ("hub/*/*", "uploads/*") for p in models_root().glob(f"{kind}/{ORIGIN}") if (s := _read(p))]
    return sorted(found, key=lambda s: (-s.origin.when, s.name))


def _read(path: Path) -> Stored | None:
    with suppress(OSError, ValidationError):
        origin = Origin.model_validate_json(files.read_own(path, path.parent))
        folder = path.parent
        owner = f"{folder.parent.name}/" if origin.source == "hub" else ""
        return Stored(owner + folder.name, folder, origin)
    return None


def origin_of(folder: Path) -> Origin | None:
    """Where the model in a folder came from; None of one that was made here."""
    found = _read(folder / ORIGIN)
    return found.origin if found else None


def find_stored(name: str) -> Stored | None:
    """By its own name; of the Hub's also `owner/name`, as pulled last, and `owner/name@revision`."""
    everything = stored()
    for s in everything:
        if s.name == name:
            return s
    wanted = parse_name(name)
    if wanted is None:
        return None
    of_repo = [s for s in everything if s.origin.source == "hub" and s.origin.repo == wanted.repo]
    asked = [s for s in of_repo if (wanted.revision or "") in s.origin.revisions]
    if wanted.revision is None:
        asked += of_repo
    elif re.fullmatch(r"[0-9a-f]{7,40}", wanted.revision):
        asked += [s for s in of_repo if s.origin.commit.startswith(wanted.revision)]
    return next(iter(asked), None)


def find_model(name: str) -> Path | None:
    """The folder of a generator that is called so here: a run, or a model from elsewhere (`registry.MODELS`).

    Raises `UserError` for one of the Hub's that has not been fetched.
    """
    from gan_core.model import is_model  # PyTorch: whoever only lists what is here does without

    run = runs_root() / name
    for folder in (run / "generator", run):
        if is_model(folder):
            return folder
    if found := find_stored(name):
        return found.folder
    if parse_name(name):
        raise UserError(
            f"{name!r} is neither a model folder nor a run with a generator. To fetch it from the Hub first: "
            f"python -m gan_core pull {name}"
        )
    return None


@contextmanager
def staging() -> Iterator[Path]:
    """A folder to make a model in; what is not kept is gone afterwards. Raises `UserError` where nothing can be
    written."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(files.staging(models_root()))
        except OSError as e:
            raise UserError(f"No model can be kept in {models_root()}: {why(e)}.") from e
        yield folder / "model"


def keep(folder: Path, origin: Origin) -> Stored:
    """Moves a finished, checked folder to its place, whole or not at all."""
    if origin.source == "hub":
        owner, _, name = origin.repo.partition("/")
        target = models_root() / "hub" / owner / f"{name}@{origin.commit[:SHORT]}"
    else:
        target = models_root() / "uploads" / f"{origin.repo}@{origin.commit[:SHORT]}"
    _write(folder, origin)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        _drop(target)
    with suppress(OSError):  # somebody else has just kept the same
        folder.rename(target)
    found = _read(target / ORIGIN)
    if found is None or found.origin.commit != origin.commit:
        raise UserError(f"The model cannot be kept in {target}: check that folder's permissions.")
    return found


def asked_again(found: Stored, revision: str) -> Stored:
    """The same model, noted as what this revision is now."""
    names = tuple(dict.fromkeys((*found.origin.revisions, revision)))
    with suppress(OSError):  # the model is here all the same
        _write(found.folder, found.origin.model_copy(update={"revisions": names}))
    return _read(found.folder / ORIGIN) or found


def _write(folder: Path, origin: Origin) -> None:
    noted = origin.model_copy(update={"when": time.time()})
    files.write_text(folder / ORIGIN, json.dumps(noted.model_dump(), indent=2))


def remove(name: str) -> Stored:
    """Deletes a model that came from elsewhere. Raises `UserError` where there is none of this name."""
    found = find_stored(name)
    if found is None:
        raise UserError(f"There is no model {name[:100]!r} from the Hub or from a file here.")
    try:
        _drop(found.folder)
    except OSError as e:
        raise UserError(f"{found.name} cannot be removed: {why(e)}.") from e
    with suppress(OSError):  # an owner of other models
        found.folder.parent.rmdir()
    return found


def _drop(folder: Path) -> None:
    """Gone at once for whoever looks; then from the disk."""
    with files.staging(models_root()) as bin_:
        folder.rename(bin_ / "model")
