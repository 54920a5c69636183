"""What the server answers beside the pages: pictures and figures that a component asks for without a rerun."""

from starlette.routing import BaseRoute, Route

from studio.explore import routes as explore_routes
from studio.export import routes as export_routes
from studio.learn import games as learn_games
from studio.runs import routes as runs_routes
from studio.study.routes import study_routes

routes: list[Route] = [
    explore_routes.route,
    export_routes.route,
    learn_games.route,
    *runs_routes.routes,
    *study_routes(),
]


def under(base: str) -> list[BaseRoute]:
    """All routes, and all again below `base`, where that is not the root: Streamlit 1.67 puts its own there alone.

    At the root they stay for a proxy that takes `base` off. Pages ask by addresses relative to their own.
    """
    prefix = base.strip("/")
    below = [Route(f"/{prefix}{r.path}", r.endpoint, methods=sorted(r.methods or ())) for r in routes if prefix]
    return [*routes, *below]
