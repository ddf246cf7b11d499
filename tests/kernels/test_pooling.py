"""Max pooling in our kernel: torch's values and gradients, ties, NaN and ragged edges included."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shiftlif.kernels import use
from shiftlif.network import MaxPool1d, MaxPool2d
from tests.kernels.cases import needs_compiled_kernels, seeded

pytestmark = needs_compiled_kernels
MODULES = {1: (MaxPool1d, nn.MaxPool1d), 2: (MaxPool2d, nn.MaxPool2d)}


def _fused(y):
    return "_MaxPool" in type(y.grad_fn).__name__


def _assert_like_torch(rank, x, *arguments, fused=True, **options):
    ours, theirs = (module(*arguments, **options) for module in MODULES[rank])
    results = []
    for pool in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = pool(leaf)
        grad = torch.randn(y.shape, generator=seeded(0))
        results.append((y.detach(), torch.autograd.grad(y, leaf, grad)[0]))
        if pool is ours:
            assert _fused(y) == fused
    for a, b in zip(*results, strict=True):
        assert a.shape == b.shape
        assert torch.equal(torch.isnan(a), torch.isnan(b))
        assert torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([1, 2]),
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 21), st.integers(1, 21)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
    st.integers(0, 9),
)
def test_every_window_has_torchs_values_and_gradients(rank, shape, window, with_nan, seed):
    shape = shape[:2] + shape[-rank:]
    window = tuple(min(w, n) for w, n in zip(window[-rank:], shape[-rank:], strict=True))
    x = torch.randint(-2, 3, shape, generator=seeded(seed)) / 4  # few letters: windows are full of ties
    if with_nan:
        x.masked_fill_(torch.rand(shape, generator=seeded(seed + 1)) < 0.2, torch.nan)
    _assert_like_torch(rank, x, window[0] if rank == 1 else window)


def test_the_first_of_equal_letters_gets_the_gradient():
    x = torch.tensor([[[0.5, 0.5, 0.0, 1.0, 0.25]]], requires_grad=True)
    y = MaxPool1d(2)(x)
    assert y.tolist() == [[[0.5, 1.0]]]
    y.backward(torch.tensor([[[3.0, 4.0]]]))
    assert x.grad.tolist() == [[[3.0, 0.0, 0.0, 4.0, 0.0]]]


def test_threads_share_the_planes_of_a_large_input():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        _assert_like_torch(2, torch.randint(0, 4, (31, 16, 28, 29), generator=seeded(1)) / 4, 2)
    finally:
        torch.set_num_threads(before)


def test_an_input_of_any_stride_gives_the_same():
    x = torch.randn(4, 6, 12, 10, generator=seeded(2)).to(memory_format=torch.channels_last)
    _assert_like_torch(2, x, 2)


@pytest.mark.parametrize(
    "options", [{"stride": 1}, {"padding": 1}, {"dilation": 2, "stride": 2}, {"ceil_mode": True}], ids=str
)
def test_other_poolings_are_torchs_own(options):
    _assert_like_torch(2, torch.randn(2, 3, 9, 9, generator=seeded(3)), 2, fused=False, **options)


def test_the_reference_can_be_demanded():
    x = torch.randn(2, 3, 8, requires_grad=True)
    with use("reference"):
        assert not _fused(MaxPool1d(2)(x))
    assert _fused(MaxPool1d(2)(x))


def test_a_window_larger_than_its_input_gets_torchs_message():
    with pytest.raises(RuntimeError, match="too small"):
        MaxPool2d(4)(torch.randn(1, 1, 3, 3))
