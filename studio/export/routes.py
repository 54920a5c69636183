"""An export's zip, straight from the disk, for whoever may take it away: GET api/export/NAME.zip."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from studio import owners
from studio.export.folder import ExportFolder

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _answer(name: str, visitor: str) -> Response:
    export = next((e for e in ExportFolder.all() if e.name == name), None)  # by name alone: no path is followed
    if export and not owners.may_change(export.owner(), visitor):
        return JSONResponse({"error": "Only whoever began this export can download it."}, 403, _HEADERS)
    if export is None or export.status().state != "finished" or not export.zip_path.is_file():
        return JSONResponse({"error": "There is no such export here; it may be unfinished or deleted."}, 404, _HEADERS)
    return FileResponse(export.zip_path, media_type="application/zip", filename=export.zip_path.name, headers=_HEADERS)


async def answer(request: Request) -> Response:
    """The zip, a piece at a time; in words, with 403, that it is somebody else's, or with 404, that there is none."""
    visitor = owners.visitor_of(request.cookies)
    return await anyio.to_thread.run_sync(_answer, request.path_params["name"], visitor)


route = Route("/api/export/{name}.zip", answer, methods=["GET"])


def address(name: str) -> str:
    """Of the zip, as seen from a page."""
    return f"api/export/{name}.zip"
