"""LIF beside snnTorch 1.0's ``Leaky``: equal spikes, and input gradients to rounding with the same surrogate."""

import pytest
import snntorch
import torch
from snntorch import surrogate

from shiftlif.neuron import LIF
from tests.originals.comparison import SEEDS, STEPS, compare, double

FLOAT32 = 1e-5  # snnTorch's spikes, and with them their gradients, are float32 whatever its input is


def _leaky(beta, **options):
    leaky = snntorch.Leaky(torch.tensor(beta).double(), spike_grad=surrogate.atan(), **options).double()
    leaky.beta.fill_(beta)

    def run(currents):
        membrane, spikes = torch.zeros_like(currents[0]), []
        for current in currents:
            spike, membrane = leaky(current, membrane)
            spikes.append(spike)
        return torch.stack(spikes)

    return run


@pytest.mark.parametrize("threshold", [1.0, 0.75])
@pytest.mark.parametrize("beta", [0.5, 0.9])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("steps", STEPS)
def test_leaky_that_subtracts_is_lif_with_a_reset_gain(steps, seed, beta, threshold):
    tau = 1 / (1 - beta)
    ours = LIF(tau=tau, decay_input=False, detach_reset=True, reset_gain=1 / beta, scale=threshold)
    # A spike of ours is as high as the threshold, one of snnTorch is 1; its surrogate is not scaled by the threshold.
    ours.surrogate = _Scaled(threshold)
    original = _leaky(beta=beta, threshold=threshold)
    compare(lambda x: double(ours, tau)(x) / threshold, original, steps=steps, seed=seed, tolerance=FLOAT32)


@pytest.mark.parametrize("beta", [0.5, 0.9])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("steps", STEPS)
def test_leaky_that_resets_to_zero_is_lif_with_a_hard_reset(steps, seed, beta):
    tau = 1 / (1 - beta)
    ours = LIF(tau=tau, decay_input=False, detach_reset=True, reset="hard")
    compare(
        double(ours, tau),
        _leaky(beta=beta, reset_mechanism="zero"),
        steps=steps,
        seed=seed,
        tolerance=FLOAT32,
    )


class _Scaled:
    """ATan of ``H - v`` instead of ``H / v - 1``, as a pseudo-derivative of the normalised membrane."""

    def __init__(self, threshold):
        self.threshold = threshold

    def __call__(self, u, alphabet):
        distance = (u - 1) * self.threshold
        return self.threshold / (1 + (torch.pi * distance) ** 2)
