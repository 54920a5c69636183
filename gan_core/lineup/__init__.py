"""Several runs beside each other: curves, samples in step, a table, and the settings in which they differ."""

from gan_core.lineup.curves import FIGURES, POINTS, Figure, curve, known_figures, overlaid, reach, smoothed
from gan_core.lineup.differences import settings
from gan_core.lineup.member import AXES, Axis, Member, mixed, read
from gan_core.lineup.offer import MOST, PREFIX, Entry, entries, find_entry, first_choice, groups, shipped_runs
from gan_core.lineup.samples import moments, sheet
from gan_core.lineup.summary import Column, table
from gan_core.lineup.takeaway import curves_csv, table_csv

__all__ = [
    "AXES",
    "FIGURES",
    "MOST",
    "POINTS",
    "PREFIX",
    "Axis",
    "Column",
    "Entry",
    "Figure",
    "Member",
    "curve",
    "curves_csv",
    "entries",
    "find_entry",
    "first_choice",
    "groups",
    "known_figures",
    "mixed",
    "moments",
    "overlaid",
    "reach",
    "read",
    "settings",
    "sheet",
    "shipped_runs",
    "smoothed",
    "table",
    "table_csv",
]
