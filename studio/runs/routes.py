"""Pictures of a run's samples for whoever looks at the Runs page: GET api/runs/samples?run=KEY&at=IMAGES&rows=N."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio import runs as lineup
from gan_core.errors import UserError

AT_ONCE = 2  # pictures read at the same time, over all viewers
_limiter = anyio.CapacityLimiter(AT_ONCE)


def _whole(query: Mapping[str, str], name: str) -> int:
    value = query.get(name, "0")
    if not (value.isascii() and value.isdecimal() and len(value) < 20):
        raise UserError(f"{name} is a whole number.")
    return int(value)


def _answer(query: Mapping[str, str]) -> Response:
    entry = lineup.entries().get(query.get("run", ""))  # by key alone: a path from a link is never followed
    if entry is None:
        return JSONResponse({"error": "There is no such run here; it may have been deleted."}, 404)
    png = lineup.sheet(entry.run, _whole(query, "at"), _whole(query, "rows"))
    headers = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
    return Response(png, media_type="image/png", headers=headers)


async def answer(request: Request) -> Response:
    """The picture (PNG); what is wrong with the question in words, with 4xx."""
    try:
        return await anyio.to_thread.run_sync(_answer, dict(request.query_params), limiter=_limiter)
    except UserError as e:
        return JSONResponse({"error": str(e)}, 400)


route = Route("/api/runs/samples", answer, methods=["GET"])
