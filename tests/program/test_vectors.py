from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from shiftlif.errors import ModelFileError, VerificationError
from shiftlif.program import (
    Conv,
    GoldenVectors,
    Linear,
    Neuron,
    compare_traces,
    first_mismatch,
    record,
    verify_vectors,
)

from .examples import frames, tiny
from .strategies import programs, random_frames, random_program, seeds


def trace(value=0, **at):
    letters = {"first": np.zeros((4, 20, 5, 11), np.int8), "second": np.zeros((4, 20, 3), np.int8)}
    membranes = {name: array.astype(np.int32) for name, array in letters.items()}
    for name, index in at.items():
        table, layer = name.split("_")
        {"letters": letters, "membranes": membranes}[table][layer][index] = value
    return letters, membranes


def test_the_first_mismatch_is_named_with_layer_step_sample_channel_and_both_values():
    a, b = trace(41, membranes_first=(3, 17, 4, 10)), trace(40, membranes_first=(3, 17, 4, 10))
    with pytest.raises(VerificationError) as caught:
        compare_traces("the prepared network", a, "the program", b)
    assert str(caught.value) == (
        "layer first, step 3, sample 17, channel (4, 10): membrane is 41 in the prepared network "
        "and 40 in the program"
    )


def test_an_earlier_step_of_a_later_layer_comes_first():
    b = trace(1, membranes_first=(2, 0, 0, 0), letters_second=(1, 5, 2))
    with pytest.raises(
        VerificationError, match=r"layer second, step 1, sample 5, channel 2: letter is 0 in a and 1"
    ):
        compare_traces("a", trace(), "b", b)


def test_a_float_rendering_may_be_compared_and_shows_fractions():
    floats = tuple({name: array.astype(np.float32) for name, array in table.items()} for table in trace())
    compare_traces("a", trace(), "b", floats)
    floats[1]["second"][0, 0, 0] = 0.5
    with pytest.raises(VerificationError, match=r"membrane is 0 in a and 0\.5 in b"):
        compare_traces("a", trace(), "b", floats)
    floats[1]["second"][0, 0, 0] = np.nan
    with pytest.raises(VerificationError, match="and nan in b"):
        compare_traces("a", trace(), "b", floats)


def test_a_missing_layer_or_another_shape_is_a_difference():
    letters, membranes = trace()
    with pytest.raises(VerificationError, match=r"letters: \['second'\] exist in one"):
        compare_traces("a", trace(), "b", ({"first": letters["first"]}, membranes))
    with pytest.raises(VerificationError, match="layer second: letters have shape"):
        compare_traces("a", trace(), "b", ({**letters, "second": letters["second"][:3]}, membranes))


def test_first_mismatch_is_none_for_equal_arrays():
    assert first_mismatch(np.arange(4), np.arange(4)) is None
    assert first_mismatch(np.eye(2), np.ones((2, 2))) == (0, 1)


@settings(max_examples=20, deadline=None)
@given(programs, seeds)
def test_recorded_vectors_survive_a_file_and_verify(tmp_path_factory, program, seed):
    path = tmp_path_factory.mktemp("vectors") / "golden.npz"
    record(program, random_frames(program, seed), 3).save(path)
    loaded = GoldenVectors.load(path)
    assert loaded.steps == 3
    assert loaded.digest == program.digest()
    verify_vectors(program, loaded)
    verify_vectors(program, record(program, random_frames(program, seed, steps=2)))


def mutants(program):
    """Every program that differs in one weight by one or in one threshold by one."""
    for position, op in enumerate(program.operations):
        fields = {Linear: ("weight",), Conv: ("weight",), Neuron: ("thresholds", "bias")}.get(type(op), ())
        for field in fields:
            original = getattr(op, field)
            for index in np.ndindex(*original.shape):
                changed = original.copy()
                changed[index] += 1 if changed[index] < 100 or field != "weight" else -1
                operations = list(program.operations)
                operations[position] = dataclasses.replace(op, **{field: changed})
                yield f"{op.name}.{field}{index}", dataclasses.replace(program, operations=tuple(operations))


def test_every_single_mutation_of_the_tiny_program_changes_the_digest_and_is_caught():
    program = tiny()
    every_value = np.arange(-20, 21, dtype=np.int8)
    vectors = record(program, np.stack([np.roll(every_value, t) for t in range(8)])[:, :, None])
    names = []
    for name, mutant in mutants(program):
        names.append(name)
        assert mutant.digest() != program.digest()
        with pytest.raises(VerificationError, match=r"layer (neuron|y), step"):
            verify_vectors(mutant, vectors)
    assert names == [
        "current.weight(0, 0)",
        "neuron.thresholds(0, 0)",
        "neuron.thresholds(0, 1)",
        "neuron.bias(0,)",
        "readout.weight(0, 0)",
    ]


def test_a_strict_comparison_instead_of_at_least_is_caught():
    """The mutation that a renderer makes most easily: ``>`` for ``>=``."""
    program = tiny()
    vectors = record(program, np.arange(-20, 21, dtype=np.int8).reshape(1, -1, 1))
    neuron = program.neurons[0]
    strict = dataclasses.replace(neuron, thresholds=neuron.thresholds + np.int32(1))
    mutant = dataclasses.replace(
        program, operations=(*program.operations[:2], strict, *program.operations[3:])
    )
    with pytest.raises(
        VerificationError, match=r"layer neuron, step 0, sample 24, channel 0: letter is 1 .* and 0 in"
    ):
        verify_vectors(mutant, vectors)


def test_altered_logits_are_caught():
    vectors = record(tiny(), frames(1, 2))
    altered = dataclasses.replace(vectors, logits=vectors.logits + 1)
    with pytest.raises(
        VerificationError, match="logits, sample 0, class only: 3 in the golden vectors and 2"
    ) as caught:
        verify_vectors(tiny(), altered)
    assert "recorded from" not in str(caught.value)


def test_vectors_of_another_program_are_called_so_when_something_differs():
    vectors, other = record(tiny(), frames(9, 9)), tiny(weight=2)
    with pytest.raises(
        VerificationError, match=r"^layer neuron, step 0.*; the vectors were recorded"
    ) as caught:
        verify_vectors(other, vectors)
    assert f"from program {tiny().digest()[:8]} and this one is {other.digest()[:8]}" in str(caught.value)
    verify_vectors(dataclasses.replace(tiny(), metadata={}), vectors)  # another digest, nothing differs


def test_inputs_of_another_program_are_a_verification_error():
    other = next(p for p in map(random_program, range(20)) if p.input_shape != (1,))
    with pytest.raises(VerificationError, match=r"the recorded inputs do not fit.*recorded from program"):
        verify_vectors(other, record(tiny(), frames(1, 2)))


def test_a_damaged_or_foreign_vector_file_is_refused(tmp_path):
    path = tmp_path / "golden.npz"
    record(tiny(), frames(1, 2)).save(path)
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            GoldenVectors.load(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ModelFileError, match="array 'other' is unknown"):
        GoldenVectors.load(path)
    np.savez(path, inputs=np.zeros((1, 1), np.int8))
    with pytest.raises(ModelFileError, match="expected inputs, logits, digest and membranes"):
        GoldenVectors.load(path)
    np.savez(path, inputs=np.array([{}], dtype=object))
    with pytest.raises(ModelFileError, match="is no complete") as caught:
        GoldenVectors.load(path)
    assert "pickle" not in str(caught.value)
    dataclasses.replace(record(tiny(), frames(1, 2)), digest="cafe").save(path)
    with pytest.raises(ModelFileError, match="digest is 'cafe', expected 64 hexadecimal digits"):
        GoldenVectors.load(path)
    np.save(tmp_path / "plain.npy", np.zeros(3))
    with pytest.raises(ModelFileError):
        GoldenVectors.load(tmp_path / "plain.npy")
