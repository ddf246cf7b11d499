"""Instructions from ticks, on a core where there is one; targets by numbers that a person can check."""

import numpy as np
import pytest
from benchmarks.mcu.measure import equal_on_core
from benchmarks.mcu.render import ram_factor, reached, render

from benchmarks.mcu import cores
from tests.export.programs import edge_program
from tests.export.toolchain import need

KNOWN = """
#include "contender.h"
static int32_t scores[2];
const int32_t *contender_infer(const int8_t *frame) {
    uint32_t n = (uint8_t)frame[0];
    scores[0] = frame[1];
    scores[1] = -7;
    __asm__ volatile("1: subs %0, %0, #1\\n\\tbne 1b" : "+r"(n) : : "cc");
    return scores;
}
"""


@pytest.mark.parametrize("core", cores.COUNTED)
def test_a_loop_of_known_length_is_counted(tmp_path, core):
    need(*cores.TOOLS)
    (tmp_path / "known.c").write_text(KNOWN)
    frames = np.array([[10, 5], [110, -6]], np.int8)
    found = cores.count(cores.CORES[core], [tmp_path / "known.c"], frames, 2, tmp_path / "made", "-O2")
    assert abs(found.instructions[1] - found.instructions[0] - 200) <= 3
    assert found.scores.tolist() == [[5, -7], [-6, -7]]


def test_ticks_are_scaled_by_the_loops():
    found = cores.parse("loops 4000 44000\nsample 100 3 -4\nsample 20 5 6\n")  # 5 instructions a tick
    assert found.instructions == [500, 100]
    assert found.scores.tolist() == [[3, -4], [5, 6]]


def test_what_is_too_large_for_a_machine_runs_where_there_is_room_and_says_so(tmp_path, monkeypatch):
    need(*cores.TOOLS)
    program = edge_program(1, 1)
    x = np.zeros((2, *program.input_shape), np.int8)
    small = cores.Core("cortex-m0", "microbit", "32K", "16K")
    monkeypatch.setitem(cores.CORES, "M0", small)
    found = equal_on_core("M0", program, x, tmp_path / "c")
    assert (found["samples"], found["of"], found["machine"]) == (2, 2, "mps2-an385")
    assert "overflowed by" in found["note"]


def row(ours, dense, accuracy):
    counts = {"M4": [ours], "M55": [ours]}
    own = {"instructions": counts, "accuracy": accuracy, "code": 12_287, "flash": 1, "ram": 130}
    return {
        "shape": "digits dense",
        "steps": 1,
        "inputs": "letters",
        "counted samples": 1,
        "density": {"letters": 0.25, "input": 1.0, "digits": 2.5},
        "ours": {**own, "membranes": 60, "largest activation": 40},
        "dense": {"instructions": {"M4": [dense], "M55": [dense]}, "accuracy": 0.9, "flash": 1, "ram": 1},
        "equality": {place: {"samples": 50, "of": 50} for place in ("host", "M0", "M4", "M55")},
    }


@pytest.mark.parametrize(
    ("ours", "accuracy", "expected"),
    [(500, 0.9, True), (501, 0.9, False), (500, 0.8901, True), (500, 0.8899, False)],
)
def test_the_target_is_half_the_instructions_within_a_point(ours, accuracy, expected):
    assert reached(row(ours, 1000, accuracy)) is expected


def test_the_page_says_what_is_reached_and_prints_density_and_steps_with_every_ratio():
    document = {"quick": False, "versions": {"gcc": "gcc 1"}, "rows": [row(600, 1000, 0.9)]}
    assert ram_factor(document["rows"][0]) == 1.3
    text = render(document)
    assert "| digits dense | 1 | letters | 25.0 % | 2.50 | 90.0 | 90.0 | 600 | 1,000 | **0.60** |" in text
    assert "code of the runtime under 12 KB | **reached**" in text
    assert (
        "RAM under 1.3 times the membranes and the largest activation | **not reached** (0 of 1 are)" in text
    )
    assert text.count("equal on M") == 3
