"""The opponent: a non-spiking program (QuantReLU, one step) as a dense int8 network in C, ``c/dense_int8.h``."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from shiftlif.export.c_tables import array
from shiftlif.program import (
    Accumulate,
    Conv,
    Flatten,
    Input,
    IntegerProgram,
    Linear,
    MaxPool,
    Neuron,
    Operation,
    SumPool,
)
from shiftlif.program.operations import label, sources_of

Ints = npt.NDArray[np.int64]
GROUP = 4  # weights of a word
MAX_SHIFT = 16  # of requantisation
TOP = 127  # the highest letter of 8-bit activations: USAT to 7 bits


@dataclass(frozen=True)
class _Buffer:
    """Activations ``[rows + 2 padding][columns + 2 padding][stored]``, of which the first ``channels`` are used."""

    name: str
    channels: int
    stored: int
    extent: tuple[int, int]
    padding: tuple[int, int]

    @property
    def line(self) -> int:
        return (self.extent[1] + 2 * self.padding[1]) * self.stored

    @property
    def size(self) -> int:
        """Elements, with what a run of four may read beyond the end."""
        return (self.extent[0] + 2 * self.padding[0]) * self.line + GROUP

    @property
    def inside(self) -> str:
        """The first activation that is not padding, as C."""
        return f"{self.name} + {self.padding[0] * self.line + self.padding[1] * self.stored}"

    def cleared(self) -> str:
        """C that writes the zeros around the activations; none where there is no padding."""
        return f"    memset({self.name}, 0, {2 * self.size});\n" if any(self.padding) else ""


def _multiplier(thresholds: list[int], reach: int, shift: int) -> int | None:
    """The smallest multiplier of one channel, None where there is none below 2^31."""
    low, high = 0, 2**31 - 1
    for letter, threshold in enumerate(thresholds, start=1):
        # v m + 2^(31 + shift) >= letter 2^(32 + shift) from v = threshold on, and not before
        aim = (2 * letter - 1) << (31 + shift)
        if threshold <= 0:
            return None
        if threshold <= reach:
            low = max(low, -(-aim // threshold))
        before = min(threshold - 1, reach)
        if before > 0:
            high = min(high, (aim - 1) // before)
    return low if low <= high else None


def requantisation(thresholds: npt.NDArray[np.int32], reach: Ints) -> tuple[Ints, Ints]:
    """A multiplier and a shift per channel that give every letter of a table of thresholds.

    ``letter(v) = clip(((v * multiplier >> 32) + 2^(shift - 1)) >> shift, 0, 127)``. It is monotone in v, so two
    values on either side of every threshold prove it for all. The shifts are one number where one serves all channels.

    Args:
        thresholds: int32 ``[C, 127]``: of the letters 1 to 127, ascending.
        reach: ``[C]``: no value of the channel is larger.

    Raises:
        ValueError: no such numbers; the network is then not one of uniform letters.
    """
    rows = list(zip(thresholds.tolist(), reach.tolist(), strict=True))
    found = [
        {s: m for s in range(MAX_SHIFT, 0, -1) if (m := _multiplier(*row, s)) is not None} for row in rows
    ]
    common = next((s for s in range(MAX_SHIFT, 0, -1) if all(s in by for by in found)), None)
    if not all(found):
        raise ValueError(
            "the thresholds are not those of a scale and a rounding; expected QuantReLU of 8 bits"
        )
    shifts = [max(by) if common is None else common for by in found]
    multipliers = [by[s] for by, s in zip(found, shifts, strict=True)]
    return np.array(multipliers, dtype=np.int64), np.array(shifts, dtype=np.int64)


def _axes(values: tuple[int, ...], fill: int) -> tuple[int, int]:
    both = (fill,) * (2 - len(values)) + values
    return both[0], both[1]


def _even(channels: int) -> int:
    return channels + channels % 2


class DenseNetwork:
    """The C text of a program without spikes.

    Attributes:
        text: defines ``const int32_t *contender_infer(const int8_t *frame)``.
        activation_bytes: of both buffers, which layers use in turns.

    Raises:
        ValueError: the program holds what the opponent has no code for, by name.
    """

    def __init__(self, program: IntegerProgram) -> None:
        if program.steps != 1:
            raise ValueError(f"the program has {program.steps} steps, expected a non-spiking one of 1")
        self._program = program
        self._shapes = program.shapes()
        self._operations = list(program.operations)
        self._tables: list[str] = []
        self._calls: list[str] = []
        self._sizes = {"a": 0, "b": 0}
        buffer: _Buffer | None = None
        at = 0
        while at < len(self._operations):
            buffer, used = self._lower(at, buffer)
            at += used
        classes = len(program.classes)
        stored = -(-classes // 4) * 4
        self.activation_bytes = 2 * sum(self._sizes.values()) + 4 * stored
        memory = "".join(
            f"static int16_t {n}[{size}] __attribute__((aligned(8)));\n"
            for n, size in self._sizes.items()
            if size
        )
        self.text = (
            '#include "dense_int8.h"\n#define SL_ALIGNED __attribute__((aligned(4)))\n'
            "const int32_t *contender_infer(const int8_t *frame);\n"
            + "".join(self._tables)
            + memory
            + f"static int32_t scores[{stored}];\n"
            + "const int32_t *contender_infer(const int8_t *frame) {\n"
            + "".join(self._calls)
            + "    return scores;\n}\n"
        )

    def _after(self, at: int) -> Operation:
        """The next operation; programs are chains here."""
        following = self._operations[at + 1]
        if sources_of(following) != (self._operations[at].name,):
            raise ValueError(f"{label(following)} does not read the operation before it; expected a chain")
        return following

    def _target(self, at: int, source: _Buffer | None, stored: int | None = None) -> _Buffer:
        """Where the operation ``at`` writes: the other buffer, with the padding that its reader wants."""
        operation, reader = self._operations[at], self._after(at)
        shape = self._shapes[operation.name]
        padding = _axes(reader.padding, 0) if isinstance(reader, Conv) else (0, 0)
        name = "a" if source is None or source.name == "b" else "b"
        width = _even(shape[0]) if stored is None else stored
        made = _Buffer(name, shape[0], width, _axes(shape[1:], 1), padding)
        self._sizes[name] = max(self._sizes[name], -(-made.size // 4) * 4)
        self._calls.append(made.cleared())
        return made

    def _lower(self, at: int, source: _Buffer | None) -> tuple[_Buffer, int]:
        """Code for the operation ``at``; the buffer with its result, and how many operations that was."""
        operation = self._operations[at]
        match operation:
            case Input():
                return self._enter(at)
            case Linear() | Conv():
                assert source is not None
                return self._synapse(at, operation, source)
            case SumPool():
                assert source is not None
                target = self._target(at, source, source.stored)
                kernel, stride = _axes(operation.kernel, 1), _axes(operation.stride, 1)
                if any(source.padding) or prod(kernel) * TOP >= 2**15:
                    raise ValueError(
                        f"{label(operation)}: windows {kernel} or padding {source.padding} have no code"
                    )
                largest = int(isinstance(operation, MaxPool))
                numbers = (largest, *target.extent, source.stored, *kernel, *stride, source.line, target.line)
                self._calls.append(
                    f"    pool({', '.join(map(str, numbers))}, {source.inside}, {target.inside});\n"
                )
                return target, 1
            case Flatten():
                assert source is not None
                return source, 1
            case _:
                raise ValueError(f"{label(operation)}: the dense opponent has no such layer here")

    def _enter(self, at: int) -> tuple[_Buffer, int]:
        shape = self._shapes[self._operations[at].name]
        if isinstance(self._after(at), Flatten):
            flat = _Buffer("a", prod(shape), -(-prod(shape) // GROUP) * GROUP, (1, 1), (0, 0))
            self._sizes["a"] = flat.size
            self._calls.append(f"    enter_flat(frame, a, {prod(shape)});\n")
            return flat, 2
        stored = 1 if shape[0] == 1 else _even(shape[0])
        target = self._target(at, None, stored)
        numbers = (shape[0], *target.extent, stored, target.line)
        self._calls.append(f"    enter(frame, {target.inside}, {', '.join(map(str, numbers))});\n")
        return target, 1

    def _windows(
        self, operation: Linear | Conv, source: _Buffer
    ) -> tuple[npt.NDArray[np.int8], tuple[int, ...]]:
        """Weights ``[out, runs, run]``, a run being what lies together in memory, padded with zeros; and the stride."""
        out = len(operation.weight)
        if isinstance(operation, Conv):
            if operation.groups != 1 or set(operation.dilation) != {1}:
                raise ValueError(f"{label(operation)}: groups and dilation have no code")
            kernel = _axes(operation.kernel, 1)
            weight = operation.weight.reshape(out, source.channels, *kernel).transpose(0, 2, 3, 1)
            stride = _axes(operation.stride, 1)
        else:
            weight = operation.weight.reshape(out, source.channels, -1).transpose(0, 2, 1)[:, None]
            stride = (1, 1)
        stored = np.zeros((*weight.shape[:3], source.stored), np.int8)
        stored[..., : source.channels] = weight
        runs = stored.reshape(out, stored.shape[1], -1)
        padded = np.zeros((out, runs.shape[1], -(-runs.shape[2] // GROUP) * GROUP), np.int8)
        padded[..., : runs.shape[2]] = runs
        return padded, stride

    def _synapse(self, at: int, operation: Linear | Conv, source: _Buffer) -> tuple[_Buffer, int]:
        follower = self._after(at)
        weight, stride = self._windows(operation, source)
        columns = _axes(self._shapes[operation.name][1:], 1)[1]
        positions, outputs = (4, 1) if columns >= 4 else (2, 2) if columns >= 2 else (1, 4)
        channels = -(-len(weight) // outputs) * outputs
        name = f"layer{at}"
        rows = np.zeros((channels, *weight.shape[1:]), np.int8)
        rows[: len(weight)] = weight
        words = rows.reshape(channels // outputs, outputs, weight.shape[1], -1, GROUP)
        if not isinstance(self._operations[at - 1], Flatten) or at > 2:
            words = words[
                ..., [0, 2, 1, 3]
            ]  # SXTB16 gives neighbours then; `enter_flat` orders the frame instead
        self._tables.append(array(f"{name}_w", np.ascontiguousarray(words.transpose(0, 2, 3, 1, 4))))
        bias = np.zeros(channels, np.int32)
        bias[: len(weight)] = follower.bias if isinstance(follower, (Neuron, Accumulate)) else 0
        self._tables.append(array(f"{name}_b", bias))
        line, step = source.line * stride[0], source.stored * stride[1]
        if stride[0] != 1 and weight.shape[1] != 1:
            raise ValueError(f"{label(operation)}: a stride of {stride} rows has no code")
        aligned = int(source.stored % 2 == 0)
        window = f"{weight.shape[1]}, {weight.shape[2] // GROUP}, {step}, {line}"
        if isinstance(follower, Accumulate):
            self._calls.append(
                f"    {{\n        const shape s = {{1, {outputs}, 1, 1, {channels}, {window}, 0, 0, {aligned}, 0, "
                f"{follower.current_shift}}};\n        readout(s, {source.name}, scores, {name}_w, {name}_b);\n    }}\n"
            )
            return source, 2
        if not isinstance(follower, Neuron) or follower.letters.tolist() != list(range(TOP + 1)):
            raise ValueError(f"{label(follower)}: expected the letters 0 to {TOP} behind a layer")
        low, high = (getattr(self._program.ranges[operation.source], end) for end in ("low", "high"))
        sums = np.abs(operation.weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1)
        reach = ((sums * max(-low, high)) << follower.current_shift) + np.abs(follower.bias.astype(np.int64))
        multiplier, shifts = requantisation(follower.thresholds, reach)
        shift = int(shifts[0]) if len(set(shifts.tolist())) == 1 else 0
        scale = np.zeros(channels, np.int32)
        scale[: len(multiplier)] = multiplier
        self._tables.append(array(f"{name}_m", scale))
        if shift == 0:
            own = np.ones(channels, np.int32)
            own[: len(shifts)] = shifts
            self._tables.append(array(f"{name}_s", own))
        target = self._target(
            at + 1, source, _even(channels) if columns > 1 else -(-channels // GROUP) * GROUP
        )
        rest = (target.stored, target.line, aligned, shift, follower.current_shift)
        sizes = ", ".join(map(str, (positions, outputs, *target.extent, channels, window, *rest)))
        self._calls.append(
            f"    {{\n        const shape s = {{{sizes}}};\n"
            f"        layer(s, {source.name}, {target.inside}, {name}_w, {name}_b, {name}_m, "
            f"{f'{name}_s' if shift == 0 else 'NULL'});\n    }}\n"
        )
        return target, 2
