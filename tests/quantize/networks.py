"""Small random networks of every kind that can be compiled."""

import torch
from torch import nn

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.network import Network, Residual
from shiftlif.neuron import SpikingNeuron

ALPHABETS = {
    "binary": Binary(),
    "ternary": Ternary(),
    "uniform4": Uniform(4),
    "uniform7floor": Uniform(7, "floor"),
    "shift0": PowerOfTwo(0),
    "shift2log": PowerOfTwo(2, "log"),
    "shift3": PowerOfTwo(3),
    "shift6": PowerOfTwo(6),
    "signedshift2": PowerOfTwo(2, signed=True),
    "signeduniform3": Uniform(3, signed=True),
}


def randomise(network, seed):
    """Weights, batch statistics and scales as a trained network might have them."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.3)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.3)
            module.weight.data.copy_(torch.randn(module.num_features, generator=generator))
            module.bias.data.copy_(torch.randn(module.num_features, generator=generator) * 0.5)
        elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            module.weight.data.mul_(3.0)  # so that letters keep flowing to the last layer
        elif isinstance(module, SpikingNeuron):
            module.scale.data.copy_(torch.rand(module.scale.shape, generator=generator) + 0.5)
    return network.eval()


def build(kind, alphabet, seed=0, **neuron_options):
    torch.manual_seed(seed)

    def neuron(channels=None):
        return SpikingNeuron(alphabet, channels=channels, **neuron_options)

    def tied():
        return SpikingNeuron(alphabet, scale_power_of_two=True, **neuron_options)

    networks = {
        "dense": lambda: Network(
            nn.Flatten(),
            nn.Linear(12, 9),
            nn.BatchNorm1d(9),
            neuron(9),
            nn.Linear(9, 7, bias=False),
            neuron(),
            nn.Dropout(0.5),
            nn.Linear(7, 3),
            input_shape=(3, 4),
        ),
        "conv1d": lambda: Network(
            nn.Conv1d(3, 6, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm1d(6),
            neuron(6),
            nn.AvgPool1d(2),
            nn.Conv1d(6, 4, 3, padding="same", groups=2, dilation=2),
            neuron(4),
            nn.MaxPool1d(3, stride=2),
            nn.Flatten(),
            nn.Linear(4 * 2, 3),
            input_shape=(3, 23),
        ),
        "conv2d": lambda: Network(
            nn.Conv2d(2, 5, 3, padding=1),
            nn.AvgPool2d(2),
            neuron(5),
            nn.Conv2d(5, 4, (3, 2), stride=(2, 1)),
            nn.BatchNorm2d(4),
            nn.MaxPool2d((1, 2)),
            neuron(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
            input_shape=(2, 9, 11),
        ),
        "residual": lambda: Network(
            nn.Conv1d(3, 4, 3, padding=1),
            tied(),
            Residual(nn.Conv1d(4, 4, 3, padding=1), nn.BatchNorm1d(4), tied(), nn.Conv1d(4, 4, 1), tied()),
            Residual(
                nn.Conv1d(4, 6, 3, stride=2, padding=1),
                tied(),
                shortcut=(nn.Conv1d(4, 6, 1, stride=2), tied()),
            ),
            nn.Flatten(),
            nn.Linear(6 * 4, 3),
            input_shape=(3, 8),
        ),
    }
    return randomise(networks[kind](), seed)


KINDS = ("dense", "conv1d", "conv2d", "residual")
