"""The one exception that reaches a person, and what a stranger's text must not do to whoever reads it."""

import errno
import os
import re

MOST = 900  # characters


def readable(text: str) -> str:
    """`text` that can be written as UTF-8: the bytes of a file's name that are none are taken for Latin-1, as in the
    folders that old Windows zips hold."""
    return re.sub("[\udc80-\udcff]", lambda byte: chr(ord(byte[0]) - 0xDC00), text)


def printable(text: str) -> str:
    """`text` without what would command a terminal or hide a part of the line; new lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in readable(text))


def no_utf8(name: str) -> str:
    """What to say of a name that goes where only UTF-8 does."""
    return f"{readable(name)!r} holds a name that is not UTF-8, and cannot be used here: rename that folder or file."


def why(error: OSError) -> str:
    """What went wrong, in the system's words. Of a file where a folder is to be made it says that it exists."""
    return os.strerror(errno.ENOTDIR) if isinstance(error, FileExistsError) else error.strerror or str(error)


class UserError(Exception):
    """Something a person can put right: its text is one or two plain sentences that say what is wrong and what to do.

    The command line prints it as one line, a page shows it as a notice; neither shows a traceback. What it quotes may
    be a stranger's, such as the name of a file in a zip.
    """

    def __str__(self) -> str:
        text = printable(" ".join(super().__str__().splitlines()))
        return text if len(text) <= MOST else f"{text[: MOST // 2]} … {text[-MOST // 2 :]}"
