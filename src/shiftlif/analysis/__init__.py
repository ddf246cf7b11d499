"""Looking at networks: statistics per layer, choice of letters, flow of gradients, and figures of runs."""

from shiftlif.analysis.behaviour import Behaviour
from shiftlif.analysis.distance import earth_movers_distance, sample_distance
from shiftlif.analysis.firing import LayerBehaviour
from shiftlif.analysis.gradient_flow import GradientRow, gradient_flow
from shiftlif.analysis.layers import QUANTILES, LayerStatistics, layer_statistics
from shiftlif.analysis.levels import (
    Candidate,
    LayerComparison,
    LayerLevels,
    apply_levels,
    choose_levels,
    compare_alphabets,
)
from shiftlif.analysis.quantisation import LloydMax, Rendering, lloyd_max, rendering

__all__ = [
    "QUANTILES",
    "Behaviour",
    "Candidate",
    "GradientRow",
    "LayerBehaviour",
    "LayerComparison",
    "LayerLevels",
    "LayerStatistics",
    "LloydMax",
    "Rendering",
    "apply_levels",
    "choose_levels",
    "compare_alphabets",
    "earth_movers_distance",
    "gradient_flow",
    "layer_statistics",
    "lloyd_max",
    "rendering",
    "sample_distance",
]
