"""The systems that the five seeds describe: what each is here, how long it trains, and what its authors report.

A figure under `reported` is quoted from the seed; every other figure of the comparison is measured by baselines.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RESULT = "result.json"  # in the folder of a system: what was measured of it
MINUTES = 30.0  # of processor time on one thread: what a knee system shows its critic in it, two idle cores show in 20


def figure(name: str, value: float | None, digits: int, floor: float | None = None, better: str = "") -> dict[str, Any]:
    """A figure of `RESULT`, that of reals as its floor; `digits` after the point."""
    return {"name": name, "value": value, "digits": digits, "floor": floor, "better": better}


@dataclass(frozen=True)
class System:
    name: str  # of its folder
    group: str
    seed: str  # which document
    title: str
    preset: str
    data: str  # "knees", "chest", "clothing" or "digits"
    settings: dict[str, Any] = field(default_factory=dict)
    minutes: float = 0.0  # of processor time, or
    epochs: int = 0  # of the generator, where minutes is 0
    shown: tuple[int, ...] = ()  # epochs of the strip; () is equal shares of the run
    start: str = ""  # the system that this one grows out of
    reported: dict[str, str] = field(default_factory=dict)
    looks: str = ""  # what its strip shows to the eye


def _knees() -> list[System]:
    one, two = "Knees, 64 pixels", "Knees, 126 pixels"
    at_64: dict[str, tuple[str, str, dict[str, str]]] = {
        "dcgan": ("DCGAN", "001", {}),
        "dcgan+augment": ("DCGAN, augmented", "001", {}),
        "dcgan+smooth": ("DCGAN, smoothing", "001", {}),
        "dcgan+noise": ("DCGAN, noise", "001", {}),
        "dcgan+augment+smooth+noise": ("DCGAN, augmented, smoothing, noise", "001", {}),
        "wgan": ("WGAN, clipping", "001", {"Claim": "more stable, less mode collapse than DCGAN"}),
        "wgan+noise+smooth": ("WGAN, clipping, noise, smoothing", "001", {}),
        "wgan+augment+noise+smooth": ("WGAN, clipping, augmented, noise, smoothing", "001", {}),
        "wgan-gp": (
            "WGAN-GP",
            "000, 001",
            {"Claim": "converges quickly to satisfactory results, from the very first epochs; no mode collapse"},
        ),
        "wgan-gp+noise+smooth": ("WGAN-GP, noise, smoothing", "001", {}),
        "wgan-gp+augment+noise+smooth": ("WGAN-GP, augmented, noise, smoothing", "001", {}),
        "wgan-clip-gp": ("WGAN, clipping and penalty at once", "001", {}),
        "knee-64": ("knee-64 in the same time", "-", {}),
        "knee-64+features": ("knee-64 with a feature discriminator as well", "-", {}),
    }
    unstable = {
        "Claim": "rather unstable, undoes what it has learnt sporadically; mode collapse; to a human eye the "
        "difference is obvious"
    }
    at_126: dict[str, tuple[str, dict[str, str]]] = {
        "dcgan-126": ("DCGAN of three convolutions", unstable),
        "dcgan-126+smooth": ("the same, smoothing", {}),
        "dcgan-126+noise": ("the same, noise", {}),
        "dcgan-126+augment": ("the same, augmented", {}),
        "dcgan-126+penalty": ("the same, a gradient penalty", {}),
    }
    common: dict[str, Any] = {"data": "knees", "minutes": MINUTES}
    return [
        System(f"knees-{preset}", one, seed, title, preset, reported=told, **common)
        for preset, (title, seed, told) in at_64.items()
    ] + [
        System(f"knees-{preset}", two, "002", title, preset, reported=told, **common)
        for preset, (title, told) in at_126.items()
    ]


# Of seed 004: final losses of D and G, accuracy, insight, quality at the last epoch.
_TOLD = {
    "dcgan-28": (
        *("~0.8", "~1.0", "~60%", "Volatile losses; D dominates early, converges partially"),
        "Blurry to semi-sharp clothing sketches; artifacts visible",
    ),
    "dcgan-28+stabilise": (
        *("~0.6", "~0.8", "~55%", "Smoother curves; reduced oscillations"),
        "Fewer artifacts; more stable shapes",
    ),
    "acgan-28": (
        *("~0.7 (real/fake) + ~1.2 (class)", "~1.3", "~65% (real/fake), ~70% (class)"),
        "Conditional diversity; mode collapse in early epochs",
        "Class-specific but noisy; limited variety",
    ),
    "acgan-28+stabilise": (
        *("~0.5 (real/fake) + ~1.0 (class)", "~1.1", "~60% (real/fake), ~75% (class)"),
        "Better convergence; less variance in class predictions",
        "Improved diversity; sharper labeled outputs",
    ),
    "wgan-gp-28": (
        *("~0.0 (critic)", "~0.5", "~55%", "Stable gradients; low oscillations on small data"),
        "Balanced realism; minimal blur/distortions",
    ),
    "wgan-gp-28+stabilise": (
        *("~0.0 (critic)", "~0.4", "~50-55%", "Already stable; minor improvements from smoothing/noise"),
        "High-fidelity sketches; diverse, artifact-free",
    ),
}
_COLUMNS = ("D loss", "G loss", "D accuracy", "Insight", "Quality")
# What the strips of ours show at their last epoch, by eye: of clothing, of digits.
_LOOKS = {
    "dcgan-28": (
        "Blotched silhouettes of tops and dresses; shoes in pieces",
        "Strokes of digits; half of them no digit that exists",
    ),
    "dcgan-28+stabilise": ("The same, a little smoother", "The same, more of them digits"),
    "acgan-28": (
        "Most classes can be told; stripes; sandals and bags unclear",
        "Nearly all legible; the 4 broken",
    ),
    "acgan-28+stabilise": ("The same, stripes a little stronger", "Nearly all legible"),
    "wgan-gp-28": (
        "Whole shapes with edges, a boot, a shirt, trousers; some scraps",
        "Thin and mostly legible; some digits run into each other",
    ),
    "wgan-gp-28+stabilise": ("The same shapes, torn and with holes", "The same digits with blots and fragments"),
}
_NAMES = {"dcgan-28": "DCGAN", "acgan-28": "AC-GAN", "wgan-gp-28": "WGAN-GP"}


def _small() -> list[System]:
    out = []
    for data, group in (("clothing", "Clothing, 28 pixels"), ("digits", "Digits, 28 pixels")):
        for preset, told in _TOLD.items():
            base, _, addition = preset.partition("+")
            title = f"{_NAMES[base]}, {'stabilised' if addition else 'bare'}"
            shown = (10, 30, 50) if base == "acgan-28" else (1, 6, 16, 46)
            # Its table is of clothing; of digits it tells the last accuracies of two systems in its text.
            of_digits = {
                "dcgan-28": {"D accuracy": ">90%", "D loss": "~0.5"},
                "acgan-28": {"D accuracy": "~95% (of what?)"},
            }
            reported = dict(zip(_COLUMNS, told, strict=True)) if data == "clothing" else of_digits.get(preset, {})
            common = {"reported": reported, "looks": _LOOKS[preset][data == "digits"]}
            out.append(System(f"{data}-{preset}", group, "004", title, preset, data, {}, 0, 50, shown, **common))
    return out


def _grown(
    name: str,
    group: str,
    seed: str,
    preset: str,
    data: str,
    sides: dict[int, tuple[float, dict[str, Any]]],
    **told: str,
) -> list[System]:
    """A large network in steps, each growing out of the one before: {side: (minutes, settings)}."""
    out: list[System] = []
    for side, (minutes, settings) in sides.items():
        settings = {"resolution": side, "lr_final": 0.1, "lr_decay_from": 0.5} | settings
        start = out[-1].name if out else ""
        system = System(f"{name}-{side}", group, seed, f"{side} pixels", preset, data, settings, minutes, start=start)
        out.append(system)
    last = out.pop()
    return [*out, System(**{**vars(last), "reported": told})]


def _chest() -> list[System]:
    sides: dict[int, tuple[float, dict[str, Any]]] = {
        100: (25, {"r1_gamma": 1.0, "r2_gamma": 1.0, "batch": 16}),
        200: (15, {"r1_gamma": 1.0, "r2_gamma": 1.0, "batch": 16, "g_lr": 5e-4, "d_lr": 5e-4}),
        400: (15, {"r1_gamma": 2.0, "r2_gamma": 2.0, "g_lr": 5e-4, "d_lr": 5e-4}),
        800: (35, {"r1_gamma": 4.0, "r2_gamma": 4.0, "g_lr": 5e-4, "d_lr": 5e-4}),
    }
    told = {"Time": "4,000 epochs in 11 hours", "Quality": "too much noise, too blurry; tried to fit the letter R"}
    return _grown("chest", "Chest films, grown to 800 pixels", "003", "chest-800", "chest", sides, **told)


def _style() -> list[System]:
    sides: dict[int, tuple[float, dict[str, Any]]] = {
        64: (15, {"r1_gamma": 1.0, "r2_gamma": 1.0}),
        128: (15, {"r1_gamma": 1.0, "r2_gamma": 1.0, "g_lr": 5e-4, "d_lr": 5e-4}),
        256: (30, {"g_lr": 5e-4, "d_lr": 5e-4}),
    }
    group = "Knees, a style-based generator grown to 256 pixels"
    return _grown("style", group, "004, future work", "style-256", "knees", sides)


SYSTEMS: tuple[System, ...] = (*_small(), *_knees(), *_chest(), *_style())
