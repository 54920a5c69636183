"""A description cut into what is said: the grades it names, and the pieces between commas, "and", "with" and "no"."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import pairwise

from gan_core.errors import UserError
from studio.knee.words.lexicon import Span

MOST_CHARACTERS = 300

_DOTS = {0x131: "i", 0x130: "I"}  # Turkish i's, which an expression that ignores case takes for ours
_ENDS = r"(?= *(?:[,;.!?)]|$|and\b|with\b|at all\b))"
_REWRITTEN = {  # what would be cut in two, or be read as something else
    "w/o": "without",
    "wear and tear": "wear-and-tear",
    "can(?:no|['’])t": "can not",
    r"(\w+)n['’]t": r"\1 not",
    r"(\w+)['’]s": r"\1",
    f"no joint space(?: left)?{_ENDS}": "no-joint-space",
    f"no cartilage(?: left)?{_ENDS}": "no-cartilage",
    r"(?<![/&'’-])(?<!k )r(?![/&'’-])": "right",
    r"(?<![/&'’-])(?<!k )l(?![/&'’-])": "left",
}

_NUMBERS = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "i": 1, "ii": 2, "iii": 3, "iv": 4}
_NUMBER = rf"(?:\d{{1,3}}(?:\.\d{{1,3}})?|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_SCALE = r"(?:kellgren(?:[ -]*(?:and|&)?[ -]*lawrence)?|k ?[&/]? ?l)"
_BEFORE = {  # words before a grade, and what is added to it for an end: the lower one, or the upper one
    "at least|from|≥|>=": ("low", 0),
    "above|over|more than|>": ("low", 1),
    "at most|up to|≤|<=": ("high", 0),
    "below|under|less than|<": ("high", -1),
    "not|no|without": ("none", 0),
}
_AFTER = {  # and after it, where a "no" would belong to what comes next
    r"\+|at least|(?:or|and) (?:more|higher|worse|above|up)": ("low", 0),
    "at most|(?:or|and) (?:less|lower|better|below|down)": ("high", 0),
}
_LIMIT, _LIMIT_AFTER = (f"({'|'.join(limits)})" for limits in (_BEFORE, _AFTER))
_TO = r"(?:-|–|to(?= ))"
_LISTED = r"(?:(?:or|and)(?= )|/|,(?= ?[0-4](?![\w.])(?! *(?!(?:or|and|to) )[a-z])))"
_AGAIN = rf" ?(?:({_TO})|{_LISTED}) ?(?:{_SCALE} ?)?(?:grade )?({_NUMBER})(?!\w)"
_GRADE = re.compile(
    rf"(?<!\w)(?:{_LIMIT} ?)?(?:{_SCALE}[ -]*(?:grade|score|stage)?|grade|stage)s?(?: of)? ?[:=]? ?"
    rf"(?:{_LIMIT} ?)?(?P<first>{_NUMBER})(?!\w)(?P<more>(?:{_AGAIN})*)(?: ?{_LIMIT_AFTER}(?!\w))?",
    re.IGNORECASE,
)
_MORE = re.compile(_AGAIN, re.IGNORECASE)

_AUXILIARIES = ("is", "are", "was", "were", "does", "do", "did", "has", "have", "can")
_AUXILIARY = f"(?:{'|'.join(_AUXILIARIES)})"
_NOT = (
    r"(?:(?:no|not(?! enough)|without|(?:absence|lack) of|free (?:of|from)|lacking|neither|nor|never|negative for"
    r"|ohne|keine?[mnrs]?|sans|sin|senza)(?![\w-])|non(?=-))"  # the encoder makes something of other tongues' nouns
)
_SEEN = r"(?:seen|present|visible|noted|found|identified|evident|demonstrated|shown|detected)"
_IS_NOT = (  # after what is not there
    rf"(?:(?:{_AUXILIARY} )?(?:not (?:be |to be )?{_SEEN}|absent|ruled out|excluded)"
    r"|(?:no|none|nil|negative)(?=\s*(?:[,;.!?)]|$)))"
)
_INNER_NOT = re.compile(r"\b(is|are|was|were) not\b", re.IGNORECASE)
_WITHIN_NOT = re.compile(rf"(?<!\w){_NOT}", re.IGNORECASE)
_SPLIT = re.compile(
    r"[,;.!()+|/&\"<>]"
    rf"|[:?](?!\s*{_IS_NOT})"
    r"|(?<![\w-])(?:and|with|plus|but|showing|having|or|than)(?![\w-])"
    rf"|(?<!\w)(?=(?:(?:that|which) {_AUXILIARY}|does|do|did|has|have) not\b)"
    rf"|(?<!\w)(?={_NOT})(?!{_IS_NOT})(?!(?:{'|'.join(f'(?<={a} )' for a in _AUXILIARIES)})not\b)",
    re.IGNORECASE,
)
_BEGINS_NOT = re.compile(rf"^(?:(?:(?:that|which) )?{_AUXILIARY} (?=not\b))?(?:{_NOT}[\s-]*)+", re.IGNORECASE)
_ENDS_NOT = re.compile(rf"[\s:?–-]+{_IS_NOT}$", re.IGNORECASE)


@dataclass(frozen=True)
class NamedGrade:
    """A grade in figures, or a range of them."""

    text: str  # as written
    start: int
    grades: Span | None  # None where they cannot be asked for:
    note: str = ""  # why


@dataclass(frozen=True)
class Piece:
    """A part of the text."""

    text: str  # without such words as "no"
    written: str  # with them
    start: int
    joiner: str  # what stands before it, such as "," or "and"
    negated: bool

    @property
    def compared(self) -> bool:
        """Whether it is what something else is compared with."""
        return self.joiner in ("than", "<", ">")


def clean(words: str) -> str:
    """One line of ordinary characters. Raises `UserError` where there is nothing in it, or too much."""
    if len(words) > MOST_CHARACTERS:
        raise UserError(f"A description has at most {MOST_CHARACTERS} characters: say less at once.")
    # Control characters, lone surrogates and every kind of space become plain spaces; NFKC may lengthen the text.
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFKC", words))
    text = " ".join(text.translate(_DOTS).split())[:MOST_CHARACTERS]
    if not any(c.isalnum() for c in text):
        raise UserError("Write what the knee should show, such as: severe medial narrowing, osteophytes, left knee.")
    for written, meant in _REWRITTEN.items():
        text = re.sub(rf"(?<!\w){written}(?!\w)", meant, text, flags=re.IGNORECASE)
    return text


def named_grades(text: str, most: float) -> tuple[list[NamedGrade], str]:
    """The KL grades that are named, open ones up to `most`, and the text without them, all else in its place."""
    found: list[NamedGrade] = []

    def take(match: re.Match[str]) -> str:
        before, within, *_, after = match.groups()
        named = [("", _number(match["first"])), *((to, _number(n)) for to, n in _MORE.findall(match["more"]))]
        ends = [n for _, n in named]
        if text[: match.start("first")].endswith(" -"):  # a sign: "KL-3" has none
            ends[0] = -ends[0]
        grades: Span | None = (min(ends), max(ends))
        note = ""
        if any(not to and abs(n - last) > 1 for (_, last), (to, n) in pairwise(named)):
            grades, note = None, "say one of them, or a range"
        for limit, words in ((before, _BEFORE), (within, _BEFORE), (after, _AFTER)):
            end, add = next((w for k, w in words.items() if limit and re.fullmatch(k, limit, re.IGNORECASE)), ("", 0))
            if grades and end == "none":
                grades, note = None, "say which grade it should be instead"
            elif grades and end:
                low, high = grades
                grades = (low + add, max(most, high)) if end == "low" else (0.0, high + add)
        found.append(NamedGrade(match[0].strip(), match.start(), grades, note))
        return ",".ljust(len(match[0]))

    return found, _GRADE.sub(take, text)


def _number(written: str) -> float:
    return _NUMBERS[written.lower()] if written.lower() in _NUMBERS else float(written)


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
