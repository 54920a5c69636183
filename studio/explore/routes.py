"""What a slider of the Explore page asks for: pictures of a latent, straight from the model, without a rerun."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Annotated

import anyio
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gan_core import images
from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.model import Model
from studio.explore import sheets
from studio.explore import ui_models as explore_models
from studio.explore.directions import Direction
from studio.explore.latent import Latent, draw, dump, from_query
from studio.export.plan import safe
from studio.json_body import json_body
from studio.knee.readings.panel import panel

AT_ONCE = 2  # pictures made at the same time, over all viewers: more would only slow each other down
LOOP_STOPS = 13
MOST_FILMS = 100  # of a zip file
MAX_BODY = 300_000  # bytes that ask for one
_limiter = anyio.CapacityLimiter(AT_ONCE)
_outlines = anyio.CapacityLimiter(1)  # beside the others: no picture waits for an outline
_KEPT = 16  # pictures just drawn, whose outlines may be asked for next
_drawn: dict[str, NDArray[np.uint8]] = {}

Draw = Callable[[Latent, Model, list[Direction]], NDArray[np.uint8]]


def _fresh(latent: Latent, model: Model, found: list[Direction]) -> NDArray[np.uint8]:
    key = latent.model_dump_json()
    if (image := _drawn.get(key)) is None:
        image = _drawn[key] = draw(latent, model, found)[0, 0]
    for old in list(_drawn)[:-_KEPT]:
        _drawn.pop(old, None)  # somebody else may have been quicker
    return image


PICTURES: dict[str, Draw] = {
    "image": _fresh,
    "directions": sheets.direction_sheet,
    "sliders": sheets.slider_sheet,
    "loop": partial(sheets.loop_sheet, steps=LOOP_STOPS),
    "plane": sheets.plane_sheet,
}


class Films(Settings):
    """Pictures that are asked for together, each by its model and its latent as a link has them."""

    films: list[dict[str, Annotated[str, Field(max_length=4000)]]] = Field(min_length=1, max_length=MOST_FILMS)


class _Missing(UserError):
    pass


def _asked(query: Mapping[str, str]) -> tuple[explore_models.Entry, Model, Latent]:
    entry = explore_models.offered(query.get("model", ""))
    if entry is None:
        raise _Missing("There is no such model here; it may have been deleted.")
    model = explore_models.loaded(entry)
    return entry, model, from_query(query, model)


def _picture(what: str, query: Mapping[str, str]) -> bytes:
    entry, model, latent = _asked(query)
    found = explore_models.directions(entry) if latent.moves or what == "directions" else []
    if what == "anatomy":
        return json.dumps(panel(_fresh(latent, model, found)).to_json()).encode()
    return images.png(PICTURES[what](latent, model, found))


def _answer(what: str, query: Mapping[str, str]) -> Response:
    if what == "latent":
        return Response(dump(_asked(query)[2]), media_type="application/json")
    return Response(_picture(what, query), media_type="application/json" if what == "anatomy" else "image/png")


def zipped(films: Films) -> bytes:
    """A zip file: each picture as PNG and its latent as JSON, under one name. Raises `UserError` where one of them
    cannot be made."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, query in enumerate(films.films, 1):
            latent = _asked(query)[2]
            seed = "" if latent.seed is None else f"_seed{latent.seed:04d}"
            name = f"{i:03d}_synthetic_{safe(query['model'])}{seed}"
            archive.writestr(f"{name}.png", _picture("image", query))
            archive.writestr(f"{name}.json", dump(latent))
    return buffer.getvalue()


async def answer(request: Request) -> Response:
    """A picture (PNG), the latent or the anatomy panel (JSON) that the query asks for; what is wrong in words, with
    4xx."""
    what = request.path_params["what"]
    if what not in (*PICTURES, "latent", "anatomy"):
        return JSONResponse({"error": "There is no such image here."}, 404)
    limiter = _outlines if what == "anatomy" else _limiter
    return await _made(partial(_answer, what, dict(request.query_params)), limiter)


async def answer_zip(request: Request) -> Response:
    """The zip file of the `Films` in the body; what is wrong with them in words, with 4xx."""
    try:
        films = Films.model_validate_json(await json_body(request, MAX_BODY))
    except ValidationError:
        return JSONResponse({"error": f"Ask for 1 to {MOST_FILMS} images, each by its model and latent."}, 400)
    except ValueError as e:
        return JSONResponse({"error": str(e)}, 400)
    return await _made(lambda: Response(zipped(films), media_type="application/zip"))


async def _made(make: Callable[[], Response], limiter: anyio.CapacityLimiter = _limiter) -> Response:
    try:
        response = await anyio.to_thread.run_sync(make, limiter=limiter)
    except UserError as e:
        response = JSONResponse({"error": str(e)}, 404 if isinstance(e, _Missing) else 400)
    except Exception:
        logging.getLogger(__name__).exception("A picture could not be made")
        response = JSONResponse({"error": "Something went wrong; the server's log says why."}, 500)
    response.headers["Cache-Control"] = "no-store"  # a run's generator changes while it trains
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


route = Route("/api/explore/{what}", answer, methods=["GET"])
zip_route = Route("/api/explore/zip", answer_zip, methods=["POST"])
