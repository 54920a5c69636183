"""What can be asked for in words: concepts, the exact words for each, and sentences that mean it (`lexicon.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from gan_core.config import Settings

Span = tuple[float, float]  # of KL grades, both ends included
Level = Literal["doubtful", "mild", "moderate", "severe"]
Compartment = Literal["medial", "lateral"]
Side = Literal["L", "R"]


class Grades(Settings):
    """The KL grades that a finding is evidence for, by how severe it is said to be."""

    any: Span
    doubtful: Span | None = None
    mild: Span | None = None
    moderate: Span | None = None
    severe: Span | None = None
    absent: Span | None = None

    def at(self, levels: Sequence[Level]) -> Span:
        """From the least to the most that these levels mean."""
        spans = [getattr(self, level) or self.any for level in levels] or [self.any]
        return min(s[0] for s in spans), max(s[1] for s in spans)


class Concept(Settings):
    """Something that words can mean; the file says what each field is."""

    name: str
    words: tuple[str, ...] = Field(min_length=1)
    says: tuple[str, ...] = Field(min_length=1)
    mild: tuple[str, ...] = ()
    severe: tuple[str, ...] = ()
    grades: Grades | None = None
    less: str = ""
    more: str = ""
    share: float = Field(0, ge=0, lt=1)
    compartments: bool = False
    cannot: str = ""
    note: str = ""

    @property
    def sentences(self) -> dict[str, tuple[Level, ...]]:
        """What means it, its words among that, and how severe that makes it."""
        out: dict[str, tuple[Level, ...]] = dict.fromkeys((*self.words, *self.says), ())
        return out | dict.fromkeys(self.mild, ("mild",)) | dict.fromkeys(self.severe, ("severe",))

    @property
    def of_joint_space(self) -> bool:
        return "joint_space" in (self.less, self.more)

    def agrees(self, other: Concept) -> bool:
        """Whether the same comes of both, so that one may be taken for the other."""
        if self.cannot or self.less or self.more:
            return (bool(self.cannot), self.less, self.more) == (bool(other.cannot), other.less, other.more)
        return self == other


Modifier = Level | Compartment
Meaning = Concept | Modifier | Side | Literal[""]  # "" of a word that says nothing by itself


class Lexicon(Settings):
    """All of the file."""

    concept: tuple[Concept, ...]
    reasons: dict[str, str]
    levels: dict[Level, tuple[str, ...]]
    compartments: dict[Compartment, tuple[str, ...]]
    sides: dict[Side, tuple[str, ...]]
    fillers: tuple[str, ...]
    unrelated: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Lexicon:
        if unknown := {c.cannot for c in self.concept} - {"", *self.reasons}:
            raise ValueError(f"there is no reason {unknown}")
        return self

    @cached_property
    def exact(self) -> dict[str, Meaning]:
        """What each exact word means, as the file spells it."""
        out: dict[str, Meaning] = dict.fromkeys(self.fillers, "")
        for group in (self.levels, self.compartments, self.sides):
            out |= {word: name for name, words in group.items() for word in words}
        return out | {word: concept for concept in self.concept for word in concept.words}

    @cached_property
    def meanings(self) -> dict[str, Meaning]:
        """The same by the words' `key`."""
        return {key(word): meaning for word, meaning in self.exact.items()}

    @cached_property
    def spellings(self) -> list[str]:
        """Every exact word, the longest first."""
        return sorted(self.exact, key=len, reverse=True)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds any exact word, the longest first."""
        spelled = (re.escape(word).replace(r"\ ", "[ -]?") + "s?" for word in self.spellings)
        return re.compile(rf"(?<!\w)(?:{'|'.join(spelled)})(?!\w)", re.IGNORECASE)


def key(word: str) -> str:
    """The same for all ways in which an exact word may be written."""
    return re.sub(r"[ -]", "", word.casefold()).rstrip("s")


@cache
def lexicon() -> Lexicon:
    """The lexicon that ships."""
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        return Lexicon.model_validate(tomllib.load(file))
