"""The settings in which runs differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gan_core.config import CADENCE, TrainConfig
from gan_core.data import short_source
from studio.runs.member import Member


@dataclass(frozen=True)
class Setting:
    """A setting's value in each run, as text; None where the settings cannot be read. `odd`: not the usual one, and of
    some account: how often a run is looked at changes nothing that it learns."""

    name: str
    values: tuple[str | None, ...]
    odd: tuple[bool, ...]

    @property
    def differs(self) -> bool:
        return any(self.odd)


def settings(members: Sequence[Member]) -> list[Setting]:
    """Every setting, in the order of `TrainConfig`.

    The usual value is that of most runs; of several as frequent the default. Where none of these is the default there
    is no usual one, and all are odd.
    """
    return [_setting(name, [m.config for m in members]) for name in TrainConfig.model_fields]


def _setting(name: str, configs: list[TrainConfig | None]) -> Setting:
    counts = Counter(getattr(c, name) for c in configs if c)
    most = [value for value, n in counts.items() if n == max(counts.values())]
    default = TrainConfig.model_fields[name].default
    usual = most[0] if len(most) == 1 else default if default in most else None
    values = tuple(_setting_text(name, getattr(c, name)) if c else None for c in configs)
    return Setting(name, values, tuple(bool(c) and name not in CADENCE and getattr(c, name) != usual for c in configs))


def _setting_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return (short_source(value) if name in ("data", "init") else str(value)) or "none"
