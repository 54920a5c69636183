"""Words -> what is asked of a knee, phrase by phrase, each with how sure that is.

Exact words come first: grades, sides, and the words of the lexicon, also where they are spelled a little wrong. What is
left is compared with the lexicon's sentences by a sentence encoder, where there is one. A phrase that is like none of
them is said not to be understood; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from itertools import zip_longest
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gan_core.grades import KL_GRADE
from studio.knee.words.lexicon import Concept, Level, Modifier, Side, Span, key, lexicon
from studio.knee.words.phrases import NamedGrade, Piece, clean, named_grades, pieces, says_no
from studio.knee.words.sentences import SentenceEncoder

MOST_GRADE = 4.0
ALIKE = 0.28  # what is less alike in meaning is not understood; set on the phrases of tests/helpers/described.py
ADDS = 0.03  # nor what "knee", "joint" and their like, without its other words, are as much like
CLEAR = 0.025  # nor what is nearly as much like something else
SPELLED = 0.87  # what is less alike in spelling is another word
_UNRELATED = 0.99  # the share of unrelated sentences' likenesses that count for nothing
_LETTERS = 5  # of a word that may be misspelled, at least
_SHARE, _SHARES = 0.85, {"doubtful": 0.6, "mild": 0.65, "moderate": 0.8, "severe": 0.95}
_ONE_SIDED = 0.7  # share that is enough for the difference between the sides
_NOT_SO = 0.5  # share where words say that something is not so

SIDES: dict[Side, str] = {"L": "Left knee", "R": "Right knee"}
How = Literal["exact", "spelling", "meaning", "unknown"]


@dataclass(frozen=True)
class Target:
    """A quantity that is to be past that of so large a share of the model's own images."""

    quantity: str
    more: bool
    share: float


@dataclass(frozen=True)
class Understood:
    """A phrase and what was made of it."""

    phrase: str  # as written
    means: str = ""  # in words; "" where it was not understood
    concept: str = ""  # of the lexicon, where it is one
    negated: bool = False
    how: How = "unknown"
    sure: float = 0.0  # 1 where exact, else how alike it is to ...
    like: str = ""  # ... the word or the sentence that it was taken for, or was not
    note: str = ""
    cannot: bool = False  # nothing comes of it: the note says why
    grades: Span | None = None  # of Kellgren and Lawrence
    side: Side | None = None
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Request:
    """All that is asked of a knee."""

    phrases: tuple[Understood, ...]
    grades: Span | None = None
    side: Side | None = None
    targets: tuple[Target, ...] = ()  # one a quantity
    notes: tuple[str, ...] = ()  # what does not go together


def understand(words: str, encoder: SentenceEncoder | None = None) -> Request:
    """What is asked for. Without an encoder, exact words alone are understood.

    Raises `UserError` where there are no words, or too many.
    """
    named, text = named_grades(clean(words), MOST_GRADE)
    found = [(grade.start, _grade(grade)) for grade in named]
    unread: list[_Reading] = []
    carried: _Reading | None = None
    parts = pieces(text)
    for piece, after in zip_longest(parts, parts[1:]):
        if piece.compared:
            found.append(
                (piece.start, Understood(f"{piece.joiner} {piece.written}", note="comparisons are passed over"))
            )
            continue
        reading = _read(piece, carried)
        carried = None
        found += reading.found
        if reading.unread:
            unread.append(reading)
        elif reading.modifiers and after and after.joiner in ("and", "or", "/", "&"):
            carried = reading  # "medial and lateral narrowing"
        elif reading.modifiers:
            found.append((piece.start, _modifiers_alone(reading)))
    found += _by_meaning(unread, encoder)
    return combined([phrase for _, phrase in sorted(found, key=lambda pair: pair[0])])


def _grade(named: NamedGrade) -> Understood:
    exact = Understood(named.text, "KL grade", how="exact", sure=1.0, grades=named.grades)
    if named.grades is None:
        return replace(exact, note=named.note, cannot=True)
    if not 0 <= named.grades[0] <= named.grades[1] <= MOST_GRADE:
        return replace(exact, note=f"grades go from 0 to {MOST_GRADE:g}", cannot=True, grades=None)
    return exact


# -- exact words -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reading:
    """What the exact words of a piece say."""

    piece: Piece
    found: list[tuple[int, Understood]]
    modifiers: tuple[Modifier, ...]  # that go with none of them
    unread: str = ""  # the words to compare with sentences: where none of the lexicon's says what they are about
    common: str = ""  # those of them that the lexicon has, "knee" and its like


def _read(piece: Piece, carried: _Reading | None) -> _Reading:
    text, sure, like = _spelled(piece.text)
    exact = Understood("", how="exact" if sure == 1 else "spelling", sure=sure, like=like)
    rest = unread = text
    begin = -1
    modifiers = carried.modifiers if carried else ()
    sides: list[Understood] = []
    said: list[tuple[str, Concept, tuple[Modifier, ...]]] = []
    for match in lexicon().pattern.finditer(text):
        start, end = match.span()
        rest = _without(rest, start, end)
        meaning = lexicon().meanings[key(match[0])]
        if isinstance(meaning, Concept):
            said.append((text[start if begin < 0 else begin : end], meaning, modifiers))
            modifiers, begin = (), -1
        elif meaning == "L" or meaning == "R":
            side: Side = meaning if not piece.negated else "R" if meaning == "L" else "L"
            sides.append(replace(exact, phrase=match[0], means=SIDES[side], side=side))
            unread = _without(unread, start, end)
        elif meaning:
            modifiers, begin = (*modifiers, meaning), start if begin < 0 else begin
    if said:
        phrase, concept, own = said[-1]
        said[-1] = phrase, concept, own + modifiers  # "narrowing, severe": what comes last goes with what was before it
        modifiers = ()
    common = "".join(" " if left != " " else letter for letter, left in zip(unread, rest, strict=True))
    rest = " ".join(re.findall(r"[^\W_][\w'-]*", rest))
    found = [_meant(replace(exact, phrase=phrase), concept, own, piece.negated) for phrase, concept, own in said]
    if found and rest:
        found[-1] = replace(found[-1], note=_joined(found[-1].note, f"passed over: {rest}"))
    found += sides
    if len(found) == 1 and not rest:
        whole = f"{carried.piece.written} {piece.joiner} {piece.written}" if carried else piece.written
        found = [replace(found[0], phrase=whole)]
    return _Reading(piece, [(piece.start, f) for f in found], modifiers, "" if said or not rest else unread, common)


def _without(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _spelled(text: str) -> tuple[str, float, str]:
    """The text with its misspelled words put right, how alike these are at least, and what they were taken for."""
    sure, like = 1.0, []
    vocabulary = _vocabulary()

    def put_right(match: re.Match[str]) -> str:
        nonlocal sure
        written = match[0].casefold()
        if written in vocabulary:
            return match[0]
        word = _sounds(written)
        near = [(right, sound) for right, sound in vocabulary.items() if sound[0] == word[0]]
        alike, right = max(((_alike(word, s), right) for right, s in near), default=(0.0, ""))
        if alike < SPELLED:
            return match[0]
        sure = min(sure, _alike(written, right))
        like.append(right)
        return right

    return re.sub(rf"[^\W\d_]{{{_LETTERS},}}", put_right, text), sure, ", ".join(like)


def _alike(word: str, other: str) -> float:
    """From 0 to 1. Two letters that changed places, as in "rigth", are one slip and not two."""
    swapped = len(word) == len(other) and sum(a != b for a, b in zip(word, other, strict=True)) == 2
    if swapped and sorted(word) == sorted(other) and word != other:
        return 1 - 1 / (2 * len(word))
    return SequenceMatcher(None, word, other).ratio()


@cache
def _vocabulary() -> dict[str, str]:
    """The lexicon's longer words, and how they sound."""
    words = {word for entry in lexicon().spellings for word in re.findall(r"[^\W\d_]+", entry)}
    long = sorted(word for word in words - set(lexicon().fillers) if len(word) >= _LETTERS)
    return {form: _sounds(form) for word in long for form in (word, word.rstrip("s") + "s")}


def _sounds(word: str) -> str:
    """Written as it sounds, roughly: "osteofites" is "osteophytes", and "oedema" is "edema"."""
    word = re.sub(r"c(?=[eiy])", "s", word)
    for written, said in (("ph", "f"), ("y", "i"), ("ae", "e"), ("oe", "e"), ("ck", "k"), ("c", "k")):
        word = word.replace(written, said)
    return re.sub(r"(.)\1+", r"\1", word)


def _meant(phrase: Understood, concept: Concept, modifiers: Sequence[Modifier], negated: bool) -> Understood:
    """`phrase`, with what comes of this concept."""
    levels = _levels(modifiers)
    where = sorted(set(modifiers) - set(levels))
    name = ("No: " if negated else "") + ", ".join([concept.name, *where, *levels])
    phrase = replace(phrase, means=name, concept=concept.name, negated=negated, note=concept.note)
    if concept.cannot:
        note = f"it can be neither asked for nor kept out: {lexicon().reasons[concept.cannot]}"
        return replace(phrase, note=note, cannot=True)
    grades = concept.grades.at(levels) if concept.grades else None
    if negated and levels:  # "no severe narrowing" may still be a mild one
        return replace(phrase, grades=grades and (0.0, max(grades[0] - 1, 0.0)))
    if negated:
        grades = concept.grades.absent if concept.grades else None
    share = _NOT_SO if negated else concept.share or max([_SHARES[level] for level in levels], default=_SHARE)
    more = bool(concept.more) != negated
    if where and (concept.of_joint_space or concept.compartments):
        targets = [Target(place, more, share) for place in where]
        if not more and len(where) == 1:
            targets.append(Target(f"{where[0]}_less", True, min(share, _ONE_SIDED)))
        if concept.of_joint_space and more:
            grades = None  # the other side may be as it is
        return replace(phrase, grades=grades, targets=tuple(targets))
    if where:
        phrase = replace(phrase, note=_joined(phrase.note, "where it is cannot be asked for"))
    quantity = concept.more or concept.less
    return replace(phrase, grades=grades, targets=(Target(quantity, more, share),) if quantity else ())


def _levels(modifiers: Sequence[Modifier]) -> list[Level]:
    return [m for m in modifiers if m != "medial" and m != "lateral"]


def _modifiers_alone(reading: _Reading) -> Understood:
    """ "Severe" by itself is severe osteoarthritis; "medial" by itself says nothing."""
    if reading.piece.written.casefold() in get_args(Level):
        phrase = Understood(reading.piece.written, how="exact", sure=1.0)
        return _meant(phrase, lexicon().concept[0], reading.modifiers, reading.piece.negated)
    return Understood(reading.piece.written, note="it does not say what")


# -- meaning -----------------------------------------------------------------------------------------------------------


def _by_meaning(readings: Sequence[_Reading], encoder: SentenceEncoder | None) -> list[tuple[int, Understood]]:
    """What the words mean that are not in the lexicon, by the sentence that they are most like."""
    if not readings:
        return []
    texts = [" ".join(r.unread.split()) for r in readings]
    if encoder is None:
        note = "not in the list of words, and there is no sentence encoder to compare meanings"
        return [(r.piece.start, Understood(text, note=note)) for r, text in zip(readings, texts, strict=True)]
    known = _known(encoder)
    negative = np.array([says_no(text) for text in known.texts])
    written = [text if r.found else r.piece.written for r, text in zip(readings, texts, strict=True)]
    out = []
    common = [" ".join(r.common.split()) for r in readings]
    sures = zip(*(known.sure(encoder(each)) for each in (written, texts, common)), strict=True)
    for reading, words, (whole, part, without) in zip(readings, written, sures, strict=True):
        # A sentence that says "no" itself answers to the words as written, any other one to them without their "no".
        sure = np.where(negative, whole, part)
        order = (-sure).argsort()
        concept, levels = known.meanings[order[0]]
        rival = next(i for i in order if not known.meanings[i][0].agrees(concept))
        phrase = Understood(words, sure=float(sure[order[0]]), like=known.texts[order[0]])
        if phrase.sure < ALIKE or (reading.common.strip() and phrase.sure - without[order[0]] < ADDS):
            phrase = replace(phrase, note="like nothing that can be asked for")
        elif phrase.sure - sure[rival] < CLEAR:
            names = f"“{concept.name}” or “{known.meanings[rival][0].name}”"
            phrase = replace(phrase, note=f"it may mean {names}: say it in other words")
        else:
            modifiers = reading.modifiers if _levels(reading.modifiers) else (*reading.modifiers, *levels)
            no = reading.piece.negated and not negative[order[0]]
            phrase = _meant(replace(phrase, how="meaning"), concept, modifiers, no)
        out.append((reading.piece.start, phrase))
    return out


@dataclass(frozen=True)
class _Known:
    """The lexicon's words and sentences as an encoder has them."""

    texts: list[str]
    meanings: list[tuple[Concept, tuple[Level, ...]]]
    vectors: NDArray[np.float32]
    unrelated: float  # how alike to them what has nothing to do with them may be

    def sure(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """How alike N texts are to each, [N, texts]: 1 for the same, 0 for no more than unrelated ones are. So a mark
        on it holds for any encoder, also for one that finds everything alike."""
        return np.clip(1 - (1 - vectors @ self.vectors.T) / (1 - self.unrelated + 1e-6), 0, 1)


@cache
def _known(encoder: SentenceEncoder) -> _Known:
    meant = [(text, (concept, levels)) for concept in lexicon().concept for text, levels in concept.sentences.items()]
    texts, meanings = [text for text, _ in meant], [meaning for _, meaning in meant]
    vectors = encoder(texts)
    return _Known(texts, meanings, vectors, float(np.quantile(encoder(lexicon().unrelated) @ vectors.T, _UNRELATED)))


# -- all together ------------------------------------------------------------------------------------------------------


def combined(phrases: Sequence[Understood]) -> Request:
    """All phrases at once. Where two do not go together the grade in figures holds, else the one that comes first."""
    notes: list[str] = []
    grades: Span | None = None
    side: Side | None = None
    targets: dict[str, Target] = {}
    for phrase in sorted(phrases, key=lambda p: p.means != KL_GRADE):
        clash = False
        if phrase.grades:
            low, high = phrase.grades
            both = (max(low, grades[0]), min(high, grades[1])) if grades else phrase.grades
            clash = both[0] > both[1]
            grades = grades if clash else both
        if phrase.side:
            clash |= side not in (None, phrase.side)
            side = side or phrase.side
        for target in phrase.targets:
            had = targets.setdefault(target.quantity, target)
            clash |= had.more != target.more
            if had.more == target.more and target.share > had.share:
                targets[target.quantity] = target
        if clash:
            notes.append(f"“{phrase.phrase}” does not go with the rest, and is followed only where it does.")
    return Request(tuple(phrases), grades, side, tuple(targets.values()), tuple(notes))
