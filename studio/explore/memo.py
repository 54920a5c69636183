"""What takes long to find out about a model, kept in memory and in the cache's folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from gan_core.data.cache import cache_folder, read_note, write_note

_T = TypeVar("_T")


class Memo(Generic[_T]):
    """Findings of one kind, by key: the newest `files` of them in the cache's `folder`, the newest `held` in memory."""

    def __init__(self, folder: str, kind: Any, files: int, held: int) -> None:
        self.folder, self.kind, self.files, self.most = folder, TypeAdapter(kind), files, held
        self.held: dict[str, _T] = {}

    def find(self, key: str) -> _T | None:
        """What was found before; None where nothing was, or the file is damaged."""
        if key not in self.held:
            with suppress(OSError, ValueError, ValidationError):
                return self._hold(
                    key, self.kind.validate_python(read_note(cache_folder() / self.folder / f"{key}.note"))
                )
        return self.held.get(key)

    def get(self, key: str, make: Callable[[], _T]) -> _T:
        """The same; what is not there is made and kept."""
        if (found := self.find(key)) is None:
            found = self._hold(key, make())
            with suppress(OSError):
                folder = cache_folder() / self.folder
                write_note(folder / f"{key}.note", self.kind.dump_python(found, mode="json"))
                for old in sorted(folder.glob("*.note"), key=lambda p: p.stat().st_mtime_ns)[: -self.files]:
                    old.unlink(missing_ok=True)
        return found

    def _hold(self, key: str, found: _T) -> _T:
        self.held[key] = found
        for old in list(self.held)[: -self.most]:
            self.held.pop(old, None)  # somebody else may have been quicker
        return found
