"""Three edge networks with under 100 k parameters each: dense, conv1d, conv2d.

Each is a function of the sample's shape, so one definition serves motion, sound, WiFi and images.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from shiftlif.errors import ConfigurationError
from shiftlif.network import Network

PARAMETER_LIMIT = 100_000
NeuronFactory = Callable[[], nn.Module]


def dense(input_shape: tuple[int, ...], n_classes: int, neuron: NeuronFactory, *, width: int = 128) -> Network:
    """Flatten and two hidden layers, ``width`` and ``width // 2`` wide.

    Args:
        input_shape: one sample, channels first.
        n_classes: length of the read-out.
        neuron: makes a fresh neuron (or any activation) for each layer.
        width: neurons of the first hidden layer; lowered to keep the network under 100 k parameters.

    Raises:
        ConfigurationError: the input is so large that fewer than 16 neurons would remain.
    """
    features = math.prod(input_shape)
    width = min(width, (PARAMETER_LIMIT - 10_000) // features)
    if width < 16:
        raise ConfigurationError(
            f"model dense: an input of {features} values leaves {width} hidden neurons under "
            f"{PARAMETER_LIMIT:,} parameters; use conv1d or conv2d"
        )
    return Network(
        nn.Flatten(),
        nn.Linear(features, width, bias=False),
        nn.BatchNorm1d(width),
        neuron(),
        nn.Linear(width, width // 2, bias=False),
        nn.BatchNorm1d(width // 2),
        neuron(),
        nn.Linear(width // 2, n_classes),
        input_shape=input_shape,
    )


def conv1d(input_shape: tuple[int, ...], n_classes: int, neuron: NeuronFactory, *, width: int = 32) -> Network:
    """Three convolutions over time ``[C, L]``, average pooling between them, and one read-out."""
    if len(input_shape) != 2 or input_shape[1] < 16:
        raise ConfigurationError(f"model conv1d needs samples (channels, time >= 16), got {input_shape}")
    channels, length = input_shape
    return Network(
        nn.Conv1d(channels, width, 5, padding=2, bias=False),
        nn.BatchNorm1d(width),
        neuron(),
        nn.AvgPool1d(2),
        nn.Conv1d(width, width, 5, padding=2, bias=False),
        nn.BatchNorm1d(width),
        neuron(),
        nn.AvgPool1d(2),
        nn.Conv1d(width, 2 * width, 3, padding=1, bias=False),
        nn.BatchNorm1d(2 * width),
        neuron(),
        nn.AvgPool1d(length // 4 // 4),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(2 * width * (length // 4 // (length // 4 // 4)), n_classes),
        input_shape=input_shape,
    )


def conv2d(input_shape: tuple[int, ...], n_classes: int, neuron: NeuronFactory, *, width: int = 16) -> Network:
    """Three 3 x 3 convolutions over images ``[C, H, W]``, pooling between them, and one read-out."""
    if len(input_shape) != 3 or min(input_shape[1:]) < 8:
        raise ConfigurationError(f"model conv2d needs samples (channels, height >= 8, width >= 8), got {input_shape}")
    channels, height, breadth = input_shape
    features = 4 * width * (height // 4 // 2) * (breadth // 4 // 2)
    return Network(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        neuron(),
        nn.AvgPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        neuron(),
        nn.AvgPool2d(2),
        nn.Conv2d(2 * width, 4 * width, 3, padding=1, bias=False),
        nn.BatchNorm2d(4 * width),
        neuron(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(features, n_classes),
        input_shape=input_shape,
    )


MODELS: dict[str, Callable[..., Network]] = {"dense": dense, "conv1d": conv1d, "conv2d": conv2d}
"""Names a configuration file may use."""
