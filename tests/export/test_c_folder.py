"""What ``export_c`` writes and refuses; no compiler needed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from shiftlif.errors import ProgramError
from shiftlif.export import export_c
from shiftlif.export.c_tables import text_literal
from tests.export.programs import edge_program


def test_a_folder_holds_model_runtime_test_and_report(tmp_path):
    made = export_c(edge_program(1, 2), tmp_path / "c", name="edge")
    written = [p for p in (tmp_path / "c").rglob("*") if p.is_file()]
    assert sorted(str(p.relative_to(tmp_path / "c")) for p in written) == list(made.files)
    assert {
        "edge_model.c",
        "edge_model.h",
        "edge_vectors.c",
        "edge_quantize.h",
        "main.c",
        "shiftlif.h",
    } <= set(made.files)
    assert json.loads((tmp_path / "c" / "report.json").read_text()) == made.report
    assert made.report["digest"] == edge_program(1, 2).digest()


def test_the_folder_is_titled_by_its_name_and_says_what_the_program_was_trained_on(tmp_path):
    program = edge_program(1, 2)
    export_c(program, tmp_path / "c", name="doorbell")
    readme = (tmp_path / "c" / "README.md").read_text()
    assert readme.startswith("# doorbell\n")
    assert f"`{program.digest()}`, trained on hostile __ title_second line." in readme
    for file in ("doorbell_model.c", "doorbell_model.h"):
        assert (tmp_path / "c" / file).read_text().startswith("/* doorbell"), file
    nameless = replace(program, metadata={})
    export_c(nameless, tmp_path / "d")
    assert f"`{nameless.digest()}`.\n" in (tmp_path / "d" / "README.md").read_text()


def test_only_the_needed_files_of_the_runtime_are_written(tmp_path):
    from tests.program.strategies import random_program

    program = next(
        p
        for p in map(random_program, range(50))
        if not any(type(o).__name__.endswith("Pool") for o in p.operations)
    )
    assert "pool.c" not in export_c(program, tmp_path / "c").files


def test_the_same_program_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        export_c(edge_program(2, 1), tmp_path / name)
    contents = [
        {p.name: p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()} for name in ("a", "b")
    ]
    assert contents[0] == contents[1]


def test_report_counts_bytes_that_can_be_checked_by_hand(tmp_path):
    report = export_c(edge_program(1, 1), tmp_path / "c").report
    # 3 taps x 6 inputs x 12 outputs, 3 x 12 x 20, and 40 x 5 outputs padded to 8
    assert report["flash"]["weights"] == 3 * 6 * 12 + 3 * 12 * 20 + 40 * 8
    assert report["ram"]["largest activation"] == 12 * 20
    assert report["ram"]["state"] >= report["ram"]["membranes"] + 4 * 5 + 8


def test_weights_of_4_bits_take_half_a_byte_where_the_program_has_no_others(tmp_path):
    whole = 3 * 6 * 12 + 3 * 12 * 20 + 40 * 8
    program = edge_program(1, 1, bits=4)
    packed = export_c(program, tmp_path / "c").report
    assert packed["flash"]["weights"] == whole // 2
    assert export_c(program, tmp_path / "c", packed=False).report["flash"]["weights"] == whole
    assert packed["flash"]["const data"] == sum(
        n for key, n in packed["flash"].items() if key != "const data"
    )


@pytest.mark.parametrize("name", ["", "Edge", "1edge", "ed-ge", "a" * 41, "edge "])
def test_a_name_that_is_no_prefix_is_refused(tmp_path, name):
    with pytest.raises(ProgramError, match=r"export: name is .* prefix of C identifiers"):
        export_c(edge_program(1, 1), tmp_path / "c", name=name)


def test_a_foreign_folder_is_left_alone_and_an_earlier_export_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ProgramError, match="no earlier export"):
        export_c(edge_program(1, 1), tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    export_c(edge_program(1, 1), tmp_path / "c", name="old")
    export_c(edge_program(1, 1), tmp_path / "c", name="new")
    assert not (tmp_path / "c" / "old_model.c").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_vectors_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ProgramError, match="vectors have shape"):
        export_c(edge_program(1, 1), tmp_path / "c", vectors=np.zeros((2, 3, 6, 20), np.int8))
    with pytest.raises(ProgramError, match="input: shape"):
        export_c(edge_program(1, 1), tmp_path / "c", vectors=np.zeros((2, 7, 20), np.int8))
    assert not (tmp_path / "c").exists()


def test_any_class_name_becomes_a_literal():
    assert text_literal('a"b\\c') == '"a\\042b\\134c"'
    assert text_literal("??/") == '"\\077\\077/"'
    assert text_literal("ä") == '"\\303\\244"'
