"""The exported program on microcontroller cores, and what its code may consist of."""

import json
import re

import pytest

from shiftlif.export import export_c
from shiftlif.export.c_tables import STRUCTURES
from tests.export.programs import dense_program, edge_program
from tests.export.toolchain import (
    CORES,
    DATA_PATH,
    NEWEST,
    arm,
    emulate,
    forbidden_instructions,
    link,
    need,
    run,
    sources,
)

STACK = 1024  # bytes that the runtime may take at most, observer excluded
CODE = 12 * 1024


def exported(factory, bits):
    need("arm-none-eabi-gcc")
    target = factory.mktemp("exported") / "edge"
    export_c(edge_program(1, 3, bits=bits), target, name="edge", samples=8)
    return target


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return exported(tmp_path_factory, 8)


@pytest.fixture(scope="module", params=[8, 4], ids=["bytes", "packed"])
def folder(request, tmp_path_factory):
    return exported(tmp_path_factory, request.param)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_letters_and_membranes_are_equal_on_the_core(tmp_path, folder, core, level):
    need("qemu-system-arm")
    image = link(CORES[core], sources(folder), tmp_path / "edge.elf", level=level)
    done = emulate(CORES[core], image)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 samples equal" in done.stdout


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("bits", [8, 4])
def test_two_axes_are_equal_on_the_core(tmp_path, core, bits):
    need("arm-none-eabi-gcc", "qemu-system-arm")
    export_c(edge_program(2, 2, bits=bits), tmp_path / "two", name="two")
    image = link(CORES[core], sources(tmp_path / "two"), tmp_path / "two.elf")
    assert "4 of 4 samples equal" in emulate(CORES[core], image).stdout


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_every_width_of_a_block_and_the_largest_sums_are_equal_on_the_core(tmp_path, core, bits, level):
    need("arm-none-eabi-gcc", "qemu-system-arm")
    export_c(dense_program(bits), tmp_path / "dense", name="dense")
    image = link(CORES[core], sources(tmp_path / "dense"), tmp_path / "dense.elf", level=level)
    assert "4 of 4 samples equal" in emulate(CORES[core], image).stdout


def test_a_wrong_weight_is_found_on_the_core(tmp_path):
    need("arm-none-eabi-gcc", "qemu-system-arm")
    export_c(edge_program(1, 1), tmp_path / "c", name="edge")
    model = tmp_path / "c" / "edge_model.c"
    text = model.read_text()
    model.write_text(
        re.sub(r"(neuron1_rows\[\d+\] = \{\s+)(-?\d+)", lambda m: f"{m[1]}{int(m[2]) ^ 1}", text, count=1)
    )
    assert (
        emulate(CORES["M4"], link(CORES["M4"], sources(tmp_path / "c"), tmp_path / "c.elf")).returncode == 1
    )


def objects(folder, target, core, level, names=DATA_PATH):
    made = []
    for name in names:
        made.append(target / f"{name}.o")
        run(
            *arm(CORES[core], level),
            "-ffunction-sections",
            "-c",
            folder / f"{name}.c",
            "-o",
            made[-1],
            cwd=target,
        )
    return made


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3", "-Os"])
def test_the_data_path_neither_multiplies_nor_divides_nor_uses_floats(tmp_path, folder, core, level):
    need("arm-none-eabi-objdump")
    assert forbidden_instructions(objects(folder, tmp_path, core, level)) == []


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("v >= threshold[k]", "v * currents[k] >= threshold[k]"),
        ("v >= threshold[k]", "v / threshold[k + 1] >= threshold[k]"),
        ("v >= threshold[k]", "(int32_t)((float)v + 0.5f) >= threshold[k]"),
    ],
    ids=["product", "quotient", "float"],
)
def test_a_mutant_that_multiplies_is_found(tmp_path, plain, core, before, after):
    need("arm-none-eabi-objdump")
    for file in plain.glob("*.h"):
        (tmp_path / file.name).write_text(file.read_text())
    text = (plain / "neuron.c").read_text()
    assert before in text
    (tmp_path / "neuron.c").write_text(text.replace(before, after))
    assert forbidden_instructions(objects(tmp_path, tmp_path, core, "-O2", ["neuron"]))


@pytest.mark.parametrize("product", ["vmulq_s16(first, first)", "vmlaq_n_s16(first, first, 3)"])
def test_a_vector_multiplication_is_found(tmp_path, folder, product):
    need("arm-none-eabi-objdump")
    for file in folder.glob("*.[ch]"):
        (tmp_path / file.name).write_text(file.read_text())
    vectors = tmp_path / "gather_mve.h"
    before = "s.a = add(s.a, first);"
    assert before in vectors.read_text()
    vectors.write_text(vectors.read_text().replace(before, f"s.a = add(s.a, {product});"))
    assert forbidden_instructions(objects(tmp_path, tmp_path, "M55 MVE", "-O2", ["gather"]))


# Every multiplication of vectors, floating point of them, and two in a predicated block.
MULTIPLY = """
vmul.i16 q0,q1,q2; vmul.i32 q0,q1,r2; vmla.s16 q0,q1,r2; vmlas.u8 q0,q1,r2; vmulh.s16 q0,q1,q2; vrmulh.s16 q0,q1,q2
vmullb.s16 q0,q1,q2; vmullt.p8 q0,q1,q2; vqdmulh.s16 q0,q1,q2; vqrdmulh.s16 q0,q1,r2; vqdmullb.s16 q0,q1,q2
vqdmlah.s16 q0,q1,r2; vqrdmlah.s16 q0,q1,r2; vqdmlash.s16 q0,q1,r2; vqrdmlash.s16 q0,q1,r2; vqdmladh.s16 q0,q1,q2
vqrdmladhx.s16 q0,q1,q2; vqdmlsdh.s16 q0,q1,q2; vqrdmlsdhx.s16 q0,q1,q2; vmladava.s16 r0,q1,q2; vmlav.s16 r0,q1,q2
vmlaldavax.s16 r0,r1,q1,q2; vmlsdav.s16 r0,q1,q2; vmlsldav.s16 r0,r1,q1,q2; vrmlaldavh.s32 r0,r1,q1,q2
vrmlsldavh.s32 r0,r1,q1,q2; vmul.f32 q0,q1,r2; vcmul.f16 q0,q1,q2,#90; vcmla.f16 q0,q1,q2,#90; vfma.f32 q0,q1,r2
vfms.f16 q0,q1,q2; vadd.f16 q0,q1,q2; vsub.f32 q0,q1,r2; vabd.f32 q0,q1,q2; vcmp.f32 eq,q1,q2; vcvt.f32.s32 q0,q1
vrintm.f32 q0,q1; vmaxnm.f32 q0,q1,q2; vpst; vmult.i16 q0,q1,q2; vpst; vmlat.s16 q0,q1,r2
"""
PLAIN = """
vadd.i16 q0,q1,q2; vsub.i16 q0,q1,q2; vldrb.s16 q0,[r1,#8]; vpst; vldrbt.s16 q0,[r1]; vshl.s32 q0,r1; vstrw.32 q0,[r1]
vdup.16 q0,r1; vctp.16 r1; vmsr p0,r1; vmov q0,q1; dls lr,r1; vldrw.u32 q0,[r1,q2,uxtw #2]; vcmp.s32 ge,q0,q1
"""


def test_every_vector_multiplication_is_known_and_nothing_else_is_taken_for_one(tmp_path):
    need("arm-none-eabi-objdump")

    def found(text):
        lines = [line.strip() for line in text.replace(";", "\n").split("\n") if line.strip()]
        (tmp_path / "all.s").write_text("\n ".join((".syntax unified", ".thumb", *lines)) + "\n")
        command = arm(CORES["M55 MVE"])
        run(command[0], *command[1:4], "-c", tmp_path / "all.s", "-o", tmp_path / "all.o")
        return len(forbidden_instructions([tmp_path / "all.o"])), len([x for x in lines if x != "vpst"])

    hits, all_of_them = found(MULTIPLY)
    assert hits == all_of_them == 40
    assert found(PLAIN)[0] == 0


def stack_bytes(folder, target, core):
    """The deepest chain of calls, by the frames that the compiler reports and the calls in the disassembly."""
    names = [*DATA_PATH, *(["counts"] if (folder / "counts.c").exists() else []), "validate"]
    frames, calls = {}, {}
    for name in names:
        source, out = folder / f"{name}.c", target / f"{name}.o"
        run(*arm(CORES[core]), "-fstack-usage", "-c", source, "-o", out, cwd=target)
        for line in out.with_suffix(".su").read_text().splitlines():
            place, size, kind = line.split("\t")
            assert kind == "static", line  # no variable-length arrays, no alloca
            frames[place.rsplit(":", 1)[1].split(".")[0]] = int(size)
        here = None
        for line in run("arm-none-eabi-objdump", "-m", NEWEST, "-dr", out).stdout.splitlines():
            if found := re.match(r"[0-9a-f]+ <([\w.]+)>:", line):
                here = found[1].split(".")[0]
            elif found := re.search(
                r"R_ARM_THM_(?:CALL|JUMP24)\s+([\w.]+)|\tbl?x?(?:\.w)?\t[0-9a-f]+ <([\w.]+)(?:\+0x\w+)?>",
                line,
            ):
                calls.setdefault(here, set()).add((found[1] or found[2]).split(".")[0])
    # a backend is called through pointers
    calls.setdefault("sl_run_with", set()).update(("sl_execute", "enter", "enter_events"))

    def depth(function, above=()):
        assert function not in above, f"recursion through {function}"
        below = [
            depth(f, (*above, function)) for f in calls.get(function, ()) if f in frames and f != function
        ]
        return frames[function] + max(below, default=0)

    entries = ("sl_run", "sl_step", "sl_continue", "sl_step_events", "sl_validate")
    return max(depth(entry) for entry in entries if entry in frames)


@pytest.mark.parametrize("core", CORES)
def test_the_stack_has_a_bound_and_no_recursion(tmp_path, folder, core):
    need("arm-none-eabi-objdump")
    deepest = stack_bytes(folder, tmp_path, core)
    assert 0 < deepest <= STACK


@pytest.mark.parametrize("core", CORES)
def test_the_code_of_the_runtime_is_small(tmp_path, folder, core):
    need("arm-none-eabi-size")
    listing = run(
        "arm-none-eabi-size", *objects(folder, tmp_path, core, "-O2", [*DATA_PATH, "validate"])
    ).stdout
    rows = [line.split() for line in listing.splitlines()[1:]]
    assert sum(int(row[0]) for row in rows) < CODE
    assert all(row[1:3] == ["0", "0"] for row in rows)  # no globals


def test_the_report_counts_flash_as_the_compiler_does(tmp_path, folder):
    checks = "\n".join(f'_Static_assert(sizeof(sl_{n}) == {s}, "{n}");' for n, s in STRUCTURES.items())
    (tmp_path / "sizes.c").write_text(f'#include "shiftlif.h"\n{checks}\n')
    run(
        "arm-none-eabi-gcc",
        "-mthumb",
        "-mcpu=cortex-m4",
        "-c",
        f"-I{folder}",
        tmp_path / "sizes.c",
        "-o",
        tmp_path / "sizes.o",
    )
    run(*arm(CORES["M4"]), "-c", folder / "edge_model.c", "-o", tmp_path / "model.o")
    listing = run("arm-none-eabi-objdump", "-h", tmp_path / "model.o").stdout
    sections = re.findall(r"^\s*\d+ (\.rodata\S*|\.data\.rel\.ro\S*)\s+([0-9a-f]{8})", listing, re.MULTILINE)
    reported = json.loads((folder / "report.json").read_text())["flash"]["const data"]
    names = 200  # of classes and layers, with their pointers
    assert reported <= sum(int(size, 16) for _, size in sections) <= reported + names
