"""Text from elsewhere, such as a file's name or an error, on its way into Markdown."""

import re

from gan_core.errors import printable


def plain(text: str) -> str:
    """`text` so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:<>^-])", r"\\\1", printable(text))
