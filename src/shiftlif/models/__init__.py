"""Ready edge networks."""

from shiftlif.models.edge import MODELS, PARAMETER_LIMIT, conv1d, conv2d, dense, lenet

__all__ = ["MODELS", "PARAMETER_LIMIT", "conv1d", "conv2d", "dense", "lenet"]
