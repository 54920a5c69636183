"""What the server does as it starts, and what a person sees when something fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st


def _warm_up() -> None:
    """Loads PyTorch and makes the first page of the default model, so that the first visitor does not wait for them."""
    from studio import models

    try:
        for entry in models.entries()[:1]:
            models.pngs(entry, 0, 1, None, 1.0)
    except Exception:
        logging.getLogger(__name__).exception("The default model cannot be loaded")


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    await asyncio.to_thread(_warm_up)
    yield


def show_error(_: Exception) -> bool:
    """A plain apology: the traceback is in the server's log. (A `UserError` never comes here: the frame shows it.)"""
    st.error("Something went wrong on this page. Reload it; if it happens again, the server's log says why.")
    return True
