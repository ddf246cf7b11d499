"""Official files of the ten data sets of the ShiftLIF paper (arXiv:2605.01866), read as their authors distribute them.

``facts`` is the table of what is known; one reader per family of formats: ``wifi``, ``motion``, ``audio``,
``event_sets``. Every reader says which samples there are and to which part they belong (``Collection``); one function
turns that into a ``Dataset`` (``build_collection``).
"""

from shiftlif.data.official.facts import OFFICIAL, Official, Remote
from shiftlif.data.official.fetch import fetch
from shiftlif.data.official.load import is_there, load_official
from shiftlif.data.official.protocols import PROTOCOLS

__all__ = ["OFFICIAL", "PROTOCOLS", "Official", "Remote", "fetch", "is_there", "load_official"]
