"""What the server answers beside the pages: pictures and figures that a component asks for without a rerun."""

from starlette.routing import BaseRoute

from studio.explore import routes as explore_routes
from studio.export import routes as export_routes
from studio.learn import games as learn_games
from studio.runs import routes as runs_routes
from studio.study.routes import study_routes

routes: list[BaseRoute] = [
    explore_routes.route,
    export_routes.route,
    learn_games.route,
    runs_routes.route,
    *study_routes(),
]
