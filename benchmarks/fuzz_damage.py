"""What can go wrong with a file, as hypothesis draws it: damage of its bytes, of its place, of what its JSON says."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

PLACES = st.integers(0, 2**24)  # of a byte, a key, a member: taken modulo how many there are
_DEEP = "@@deep@@"  # stands for a list in a list in a list ..., which no library would write
_HUGE = "@@huge@@"
_TEXTS = {_DEEP: "[" * 100_000 + "]" * 100_000, _HUGE: "1" + "0" * 400, "@@long@@": "7" * 5000}

paths = st.sampled_from(
    ["../../outside/secret.txt", "/etc/passwd", "..\\..\\outside\\secret.txt", "C:\\x", "~root", "a\0b", "", ".", "//"]
)
words = st.one_of(
    st.text(max_size=20),
    paths,
    st.sampled_from(
        ["a\nb", "**bold** $x$ :red[y]", "<img src=x onerror=alert(1)>", "x" * 2000, " ", "=1+1", "\u202e", "𝟙"]
    ),
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, 2**31, 2**63, 10**12, 10**18]),
)
odd = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    words,
    st.sampled_from(list(_TEXTS)),
    st.lists(st.one_of(numbers, words), max_size=4),
    st.dictionaries(words, st.one_of(numbers, words), max_size=3),
)


_PLACES = ["gone", "folder", *(["loop", "link", "pipe"] if hasattr(os, "mkfifo") else [])]  # Windows asks for rights

# -- bytes and places -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Damage:
    """Of a file: its bytes, or what lies in its place."""

    how: Literal["cut", "flip", "noise", "empty", "longer", "gone", "folder", "loop", "link", "pipe"]
    at: int = 0
    noise: bytes = b"\0"

    def bytes(self, content: bytes) -> bytes:
        """`content` with the damage, where that is to bytes."""
        at = self.at % max(1, len(content))
        out = bytearray(content)
        if self.how == "cut":
            return content[:at]
        if self.how == "empty":
            return b""
        if self.how == "longer":
            return content + self.noise
        if self.how == "noise":
            out[at : at + len(self.noise)] = self.noise
        elif content:
            out[at] ^= 1 << self.at % 8
        return bytes(out)

    def do(self, path: Path, outside: Path) -> None:
        """To the file, or the folder, at `path`; a link leads to what is at `outside`."""
        if self.how not in _PLACES:
            if path.is_dir():
                shutil.rmtree(path)
            path.write_bytes(self.bytes(path.read_bytes() if path.exists() else b""))
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        if self.how == "folder":
            path.mkdir()
        elif self.how == "pipe":
            os.mkfifo(path)
        elif self.how != "gone":
            path.symlink_to(path if self.how == "loop" else outside)


of_bytes = st.builds(
    Damage,
    st.sampled_from(["cut", "flip", "noise", "empty", "longer"]),
    st.one_of(PLACES, st.integers(0, 600)),  # heads are of more interest
    st.binary(min_size=1, max_size=12),
)
of_places = st.builds(Damage, st.sampled_from(_PLACES))


# -- JSON -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Edit:
    """Of something in a JSON document: set to, taken out, renamed to, or joined by `value`."""

    how: Literal["set", "out", "rename", "join"]
    at: int
    value: Any


edits = st.lists(
    st.builds(Edit, st.sampled_from(["set", "set", "set", "out", "rename", "join"]), PLACES, odd),
    min_size=1,
    max_size=3,
)


def edited(document: Any, changes: list[Edit]) -> bytes:
    """The document as JSON, after the changes."""
    document = {"": copy.deepcopy(document)}
    for change in changes:
        places = list(_places(document))
        if places:
            _edit(*places[change.at % len(places)], change)
    text = json.dumps(document.get(""))
    for mark, meant in _TEXTS.items():
        text = text.replace(f'"{mark}"', meant)
    return text.encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of all that lies in a document, depth first."""
    for key, value in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _edit(node: Any, key: Any, change: Edit) -> None:
    name = change.value if isinstance(change.value, str) else str(change.value)
    if change.how == "set" or not isinstance(node, dict):
        node[key] = copy.deepcopy(change.value)
    elif change.how == "join":
        node[name] = copy.deepcopy(change.value)
    else:
        value = node.pop(key)
        if change.how == "rename":
            node[name] = value
