"""All models on this computer, in the order in which they are offered: shipped, from elsewhere, trained."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gan_core.errors import UserError
from gan_core.model import TENSORS, ModelConfig, read_config, shipped_generators
from gan_core.train.run import Run, list_runs
from studio import hosting
from studio.models.store import find_stored, origin_of, stored

Kind = Literal["shipped", "hub", "upload", "run"]


@dataclass(frozen=True)
class Item:
    name: str  # what --model takes
    kind: Kind
    folder: Path
    config: ModelConfig
    licence: str
    when: float  # of its tensors, seconds since 1970

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "folder": str(self.folder),
            "licence": self.licence,
            "when": self.when,
            **self.config.model_dump(),
        }


def whose(folder: Path) -> str:
    """Whose the model in a folder is, as its run or its upload says; "" of one that is everybody's."""
    origin = origin_of(folder)
    return origin.owner if origin else Run(folder.parent).owner()


def places(shipped: Iterable[Path]) -> list[tuple[str, Kind, Path, str]]:
    """(name, kind, folder, licence) of each; of a run also what was nearest to the reals on its way. The one that the
    host wants first is first."""
    found: list[tuple[str, Kind, Path, str]] = [(p.name, "shipped", p, "mit") for p in shipped]
    found += [(s.name, s.origin.source, s.folder, s.origin.licence) for s in stored()]
    for run in list_runs():
        found.append((run.name, "run", run.generator_path, ""))
        found.append((f"{run.name}/{run.best_path.name}", "run", run.best_path, ""))
    first = hosting.first_model()
    if first and (of_hub := find_stored(first)):
        first = of_hub.name
    return sorted(found, key=lambda place: place[0] != first)


def inventory() -> list[Item]:
    """Those that can be read; a run that has saved nothing yet has none."""
    out = []
    for name, kind, folder, licence in places(shipped_generators()):
        with suppress(UserError, OSError):
            when = (folder / TENSORS).stat().st_mtime
            out.append(Item(name, kind, folder, read_config(folder), licence, when))
    return out
