from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from shiftlif.errors import ProgramError
from shiftlif.program import (
    Accumulate,
    Add,
    Conv,
    Flatten,
    Input,
    InputQuantizer,
    IntegerProgram,
    Linear,
    MaxPool,
    SumPool,
    propagate,
)

from .examples import neuron, tiny


def int8(*shape, value=1):
    return np.full(shape, value, np.int8)


def conv(name="c", source="x", weight=None, **changes):
    settings = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, **changes}
    return Conv(name, source, int8(4, 2, 3, 3) if weight is None else weight, **settings)


def test_the_deployed_half_imports_no_torch_and_no_pydantic():
    code = "import shiftlif.program, sys; print(sorted({'torch', 'pydantic', 'typer'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_shapes_pass_through_odd_sizes_strides_padding_groups_and_pools():
    ops = (
        Input("x", (2, 7, 5)),
        conv(weight=int8(4, 1, 3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
        SumPool("s", "c", (2, 2), (1, 2)),
        MaxPool("m", "s", (3, 1), (2, 1)),
        Add("a", ("m", "m")),
        Flatten("f", "a"),
        Accumulate("y", "f", 0, np.zeros(4, np.int32)),
    )
    assert propagate(ops) == {
        "x": (2, 7, 5), "c": (4, 4, 3), "s": (4, 3, 1), "m": (4, 1, 1), "a": (4, 1, 1), "f": (4,), "y": (4,)
    }  # fmt: skip


def test_a_program_tells_its_sizes():
    program = tiny()
    assert (program.input_shape, program.output, program.parameters) == ((1,), "y", 2)
    assert program.weight_bytes == 1 + 1  # one int8, one int4 rounded up
    assert [op.name for op in program.neurons] == ["neuron"]
    assert dict(program.shapes()) == dict.fromkeys(("x", "current", "neuron", "readout", "y"), (1,))


def test_arrays_are_private_and_read_only():
    weight = int8(1, 1)
    op = Linear("w", "x", weight)
    weight[0, 0] = 5
    assert op.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        op.weight[0, 0] = 2


def test_metadata_is_a_private_copy_in_the_form_a_file_gives_back():
    metadata = {"a": (1, 2), 3: [4]}
    program = dataclasses.replace(tiny(), metadata=metadata)
    metadata["a"] = 0
    assert program.metadata == {"a": [1, 2], "3": [4]}


WRONG_OPERATIONS = {
    "name": (lambda: Flatten("a b", "x"), "Flatten: name is 'a b'"),
    "reserved name": (lambda: Flatten("steps", "x"), "name is 'steps'"),
    "source": (lambda: Flatten("f", 3), "Flatten 'f': source is 3"),
    "input rank": (lambda: Input("x", (1, 2, 3, 4)), "Input 'x': shape is"),
    "input axis": (lambda: Input("x", (0,)), "shape is"),
    "weight dtype": (lambda: Linear("w", "x", np.ones((1, 1))), "Linear 'w': weight is float64"),
    "weight list": (lambda: Linear("w", "x", [[1]]), "weight is a list"),
    "weight rank": (lambda: Linear("w", "x", int8(1)), r"weight is int8 \[1\]"),
    "weight empty": (lambda: Linear("w", "x", int8(0, 1)), "non-empty"),
    "weight -128": (
        lambda: Linear("w", "x", int8(1, 1, value=-128)),
        "magnitude of 128, expected at most 127",
    ),
    "weight int4": (lambda: Linear("w", "x", int8(1, 1, value=8), 4), "magnitude of 8, expected at most 7"),
    "weight bits": (lambda: Linear("w", "x", int8(1, 1), 2), "weight_bits is 2"),
    "stride": (lambda: conv(stride=(0, 1)), r"Conv 'c': stride is \(0, 1\)"),
    "padding": (lambda: conv(padding=(1,)), "padding is"),
    "dilation": (lambda: conv(dilation=[1, 1]), "dilation is"),
    "groups": (lambda: conv(groups=3), "groups is 3, expected a divisor"),
    "leak": (lambda: neuron(leak_shift=25), "Neuron 'neuron': leak_shift is 25"),
    "leak type": (lambda: neuron(leak_shift=np.int64(2)), "leak_shift is .* expected a Python int"),
    "current shift": (lambda: neuron(current_shift=-1), "current_shift is -1"),
    "reset": (lambda: neuron(reset="medium"), "reset is 'medium'"),
    "bits": (lambda: neuron(membrane_bits=8), "membrane_bits is 8"),
    "thresholds": (lambda: neuron(thresholds=np.array([[8, 4]], np.int32)), r"thresholds\[0\] is \[8, 4\]"),
    "threshold dtype": (lambda: neuron(thresholds=np.array([[4, 8]])), "thresholds is int64"),
    "letters": (lambda: neuron(letters=np.array([0, 2, 1], np.int32)), r"letters is \[0, 2, 1\]"),
    "letters without 0": (lambda: neuron(letters=np.array([1, 2, 3], np.int32)), "letters is"),
    "letter 128": (lambda: neuron(letters=np.array([0, 1, 128], np.int32)), "letters is"),
    "letters length": (lambda: neuron(letters=np.array([0, 1], np.int32)), "letters shape"),
    "resets length": (lambda: neuron(resets=np.zeros((1, 2), np.int32)), "resets shape"),
    "reset of 0": (lambda: neuron(resets=np.ones((1, 3), np.int32)), r"resets\[0\] of the letter 0 is 1"),
    "bias length": (lambda: neuron(bias=np.zeros(2, np.int32)), "bias shape"),
    "kernel": (lambda: SumPool("p", "x", (0,), (1,)), "SumPool 'p': kernel is"),
    "pool stride": (lambda: MaxPool("p", "x", (2,), (1, 1)), "MaxPool 'p': stride is"),
    "pool rank": (lambda: SumPool("p", "x", (1, 1, 1), (1, 1, 1)), "kernel is"),
    "add sources": (lambda: Add("a", ("x",)), "Add 'a': sources is"),
    "add shifts": (lambda: Add("a", ("x", "x"), (0, 31)), "shifts is"),
    "accumulate bias": (lambda: Accumulate("y", "x", 0, np.zeros(1)), "Accumulate 'y': bias is float64"),
}


@pytest.mark.parametrize(("build", "message"), WRONG_OPERATIONS.values(), ids=WRONG_OPERATIONS.keys())
def test_a_wrong_operation_is_refused_by_name_and_field(build, message):
    with pytest.raises(ProgramError, match=message):
        build()


X, W = Input("x", (1,)), Linear("w", "x", int8(1, 1))
Y = Accumulate("y", "w", 0, np.zeros(1, np.int32))
IMAGE = Input("x", (2, 5, 5))

WRONG_GRAPHS = {
    "empty": ((), "operations is empty"),
    "no operation": (("x",), r"operations\[0\] is a str"),
    "no input": ((W, Y), "Linear 'w': position is 0, expected exactly one Input"),
    "two inputs": ((X, Input("z", (1,)), Y), "Input 'z': position is 1"),
    "no read-out": ((X, W), "Linear 'w': position is 1, expected exactly one Accumulate"),
    "read-out in between": ((X, dataclasses.replace(Y, source="x"), W, Y), "Accumulate 'y': position is 1"),
    "duplicate": ((X, W, W, Y), "Linear 'w': name is 'w'"),
    "later source": ((X, Linear("w", "z", int8(1, 1)), Flatten("z", "w"), Y), "source is 'z'"),
    "unread": ((X, W, Flatten("z", "w"), Y), "Flatten 'z': nobody reads"),
    "unread input": (
        (X, dataclasses.replace(W, source="x"), dataclasses.replace(Y, source="x")),
        "Linear 'w': nobody reads",
    ),
    "columns": ((X, Linear("w", "x", int8(1, 2)), Y), r"input shape is \(1,\), expected \(2,\)"),
    "dense on image": ((IMAGE, Linear("w", "x", int8(1, 2)), Y), "flatten first"),
    "channels": ((IMAGE, conv("w", weight=int8(1, 3, 3, 3)), Y), "input channels is 2, expected 3"),
    "conv rank": ((X, conv("w"), Y), "one kernel axis per spatial axis"),
    "conv size": ((IMAGE, conv("w", weight=int8(1, 2, 6, 1)), Y), "expected a window that fits"),
    "pool rank": ((IMAGE, MaxPool("w", "x", (2,), (2,)), Y), "kernel is"),
    "pool size": ((IMAGE, MaxPool("w", "x", (6, 1), (1, 1)), Y), "expected a window that fits"),
    "neuron channels": ((X, Linear("w", "x", int8(2, 1)), neuron("w"), Y), "bias length is 1, expected 2"),
    "add shapes": ((X, Linear("w", "x", int8(2, 1)), Add("a", ("x", "w")), Y), "source shapes is"),
    "read-out on image": (
        (IMAGE, dataclasses.replace(Y, source="x", bias=np.zeros(2, np.int32))),
        r"expected \(classes,\)",
    ),
}


@pytest.mark.parametrize(("operations", "message"), WRONG_GRAPHS.values(), ids=WRONG_GRAPHS.keys())
def test_a_wrong_graph_is_refused_by_name(operations, message):
    with pytest.raises(ProgramError, match=message):
        propagate(operations)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operations": [X, W, Y]}, "operations is 'list'"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 17}, "steps is 17, expected a Python int from 1 to 16"),
        ({"max_steps": 2**20 + 1}, "max_steps is"),
        ({"classes": ("a", "b")}, "classes is"),
        ({"classes": ["only"]}, "classes is"),
        ({"classes": ("",)}, "classes is"),
        ({"output_unit": 0.0}, "output_unit is 0.0"),
        ({"output_unit": float("inf")}, "output_unit is inf"),
        ({"metadata": {"a": object()}}, "metadata is not JSON-able"),
        ({"metadata": {"a": float("nan")}}, "metadata is not JSON-able"),
        ({"metadata": [1]}, "metadata is 'list'"),
        ({"quantizer": None}, "quantizer is"),
        ({"quantizer": InputQuantizer.identity(2)}, "quantizer channels is 2, expected 1"),
    ],
)
def test_a_wrong_program_field_is_named(changes, message):
    fields = {f.name: getattr(tiny(), f.name) for f in dataclasses.fields(IntegerProgram) if f.init}
    with pytest.raises(ProgramError, match=message):
        IntegerProgram(**{**fields, **changes})
