"""What a person adds to a source to say how it is read: "films?split=val&labels=grades.csv&patients={patient}_*"."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import parse_qsl, quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gan_core.errors import UserError

Folders = Literal["", "classes", "patients", "none"]
NONE = "none"
ALL = "all"
KNEES = "knees"


class Question(UserError):
    """What only a person can say of a source. `choices` are options for it, each with words for a page."""

    def __init__(self, ask: str, choices: Mapping[str, Mapping[str, str]], command: str) -> None:
        self.ask, self.choices = ask, {title: dict(options) for title, options in choices.items()}
        super().__init__(f"{ask} {command}")


class Options(BaseModel):
    """All that can be said of a source. "" leaves a thing to what is found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str = Field("", max_length=100)  # train, val, ... as found, or all
    labels: str = Field("", max_length=4000)  # a table of labels (CSV, JSON lines, parquet), or none
    file: str = Field("", max_length=200)  # the table's column of file names
    label: str = Field("", max_length=200)  # the column of classes
    image: str = Field("", max_length=200)  # a parquet table's column of images
    folders: Folders = ""  # what the folders around the images are
    patients: str = Field("", max_length=200)  # "{patient}_*": where a file's name says whose it is; or none
    crop: str = Field("", max_length=4000)  # knees, or a table of crops: an image of each knee instead of each film
    width: str = ""  # in mm, of the boxes that are found on films whose scale is known

    @property
    def recipe(self) -> str:
        """What of this changes which images come, and of which class; "" where nothing was said."""
        said = self.model_dump(exclude_defaults=True)
        return "".join(f"|{k}={v}" for k, v in said.items())

    @field_validator("patients")
    @classmethod
    def _names_a_patient(cls, text: str) -> str:
        if text not in ("", NONE) and (text.count("{patient}") != 1 or text.count("*") > 4):
            raise ValueError("write {patient} once where the name says whose it is, and * for the rest")
        return text

    @field_validator("width")
    @classmethod
    def _fits_a_knee(cls, text: str) -> str:
        try:
            fits = not text or 60 <= float(text) <= 300
        except ValueError:
            fits = False
        if not fits:
            raise ValueError("write the width of a knee's box in mm, from 60 to 300")
        return text


KEYS = tuple(Options.model_fields)


def split_options(source: str) -> tuple[str, Options]:
    """A source's text as what it names and how that is to be read.

    Raises:
        UserError: if what follows the "?" says nothing that a source understands.
    """
    base, mark, query = source.rpartition("?")
    if not mark or _exists(source):
        return source, Options()
    pairs = parse_qsl(query, keep_blank_values=True)
    if not pairs or any(key not in KEYS for key, _ in pairs):
        return source, Options()  # a "?" of the name itself: what it names is then said to be missing
    try:
        return base, Options.model_validate(dict(pairs))
    except ValidationError as e:
        key, *_ = (str(part) for part in e.errors()[0]["loc"])
        what = f"folders is one of {', '.join(filter(None, get_args(Folders)))}"
        if key != "folders":
            what = f"{key}: {e.errors()[0]['msg'].removeprefix('Value error, ')}"
        raise UserError(f"How the images are to be read is not understood: {what}.") from e


def with_options(source: str, **changes: str) -> str:
    """`source` read with these options changed; "" takes one back.

    Raises:
        UserError: as `split_options` does.
    """
    base, options = split_options(source)
    said = {k: v for k, v in (options.model_dump() | changes).items() if v}
    text = "&".join(f"{k}={quote(v, safe='/{}*:._- ')}" for k, v in said.items())
    changed = f"{base}?{text}" if text else base
    split_options(changed)
    return changed


def _exists(source: str) -> bool:
    try:
        return Path(source).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False
