"""Kellgren-Lawrence grades: which names of classes and columns mean them."""

from __future__ import annotations

import re
from collections.abc import Collection

KL_GRADE = "KL grade"  # what a class is called where it is such a grade
_GRADE_WORDS = {
    "normal": 0,
    "healthy": 0,
    "none": 0,
    "no oa": 0,
    "doubtful": 1,
    "questionable": 1,
    "mild": 2,
    "minimal": 2,
    "moderate": 3,
    "severe": 4,
}  # Kellgren and Lawrence, 10.1136/ard.16.4.494, and the names in the data sets made from the OAI
_GRADE = re.compile(
    r"(?P<kl>k-?l|kellgren lawrence)? ?(?P<word>grade|g|stage)? ?(?:0?(?P<number>[0-4]))? ?(?P<means>[a-z ]*)"
)
_WORD_FIRST = re.compile(r"(?P<means>[a-z ]*?[a-z]) (?P<number>(?:(?:kl|grade|g|stage) )*0?[0-4])")  # Mild (KL2)
_ROMAN = re.compile(r"((?:kl|grade|g|stage) )(i|ii|iii|iv)\b")
_RANGE = re.compile(r"[<>≤≥]|\d\s*\+")  # "KL>=2", "KL2+": more than one grade


def plain(name: str) -> str:
    """A column's name or a class's, for comparing: "KL_Grade" and "kl grade" are one."""
    return " ".join(re.split(r"[\W_]+", name.casefold())).strip()


def grade(name: str) -> int | None:
    """The Kellgren-Lawrence grade that a class's name means, such as "0Normal", "KL2", "Grade 3", "Severe", "4"."""
    if _RANGE.search(name):
        return None
    text = plain(re.sub(r"(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)", " ", name)).replace("k l", "kl")
    text = _ROMAN.sub(lambda m: f"{m[1]}{('i', 'ii', 'iii', 'iv').index(m[2]) + 1}", text)
    if (first := _WORD_FIRST.fullmatch(text)) and first["means"] in _GRADE_WORDS:
        text = f"{first['number']} {first['means']}"
    found = _GRADE.fullmatch(text)
    if not found or not (found["number"] or found["means"]):
        return None
    means = found["means"].strip().removesuffix(" oa").removesuffix(" osteoarthritis").strip() or None
    of_word = _GRADE_WORDS.get(found["means"].strip(), _GRADE_WORDS.get(means or ""))
    if means and of_word is None:
        return None
    if found["number"] is None:
        return of_word
    number = int(found["number"])
    return number if of_word in (None, number) else None


def grades(names: Collection[str]) -> dict[str, str] | None:
    """Each class's grade as "0" to "4", where all the names mean grades, and no two the same one; else None."""
    found = {name: grade(name) for name in names}
    different = len(set(found.values())) == len(found)
    return {n: str(g) for n, g in found.items()} if found and None not in found.values() and different else None


def called(found: str, wanted: str) -> str:
    """What a class is called, of data that says `found` ("" for nothing) where the settings say `wanted`: no other
    class is called a KL grade."""
    return found if found and wanted in ("class", KL_GRADE) else wanted


def short(label_name: str) -> str:
    """What a class is called before its name: KL 2."""
    return "KL" if label_name == KL_GRADE else label_name


def caption(label_name: str, class_name: str, name: str) -> str:
    """What is written under an image: KL 2 · seed 7."""
    return f"{short(label_name)} {class_name} · {name}" if class_name else name


def is_kl(column: str) -> bool:
    """Whether a column is called as one of Kellgren-Lawrence grades is: KL, kl_grade, V00XRKL."""
    return bool(re.fullmatch(r"(v\d\d)? ?(xr)? ?(kl ?g?( grade)?|kellgren.*)", plain(column)))
