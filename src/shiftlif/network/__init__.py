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
from shiftlif.network.pooling import MaxPool1d, MaxPool2d, per_axis

__all__ = [
    "LayerCalibration",
    "MaxPool1d",
    "MaxPool2d",
    "Network",
    "Observation",
    "Residual",
    "State",
    "StatefulLayer",
    "calibrate",
    "direct_code",
    "letter_usage",
    "per_axis",
    "readout",
    "require_network",
]
