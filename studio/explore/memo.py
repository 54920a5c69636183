"""What takes long to find out about a model: it lies in the model's folder, or is kept in memory and in the cache's
folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from gan_core.data.cache import cache_folder, read_note, write_note
from gan_core.model import Model
from studio.models.ready import ready

_T = TypeVar("_T")
_memos: list[Memo] = []


class Memo(Generic[_T]):
    """Findings of one kind, by model and key: the newest `files` of them in the cache's `folder`, the newest `held` in
    memory. What comes with a model is taken where it is of this kind and `fits` the model."""

    def __init__(
        self, folder: str, kind: Any, files: int, held: int, fits: Callable[[Model, _T], bool] = lambda model, _: True
    ) -> None:
        self.folder, self.kind, self.files, self.most, self.fits = folder, TypeAdapter(kind), files, held, fits
        self.held: dict[str, _T] = {}
        _memos.append(self)

    def find(self, model: Model, key: str) -> _T | None:
        """What was found before; None where nothing was, or the file is damaged."""
        name = f"{model.digest}-{key}"
        if name not in self.held:
            with suppress(KeyError, ValidationError):
                found = self.kind.validate_python(ready(model.path, model.digest).findings[f"{self.folder}-{key}"])
                if self.fits(model, found):
                    return self._hold(name, found)
            with suppress(OSError, ValueError, ValidationError):
                note = read_note(cache_folder() / self.folder / f"{name}.note")
                return self._hold(name, self.kind.validate_python(note))
        return self.held.get(name)

    def get(self, model: Model, key: str, make: Callable[[], _T]) -> _T:
        """The same; what is not there is made and kept."""
        if (found := self.find(model, key)) is None:
            name = f"{model.digest}-{key}"
            found = self._hold(name, make())
            with suppress(OSError):
                folder = cache_folder() / self.folder
                write_note(folder / f"{name}.note", self.kind.dump_python(found, mode="json"))
                for old in sorted(folder.glob("*.note"), key=lambda p: p.stat().st_mtime_ns)[: -self.files]:
                    old.unlink(missing_ok=True)
        return found

    def _hold(self, name: str, found: _T) -> _T:
        self.held[name] = found
        for old in list(self.held)[: -self.most]:
            self.held.pop(old, None)  # somebody else may have been quicker
        return found


def findings(model: Model) -> dict[str, Any]:
    """All that memory holds of a model, for JSON, by the names under which a model's folder has it."""
    start = f"{model.digest}-"
    return {
        f"{memo.folder}-{name.removeprefix(start)}": memo.kind.dump_python(found, mode="json")
        for memo in _memos
        for name, found in sorted(memo.held.items())
        if name.startswith(start)
    }
