"""Several runs beside each other: curves, samples in step, a table, and the settings in which they differ."""

from studio.runs.curves import POINTS, curve, news, reach, smoothed
from studio.runs.differences import settings
from studio.runs.member import AXES, Axis, Member, mixed, read, ticks_of
from studio.runs.offer import MOST, PREFIX, Entry, entries, find_entry, first_choice, groups, key_of, shipped_runs
from studio.runs.samples import moments, sheet
from studio.runs.summary import Column, table
from studio.runs.takeaway import curves_csv, table_csv

__all__ = [
    "AXES",
    "MOST",
    "POINTS",
    "PREFIX",
    "Axis",
    "Column",
    "Entry",
    "Member",
    "curve",
    "curves_csv",
    "entries",
    "find_entry",
    "first_choice",
    "groups",
    "key_of",
    "mixed",
    "moments",
    "news",
    "reach",
    "read",
    "settings",
    "sheet",
    "shipped_runs",
    "smoothed",
    "table",
    "table_csv",
    "ticks_of",
]
