"""Larger random programs: they fill registers and chunks, in both membrane widths and every layout of the lowering."""

from __future__ import annotations

from math import prod

import numpy as np

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.program import (
    Accumulate,
    Add,
    Conv,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    MaxPool,
    Neuron,
    SumPool,
    with_proven_widths,
)
from shiftlif.program.shapes import window_count

CHANNELS = (1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 48, 64, 70)
# 1 to 7 thresholds are the unrolled loops and the first one beyond; signed letters begin below 0.
ALPHABETS = (
    Binary(),
    Ternary(),
    Uniform(3),
    Uniform(3, signed=True),
    PowerOfTwo(3),
    Uniform(5),
    Uniform(6),
    Uniform(7),
    PowerOfTwo(6, "floor", signed=True),
    Uniform(20),
)
CEILING = 2**30  # of every sum, so that any choice below can be proven


class Builder:
    """Operations one after the other; knows the shape and the largest magnitude of the last wire."""

    def __init__(self, seed: int, max_steps: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.max_steps = max_steps
        self.ops: list = []
        self.shape: tuple[int, ...] = ()
        self.peak = 0

    @property
    def last(self) -> str:
        return self.ops[-1].name

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.ops)}"

    def input(self, shape: tuple[int, ...]) -> None:
        self.ops.append(Input("input", shape))
        self.shape, self.peak = shape, 128

    def weight(self, shape: tuple[int, ...], limit: int) -> np.ndarray:
        """As large as asked for and provable, about a quarter of them 0."""
        while limit > 1 and prod(shape[1:]) * limit * self.peak * 4 * (self.max_steps + 1) > CEILING:
            limit //= 2
        weight = self.rng.integers(-limit, limit, size=shape, endpoint=True)
        return (weight * (self.rng.random(shape) < 0.75)).astype(np.int8)

    def grow(self, weight: np.ndarray) -> None:
        self.peak *= max(int(np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1).max()), 1)

    def linear(self, out: int, limit: int) -> None:
        weight = self.weight((out, self.shape[0]), limit)
        self.ops.append(Linear(self.name("linear"), self.last, weight))
        self.shape = (out,)
        self.grow(weight)

    def conv(self, out: int, limit: int, groups: int = 1) -> None:
        rng, spatial = self.rng, self.shape[1:]
        dilation = tuple(int(rng.choice([1, 1, 2, 3])) for _ in spatial)
        padding = tuple(int(rng.choice([0, 1, 2, 4])) for _ in spatial)
        kernel = tuple(
            int(rng.integers(1, min(5, (n + 2 * p - 1) // d + 1) + 1))
            for n, p, d in zip(spatial, padding, dilation, strict=True)
        )
        stride = tuple(int(rng.choice([1, 1, 2, 3])) for _ in spatial)
        weight = self.weight((out, self.shape[0] // groups, *kernel), limit)
        self.ops.append(Conv(self.name("conv"), self.last, weight, stride, padding, dilation, groups))
        axes = zip(spatial, kernel, stride, padding, dilation, strict=True)
        self.shape = (out, *(window_count(*axis) for axis in axes))
        self.grow(weight)

    def neuron(self, source: str | None = None) -> int:
        """Fires now and then: its unit is a fraction of the largest current. Returns the largest letter."""
        rng, channels = self.rng, self.shape[0]
        alphabet = ALPHABETS[rng.integers(len(ALPHABETS))]
        unit = np.maximum(self.peak * rng.random((channels, 1)) / rng.choice([2, 8, 40]), 1)
        room = CEILING // (int(self.peak + unit.max()) * 2 * (self.max_steps + 1))
        shift = int(rng.choice([0, 0, 1, 30]))
        shift = min(shift, max(room.bit_length() - 1, 0))
        unit = unit * 2**shift
        letters = alphabet.integer_levels
        bias = rng.integers(-(unit[:, 0] // 2) - 1, unit[:, 0] // 2 + 1) * (rng.random(channels) < 0.5)
        self.ops.append(
            Neuron(
                name=self.name("neuron"),
                source=source or self.last,
                leak_shift=[None, None, 0, 2, 24][rng.integers(5)],
                current_shift=shift,
                bias=bias.astype(np.int32),
                thresholds=np.floor(np.asarray(alphabet.boundaries) * unit).astype(np.int32),
                resets=np.floor(np.asarray(alphabet.levels) * unit + 0.5).astype(np.int32),
                letters=letters,
                reset=["soft", "soft", "hard"][rng.integers(3)],
            )
        )
        return int(np.abs(letters).max())

    def fire(self, twice: bool = False) -> None:
        """A neuron; or two on one current, added with shifts."""
        current, peak = self.last, self.neuron()
        if twice:
            first, other = self.last, self.neuron(current)
            shifts = tuple(int(s) for s in self.rng.integers(0, 4, size=2))
            self.ops.append(Add(self.name("add"), (first, self.last), shifts))
            peak = (peak << shifts[0]) + (other << shifts[1])
        self.peak = peak

    def pool(self, kind: type[SumPool], largest: int) -> None:
        rng = self.rng
        kernel = tuple(int(rng.integers(1, min(largest, n) + 1)) for n in self.shape[1:])
        stride = tuple(int(rng.integers(1, 4)) for _ in kernel)
        self.ops.append(kind(self.name("pool"), self.last, kernel, stride))
        axes = zip(self.shape[1:], kernel, stride, strict=True)
        self.shape = (self.shape[0], *(window_count(*axis) for axis in axes))
        self.peak *= 1 if kind is MaxPool else prod(kernel)

    def flatten(self) -> None:
        self.ops.append(Flatten(self.name("flatten"), self.last))
        self.shape = (prod(self.shape),)

    def program(self, classes: int, steps: int) -> IntegerProgram:
        self.linear(classes, 127)
        bias = self.rng.integers(-100, 100, size=classes).astype(np.int32)
        self.ops.append(Accumulate("output", self.last, int(self.rng.integers(0, 2)), bias))
        return IntegerProgram(
            with_proven_widths(self.ops, self.max_steps),
            InputQuantizer.identity(self.ops[0].shape[0]),
            steps,
            self.max_steps,
            tuple(f"class{i}" for i in range(classes)),
        )


def large_program(seed: int, channels: int | None = None, extent: int | None = None) -> IntegerProgram:
    """Two spiking layers of up to 70 channels.

    Args:
        seed: of everything that is not given; its last decimal digit chooses dense, 1-d or 2-d.
        channels: of both layers.
        extent: positions along each axis of the input.
    """
    rng = np.random.default_rng(seed)
    build = Builder(seed, max_steps=int(rng.integers(4, 7)))
    axes = (1, 2, 0, 1, 2, 1, 2, 1, 2, 0)[seed % 10]
    low, high = ((0, 0), (5, 24), (3, 10))[axes]
    extents = [extent or int(n) for n in rng.integers(low, high, size=axes)]
    first = int(rng.choice(CHANNELS[:8])) if axes else int(rng.integers(1, 600))
    build.input((first, *extents))
    if axes and rng.random() < 0.3:
        build.pool(SumPool, 4)  # of a static frame: more than 8 bits
    for _ in range(2):
        limit = int(rng.choice([1, 7, 127]))
        width = channels or int(rng.choice(CHANNELS))
        if axes == 0:
            build.linear(width, limit)
        elif rng.random() < 0.25:
            build.conv(build.shape[0] * int(rng.integers(1, 3)), limit, groups=build.shape[0])
        else:
            build.conv(width, limit)
        if axes and rng.random() < 0.25:
            build.pool(SumPool, 4)  # of currents: more than 16 bits
        if axes and rng.random() < 0.15 and build.peak * 25 * build.shape[0] < CEILING // 64:
            build.conv(width, 1)  # currents of currents: a synapse that reads wide numbers
        build.fire(twice=rng.random() < 0.3)
        if axes and rng.random() < 0.6:
            build.pool([SumPool, MaxPool][rng.integers(2)], 3)
    if axes:
        build.flatten()
        if rng.random() < 0.3:
            build.fire()  # a neuron per position: the flattened wire is in the order of the frame
    return build.program(int(rng.choice([1, 3, 17])), steps=int(rng.integers(1, build.max_steps)))


def flattened(readers: str) -> IntegerProgram:
    """A flattened wire [5 channels, 7 positions] that is read by a Linear, a Neuron, or both."""
    build = Builder(1, max_steps=4)
    build.input((3, 7))
    build.conv(5, 127)
    build.fire()
    build.flatten()
    flat, size, peak = build.last, build.shape, build.peak
    if readers != "linear":
        build.fire()
    if readers == "both":
        build.linear(6, 7)
        neuron = build.last
        build.shape, build.peak = size, max(peak, build.peak)
        build.ops.append(Linear("direct", flat, build.weight((6, size[0]), 7)))
        build.ops.append(Add("both", (neuron, "direct")))
        build.shape, build.peak = (6,), 2**20
        build.fire()
    return build.program(3, steps=3)


def frames_of(program: IntegerProgram, seed: int, batch: int = 2, steps: int | None = None) -> np.ndarray:
    """Frames whose density is random; every sample of its own."""
    rng = np.random.default_rng(seed)
    shape = (batch, *program.input_shape) if steps is None else (steps, batch, *program.input_shape)
    return (rng.integers(-128, 128, size=shape) * (rng.random(shape) < rng.random())).astype(np.int8)
