"""What the browser of whoever watches trainings asks for.

`GET api/runs/samples?run=KEY&at=IMAGES&rows=N`: a picture of a run's samples.
`GET api/runs/curves?run=KEY&column=NAME...&along=AXIS&half=H&since=IMAGES&width=N`: the news of its curves, see `news`.
`GET api/plotly.js?v=VERSION`: what draws them, as the installed package has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import anyio
import plotly
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from gan_core.errors import UserError
from gan_core.status import ALIVE
from studio import runs as lineup
from studio.runs import AXES, Entry, Member

AT_ONCE = 2  # questions answered at the same time, over all viewers
MOST_COLUMNS = 40
_PLOTLY = Path(plotly.__file__).with_name("package_data") / "plotly.min.js"
_limiter = anyio.CapacityLimiter(AT_ONCE)


def _whole(query: QueryParams, name: str) -> int:
    value = query.get(name, "0")
    if not (value.isascii() and value.isdecimal() and len(value) < 20):
        raise UserError(f"{name} is a whole number.")
    return int(value)


def _half_life(query: QueryParams) -> float:
    try:
        value = float(query.get("half", "0"))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise UserError("half is a number from 0.")
    return value


def _samples(entry: Entry, query: QueryParams) -> Response:
    png = lineup.sheet(entry.run, _whole(query, "at"), _whole(query, "rows"))
    headers = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
    return Response(png, media_type="image/png", headers=headers)


def _curves(entry: Entry, query: QueryParams) -> Response:
    axis = next((axis for axis in AXES if axis == query.get("along", "images")), None)
    if axis is None:
        raise UserError(f"along is one of {', '.join(AXES)}.")
    columns = query.getlist("column")[:MOST_COLUMNS]
    member = Member(entry, None, entry.run.status(), lineup.ticks_of(entry.run), {})
    found = lineup.news(member, columns, axis, _half_life(query), _whole(query, "since"), _whole(query, "width"))
    alive = {"alive": member.status.state in ALIVE}
    return JSONResponse(found | alive, headers={"Cache-Control": "no-store"})


def _route(path: str, of_run: Callable[[Entry, QueryParams], Response]) -> Route:
    def find(query: QueryParams) -> Response:
        entry = lineup.entries().get(
            lineup.key_of(query.get("run", ""))
        )  # by key alone: a path from a link is never followed
        if entry is None:
            return JSONResponse({"error": "There is no such run here; it may have been deleted."}, 404)
        return of_run(entry, query)

    async def answer(request: Request) -> Response:
        """What was asked for; what is wrong with the question in words, with 4xx."""
        try:
            return await anyio.to_thread.run_sync(find, request.query_params, limiter=_limiter)
        except UserError as e:
            return JSONResponse({"error": str(e)}, 400)

    return Route(path, answer, methods=["GET"])


async def _plotly(request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}  # its address has its version
    return FileResponse(_PLOTLY, media_type="text/javascript", headers=headers)


samples = _route("/api/runs/samples", _samples)
curves = _route("/api/runs/curves", _curves)
script = Route("/api/plotly.js", _plotly, methods=["GET"])
routes = [samples, curves, script]
