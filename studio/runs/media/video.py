"""Pictures in a row as a film that plays: GIF always, MP4 with ffmpeg."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan_core.errors import UserError

VIDEO_RATE = 25  # frames a second of an MP4


def has_ffmpeg() -> bool:
    return shutil.which("ffmpeg") is not None


def gif(frames: Sequence[NDArray[np.uint8]], milliseconds: Sequence[int]) -> bytes:
    """Frames [H, W] of one size, each for so long, as a GIF that plays for ever."""
    first, *rest = [Image.fromarray(f) for f in frames]
    out = io.BytesIO()
    first.save(out, "GIF", save_all=True, append_images=rest, duration=list(milliseconds), loop=0)
    return out.getvalue()


def mp4(frames: Sequence[NDArray[np.uint8]], rate: float) -> bytes:
    """Frames [H, W] of one size with even sides, `rate` a second, in H.264.

    Raises `UserError` without ffmpeg, or where it refuses.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UserError("An MP4 needs ffmpeg, which is not installed here: install it, or use the GIF.")
    height, width = frames[0].shape
    with tempfile.TemporaryDirectory() as folder:
        # To a file and not to a pipe: the index goes to the front, so that a browser plays it while it loads.
        path = Path(folder) / "film.mp4"
        command = [ffmpeg, "-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}"]
        command += ["-framerate", f"{rate:.6f}", "-i", "-", "-r", str(VIDEO_RATE)]
        command += ["-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
        try:
            subprocess.run(command, input=b"".join(f.tobytes() for f in frames), check=True, capture_output=True)
            return path.read_bytes()
        except (OSError, subprocess.CalledProcessError) as e:
            lines = (getattr(e, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
            raise UserError(f"ffmpeg could not make the MP4 ({lines[-1] if lines else e}): take the GIF.") from e
