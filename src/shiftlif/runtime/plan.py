"""What the C runtime executes: the structures of ``c/shiftlif.h`` as values, and where each wire lies in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

SYNAPSE, NEURON, READOUT, SUM_POOL, MAX_POOL, ADD, RESHAPE = range(7)
NONE = 0xFFFF
NO_LEAK = 255
LANES = 4
MAX_ROWS = 256
HEADER_BYTES = 8
OFFSETS = 2**16 - 1  # an event's offset, in units of LANES rows
PLACES = 4096  # of all lists of events together, where nothing else is said

Pair = tuple[int, int]
Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Wire:
    """A wire's place in the arena; ``offset`` in bytes, ``limit`` the largest count where it holds counts of events."""

    name: str
    positions: int
    channels: int
    bytes: int
    offset: int = 0
    limit: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.positions * self.channels * self.bytes


@dataclass(frozen=True, eq=False)
class Synapse:
    """``sl_synapse``; rows are int8 ``[groups, taps, in, padded_out]``.

    ``packed``: in memory two weights of -8 to 7 share a byte; here they do not. ``slides`` are the windows of a run at
    most (1: none share their columns), ``room`` the places of one list.
    """

    rows: Int8
    inputs: int
    outputs_per_group: int
    groups: int
    extent: Pair
    outputs: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    chunk: int
    planes: int
    segment: int
    negative: bool
    room: int
    packed: bool = False
    slides: int = 1

    @property
    def stored(self) -> Int8:
        """The rows as they lie in memory: of four packed weights a, b, c, d the bytes 16 c + a + 8 and 16 d + b + 8."""
        return packed_rows(self.rows) if self.packed else self.rows

    @property
    def padded_out(self) -> int:
        """Outputs of one group, rounded up to `LANES`."""
        return int(self.rows.shape[-1])

    @property
    def channels(self) -> int:
        """Currents at one position."""
        return self.groups * self.outputs_per_group

    @property
    def move(self) -> Pair:
        """Elements of the source from one output to the next."""
        return self._elements(self.stride)

    @property
    def back(self) -> Pair:
        """Elements of the source from the first window back into the padding."""
        return self._elements(self.padding)

    @property
    def tap_move(self) -> Pair:
        """Elements of the source from tap to tap."""
        return self._elements(self.dilation)

    def sliding(self, rows: int, places: int) -> Synapse:
        """The same with windows along a row that share the events of their columns, where two or more can.

        Args:
            rows: that may be added up at once, at most.
            places: of all lists together, at most.
        """
        (lines, columns), stride = self.kernel, self.stride[1]
        column, tap = lines * self.inputs, self.inputs * self.padded_out // LANES
        most = OFFSETS // tap - lines * columns  # columns of a run
        slides = min(self.outputs[1], (most - columns) // stride + 1)
        window, room = columns * column, min(places // self.lists, (columns + (slides - 1) * stride) * column)
        apart = self.groups > 1 or self.dilation[1] > 1 or stride > columns or slides < 2
        if apart or window > rows or room < window + stride * column:
            return self
        return replace(self, chunk=window, room=room, slides=slides)

    def _elements(self, distance: Pair) -> Pair:
        return elements(distance, self.extent, self.groups * self.inputs)

    @property
    def group_rows(self) -> int:
        """Weights of one group."""
        return self.rows.size // self.groups

    @property
    def tap_step(self) -> int:
        """Rows from tap to tap, in units of `LANES`; 0 where a tap is larger than a chunk."""
        return self.inputs * self.padded_out // LANES if self.inputs <= self.chunk else 0

    @property
    def line_step(self) -> int:
        """The same from kernel row to kernel row; 0 where windows share nothing."""
        return self.kernel[1] * self.tap_step if self.slides > 1 else 0

    @property
    def fresh(self) -> int:
        """Rows of the columns that the next window of a run adds; 0 where windows share nothing."""
        return self.kernel[0] * self.inputs * self.stride[1] if self.slides > 1 else 0

    @property
    def lists(self) -> int:
        """Lists of events, one for each digit plane and sign."""
        return self.planes * (1 + self.negative)

    @property
    def places(self) -> int:
        """Of all lists of events."""
        return self.room * self.lists

    @property
    def scratch(self) -> int:
        """Bytes for the currents of a position and the events: ends, starts (or marks of columns) and places."""
        sums = self.padded_out + (self.channels if self.groups > 1 else 0)
        starts = self.kernel[1] if self.slides > 1 else 1
        return 4 * sums + 2 * self.lists * (1 + starts) + 2 * self.places


@dataclass(frozen=True, eq=False)
class NeuronTable:
    """``sl_neuron``; ``resets`` is None for a hard reset, ``membrane`` an offset in the state."""

    bias: Int32
    thresholds: Int32
    resets: Int32 | None
    letters: Int8
    channels: int
    positions: int
    membrane: int
    leak_shift: int
    shift: int
    bytes: int

    @property
    def levels(self) -> int:
        """Thresholds of a channel."""
        return int(self.thresholds.shape[1])


@dataclass(frozen=True, eq=False)
class Readout:
    """``sl_readout``: one position of 32-bit sums."""

    bias: Int32
    channels: int
    membrane: int
    shift: int
    positions: ClassVar[int] = 1
    bytes: ClassVar[int] = 4


@dataclass(frozen=True)
class Window:
    """``sl_window``; ``channels`` of the source."""

    extent: Pair
    outputs: Pair
    kernel: Pair
    stride: Pair
    channels: int

    @property
    def move(self) -> Pair:
        """Elements of the source from one output to the next."""
        return elements(self.stride, self.extent, self.channels)

    @property
    def tap_move(self) -> Pair:
        """Elements of the source from tap to tap."""
        return elements((1, 1), self.extent, self.channels)


@dataclass(frozen=True, eq=False)
class Step:
    """``sl_operation``: wires are indices, `NONE` where there is none.

    ``name`` is that of the program's operation whose result `target` holds: of the neuron where one is fused.
    """

    name: str
    kind: int
    source: int
    target: int = NONE
    other: int = NONE
    shift: int = 0
    other_shift: int = 0
    is_static: bool = False
    synapse: Synapse | None = None
    neuron: NeuronTable | None = None
    readout: Readout | None = None
    window: Window | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """``sl_program``.

    Attributes:
        wires: in the arena; some are views of others.
        steps: the operations in order.
        identity: first 4 bytes of the program's digest.
        classes: length of the read-out.
        state_size: bytes that are kept from step to step.
        arena_size: bytes that are needed during a call.
        scratch: where the arena's scratch begins.
        scores: where the state's read-out begins.
        time_steps: of an inference.
        max_steps: of the range proof.
        by_layer: where a computer knows several steps or inferences at once, compute them layer by layer.
    """

    wires: tuple[Wire, ...]
    steps: tuple[Step, ...]
    identity: int
    classes: int
    state_size: int
    arena_size: int
    scratch: int
    scores: int
    time_steps: int
    max_steps: int
    by_layer: bool

    @property
    def stateful(self) -> list[tuple[int, str, NeuronTable | Readout]]:
        """Index and name of each step that keeps membranes or sums, and its table."""
        tables = [(i, step.name, step.neuron or step.readout) for i, step in enumerate(self.steps)]
        return [(i, name, table) for i, name, table in tables if table is not None]

    def describe(self) -> dict[str, Any]:
        """Sizes, JSON-able."""
        return {"state bytes": self.state_size, "arena bytes": self.arena_size, "wires bytes": self.scratch}


def packed_rows(rows: Int8) -> Int8:
    """Two weights of -8 to 7 in a byte, upper and lower: int8 ``[..., padded_out / 2]``."""
    fours = rows.astype(np.int16).reshape(*rows.shape[:-1], -1, 2, 2)  # [..., upper or not, of both bytes]
    return (16 * fours[..., 1, :] + fours[..., 0, :] + 8).astype(np.int8).reshape(*rows.shape[:-1], -1)


def elements(distance: Pair, extent: Pair, channels: int) -> Pair:
    """A distance along each axis in elements of a wire ``[extent[0], extent[1], channels]``."""
    return distance[0] * extent[1] * channels, distance[1] * channels


def aligned(size: int) -> int:
    """The next multiple of 4."""
    return -(-size // 4) * 4


def place(sizes: Sequence[int], lives: Sequence[tuple[int, int]]) -> tuple[list[int], int]:
    """Offsets of buffers such that two that live at one time do not overlap, largest first.

    Args:
        sizes: bytes of each.
        lives: first and last moment of each, both included.

    Returns:
        The offsets, multiples of 4, and the bytes needed in all.
    """
    offsets = [0] * len(sizes)
    placed: list[int] = []
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        together = sorted(
            (offsets[j], offsets[j] + aligned(sizes[j]))
            for j in placed
            if lives[j][0] <= lives[i][1] and lives[i][0] <= lives[j][1]
        )
        at = 0
        for start, end in together:
            if start - at >= aligned(sizes[i]):
                break
            at = max(at, end)
        offsets[i] = at
        placed.append(i)
    return offsets, max((offsets[i] + aligned(sizes[i]) for i in placed), default=0)
