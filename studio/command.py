"""A command of this program as text, for people to run again what a page does."""

from __future__ import annotations

import shlex
from typing import Any

from gan_core.data import short_source


def command_line(verb: str, *arguments: str, places: bool = True, **options: Any) -> str:
    """`python -m gan_core VERB ARGUMENTS --OPTION VALUE ...`, quoted for a shell.

    An option that is False, "" or () is left out, and one that is True stands alone; a tuple becomes one list with
    commas, and for each item of a list the option stands anew. Without `places`, paths of this machine are cut short.
    """
    words = [verb, *arguments]
    for name, asked in options.items():
        for value in asked if isinstance(asked, list) else [asked]:
            if value is True:
                words.append(f"--{name.replace('_', '-')}")
            elif value is not False and value not in ("", ()):
                words += [f"--{name.replace('_', '-')}", _text(value, places)]
    return " ".join(["python -m gan_core", *map(shlex.quote, words)])


def _text(value: Any, places: bool) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, str):
        return value if places else short_source(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
