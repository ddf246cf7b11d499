"""Looking at trained networks: per-layer statistics, and figures of runs."""

from shiftlif.analysis.layers import QUANTILES, LayerStatistics, layer_statistics

__all__ = ["QUANTILES", "LayerStatistics", "layer_statistics"]
