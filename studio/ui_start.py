"""What the server does as it starts, and what a person sees when something fails."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import pkgutil
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

from studio import hosting
from studio.loading import all_is_loaded, alone

SWEEP_SECONDS = 3600.0
HEAD_START = 1.0  # seconds that whoever opens the app has the processor for
LATER = 10.0  # and after the pages' own are loaded, for going through them


def _load_the_rest() -> None:
    """PyTorch, the default model, the other pages, the encoder: after the first page, which needs none of them."""
    time.sleep(HEAD_START)
    try:
        with alone():
            _load_model()
        _import_pages()
    finally:
        all_is_loaded()
    time.sleep(LATER)
    _load_encoder()


def _load_encoder() -> None:
    """The knee encoder, whose torchvision takes seconds: later, for the first pages would wait for it."""
    from studio.explore.measures import grader

    grader()


def _load_model() -> None:
    from studio.gallery.ui_thumbs import thumbs
    from studio.models import ui_models as models

    try:
        for entry in models.entries()[:1]:
            thumbs(entry, 0, 1, None, 1.0)
            models.loaded(entry)
    except Exception:
        logging.getLogger(__name__).exception("The default model cannot be loaded")


def _import_pages() -> None:
    """All that the other pages import: who opened one first would wait for seconds, and all others with them."""
    for module in pkgutil.walk_packages([str(Path(__file__).parent)], "studio."):
        if ".ui_" in module.name and module.name != "studio.ui_main":  # a script
            with alone():
                importlib.import_module(module.name)
            time.sleep(0.001)  # whoever waits for their page has the next turn
    # Streamlit collects garbage after each page, while everybody waits: what is loaded by now is none, and is left out.
    gc.collect()
    gc.freeze()


def _fetch_first() -> None:
    """The host's model from the Hub, beside everything else: pages open with a shipped one until it is here."""
    from studio.models.downloads import fetch_first

    try:
        if why := fetch_first():
            logging.getLogger(__name__).error("%s: %s", hosting.MODEL_ENV, why)
    except Exception:
        logging.getLogger(__name__).exception("The model in %s cannot be fetched", hosting.MODEL_ENV)


def _tidy() -> None:
    with alone():
        from studio import retention

    retention.sweep()


async def _sweep() -> None:
    """What is no longer kept goes when its time is over, whether anybody comes or not."""
    await asyncio.sleep(HEAD_START)  # it brings PyTorch, for which the first page is not to wait
    while True:
        try:
            await asyncio.to_thread(_tidy)
        except Exception:
            logging.getLogger(__name__).exception("What is no longer kept cannot be removed")
        await asyncio.sleep(SWEEP_SECONDS)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    if hosting.first_model():
        threading.Thread(target=_fetch_first, daemon=True).start()
    threading.Thread(target=_load_the_rest, daemon=True).start()
    sweeping = asyncio.create_task(_sweep())
    yield
    sweeping.cancel()


def show_error(_: Exception) -> bool:
    """A plain apology: the traceback is in the server's log. (A `UserError` never comes here: the frame shows it.)"""
    st.error("Something went wrong on this page. Reload it; if it happens again, the server's log says why.")
    return True
