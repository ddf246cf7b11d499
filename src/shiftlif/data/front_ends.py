"""The table of front ends: what may be done to raw samples before they enter a network, by name.

A data set carries the resolved description (name and every parameter), so the same transformation can be
repeated on new samples. To add one, write a pure function and one line of the table.

Every description may also say at which ``sample_rate`` the raw samples were recorded, whether the function has
such a parameter or not; ``build`` notes it for PCM clips, so that a clip of another rate can be refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.features import as_float32, counted_events, log_mel, standardise_sample, sum_frames
from shiftlif.errors import DataError

Array = npt.NDArray[Any]
RATE = "sample_rate"
EVENT_FRAMES = "event_frames"
"""Recordings as counts; what its parameters mean is said by `shiftlif.data.events.Binning`, whose fields they are."""
KINDS: dict[str, tuple[tuple[type, ...], str]] = {"int": ((int,), "an integer"), "str": ((str,), "a word")}


@dataclass(frozen=True)
class FrontEnd:
    """A table entry.

    Attributes:
        function: ``(samples [N, ...], **parameters) -> float32 [N, ...]``; works on each sample alone.
        slow: True when the result is worth keeping in the cache.
        raw_axes: axes of one raw sample; None where the front end keeps the sample's shape.
    """

    function: Callable[..., npt.NDArray[np.float32]]
    slow: bool = False
    raw_axes: int | None = None


FRONT_ENDS: dict[str, FrontEnd] = {
    "none": FrontEnd(as_float32),
    "log_mel": FrontEnd(log_mel, slow=True, raw_axes=1),
    "standardise_sample": FrontEnd(standardise_sample),
    "sum_frames": FrontEnd(sum_frames, raw_axes=4),
    EVENT_FRAMES: FrontEnd(counted_events),
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
    noted: dict[str, Any] = {}
    if RATE in given and all(parameter.name != RATE for parameter in parameters):
        rate: Any = given.pop(RATE)
        if not isinstance(rate, int) or isinstance(rate, bool) or rate < 1:
            raise DataError(f"front end {name}: {RATE} is {rate!r}, expected a positive integer in Hz")
        noted[RATE] = rate
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
        kinds, expected = KINDS.get(str(parameter.annotation), ((int, float), "a number"))
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise DataError(f"front end {name}: {parameter.name} is {value!r}, expected {expected}")
    return {"name": name, **{parameter.name: values[parameter.name] for parameter in parameters}, **noted}


def apply_front_end(x: Array, front_end: str | Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Raw samples ``[N, ...]`` through a front end, with a channel axis added where there is none.

    Args:
        x: raw samples; a two-dimensional result ``[N, time]`` becomes ``[N, 1, time]``.
        front_end: a name or a description, such as ``dataset.front_end``.

    Raises:
        DataError: when the description is wrong or the samples do not suit it.
    """
    description = resolve_front_end(front_end)
    entry = FRONT_ENDS[description.pop("name")]
    known = inspect.signature(entry.function).parameters
    result = entry.function(x, **{key: value for key, value in description.items() if key in known})
    return result[:, None] if result.ndim == 2 else result
