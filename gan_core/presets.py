"""The named recipes: short differences from `TrainConfig`'s defaults, and what can be added to the classic ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gan_core.config import TrainConfig, loss_named
from gan_core.errors import UserError


@dataclass(frozen=True)
class Preset:
    summary: str  # a sentence for the person who chooses
    settings: dict[str, Any]


_KNEE: dict[str, Any] = {
    "label_name": "KL grade",
    "architecture": "residual",
    "conditioning": "projection",
    "loss": "relativistic",
    "z_dim": 128,
    "g_channels": 8,
    "d_channels": 8,
    "max_channels": 128,
    "d_norm": "none",
    "r1_gamma": 1.0,
    "r2_gamma": 1.0,
    "penalty_every": 16,
    "batch": 16,
    "g_lr": 1e-3,
    "d_lr": 1e-3,
    "beta1": 0.0,
    "beta2": 0.99,
    "lr_final": 0.1,
    "lr_decay_from": 0.4,
    "kimg": 240.0,
}


def _grown(resolution: int, start: str, gamma: float, kimg: float) -> dict[str, Any]:
    """The recipe at `resolution`, going on from a model of half the side. Four times the pixels in an image are four
    times the terms in the penalty's gradient, so each doubling takes four times the gamma. The critic also names the
    class: that keeps the grades apart. Wider networks, a long average and a second critic pay over hours
    (benchmarks/RECIPE.md)."""
    return _KNEE | {
        "conditioning": "projection+classifier",
        "class_weight": 0.03,
        "class_flood": 0.53,
        "feature_weight": 0.1,
        "g_channels": 16,
        "d_channels": 32,
        "resolution": resolution,
        "init": start,
        "r1_gamma": gamma,
        "r2_gamma": gamma,
        "gamma_final": 0.7,
        "batch": 32,
        "g_lr": 5e-4,
        "d_lr": 5e-4,
        "lr_final": 0.03,
        "lr_decay_from": 0.1,
        "ema_kimg": 20.0,
        "class_balance": 0.5,
        "kimg": kimg,
    }


_WGAN_GP: dict[str, Any] = {
    "loss": "wasserstein",
    "gp_weight": 10.0,
    "n_critic": 5,
    "d_norm": "layer",
    "g_lr": 1e-4,
    "d_lr": 1e-4,
    "beta1": 0.0,
    "beta2": 0.9,
}

# One pair of networks for all that are compared at 28 pixels: two convolutions each.
_SMALL: dict[str, Any] = {
    "resolution": 28,
    "g_channels": 32,
    "d_channels": 32,
    "d_norm": "none",
    "batch": 32,
    "kimg": 45.0,
    "judge_kimg": 0.0,
}

PRESETS: dict[str, Preset] = {
    "knee-64": Preset(
        "The modern recipe, and the one to start with: thin residual networks, a loss that compares each real with a "
        "fake, a light penalty on the discriminator. Good knees in two hours on two CPU cores; it can be asked "
        "for a grade if the data has grades.",
        _KNEE | {"gamma_final": 0.1},
    ),
    "knee-128": Preset(
        "The modern recipe at 128 pixels. It grows out of the shipped knee-64, which already knows a knee's shape, and "
        "learns the finer lines: good after a few minutes, better for hours.",
        _grown(128, "knee-64", 0.4, 350.0),
    ),
    "knee-256": Preset(
        "The same once more at 256 pixels, from the shipped knee-128. For a GPU; a CPU takes a day.",
        _grown(256, "knee-128", 1.6, 200.0),
    ),
    "dcgan": Preset(
        "The classic of 2015: two convolutional networks, one forging, one judging. Simple, quick to show something, "
        "apt to collapse to a few images.",
        {},
    ),
    "wgan": Preset(
        "A critic that measures a distance (Wasserstein) instead of judging true or false, kept smooth by clipping its "
        "weights. Steadier than DCGAN, slower to sharpen.",
        {
            "loss": "wasserstein",
            "clip": 0.01,
            "n_critic": 5,
            "optimizer": "rmsprop",
            "g_lr": 5e-5,
            "d_lr": 5e-5,
        },
    ),
    "wgan-gp": Preset(
        "WGAN with a penalty on the critic's slope in place of clipping: the steadiest of the classics, at five critic "
        "steps for each of the generator's.",
        _WGAN_GP,
    ),
    "wgan-clip-gp": Preset(
        "WGAN with its weights clipped and its slope penalised, both at once: to see what each of the two does.",
        _WGAN_GP | {"clip": 0.01},
    ),
    "acgan": Preset(
        "DCGAN whose discriminator also names the class, so that one can ask for a class. Needs labelled data.",
        {"conditioning": "classifier", "d_dropout": 0.25},
    ),
    "style-256": Preset(
        "A style-based generator (as in StyleGAN2) at 256 pixels against the modern recipe's discriminator: a learned "
        "constant, and w at every level. For a GPU; a CPU takes a day.",
        _KNEE | {"architecture": "style", "g_norm": "none", "resolution": 256, "r1_gamma": 4.0, "r2_gamma": 4.0},
    ),
    "dcgan-126": Preset(
        "The plainest recipe, at 126 pixels: a discriminator of three convolutions and one unit, no normalisation. "
        "Apt to undo what it has learnt.",
        {"resolution": 126, "d_levels": 3, "d_norm": "none", "g_channels": 16, "d_channels": 32, "batch": 32},
    ),
    "chest-800": Preset(
        "Chest films of 800 pixels from a few hundred images: the thinnest networks that still reach the whole film, "
        "with augmentation. From scratch it takes days on a CPU; grown from 100 pixels, hours.",
        {k: v for k, v in _KNEE.items() if k not in ("conditioning", "label_name")}
        | {
            "resolution": 800,
            "g_channels": 4,
            "d_channels": 4,
            "max_channels": 64,
            "batch": 8,
            "r1_gamma": 4.0,
            "r2_gamma": 4.0,
            "augment": ("brightness", "contrast", "translation"),
            "fit": "pad",  # the letters stand near the edges
            "sample_kimg": 30.0,  # 100 epochs of 300 films
        },
    ),
    "dcgan-28": Preset(
        "DCGAN for the 28 pixels of digits and clothing, the discriminator with dropout. Minutes on a CPU.",
        _SMALL | {"d_dropout": 0.25},
    ),
    "acgan-28": Preset(
        "AC-GAN for 28 pixels: asks for a digit or a garment by its class.",
        _SMALL | {"d_dropout": 0.25, "conditioning": "classifier"},
    ),
    "wgan-gp-28": Preset(
        "WGAN-GP for 28 pixels, with five critic steps for each of the generator's.",
        _SMALL | _WGAN_GP | {"kimg": 225.0},
    ),
}

ADDITIONS: dict[str, Preset] = {
    "smooth": Preset("the discriminator is asked for 0.9 rather than certainty", {"label_smoothing": 0.1}),
    "noise": Preset(
        "noise on what the discriminator sees, and a few swapped labels", {"input_noise": 0.1, "label_flip": 0.001}
    ),
    "stabilise": Preset(
        "the critic is asked for 0.9 and 0.1 (Wasserstein: -0.9 and 1.1), and a thousandth of its labels are swapped",
        {"label_smoothing": 0.1, "smooth_fakes": True, "label_flip": 0.001},
    ),
    "penalty": Preset(
        "the discriminator is kept smooth around the real images (R1), without batch normalisation",
        {"d_norm": "none", "r1_gamma": 1.0, "penalty_every": 8},
    ),
    "augment": Preset(
        "images are shifted, partly hidden and re-exposed for the discriminator, real and synthetic alike: for "
        "small data sets",
        {"augment": ("brightness", "contrast", "translation", "cutout")},
    ),
    "ada": Preset(
        "the same, but only as much as the discriminator learns its films by heart, watched on patients held out: "
        "for films of a few hundred to some thousand patients",
        {
            "augment": ("pose", "exposure", "grain"),
            "augment_share": 0.0,
            "ada_target": 0.3,
            "held_out": 0.05,
        },
    ),
    "features": Preset(
        "a second discriminator looks through a network trained on photographs: slower steps, images closer to "
        "real ones",
        {"feature_weight": 0.1},
    ),
}


def fitting(base: str) -> list[str]:
    """The additions that go with the preset `base` and change something there."""
    settings = PRESETS[base].settings
    loss = loss_named(settings.get("loss", "non-saturating"))
    names = ADDITIONS if loss.targets else ("augment", "ada", "features")  # else there is nothing to smooth or swap
    return [name for name in names if not ADDITIONS[name].settings.keys() <= settings.keys()]


def _explain(error: ValidationError) -> str:
    """The first thing that does not fit, in a line."""
    first = error.errors()[0]
    where = ".".join(str(p) for p in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """["batch=32", "augment=brightness,cutout"] as settings. Raises `UserError` where one is no key=value."""
    out: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not key or not equals:
            raise UserError(f"A setting is written key=value, not {pair!r}.")
        out[key] = tuple(filter(None, value.split(","))) if key == "augment" else value
    return out


def configure(preset: str, /, **settings: Any) -> TrainConfig:
    """The settings of `preset`, such as "dcgan" or "wgan+smooth+noise", changed by `settings`.

    Raises `UserError` that names what is unknown or does not fit.
    """
    base, *additions = preset.split("+")
    if base not in PRESETS:
        raise UserError(f"There is no preset {base!r}. Available: {', '.join(PRESETS)}.")
    merged: dict[str, Any] = {"preset": preset, **PRESETS[base].settings}
    for name in additions:
        if additions.count(name) > 1:
            raise UserError(f"+{name} is there twice.")
        if name not in ADDITIONS:
            raise UserError(f"There is no addition {name!r}. Available: {', '.join('+' + a for a in ADDITIONS)}.")
        merged |= ADDITIONS[name].settings
    if "preset" in settings:
        raise UserError("The recipe is chosen by its own option, preset, and not among the settings.")
    return _validated(merged | settings)


def change(config: TrainConfig, **settings: Any) -> TrainConfig:
    """`config` with other `settings`. Raises `UserError` as `configure` does."""
    return _validated(config.model_dump() | settings)


def _validated(settings: dict[str, Any]) -> TrainConfig:
    if unknown := sorted(settings.keys() - TrainConfig.model_fields.keys()):
        raise UserError(f"There is no setting {unknown[0]!r}. Available: {', '.join(TrainConfig.model_fields)}.")
    try:
        return TrainConfig.model_validate(settings)
    except ValidationError as e:
        raise UserError(f"The settings do not fit: {_explain(e)}.") from e
