"""Absorption of scales and quantisation-aware networks: ``absorb -> prepare -> train``."""

from shiftlif.quantize.absorb import absorb, absorb_scales_to_weights, check_absorbed
from shiftlif.quantize.integer import IntegerInput, IntegerNeuron, IntegerReadout, QuantizedSynapse
from shiftlif.quantize.pooling import SumPool
from shiftlif.quantize.prepare import prepare
from shiftlif.quantize.weights import weight_unit

__all__ = [
    "IntegerInput",
    "IntegerNeuron",
    "IntegerReadout",
    "QuantizedSynapse",
    "SumPool",
    "absorb",
    "absorb_scales_to_weights",
    "check_absorbed",
    "prepare",
    "weight_unit",
]
