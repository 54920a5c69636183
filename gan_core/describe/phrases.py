"""A description cut into what is said: the grades it names, and the pieces between commas, "and", "with" and "no"."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from gan_core.describe.lexicon import Span
from gan_core.errors import UserError

MOST_CHARACTERS = 300

_DOTS = {0x131: "i", 0x130: "I"}  # Turkish i's, which an expression that ignores case takes for ours
_NUMBERS = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "i": 1, "ii": 2, "iii": 3, "iv": 4}
_NUMBER = rf"(\d{{1,3}}(?:\.\d{{1,3}})?|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_SCALE = r"(?:kellgren(?:[ -]*(?:and|&)?[ -]*lawrence)?|k ?[&/]? ?l)"
_LIMITS = {  # words around a grade, and what is added to it for an end: the lower one, or the upper one
    "at least|from|≥|>=|or more|or higher|or worse|or above|\\+": ("low", 0),
    "above|over|more than|>": ("low", 1),
    "at most|up to|≤|<=|or less|or lower|or better|or below": ("high", 0),
    "below|under|less than|<": ("high", -1),
    "not|no|without": ("none", 0),
}
_LIMIT = f"({'|'.join(_LIMITS)})"
_GRADE = re.compile(
    rf"(?<!\w)(?:{_LIMIT} ?)?(?:{_SCALE}[ -]*(?:grade|score|stage)?|grade|stage)s?(?: of)? ?[:=]? ?"
    rf"(?:{_LIMIT} ?)?{_NUMBER}"
    rf"(?: ?(?:-|–|to|or|and|/) ?(?:{_SCALE} ?)?(?:grade )?{_NUMBER})?(?: ?{_LIMIT})?(?!\w)",
    re.IGNORECASE,
)

_NOT = (
    r"(?:no|not(?! enough)|without|(?:absence|lack) of|free (?:of|from)|lacking|neither|nor|never|negative for"
    r"|ohne|keine?[mnrs]?|sans|sin|senza)(?!\w)"  # the encoder makes something of other languages' nouns
)
_IS_NOT = r"(?:(?:is|are) )?(?:not (?:seen|present|visible|noted)|absent|ruled out|excluded)"
_INNER_NOT = re.compile(r"\b(is|are|was|were) not\b", re.IGNORECASE)
_WITHIN_NOT = re.compile(rf"(?<!\w){_NOT}", re.IGNORECASE)
_SPLIT = re.compile(
    r"[,;:.!?()+|/&\"]"
    r"|(?<![\w-])(?:and|with|plus|but|showing|having|or)(?![\w-])"
    rf"|(?<!\w)(?={_NOT})(?!{_IS_NOT})(?!(?:(?<=is )|(?<=are )|(?<=was )|(?<=were ))not)",
    re.IGNORECASE,
)
_BEGINS_NOT = re.compile(rf"^(?:{_NOT}\s*)+", re.IGNORECASE)
_ENDS_NOT = re.compile(rf"\s+{_IS_NOT}$", re.IGNORECASE)


@dataclass(frozen=True)
class NamedGrade:
    """A grade in figures, or a range of them."""

    text: str  # as written
    start: int
    grades: Span | None  # None where it says which grade it is not


@dataclass(frozen=True)
class Piece:
    """A part of the text."""

    text: str  # without such words as "no"
    written: str  # with them
    start: int
    joiner: str  # what stands before it, such as "," or "and"
    negated: bool


def clean(words: str) -> str:
    """One line of ordinary characters. Raises `UserError` where there is nothing in it, or too much."""
    if len(words) > MOST_CHARACTERS:
        raise UserError(f"A description has at most {MOST_CHARACTERS} characters: say less at once.")
    # Control characters, lone surrogates and every kind of space become plain spaces; NFKC may lengthen the text.
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFKC", words))
    text = " ".join(text.translate(_DOTS).split())[:MOST_CHARACTERS]
    if not any(c.isalnum() for c in text):
        raise UserError("Write what the knee is to show, such as: severe medial narrowing, osteophytes, left knee.")
    for written, meant in (("w/o", "without"), ("wear and tear", "wear-and-tear")):  # not to be cut in two
        text = re.sub(rf"(?<!\w){written}(?!\w)", meant, text, flags=re.IGNORECASE)
    return text


def named_grades(text: str, most: float) -> tuple[list[NamedGrade], str]:
    """The KL grades that are named, open ones up to `most`, and the text without them, all else in its place."""
    found: list[NamedGrade] = []

    def take(match: re.Match[str]) -> str:
        before, within, first, second, after = match.groups()
        ends = [_NUMBERS[n.lower()] if n.lower() in _NUMBERS else float(n) for n in (first, second) if n]
        grades: Span | None = (min(ends), max(ends))
        limits = [limit.strip() for limit in (before, within, after) if limit]
        for words, (end, add) in _LIMITS.items():
            if grades and any(re.fullmatch(words, limit, re.IGNORECASE) for limit in limits):
                low, high = grades
                grades = {"low": (low + add, max(most, high)), "high": (0.0, high + add)}.get(end)
        found.append(NamedGrade(match[0].strip(), match.start(), grades))
        return ",".ljust(len(match[0]))

    return found, _GRADE.sub(take, text)


def pieces(text: str) -> list[Piece]:
    """The text in pieces, those negated that begin or end with such a word, or go on in a list: "no A, B or C"."""
    out: list[Piece] = []
    start, joiner = 0, ""
    for split in (*_SPLIT.finditer(text), None):
        written = text[start : split.start() if split else None].strip()
        bare = _INNER_NOT.sub(r"\1", _ENDS_NOT.sub("", _BEGINS_NOT.sub("", written)))
        if bare:
            out.append(Piece(bare, written, start, joiner, bare != written))
            joiner = ""
        if split:
            start = split.end()
            joiner = split[0].lower() or joiner
    for i, piece in enumerate(out):
        if piece.negated:
            last = next((j for j in range(i + 1, len(out)) if out[j].joiner != "," or out[j].negated), len(out))
            if last < len(out) and out[last].joiner == "or":
                out[i : last + 1] = [replace(p, negated=True) for p in out[i : last + 1]]
    return out


def says_no(text: str) -> bool:
    """Whether it says that something is not so."""
    return any(expression.search(text) for expression in (_WITHIN_NOT, _ENDS_NOT))
