"""Random small programs and their inputs: every operation, alphabet, reset and leak."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st

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

ALPHABETS = (
    Binary(),
    Ternary(),
    Uniform(3),
    Uniform(7, "floor"),
    Uniform(4, signed=True),
    PowerOfTwo(0),
    PowerOfTwo(3),
    PowerOfTwo(2, "log"),
    PowerOfTwo(2, "floor", signed=True),
)
MAX_STEPS = 9


def random_weight(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    limit = 2 ** (bits - 1) - 1
    return rng.integers(-limit, limit, size=shape, endpoint=True).astype(np.int8)


def random_neuron(rng: np.random.Generator, name: str, source: str, channels: int) -> Neuron:
    alphabet = ALPHABETS[rng.integers(len(ALPHABETS))]
    unit = rng.integers(1, 400, size=(channels, 1))
    boundaries = np.floor(np.asarray(alphabet.boundaries) * unit * 8).astype(np.int32)
    letters = alphabet.integer_levels
    resets = np.floor(np.asarray(alphabet.levels) * unit * 8 + 0.5).astype(np.int32)
    if rng.random() < 0.2:  # resets that fit nothing must be proven all the same
        resets = rng.integers(-500, 500, size=resets.shape).astype(np.int32)
        resets[:, letters == 0] = 0
    return Neuron(
        name=name,
        source=source,
        leak_shift=[None, 0, 1, 3][rng.integers(4)],
        current_shift=int(rng.integers(0, 3)),
        bias=(rng.integers(-300, 300, size=channels) * (rng.random(channels) < 0.6)).astype(np.int32),
        thresholds=boundaries,
        resets=resets,
        letters=letters,
        reset=["soft", "hard"][rng.integers(2)],
    )


def random_conv(rng: np.random.Generator, name: str, source: str, shape: tuple[int, ...]) -> Conv:
    channels, spatial = shape[0], shape[1:]
    dilation = tuple(int(rng.integers(1, 3)) for _ in spatial)
    padding = tuple(int(rng.integers(0, 3)) for _ in spatial)
    kernel = tuple(
        int(rng.integers(1, min(3, (n + 2 * p - 1) // d + 1) + 1))
        for n, p, d in zip(spatial, padding, dilation, strict=True)
    )
    groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
    bits = int(rng.choice([4, 8]))
    out = groups * int(rng.integers(1, 3))
    weight = random_weight(rng, (out, channels // groups, *kernel), bits)
    stride = tuple(int(rng.integers(1, 3)) for _ in spatial)
    return Conv(name, source, weight, stride, padding, dilation, groups, bits)


def random_program(seed: int) -> IntegerProgram:
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(0, 3))
    shape = (int(rng.integers(1, 4)), *(int(n) for n in rng.integers(3, 8, size=axes)))
    ops: list = [Input("input", shape)]

    for layer in range(int(rng.integers(1, 3))):
        if len(shape) > 1:
            conv = random_conv(rng, f"conv{layer}", ops[-1].name, shape)
            ops.append(conv)
            axes_of = zip(shape[1:], conv.kernel, conv.stride, conv.padding, conv.dilation, strict=True)
            shape = (conv.weight.shape[0], *(window_count(*axis) for axis in axes_of))
        else:
            bits = int(rng.choice([4, 8]))
            weight = random_weight(rng, (int(rng.integers(1, 5)), shape[0]), bits)
            ops.append(Linear(f"linear{layer}", ops[-1].name, weight, bits))
            shape = (weight.shape[0],)
        current = ops[-1].name
        ops.append(random_neuron(rng, f"neuron{layer}", current, shape[0]))
        if rng.random() < 0.4:
            other = random_neuron(rng, f"side{layer}", current, shape[0])
            ops.append(other)
            shifts = tuple(int(s) for s in rng.integers(0, 3, size=2))
            ops.append(Add(f"add{layer}", (f"neuron{layer}", other.name), shifts))
        if len(shape) > 1 and rng.random() < 0.6:
            kernel = tuple(int(rng.integers(1, min(3, n) + 1)) for n in shape[1:])
            stride = tuple(int(rng.integers(1, 3)) for _ in kernel)
            pool = [SumPool, MaxPool][rng.integers(2)]
            ops.append(pool(f"pool{layer}", ops[-1].name, kernel, stride))
            windows = zip(shape[1:], kernel, stride, strict=True)
            shape = (shape[0], *(window_count(*axis) for axis in windows))
    ops.append(Flatten("flatten", ops[-1].name))
    classes = int(rng.integers(1, 4))
    ops.append(Linear("readout", "flatten", random_weight(rng, (classes, prod(shape)), 8)))
    bias = rng.integers(-100, 100, size=classes).astype(np.int32)
    ops.append(Accumulate("output", "readout", int(rng.integers(0, 3)), bias))
    return IntegerProgram(
        with_proven_widths(ops, MAX_STEPS),
        InputQuantizer(rng.normal(size=ops[0].shape[0]), rng.random(ops[0].shape[0]) + 0.1, 3),
        int(rng.integers(1, MAX_STEPS + 1)),
        MAX_STEPS,
        tuple(f"class{i}" for i in range(classes)),
        0.125,
        {"seed": seed, "nested": {"list": [1, 2.5, None]}},
    )


def random_frames(program: IntegerProgram, seed: int, batch: int = 2, steps: int | None = None) -> np.ndarray:
    """Frames of random density, some of them all-maximum, all-minimum or silent."""
    rng = np.random.default_rng(seed)
    shape = (batch, *program.input_shape) if steps is None else (steps, batch, *program.input_shape)
    x = rng.integers(-128, 128, size=shape) * (rng.random(shape) < rng.random())
    extreme = rng.integers(5)
    if extreme < 3:
        x[...] = (127, -128, 0)[extreme]
    return x.astype(np.int8)


seeds = st.integers(0, 2**32 - 1)
programs = seeds.map(random_program)
