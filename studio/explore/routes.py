"""What a slider of the Explore page asks for: pictures of a latent, straight from the model, without a rerun."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial

import anyio
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gan_core import images
from gan_core.errors import UserError
from gan_core.model import Model
from studio.explore import sheets
from studio.explore import ui_models as explore_models
from studio.explore.directions import Direction
from studio.explore.latent import Latent, draw, dump, from_query
from studio.knee.readings.panel import panel

AT_ONCE = 2  # pictures made at the same time, over all viewers: more would only slow each other down
LOOP_STOPS = 13
_limiter = anyio.CapacityLimiter(AT_ONCE)
_outlines = anyio.CapacityLimiter(1)  # beside the others: no picture waits for an outline
_KEPT = 16  # pictures just drawn, whose outlines may be asked for next
_drawn: dict[str, NDArray[np.uint8]] = {}

Draw = Callable[[Latent, Model, list[Direction]], NDArray[np.uint8]]


def _picture(latent: Latent, model: Model, found: list[Direction]) -> NDArray[np.uint8]:
    key = latent.model_dump_json()
    if (image := _drawn.get(key)) is None:
        image = _drawn[key] = draw(latent, model, found)[0, 0]
    for old in list(_drawn)[:-_KEPT]:
        _drawn.pop(old, None)  # somebody else may have been quicker
    return image


PICTURES: dict[str, Draw] = {
    "image": _picture,
    "directions": sheets.direction_sheet,
    "sliders": sheets.slider_sheet,
    "loop": partial(sheets.loop_sheet, steps=LOOP_STOPS),
    "plane": sheets.plane_sheet,
}


def _answer(what: str, query: Mapping[str, str]) -> Response:
    name = query.get("model", "")
    entry = explore_models.offered(name)
    if entry is None:
        return JSONResponse({"error": "There is no such model here; it may have been deleted."}, 404)
    model = explore_models.loaded(entry)
    latent = from_query(query, model)
    if what == "latent":
        return Response(dump(latent), media_type="application/json")
    found = explore_models.directions(entry) if latent.moves or what == "directions" else []
    if what == "anatomy":
        return JSONResponse(panel(_picture(latent, model, found)).to_json())
    return Response(images.png(PICTURES[what](latent, model, found)), media_type="image/png")


async def answer(request: Request) -> Response:
    """A picture (PNG), the latent or the anatomy panel (JSON) that the query asks for; what is wrong in words, with
    4xx."""
    what = request.path_params["what"]
    if what not in (*PICTURES, "latent", "anatomy"):
        return JSONResponse({"error": "There is no such image here."}, 404)
    limiter = _outlines if what == "anatomy" else _limiter
    try:
        response = await anyio.to_thread.run_sync(_answer, what, dict(request.query_params), limiter=limiter)
    except UserError as e:
        response = JSONResponse({"error": str(e)}, 400)
    except Exception:
        logging.getLogger(__name__).exception("A picture could not be made")
        response = JSONResponse({"error": "Something went wrong; the server's log says why."}, 500)
    response.headers["Cache-Control"] = "no-store"  # a run's generator changes while it trains
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


route = Route("/api/explore/{what}", answer, methods=["GET"])
