"""Windows that share the events of their columns: where they do, and that nothing changes but the work."""

import numpy as np
import pytest

from shiftlif.program import (
    Accumulate,
    Conv,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    with_proven_widths,
)
from shiftlif.runtime import Engine, lower
from tests.runtime.comparison import needs_engine


def program(shape, kernel, stride=1, padding=0, dilation=1, groups=1, out=5) -> IntegerProgram:
    """One convolution whose currents the read-out adds up, all of them."""
    rng = np.random.default_rng(0)
    axes = len(shape) - 1
    weight = rng.integers(-127, 128, size=(out * groups, shape[0] // groups, *kernel)).astype(np.int8)
    conv = Conv("conv", "input", weight, *((n,) * axes for n in (stride, padding, dilation)), groups)
    sizes = [
        (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for n, k in zip(shape[1:], kernel, strict=True)
    ]
    features = out * groups * int(np.prod(sizes))
    ops = [Input("input", shape), conv, Flatten("flat", "conv")]
    ops += [Linear("last", "flat", rng.integers(-9, 10, size=(3, features)).astype(np.int8))]
    ops += [Accumulate("scores", "last", 0, np.zeros(3, np.int32))]
    return IntegerProgram(
        with_proven_widths(ops, 1), InputQuantizer.identity(shape[0]), 1, 1, ("a", "b", "c")
    )


def table(made, **options):
    return next(step.synapse for step in lower(made, **options).steps if step.synapse is not None)


def test_a_run_has_room_for_its_first_window_and_what_the_next_adds():
    synapse = table(program((2, 10), (3,)), lists=2 * 16 * 10)  # 8 planes of both signs, 10 places each
    assert (synapse.slides, synapse.chunk, synapse.fresh, synapse.room) == (8, 6, 2, 10)
    assert (synapse.tap_step, synapse.line_step, synapse.places) == (4, 12, 160)


@pytest.mark.parametrize(
    ("why", "made", "options"),
    [
        ("no room for a second window", program((2, 10), (3,)), {"lists": 2 * 16 * 7}),
        ("taps apart", program((2, 10), (3,), dilation=2), {}),
        ("groups", program((2, 10), (3,), groups=2), {}),
        ("nothing shared", program((2, 10), (2,), stride=3), {}),
        ("one window", program((2, 3), (3,)), {}),
        ("more rows than are added up at once", program((2, 10), (3,)), {"rows": 5}),
    ],
)
def test_windows_that_share_nothing_or_have_no_room_are_decoded_alone(why, made, options):
    assert (table(made, **options).slides, table(made, **options).fresh) == (1, 0), why


CASES = {
    "padding": program((3, 23), (5,), padding=2),
    "stride": program((3, 23), (5,), stride=2, padding=1),
    "stride of the kernel": program((3, 24), (4,), stride=4),
    "two axes": program((2, 6, 9), (3, 3), padding=1),
    "kernel of one row": program((2, 6, 9), (1, 3), padding=1),
    "sixteen outputs": program((3, 23), (5,), padding=2, out=27),
}
FRAMES = {"normal": None, "most digits": 85, "all bits": 127, "lowest": -128, "silent": 0}


@needs_engine
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("places", [1, 2, 3, 100])
@pytest.mark.parametrize("kind", FRAMES)
def test_runs_of_any_length_and_full_lists_give_the_same(case, places, kind):
    """Lists of one to three times the least, so that a run ends after one window or goes on."""
    made = CASES[case]
    most = table(made)
    assert most.slides > 1
    lists = 2 * most.lists * (most.chunk + places * most.fresh)
    frames = np.random.default_rng(1).integers(-128, 128, size=(3, *made.input_shape)).astype(np.int8)
    if FRAMES[kind] is not None:
        frames[:] = FRAMES[kind]
    engine = Engine(made, path="portable", plan=lower(made, lists=lists))
    assert table(made, lists=lists).slides > 1
    assert np.array_equal(engine.logits(frames), made.run(frames).logits)


@needs_engine
@pytest.mark.parametrize("lists", [0, 64, 256, 1024])
@pytest.mark.parametrize("kind", FRAMES)
def test_a_dense_layer_is_flushed_when_a_list_is_full(lists, kind):
    rng = np.random.default_rng(2)
    ops = [
        Input("input", (300,)),
        Linear("last", "input", rng.integers(-127, 128, size=(3, 300)).astype(np.int8)),
    ]
    ops += [Accumulate("scores", "last", 0, np.zeros(3, np.int32))]
    made = IntegerProgram(with_proven_widths(ops, 1), InputQuantizer.identity(300), 1, 1, ("a", "b", "c"))
    frames = rng.integers(-128, 128, size=(3, 300)).astype(np.int8)
    if FRAMES[kind] is not None:
        frames[:] = FRAMES[kind]
    engine = Engine(made, path="portable", plan=lower(made, lists=lists))
    assert np.array_equal(engine.logits(frames), made.run(frames).logits)
