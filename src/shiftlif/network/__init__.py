"""Networks: time and state around ordinary torch layers."""

from shiftlif.network.calibrate import LayerCalibration, calibrate, letter_usage
from shiftlif.network.container import (
    Network,
    Observation,
    Residual,
    State,
    StatefulLayer,
    direct_code,
    readout,
    require_network,
)

__all__ = [
    "LayerCalibration",
    "Network",
    "Observation",
    "Residual",
    "State",
    "StatefulLayer",
    "calibrate",
    "direct_code",
    "letter_usage",
    "readout",
    "require_network",
]
