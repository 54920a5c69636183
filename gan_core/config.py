"""Every setting of the project, validated in one place.

`NetConfig` says what a network is (it is all that a model folder needs to rebuild it); `TrainConfig` says how one is
trained. Both refuse unknown keys, so that a misspelt setting is an error and a hostile file asks for nothing odd.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gan_core.errors import UserError, no_utf8, readable
from gan_core.grades import KL_GRADE

if TYPE_CHECKING:
    from gan_core.losses import Loss

MAX_CLASSES = 1000
GROUP = 4  # images that the residual discriminator compares with each other
RUN_OPTIONS = ("kimg", "label_name", "device", "threads", "compile", "save_seconds", "precision")  # may change later
CADENCE = ("tick_kimg", "sample_kimg", "judge_kimg", "samples")  # how often a run is looked at, and by how many seeds


class Settings(BaseModel):
    """Raises `UserError` where one is a path that is no UTF-8: it could not be kept in JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _is_utf8(cls, values: Any) -> Any:
        for value in values.values() if isinstance(values, dict) else ():
            if isinstance(value, str) and value != readable(value):
                raise UserError(no_utf8(value))
        return values


class NetConfig(Settings):
    """The architecture of a generator or discriminator. Channels are those at full resolution; halvings double them."""

    role: Literal["generator", "discriminator"]
    architecture: Literal["dcgan", "residual", "style"]
    resolution: int = Field(64, ge=16, le=1024)
    num_classes: int = Field(0, ge=0, le=MAX_CLASSES)  # 0: unconditional
    conditioning: Literal["none", "embedding", "projection", "classifier", "projection+classifier"] = "none"
    channels: int = Field(32, ge=1, le=256)  # at full resolution
    max_channels: int = Field(512, ge=4, le=1024)  # at the coarsest
    norm: Literal["none", "batch", "layer", "pixel"] = "none"
    z_dim: int = Field(128, ge=1, le=1024)  # generator only
    dropout: float = Field(0.0, ge=0, lt=1)  # dcgan discriminator only
    levels: int = Field(0, ge=0, le=8)  # dcgan discriminator only: its convolutions; 0: as many as leave 4 to 7 pixels

    @model_validator(mode="after")
    def _fits(self) -> NetConfig:
        if self.conditioning != "none" and self.num_classes < 2:
            raise ValueError("conditioning needs at least two classes")
        if self.role == "generator" and self.conditioning not in ("none", "embedding"):
            raise ValueError("a generator is conditioned by an embedding or not at all")
        if self.role == "discriminator" and self.conditioning == "embedding":
            raise ValueError("a discriminator is conditioned by projection, by a classifier, by both or not at all")
        if self.role == "generator" and self.architecture == "style" and self.norm != "none":
            raise ValueError("a style-based generator has its own normalisation: set norm to none")
        if self.resolution >> self.levels < 2:
            raise ValueError(f"{self.levels} halvings leave nothing of {self.resolution} pixels")
        return self


def loss_named(name: str) -> Loss:
    """Raises ValueError, with the names that there are."""
    from gan_core.losses import LOSSES  # here: it brings PyTorch, without which settings can be described

    if name not in LOSSES:
        raise ValueError(f"there is no loss {name[:40]!r}; there are {', '.join(LOSSES)}")
    return LOSSES[name]


class TrainConfig(Settings):
    """All settings of a training, flat. The defaults are the plain DCGAN; a preset is a short difference from them."""

    # What is learnt
    preset: str = "dcgan"  # only a name: its settings are already in the fields below
    data: str = Field("phantom", min_length=1)  # a folder, a zip, DICOM, or a named source: see gan_core.data
    resolution: int = Field(64, ge=16, le=1024)
    fit: Literal["crop", "pad"] = "crop"  # how another aspect becomes a square
    label_name: str = Field("class", max_length=100)  # what a class is called for people
    mirror: bool = False  # flip half of the images; a mirrored left knee is a right knee
    class_balance: float = Field(0.0, ge=0, le=1)  # 0: classes as often as in the data; 1: all alike; between: between
    kimg: float = Field(500.0, gt=0, le=1e6)  # length of the run: thousands of images shown to D
    seed: int = Field(0, ge=0, lt=2**31)

    # Networks
    init: str = Field("", max_length=1000)  # a model folder or run to start from, as large or smaller: it is grown
    architecture: Literal["dcgan", "residual", "style"] = "dcgan"  # style: its discriminator is the residual one
    z_dim: int = Field(100, ge=1, le=1024)
    g_channels: int = Field(64, ge=1, le=256)
    d_channels: int = Field(64, ge=1, le=256)
    max_channels: int = Field(512, ge=4, le=1024)
    g_norm: Literal["none", "batch", "layer", "pixel"] = "batch"
    d_norm: Literal["none", "batch", "layer"] = "batch"
    d_dropout: float = Field(0.0, ge=0, lt=1)
    d_levels: int = Field(0, ge=0, le=8)  # dcgan: convolutions of D; 0: as many as leave 4 to 7 pixels
    conditioning: Literal["none", "projection", "classifier", "projection+classifier"] = "none"  # how D learns labels

    # The game
    loss: str = "non-saturating"  # a name of gan_core.losses.LOSSES
    n_critic: int = Field(1, ge=1, le=20)  # D steps for each G step
    clip: float = Field(0.0, ge=0)  # WGAN: D's weights stay within +-clip; 0 is off
    gp_weight: float = Field(0.0, ge=0)  # WGAN-GP: weight of (|grad| - 1)^2 between real and fake; 0 is off
    r1_gamma: float = Field(0.0, ge=0)  # zero-centred penalty on reals; 0 is off
    r2_gamma: float = Field(0.0, ge=0)  # the same on fakes
    gamma_final: float = Field(1.0, ge=0, le=1)  # R1 and R2 fall to this share of themselves along a cosine
    penalty_every: int = Field(1, ge=1, le=64)  # lazy regularisation: R1 and R2 each so many D steps, as much stronger
    class_weight: float = Field(1.0, ge=0)  # classifier: weight of the class loss
    class_flood: float = Field(0.0, ge=0, lt=1)  # classifier: no gain below this share of a guess's loss; against rote
    feature_weight: float = Field(0.0, ge=0)  # G also answers to a discriminator of pretrained features; 0 is off
    class_on_fakes: bool = False  # classifier: D also learns classes from fakes (hurts on small data)

    # Stabilisers
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)  # one-sided: s = 0.1 asks 0.9 of reals; for WGAN -0.9 and 1.1
    smooth_fakes: bool = False  # two-sided: fakes are asked for s in place of 0
    label_flip: float = Field(0.0, ge=0, le=0.5)  # share of D's targets swapped
    input_noise: float = Field(0.0, ge=0, le=1)  # standard deviation of noise on all that D sees, fading to 0
    augment: tuple[  # reals and fakes alike: four of DiffAugment, three as films differ
        Literal["brightness", "contrast", "translation", "cutout", "pose", "exposure", "grain"], ...
    ] = ()
    augment_share: float = Field(1.0, ge=0, le=1)  # of the images that each augmentation meets; the rest stays as it is
    ada_target: float = Field(0.0, ge=0, le=1)  # the share rises where D overfits more, and falls; 0: it stays
    ada_kimg: float = Field(100.0, gt=0, le=1e6)  # in which the share could go from 0 to 1
    held_out: float = Field(0.0, ge=0, le=0.5)  # of the patients: kept from training, to see how far D overfits

    # Optimisation
    batch: int = Field(64, ge=2, le=4096)  # over all processes
    optimizer: Literal["adam", "rmsprop"] = "adam"
    g_lr: float = Field(2e-4, gt=0, le=1)
    d_lr: float = Field(2e-4, gt=0, le=1)
    feature_lr: float = Field(6e-4, gt=0, le=1)  # of the discriminator of features
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    lr_final: float = Field(1.0, gt=0, le=1)  # the rates fall to this share of themselves ...
    lr_decay_from: float = Field(0.5, ge=0, le=1)  # ... from this share of the run on, along a cosine
    grad_clip: float = Field(0.0, ge=0)  # largest gradient norm; 0 is off
    ema_kimg: float = Field(5.0, ge=0)  # half-life of the average of G's weights; 0 follows G at once

    # The run: none of these changes what is learnt, but for rounding
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    threads: int = Field(0, ge=0, le=256)  # 0: as PyTorch chooses
    compile: bool = False  # fuse the steps: minutes at the start, then faster; a processor needs a C++ compiler for it
    tick_kimg: float = Field(1.0, gt=0, le=1e6)  # a line of statistics
    sample_kimg: float = Field(10.0, gt=0, le=1e6)  # a picture of the fixed seeds
    save_seconds: float = Field(60.0, gt=0, le=60)  # the state for resuming
    samples: int = Field(36, ge=1, le=144)  # how many fixed seeds
    judge_kimg: float = Field(
        5.0, ge=0, le=1e6
    )  # a measurement of the samples, at most a twentieth of the time; 0 is off

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        if self.d_norm == "batch" and (self.gp_weight or self.r1_gamma or self.r2_gamma):
            raise ValueError(
                "a gradient penalty is per image and batch normalisation mixes images: set d_norm to none or layer"
            )
        loss = loss_named(self.loss)
        if loss.targets is None and (self.label_smoothing or self.label_flip):
            raise ValueError(f"the {self.loss} loss has no targets to smooth or flip")
        if self.architecture != "dcgan" and (self.d_norm != "none" or self.d_dropout or self.d_levels):
            raise ValueError(
                "the residual discriminator has neither normalisation nor dropout, nor a choice of levels: "
                "set d_norm=none, d_dropout=0, d_levels=0"
            )
        if self.compares and self.batch % GROUP:
            raise ValueError(
                f"the residual discriminator and that of features compare images in groups of {GROUP}: make batch a "
                f"multiple of {GROUP}"
            )
        if self.architecture == "style" and self.g_norm != "none":
            raise ValueError("a style-based generator has its own normalisation: set g_norm=none")
        if self.ada_target and not (self.held_out and self.augment):
            raise ValueError("ada_target needs augment, and held_out to see how far the discriminator overfits")
        if self.clip and not loss.critic:
            raise ValueError("weight clipping belongs to a critic, as the wasserstein loss has one")
        return self

    @property
    def compares(self) -> bool:
        """Whether a discriminator compares the images of a batch in groups."""
        return self.architecture != "dcgan" or self.feature_weight > 0

    def same_run(self, other: TrainConfig) -> bool:
        """Whether `other` is the same training, perhaps longer or on another machine."""
        return self.model_dump(exclude=set(RUN_OPTIONS)) == other.model_dump(exclude=set(RUN_OPTIONS))

    def nets(self, num_classes: int) -> tuple[NetConfig, NetConfig]:
        """The generator's and the discriminator's configuration for data of `num_classes` classes (0: unlabelled)."""
        conditional = self.conditioning != "none"
        shared = {
            "architecture": self.architecture,
            "resolution": self.resolution,
            "num_classes": num_classes if conditional else 0,
            "max_channels": self.max_channels,
        }
        g = NetConfig(
            role="generator",
            conditioning="embedding" if conditional else "none",
            channels=self.g_channels,
            norm=self.g_norm,
            z_dim=self.z_dim,
            **shared,
        )
        d = NetConfig(
            role="discriminator",
            conditioning=self.conditioning,
            channels=self.d_channels,
            norm=self.d_norm,
            dropout=self.d_dropout,
            levels=self.d_levels,
            **shared,
        )
        return g, d


def remarks(config: TrainConfig, classes: Sequence[str], label_name: str) -> list[str]:
    """What somebody should know of these settings with data of these classes, before anything is trained.

    `label_name` is what the data says that its classes are; "" where it does not.
    """
    if len(classes) < 2:
        return []
    if config.conditioning == "none":
        return [f"{config.preset} learns without classes: the {len(classes):,} of this data are ignored."]
    if not label_name and config.label_name == KL_GRADE:
        listed = ", ".join(classes)
        return [f"The classes {listed} are taken as KL grades. If they are not, set label_name."]
    return []


def check_data(config: TrainConfig, images: int, classes: int) -> None:
    """Raises `UserError`, before anything is trained, where the settings cannot use data of this size and classes."""
    if images < 2:
        raise UserError("A training needs at least two images.")
    if config.conditioning == "none":
        return
    if classes < 2:
        raise UserError(
            f"{config.preset} learns from classes and this data has none: put the images in one folder for each class, "
            "or set conditioning=none where the recipe is not acgan."
        )
    if classes > MAX_CLASSES:
        raise UserError(f"This data has {classes:,} classes; a network can learn at most {MAX_CLASSES:,}.")
