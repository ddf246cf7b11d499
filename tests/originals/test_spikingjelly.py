"""The family beside SpikingJelly 2.0: equal spikes, and input gradients to rounding with the same surrogate."""

import math

import pytest
import torch
from spikingjelly.activation_based import neuron as originals
from spikingjelly.activation_based import surrogate as sj

from shiftlif.neuron import CLIF, GLIF, IF, LIF, PLIF, PSN, TLIF, IntLIF
from shiftlif.surrogate import ATan, Rectangle
from tests.originals.comparison import SEEDS, STEPS, Window, compare, double

pytestmark = [pytest.mark.parametrize("steps", STEPS), pytest.mark.parametrize("seed", SEEDS)]
RESETS = pytest.mark.parametrize("reset", ["soft", "hard"])
DETACHED = pytest.mark.parametrize("detach_reset", [False, True])
DECAYED = pytest.mark.parametrize("decay_input", [True, False])
V_RESET = {"soft": None, "hard": 0.0}


@DECAYED
@DETACHED
@RESETS
@pytest.mark.parametrize("tau", [2.0, 3.0])
def test_lif(steps, seed, reset, detach_reset, decay_input, tau):
    options = {"tau": tau, "decay_input": decay_input, "detach_reset": detach_reset}
    original = originals.LIFNode(
        **options, v_reset=V_RESET[reset], surrogate_function=sj.ATan(), step_mode="m"
    )
    compare(double(LIF(**options, reset=reset), tau), original, steps=steps, seed=seed)


@DETACHED
@RESETS
def test_if(steps, seed, reset, detach_reset):
    original = originals.IFNode(
        v_reset=V_RESET[reset], detach_reset=detach_reset, surrogate_function=sj.ATan(), step_mode="m"
    )
    compare(IF(reset=reset, detach_reset=detach_reset).double(), original, steps=steps, seed=seed)


@DECAYED
@DETACHED
@RESETS
def test_plif_and_the_gradient_of_its_tau(steps, seed, reset, detach_reset, decay_input):
    options = {"decay_input": decay_input, "detach_reset": detach_reset}
    ours = PLIF(tau=3.0, reset=reset, **options).double()
    original = originals.ParametricLIFNode(
        init_tau=3.0, v_reset=V_RESET[reset], surrogate_function=sj.ATan(), step_mode="m", **options
    ).double()
    compare(ours, original, steps=steps, seed=seed)
    assert ours.decay_logit.grad.item() == pytest.approx(original.w.grad.item(), rel=1e-6, abs=1e-9)


@DETACHED
@pytest.mark.parametrize("tau", [4 / 3, 2.0])
def test_ilif(steps, seed, detach_reset, tau):
    ours = IntLIF(L=4, tau=tau, decay_input=False, detach_reset=detach_reset, surrogate=Rectangle())
    original = originals.ILIFNode(
        tau=tau,
        surrogate_function=sj.MultiLevelSpikeCount(4),
        detach_reset=detach_reset,
        step_mode="m",
    )
    compare(double(ours, tau), original, steps=steps, seed=seed, reach=3.0)


@DECAYED
@DETACHED
@RESETS
@pytest.mark.parametrize("tau", [4 / 3, 2.0])
def test_ternary_lif(steps, seed, reset, detach_reset, decay_input, tau):
    options = {"tau": tau, "decay_input": decay_input, "detach_reset": detach_reset}
    original = originals.TernaryLIFNode(
        **options, v_reset=V_RESET[reset], surrogate_function=sj.ATan(), step_mode="m"
    )
    ours = TLIF(**options, reset=reset, learnable_scale=False)
    compare(double(ours, tau), original, steps=steps, seed=seed, offset=0.0)


@DETACHED
@RESETS
def test_ternary_if(steps, seed, reset, detach_reset):
    original = originals.TernaryIFNode(
        v_reset=V_RESET[reset], detach_reset=detach_reset, surrogate_function=sj.ATan(), step_mode="m"
    )
    options = {"tau": math.inf, "reset": reset, "detach_reset": detach_reset, "learnable_scale": False}
    compare(TLIF(**options).double(), original, steps=steps, seed=seed, offset=0.0)


@pytest.mark.parametrize("tau", [2.0, 3.0])
@pytest.mark.parametrize("surrogates", [(ATan(), sj.ATan()), (Window(), sj.Rect())], ids=["atan", "window"])
def test_clif(steps, seed, tau, surrogates):
    original = originals.ComplementaryLIFNode(
        tau=tau, surrogate_function=surrogates[1], step_mode="m"
    ).double()
    compare(double(CLIF(tau=tau, surrogate=surrogates[0]), tau), original, steps=steps, seed=seed)


def test_glif_and_the_gradients_of_its_gates(steps, seed):
    torch.manual_seed(seed)
    ours = GLIF(steps, channels=5).double()
    original = originals.GatedLIFNode(T=steps, inplane=5, surrogate_function=sj.ATan()).double()
    pairs = {
        "alpha": "alpha",
        "beta": "beta",
        "gamma": "gamma",
        "retained": "tau",
        "threshold": "v_threshold",
        "linear": "linear_decay",
        "soft_reset": "v_subreset",
        "conductance": "conduct",
    }
    with torch.no_grad():
        for mine, its in pairs.items():
            theirs = getattr(original, its)
            if mine not in ("alpha", "beta", "gamma"):  # those start at random
                assert torch.allclose(getattr(ours, mine), theirs)
            theirs.add_(torch.randn(theirs.shape, dtype=torch.float64) * 0.5)
            getattr(ours, mine).copy_(theirs)
    compare(ours, original, steps=steps, seed=seed, shape=(3, 5, 4, 2))
    for mine, its in pairs.items():
        assert torch.allclose(getattr(ours, mine).grad, getattr(original, its).grad, atol=1e-9, rtol=1e-6), (
            mine
        )


def test_psn_and_the_gradients_of_its_matrix(steps, seed):
    torch.manual_seed(seed)
    ours, original = PSN(steps).double(), originals.PSN(steps, surrogate_function=sj.ATan()).double()
    with torch.no_grad():
        original.weight.abs_().add_(0.25)  # the published initial matrix hardly ever fires at T = 1
        ours.weight.copy_(original.weight)
        ours.bias.copy_(original.bias.flatten() + 1)
    compare(ours, original, steps=steps, seed=seed, reach=3.0)
    assert torch.allclose(ours.weight.grad, original.weight.grad, atol=1e-9, rtol=1e-6)
    assert torch.allclose(ours.bias.grad, original.bias.grad.flatten(), atol=1e-9, rtol=1e-6)
