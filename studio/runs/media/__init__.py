"""What one takes away from a run: its animation, its curves, a picture of its architecture."""

from studio.runs.media.animation import animation_gif, animation_mp4
from studio.runs.media.curves import curves_csv, curves_png
from studio.runs.media.diagram import Layer, architecture, architecture_png, run_nets
from studio.runs.media.video import has_ffmpeg

__all__ = [
    "Layer",
    "animation_gif",
    "animation_mp4",
    "architecture",
    "architecture_png",
    "curves_csv",
    "curves_png",
    "has_ffmpeg",
    "run_nets",
]
