"""The deployed half: integer programs and their reference interpreter. Needs numpy and safetensors only."""

from shiftlif.program.compare import compare_traces, first_mismatch
from shiftlif.program.cost import Cost, LayerCost, measure
from shiftlif.program.events import event_adds, frame_of, run_events, step_events
from shiftlif.program.file import load, save
from shiftlif.program.interpreter import Result, run, step
from shiftlif.program.membrane import Interval
from shiftlif.program.operations import (
    KINDS,
    Accumulate,
    Add,
    Conv,
    Flatten,
    Input,
    Linear,
    MaxPool,
    Neuron,
    Operation,
    SumPool,
    kind_of,
)
from shiftlif.program.program import IntegerProgram
from shiftlif.program.quantizer import InputQuantizer
from shiftlif.program.ranges import WireRange, analyse, largest_safe_steps, with_proven_widths
from shiftlif.program.shapes import propagate
from shiftlif.program.state import initial_state
from shiftlif.program.vectors import GoldenVectors, record, verify_vectors

__all__ = [
    "KINDS",
    "Accumulate",
    "Add",
    "Conv",
    "Cost",
    "Flatten",
    "GoldenVectors",
    "Input",
    "InputQuantizer",
    "IntegerProgram",
    "Interval",
    "LayerCost",
    "Linear",
    "MaxPool",
    "Neuron",
    "Operation",
    "Result",
    "SumPool",
    "WireRange",
    "analyse",
    "compare_traces",
    "event_adds",
    "first_mismatch",
    "frame_of",
    "initial_state",
    "kind_of",
    "largest_safe_steps",
    "load",
    "measure",
    "propagate",
    "record",
    "run",
    "run_events",
    "save",
    "step",
    "step_events",
    "verify_vectors",
    "with_proven_widths",
]
