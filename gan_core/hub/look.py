"""What a model on the Hub is, before it is fetched."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from gan_core.errors import UserError
from gan_core.hub.client import PATIENCE, HubName, RemoteFile, api, explained, is_sound, remote_files, within

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
    from gan_core.hub.check import TAKEN, called, check_affordable, check_sizes  # PyTorch: later than a refusal
    from gan_core.model import CARD, CONFIG, TENSORS, read_config

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
    client = api()
    with explained(name.repo, name.revision):
        info = client.model_info(name.repo, revision=name.revision, files_metadata=True, timeout=PATIENCE)
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise UserError(f"The Hub names no commit of {name}, so nothing of it can be pinned. Try later.")
    return info


def fetch(
    name: HubName, commit: str, file: RemoteFile, folder: Path, report: Callable[[int], None] = lambda n: None
) -> None:
    """Downloads a file into the folder and checks it, bit for bit; `report` gets the bytes as they come.

    Raises `UserError` where it is not what the Hub declares, or cannot be had.
    """
    client = api()
    arrived = 0

    def count(n: int) -> None:  # negative where the client begins again
        nonlocal arrived
        arrived += n
        if arrived > file.size:
            raise UserError(f"The Hub sends more of {file.name} than it declares. Nothing was kept.")
        report(n)

    with explained(name.repo, name.revision):
        path = Path(
            client.hf_hub_download(
                name.repo,
                file.name,
                revision=commit,
                local_dir=folder,
                etag_timeout=PATIENCE,
                tqdm_class=_meter(count),
            )
        )
    if path.stat().st_size != file.size or not is_sound(path, file):
        path.unlink()
        raise UserError(f"{file.name} of {name} arrived damaged: it is not what the Hub declares. Try again.")


def _meter(count: Callable[[int], None]) -> type[tqdm]:
    """The client's way to say how far it is: the class of its progress bar."""

    class Meter(tqdm):
        def __init__(self, **options: Any) -> None:
            super().__init__(disable=True)

        def update(self, n: float | None = 1) -> None:
            count(int(n or 0))

    return Meter


def body(card: str) -> str:
    """A card without its front matter."""
    return re.sub(r"\A---\r?\n.*?\n---[^\S\n]*(\r?\n|\Z)", "", card, count=1, flags=re.DOTALL).strip()
