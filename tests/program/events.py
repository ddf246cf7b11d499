"""Programs that read counts of events, and lists of the events that frames count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftlif.data.events import events_of
from shiftlif.program import (
    Accumulate,
    Conv,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    Neuron,
    with_proven_widths,
)
from tests.program.strategies import random_program


def counting(seed, limit):
    """A random program whose Input holds counts up to a limit."""
    program = random_program(seed)
    operations = (replace(program.operations[0], low=0, high=limit), *program.operations[1:])
    return IntegerProgram(
        with_proven_widths(operations, program.max_steps),
        InputQuantizer.counts(program.input_shape[0], limit),
        program.steps,
        program.max_steps,
        program.classes,
    )


def listed(program, frames):
    """Lists of the events that frames ``[T, *input_shape]`` count, shuffled."""
    shape = program.input_shape
    rng = np.random.default_rng(0)
    if len(shape) == 1:  # a channel is a column
        events = events_of(frames.reshape(len(frames), 1, 1, *shape))
    else:
        events = events_of(frames.reshape(len(frames), shape[0], -1, shape[-1]))
    return [rng.permutation(each) for each in events]


def random_counts(program, seed, steps=3):
    """Frames of counts ``[steps, *input_shape]`` of random density."""
    rng = np.random.default_rng(seed)
    shape = (steps, *program.input_shape)
    high = program.input.high
    return (rng.integers(0, high, shape, endpoint=True) * (rng.random(shape) < rng.random())).astype(np.int8)


def small(limit):
    """Convolution of frames [2, 5, 6] of counts up to a limit, a neuron, three classes; T = 4, 100 steps proven."""
    rng = np.random.default_rng(0)
    neuron = Neuron(
        "neuron",
        "conv",
        leak_shift=1,
        current_shift=0,
        bias=np.zeros(4, np.int32),
        thresholds=np.full((4, 1), 50, np.int32),
        resets=np.full((4, 2), (0, 50), np.int32),
        letters=np.array([0, 1], np.int32),
    )
    operations = (
        Input("input", (2, 5, 6), 0, limit),
        Conv("conv", "input", rng.integers(-99, 99, (4, 2, 3, 3)).astype(np.int8), (1, 1), (1, 1), (1, 1)),
        neuron,
        Flatten("flatten", "neuron"),
        Linear("scores", "flatten", rng.integers(-99, 99, (3, 120)).astype(np.int8)),
        Accumulate("output", "scores", 0, np.zeros(3, np.int32)),
    )
    operations = with_proven_widths(operations, 100)
    return IntegerProgram(operations, InputQuantizer.counts(2, limit), 4, 100, ("a", "b", "c"))
