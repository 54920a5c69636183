"""The statistics of a training, as ticks hold them (`stats.jsonl`): what each is called and where it is drawn.

A statistic is an entry of `STATS`, and that is all it takes: curves on screen and in files, comparisons and tables find
it there. A tick may hold more than these; what has no entry is kept, but not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gan_core.train.run import number


@dataclass(frozen=True)
class Stat:
    """Statistics of one panel are drawn together, by the unit and the level of the first."""

    title: str
    panel: str  # "": not drawn but where it is asked for
    label: str = ""  # what it is called within its panel
    unit: Literal["", "share", "images/s"] = ""  # a share, from 0 to 1, is shown in percent
    better: Literal["", "lower", "higher"] = ""
    level: float | None = None  # what to hold it against
    of: Literal["", "D", "G"] = ""  # of the discriminator and the reals, of the generator and the fakes, of neither
    digits: int = 3

    @property
    def share(self) -> bool:
        return self.unit == "share"

    @property
    def meaning(self) -> str:
        return f"{self.panel or self.title}: {self.label}" if self.label else self.panel or self.title


_RIGHT = "How often the discriminator is right"
_FEATURES = "How often the feature discriminator is right"
STATS: dict[str, Stat] = {
    "d_loss": Stat("D loss", "Losses", "discriminator", of="D"),
    "g_loss": Stat("G loss", "Losses", "generator", of="G"),
    "d_accuracy_real": Stat("D accuracy, reals", _RIGHT, "on real", "share", level=0.5, of="D", digits=0),
    "d_accuracy_fake": Stat("D accuracy, fakes", _RIGHT, "on synthetic", "share", level=0.5, of="G", digits=0),
    "class_accuracy": Stat("Class accuracy", _RIGHT, "on the class of real ones", "share", digits=0),
    "class_accuracy_unseen": Stat("Class accuracy, unseen", _RIGHT, "on the class of unseen ones", "share", digits=0),
    "f_accuracy_real": Stat("Feature D accuracy, reals", _FEATURES, "on real", "share", level=0.5, of="D", digits=0),
    "f_accuracy_fake": Stat(
        "Feature D accuracy, fakes", _FEATURES, "on synthetic", "share", level=0.5, of="G", digits=0
    ),
    "diversity": Stat("Diversity", "Diversity of the samples (real images: 1)", level=1.0, of="G", digits=2),
    "wasserstein": Stat(
        "Wasserstein estimate", "Wasserstein estimate: the critic's mean on real less synthetic images"
    ),
    "penalty": Stat("Gradient penalty", "Gradient penalty on the discriminator"),
    "kd_knee": Stat(
        "Kernel distance", "Kernel distance to the real images (knee features)", better="lower", level=0.0, of="G"
    ),
    "overfitting": Stat(
        "Overfitting",
        "Overfitting of the discriminator (unseen real images score as seen ones: 0, as synthetic ones: 1)",
        better="lower",
        level=0.0,
        of="D",
        digits=2,
    ),
    "augment_share": Stat("Augmented", "Share of images that are augmented", unit="share", of="D", digits=0),
    "images_per_second": Stat("Images a second", "", "shown to the discriminator in training", "images/s", "higher"),
}


def known(*runs: Sequence[Mapping[str, Any]]) -> dict[str, Stat]:
    """The statistics that the ticks of any of these runs hold a number of.

    Where all of them trained a critic, which leaves its estimate of the distance, the discriminator is called so.
    """
    held = [{key for key in STATS for tick in ticks if number(tick.get(key)) is not None} for ticks in runs]
    critic = all("wasserstein" in keys for keys in held)
    found = {key: stat for key, stat in STATS.items() if any(key in keys for keys in held)}
    return {key: _of_critic(stat) for key, stat in found.items()} if critic else found


def _of_critic(stat: Stat) -> Stat:
    return replace(
        stat, **{name: getattr(stat, name).replace("discriminator", "critic") for name in ("panel", "label")}
    )


def panels_of(critic: bool) -> dict[str, dict[str, Stat]]:
    """All that may be drawn of a run: titles of panels, each with its statistics, where D is a critic or is not."""
    return _by_panel({key: _of_critic(stat) if critic else stat for key, stat in STATS.items()})


def panels(ticks: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Stat]]:
    """What is drawn of a run: titles of panels, each with the statistics in it."""
    return _by_panel(known(ticks))


def _by_panel(found: Mapping[str, Stat]) -> dict[str, dict[str, Stat]]:
    out: dict[str, dict[str, Stat]] = {}
    for key, stat in found.items():
        if stat.panel:
            out.setdefault(stat.panel, {})[key] = stat
    return out
