"""The Triton kernels against the eager reference, under Triton's interpreter on the CPU and on a GPU where there is
one; and what the compiler makes of them for GPUs that are not here."""

import re

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.kernels import Call, gpu, operator, use
from shiftlif.kernels.mechanism import mechanism_of
from shiftlif.neuron import reference_sequence, sequence
from shiftlif.surrogate import ATan, ReLSGET
from tests.kernels import properties
from tests.kernels.cases import ALPHABETS, SURROGATES, Case, assert_same_bits, cases, gradients_agree, seeded
from tests.kernels.triton_tools import compiled_for, interpreted, resources

# The interpreter computes with numpy, which warns where an infinity or a NaN comes out.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:triton")
FEW = settings(max_examples=30, deadline=None)
DEVICES = ["interpreter", *(["cuda"] if torch.cuda.is_available() else [])]


def _moved(tensor, device):
    return None if tensor is None else tensor.to(device)


@pytest.fixture(params=DEVICES, scope="module")
def fused(request):
    """``(currents, initial, parameters, steps, record)`` to CPU results, computed by the Triton kernels."""
    device = "cpu" if request.param == "interpreter" else request.param

    def run(currents, initial, parameters, steps, record):
        there = parameters._replace(scale=parameters.scale.to(device), decay=parameters.decay.to(device))
        with use("fused"):
            found = sequence(currents.to(device), _moved(initial, device), there, steps=steps, record=record)
        return tuple(_moved(x, "cpu") for x in found)

    if device == "cpu":
        with interpreted():
            yield run
    else:
        yield run


@FEW
@given(cases(max_steps=40), st.integers(0, 9))
def test_spikes_and_membranes_have_the_bits_and_gradients_the_values_of_the_reference(fused, case, seed):
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])
    gradients_agree(case, fused, seed)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: a.name)
def test_every_surrogate_of_every_alphabet_has_the_gradient_of_the_reference(fused, alphabet, surrogate):
    currents = torch.randn(3, 2, 3, 37, generator=seeded(3)) * alphabet.levels[-1]
    gradients_agree(Case(alphabet, surrogate, currents, None, torch.tensor([0.8]), torch.tensor(0.5)), fused)


@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("decay_input", [False, True])
@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
def test_every_reset_and_leak_has_the_gradient_of_the_reference(fused, reset, detach, decay_input, surrogate):
    currents = torch.randn(5, 2, 150, generator=seeded(5)) * 2
    initial = torch.randn(2, 150, generator=seeded(6))
    scale, decay = torch.tensor([0.9]), torch.tensor(0.3)
    case = Case(Binary(), surrogate, currents, initial, scale, decay, decay_input, reset, detach)
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])
    gradients_agree(case, fused)


@pytest.mark.parametrize("steps", [1, 8, 15, 16, 17, 32, 34, 47, 64])
@pytest.mark.parametrize("constant", [False, True])
def test_sequences_longer_than_the_registers_are_walked_in_chunks(fused, steps, constant):
    currents = torch.randn(1 if constant else steps, 1, 200, generator=seeded(steps)) * 1.5
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.1]), torch.tensor(0.5), steps=steps)
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])
    gradients_agree(case, fused)


@pytest.mark.parametrize(
    "shape",
    [(3, 5), (2, 40), (2, 3, 1), (2, 3, 127), (2, 3, 128), (2, 3, 130), (1, 2, 700)],
    ids=str,
)
def test_every_width_of_channels_has_its_own_scales_and_their_gradients(fused, shape):
    currents = torch.randn(4, *shape, generator=seeded(7)) * 2
    scale = torch.rand(shape[1], generator=seeded(8)) + 0.5
    scale = scale.view(1, -1, *(1,) * (len(shape) - 2))
    case = Case(Ternary(), ATan(), currents, None, scale, torch.tensor(0.5))
    assert_same_bits(case.run(fused)[0], case.run(reference_sequence)[0])
    gradients_agree(case, fused)


@FEW
@given(*properties.EXTREMES)
@example(*properties.EXTREME_EXAMPLES[0])
@example(*properties.EXTREME_EXAMPLES[1])
@example(*properties.EXTREME_EXAMPLES[2])
@example(*properties.EXTREME_EXAMPLES[3])
def test_extreme_currents_give_the_bits_of_the_reference(fused, alphabet, rows, scale, decay_input):
    properties.bears_extreme_currents(fused, alphabet, rows, scale, decay_input)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
@pytest.mark.parametrize("alphabet", [Binary(), PowerOfTwo(3)], ids=lambda a: a.name)
def test_a_gradient_is_lost_to_nan_where_the_reference_loses_it(fused, alphabet, surrogate):
    properties.loses_gradients_to_nan_as_the_reference_does(fused, alphabet, surrogate)


@FEW
@given(*properties.NEAR_BOUNDARIES)
def test_a_membrane_near_a_boundary_falls_to_the_side_the_division_says(fused, scale, alphabet, ulps):
    properties.falls_to_the_side_the_division_says(fused, scale, alphabet, ulps)


@FEW
@given(cases(dtype=torch.bfloat16, max_steps=8))
def test_bfloat16_currents_are_integrated_in_float32(fused, case):
    properties.integrates_bfloat16_in_float32(fused, case)


def test_bfloat16_takes_the_nearest_and_keeps_what_is_subnormal(fused):
    """Letters times 1.00390625, half way between two bfloat16 numbers, and currents that float32 calls normal."""
    currents = torch.tensor([[1.0, 3.0, 1e-39, -1e-40]]).bfloat16().repeat(3, 1, 1)
    case = Case(Uniform(4), ReLSGET(), currents, None, torch.tensor([1.00390625]), torch.tensor(1.0))
    outputs = case.run(fused)[0]
    assert_same_bits(outputs, case.run(reference_sequence)[0])
    assert outputs[0][0, 0, :2].tolist() == [1.0, 3.015625]


def test_currents_of_any_stride_give_the_same_bits(fused):
    properties.takes_currents_of_any_stride(fused)


def test_gradients_of_any_stride_are_understood(fused):
    properties.understands_gradients_of_any_stride(fused)


def test_an_empty_batch_gives_empty_results_and_zero_gradients(fused):
    properties.takes_an_empty_batch(fused)


@pytest.mark.parametrize("position", [0, 2, 3])
def test_a_gradient_that_is_not_asked_for_is_not_computed(fused, position):
    properties.gives_one_gradient_alone(fused, position)


def test_the_same_call_gives_the_same_bits_of_every_gradient(fused):
    currents = torch.randn(4, 2, 3000, generator=seeded(9))
    case = Case(PowerOfTwo(3), ReLSGET(), currents, None, torch.tensor([1.0]), torch.tensor(0.5))
    results = []
    for _ in range(2):
        (spikes, *_), leaves = case.run(fused)
        results.append(torch.autograd.grad(spikes.square().sum(), [leaves[0], *leaves[2:]]))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_steps_split_into_chunks_that_fit_the_registers():
    for steps in range(1, 400):
        chunk = gpu.chunk_length(steps)
        assert 1 <= chunk <= gpu.MOST_STEPS
        assert -(-steps // chunk) <= max(1, -(-steps // (gpu.MOST_STEPS // 2)))


@given(st.integers(1, 2**40), st.integers(1, 512), st.integers(1, 4096), st.sampled_from([2, 4, 8]))
def test_programs_cover_every_neuron_once(samples, channels, channel_size, per_thread):
    neurons = samples * channels * channel_size
    cut = gpu.layout(neurons, channels, channel_size, per_thread)
    assert neurons % cut.span == 0
    assert (cut.blocks - 1) * cut.block < cut.span <= cut.blocks * cut.block
    assert cut.programs == neurons // cut.span * cut.blocks
    assert cut.block & (cut.block - 1) == 0
    assert cut.per_lane or channels == 1 or channel_size % cut.span == 0


def _compile(capability, steps, folder, dtype=torch.float32, **changes):
    """Both kernels as a training step of a ShiftLIF layer launches them."""
    neuron = mechanism_of(PowerOfTwo(3), ReLSGET(), True, "soft", False)._replace(**changes)
    currents = torch.empty(steps, 8, 2**17, dtype=dtype)
    scale, decay = torch.ones(1), torch.tensor(0.5)
    call = Call(currents, None, scale, decay, steps, 1, neuron)
    with compiled_for(capability, folder / "cache") as kernels:
        gpu.forward(call, last=False, record=False)
        gpu.backward(call, (currents, None, None), (True, False, True, False))
    return kernels


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("steps", [4, 16])
@pytest.mark.parametrize("capability", [80, 90])
def test_compiled_kernels_round_like_the_reference_and_keep_everything_in_registers(
    tmp_path, capability, steps, dtype
):
    kernels = _compile(capability, steps, tmp_path, dtype)
    forward, backward = kernels.forward_kernel.result.asm["ptx"], kernels.backward_kernel.result.asm["ptx"]
    # A fused multiply-add rounds once where the reference rounds twice, an approximate division not as IEEE 754 says,
    # and .ftz makes zeros of small numbers.
    for ptx in (forward, backward):
        assert f".target sm_{capability}" in ptx
        assert "div.rn.f32" in ptx
        assert not re.findall(r"\b(?:fma|mad)\.\S*f32", ptx)
    assert not re.findall(r"\bdiv\.(?:full|approx)|\.ftz", forward)
    # 16 bytes at a time.
    assert "ld.global.v4.b32" in forward
    assert "st.global.v4.b32" in forward
    for kernel in (kernels.forward_kernel, kernels.backward_kernel):
        used = resources(kernel, tmp_path)
        assert used["STACK"] == used["LOCAL"] == 0, "registers are spilled"
        assert used["REG"] <= 168  # three programs of 128 threads a multiprocessor


def test_bfloat16_is_rounded_to_nearest_even_by_the_gpu(tmp_path):
    kernels = _compile(90, 4, tmp_path, torch.bfloat16)
    for kernel in (kernels.forward_kernel, kernels.backward_kernel):
        assert "cvt.rn.bf16" in kernel.result.asm["ptx"]


def test_cuda_tensors_go_to_the_triton_kernels():
    assert operator.backend("cuda") is gpu
