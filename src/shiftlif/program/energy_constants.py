"""What an operation costs: every constant of the energy model with its unit, node and source (docs/energy.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shiftlif.errors import ConfigurationError

HOROWITZ = "M. Horowitz, Computing's energy problem, ISSCC 2014, pp. 10-14, doi:10.1109/ISSCC.2014.6757323"
SHIFTADDNET = "H. You et al., ShiftAddNet, NeurIPS 2020, arXiv:2010.12785, unit energies, ASIC"
YAN = "Z. Yan et al., Reconsidering the energy efficiency of spiking neural networks, arXiv:2409.08290"


@dataclass(frozen=True)
class Constant:
    """One constant of the energy model.

    Attributes:
        value: the number.
        unit: ``pJ``, ``pJ/bit`` or ``hops``.
        node: the technology it was published for; empty where it has none.
        source: where it was published, or how it follows from published ones.
        derived: it is not a published figure but follows from others, or is an assumption, as ``source`` says.
    """

    value: float
    unit: str
    node: str
    source: str
    derived: bool = False


ADD32 = 0.1
SHIFT8, SHIFT32 = 0.024, 0.13
ACCUMULATE = 0.05448
SCALE = ACCUMULATE / ADD32

ENERGY_CONSTANTS: Mapping[str, Constant] = MappingProxyType(
    {
        "add32": Constant(ADD32, "pJ", "45 nm", HOROWITZ),
        "compare32": Constant(ADD32, "pJ", "45 nm", "as add32: a comparison is a subtraction", derived=True),
        "multiply8": Constant(0.2, "pJ", "45 nm", HOROWITZ),
        "multiply32": Constant(3.1, "pJ", "45 nm", HOROWITZ),
        "shift8": Constant(SHIFT8, "pJ", "45 nm", SHIFTADDNET),
        "shift16": Constant(
            SHIFT8 + (SHIFT32 - SHIFT8) * (16 - 8) / (32 - 8),
            "pJ",
            "45 nm",
            "linear in the width between shift8 and shift32: an int8 weight shifted by up to 7 has 15 bits",
            derived=True,
        ),
        "shift32": Constant(SHIFT32, "pJ", "45 nm", SHIFTADDNET),
        "float_add": Constant(0.9, "pJ", "45 nm", HOROWITZ),
        "float_multiply": Constant(3.7, "pJ", "45 nm", HOROWITZ),
        "accumulate": Constant(ACCUMULATE, "pJ", "22 nm", f"E_ACC = E_CMP = E_SUB of {YAN}"),
        "multiply8_22nm": Constant(
            0.2 * SCALE, "pJ", "22 nm", "multiply8 times accumulate / add32", derived=True
        ),
        "shift16_22nm": Constant(
            (SHIFT8 + (SHIFT32 - SHIFT8) / 3) * SCALE,
            "pJ",
            "22 nm",
            "shift16 times accumulate / add32",
            derived=True,
        ),
        "shift32_22nm": Constant(
            SHIFT32 * SCALE, "pJ", "22 nm", "shift32 times accumulate / add32", derived=True
        ),
        "move_dense": Constant(
            0.25, "pJ/bit", "22 nm", f"E_move per hop, circuit-switched network, of {YAN}"
        ),
        "move_event": Constant(
            3.0, "pJ/bit", "Loihi 1", f"sparse E_move per hop, address overhead included, of {YAN}"
        ),
        "hops": Constant(
            1.0,
            "hops",
            "",
            f"assumption: a value goes to the neighbour (0.64 to 4.75 for mappings in {YAN})",
            derived=True,
        ),
        "sram_8k": Constant(10 / 64, "pJ/bit", "45 nm", f"cache of 8 KB, 10 pJ per 64 bits, {HOROWITZ}"),
        "sram_32k": Constant(20 / 64, "pJ/bit", "45 nm", f"cache of 32 KB, 20 pJ per 64 bits, {HOROWITZ}"),
        "sram_1m": Constant(100 / 64, "pJ/bit", "45 nm", f"cache of 1 MB, 100 pJ per 64 bits, {HOROWITZ}"),
        "dram": Constant(
            1300 / 64, "pJ/bit", "45 nm", f"lower end, 1.3 nJ per 64 bits, {HOROWITZ}; also used in {YAN}"
        ),
    }
)
"""By name. Nothing here is a measurement of this software."""


def constants_with(changes: Mapping[str, float] | None) -> dict[str, float]:
    """The values by name, some of them replaced.

    Raises:
        ConfigurationError: a name is unknown or a value is not a finite number of at least 0.
    """
    changes = changes or {}
    for name, value in changes.items():
        if name not in ENERGY_CONSTANTS:
            raise ConfigurationError(
                f"energy constant {name!r} is unknown, expected one of {', '.join(ENERGY_CONSTANTS)}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ConfigurationError(
                f"energy constant {name} is {value!r}, expected a finite number of at least 0 "
                f"({ENERGY_CONSTANTS[name].unit})"
            )
    return {name: float(changes.get(name, constant.value)) for name, constant in ENERGY_CONSTANTS.items()}
