"""A `Latent` says which picture of which model: it is what a link, a file, the page and the command line hand on.

Numbers of a point are kept in half precision, so that a link, a file and the screen show the very same picture.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator, model_validator
from torch import Tensor

from gan_core import latent as space
from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.generate import render
from gan_core.model import Model
from gan_core.seeds import MAX_SEED
from studio.explore import single, steering
from studio.explore.directions import MOST_DIRECTIONS, RANGE, Direction
from studio.explore.steering import SLIDERS

MAX_FILE_BYTES = 1_000_000
MOST_SEEDS = 8
Numbers = tuple[Annotated[float, Field(ge=-100, le=100)], ...]
_Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
_KNEES = 32  # held, so that a slider that moves need not learn anew what moves its knee
_knees: dict[str, steering.Knee] = {}
_TOLD = {  # what is wrong, field by field
    "seed": f"A seed is a whole number from 0 to {MAX_SEED}.",
    "seeds": f"Between knees, give 2 to {MOST_SEEDS} seeds; on the plane, 4; each from 0 to {MAX_SEED}.",
    "truncation": "Variety (truncation) is a number from 0 to 1.",
    "moves": f"There can be at most {MOST_DIRECTIONS} moves, each a number from -{RANGE:g} to {RANGE:g}.",
    "steer": f"A slider is one of {', '.join(SLIDERS)}, with a number from -{RANGE:g} to {RANGE:g} behind a colon.",
    "at": f"The place between seeds is a number from 0 to {MOST_SEEDS}.",
    "x": "The place on the plane is two numbers from 0 to 1.",
    "y": "The place on the plane is two numbers from 0 to 1.",
    "path": f"The path is one of {', '.join(space.PATHS)}.",
    "grade": "The grade is a number.",
}


class Latent(Settings):
    """Where a picture starts from, one of `seed`, `seeds` with a place among them, or `z`; and what is done to it."""

    kind: Literal["knee-gan latent"] = "knee-gan latent"
    format: int = Field(1, ge=1, le=1)  # to be raised when directions come out otherwise than before
    model: str = Field(pattern=r"^[0-9a-f]{64}$")  # its digest
    seed: _Seed | None = None
    seeds: tuple[_Seed, ...] | None = Field(None, min_length=2, max_length=MOST_SEEDS)
    path: space.Path = "spherical"
    at: float | None = Field(None, ge=0, le=MOST_SEEDS)  # on the loop through `seeds` ...
    x: float | None = Field(None, ge=0, le=1)  # ... or on the plane of four of them
    y: float | None = Field(None, ge=0, le=1)
    z: Numbers | None = Field(None, max_length=1024)
    offset: Numbers | None = Field(None, max_length=1024)  # added to z's point: what an image's projection needs
    grade: float | None = Field(None, ge=0, le=1000)  # index of a class, or between two; None: the seed's own
    truncation: float = Field(1.0, ge=0, le=1)
    moves: tuple[Annotated[float, Field(ge=-RANGE, le=RANGE)], ...] = Field((), max_length=MOST_DIRECTIONS)
    # What is to differ from the knee so far, by `steering.SLIDERS`, all else held.
    steer: dict[str, Annotated[float, Field(ge=-RANGE, le=RANGE)]] = Field({}, max_length=len(SLIDERS))

    @field_validator("steer")
    @classmethod
    def _sliders(cls, value: dict[str, float]) -> dict[str, float]:
        if not value.keys() <= SLIDERS.keys():
            raise ValueError("no such slider")
        return {name: float(f"{value[name]:g}") for name in SLIDERS if value.get(name)}

    @field_validator("z", "offset")
    @classmethod
    def _half(cls, value: Numbers | None) -> Numbers | None:
        return value if value is None else tuple(np.asarray(value, np.float16).astype(float).tolist())

    @field_validator("at", "x", "y", "grade", "truncation", "moves")
    @classmethod
    def _as_a_link_has_it(cls, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(float(f"{v:g}") for v in value)
        return value if value is None else float(f"{value:g}")

    @model_validator(mode="after")
    def _one_start(self) -> Latent:
        if self.steer and self.seeds is not None:
            raise ValueError("a knee between others is not steered: edit it on its own first")
        if sum(start is not None for start in (self.seed, self.seeds, self.z)) != 1:
            raise ValueError("it needs exactly one of seed, seeds and z")
        if self.offset is not None and self.z is None:
            raise ValueError("an offset can only go with z")
        if self.seeds is not None:
            flat = self.x is not None and self.y is not None
            if flat == (self.at is not None):
                raise ValueError("it needs a place between its seeds: at, or x and y")
            if flat and len(self.seeds) != 4:
                raise ValueError("a plane has four seeds")
            if self.at is not None and self.at > len(self.seeds):
                raise ValueError(f"the loop through {len(self.seeds)} seeds ends at {len(self.seeds)}")
        return self

    def to_query(self) -> dict[str, str]:
        """As a link has it, without what is as by default, and without the model, which a link names."""
        said = self.model_dump(exclude_defaults=True)
        if self.seeds is None:
            said.pop("path", None)
        if not any(self.moves):
            said.pop("moves", None)
        return {name: (_packed if name in _POINTS else _spelt)(said[name]) for name in QUERY if name in said}


# Of `to_query`.
QUERY = ("seed", "at", "x", "y", "grade", "z", "offset", "seeds", "path", "truncation", "moves", "steer")
_POINTS, _LISTS = ("z", "offset"), ("seeds", "moves")


def _packed(numbers: Numbers) -> str:
    return base64.urlsafe_b64encode(np.asarray(numbers, "<f2").tobytes()).decode()


def _spelt(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{_spelt(amount)}" for name, amount in value.items())
    if isinstance(value, tuple):
        return ",".join(map(_spelt, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def from_query(query: Mapping[str, str], model: Model) -> Latent:
    """The latent of `model` that a link's parameters say; others in it are passed over.

    Raises `UserError` where one is out of range, is no number, or does not fit the model.
    """
    fields: dict[str, object] = {"model": model.digest}
    for name in QUERY:
        if text := query.get(name, ""):
            fields[name] = _read(name, text)
    if not fields.keys() & {"seed", "seeds", "z"}:
        fields["seed"] = 0
    return fitting(_validated(lambda: Latent.model_validate(fields, strict=False)), model)


def _read(name: str, text: str) -> object:
    if name in _POINTS:
        return _unpacked(text)
    if name == "steer":
        return {slider: amount for slider, _, amount in (part.partition(":") for part in text.split(","))}
    return text.split(",") if name in _LISTS else text


def _unpacked(text: str) -> list[float]:
    try:
        numbers = np.frombuffer(base64.b64decode(text, altchars=b"-_", validate=True), "<f2").astype(float)
    except (binascii.Error, ValueError) as e:
        raise UserError("The latent in this link is cut off or damaged: copy the whole link.") from e
    return numbers.tolist()


def load_latent(content: bytes, model: Model) -> Latent:
    """A latent from a JSON file's content. Raises `UserError` where it is none, or of another model."""
    if len(content) > MAX_FILE_BYTES:
        raise UserError("The file is too large to be a latent.")
    return fitting(_validated(lambda: Latent.model_validate_json(content)), model)


def dump(latent: Latent) -> str:
    """As a JSON file has it."""
    return json.dumps(latent.model_dump(exclude_none=True), indent=1)


def _validated(make: Callable[[], Latent]) -> Latent:
    try:
        return make()
    except ValidationError as e:
        first = e.errors()[0]
        where = first["loc"][0] if first["loc"] else ""
        if where in _TOLD:
            raise UserError(_TOLD[str(where)]) from e
        what = f"{where}: {first['msg']}" if where else first["msg"].removeprefix("Value error, ")
        raise UserError(f"This is not a latent from this program: {what}.") from e


def fitting(latent: Latent, model: Model) -> Latent:
    """`latent`, its grade filled in. Raises `UserError` where it is another model's, or asks for what it lacks."""
    if latent.model != model.digest:
        raise UserError("This latent belongs to another model, or to another version of this one: choose that model.")
    z_dim = model.config.net.z_dim
    if any(numbers is not None and len(numbers) != z_dim for numbers in (latent.z, latent.offset)):
        raise UserError(f"This latent does not fit: the model's latents have {z_dim} numbers.")
    names = model.class_names
    if not names:
        return latent.model_copy(update={"grade": None})
    if latent.grade is None:
        seed = latent.seed if latent.seed is not None else (latent.seeds or (0,))[0]
        return latent.model_copy(update={"grade": float(space.own_labels([seed], model.config.class_shares)[0])})
    if latent.grade > len(names) - 1:
        label = model.config.label_name
        raise UserError(
            f"This model's {label} ranges from {names[0]} to {names[-1]}; the link or file asks for a value outside it."
        )
    return latent


def start(latent: Latent, model: Model) -> Tensor:
    """z [1, z_dim] of a latent, before anything is done to it."""
    if latent.z is not None:
        return torch.tensor(latent.z)[None]
    if latent.seed is not None:
        return space.latents([latent.seed], model.config.net.z_dim)
    if latent.at is not None:
        return on_loop(latent, model, torch.tensor([latent.at]))
    return on_plane(latent, model, torch.tensor([latent.x]), torch.tensor([latent.y]))


def on_loop(latent: Latent, model: Model, at: Tensor) -> Tensor:
    """z [M, z_dim] at places `at` [M] of the loop through a latent's seeds. Raises `UserError` where it has none."""
    if latent.seeds is None:
        raise UserError("A loop needs two or more seeds.")
    return space.loop(space.latents(latent.seeds, model.config.net.z_dim), at, latent.path)


def on_plane(latent: Latent, model: Model, x: Tensor, y: Tensor) -> Tensor:
    """z [M, z_dim] at `x`, `y` [M] of the plane between a latent's four seeds. Raises `UserError` for any other."""
    if latent.seeds is None or len(latent.seeds) != 4:
        raise UserError("A plane needs four seeds.")
    return space.plane(space.latents(latent.seeds, model.config.net.z_dim), x, y, latent.path)


def opened(latent: Latent, model: Model) -> Latent:
    """The same picture, its start written out as z: for a picture between seeds that is to be edited for itself."""
    without = dict.fromkeys(("seed", "seeds", "at", "x", "y"))
    return Latent.model_validate(
        latent.model_dump() | without | {"path": "spherical", "z": start(latent, model)[0].tolist()}
    )


def points(
    latent: Latent, model: Model, directions: Sequence[Direction], z: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """(w [N, z_dim], c [1, num_classes] or None) of a latent, or of `z` [N, z_dim] in place of its start.

    Raises `UserError` where it moves along a direction that the model does not have.
    """
    if len(latent.moves) > len(directions):
        raise UserError(f"This model has {len(directions)} directions: there is no direction {len(latent.moves)}.")
    z = start(latent, model) if z is None else z
    c = space.mixtures([latent.grade or 0.0], len(model.class_names))
    with torch.inference_mode():
        offset = torch.tensor(latent.offset) if latent.offset else None
        w = space.to_w(model.net, z, None if c is None else c.expand(len(z), -1), latent.truncation, offset)
        for amount, direction in zip(latent.moves, directions, strict=False):
            w = w + amount * torch.tensor(direction.vector)
    if latent.steer:
        w = knee(latent.model_copy(update={"steer": {}}), model, directions).moved([latent.steer])
    return w, c


def knee(latent: Latent, model: Model, directions: Sequence[Direction] = ()) -> steering.Knee:
    """The knee of a latent, for steering. Raises `UserError` where this model's cannot be steered."""
    found = steering.frame(model)
    if found is None:
        raise UserError("This model's knees cannot be steered: nothing here reads their anatomy.")
    key = latent.model_dump_json()
    if (held := _knees.get(key)) is None:
        w, c = points(latent, model, directions)
        held = _knees[key] = steering.Knee(model, found, w.clone(), c)
    for old in list(_knees)[:-_KNEES]:
        _knees.pop(old, None)  # somebody else may have been quicker
    return held


def draw(
    latent: Latent, model: Model, directions: Sequence[Direction] = (), z: Tensor | None = None
) -> NDArray[np.uint8]:
    """The image uint8 [1, 1, R, R] of a latent, or those [N, 1, R, R] of `z` [N, z_dim] in place of its start.

    `directions` are needed where it has moves. Raises `UserError` as `points` does.
    """
    w, c = points(latent, model, directions, z)
    return render(model, w, c, single.drawer(model) if len(w) <= single.FEW else None)
