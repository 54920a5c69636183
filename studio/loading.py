"""Who imports while the app starts: one thread at a time.

Python lets two threads that import a package with cycles from different ends see it half made, and both fail
(scikit-learn 1.9 on Python 3.11, when a page is opened while the rest is being loaded).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_one = threading.RLock()
_loaded = threading.Event()


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else is inside `alone` meanwhile, until all is loaded: from then on nobody waits."""
    if _loaded.is_set():
        yield
    else:
        with _one:
            yield


def all_is_loaded() -> None:
    _loaded.set()
