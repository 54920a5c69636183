"""Downloads of data sets in the background of the app: they go on when a page is left, and end with the server."""

from __future__ import annotations

import threading
import time

from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.status import duration
from studio.data import library
from studio.data.hub import Offer, fetch

_SILENCE = 3  # seconds without a byte after which a person is told


class _Cancelled(Exception):
    """Somebody asked for an end."""


class Download(threading.Thread):
    """A `fetch` for whoever has the library `owner`, which remembers the data set in the end."""

    def __init__(self, owner: str, offer: Offer, part: str) -> None:
        super().__init__(daemon=True)
        self.owner, self.offer, self.part = owner, offer, part
        self.total, self.done = offer.sizes[part], 0  # bytes
        self.message = ""  # why it failed
        self.source = ""  # once it is here
        self.cancelled = False
        self._began = self._heard = time.monotonic()
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        return not (self.source or self.message or self.cancelled)

    def run(self) -> None:
        try:
            source = fetch(self.offer, self.part, self._add)
            library.remember(self.owner, source, "hub", licence=self.offer.licence)
            self.source = source
        except _Cancelled:
            pass
        except UserError as e:
            self.message = str(e)
        except Exception as e:  # whatever it was, a person must hear of it; its text may hold what is not for them
            self.message = f"An unexpected error ended the download ({type(e).__name__}). Try again."

    def cancel(self) -> None:
        """At once for whoever looks; the connection is let go with its next bytes."""
        self.cancelled = True

    def text(self) -> str:
        """Bytes, and the time left at the pace so far; or for how long nothing has come."""
        now = time.monotonic()
        said = f"{size_text(self.done)} of {size_text(self.total)}"
        if self.done >= self.total:
            return f"{said} · checking"
        if now - self._heard > _SILENCE:
            return f"{said} · the Hub has sent nothing for {duration(now - self._heard)}; trying again"
        if self.done <= 0 or now - self._began < 1:
            return said
        return f"{said} · {duration((self.total - self.done) * (now - self._began) / self.done)} left"

    def _add(self, n: int) -> None:
        if self.cancelled:
            raise _Cancelled
        with self._lock:
            self.done += n
            self._heard = time.monotonic()


_downloads: dict[tuple[str, str], Download] = {}
_lock = threading.Lock()


def start(owner: str, offer: Offer, part: str) -> Download:
    """Begins to fetch; where the same is being fetched for the same person already, that is it."""
    with _lock:
        download = _downloads.get((owner, offer.source(part)))
        if download is None or not download.running:
            download = _downloads[owner, offer.source(part)] = Download(owner, offer, part)
            download.start()
        return download


def downloads(owner: str) -> list[Download]:
    """A person's downloads at work, and how others ended that have not been dismissed."""
    with _lock:
        return [download for (whose, _), download in _downloads.items() if whose == owner]


def dismiss(download: Download) -> None:
    with _lock:
        _downloads.pop((download.owner, download.offer.source(download.part)), None)
