"""What the kernels of every device have to keep; ``fused`` takes (currents, initial, parameters, steps, record)."""

import dataclasses
import math

import torch
from hypothesis import strategies as st

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.neuron import reference_sequence
from shiftlif.surrogate import ATan, ReLSGET
from tests.kernels.cases import ALPHABETS, Case, assert_same_bits, seeded

_VALUES = st.floats(width=32, allow_nan=True, allow_infinity=True)
EXTREMES = (
    st.sampled_from(ALPHABETS),
    st.lists(st.lists(_VALUES, min_size=3, max_size=3), min_size=1, max_size=4),
    st.floats(2**-8, 2**8, width=32),
    st.booleans(),
)
EXTREME_EXAMPLES = (
    (Binary(), [[math.inf, -math.inf, math.nan]], 1.0, True),
    (PowerOfTwo(3), [[math.inf, -math.inf, math.nan]] * 2, 1.0, False),
    (Uniform(127), [[math.inf, -math.inf, math.nan]] * 2, 1.0, False),
    (PowerOfTwo(3), [[1e-45, -1e-45, 3.4e38]] * 3, 0.1, True),
)
NEAR_BOUNDARIES = (
    st.sampled_from([0.3, 0.7, 1.0, 1.1, 3.0, 250.0, 0.00390625]),
    st.sampled_from(ALPHABETS),
    st.integers(-3, 3),
)


def has_the_bits_of_the_reference(fused, case):
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])


def bears_extreme_currents(fused, alphabet, rows, scale, decay_input):
    currents = torch.tensor(rows).unsqueeze(1)
    scale, decay = torch.tensor([scale]), torch.tensor(0.5)
    for reset in ("soft", "hard") if alphabet.levels == (0.0, 1.0) else ("soft",):
        has_the_bits_of_the_reference(
            fused, Case(alphabet, ReLSGET(), currents, None, scale, decay, decay_input, reset)
        )


def falls_to_the_side_the_division_says(fused, scale, alphabet, ulps):
    currents = torch.tensor(alphabet.boundaries) * scale
    for _ in range(abs(ulps)):
        currents = torch.nextafter(currents, torch.full_like(currents, math.inf if ulps > 0 else -math.inf))
    case = Case(alphabet, ReLSGET(), currents.view(1, 1, -1), None, torch.tensor([scale]), torch.tensor(1.0))
    has_the_bits_of_the_reference(fused, case)


def loses_gradients_to_nan_as_the_reference_does(fused, alphabet, surrogate):
    currents = torch.tensor([math.nan, math.inf, -math.inf, 1.0]).repeat(2, 1, 1)
    case = Case(alphabet, surrogate, currents, None, torch.tensor([0.8]), torch.tensor(0.5))
    found = []
    for function in (fused, reference_sequence):
        (spikes, *_), leaves = case.run(function)
        found.append(torch.autograd.grad(spikes.sum(), [leaves[0], *leaves[2:]]))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(torch.isnan(ours), torch.isnan(theirs))


def integrates_bfloat16_in_float32(fused, case):
    (spikes, last, membranes), leaves = case.run(fused)
    wide = dataclasses.replace(case, currents=case.currents.float())
    (expected, expected_last, expected_membranes), wide_leaves = wide.run(reference_sequence)
    assert spikes.dtype == torch.bfloat16
    assert_same_bits((spikes, last, membranes), (expected.bfloat16(), expected_last, expected_membranes))
    assert_same_bits(case.run(reference_sequence)[0], (spikes, last, membranes))
    if not spikes.numel():
        return
    got = torch.autograd.grad(spikes.float().sum(), leaves[0])[0]
    want = torch.autograd.grad(expected.sum(), wide_leaves[0])[0]
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), want, rtol=2**-7, atol=1e-6 * max(float(want.abs().max()), 1.0))


def takes_currents_of_any_stride(fused):
    currents = torch.randn(6, 5, 33, generator=seeded(1))
    case = Case(Ternary(), ATan(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    expected = case.run(reference_sequence)[0]
    for strided in (
        currents.transpose(0, 1).contiguous().transpose(0, 1),
        torch.stack([currents, currents], dim=-1)[..., 0],
        torch.cat([currents, currents], dim=1)[:, :5],
    ):
        assert not strided.is_contiguous()
        assert_same_bits(fused(strided, None, case.parameters(case.scale, case.decay), 6, True), expected)


def understands_gradients_of_any_stride(fused):
    currents = torch.randn(4, 3, 50, generator=seeded(2))
    case = Case(Uniform(4), ReLSGET(), currents, None, torch.tensor([0.5]), torch.tensor(0.5))
    results = []
    for function in (fused, reference_sequence):
        (spikes, last, membranes), leaves = case.run(function)
        # A mean over time sends back one gradient for all steps; a slice sends zeros for most.
        loss = spikes.mean(0).square().sum() + membranes[1, :, ::2].sum() + last[:, 3:7].sum()
        results.append(torch.autograd.grad(loss, leaves[0])[0])
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-6)


def takes_an_empty_batch(fused):
    currents = torch.zeros(3, 0, 8)
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    (spikes, last, membranes), leaves = case.run(fused)
    assert spikes.shape == membranes.shape == (3, 0, 8)
    assert last.shape == (0, 8)
    grads = torch.autograd.grad(spikes.sum(), [leaves[0], *leaves[2:]])
    assert grads[0].shape == (3, 0, 8)
    assert [float(x) for x in grads[1:]] == [0.0, 0.0]


def gives_one_gradient_alone(fused, position):
    currents = torch.randn(3, 2, 8, generator=seeded(4))
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    found = []
    for function in (fused, reference_sequence):
        leaves = [x if x is None else x.detach() for x in case.leaves()]
        leaves[position].requires_grad_()
        (spikes, *_), _ = case.run(function, leaves=leaves)
        found.append(torch.autograd.grad(spikes.sum(), leaves[position])[0])
    assert found[0].shape == found[1].shape
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6)
