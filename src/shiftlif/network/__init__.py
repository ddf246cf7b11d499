"""Networks: time and state around ordinary torch layers."""

from shiftlif.network.calibrate import (
    LayerCalibration,
    batch_statistics,
    calibrate,
    distributions,
    least_error_scales,
    letter_indices,
    letter_usage,
    observe,
    pre_emission,
    thinned,
)
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
from shiftlif.network.distribution import Distribution, best_scale, quantisation_error
from shiftlif.network.evaluation import evaluating
from shiftlif.network.families import Family, family_of, set_levels
from shiftlif.network.pooling import MaxPool1d, MaxPool2d, per_axis

__all__ = [
    "Distribution",
    "Family",
    "LayerCalibration",
    "MaxPool1d",
    "MaxPool2d",
    "Network",
    "Observation",
    "Residual",
    "State",
    "StatefulLayer",
    "batch_statistics",
    "best_scale",
    "calibrate",
    "direct_code",
    "distributions",
    "evaluating",
    "family_of",
    "least_error_scales",
    "letter_indices",
    "letter_usage",
    "observe",
    "per_axis",
    "pre_emission",
    "quantisation_error",
    "readout",
    "require_network",
    "set_levels",
    "thinned",
]
