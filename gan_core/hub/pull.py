"""Fetching a model from the Hub: each file checked bit for bit, the whole strictly loaded, then kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress

from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.hub.client import Unreachable, hub_name, is_sound
from gan_core.hub.look import Found, fetch, look
from gan_core.hub.store import Origin, Stored, asked_again, find_stored, keep, models_root, staging, stored


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
    from gan_core.hub.check import called, check_model

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
