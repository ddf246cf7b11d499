"""The fused CPU kernels against the eager reference: the same bits forward, the same gradients to rounding."""

import dataclasses
import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.kernels import cpu, use
from shiftlif.neuron import reference_sequence, sequence
from shiftlif.surrogate import ATan, ReLSGET
from tests.kernels.cases import (
    ALPHABETS,
    SURROGATES,
    Case,
    assert_same_bits,
    cases,
    gradients_agree,
    needs_compiled_kernels,
    seeded,
)

THOROUGH = settings(max_examples=150, deadline=None)


def fused(currents, initial, parameters, steps, record):
    with use("fused"):
        return sequence(currents, initial, parameters, steps=steps, record=record)


pytestmark = needs_compiled_kernels


@pytest.fixture(params=["none"] if cpu.unavailable else cpu._native.instruction_sets(), autouse=True)
def instruction_set(request):
    """Every test runs with each instruction set that this processor has."""
    before = cpu._native.chosen_instruction_set()
    assert cpu._native.choose_instruction_set(request.param)
    yield request.param
    cpu._native.choose_instruction_set(before)


def assert_gradients_agree(case, weights_seed=0):
    gradients_agree(case, fused, weights_seed)


@THOROUGH
@given(cases())
def test_spikes_and_membranes_have_the_bits_of_the_reference(case):
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])


@THOROUGH
@given(cases(), st.integers(0, 9))
def test_gradients_agree_with_the_reference(case, seed):
    assert_gradients_agree(case, seed)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: a.name)
def test_every_surrogate_of_every_alphabet_has_the_gradient_of_the_reference(alphabet, surrogate):
    currents = torch.randn(5, 2, 3, 37, generator=seeded(3)) * alphabet.levels[-1]
    case = Case(alphabet, surrogate, currents, None, torch.tensor([0.8]), torch.tensor(0.5))
    assert_gradients_agree(case)


@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("decay_input", [False, True])
def test_every_reset_and_leak_has_the_gradient_of_the_reference(reset, detach, decay_input):
    currents = torch.randn(7, 2, 300, generator=seeded(5)) * 2
    initial = torch.randn(2, 300, generator=seeded(6))
    assert_gradients_agree(
        Case(
            Binary(),
            ATan(),
            currents,
            initial,
            torch.tensor([0.9]),
            torch.tensor(0.3),
            decay_input,
            reset,
            detach,
        )
    )


VALUES = st.floats(width=32, allow_nan=True, allow_infinity=True)


@THOROUGH
@given(
    st.sampled_from(ALPHABETS),
    st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=4),
    st.floats(2**-8, 2**8, width=32),
    st.booleans(),
)
@example(Binary(), [[math.inf, -math.inf, math.nan]], 1.0, True)
@example(PowerOfTwo(3), [[math.inf, -math.inf, math.nan]] * 2, 1.0, False)
@example(PowerOfTwo(3), [[1e-45, -1e-45, 3.4e38]] * 3, 0.1, True)
def test_extreme_currents_give_the_bits_of_the_reference(alphabet, rows, scale, decay_input):
    currents = torch.tensor(rows).unsqueeze(1)
    case = Case(
        alphabet, ReLSGET(), currents, None, torch.tensor([scale]), torch.tensor(0.5), decay_input=decay_input
    )
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])
    if alphabet.levels == (0.0, 1.0):
        hard = dataclasses.replace(case, reset="hard")
        assert_same_bits(hard.run(fused)[0], hard.run(reference_sequence)[0])


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
@pytest.mark.parametrize("alphabet", [Binary(), PowerOfTwo(3)], ids=lambda a: a.name)
def test_a_gradient_is_lost_to_nan_where_the_reference_loses_it(alphabet, surrogate):
    currents = torch.tensor([math.nan, math.inf, -math.inf, 1.0]).repeat(2, 1, 1)
    case = Case(alphabet, surrogate, currents, None, torch.tensor([0.8]), torch.tensor(0.5))
    found = []
    for function in (fused, reference_sequence):
        (spikes, *_), leaves = case.run(function)
        found.append(torch.autograd.grad(spikes.sum(), [leaves[0], *leaves[2:]]))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(torch.isnan(ours), torch.isnan(theirs))


@THOROUGH
@given(st.sampled_from(SURROGATES), st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=24))
def test_gradients_of_large_currents_agree_and_stay_finite(surrogate, values):
    currents = torch.tensor(values[: len(values) // 4 * 4]).view(-1, 2, 2)
    case = Case(PowerOfTwo(3), surrogate, currents, None, torch.tensor([1.5]), torch.tensor(0.5))
    (spikes, *_), leaves = case.run(fused)
    got = torch.autograd.grad(spikes.sum(), leaves[0])[0]
    (expected_spikes, *_), leaves = case.run(reference_sequence)
    expected = torch.autograd.grad(expected_spikes.sum(), leaves[0])[0]
    assert torch.isfinite(got).all()
    # A pseudo-derivative's argument carries the membrane's rounding, so large membranes blur where it falls off.
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@THOROUGH
@given(
    st.sampled_from([0.3, 0.7, 1.0, 1.1, 3.0, 250.0, 0.00390625]),
    st.sampled_from(ALPHABETS),
    st.integers(-3, 3),
)
def test_a_membrane_near_a_boundary_falls_to_the_side_the_division_says(scale, alphabet, ulps):
    boundaries = torch.tensor(alphabet.boundaries)
    currents = boundaries * scale
    for _ in range(abs(ulps)):
        currents = torch.nextafter(currents, torch.full_like(currents, math.inf if ulps > 0 else -math.inf))
    case = Case(alphabet, ReLSGET(), currents.view(1, 1, -1), None, torch.tensor([scale]), torch.tensor(1.0))
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])


@pytest.mark.parametrize("steps", [1, 4, 64, 300])
def test_long_sequences_and_many_neurons_agree(steps):
    neurons = 9000 if steps < 100 else 700
    currents = torch.randn(steps, 1, neurons, generator=seeded(steps)) * 1.5
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.1]), torch.tensor(0.5))
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])
    assert_gradients_agree(case)


@THOROUGH
@given(cases(dtype=torch.bfloat16, max_steps=8))
def test_bfloat16_currents_are_integrated_in_float32(case):
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


def _non_contiguous(case):
    shuffled = case.currents.transpose(0, 1).contiguous().transpose(0, 1)
    return dataclasses.replace(case, currents=shuffled)


def test_currents_of_any_stride_give_the_same_bits():
    currents = torch.randn(6, 5, 33, generator=seeded(1))
    case = Case(Ternary(), ATan(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    expected = case.run(fused)[0]
    for strided in (
        currents.transpose(0, 1).contiguous().transpose(0, 1),
        torch.stack([currents, currents], dim=-1)[..., 0],
        torch.cat([currents, currents], dim=1)[:, :5],
    ):
        assert not strided.is_contiguous()
        outputs = fused(strided, None, case.parameters(case.scale, case.decay), 6, True)
        assert_same_bits(outputs, expected)


def test_gradients_of_any_stride_are_understood():
    currents = torch.randn(4, 3, 50, generator=seeded(2))
    case = Case(Uniform(4), ReLSGET(), currents, None, torch.tensor([0.5]), torch.tensor(0.5))
    results = []
    for function in (fused, reference_sequence):
        (spikes, last, membranes), leaves = case.run(function)
        # A mean over time sends back one gradient for all steps; a slice sends zeros for most.
        loss = spikes.mean(0).square().sum() + membranes[1, :, ::2].sum() + last[:, 3:7].sum()
        results.append(torch.autograd.grad(loss, leaves[0])[0])
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-6)


def test_an_empty_batch_gives_empty_results_and_zero_gradients():
    currents = torch.zeros(3, 0, 8)
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    (spikes, last, membranes), leaves = case.run(fused)
    assert spikes.shape == membranes.shape == (3, 0, 8)
    assert last.shape == (0, 8)
    grads = torch.autograd.grad(spikes.sum(), [leaves[0], leaves[2]])
    assert grads[0].shape == (3, 0, 8)
    assert float(grads[1]) == 0.0


def test_a_gradient_that_is_not_asked_for_is_not_computed():
    currents = torch.randn(3, 2, 8)
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    leaves = [x if x is None else x.detach() for x in case.leaves()]
    leaves[2].requires_grad_()
    (spikes, *_), _ = case.run(fused, leaves=leaves)
    assert torch.autograd.grad(spikes.sum(), leaves[2])[0].shape == (1,)


def test_threads_change_no_bit_of_spikes_and_input_gradients():
    currents = torch.randn(4, 4, 40_000, generator=seeded(11))
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            (spikes, *_), leaves = case.run(fused)
            results.append((spikes, *torch.autograd.grad(spikes.square().sum(), [leaves[0], leaves[2]])))
    finally:
        torch.set_num_threads(before)
    for spikes, grad, grad_scale in results[1:]:
        assert torch.equal(spikes, results[0][0])
        assert torch.equal(grad, results[0][1])
        torch.testing.assert_close(grad_scale, results[0][2], rtol=1e-6, atol=0)
