"""Which rows a live stream has for a program, and how a window of them becomes one sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftlif.data.front_ends import FRONT_ENDS, apply_front_end, resolve_front_end
from shiftlif.data.live import Rows
from shiftlif.data.recordings import audio_rate, clip_length
from shiftlif.errors import DataError

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LiveForm:
    """The rows of a stream.

    Attributes:
        length: rows (time steps) of one sample.
        columns: values of a row.
        dtype: of the values.
        sample: from rows ``[length, columns]`` to float32 ``[1, *sample_shape]``, through the front end.
    """

    length: int
    columns: int
    dtype: type[Any]
    sample: Callable[[Rows], Float32]


def live_form(
    where: str,
    front_end: str | Mapping[str, Any],
    sample_shape: Sequence[int],
    *,
    audio: bool = False,
    raw: bool = False,
) -> LiveForm:
    """The rows that a stream has for samples of a shape.

    - Audio (int16): one row per sample; a window is as long as the front end needs, or as the sample.
    - Text, samples ``[C, time]``: a row of C numbers per time step. A front end that keeps the shape is applied to
      each window. The rows of ``log_mel`` are its frames, unless ``raw``: then one sample in -1 to 1 per row.
    - Text, any other shape: a row is one flattened sample.

    Args:
        where: name of the stream, for messages.
        front_end: name or description, such as a program's ``metadata["front_end"]``.
        sample_shape: after the front end.
        audio: whether rows are PCM samples.
        raw: whether text is before a front end that changes the shape.

    Raises:
        DataError: when the front end takes no such stream.
    """
    description = resolve_front_end(front_end)
    name, shape = description["name"], tuple(int(size) for size in sample_shape)
    axes = FRONT_ENDS[name].raw_axes
    if audio:
        audio_rate(where, description, shape)
    elif raw and axes not in (None, 1):
        raise DataError(
            f"{where}: the front end {name} takes no stream; give frames as after it, without --raw"
        )

    def through(samples: Rows) -> Float32:
        return apply_front_end(samples, description).reshape(1, *shape)

    if axes == 1 and (audio or raw):
        length = clip_length(description, shape)[0]
        return LiveForm(length, 1, np.int16 if audio else np.float32, lambda rows: through(rows[None, :, 0]))
    transform = through if axes is None else lambda samples: samples.astype(np.float32).reshape(1, *shape)
    if len(shape) == 2:
        return LiveForm(
            shape[1],
            shape[0],
            np.int16 if audio else np.float32,
            lambda rows: transform(np.ascontiguousarray(rows.T[None])),
        )
    return LiveForm(1, prod(shape), np.float32, lambda rows: transform(rows.reshape(1, *shape)))
