"""What a component sends to one of the app's routes."""

from __future__ import annotations

from starlette.requests import Request


async def json_body(request: Request, most: int) -> bytes:
    """The body, of at most so many bytes. Raises ValueError where it is longer, or no JSON, which is all that another
    site's page could send."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise ValueError("Send JSON.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise ValueError("This is too long.")
    return body
