"""A model from the Hub: what it is; then each file checked bit for bit, the whole strictly loaded, and kept."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.hub import (
    PATIENCE,
    HubName,
    RemoteFile,
    Unreachable,
    api,
    check_public,
    explained,
    fetch,
    hub_name,
    is_sound,
    remote_files,
    within,
)
from studio.models.store import Origin, Stored, asked_again, find_stored, keep, models_root, staging, stored

if TYPE_CHECKING:
    from gan_core.model import ModelConfig


@dataclass(frozen=True)
class Found:
    """A model on the Hub, as it was at one commit. `files` are all that will ever be fetched of it."""

    name: HubName
    commit: str
    files: tuple[RemoteFile, ...]
    licence: str  # "" where it states none
    private: bool
    card: str  # Markdown, without its front matter
    config: ModelConfig

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)


def look(name: HubName) -> Found:
    """Asks the Hub; fetches the card and the configuration alone.

    Raises:
        Unreachable: if the Hub does not answer, within five seconds.
        UserError: if there is no such model or revision, it is private or gated, or it is none of this program's.
    """
    info = within(PATIENCE, lambda: _ask(name))
    from gan_core.model import CARD, CONFIG, TENSORS, read_config
    from studio.models.check import TAKEN, called, check_affordable, check_sizes  # PyTorch: later than a refusal

    files = {file.name: file for file in remote_files(info) if file.name in TAKEN}
    with called(str(name)):
        check_sizes({file.name: file.size for file in files.values()})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for wanted in (files[n] for n in (CONFIG, CARD) if n in files):
            within(PATIENCE, partial(fetch, name, info.sha, wanted, folder))
        with called(str(name), folder):
            config = read_config(folder)
            if config.net.role != "generator":
                raise UserError("it is a discriminator, not a generator")
            check_affordable(config.net, files[TENSORS].size)
        card = (folder / CARD).read_text(encoding="utf-8", errors="replace") if CARD in files else ""
    stated = (info.card_data or {}).get("license") or ""
    licence = ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated)
    return Found(name, info.sha, tuple(files.values()), licence[:200], bool(info.private), body(card), config)


def _ask(name: HubName) -> Any:
    client = api(name.repo)
    with explained(name.repo, name.revision):
        info = client.model_info(name.repo, revision=name.revision, files_metadata=True, timeout=PATIENCE)
    check_public(name.repo, bool(info.private or info.gated))
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise UserError(f"The Hub gives no commit for {name}, so it cannot be pinned. Try again later.")
    return info


def body(card: str) -> str:
    """A card without its front matter."""
    return re.sub(r"\A---\r?\n.*?\n---[^\S\n]*(\r?\n|\Z)", "", card, count=1, flags=re.DOTALL).strip()


def pull(found: Found, progress: Callable[[int], None] = lambda n: None) -> Stored:
    """Fetches what `look` has found, at the commit that it saw; what is here already is not fetched again.

    `progress` gets the bytes as they come; what it raises ends the download, and nothing is left of it.

    Raises:
        UserError: if a file is not what the Hub declares, the model does not load strictly, or there is no room.
        Unreachable: if the connection is lost for good.
    """
    revision = found.name.revision or ""
    for here in stored():
        if (here.origin.repo, here.origin.commit) == (found.name.repo, found.commit) and _whole(here, found):
            progress(found.size)
            return asked_again(here, revision)
    from studio.models.check import called, check_model

    with staging() as folder:
        if (room := shutil.disk_usage(models_root()).free) < found.size:
            raise UserError(f"{found.name} takes {size_text(found.size)}, and the disk has room for {size_text(room)}.")
        for file in found.files:
            fetch(found.name, found.commit, file, folder, progress)
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's notes
        with called(str(found.name), folder):
            check_model(folder)
        progress(0)  # the last moment to stop
        origin = Origin(
            source="hub", repo=found.name.repo, commit=found.commit, revisions=(revision,), licence=found.licence
        )
        return keep(folder, origin)


def _whole(here: Stored, found: Found) -> bool:
    """Whether what was fetched once still is what it was."""
    with suppress(OSError):
        return all(is_sound(here.folder / file.name, file) for file in found.files)
    return False


def pull_or_cached(
    text: str, seen: Callable[[Found], Callable[[int], None]] = lambda found: lambda n: None
) -> tuple[Stored, str]:
    """Looks and pulls in one; where the Hub cannot be reached, what was pulled before, and a sentence that says so.

    `seen` gets what was found before it is fetched, and gives the `progress` of `pull`.
    """
    name = hub_name(text)
    try:
        found = look(name)
        return pull(found, seen(found)), ""
    except Unreachable as e:
        if here := find_stored(str(name)):
            return here, f"{e} {here.name} was pulled before and stays as it is."
        raise
