"""The table of front ends: what may be done to raw samples before they enter a network, by name.

A data set carries the resolved description (name and every parameter), so the same transformation can be
repeated on new samples. To add one, write a pure function and one line of the table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.features import as_float32, log_mel, standardise_sample, sum_frames
from shiftlif.errors import DataError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FrontEnd:
    """A table entry.

    Attributes:
        function: ``(samples [N, ...], **parameters) -> float32 [N, ...]``; works on each sample alone.
        slow: True when the result is worth keeping in the cache.
    """

    function: Callable[..., npt.NDArray[np.float32]]
    slow: bool = False


FRONT_ENDS: dict[str, FrontEnd] = {
    "none": FrontEnd(as_float32),
    "log_mel": FrontEnd(log_mel, slow=True),
    "standardise_sample": FrontEnd(standardise_sample),
    "sum_frames": FrontEnd(sum_frames),
}


def resolve_front_end(
    front_end: str | Mapping[str, Any], known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The complete description of a front end: its name and every parameter.

    Args:
        front_end: a name, or a mapping with ``"name"`` and parameters.
        known: values that the data bring along (``sample_rate``), used where a parameter was not given.

    Raises:
        DataError: when the name or a parameter is unknown, or one without default is missing.
    """
    given = {"name": front_end} if isinstance(front_end, str) else dict(front_end)
    name = given.pop("name", None)
    if name not in FRONT_ENDS:
        raise DataError(f"front end {name!r} is unknown; choose one of {', '.join(FRONT_ENDS)}")
    parameters = list(inspect.signature(FRONT_ENDS[name].function).parameters.values())[1:]
    unknown = set(given) - {parameter.name for parameter in parameters}
    if unknown:
        names = ", ".join(parameter.name for parameter in parameters) or "none"
        raise DataError(
            f"front end {name}: unknown parameter {sorted(unknown)[0]!r}; its parameters: {names}"
        )
    values = {p.name: p.default for p in parameters if p.default is not p.empty}
    values |= {p.name: known[p.name] for p in parameters if known and known.get(p.name) is not None}
    values |= given
    for parameter in parameters:
        value = values.get(parameter.name)
        if value is None:
            raise DataError(
                f"front end {name}: parameter {parameter.name} is missing; give it, for example "
                f"front_end={{'name': '{name}', '{parameter.name}': ...}}"
            )
        kinds = (int,) if parameter.annotation in (int, "int") else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            expected = "an integer" if kinds == (int,) else "a number"
            raise DataError(f"front end {name}: {parameter.name} is {value!r}, expected {expected}")
    return {"name": name, **{parameter.name: values[parameter.name] for parameter in parameters}}


def apply_front_end(x: Array, front_end: str | Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Raw samples ``[N, ...]`` through a front end, with a channel axis added where there is none.

    Args:
        x: raw samples; a two-dimensional result ``[N, time]`` becomes ``[N, 1, time]``.
        front_end: a name or a description, such as ``dataset.front_end``.

    Raises:
        DataError: when the description is wrong or the samples do not suit it.
    """
    description = resolve_front_end(front_end)
    name = description.pop("name")
    result = FRONT_ENDS[name].function(x, **description)
    return result[:, None] if result.ndim == 2 else result
