"""Whose something is, and who may change it.

On a host every browser holds a random key in a cookie; what somebody begins or brings with it carries the name that
`library.owner_of` makes of that key. Without such a name it is the host's: everybody sees it, nobody but the command
line changes it. On a computer of one's own all is `HERE`'s, and everything may be changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from studio import hosting
from studio.data.library import HERE, owner_of

COOKIE = "knee_gan_visitor"
_KEY = re.compile(r"[\w-]{22,64}", re.ASCII)


def is_key(text: str) -> bool:
    """Whether a text is a key as browsers are given them."""
    return bool(_KEY.fullmatch(text))


def visitor_of(cookies: Mapping[str, str]) -> str:
    """Who asks, by the cookies of a request: "" on a host for somebody without a key."""
    if not hosting.hosted():
        return HERE
    key = cookies.get(COOKIE, "")
    return owner_of(key) if is_key(key) else ""


def may_change(owner: str, visitor: str) -> bool:
    """Whether `visitor` may stop, resume, delete or take away what is `owner`'s."""
    return visitor == HERE or (bool(visitor) and owner == visitor)


def is_listed(owner: str, visitor: str) -> bool:
    """Whether what is `owner`'s stands in the lists of `visitor`, who otherwise finds it by its link alone."""
    return visitor == HERE or owner in ("", visitor)
