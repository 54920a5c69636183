"""What is damaged, and what must still hold: either it works, or a person is told why in a sentence.

Each target draws examples with hypothesis and checks one: nothing but a `UserError` in words may come of it, nothing
outside the house is read or written, nothing is unpickled, no process is started, and the memory stays bounded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import fuzz_folders as folders
import fuzz_links as links
import fuzz_zips as zips
import numpy as np
from fuzz_house import House
from hypothesis import strategies as st


@dataclass(frozen=True)
class Target:
    """`check(house, example)` says whether the example was taken; whatever it raises is a fault."""

    name: str
    about: str
    examples: st.SearchStrategy[Any]
    check: Callable[[House, Any], bool]
    few: int  # examples of the short form


TARGETS = [
    Target("config", "config.json of a model, a critic, a run", folders.of_config, folders.check_config, 25),
    Target("tensors", "model.safetensors: length, header, bytes", folders.of_tensors, folders.check_tensors, 25),
    Target("model", "files of a model folder; then verbs and pages", folders.of_model, folders.check_model_folder, 10),
    Target("run", "files of a run; then verbs, pages, resuming", folders.of_run, folders.check_run, 12),
    Target("job", "files of an evaluation or an export", folders.of_job, folders.check_job, 8),
    Target("zip", "zips of images and of models", zips.of_zips, zips.check_zip, 20),
    Target("dicom", "DICOM files", zips.of_films, zips.check_dicom, 25),
    Target("routes", "what the server answers beside the pages", links.of_routes, links.check_route, 25),
    *(Target(f"page: {name}", "its link", links.of_page(name), links.check_page, 3) for name in links.PAGES),
]


def examine(target: Target, house: House, example: Any) -> bool:
    """One example; whether it was taken. What it raises is a fault."""
    with ExitStack() as stack:
        logging.disable()
        stack.callback(logging.disable, logging.NOTSET)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name, value in _STAND_INS.items():
            stack.enter_context(mock.patch(name, value))
        stack.enter_context(house.watched())
        return target.check(house, example)


def _pixels(sides: Any, extractor: Any) -> Any:
    """In place of the knee encoder, which takes seconds."""
    fake, real = (
        replace(side, features=side.images.reshape(len(side), -1).astype(np.float32))
        for side in (sides.fake, sides.real)
    )
    return replace(sides, fake=fake, real=real)


# The shipped models, and what takes long and is not looked at here.
_STAND_INS: dict[str, Any] = {
    "studio.models.ui_models.shipped_generators": list,
    "studio.models.inventory.shipped_generators": list,
    "studio.runs.offer.SHIPPED": Path("/nowhere"),
    "studio.ui_sources.PHANTOMS": "phantom:60",
    "studio.compare.ui_films._encoder": lambda: None,
    "studio.compare.ui_films.look": _pixels,
}
