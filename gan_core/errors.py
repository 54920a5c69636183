"""The one exception that reaches a person, and what a stranger's text must not do to whoever reads it."""

MOST = 900  # characters


def printable(text: str) -> str:
    """`text` without what would command a terminal or hide a part of the line; new lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


class UserError(Exception):
    """Something a person can put right: its text is one or two plain sentences that say what is wrong and what to do.

    The command line prints it as one line, a page shows it as a notice; neither shows a traceback. What it quotes may
    be a stranger's, such as the name of a file in a zip.
    """

    def __str__(self) -> str:
        text = printable(" ".join(super().__str__().splitlines()))
        return text if len(text) <= MOST else f"{text[: MOST // 2]} … {text[-MOST // 2 :]}"
