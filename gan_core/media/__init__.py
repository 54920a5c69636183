"""What one takes away from a run: its animation, its curves, a picture of its architecture."""

from gan_core.media.animation import animation_gif, animation_mp4
from gan_core.media.curves import curves_csv, curves_png
from gan_core.media.diagram import Layer, architecture, architecture_png, run_nets
from gan_core.media.video import has_ffmpeg

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
