"""The knees of a description as files."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from gan_core import images
from studio.knee.words.choose import Chosen


def files(chosen: Chosen, told: dict[str, Any]) -> dict[str, bytes]:
    """By name: a PNG for each knee, and `described.json` with what `telling.as_json` told of them."""
    out = {f"seed{knee.latent.seed:04d}.png": images.png(knee.image) for knee in chosen.knees}
    return out | {"described.json": json.dumps(told, indent=2, ensure_ascii=False).encode()}


def zipped(contents: dict[str, bytes]) -> bytes:
    """Files as one zip file's content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()
