"""The exported folder on this machine: it compiles alone, strictly, and its self-test proves equality."""

import math
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from shiftlif.export import export_c
from tests.export.programs import dense_program, edge_program
from tests.export.toolchain import WARNINGS, need, need_sanitizers, run, sources
from tests.program.strategies import random_program

SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


def self_test(folder, compiler, *options):
    run(compiler, "-std=c99", *WARNINGS, *options, *sources(folder), "-o", folder / "self_test")
    return run(folder / "self_test", check=False)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_strict_compilers_accept_it_and_sanitizers_find_nothing(tmp_path, compiler, level):
    need(compiler)
    need_sanitizers(compiler, tmp_path)
    for axes, steps, temporal in ((1, 1, False), (2, 4, False), (1, 3, True)):
        folder = tmp_path / f"{axes}{steps}"
        export_c(edge_program(axes, steps, temporal=temporal), folder, name="edge")
        done = self_test(folder, compiler, level, "-Wpedantic", *SANITIZED)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "4 of 4 samples equal" in done.stdout


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize(
    "program", [edge_program(1, 3, bits=4), edge_program(2, 2, bits=4), dense_program(4)]
)
def test_packed_weights_are_equal_too(tmp_path, compiler, program):
    need(compiler)
    need_sanitizers(compiler, tmp_path)
    export_c(program, tmp_path / "c", name="packed")
    assert ".packed = 1u" in (tmp_path / "c" / "packed_model.c").read_text()
    done = self_test(tmp_path / "c", compiler, "-O2", "-Wpedantic", *SANITIZED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_weights_that_this_build_of_the_runtime_does_not_read_are_refused(tmp_path):
    need("gcc")
    for bits, field in ((4, "1u"), (8, "0u")):
        folder = tmp_path / str(bits)
        export_c(edge_program(1, 1, bits=bits), folder, name="edge")
        _altered(folder, "edge_model.c", rf"\.packed = ({field})", lambda old: "0u" if old == "1u" else "1u")
        done = self_test(folder, "gcc", "-O1", *SANITIZED)
        assert done.returncode == 1
        assert "the runtime refuses the program" in done.stdout


@pytest.mark.parametrize("seed", range(8))
def test_every_kind_of_operation_runs_as_exported(tmp_path, seed):
    need("gcc")
    export_c(random_program(seed), tmp_path / "c", name="random", samples=3, cached=bool(seed % 2))
    done = self_test(tmp_path / "c", "gcc", "-O1", *SANITIZED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_makefile_builds_and_runs_the_test(tmp_path):
    need("make", "cc")
    export_c(edge_program(1, 2), tmp_path / "c", name="edge")
    assert "4 of 4 samples equal" in run("make", "test", cwd=tmp_path / "c").stdout


CROSS = ("CC=arm-none-eabi-gcc", "CFLAGS=-mcpu=cortex-m4 -mthumb -O2")


def _commands(*arguments, folder):
    return [line for line in run("make", *arguments, cwd=folder).stdout.splitlines() if " -c " in line]


def test_its_makefile_keeps_the_objects_of_two_machines_apart(tmp_path):
    need("make", "gcc", "arm-none-eabi-gcc", "arm-none-eabi-readelf")
    folder = tmp_path / "c"
    export_c(edge_program(1, 2), folder, name="edge")
    for _ in range(2):  # whichever came first
        assert "4 of 4 samples equal" in run("make", "test", "CC=gcc", cwd=folder).stdout
        run("make", "objects", *CROSS, cwd=folder)
    listing = run("arm-none-eabi-readelf", "-h", folder / "build" / "arm-none-eabi" / "run.o").stdout
    assert re.search(r"Machine: +ARM\n", listing)
    names = {path.stem for path in (folder / "build" / "arm-none-eabi").glob("*.o")}
    assert names == {path.stem for path in sources(folder)} - {"main"}
    assert sorted(p.name for p in folder.iterdir() if p.suffix == ".o") == []


def test_its_makefile_builds_again_when_and_only_when_options_or_headers_change(tmp_path):
    need("make", "gcc")
    folder = tmp_path / "c"
    export_c(edge_program(1, 2), folder, name="edge")
    whole = len(sources(folder))
    plain, debug = ("test", "CC=gcc"), ("test", "CC=gcc", "CFLAGS=-O1 -g -DNOTE='\"a b\"'")
    assert [len(_commands(*plain, folder=folder)) for _ in range(2)] == [whole, 0]
    assert [len(_commands(*debug, folder=folder)) for _ in range(2)] == [whole, 0]
    (folder / "shiftlif.h").write_text((folder / "shiftlif.h").read_text() + "\n")
    assert len(_commands(*debug, folder=folder)) == whole


def test_options_of_the_command_line_keep_the_standard_and_the_warnings(tmp_path):
    need("make", "gcc")
    export_c(edge_program(1, 2), tmp_path / "c", name="edge")
    commands = _commands("objects", "CC=gcc", "CFLAGS=-Os", folder=tmp_path / "c")
    assert commands
    for command in commands:
        assert command.startswith("gcc -Os -std=c99 -Wall -Wextra -Wconversion -Wshadow -c ")


M55 = (
    "QEMU_CORE=-mcpu=cortex-m55 -mfloat-abi=hard",
    "QEMU_MACHINE=mps3-an547",
    "QEMU_FLASH=512K",
    "QEMU_RAM=512K",
)


@pytest.mark.parametrize("core", [(), M55], ids=["M4", "M55"])
def test_its_makefile_runs_the_test_on_an_emulated_core(tmp_path, core):
    need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    folder = tmp_path / "c"
    export_c(edge_program(1, 1), folder, name="edge")
    done = run("make", "qemu", *core, cwd=folder)
    assert "4 of 4 samples equal" in done.stdout
    assert done.stderr == ""  # no warning
    _altered(folder, "edge_model.c", r"neuron1_rows\[\d+\] = \{\s+(-?\d+)", lambda old: str(int(old) ^ 1))
    assert run("make", "qemu", *core, cwd=folder, check=False).returncode != 0


def test_a_fault_of_the_emulated_core_ends_with_an_error(tmp_path):
    need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    export_c(edge_program(1, 1), tmp_path / "c", name="edge")
    (tmp_path / "c" / "main.c").write_text("int main(void) { __builtin_trap(); }\n")
    assert run("make", "qemu", cwd=tmp_path / "c", check=False).returncode != 0


def test_its_cmake_project_builds(tmp_path):
    need("cmake", "cc")
    export_c(edge_program(1, 1), tmp_path / "c", name="edge")
    run("cmake", "-S", tmp_path / "c", "-B", tmp_path / "build")
    run("cmake", "--build", tmp_path / "build")
    assert "equal in every letter and membrane" in run(tmp_path / "build" / "edge_self_test").stdout


def test_its_headers_can_be_included_from_cpp(tmp_path):
    need("g++")
    folder = tmp_path / "c"
    export_c(edge_program(1, 1), folder, name="edge")
    main = folder / "use.cpp"
    main.write_text(
        '#include "edge_model.h"\n#include "edge_quantize.h"\n'
        "int use(edge_state &s, edge_arena &a, const double *raw) {\n"
        "    int8_t frame[EDGE_FRAME_SIZE];\n    edge_quantize(frame, raw);\n    edge_reset(&s);\n"
        "    return edge_infer(&s, &a, frame) == SL_OK ? edge_classify(&s) : -1;\n}\n"
    )
    run(
        "g++",
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Werror",
        "-c",
        main,
        "-o",
        tmp_path / "use.o",
    )


@pytest.mark.parametrize("digits", [None, 1, 2])
def test_its_quantizer_makes_the_frames_that_ours_makes(tmp_path, digits):
    need("cc")
    program = edge_program(1, 1)
    program = replace(program, quantizer=replace(program.quantizer, digits=digits))
    folder = tmp_path / "c"
    export_c(program, folder, name="edge")
    # every boundary of int8 and its neighbours, in the first channel's unit
    steps = np.concatenate([np.arange(-260, 261) / 2, np.nextafter(np.arange(-260, 261) / 2, -np.inf)])
    channels, rest = program.input_shape[0], program.input_shape[1:]
    scaled = np.resize(steps, (-(-len(steps) // math.prod(rest)), channels, *rest))
    one = (-1, *([1] * len(rest)))
    quantizer = program.quantizer
    raw = scaled / 2**quantizer.exponent * quantizer.scale.reshape(one) + quantizer.offset.reshape(one)
    (folder / "main.c").write_text(
        '#include <stdio.h>\n#include "edge_quantize.h"\n'
        "int main(void) {\n    double raw[EDGE_FRAME_SIZE];\n    int8_t frame[EDGE_FRAME_SIZE];\n    unsigned i;\n"
        "    while (fread(raw, sizeof raw, 1, stdin) == 1) {\n        edge_quantize(frame, raw);\n"
        "        for (i = 0; i < EDGE_FRAME_SIZE; i++)\n"
        '            printf("%d\\n", frame[i]);\n    }\n    return 0;\n}\n'
    )
    run("cc", "-O1", folder / "main.c", "-o", tmp_path / "frames", "-lm")
    shown = subprocess.run(
        [tmp_path / "frames"], input=np.ascontiguousarray(raw).tobytes(), capture_output=True, check=True
    )
    assert np.array_equal(np.array(shown.stdout.split(), int).reshape(raw.shape), quantizer.quantize(raw))


def _altered(folder, file, pattern, change):
    path = folder / file
    text = path.read_text()
    match = re.search(pattern, text)
    assert match, pattern
    path.write_text(text[: match.start(1)] + change(match.group(1)) + text[match.end(1) :])


@pytest.mark.parametrize(
    ("file", "pattern", "mask"),
    [
        ("edge_model.c", r"layer0_neuron1_rows\[\d+\] = \{\s+(-?\d+)", 1),
        ("edge_model.c", r"layer0_neuron1_thresholds\[\d+\] = \{\s+(-?\d+)", 256),
        ("edge_model.c", r"layer0_neuron1_resets\[\d+\] = \{\s+0, (\d+)", 1),
        ("edge_model.c", r"layer0_neuron1_bias\[\d+\] = \{\s+(-?\d+)", 1),
        ("edge_vectors.c", r"checksums\[\d+\] = \{\s+(\d+)", 1),
    ],
    ids=["weight", "threshold", "reset", "bias", "checksum"],
)
def test_one_altered_number_makes_the_self_test_fail(tmp_path, file, pattern, mask):
    need("gcc")
    folder = tmp_path / "c"
    export_c(edge_program(1, 1), folder, name="edge", samples=40)
    _altered(folder, file, pattern, lambda number: str(int(number) ^ mask))
    done = self_test(folder, "gcc", "-O1")
    assert done.returncode == 1
    assert "first difference: sample" in done.stdout


@pytest.mark.parametrize("mask", [1, 16], ids=["lower weight", "upper weight"])
def test_one_altered_packed_weight_makes_the_self_test_fail(tmp_path, mask):
    need("gcc")
    folder = tmp_path / "c"
    export_c(edge_program(1, 1, bits=4), folder, name="edge", samples=40)
    pattern = r"layer0_neuron1_rows\[\d+\] = \{\s+(-?\d+)"
    _altered(folder, "edge_model.c", pattern, lambda number: str(int(number) ^ mask))
    done = self_test(folder, "gcc", "-O1")
    assert done.returncode == 1
    assert "first difference: sample" in done.stdout


def test_an_altered_comparison_makes_the_self_test_fail(tmp_path):
    """A value on its threshold takes the upper letter: > in place of >= differs where one lies exactly on it."""
    need("gcc")
    folder = tmp_path / "c"
    export_c(edge_program(1, 1), folder, name="edge", samples=40)
    neuron = folder / "neuron.c"
    text = neuron.read_text()
    assert "v >= *threshold" in text
    neuron.write_text(text.replace("v >= ", "v > "))
    assert self_test(folder, "gcc", "-O1").returncode == 1


def test_an_altered_program_is_refused_and_not_executed(tmp_path):
    need("gcc")
    folder = tmp_path / "c"
    export_c(edge_program(1, 1), folder, name="edge")
    _altered(folder, "edge_model.c", r"\.scratch = (\d+)u", lambda _: "4000000000")
    done = self_test(folder, "gcc", "-O1", *SANITIZED)
    assert done.returncode == 1
    assert "the runtime refuses the program" in done.stdout


INSTANCES = """
#include "edge_model.h"
#include <string.h>
static edge_state a, b, alone;
static edge_arena arena;
static int step(edge_state *s, uint32_t sample) {
    return edge_step(s, &arena, edge_self_test_frames + sample * EDGE_FRAME_SIZE) != SL_OK;
}
int main(void) {
    uint32_t t;
    int bad = 0;
    edge_reset(&a);
    edge_reset(&b);
    for (t = 0; t < 6; t++) {
        bad |= step(&a, t % 4u);
        bad |= step(&b, (t + 1u) % 4u);
    }
    edge_reset(&alone);
    for (t = 0; t < 6; t++) bad |= step(&alone, t % 4u);
    if (bad != 0 || memcmp(&a, &alone, sizeof a) != 0) return 1;
    edge_reset(&alone);
    for (t = 0; t < 6; t++) bad |= step(&alone, (t + 1u) % 4u);
    if (bad != 0 || memcmp(&b, &alone, sizeof b) != 0) return 2;
    if (sl_steps_made(&alone) != 6u || step(&alone, 0) != 0 || step(&alone, 0) != 0) return 3;
    if (edge_step(&alone, &arena, edge_self_test_frames) != SL_E_STEPS) return 4; /* 8 are proven */
    memset(&alone, 0, sizeof alone);
    if (edge_step(&alone, &arena, edge_self_test_frames) != SL_E_STATE) return 5;
    if (sl_reset(&edge_program, &alone, 4) != SL_E_BUFFER) return 6;
    if (edge_step(NULL, &arena, edge_self_test_frames) != SL_E_NULL) return 7;
    return 0;
}
"""


def test_two_interleaved_instances_do_not_disturb_each_other_and_misuse_has_a_status(tmp_path):
    need("gcc")
    folder = tmp_path / "c"
    export_c(edge_program(1, 2), folder, name="edge")
    (folder / "main.c").write_text(INSTANCES)
    done = self_test(folder, "gcc", "-O1", *SANITIZED)
    assert done.returncode == 0, done.stderr
