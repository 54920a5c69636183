"""What is computed once for a model, kept in its folder as `ready.json`, so that nobody waits for it.

It holds findings by name, which whoever asks for one checks before use, and the first page of the Gallery. It names the
digest of the weights that it belongs to; beside others it counts for nothing, and so does one that is damaged.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.files import read_own, write_text
from gan_core.images import grid, ungrid
from gan_core.model import Model, digest, is_model, load_model
from gan_core.train.run import Run

READY = "ready.json"
MAX_READY_BYTES = 2**21
FIRST_PAGE, COLUMNS = 24, 6  # images, and how many of them stand in a row of the sheet

Progress = Callable[[str, int, int], None]  # (what is being done, so many, of so many)


class Ready(Settings):
    format: int = Field(1, ge=1, le=1)
    digest: str = Field("", pattern=r"^([0-9a-f]{64})?$")  # of the model; "" where there is nothing
    findings: dict[str, Any] = Field({}, max_length=1000)
    first_page: str = ""  # of the Gallery: lossless WebP of a `grid`, in base 85


def ready(folder: Path, model_digest: str) -> Ready:
    """What lies in the folder of the model with this digest; nothing where it is missing, damaged or of another."""
    try:
        stamp = (folder / READY).stat().st_mtime_ns
    except OSError:
        return Ready()
    found = _read(folder, stamp)
    return found if found.digest == model_digest else Ready()


@lru_cache(maxsize=8)
def _read(folder: Path, stamp: int) -> Ready:
    try:
        return Ready.model_validate(json.loads(read_own(folder / READY, folder, MAX_READY_BYTES)))
    except (OSError, ValueError, RecursionError):
        return Ready()


def first_page(folder: Path, model_digest: str, resolution: int) -> NDArray[np.uint8] | None:
    """Images uint8 [24, 1, R, R] of seeds 0 to 23, each of its own class; None where they are not there."""
    sheet = ready(folder, model_digest).first_page
    try:
        with Image.open(BytesIO(base64.b85decode(sheet)), formats=("WEBP",)) as picture:
            if picture.size == (COLUMNS * resolution, FIRST_PAGE // COLUMNS * resolution):
                return ungrid(np.asarray(picture.convert("L")), resolution)
    except (OSError, ValueError, Image.DecompressionBombError):
        pass
    return None


def prepare(model: Model, progress: Progress = lambda what, done, total: None) -> Path:
    """Computes what is to be ready of a model and keeps it in its folder: the path of the file.

    Raises `OSError` where that cannot be written.
    """
    from gan_core.generate import generate
    from studio.explore.directions import directions
    from studio.explore.memo import findings
    from studio.explore.steering import frame
    from studio.knee.words.choose import fill

    directions(model, partial(progress, "Measuring what directions change"))
    frame(model, partial(progress, "Trying what moves one thing alone"))
    fill(model, partial(progress, "Measuring knees to choose from"))
    buffer = BytesIO()
    sheet = grid(generate(model, range(FIRST_PAGE)), COLUMNS)
    Image.fromarray(sheet, "L").save(buffer, "WEBP", lossless=True, quality=100, method=6)
    page = base64.b85encode(buffer.getvalue()).decode()
    found = Ready(digest=model.digest, findings=findings(model), first_page=page)
    if digest(model.path) == model.digest:  # a training may have gone on meanwhile, or the model be gone
        write_text(model.path / READY, json.dumps(found.model_dump(), separators=(",", ":")))
    return model.path / READY


def prepare_run(run: Run) -> None:
    """`prepare` of what a training has made, once it is over and others may train."""
    for folder in (run.best_path, run.generator_path):
        if is_model(folder):
            with suppress(UserError, OSError):  # it is for convenience: whoever opens the model can do without
                prepare(load_model(folder))
