"""Text, data and scripts as parts of a page that nothing in them can break out of."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from shiftlif.errors import ConfigurationError
from shiftlif.report.section import Row

DIGITS = 6
"""Significant digits of numbers in a page."""
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def json_in_html(value: Any) -> str:
    """JSON that can stand in a script element: no character of it ends the element or begins markup."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(
        _UNSAFE
    )


def plain(value: Any) -> Any:
    """A JSON-able form: numpy scalars and tuples as Python's, floats rounded, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def columnar(rows: Sequence[Row], columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Rows as names and lists of values, which is a third of the size of a list of mappings."""
    names = (
        list(columns) if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    )
    return {"columns": names, "values": [[row.get(name) for name in names] for row in rows]}


def asset(name: str) -> str:
    """A file of ``report/assets``."""
    return files("shiftlif.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def vega_scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that leaves ``vegaEmbed`` in the window.

    Raises:
        ConfigurationError: vl-convert is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigurationError("a report needs vl-convert: pip install 'shiftlif[report]'") from error
    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return in_script(text)


def in_script(text: str) -> str:
    """A script's text that cannot end the element it stands in; these sequences occur in strings only."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def script_hash(text: str) -> str:
    """How a Content-Security-Policy names an inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
