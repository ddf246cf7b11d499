"""Four edge networks with under 100 k parameters each: dense, conv1d, conv2d, lenet.

Each is a function of the sample's shape, so one definition serves motion, sound, WiFi and images.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from shiftlif.errors import ConfigurationError
from shiftlif.network import MaxPool1d, MaxPool2d, Network

PARAMETER_LIMIT = 100_000
NeuronFactory = Callable[[], nn.Module]


def dense(
    input_shape: tuple[int, ...], n_classes: int, neuron: NeuronFactory, *, width: int = 128
) -> Network:
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


_CONVOLUTIONS: dict[int, tuple[Callable[..., nn.Module], ...]] = {
    1: (nn.Conv1d, nn.BatchNorm1d, MaxPool1d, nn.AvgPool1d),
    2: (nn.Conv2d, nn.BatchNorm2d, MaxPool2d, nn.AvgPool2d),
}


def _convolutional(
    input_shape: tuple[int, ...],
    n_classes: int,
    neuron: NeuronFactory,
    stages: tuple[tuple[int, int], ...],
    positions: int,
) -> Network:
    """Stages of convolution, batch norm and neuron; each but the last halves every axis.

    Args:
        input_shape: ``(C, *spatial)``.
        n_classes: length of the read-out.
        neuron: makes a fresh neuron for each stage.
        stages: ``(channels, odd kernel)`` of each.
        positions: how many averaged positions along each axis the read-out sees.
    """
    conv, norm, max_pool, average_pool = _CONVOLUTIONS[len(input_shape) - 1]
    channels, spatial = input_shape[0], input_shape[1:]
    layers: list[nn.Module] = []
    for i, (width, kernel) in enumerate(stages):
        if i > 0:
            layers.append(max_pool(2))
            spatial = tuple(n // 2 for n in spatial)
        layers += [conv(channels, width, kernel, padding=kernel // 2, bias=False), norm(width), neuron()]
        channels = width
    window = tuple(max(n // positions, 1) for n in spatial)
    features = channels * math.prod(n // w for n, w in zip(spatial, window, strict=True))
    layers += [average_pool(window), nn.Flatten(), nn.Dropout(0.2), nn.Linear(features, n_classes)]
    return Network(*layers, input_shape=input_shape)


def conv1d(
    input_shape: tuple[int, ...], n_classes: int, neuron: NeuronFactory, *, width: int = 32
) -> Network:
    """Three convolutions over time ``[C, L]``, max pooling of letters between them, one read-out.

    Arguments as for `dense`; ``width`` is the number of channels of the first two convolutions.

    Raises:
        ConfigurationError: the samples are not ``(channels, time >= 16)``.
    """
    if len(input_shape) != 2 or input_shape[1] < 16:
        raise ConfigurationError(f"model conv1d needs samples (channels, time >= 16), got {input_shape}")
    return _convolutional(input_shape, n_classes, neuron, ((width, 5), (width, 5), (2 * width, 3)), 4)


def conv2d(
    input_shape: tuple[int, ...], n_classes: int, neuron: NeuronFactory, *, width: int = 16
) -> Network:
    """Three 3 x 3 convolutions over images ``[C, H, W]``, max pooling of letters between them, one read-out.

    Arguments as for `dense`; ``width`` is the number of channels of the first convolution.

    Raises:
        ConfigurationError: the samples are not ``(channels, height >= 8, width >= 8)``.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 8:
        raise ConfigurationError(
            f"model conv2d needs samples (channels, height >= 8, width >= 8), got {input_shape}"
        )
    return _convolutional(input_shape, n_classes, neuron, ((width, 3), (2 * width, 3), (4 * width, 3)), 2)


def lenet(input_shape: tuple[int, ...], n_classes: int, neuron: NeuronFactory, *, width: int = 16) -> Network:
    """Two 5-wide convolutions, each halved by max pooling of letters, two hidden dense layers and a read-out.

    The shape of LeNet-5 (LeCun et al., Proceedings of the IEEE 86(11), 1998), the backbone of the SOUL benchmark,
    for ``[C, L]`` and ``[C, H, W]``. SOUL's has 11 to 31 million parameters, nearly all in the first dense layer
    behind long inputs; here that layer is lowered to keep the network under 100 k parameters.

    Arguments as for `dense`; ``width`` is the number of channels of the first convolution, the second has twice, the
    hidden dense layers at most eight and four times as many.

    Raises:
        ConfigurationError: the samples are not ``(channels, time >= 4)`` or ``(channels, height >= 4, width >= 4)``,
            or so large that fewer than 8 neurons would remain in the first dense layer.
    """
    if len(input_shape) not in (2, 3) or min(input_shape[1:]) < 4:
        raise ConfigurationError(
            f"model lenet needs samples (channels, time >= 4) or (channels, height >= 4, width >= 4), got "
            f"{input_shape}"
        )
    conv, norm, max_pool, _ = _CONVOLUTIONS[len(input_shape) - 1]
    channels, spatial = input_shape[0], input_shape[1:]
    features = 2 * width * math.prod(n // 4 for n in spatial)
    kernel = 5 ** len(spatial)
    convolutions = width * kernel * (channels + 2 * width)
    # Per neuron of the first dense layer: its row, half a row of the second, its share of norms and read-out.
    hidden = min(8 * width, (PARAMETER_LIMIT - 1000 - convolutions) // (features + 4 * width + n_classes))
    if hidden < 8:
        raise ConfigurationError(
            f"model lenet: an input of shape {input_shape} leaves {max(hidden, 0)} neurons in the first dense layer "
            f"under {PARAMETER_LIMIT:,} parameters; choose a smaller width than {width}, or conv1d or conv2d"
        )
    return Network(
        conv(channels, width, 5, padding=2, bias=False),
        norm(width),
        neuron(),
        max_pool(2),
        conv(width, 2 * width, 5, padding=2, bias=False),
        norm(2 * width),
        neuron(),
        max_pool(2),
        nn.Flatten(),
        nn.Linear(features, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        neuron(),
        nn.Linear(hidden, hidden // 2, bias=False),
        nn.BatchNorm1d(hidden // 2),
        neuron(),
        nn.Linear(hidden // 2, n_classes),
        input_shape=input_shape,
    )


MODELS: dict[str, Callable[..., Network]] = {
    "dense": dense,
    "conv1d": conv1d,
    "conv2d": conv2d,
    "lenet": lenet,
}
"""Names a configuration file may use."""
