"""A program of most operations of the runtime, with a neuron in each place that it can have."""

from shiftlif.program import IntegerProgram, MaxPool
from tests.runtime.programs import Builder


def build_all_kinds() -> IntegerProgram:
    build = Builder(3, max_steps=4)
    build.input((3, 9))
    build.conv(5, 127)
    build.fire(twice=True)
    build.pool(MaxPool, 2)
    build.conv(6, 7)
    build.fire()
    build.flatten()
    build.fire()
    return build.program(3, steps=3)


PROGRAM = build_all_kinds()
