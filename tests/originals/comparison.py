"""Equal spikes and, to rounding, equal input gradients of two neurons on the same currents."""

import torch

from shiftlif.kernels import use

STEPS = (1, 4, 9)
SEEDS = (0, 1)
SHAPE = (3, 5, 4)


class Window:
    """The rectangular window of width 1 around every boundary, ``[|u - b| < 1/2]`` times the jump of the letter."""

    def __call__(self, u, alphabet):
        jumps = [b - a for a, b in zip(alphabet.levels[:-1], alphabet.levels[1:], strict=True)]
        return sum(
            jump * ((u - b).abs() < 0.5).to(u.dtype)
            for jump, b in zip(jumps, alphabet.boundaries, strict=True)
        )


def double(neuron, tau):
    """The neuron in double precision, 1/tau included, which `Module.double` would leave rounded to float32."""
    neuron = neuron.double()
    neuron.fixed_decay.fill_(1 / tau)
    return neuron


def compare(ours, theirs, *, steps, seed, reach=2.0, shape=SHAPE, offset=0.25, tolerance=1e-9):
    """Run two functions of currents ``[T, B, ...]`` in double and compare what they give.

    Double precision, so that the two orders of rounding meet no boundary; the kernels take float32, so the eager
    reference runs, which tests/kernels compares with them.
    """
    generator = torch.Generator().manual_seed(seed)
    currents = torch.randn(steps, *shape, generator=generator, dtype=torch.float64) * reach + offset
    weights = torch.randn(steps, *shape, generator=generator, dtype=torch.float64)
    results = []
    for neuron in (ours, theirs):
        leaf = currents.clone().requires_grad_()
        with use("reference"):
            spikes = neuron(leaf)
        (spikes.double() * weights).sum().backward()
        results.append((spikes.detach().double(), leaf.grad))
    (a, grad_a), (b, grad_b) = results
    assert a.count_nonzero() > 0
    assert torch.equal(a, b)
    assert grad_a.abs().sum() > 0
    assert torch.allclose(grad_a, grad_b, atol=tolerance, rtol=1e-6)
