from __future__ import annotations

import dataclasses
import errno
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save as save_tensors

from shiftlif.errors import ModelFileError
from shiftlif.program import IntegerProgram, Linear, load, run, save
from shiftlif.program.file import KEY, _digest, decode, encode, pack_int4, unpack_int4

from .examples import tiny
from .strategies import programs, random_frames, random_program, seeds


@settings(max_examples=40, deadline=None)
@given(programs, seeds)
def test_a_loaded_program_is_the_saved_one(tmp_path_factory, program, seed):
    path = tmp_path_factory.mktemp("file") / "model.shiftlif"
    program.save(path)
    loaded = IntegerProgram.load(path)
    assert loaded.digest() == program.digest()
    assert (loaded.steps, loaded.max_steps) == (program.steps, program.max_steps)
    assert (loaded.classes, loaded.metadata) == (program.classes, program.metadata)
    assert loaded.output_unit == program.output_unit
    x = random_frames(program, seed)
    assert np.array_equal(run(loaded, x).logits, run(program, x).logits)
    raw = np.random.default_rng(seed).normal(size=(2, *program.input_shape))
    assert np.array_equal(loaded.quantizer.quantize(raw), program.quantizer.quantize(raw))


def test_the_digits_of_the_inputs_are_kept_and_are_part_of_the_digest(tmp_path):
    program = tiny()
    few = dataclasses.replace(program, quantizer=dataclasses.replace(program.quantizer, digits=1))
    few.save(tmp_path / "few.shiftlif")
    loaded = IntegerProgram.load(tmp_path / "few.shiftlif")
    assert loaded.quantizer.digits == 1
    assert loaded.digest() == few.digest() != program.digest()


@given(hnp.arrays(np.int8, hnp.array_shapes(max_dims=3, max_side=5), elements=st.integers(-7, 7)))
def test_int4_weights_survive_packing_at_half_a_byte_each(weight):
    packed = pack_int4(weight)
    assert packed.size == (weight.size + 1) // 2
    assert np.array_equal(unpack_int4(packed, weight.shape), weight)


def test_the_nibble_order_is_low_half_first():
    assert pack_int4(np.array([1, -1, -7], np.int8)).tolist() == [0xF1, 0x09]


def content_of(program):
    encoded = encode(program)
    header = json.dumps({**encoded.header, "digest": encoded.digest})
    return save_tensors(encoded.tensors, metadata={KEY: header})


def decodes_to(content):
    """The digest of what the bytes load as; None when they are refused."""
    try:
        return decode(content).digest()
    except ModelFileError:
        return None


def test_no_flipped_byte_ever_loads_as_another_program():
    content = content_of(tiny())
    digest = tiny().digest()
    rng = np.random.default_rng(0)
    for at in range(len(content)):
        for flip in {0xFF, 1 << int(rng.integers(8))}:
            changed = bytearray(content)
            changed[at] ^= flip
            assert decodes_to(bytes(changed)) in (None, digest), at


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_no_flipped_byte_of_a_random_program_loads_as_another_one(seed, where, flip):
    program = random_program(seed % 50)
    changed = bytearray(content_of(program))
    changed[int(where * len(changed))] ^= flip
    assert decodes_to(bytes(changed)) in (None, program.digest())


def test_no_truncated_file_loads():
    content = content_of(tiny())
    assert decodes_to(content) == tiny().digest()
    assert all(decodes_to(content[:length]) is None for length in range(len(content)))
    assert decodes_to(content + b"\0") is None


def rewritten(program=None, *, header=None, tensors=None, drop=(), digest=True, key=KEY):
    """A file with chosen changes and, unless told otherwise, a digest that fits them."""
    encoded = encode(program or tiny())
    table = {**encoded.header, **(header or {})}
    arrays = {**encoded.tensors, **(tensors or {})}
    for name in drop:
        table.pop(name, None)
        arrays.pop(name, None)
    try:
        fitting = _digest(table, arrays)
    except TypeError:
        fitting = ""
    text = json.dumps({**table, "digest": fitting if digest is True else digest})
    return save_tensors(arrays, metadata={key: text})


def graph(position, **changes):
    """The graph of the tiny program with some fields of one operation changed; None removes a field."""
    entries = [dict(entry) for entry in encode(tiny()).header["graph"]]
    entries[position].update(changes)
    entries[position] = {k: v for k, v in entries[position].items() if v is not Ellipsis}
    return {"graph": entries}


def test_an_unchanged_rewrite_loads():
    assert decodes_to(rewritten()) == tiny().digest()


WRONG_FILES = {
    "empty": (b"", "not a complete safetensors file"),
    "text": (b"hello, this is no model file at all", "not a complete safetensors file"),
    "pickle": (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00N.", "not a complete safetensors file"),
    "foreign safetensors": (save_tensors({"a": np.zeros(1)}), r"metadata: is .*\(shiftlif compile RUN\)"),
    "foreign key": (rewritten(key="other"), "expected a key 'shiftlif'"),
    "header no JSON": (save_tensors({"a": np.zeros(1)}, metadata={KEY: "{"}), "header: is not JSON"),
    "header a list": (save_tensors({"a": np.zeros(1)}, metadata={KEY: "[]"}), "header: is 'list'"),
    "format": (rewritten(header={"format": "other"}), "format: is 'other', expected 'shiftlif-program'"),
    "version": (rewritten(header={"version": 2}), "version: is 2, expected 1"),
    "version true": (rewritten(header={"version": True}), "version: is True, expected 1"),
    "digest": (rewritten(digest="0" * 64), "digest: is '0000.*altered: copy it again .* or compile"),
    "digest a number": (rewritten(digest=5), "digest: is 5"),
    "missing field": (rewritten(drop=["steps"]), r"header: missing \['steps'\]"),
    "unknown field": (rewritten(header={"color": 1}), r"header: .*unknown \['color'\]"),
    "unknown kind": (rewritten(header=graph(1, kind="Pickle")), r"graph\[1\].kind: is 'Pickle'"),
    "kind a list": (rewritten(header=graph(1, kind=["Linear"])), r"graph\[1\].kind"),
    "unknown operation field": (rewritten(header=graph(1, colour=1)), r"graph\[1\]: .*unknown \['colour'\]"),
    "missing operation field": (rewritten(header=graph(1, source=...)), r"graph\[1\]: missing \['source'\]"),
    "graph a text": (rewritten(header={"graph": "x"}), "graph: is 'str', expected list"),
    "graph of texts": (rewritten(header={"graph": ["x"]}), r"graph\[0\]: is 'str', expected dict"),
    "empty graph": (
        rewritten(header={"graph": []}, drop=[n for n in encode(tiny()).tensors if "quant" not in n]),
        "operations is empty",
    ),
    "missing tensor": (rewritten(drop=["neuron.bias"]), "tensor neuron.bias: is 'missing'"),
    "extra tensor": (rewritten(tensors={"spy": np.zeros(1)}), r"tensors: .*unknown \['spy'\]"),
    "missing quantizer": (rewritten(drop=["quantizer.scale"]), r"tensors: missing \['quantizer.scale'\]"),
    "tensor dtype": (
        rewritten(tensors={"neuron.bias": np.zeros(1, np.int64)}),
        r"graph\[2\].bias: is 'int64 ",
    ),
    "tensor shape": (
        rewritten(tensors={"neuron.bias": np.zeros(2, np.int32)}),
        r"is 'int32 \[2\]'",
    ),
    "declared dtype": (
        rewritten(header=graph(2, bias={"dtype": "int64", "shape": [1]})),
        r"graph\[2\].bias.dtype: is 'int64', expected int32",
    ),
    "declared shape": (
        rewritten(header=graph(2, bias={"dtype": "int32", "shape": [-1]})),
        r"graph\[2\].bias.shape: is \[-1\]",
    ),
    "declared array a text": (rewritten(header=graph(2, bias="x")), r"graph\[2\].bias: is 'str'"),
    "packed length": (
        rewritten(tensors={"readout.weight": np.zeros(2, np.uint8)}),
        "packed int4 weight is uint8",
    ),
    "nibble -8": (rewritten(tensors={"readout.weight": np.array([8], np.uint8)}), "magnitude of 8"),
    "operation value": (
        rewritten(header=graph(2, leak_shift=-1)),
        r"graph\[2\]: Neuron 'neuron': leak_shift is -1",
    ),
    "operation type": (rewritten(header=graph(2, leak_shift=1.0)), "leak_shift is 1.0"),
    "weight bits": (rewritten(header=graph(1, weight_bits="8")), "weight_bits is '8'"),
    "name a number": (
        rewritten(header=graph(0, name=5)),
        "name is 5",
    ),
    "source": (rewritten(header=graph(2, source="nowhere")), "Neuron 'neuron': source is 'nowhere'"),
    "steps": (rewritten(header={"steps": 17}), "invalid program: program: steps is 17"),
    "steps a text": (rewritten(header={"steps": "4"}), "steps is '4'"),
    "classes": (rewritten(header={"classes": ["a", "b"]}), "classes is"),
    "classes a text": (rewritten(header={"classes": "only"}), "classes: is 'str'"),
    "unit": (rewritten(header={"output_unit": 0}), "output_unit is 0"),
    "unit NaN": (rewritten(header={"output_unit": float("nan")}), "output_unit is nan"),
    "metadata": (rewritten(header={"metadata": []}), "metadata: is 'list'"),
    "quantizer exponent": (rewritten(header={"quantizer": {"exponent": 9}}), "exponent is 9"),
    "quantizer field": (rewritten(header={"quantizer": {}}), r"quantizer: missing \['exponent'\]"),
    "quantizer scale": (rewritten(tensors={"quantizer.scale": np.zeros(1)}), "scale is"),
    "overflow": (rewritten(header=graph(4, current_shift=30)), "Accumulate 'y': .* 32 bits"),
}


@pytest.mark.parametrize(("content", "message"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_a_wrong_file_is_refused_with_its_name_and_the_field(tmp_path, content, message):
    path = tmp_path / "wrong.shiftlif"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"none\.shiftlif: cannot be read"):
        load(tmp_path / "none.shiftlif")


def test_a_folder_is_refused_with_the_model_file_in_it(tmp_path):
    with pytest.raises(ModelFileError, match="is a folder, expected a file; give the file in it"):
        load(tmp_path)
    save(tiny(), tmp_path / "program.safetensors")
    with pytest.raises(ModelFileError, match=r"is a folder, expected a file; use .*program\.safetensors$"):
        load(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no /dev/zero")
def test_a_device_is_refused_before_it_is_read():
    with pytest.raises(ModelFileError, match="/dev/zero: is a device, expected a file"):
        load("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_model_file_may_come_through_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content_of(tiny()),))
    writer.start()
    assert load(pipe).digest() == tiny().digest()
    writer.join()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "model.shiftlif"
    save(tiny(), path)
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match=r"No space left on device.*unchanged"):
        save(tiny(weight=2), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.shiftlif"]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be written"):
        save(tiny(), tmp_path / "none" / "model.shiftlif")


def test_saving_replaces_the_old_file(tmp_path):
    path = tmp_path / "model.shiftlif"
    save(tiny(), path)
    save(tiny(weight=2), path)
    assert load(path).digest() == tiny(weight=2).digest()
    assert os.listdir(tmp_path) == ["model.shiftlif"]


def test_the_digest_is_stable_and_depends_on_every_part():
    base = tiny()
    changed = [
        tiny(weight=2),
        tiny(max_steps=15),
        tiny(steps=3),
        tiny(leak_shift=2),
        tiny(reset="hard"),
        tiny(membrane_bits=32),
        tiny(thresholds=np.array([[4, 9]], np.int32)),
        tiny(bias=np.array([1], np.int32)),
        dataclasses.replace(base, classes=("other",)),
        dataclasses.replace(base, output_unit=1.0),
        dataclasses.replace(base, metadata={}),
        dataclasses.replace(base, quantizer=dataclasses.replace(base.quantizer, offset=np.array([1.0]))),
        dataclasses.replace(base, quantizer=dataclasses.replace(base.quantizer, exponent=1)),
        dataclasses.replace(
            base,
            operations=(
                *base.operations[:3],
                Linear("readout", "neuron", base.operations[3].weight, 8),
                base.operations[4],
            ),
        ),
    ]
    assert len({program.digest() for program in [base, *changed]}) == 1 + len(changed)
    assert base.digest() == tiny().digest()
    assert len(base.digest()) == 64
