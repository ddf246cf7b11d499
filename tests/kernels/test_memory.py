"""The pool of large arrays: pages are kept for the next array of their size, and never more than were once in use."""

import gc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftlif.kernels import cpu
from tests.kernels.cases import needs_compiled_kernels

pytestmark = needs_compiled_kernels
MEGABYTE = 2**18  # floats


@pytest.fixture(autouse=True)
def empty_pool():
    gc.collect()
    if cpu._native is not None:
        cpu._native.release_kept_memory()


def _use():
    """``(in use, kept, most ever in use)`` in bytes."""
    return cpu._native.memory_use()


def test_an_array_gets_the_memory_of_the_last_one_freed():
    first, second = (cpu.empty((4 * MEGABYTE,), torch.float32) for _ in range(2))
    warm = second.data_ptr()
    del first, second
    assert cpu.empty((4 * MEGABYTE,), torch.float32).data_ptr() == warm


def test_memory_lives_as_long_as_any_view_of_it():
    array = cpu.empty((4 * MEGABYTE,), torch.float32)
    view = array.view(2, -1)[1, 5:]
    view.fill_(3.0)
    before = _use()[0]
    del array
    assert _use()[0] == before
    other = cpu.empty((4 * MEGABYTE,), torch.float32).fill_(0.0)
    assert float(view.sum()) == 3.0 * view.numel()
    del view, other
    assert _use()[0] == before - 4 * 2**20


def test_small_arrays_are_left_to_the_system():
    before = _use()
    array = cpu.empty((1000,), torch.float32)
    assert _use() == before
    del array


def test_released_memory_is_gone():
    array = cpu.empty((4 * MEGABYTE,), torch.float32)
    del array
    assert _use()[1] >= 4 * 2**20
    cpu._native.release_kept_memory()
    assert _use()[1] == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=40),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_what_is_in_use_and_kept_is_never_more_than_was_once_in_use(actions, dtype):
    cpu._native.release_kept_memory()
    alive = []
    for frees, size in actions:
        if frees and alive:
            del alive[size % len(alive)]
        else:
            alive.append(cpu.empty((size * MEGABYTE + 1,), dtype))
        in_use, kept, peak = _use()
        assert in_use + kept <= peak
    assert len({x.data_ptr() for x in alive}) == len(alive)
