"""Prophesee ``.raw`` files: EVT 2.0 (32-bit words) and EVT 3.0 (16-bit words, which change a state).

``%`` lines of keywords, then little-endian words; the highest 4 bits are a word's kind. Times have 34 (EVT 2.0) or 24
bits (EVT 3.0) and wrap. Sources: Prophesee's descriptions of the RAW file, EVT 2.0 and EVT 3.0, and where those are
silent (a new high part clears the low one; a high part that falls by more than half of its range has wrapped; events
before the first high part have no time and are dropped) the behaviour of OpenEB.

Files are decoded in pieces, so that what is needed beside file and events is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shiftlif.data.events.prophesee_dat import size_of
from shiftlif.data.events.recording import Recording, body, content_of, header_lines, recording
from shiftlif.errors import DataError

PIECE = 2**20  # words
Int64 = npt.NDArray[np.int64]
Columns = tuple[Int64, Int64, Int64, Int64]


@dataclass
class State:
    """What the words before left behind; -1 where nothing was said yet.

    Attributes:
        high: the high part of the time as it was sent.
        turns: how often the time has wrapped.
        low: the low part of the time; like all that follows, of EVT 3.0 only.
        row: of the next events.
        base: first column of the next vector.
        polarity: of the next vector.
    """

    high: int = -1
    turns: int = 0
    low: int = 0
    row: int = -1
    base: int = -1
    polarity: int = 0


def read_prophesee_raw(path: Path) -> Recording:
    """The contrast detection events; triggers and other words are passed over.

    Raises:
        DataError: when the header names no encoding or another one, the file ends within a word, an event lies outside
            the sensor, or there is no event.
    """
    content = content_of(path)
    lines, start = header_lines(content, b"% ", b"end")
    words = {key: value for key, _, value in (line.partition(" ") for line in lines)}
    encoding = encoding_of(words)
    if encoding not in DECODERS:
        raise DataError(
            f"{path}: has the encoding {encoding or 'none'}, expected a header line '% evt 2.0', '% evt 3.0' or "
            f"'% format EVT3;...'; convert it with Prophesee's tools"
        )
    dtype, decode = DECODERS[encoding]
    stream = body(path, content, start, dtype)
    state, pieces = State(), []
    for at in range(0, len(stream), PIECE):
        pieces.append(decode(stream[at : at + PIECE].astype(np.int64), state))
    t, x, y, p = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
    return recording(str(path), t, x, y, p, _size(words) or (2048, 2048))


def encoding_of(words: dict[str, str]) -> str | None:
    """``2.0``, ``3.0`` or what else the keywords of a header say; None where they say nothing."""
    if "evt" in words:
        return words["evt"].strip()
    named = re.match(r"EVT(\d)(\d?)", words.get("format", ""))
    return f"{named[1]}.{named[2] or 0}" if named else None


def _size(words: dict[str, str]) -> tuple[int, int] | None:
    options = dict(part.split("=", 1) for part in words.get("format", "").split(";") if "=" in part)
    geometry = re.fullmatch(r"(\d+)x(\d+)", words.get("geometry", "").strip())
    if geometry is not None:
        options = {"width": geometry[1], "height": geometry[2]}
    return size_of({**words, **options}, "height", "width")


def _last(there: npt.NDArray[np.bool_]) -> Int64:
    """For every word the index of the last one at or before it that is there; -1 where none is."""
    return np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))


def _filled(values: Int64, there: npt.NDArray[np.bool_], before: int) -> Int64:
    """For every word the value of the last one that is there; ``before`` where none is."""
    last = _last(there)
    return np.where(last >= 0, values[last], before)


def _high(values: Int64, there: npt.NDArray[np.bool_], bits: int, state: State) -> tuple[Int64, Int64]:
    """The high part of the time and the turns at every word; the state is that after the last one."""
    high = _filled(values, there, state.high)
    before = np.concatenate([[state.high], high[:-1]])
    turns = state.turns + np.cumsum(high + 2 ** (bits - 1) <= before)
    state.high, state.turns = int(high[-1]), int(turns[-1])
    return high, turns


def decode_evt2(words: Int64, state: State) -> Columns:
    """Events of EVT 2.0 words: kind 0 or 1 (polarity), 6 bits of time, column (11), row (11); 8 is the time above."""
    kind = words >> 28
    high, turns = _high(words & 0xFFF_FFFF, kind == 8, 28, state)
    chosen = (kind <= 1) & (high >= 0)
    w = words[chosen]
    time = (turns[chosen] << 34) + (high[chosen] << 6) + (w >> 22 & 0x3F)
    return time, w >> 11 & 0x7FF, w & 0x7FF, kind[chosen]


def decode_evt3(words: Int64, state: State) -> Columns:
    """Events of EVT 3.0 words: row (kind 0), event (2), base of vectors (3), vectors of 12, 8 (4, 5), time (6, 8)."""
    kind, payload = words >> 12, words & 0xFFF
    at = np.arange(len(words))
    earlier = state.high
    high, turns = _high(payload, kind == 8, 12, state)
    changed = high != np.concatenate([[earlier], high[:-1]])
    low = np.where(changed, 0, payload)
    low = _filled(low, (kind == 6) | changed, state.low)
    row = _filled(payload & 0x7FF, kind == 0, state.row)
    # A vector moves the base by its length; the base at a word is what was set last and the lengths in between.
    moved = np.cumsum(np.where(kind == 4, 12, np.where(kind == 5, 8, 0)))
    set_at = _last(kind == 3)
    moved_by = np.concatenate([[0], moved[:-1]]) - np.where(set_at >= 0, moved[set_at], 0)
    base = _filled(payload & 0x7FF, kind == 3, state.base)
    unset = base < 0
    polarity = _filled(payload >> 11, kind == 3, state.polarity)
    base = np.where(unset, -1, base + moved_by)

    vector = (kind == 4) | (kind == 5)
    sends = ((kind == 2) | (vector & ~unset)) & (high >= 0) & (row >= 0)
    first = np.where(kind == 2, payload & 0x7FF, base)[sends]
    brighter = np.where(kind == 2, payload >> 11, polarity)[sends]
    mask = np.where(kind == 2, 1, np.where(kind == 4, payload, payload & 0xFF))[sends]
    event, bit = np.nonzero(mask[:, None] >> np.arange(12) & 1)
    word = at[sends][event]
    time = (turns[word] << 24) + (high[word] << 12) + low[word]
    last_length = int(moved[-1] - (moved[-2] if len(moved) > 1 else 0))
    state.low, state.row, state.polarity = int(low[-1]), int(row[-1]), int(polarity[-1])
    state.base = -1 if unset[-1] else int(base[-1]) + last_length
    return time, first[event] + bit, row[word], brighter[event]


DECODERS: dict[str, tuple[str, Callable[[Int64, State], Columns]]] = {
    "2.0": ("<u4", decode_evt2),
    "3.0": ("<u2", decode_evt3),
}
