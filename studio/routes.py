"""What the server answers beside the pages: pictures and figures that a component asks for without a rerun."""

from starlette.routing import BaseRoute

from studio import explore_routes, export_routes, learn_games, runs_routes
from studio.study_api import study_routes

routes: list[BaseRoute] = [
    explore_routes.route,
    export_routes.route,
    learn_games.route,
    runs_routes.route,
    *study_routes(),
]
