"""What the server answers beside the pages: pictures and figures that a component asks for without a rerun."""

from typing import cast

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gan_core import registry
from studio.loading import alone
from studio.study.routes import study_routes

# Those that need PyTorch, which takes seconds to load: the app opens before it is here.
_LATER = {
    "/api/explore/{what}": "studio.explore.routes:route",
    "/api/export/{name}.zip": "studio.export.routes:route",
    "/api/toy": "studio.learn.games:route",
    "/api/runs/samples": "studio.runs.routes:samples",
    "/api/runs/curves": "studio.runs.routes:curves",
    "/api/plotly.js": "studio.runs.routes:script",
}


def _resolve(entry: str) -> Route:
    with alone():
        return cast(Route, registry.resolve(entry))


def _later(path: str, entry: str, method: str = "GET") -> Route:
    async def answer(request: Request) -> Response:
        route = await anyio.to_thread.run_sync(_resolve, entry)
        return await route.endpoint(request)

    return Route(path, answer, methods=[method])


routes: list[Route] = [
    *(_later(path, entry) for path, entry in _LATER.items()),
    _later("/api/explore/zip", "studio.explore.routes:zip_route", "POST"),
    *study_routes(),
]


def under(base: str) -> list[BaseRoute]:
    """All routes, and all again below `base`, where that is not the root: Streamlit 1.67 puts its own there alone.

    At the root they stay for a proxy that takes `base` off. Pages ask by addresses relative to their own.
    """
    prefix = base.strip("/")
    below = [Route(f"/{prefix}{r.path}", r.endpoint, methods=sorted(r.methods or ())) for r in routes if prefix]
    return [*routes, *below]
