"""Layouts, digits, chunks and places in memory, by numbers that a person can check."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.errors import ProgramError
from shiftlif.program import (
    Accumulate,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    MaxPool,
    SumPool,
)
from shiftlif.program.shift_add import signed_digits
from shiftlif.runtime import lower
from shiftlif.runtime.plan import (
    ADD,
    HEADER_BYTES,
    NEURON,
    NO_LEAK,
    NONE,
    READOUT,
    RESHAPE,
    SUM_POOL,
    SYNAPSE,
    packed_rows,
    place,
)
from shiftlif.runtime.segments import planes_within
from tests.export.programs import dense_program, edge_program
from tests.program.examples import tiny
from tests.runtime.programs import flattened, large_program


@pytest.mark.parametrize(
    ("value", "plus", "minus"),
    [
        (0, 0, 0),
        (1, 1, 0),
        (2, 2, 0),
        (3, 4, 1),  # 4 - 1
        (7, 8, 1),  # 8 - 1
        (11, 16, 5),  # 16 - 4 - 1
        (-3, 1, 4),
        (127, 128, 1),
        (-128, 0, 128),
    ],
)
def test_signed_digits_of_small_numbers_are_the_hand_computed_ones(value, plus, minus):
    assert signed_digits(value) == (plus, minus)


@pytest.mark.parametrize(
    ("weights", "stored"),
    [
        ((0, 0, 0, 0), (8, 8)),
        ((1, 2, 3, 4), (16 * 3 + 1 + 8, 16 * 4 + 2 + 8)),
        ((-8, -8, -8, -8), (-128, -128)),
        ((7, 7, 7, 7), (127, 127)),
        ((-1, 7, 2, -3, 0, 0, 0, 1), (39, -33, 8, 24)),
    ],
)
def test_packed_bytes_are_the_hand_computed_ones(weights, stored):
    assert packed_rows(np.array(weights, np.int8)).tolist() == list(stored)


def test_only_programs_whose_weights_all_have_4_bits_are_packed_and_their_sums_stay_within_16_bits():
    for bits, packed in ((4, True), (8, False)):  # the second layer has 4 bits in both
        synapses = [s.synapse for s in lower(edge_program(1, 1, bits=bits), packed=True).steps if s.synapse]
        assert [s.packed for s in synapses] == [packed] * 3
    assert not any(s.synapse.packed for s in lower(edge_program(1, 1, bits=4)).steps if s.synapse)
    dense = lower(dense_program(4), packed=True).steps[0].synapse
    # 256 rows of 7 in all four places: bytes 16 * 7 + 7 + 8 = 127, and 2 digits would make 2 * 256 * 127
    assert (dense.packed, dense.chunk, dense.segment) == (True, 256, 1)
    assert 256 * 127 <= 2**15 - 1 < 2 * 256 * 127
    assert planes_within(256 * 7, 8) == 4  # of the weights themselves: 10 * 256 * 7


@given(st.integers(-(2**31), 2**31 - 1))
def test_signed_digits_add_up_to_the_value_and_no_two_are_neighbours(value):
    plus, minus = signed_digits(value)
    assert plus - minus == value
    digits = plus | minus
    assert plus & minus == 0
    assert digits & (digits >> 1) == 0


spans = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda ends: (min(ends), max(ends)))


@given(st.lists(st.tuples(st.integers(1, 400), spans), max_size=12))
def test_places_that_live_at_one_time_never_overlap(buffers):
    sizes, lives = [size for size, _ in buffers], [life for _, life in buffers]
    offsets, total = place(sizes, lives)
    for i, (at, size) in enumerate(zip(offsets, sizes, strict=True)):
        assert at % 4 == 0
        assert at + size <= total
        for j in range(i):
            together = lives[i][0] <= lives[j][1] and lives[j][0] <= lives[i][1]
            apart = at + size <= offsets[j] or offsets[j] + sizes[j] <= at
            assert apart or not together
    assert total <= sum(-(-size // 4) * 4 for size in sizes)


def test_places_that_never_live_together_share_their_memory():
    assert place([10, 12, 8], [(0, 1), (2, 3), (3, 4)]) == ([0, 0, 12], 20)
    assert place([], []) == ([], 0)


def test_the_plan_of_a_tiny_program_is_the_hand_written_one():
    plan = lower(tiny(), cached=False)
    assert [(step.name, step.kind) for step in plan.steps] == [("neuron", SYNAPSE), ("y", SYNAPSE)]
    first, last = plan.steps
    assert first.synapse.rows.tolist() == [[[[1, 0, 0, 0]]]]
    assert (first.synapse.planes, first.synapse.negative, first.synapse.chunk) == (8, True, 1)
    assert (first.neuron.membrane, first.neuron.bytes, first.neuron.leak_shift) == (8, 2, 1)
    # Letters 0, 1 and 2 are one digit each, in two planes, none of them negative.
    assert (last.synapse.planes, last.synapse.negative) == (2, False)
    assert (last.target, last.readout.membrane) == (NONE, 12)
    assert (plan.scores, plan.state_size, HEADER_BYTES) == (12, 16, 8)
    assert [(wire.name, wire.bytes, wire.size) for wire in plan.wires] == [("x", 1, 1), ("neuron", 1, 1)]
    assert plan.identity == int(tiny().digest()[:8], 16)


def test_currents_of_the_frame_are_kept_where_an_inference_has_several_steps():
    kept, fused = lower(tiny(steps=4)), lower(tiny(steps=1))
    assert [(step.kind, step.is_static) for step in kept.steps] == [
        (SYNAPSE, True),
        (NEURON, False),
        (SYNAPSE, False),
    ]
    assert [step.kind for step in fused.steps] == [SYNAPSE, SYNAPSE]
    assert lower(tiny(steps=1), cached=True).steps[0].is_static


def test_what_is_kept_for_all_steps_shares_its_memory_with_nothing():
    for seed in (1, 3, 4, 6, 22):
        plan = lower(large_program(seed), cached=True)
        static = {step.target for step in plan.steps if step.is_static}
        for kept in static & {step.source for step in plan.steps if not step.is_static}:
            for other in {step.target for step in plan.steps} - static - {NONE}:
                a, b = plan.wires[kept], plan.wires[other]
                assert a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


def test_no_leak_and_a_hard_reset_have_a_form_of_their_own():
    tables = lower(tiny(leak_shift=None, reset="hard")).steps[-2].neuron
    assert tables.leak_shift == NO_LEAK
    assert tables.resets is None
    assert lower(tiny(leak_shift=0)).steps[-2].neuron.leak_shift == 0


def test_a_flattened_wire_is_a_view_where_only_linear_layers_read_it():
    program = flattened("linear")
    plan = lower(program)
    assert RESHAPE not in [step.kind for step in plan.steps]
    wires = {wire.name: wire for wire in plan.wires}
    *_, spikes, view, readout, _ = program.operations
    channels, positions = program.shapes()[spikes.name]
    assert (channels, positions) == (5, 3)
    assert wires[view.name].offset == wires[spikes.name].offset
    columns = plan.steps[-1].synapse.rows[0, 0]  # [positions * channels, out] for [channels, positions]
    assert columns[1 * channels + 3, :3].tolist() == readout.weight[:, 3 * positions + 1].tolist()
    both = lower(flattened("both"))
    assert {RESHAPE, ADD} <= {step.kind for step in both.steps}


def test_a_sum_is_as_wide_as_it_can_become():
    operations = (
        Input("x", (1, 1024)),
        SumPool("same", "x", (1,), (1,)),
        SumPool("sixteen", "same", (255,), (1,)),  # 255 * -128 = -32640
        SumPool("more", "sixteen", (2,), (1,)),
        Flatten("flat", "more"),
        Linear("sum", "flat", np.ones((1, 769), np.int8)),
        Accumulate("y", "sum", 0, np.zeros(1, np.int32)),
    )
    plan = lower(IntegerProgram(operations, InputQuantizer.identity(1), 1, 1, ("only",)))
    assert [plan.wires[s.target].bytes for s in plan.steps if s.kind == SUM_POOL] == [1, 2, 4]


def test_a_frame_that_is_only_flattened_stays_as_it_comes():
    weight = np.arange(12, dtype=np.int8).reshape(2, 6)
    operations = (
        Input("x", (2, 3)),
        Flatten("flat", "x"),
        Linear("sum", "flat", weight),
        Accumulate("y", "sum", 0, np.zeros(2, np.int32)),
    )
    plan = lower(IntegerProgram(operations, InputQuantizer.identity(2), 1, 1, ("a", "b")))
    assert (plan.wires[0].positions, plan.wires[0].channels) == (1, 6)
    assert plan.steps[0].synapse.rows[0, 0, :, :2].T.tolist() == weight.tolist()


def test_a_readout_of_flattened_sums_needs_no_synapse():
    operations = (
        Input("x", (2, 3)),
        SumPool("same", "x", (1,), (1,)),
        Flatten("flat", "same"),
        Accumulate("y", "flat", 0, np.arange(6, dtype=np.int32)),
    )
    program = IntegerProgram(operations, InputQuantizer.identity(2), 1, 1, tuple("abcdef"))
    assert [step.kind for step in lower(program).steps] == [SUM_POOL, RESHAPE, READOUT]


@pytest.mark.parametrize("rows", [0, -1, 257])
def test_chunks_outside_16_bits_are_refused(rows):
    with pytest.raises(ProgramError, match=f"lower: rows is {rows}, expected 1 to 256"):
        lower(tiny(), rows=rows)


def test_fewer_rows_need_less_memory():
    program = large_program(2)
    assert isinstance(program.operations[1], Linear)
    assert lower(program, rows=8).arena_size < lower(program).arena_size


def test_more_values_than_a_wire_can_have_are_refused():
    operations = (
        Input("x", (1, 2**14, 2**14)),
        MaxPool("pool", "x", (2**13, 2**13), (2**13, 2**13)),
        Flatten("flat", "pool"),
        Linear("sum", "flat", np.ones((1, 4), np.int8)),
        Accumulate("y", "sum", 0, np.zeros(1, np.int32)),
    )
    program = IntegerProgram(operations, InputQuantizer.identity(1), 1, 1, ("only",))
    with pytest.raises(ProgramError, match=r"Input 'x': shape is .* expected fewer than 268435456 values"):
        lower(program)
