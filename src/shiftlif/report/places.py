"""A report is passed on: places of the machine it was made on stay out of it."""

from __future__ import annotations

import re
from typing import Any

_NAME = r"""[^\\/\s'":;,()\[\]]+"""
_START = r"(?:~[\w.-]*[\\/]|[A-Za-z]:[\\/]|[\\/])"
_PATH = re.compile(rf"""(?<![^\s'"(=:,\[]){_START}(?:{_NAME}[\\/])*({_NAME})""")


def without_places(text: str) -> str:
    """``text`` with every absolute path shortened to its last part: ``/home/ann/data/x.npz`` is ``…/x.npz``."""
    return _PATH.sub(r"…/\1", text)


def shown(value: Any) -> str:
    """A value of a configuration as text; one that is an absolute path as its last part, spaces and all."""
    if isinstance(value, str) and re.match(_START, value):
        return "…/" + re.split(r"[\\/]", value.rstrip("\\/"))[-1]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None or value == {} else without_places(str(value))
