"""The fused CPU kernels against the eager reference: the same bits forward, the same gradients to rounding."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shiftlif.alphabet import Binary, PowerOfTwo
from shiftlif.kernels import cpu, use
from shiftlif.neuron import reference_sequence, sequence
from shiftlif.surrogate import ATan, ReLSGET
from tests.kernels import properties
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


@THOROUGH
@given(*properties.EXTREMES)
@example(*properties.EXTREME_EXAMPLES[0])
@example(*properties.EXTREME_EXAMPLES[1])
@example(*properties.EXTREME_EXAMPLES[2])
@example(*properties.EXTREME_EXAMPLES[3])
def test_extreme_currents_give_the_bits_of_the_reference(alphabet, rows, scale, decay_input):
    properties.bears_extreme_currents(fused, alphabet, rows, scale, decay_input)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
@pytest.mark.parametrize("alphabet", [Binary(), PowerOfTwo(3)], ids=lambda a: a.name)
def test_a_gradient_is_lost_to_nan_where_the_reference_loses_it(alphabet, surrogate):
    properties.loses_gradients_to_nan_as_the_reference_does(fused, alphabet, surrogate)


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
@given(*properties.NEAR_BOUNDARIES)
def test_a_membrane_near_a_boundary_falls_to_the_side_the_division_says(scale, alphabet, ulps):
    properties.falls_to_the_side_the_division_says(fused, scale, alphabet, ulps)


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
    properties.integrates_bfloat16_in_float32(fused, case)


def test_currents_of_any_stride_give_the_same_bits():
    properties.takes_currents_of_any_stride(fused)


def test_gradients_of_any_stride_are_understood():
    properties.understands_gradients_of_any_stride(fused)


def test_an_empty_batch_gives_empty_results_and_zero_gradients():
    properties.takes_an_empty_batch(fused)


@pytest.mark.parametrize("position", [0, 2, 3])
def test_a_gradient_that_is_not_asked_for_is_not_computed(position):
    properties.gives_one_gradient_alone(fused, position)


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
