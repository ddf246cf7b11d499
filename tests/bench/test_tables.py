import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.bench.figure import pareto_figure
from shiftlif.bench.render import OPERATIONS, page, write_all
from shiftlif.bench.rows import make_rows
from shiftlif.bench.store import packed, unpacked
from shiftlif.bench.tables import (
    MARKS,
    Table,
    accuracy_table,
    between_marks,
    comma_separated,
    cost_table,
    energy_table,
    latex,
    markdown,
    summary_table,
)
from shiftlif.errors import DataError

from .literal import record

# LIF: 50 and 70 %; ShiftLIF: 60 and 100 %: differences 10 and 30 points, so p = 1 - 2 atan(2) / pi = 0.295.
# Over samples the differences of both seeds sum to 1, 1, 2 (three samples) and 0 and -1: see below.
LIF = ([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
SHIFT = ([1, 1, 1, 1, 0, 1, 1, 0, 0, 0], [1] * 10)


def records():
    return [
        *(record(seed=seed, correct=LIF[seed], operations=2000.0) for seed in (0, 1)),
        *(record(neuron="Shift_1", seed=seed, correct=SHIFT[seed], operations=1500.0) for seed in (0, 1)),
        record(neuron="Shift_1", steps=1, correct=LIF[0], operations=500.0),
        record(neuron="GLIF", correct=LIF[1], deploy={"refused": "layer glif1 (GLIF) cannot be compiled"}),
    ]


@pytest.fixture
def rows():
    return make_rows(records(), baseline="LIF")


def test_rows_hold_mean_deviation_and_both_tests(rows):
    assert [(row.neuron, row.steps) for row in rows] == [
        ("LIF", 4),
        ("Shift_1", 4),
        ("GLIF", 4),
        ("Shift_1", 1),
    ]
    lif, shift, _, once = rows
    assert lif.figures["accuracy"].mean == pytest.approx(60)
    assert lif.figures["accuracy"].deviation == pytest.approx(200**0.5)
    assert (lif.same, lif.largest, lif.exact) == (None, None, (2, 2))
    assert shift.same == shift.largest
    assert shift.same.points == pytest.approx(20)
    assert shift.same.p_seeds == pytest.approx(1 - 2 * np.arctan(2) / np.pi)
    # sums over seeds: sample 4 -1, samples 5, 6, 7, 8, 9 1 each, of 6 coins at least +-4: 2 (1 + 6) / 64
    assert shift.same.p_samples == pytest.approx(14 / 64)
    assert shift.same.operations == 0.75
    assert once.same is None
    assert (once.largest.steps, once.largest.points, once.largest.operations) == (4, 0, 0.25)
    assert once.largest.p_seeds is None


@pytest.mark.parametrize(
    ("ours", "theirs", "paired"),
    [("d1", "d1", True), (None, None, True), ("d1", "d2", False), ("d1", None, False)],
)
def test_samples_are_paired_only_where_they_are_the_same(ours, theirs, paired):
    def of(data):
        return {} if data is None else {"test_data": data}

    rows = make_rows(
        [record(correct=LIF[0], **of(theirs)), record(neuron="Shift", correct=SHIFT[0], **of(ours))],
        baseline="LIF",
    )
    assert (rows[1].same.p_samples is not None) is paired
    assert rows[1].same.points == pytest.approx(10)


def test_a_program_that_was_refused_leaves_the_figures_of_the_others():
    program = {"accuracy": 0.5, "bit_exact": True}
    made = record(correct=LIF[0], deploy={"int8": program, "refused": "int4: an accumulator could overflow"})
    (row,) = make_rows([made], baseline="LIF")
    assert (row.figures["int8.accuracy"].mean, row.exact) == (50, (1, 1))
    assert "Programs that were refused:\n\n- LIF: int4: an accumulator" in page(
        [row], "LIF", missing=0, figure="p"
    )


def test_the_order_of_the_recipe_is_kept():
    order = [("toy", "GLIF", 4), ("toy", "Shift_1", 4), ("toy", "LIF", 4)]
    rows = make_rows(records(), baseline="LIF", order=order)
    assert [row.neuron for row in rows] == ["GLIF", "Shift_1", "LIF", "Shift_1"]


def test_without_the_baseline_there_is_no_comparison():
    rows = make_rows(records(), baseline="absent")
    assert {(row.same, row.largest) for row in rows} == {(None, None)}
    assert "absent" not in page(rows, "absent", missing=0, figure="b.png")


def test_the_accuracy_table_is_what_a_person_would_write(rows):
    text = markdown(accuracy_table(rows, "LIF")).splitlines()
    assert text[0] == (
        "| data set | T | neuron | seeds | parameters | float % | int8 % | against LIF, same T | "
        "against LIF, largest T | ECE | bit-exact programs |"
    )
    assert text[2] == "| toy | 4 | LIF | 2 | 1,234 | 60.00 ± 14.14 | 60.00 ± 14.14 |  |  | 0.250 | 2 of 2 |"
    compared = "+20.00 (p 0.295; samples 0.219)"
    assert text[3] == (
        f"| toy | 4 | Shift_1 | 2 | 1,234 | 80.00 ± 28.28 | 80.00 ± 28.28 | {compared} | {compared} | 0.250 | 2 of 2 |"
    )
    assert text[4].startswith("| toy | 4 | GLIF | 1 | 1,234 | 70.00 | – | +20.00 (p –; samples 0.500)")
    assert text[4].endswith("| none |")


def test_the_cost_table_counts_against_the_baseline_at_its_largest_t(rows):
    lines = [line.split(" | ") for line in markdown(cost_table(rows, "LIF")).splitlines()]
    assert lines[0][4:8] == [
        "events / neuron / step",
        "synaptic operations",
        "x LIF, largest T",
        "dense MACs",
    ]
    assert lines[2][4:8] == ["0.100", "2,000", "", "5,000"]
    assert lines[5][4:8] == ["0.100", "500", "0.25", "5,000"]


def test_energy_is_compared_with_the_opponent_of_equal_weights():
    def program(naive, arithmetic, memory):
        nanojoules = {"naive": naive, "arithmetic": arithmetic, "memory": 9.0, "memory_best": memory}
        fired = {"letter_distance": 0.0125, "layers": []}
        return {"int4": {"accuracy": 0.5, "bit_exact": True, "energy": nanojoules, "behaviour": fired}}

    rows = make_rows(
        [
            record(correct=[1, 0], deploy=program(3.0, 2.0, 8.0)),
            record(neuron="QuantReLU", steps=1, correct=[1, 0], deploy=program(6.0, 1.0, 4.0)),
            record(dataset="other", correct=[1, 0], deploy={"refused": "no"}),
        ],
        baseline="LIF",
    )
    table = energy_table(rows, "QuantReLU")
    assert table.columns[4:] == ("int4 naive", "int4 arithmetic", "int4 memory best", "int4 EMD")
    assert [cells[4:] for cells in table.cells] == [
        ("3.0 (0.50)", "2.0 (2.00)", "8.0 (2.00)", "0.0125"),
        ("6.0", "1.0", "4.0", "0.0125"),
        ("–", "–", "–", "–"),
    ]
    assert energy_table(rows, None).cells[0][4] == "3.0"


def test_the_summary_has_a_line_for_each_t(rows):
    assert markdown(summary_table(rows)).splitlines()[2:] == [
        "| toy, T=4 | 60.0 ± 14.1 (0.00 M) | 80.0 ± 28.3 (0.00 M) | 70.0 (0.00 M) |",
        "| toy, T=1 |  | 50.0 (0.00 M) |  |",
    ]


def test_the_csv_holds_every_figure_unrounded(rows):
    lines = list(csv.DictReader(io.StringIO(comma_separated(rows))))
    assert [line["neuron"] for line in lines] == ["LIF", "Shift_1", "GLIF", "Shift_1"]
    assert float(lines[0]["accuracy.sd"]) == pytest.approx(200**0.5)
    assert float(lines[1]["largest.p_seeds"]) == pytest.approx(0.2951672)
    assert (lines[2]["int8.accuracy.mean"], lines[2]["refused"]) == (
        "",
        "layer glif1 (GLIF) cannot be compiled",
    )
    assert (lines[3]["same.points"], lines[3]["largest.operations"]) == ("", "0.25")


def test_latex_prints_names_as_they_are():
    table = Table("t", ("a_b", "50 %"), (("x & y \\ {z}", "1.0 ± 0.1"), ("#$^~", "−2 < 3")))
    assert latex(table).splitlines()[1:] == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a\_b & 50 \% \\",
        r"\midrule",
        r"x \& y \textbackslash{} \{z\} & 1.0 $\pm$ 0.1 \\",
        r"\#\$\textasciicircum{}\textasciitilde{} & $-$2 $<$ 3 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_markdown_cells_cannot_break_the_table():
    assert markdown(Table("t", ("a|b",), (("c|d",),))) == "| a\\|b |\n|---|\n| c\\|d |\n"


def test_a_page_keeps_everything_but_what_stands_between_its_marks():
    before = f"top\n{MARKS[0]}\nold\n{MARKS[1]}\nbottom\n"
    assert between_marks(before, "new\n") == f"top\n{MARKS[0]}\nnew\n{MARKS[1]}\nbottom\n"
    with pytest.raises(DataError, match="no place for a table"):
        between_marks("top\n", "new\n")


def test_the_summary_shows_the_neurons_of_every_data_set():
    everywhere = [record(dataset, correct=LIF[0]) for dataset in ("a", "b")]
    rows = make_rows([*everywhere, record("a", "Rare", correct=LIF[0])], baseline="LIF")
    assert summary_table(rows).columns == ("", "LIF")


def test_the_page_says_what_is_missing_and_what_does_not_compile(rows):
    text = page(rows, "LIF", missing=3, figure="b.png")
    assert "3 runs of the recipe have no record yet." in text
    assert "- GLIF: layer glif1 (GLIF) cannot be compiled" in text
    assert "![Accuracy against cost](b.png)" in text
    assert "no record yet" not in page(rows, "LIF", missing=0, figure="b.png")


def test_everything_is_written_beside_the_records(rows, tmp_path):
    files = write_all(rows, tmp_path / "b.jsonl", baseline="LIF", missing=0)
    assert sorted(path.name for path in files) == ["b.csv", "b.md", "b.tex", "b_pareto.png"]
    assert (tmp_path / "b_pareto.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_and_a_missing_folder_are_said(rows, tmp_path):
    with pytest.raises(DataError, match="nothing to draw"):
        pareto_figure([], [OPERATIONS], tmp_path / "p.png")
    with pytest.raises(DataError, match="cannot be written"):
        pareto_figure(rows, [OPERATIONS], tmp_path / "no" / "p.png")


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_right_answers_survive_their_packing(right):
    assert unpacked(packed(np.array(right)), len(right)).tolist() == right
