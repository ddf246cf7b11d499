"""Programs whose exports are compiled: small, of both convolutions, with one and several steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftlif.alphabet import PowerOfTwo
from shiftlif.program import (
    Accumulate,
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
from tests.program.strategies import random_weight


def _neuron(rng: np.random.Generator, name: str, source: str, channels: int, size: int) -> Neuron:
    alphabet = PowerOfTwo(3)
    unit = rng.integers(size // 2, size, size=(channels, 1))
    thresholds = np.ceil(np.asarray(alphabet.boundaries) * unit).astype(np.int32)
    resets = np.round(np.asarray(alphabet.levels) * unit).astype(np.int32)
    bias = rng.integers(-20, 20, size=channels).astype(np.int32)
    return Neuron(name, source, 1, 0, bias, thresholds, resets, alphabet.integer_levels)


def edge_program(axes: int, steps: int, *, temporal: bool = False, bits: int = 8) -> IntegerProgram:
    """Convolution, pooling, convolution, average, read-out over one or two axes; the second has always 4 bits."""
    rng = np.random.default_rng(axes)
    shape = (6, 20) if axes == 1 else (2, 9, 8)
    one, two, three = (1,) * axes, (2,) * axes, (3,) * axes
    ops: list = [
        Input("input", shape),
        Conv("conv1", "input", random_weight(rng, (12, shape[0], *three), bits), one, one, one, 1, bits),
        _neuron(rng, "neuron1", "conv1", 12, 20_000 if bits == 8 else 1_200),
        MaxPool("pool1", "neuron1", two, two),
        Conv("conv2", "pool1", random_weight(rng, (20, 12, *three), 4), one, one, one, 1, 4),
        _neuron(rng, "neuron2", "conv2", 20, 300),
        SumPool("average", "neuron2", (4,) * axes, (4,) * axes),
        Flatten("flat", "average"),
    ]
    features = 20 * (2 if axes == 1 else 1)
    ops += [
        Linear("readout", "flat", random_weight(rng, (5, features), bits), bits),
        Accumulate("scores", "readout", 0, rng.integers(-9, 9, size=5).astype(np.int32)),
    ]
    return IntegerProgram(
        with_proven_widths(ops, 8),
        InputQuantizer.identity(shape[0]),
        steps,
        8,
        ("up", 'quo"te', "per%cent", "äöü", "*/ back\\slash ??/"),
        1.0,
        {"temporal": temporal, "dataset": "hostile */ title\nsecond line"},
    )


def counting_program(axes: int, limit: int, *, temporal: bool = True) -> IntegerProgram:
    """`edge_program` with frames of counts up to a limit, T = 3."""
    plain = edge_program(axes, 3, temporal=temporal)
    operations = (replace(plain.operations[0], low=0, high=limit), *plain.operations[1:])
    quantizer = InputQuantizer.counts(plain.input_shape[0], limit)
    return replace(plain, operations=tuple(with_proven_widths(operations, 8)), quantizer=quantizer)


def dense_program(bits: int, inputs: int = 300) -> IntegerProgram:
    """Layers of 60, 40 and 4 outputs: every width of a block. The largest weights, all of one sign in some outputs.

    The first layer adds rows in two chunks where there are more than 256 `inputs`.
    """
    rng = np.random.default_rng(bits)
    limit = 2 ** (bits - 1) - 1

    def weight(shape: tuple[int, int]) -> np.ndarray:
        signs = rng.choice([-1, 1], size=shape)
        signs[::5], signs[1::5] = 1, -1
        return (signs * limit).astype(np.int8)

    ops = [
        Input("input", (inputs,)),
        Linear("dense1", "input", weight((60, inputs)), bits),
        _neuron(rng, "neuron1", "dense1", 60, 60 * inputs * limit // 20),
        Linear("dense2", "neuron1", weight((40, 60)), bits),
        _neuron(rng, "neuron2", "dense2", 40, 20 * limit),
        Linear("readout", "neuron2", weight((4, 40)), bits),
        Accumulate("scores", "readout", 0, np.zeros(4, np.int32)),
    ]
    return IntegerProgram(
        with_proven_widths(ops, 4),
        InputQuantizer.identity(inputs),
        2,
        4,
        ("a", "b", "c", "d"),
        1.0,
        {"temporal": True},
    )
