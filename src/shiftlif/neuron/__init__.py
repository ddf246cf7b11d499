"""Spiking neurons: the pure step, the sequence, and the modules that hold their parameters."""

from shiftlif.neuron.emission import ReLSG_ET, emit, letters
from shiftlif.neuron.modules import (
    LIF,
    NEURONS,
    QBLIF,
    IntLIF,
    ShiftLIF,
    ShiftLIFNeuron,
    SpikingNeuron,
)
from shiftlif.neuron.step import NeuronParameters, integrate, reference_sequence, sequence, step

__all__ = [
    "LIF",
    "NEURONS",
    "QBLIF",
    "IntLIF",
    "NeuronParameters",
    "ReLSG_ET",
    "ShiftLIF",
    "ShiftLIFNeuron",
    "SpikingNeuron",
    "emit",
    "integrate",
    "letters",
    "reference_sequence",
    "sequence",
    "step",
]
