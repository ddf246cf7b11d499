"""Neurons: the pure step, the sequence, the modules that hold their parameters, and the family as a table."""

from shiftlif.neuron.complementary import CLIF
from shiftlif.neuron.emission import ReLSG_ET, emit, letters
from shiftlif.neuron.family import FAMILY, NEURONS, Member, options_of, refusal
from shiftlif.neuron.gated import GLIF
from shiftlif.neuron.members import (
    IF,
    LIF,
    NILIF,
    PLIF,
    QBLIF,
    TLIF,
    BurstLIF,
    IntLIF,
    QuantReLU,
    ShiftLIF,
    ShiftLIFNeuron,
    SignedShiftLIF,
)
from shiftlif.neuron.modules import SpikingNeuron
from shiftlif.neuron.parallel import PSN
from shiftlif.neuron.step import NeuronParameters, integrate, reference_sequence, sequence, step

__all__ = [
    "CLIF",
    "FAMILY",
    "GLIF",
    "IF",
    "LIF",
    "NEURONS",
    "NILIF",
    "PLIF",
    "PSN",
    "QBLIF",
    "TLIF",
    "BurstLIF",
    "IntLIF",
    "Member",
    "NeuronParameters",
    "QuantReLU",
    "ReLSG_ET",
    "ShiftLIF",
    "ShiftLIFNeuron",
    "SignedShiftLIF",
    "SpikingNeuron",
    "emit",
    "integrate",
    "letters",
    "options_of",
    "reference_sequence",
    "refusal",
    "sequence",
    "step",
]
