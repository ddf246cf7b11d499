"""Train multi-level spiking networks in PyTorch and run exactly what was trained as integer code.

Names are imported when they are first used, so that the deployed half (programs, model files, the
interpreter) works, and loads fast, where torch is not installed.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shiftlif.alphabet import Alphabet, Binary, PowerOfTwo, Ternary, Uniform
    from shiftlif.compile import compile_network, convert, verify
    from shiftlif.errors import ShiftLIFError
    from shiftlif.network import MaxPool1d, MaxPool2d, Network, Residual, calibrate, direct_code, readout
    from shiftlif.neuron import (
        CLIF,
        GLIF,
        IF,
        LIF,
        NILIF,
        PLIF,
        PSN,
        QBLIF,
        TLIF,
        BurstLIF,
        IntLIF,
        QuantReLU,
        ReLSG_ET,
        ShiftLIF,
        ShiftLIFNeuron,
        SignedShiftLIF,
        SpikingNeuron,
    )
    from shiftlif.program import InputQuantizer, IntegerProgram
    from shiftlif.quantize import absorb, absorb_scales_to_weights, prepare
    from shiftlif.surrogate import ReLSGET
    from shiftlif.training.simple import train_shiftlif

try:
    __version__ = version("shiftlif")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "shiftlif.alphabet": ("Alphabet", "Binary", "PowerOfTwo", "Ternary", "Uniform"),
    "shiftlif.errors": ("ShiftLIFError",),
    "shiftlif.surrogate": ("ReLSGET",),
    "shiftlif.neuron": (
        "CLIF",
        "GLIF",
        "IF",
        "LIF",
        "NILIF",
        "PLIF",
        "PSN",
        "QBLIF",
        "TLIF",
        "BurstLIF",
        "IntLIF",
        "QuantReLU",
        "ReLSG_ET",
        "ShiftLIF",
        "ShiftLIFNeuron",
        "SignedShiftLIF",
        "SpikingNeuron",
    ),
    "shiftlif.network": (
        "MaxPool1d",
        "MaxPool2d",
        "Network",
        "Residual",
        "calibrate",
        "direct_code",
        "readout",
    ),
    "shiftlif.quantize": ("absorb", "absorb_scales_to_weights", "prepare"),
    "shiftlif.compile": ("compile_network", "convert", "verify"),
    "shiftlif.program": ("InputQuantizer", "IntegerProgram"),
    "shiftlif.training.simple": ("train_shiftlif",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CLIF",
    "GLIF",
    "IF",
    "LIF",
    "NILIF",
    "PLIF",
    "PSN",
    "QBLIF",
    "TLIF",
    "Alphabet",
    "Binary",
    "BurstLIF",
    "InputQuantizer",
    "IntLIF",
    "IntegerProgram",
    "MaxPool1d",
    "MaxPool2d",
    "Network",
    "PowerOfTwo",
    "QuantReLU",
    "ReLSGET",
    "ReLSG_ET",
    "Residual",
    "ShiftLIF",
    "ShiftLIFError",
    "ShiftLIFNeuron",
    "SignedShiftLIF",
    "SpikingNeuron",
    "Ternary",
    "Uniform",
    "__version__",
    "absorb",
    "absorb_scales_to_weights",
    "calibrate",
    "compile_network",
    "convert",
    "direct_code",
    "prepare",
    "readout",
    "train_shiftlif",
    "verify",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'shiftlif' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModuleNotFoundError(
            f"shiftlif.{name} belongs to the learning half and needs torch: pip install 'shiftlif[torch]'",
            name="torch",
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
