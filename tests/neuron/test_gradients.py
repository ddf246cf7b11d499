import pytest
import torch

from shiftlif.alphabet import Binary, PowerOfTwo, Ternary, Uniform
from shiftlif.neuron import NeuronParameters, ReLSG_ET, emit, sequence
from shiftlif.surrogate import Rectangle, ReLSGET
from tests.neuron.reference import SURROGATES, antiderivative, reference_sequence

ALPHABETS = [Binary(), Uniform(4), PowerOfTwo(3), PowerOfTwo(2, "log"), Ternary(), PowerOfTwo(1, signed=True)]
TOLERANCE = 1e-5


def _ids(value):
    return getattr(value, "name", repr(value))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=_ids)
@pytest.mark.parametrize("alphabet", ALPHABETS, ids=_ids)
def test_pseudo_derivative_is_the_derivative_of_its_antiderivative(surrogate, alphabet):
    u = torch.linspace(-2.03, 5.07, 1001, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(antiderivative(surrogate, u, alphabet).sum(), u)
    assert torch.allclose(surrogate(u.detach(), alphabet), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("detach_reset", [True, False])
@pytest.mark.parametrize("surrogate", SURROGATES, ids=_ids)
@pytest.mark.parametrize("alphabet", ALPHABETS, ids=_ids)
def test_every_gradient_agrees_with_autograd_over_a_sequence(
    alphabet, surrogate, detach_reset, decay_input, dtype
):
    generator = torch.Generator().manual_seed(7)
    currents = torch.randn(5, 3, 4, 6, generator=generator, dtype=dtype) * 1.5
    weights = torch.randn(5, 3, 4, 6, generator=generator, dtype=dtype) / currents.numel()

    def leaves():
        scale = torch.tensor([0.7, 1.3, 0.9, 2.0], dtype=dtype).view(1, 4, 1).requires_grad_()
        return currents.clone().requires_grad_(), scale, torch.tensor(0.5, dtype=dtype, requires_grad=True)

    ours = leaves()
    spikes, _, membranes = sequence(
        ours[0],
        None,
        NeuronParameters(alphabet, surrogate, ours[1], ours[2], decay_input, "soft", detach_reset),
        record=True,
    )
    theirs = leaves()
    expected, expected_membranes = reference_sequence(
        *theirs, alphabet, surrogate, decay_input=decay_input, reset="soft", detach_reset=detach_reset
    )
    assert torch.equal(spikes, expected)
    assert torch.equal(membranes, expected_membranes)
    for a, b in zip(
        torch.autograd.grad((spikes * weights).sum(), ours),
        torch.autograd.grad((expected * weights).sum(), theirs),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("gains", [(2.0, 1.0), (4 / 3, 0.25), (1.0, 0.2)], ids=str)
@pytest.mark.parametrize("detach_reset", [True, False])
def test_gradients_follow_the_gains_of_reset_and_input(detach_reset, gains):
    generator = torch.Generator().manual_seed(5)
    currents = torch.randn(5, 3, 4, generator=generator, dtype=torch.float64) * 3
    weights = torch.randn(5, 3, 4, generator=generator, dtype=torch.float64)

    def leaves():
        return [
            currents.clone().requires_grad_(),
            torch.tensor(0.7, dtype=torch.float64, requires_grad=True),
            torch.tensor(0.5, dtype=torch.float64, requires_grad=True),
        ]

    ours, theirs = leaves(), leaves()
    parameters = NeuronParameters(Uniform(4), ReLSGET(), ours[1], ours[2], True, "soft", detach_reset, *gains)
    spikes = sequence(ours[0], None, parameters)[0]
    expected, _ = reference_sequence(
        *theirs,
        Uniform(4),
        ReLSGET(),
        decay_input=True,
        reset="soft",
        detach_reset=detach_reset,
        reset_gain=gains[0],
        input_gain=gains[1],
    )
    assert torch.equal(spikes, expected)
    assert spikes.count_nonzero() > 0
    for a, b in zip(
        torch.autograd.grad((spikes * weights).sum(), ours),
        torch.autograd.grad((expected * weights).sum(), theirs),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=TOLERANCE)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=_ids)
@pytest.mark.parametrize("alphabet", [Binary(), Ternary()], ids=_ids)
@pytest.mark.parametrize("detach_reset", [True, False])
def test_hard_reset_gradient_agrees_with_autograd(detach_reset, alphabet, surrogate):
    currents = torch.randn(6, 2, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2
    results = []
    for run in ("ours", "reference"):
        leaf = currents.clone().requires_grad_()
        scale = torch.ones(1, dtype=torch.float64)
        decay = torch.tensor(0.5, dtype=torch.float64)
        if run == "ours":
            parameters = NeuronParameters(alphabet, surrogate, scale, decay, True, "hard", detach_reset)
            spikes = sequence(leaf, None, parameters)[0]
        else:
            spikes, _ = reference_sequence(
                leaf,
                scale,
                decay,
                alphabet,
                surrogate,
                decay_input=True,
                reset="hard",
                detach_reset=detach_reset,
            )
        results.append((spikes.detach(), torch.autograd.grad((spikes * currents).sum(), leaf)[0]))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.allclose(results[0][1], results[1][1], atol=TOLERANCE)


def test_relsget_is_one_inside_and_decays_outside():
    u = torch.tensor([-0.25, 0.0, 0.5, 1.0, 1.25], dtype=torch.float64)
    g = ReLSGET(alpha=8.0)(u, PowerOfTwo(3))
    tail = 0.1353352832366127  # exp(-8 / 4)
    assert g.tolist() == pytest.approx([tail, 1.0, 1.0, 1.0, tail])


def test_neither_a_dead_nor_a_saturated_neuron_loses_its_gradient():
    u = torch.tensor([-3.0, 4.0], dtype=torch.float64)
    assert (ReLSGET(2.0)(u, PowerOfTwo(3)) > 0).all()
    assert (Rectangle()(u, PowerOfTwo(3)) == 0).all()


def test_scale_gradient_is_letter_minus_u_g_with_the_lsq_factor():
    # One neuron, Uniform(4): H = 1.3, s = 1 -> u = 1.3, Q = 1, g = 1: dS/ds = 1 - 1.3, N L = 4.
    scale = torch.ones(1, dtype=torch.float64, requires_grad=True)
    emit(torch.tensor([[1.3]], dtype=torch.float64), scale, Uniform(4), ReLSGET()).sum().backward()
    assert scale.grad.item() == pytest.approx(-0.3 / 2)


def test_the_old_function_gives_the_scale_its_gradient():
    x = torch.tensor([[0.6]], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    spikes = ReLSG_ET.apply(x, scale, 4)
    assert spikes.item() == 0.5
    spikes.backward()
    assert scale.grad is not None
    assert scale.grad.item() != 0
    assert x.grad.item() == pytest.approx(2 * 2.718281828 ** (-2 * 0.2), rel=1e-5)
