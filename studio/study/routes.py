"""What the reading room asks the server for while a study goes on: no rerun, and never the truth.

GET  api/study/{study}          how it stands, the keys of the images to show now and next
POST api/study/{study}/answer   an answer: position, choice, confidence, seconds
POST api/study/{study}/undo     the position to take back
POST api/study/{study}/end
GET  api/study-image/{key}      the PNG
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gan_core.config import Settings
from gan_core.errors import UserError
from studio.json_body import json_body
from studio.study import store
from studio.study.store import Answer, Study

MAX_BODY = 2000  # bytes


class Position(Settings):
    position: int = Field(ge=0, le=1000)


def _state(study: Study) -> JSONResponse:
    now = [] if study.over else store.keys(study.id, study.done)
    return JSONResponse(
        {
            "done": study.done,
            "total": study.total,
            "ended": study.ended,
            "now": now[0] if now else [],
            "next": now[1] if len(now) > 1 else [],
        },
        headers={"Cache-Control": "no-store"},
    )


def _said(problem: str, status: int) -> JSONResponse:
    return JSONResponse({"error": problem}, status)


def state(request: Request) -> Response:
    try:
        return _state(store.find_study(request.path_params["study"]))
    except UserError as e:
        return _said(str(e), 404)


def image(request: Request) -> Response:
    try:
        png = store.png(request.path_params["key"])
    except UserError as e:
        return _said(str(e), 503)
    if png is None:
        return _said("There is no such image.", 404)
    return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


def _post(path: str, do: Callable[[str, bytes], Study]) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = await json_body(request, MAX_BODY)
            return _state(await run_in_threadpool(do, request.path_params["study"], body))
        except UserError as e:
            return _said(str(e), 409)
        except ValidationError:
            return _said("This is not a valid answer.", 400)
        except ValueError as e:
            return _said(str(e), 400)

    return Route(f"/api/study/{{study}}/{path}", endpoint, methods=["POST"])


def study_routes() -> list[Route]:
    """The routes, for the list of the app's."""
    return [
        Route("/api/study/{study}", state),
        _post("answer", lambda study, body: store.answer(study, Answer.model_validate_json(body))),
        _post("undo", lambda study, body: store.undo(study, Position.model_validate_json(body).position)),
        _post("end", lambda study, _: store.end(study)),
        Route("/api/study-image/{key}", image),
    ]
