"""Random neurons and currents for comparing the fused kernels with the eager reference."""

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import strategies as st

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.kernels import cpu
from shiftlif.neuron import NeuronParameters, reference_sequence
from tests.neuron.reference import SURROGATES

needs_compiled_kernels = pytest.mark.skipif(cpu.unavailable is not None, reason=str(cpu.unavailable))

ALPHABETS = [
    Binary(),
    Ternary(),
    Uniform(4),
    Uniform(5, "floor"),
    Uniform(3, signed=True),
    Uniform(127),
    PowerOfTwo(0),
    PowerOfTwo(2),
    PowerOfTwo(3),
    PowerOfTwo(3, "log"),
    PowerOfTwo(6, "floor"),
    PowerOfTwo(3, signed=True),
]


@dataclass
class Case:
    """One call: leaves that get gradients, and the numbers that stay fixed."""

    alphabet: object
    surrogate: object
    currents: torch.Tensor
    initial: torch.Tensor | None
    scale: torch.Tensor
    decay: torch.Tensor
    decay_input: bool = True
    reset: str = "soft"
    detach_reset: bool = False
    steps: int | None = None

    def leaves(self):
        tensors = (self.currents, self.initial, self.scale, self.decay)
        return [None if x is None else x.detach().clone().requires_grad_() for x in tensors]

    def parameters(self, scale, decay):
        return NeuronParameters(
            self.alphabet, self.surrogate, scale, decay, self.decay_input, self.reset, self.detach_reset
        )

    def run(self, function, *, record=True, leaves=None):
        """(outputs, leaves) of ``function(currents, initial, parameters, steps, record)``."""
        leaves = self.leaves() if leaves is None else leaves
        currents, initial, scale, decay = leaves
        return function(
            currents, initial, self.parameters(scale, decay), self.steps or len(currents), record
        ), leaves


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@st.composite
def cases(draw, dtype=torch.float32, max_steps=64):
    alphabet = draw(st.sampled_from(ALPHABETS))
    hard = alphabet.levels == (0.0, 1.0) and draw(st.booleans())
    steps = draw(st.one_of(st.integers(1, 6), st.integers(1, max_steps)))
    shape = draw(
        st.one_of(
            st.tuples(st.integers(0, 3), st.integers(1, 40)),
            st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 70)),
            st.tuples(st.just(1), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
        )
    )
    generator = seeded(draw(st.integers(0, 2**31)))
    reach = alphabet.levels[-1] * draw(st.sampled_from([0.25, 1.0, 4.0]))
    constant = draw(st.booleans())
    currents = torch.randn((1 if constant else steps, *shape), generator=generator) * reach + reach / 4
    channels = draw(st.booleans()) and shape[0] > 0
    scale = torch.rand(shape[1] if channels else 1, generator=generator) + 0.5
    return Case(
        alphabet,
        draw(st.sampled_from(SURROGATES)),
        currents.to(dtype),
        torch.randn(shape, generator=generator) * reach if draw(st.booleans()) else None,
        scale.view(1, -1, *(1,) * (len(shape) - 2)) if channels else scale,
        torch.tensor(draw(st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]))),
        decay_input=draw(st.booleans()),
        reset="hard" if hard else "soft",
        detach_reset=draw(st.booleans()),
        steps=steps,
    )


def weights_like(outputs, seed=0):
    """Random gradients of (spikes, last, membranes), so that every path is exercised."""
    generator = seeded(seed)
    return [torch.randn(x.shape, generator=generator) for x in outputs]


def gradients(outputs, leaves, weights):
    loss = sum((x.float() * w).sum() for x, w in zip(outputs, weights, strict=True))
    wanted = [x for x in leaves if x is not None]
    found = iter(torch.autograd.grad(loss, wanted))
    return [None if x is None else next(found) for x in leaves]


def assert_same_bits(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(torch.isnan(a), torch.isnan(b))
        assert torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


def gradients_agree(case, function, weights_seed=0, tolerance=1e-6):
    """Assert that ``function`` has the gradients of the reference."""
    ours, our_leaves = case.run(function)
    theirs, their_leaves = case.run(reference_sequence)
    weights = weights_like(theirs, weights_seed)
    got = gradients(ours, our_leaves, weights)
    expected = gradients(theirs, their_leaves, weights)
    for name, a, b in zip(("currents", "initial", "scale", "decay"), got, expected, strict=True):
        if b is None:
            continue
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if not b.numel():
            continue
        allowed = tolerance * magnitude(case, name, expected, weights)
        assert float((a - b).abs().max()) <= allowed, name


def magnitude(case, name, expected, weights):
    """What rounding is measured against: the largest gradient of the chain through time, which ends in the initial
    membrane; for a sum over neurons the sum of its terms' sizes."""
    if name in ("currents", "initial"):
        chain = [float(x.abs().max()) for x in expected[:2] if x is not None]
        # Every step rounds: a random walk.
        return max([*chain, 1.0]) * math.sqrt(len(weights[0]))
    # A parameter for every neuron has the terms as its gradient.
    position = {"scale": 2, "decay": 3}[name]
    outputs, leaves = case.run(reference_sequence)
    spread = [x if x is None else x.detach() for x in leaves]
    spread[position] = (torch.ones_like(outputs[1]) * spread[position]).requires_grad_()
    outputs, _ = case.run(reference_sequence, leaves=spread)
    loss = sum((x * w).sum() for x, w in zip(outputs, weights, strict=True))
    terms = float(torch.autograd.grad(loss, spread[position])[0].abs().sum())
    # Q - u g cancels: its terms are as large as the letters.
    letters = (outputs[0].detach().abs() / case.scale).flatten().tolist()
    cancelling = max(letters, default=0.0) if name == "scale" else 0.0
    return max(terms, cancelling, 1.0) * math.sqrt(len(outputs[0]))


__all__ = [
    "ALPHABETS",
    "SURROGATES",
    "Case",
    "assert_same_bits",
    "cases",
    "gradients",
    "gradients_agree",
    "needs_compiled_kernels",
    "reference_sequence",
    "seeded",
    "weights_like",
]
