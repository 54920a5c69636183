"""Who is here: on a host each browser holds a key of its own, by which it finds again what was brought with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio import hosting, owners
from studio.data import library
from studio.owners import COOKIE, is_key

_DAYS = 30  # without a visit


def owner() -> str:
    """The name of the library of whoever looks at this page. Without the cookie it is as long as their session."""
    if not hosting.hosted():
        return library.HERE
    key = str(st.context.cookies.get(COOKIE, ""))
    if not is_key(key):
        key = st.session_state.setdefault(COOKIE, secrets.token_urlsafe(16))
    return library.owner_of(key)


def may_change(whose: str) -> bool:
    """Whether whoever looks at this page may change what is `whose`."""
    return owners.may_change(whose, owner())


def listed(what: str, names: Iterable[str], whose: Callable[[str], str], linked: str = "") -> list[str]:
    """Of the names of a kind (`what`) those that stand in the lists of whoever looks: their own, the host's, and those
    that a link has led them to in this session, as now to `linked`."""
    who = owner()
    if who == library.HERE:
        return list(names)
    led: set[str] = st.session_state.setdefault(f"led_to_{what}", set())
    led.add(linked)
    return [name for name in names if name in led or owners.is_listed(whose(name), who)]


class KnowsVisitors:
    """On a host, gives each browser its key with the page. Scripts cannot read it, and no other site is sent it unless
    the host shows the app in an iframe of another site."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not hosting.hosted() or "text/html" not in Headers(scope=scope).get("accept", ""):
            return await self.app(scope, receive, send)

        async def with_key(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", _cookie(Headers(scope=scope).get("cookie", "")))
            await send(message)

        return await self.app(scope, receive, with_key)


def _cookie(sent: str) -> str:
    """The cookie to set: the key that was sent, for another month, or a new one."""
    try:
        key = SimpleCookie(sent)[COOKIE].value
    except (CookieError, KeyError):
        key = ""
    if not is_key(key):
        key = secrets.token_urlsafe(16)
    where = str(st.get_option("server.xsrfCookieSameSite")).capitalize()
    secure = "; Secure; Partitioned" if where == "None" else ""  # else no browser takes it in an iframe
    return f"{COOKIE}={key}; Path=/; Max-Age={_DAYS * 86_400}; HttpOnly; SameSite={where}{secure}"
