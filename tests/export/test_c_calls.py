"""Events in place of frames, and more steps of the last frame, as exported: on this machine and on cores."""

import pytest

from shiftlif.export import export_c
from tests.export.programs import counting_program, edge_program
from tests.export.test_c_cores import CODE, STACK, objects, stack_bytes
from tests.export.toolchain import (
    CORES,
    DATA_PATH,
    WARNINGS,
    emulate,
    forbidden_instructions,
    link,
    need,
    need_sanitizers,
    run,
    sources,
)

SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")

# The exit code says which check failed. Two arenas are equal where every letter is.
CONTINUED = """
#include "edge_model.h"
#include <string.h>
static edge_state whole, parts;
static edge_arena a, b;
static int check(uint32_t first, uint32_t more, const int8_t *frame) {
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    edge_reset(&whole);
    edge_reset(&parts);
    if (sl_run(&edge_program, &whole, &a, frame, first + more, NULL, NULL) != SL_OK) return 1;
    if (sl_run(&edge_program, &parts, &b, frame, first, NULL, NULL) != SL_OK) return 2;
    if (more != 0u && edge_continue(&parts, &b, more) != SL_OK) return 3;
    if (memcmp(&whole, &parts, sizeof whole) != 0) return 4;
    return memcmp(&a, &b, sizeof a) != 0 ? 5 : 0;
}
int main(void) {
    uint32_t sample, first;
    for (sample = 0; sample < edge_self_test_samples; sample++) {
        const int8_t *frame = edge_self_test_frames + sample * EDGE_FRAMES * EDGE_FRAME_SIZE;
        for (first = 1; first < 4u; first++) {
            const int bad = check(first, 4u - first, frame);
            if (bad != 0) return bad;
        }
    }
    edge_reset(&parts);
    if (edge_continue(&parts, &b, 1) != SL_E_STATE || sl_steps_made(&parts) != 0u) return 6; /* no frame yet */
    if (edge_step(&parts, &b, edge_self_test_frames) != SL_OK || edge_continue(&parts, &b, 0) != SL_E_STEPS) return 7;
    if (edge_continue(&parts, &b, 8) != SL_E_STEPS || edge_continue(&parts, &b, 7) != SL_OK) return 8; /* of 8 */
    if (edge_continue(&parts, &b, 1) != SL_E_STEPS || sl_steps_made(&parts) != 8u) return 9;
    if (edge_continue(NULL, &b, 1) != SL_E_NULL || edge_continue(&parts, NULL, 1) != SL_E_NULL) return 10;
    if (sl_continue(&edge_program, &parts, (uint8_t *)&b + 1, 1, NULL, NULL) != SL_E_BUFFER) return 11;
    memset(&parts, 0, sizeof parts);
    return edge_continue(&parts, &b, 1) == SL_E_STATE ? 0 : 12;
}
"""
EVENTS = """
#include "edge_model.h"
#include <string.h>
static edge_state framed, listed, before;
static edge_arena a, b;
static sl_event events[3 * EDGE_FRAME_SIZE];
/* Backwards, the counts in two parts where there are more than one, and places at the limit with more than that. */
static size_t list(const int8_t *frame) {
    size_t count = 0;
    uint32_t i;
    for (i = EDGE_FRAME_SIZE; i-- != 0u;) {
        const uint32_t there = (uint32_t)frame[i];
        if (there > 1u) {
            events[count].index = i;
            events[count++].count = 1;
        }
        if (there != 0u) {
            events[count].index = i;
            events[count++].count = there > 1u ? there - 1u : 1u;
        }
        if (there == EDGE_LIMIT || i % 7u == 0u) { /* else a count of 0 is nothing */
            events[count].index = i;
            events[count++].count = there == EDGE_LIMIT ? EDGE_LIMIT : 0u;
        }
    }
    return count;
}
static int refused(uint32_t index, uint32_t number) {
    const sl_event wrong[3] = {{0, 1}, {index, number}, {1, 1}};
    memset(&a, 77, sizeof a);
    memset(&b, 77, sizeof b);
    memcpy(&before, &listed, sizeof listed);
    return edge_step_events(&listed, &a, wrong, 3) == SL_E_EVENT && memcmp(&listed, &before, sizeof listed) == 0 &&
           memcmp(&a, &b, sizeof a) == 0;
}
int main(void) {
    uint32_t sample, t;
    for (sample = 0; sample < edge_self_test_samples; sample++) {
        const int8_t *frame = edge_self_test_frames + sample * EDGE_FRAMES * EDGE_FRAME_SIZE;
        edge_reset(&framed);
        edge_reset(&listed);
        memset(&a, 0, sizeof a);
        memset(&b, 0, sizeof b);
        for (t = 0; t < EDGE_FRAMES; t++, frame += EDGE_FRAME_SIZE) {
            if (edge_step(&framed, &a, frame) != SL_OK) return 1;
            if (edge_step_events(&listed, &b, events, list(frame)) != SL_OK) return 2;
            if (memcmp(&framed, &listed, sizeof framed) != 0) return 3;
            if (memcmp(&a, &b, sizeof a) != 0) return 4;
        }
        if (edge_continue(&framed, &a, 2) != SL_OK || edge_continue(&listed, &b, 2) != SL_OK) return 5;
        if (memcmp(&framed, &listed, sizeof framed) != 0) return 6;
    }
    edge_reset(&listed);
    if (!refused(EDGE_FRAME_SIZE, 1) || !refused(0xFFFFFFFFu, 1) || !refused(0x80000000u, 0)) return 7;
    if (!refused(0, EDGE_LIMIT + 1u) || !refused(0, 0xFFFFFFFFu)) return 8;
    if (edge_step_events(&listed, &b, NULL, 1) != SL_E_NULL) return 9;
    if (edge_step_events(&listed, NULL, events, 1) != SL_E_NULL) return 9;
    if (edge_step_events(&listed, &b, NULL, 0) != SL_OK || sl_steps_made(&listed) != 1u) return 10; /* silence */
    for (t = 1; t < EDGE_MAX_STEPS; t++) {
        if (edge_step_events(&listed, &b, NULL, 0) != SL_OK) return 11;
    }
    if (edge_step_events(&listed, &b, NULL, 0) != SL_E_STEPS) return 12;
    memset(&listed, 0, sizeof listed);
    return edge_step_events(&listed, &b, NULL, 0) == SL_E_STATE ? 0 : 13;
}
"""


def exported(folder, program, main, **options):
    export_c(program, folder, name="edge", **options)
    if main:
        (folder / "main.c").write_text(main)
    return folder


def run_here(compiler, folder, program):
    """Builds an exported folder under the sanitizers and runs it; what fails there fails here."""
    command = (compiler, "-std=c99", "-O2", *WARNINGS, "-Wpedantic", *SANITIZED)
    run(*command, *sources(folder), "-o", program)
    run(program)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(("axes", "steps"), [(1, 1), (2, 4)])
def test_more_steps_are_those_of_one_call(tmp_path, compiler, cached, axes, steps):
    need(compiler)
    need_sanitizers(compiler, tmp_path)
    folder = exported(tmp_path / "c", edge_program(axes, steps), CONTINUED, cached=cached)
    run_here(compiler, folder, tmp_path / "t")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("limit", [1, 3, 127])
@pytest.mark.parametrize(("axes", "temporal"), [(1, True), (2, True), (2, False)])
def test_events_are_the_frames_that_count_them(tmp_path, compiler, limit, axes, temporal):
    need(compiler)
    need_sanitizers(compiler, tmp_path)
    folder = exported(tmp_path / "c", counting_program(axes, limit, temporal=temporal), EVENTS)
    run_here(compiler, folder, tmp_path / "t")


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_events_and_more_steps_are_equal_on_the_core(tmp_path, core, level):
    need("arm-none-eabi-gcc", "qemu-system-arm")
    for name, program, main in (
        ("events", counting_program(1, 3), EVENTS),
        ("continued", edge_program(1, 4), CONTINUED),
    ):
        folder = exported(tmp_path / name, program, main)
        done = emulate(CORES[core], link(CORES[core], sources(folder), tmp_path / f"{name}.elf", level=level))
        assert done.returncode == 0, f"{name}: check {done.returncode}"


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3", "-Os"])
def test_counting_events_neither_multiplies_nor_divides_and_code_and_stack_stay_small(tmp_path, core, level):
    need("arm-none-eabi-objdump", "arm-none-eabi-size")
    folder = exported(tmp_path / "c", counting_program(2, 1), None)
    made = objects(folder, tmp_path, core, level, [*DATA_PATH, "counts"])
    assert forbidden_instructions(made) == []
    if level == "-O2":
        made += objects(folder, tmp_path, core, level, ["validate"])
        rows = [line.split() for line in run("arm-none-eabi-size", *made).stdout.splitlines()[1:]]
        assert sum(int(row[0]) for row in rows) < CODE
        assert all(row[1:3] == ["0", "0"] for row in rows)  # no globals
        assert 0 < stack_bytes(folder, tmp_path, core) <= STACK


def test_the_self_test_of_a_program_that_reads_counts_passes(tmp_path):
    need("cc", "make")
    folder = exported(tmp_path / "c", counting_program(2, 3), None)
    assert "4 of 4 samples equal" in run("make", "test", cwd=folder).stdout


def test_events_are_exported_where_the_program_reads_counts_only(tmp_path):
    counted = export_c(counting_program(1, 3), tmp_path / "counted", name="edge")
    plain = export_c(edge_program(1, 3), tmp_path / "plain", name="edge")
    assert set(counted.files) - set(plain.files) == {"counts.c"}
    header, readme = ((tmp_path / "counted" / name).read_text() for name in ("edge_model.h", "README.md"))
    assert "#define EDGE_LIMIT 3u" in header
    assert "edge_step_events" in header
    assert "edge_step_events" in readme
    for name in ("edge_model.h", "edge_model.c", "README.md"):
        assert "step_events" not in (tmp_path / "plain" / name).read_text()


def test_a_program_that_reads_no_counts_refuses_events(tmp_path):
    """The runtime of the package has the call for every program."""
    need("gcc")
    folder = exported(tmp_path / "c", counting_program(1, 3), None)
    model = folder / "edge_model.c"
    assert ".limit = 3u" in model.read_text()
    model.write_text(model.read_text().replace(", .limit = 3u", ""))
    (folder / "main.c").write_text(
        '#include "edge_model.h"\nstatic edge_state s;\nstatic edge_arena a;\nint main(void) {\n'
        "    if (edge_validate() != SL_OK || edge_reset(&s) != SL_OK) return 1;\n"
        "    return edge_step_events(&s, &a, NULL, 0) == SL_E_EVENT ? 0 : 2;\n}\n"
    )
    run("gcc", "-std=c99", *WARNINGS, *sources(folder), "-o", tmp_path / "t")
    run(tmp_path / "t")


def test_the_examples_of_the_readme_compile_as_c_and_as_cpp(tmp_path):
    need("gcc", "g++")
    folder = exported(tmp_path / "c", counting_program(1, 3, temporal=False), None)
    blocks = (folder / "README.md").read_text().split("```c\n")[1:]
    assert len(blocks) == 3
    text = "".join(block.split("```")[0] for block in blocks)
    assert "edge_continue" in text
    for compiler, standard, name in (("gcc", "-std=c99", "use.c"), ("g++", "-std=c++17", "use.cpp")):
        (folder / name).write_text(text)
        run(compiler, standard, *WARNINGS, "-c", folder / name, "-o", tmp_path / "use.o")
