"""The model folder: `config.json`, `model.safetensors`, `README.md`; the same in weights/, in a run and on the Hub.

Loading is strict: an unknown key, a missing, extra, misshapen or non-finite tensor is an error, and nothing is ever
unpickled.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from safetensors import SafetensorError, safe_open

from gan_core import registry
from gan_core.config import MAX_CLASSES, NetConfig, Settings
from gan_core.errors import UserError
from gan_core.files import check_own, read_own, replacing, write_text
from gan_core.grades import KL_GRADE, grades

if TYPE_CHECKING:
    import torch
    from torch import nn

SHIPPED = Path(__file__).resolve().parent.parent / "weights"
CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
MAX_CONFIG_BYTES = 1_000_000
FLAGSHIP = "knee-128"  # the nearest to films of the shipped models: what the app opens with
NOT_FOR_DIAGNOSIS = "Every image it makes is synthetic: it shows no patient and is not for diagnosis."


_S = TypeVar("_S", bound=Settings)


class ModelConfig(Settings):
    """What `config.json` holds: the network, and what a reader needs to know of it."""

    format: int = Field(1, ge=1, le=1)
    net: NetConfig
    class_names: tuple[str, ...] = Field((), max_length=MAX_CLASSES)
    class_shares: tuple[float, ...] = Field((), max_length=MAX_CLASSES)  # of each class in the training data
    label_name: str = Field("class", max_length=100)  # what a class is called: "KL grade"
    preset: str = Field("", max_length=200)
    data: str = Field("", max_length=500)
    fit: Literal["crop", "pad"] = "crop"  # how its films became squares, and how those that it is compared with do
    images_seen: int = Field(0, ge=0)

    @field_validator("label_name")
    @classmethod
    def _no_other_class_is_a_grade(cls, label_name: str, said: ValidationInfo) -> str:
        return "class" if label_name == KL_GRADE and not grades(said.data.get("class_names", ())) else label_name

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        if len(self.class_names) != self.net.num_classes or len(self.class_shares) != self.net.num_classes:
            raise ValueError(f"{self.net.num_classes} classes need as many class_names and class_shares")
        if self.net.num_classes and not (min(self.class_shares) >= 0 and sum(self.class_shares) > 0):
            raise ValueError("class_shares must not be negative, nor all zero")
        return self


@dataclass(frozen=True)
class Model:
    """A network ready for use: in evaluation mode, in float32, on the CPU, without gradients."""

    net: nn.Module
    config: ModelConfig
    path: Path
    digest: str  # of config and tensors: names this very model, and is what a cache goes by

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.config.class_names


def save_model(folder: Path, net: nn.Module, config: ModelConfig, card: str) -> None:
    """Writes the three files of a model folder, each whole or not at all."""
    from safetensors.torch import save

    tensors = {name: t.detach().cpu().contiguous() for name, t in net.state_dict().items()}
    write_text(folder / CARD, card)
    write_text(folder / CONFIG, json.dumps(config.model_dump(), indent=2, ensure_ascii=False))
    with replacing(folder / TENSORS) as temporary:  # last: where there are tensors, there is a whole model
        temporary.write_bytes(save(tensors))  # save_file leaves a file of its own behind when it is killed


def digest(folder: Path) -> str:
    """sha256 over config and tensors, in hex. Raises OSError where one is missing."""
    h = hashlib.sha256()
    for name in (CONFIG, TENSORS):
        h.update((folder / name).read_bytes())
    return h.hexdigest()


def read_config(folder: Path) -> ModelConfig:
    """The `config.json` of a generator or discriminator. Raises `UserError` as `read_validated` does."""
    return read_validated(folder, ModelConfig)


def read_validated(folder: Path, schema: type[_S]) -> _S:
    """`config.json` as a `schema`. Raises `UserError` where it is missing, too large or asks for the impossible."""
    path = folder / CONFIG
    try:
        return schema.model_validate_json(read_own(path, folder, MAX_CONFIG_BYTES))
    except OSError as e:
        raise UserError(f"{folder} is not a model folder: its {CONFIG} cannot be read ({e.strerror}).") from e
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])[:100]
        raise UserError(f"{path} is not a valid model configuration: {where or 'the file'}: {first['msg']}.") from e


def read_tensors(path: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, which must be just those expected, by name and shape, and finite."""
    try:
        check_own(path, path.parent)
        with safe_open(path, framework="pt") as f:
            names = set(f.keys())
            if missing := sorted(expected.keys() - names):
                raise UserError(f"{path} lacks the tensor {missing[0]} and {len(missing) - 1} more.")
            if extra := sorted(names - expected.keys()):
                raise UserError(f"{path} holds {extra[0]}, which this network does not have.")
            out = {}
            for name, like in expected.items():
                shape = tuple(f.get_slice(name).get_shape())
                if shape != tuple(like.shape):
                    raise UserError(f"{path}: {name} is {shape}, the network needs {tuple(like.shape)}.")
                out[name] = f.get_tensor(name).to(like.dtype, copy=True)  # the file is not held on to
    except OSError as e:
        why = f" ({e.strerror})" if e.strerror else ""
        raise UserError(f"{path} cannot be read: the model folder is not complete{why}.") from e
    except (SafetensorError, ValueError) as e:
        raise UserError(f"{path} is damaged or is not a safetensors file.") from e
    if bad := [name for name, t in out.items() if not t.isfinite().all()]:
        raise UserError(f"{path}: {bad[0]} holds values that are not numbers.")
    return out


def load_model(folder: Path, role: str = "generator") -> Model:
    """The network in a model folder. Raises `UserError` where anything about it is wrong."""
    import torch  # takes seconds: whoever only asks what a folder holds does without

    from gan_core import networks

    folder = Path(folder)
    config = read_config(folder)
    if config.net.role != role:
        raise UserError(f"{folder} holds a {config.net.role}, not a {role}.")
    with torch.device("meta"):  # no memory is taken before the file is known to fit
        net = networks.build(config.net)
    net.load_state_dict(read_tensors(folder / TENSORS, net.state_dict()), strict=True, assign=True)
    net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return Model(net, config, folder, digest(folder))


def shipped_generators() -> list[Path]:
    """The folders of the generators in weights/: the flagship, then the largest images first; there are other models
    too."""
    found = []
    for folder in sorted(SHIPPED.glob("*")):
        with suppress(UserError):
            net = read_config(folder).net
            if net.role == "generator":
                found.append((folder.name != FLAGSHIP, -net.resolution, folder))
    return [folder for *_, folder in sorted(found)]


def is_model(folder: Path) -> bool:
    """Whether a folder looks like a model folder; `load_model` says whether it is one."""
    return (folder / CONFIG).is_file() and (folder / TENSORS).is_file()


def find_generator(name: str) -> Path:
    """The generator's folder of a model folder, a run directory, a shipped model, or of what `registry.MODELS` knows by
    this name: a run, a model pulled from the Hub or uploaded.

    Raises `UserError` where there is none.
    """
    for folder in (Path(name), Path(name) / "generator", SHIPPED / name):
        if is_model(folder):
            return folder
    for entry in registry.MODELS:
        if found := registry.resolve(entry)(name):
            return found
    raise UserError(f"{name!r} is neither a model folder nor a run with a generator.")
