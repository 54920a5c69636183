"""Finds the knees on a whole radiograph: where, how large, how turned, which side, how surely.

A finder looks at the whole film and proposes places; a reader looks at each of them, corrects the box, says which
side the fibula is on and whether it is a knee at all.
"""

from studio.knee.localizer.boxes import BOX_MM, DOUBTFUL, FRAME_MM, Knee, cut, framed, is_crop, side_of
from studio.knee.localizer.find import find

__all__ = ["BOX_MM", "DOUBTFUL", "FRAME_MM", "Knee", "cut", "find", "framed", "is_crop", "side_of"]
