import pytest

from shiftlif.bench.headline import headline_table, standard_error
from shiftlif.bench.recipe import Recipe
from shiftlif.bench.render import headline_of, page
from shiftlif.bench.rows import make_rows
from shiftlif.bench.statistics import Summary, summarise

from .literal import record


def right(n):
    """``n`` of ten answers are right."""
    return [1] * n + [0] * (10 - n)


def runs(neuron, steps, *counts, operations=1000.0, dataset="toy"):
    return [
        record(dataset, neuron, steps, seed, correct=right(n), operations=operations)
        for seed, n in enumerate(counts)
    ]


RECORDS = [
    *runs("LIF", 4, 5, 7, operations=2000.0),  # 60 ± 14.14
    *runs("LIF", 1, 2, 2),
    *runs("Shift", 4, 8, 8, operations=4000.0),  # 80 ± 0
    *runs("Shift", 1, 7, 8, operations=1000.0),  # 75 ± 7.07
    *runs("QB", 2, 9, 8),  # 85 ± 7.07
    *runs("ReLU", 1, 9, 9),
]
RECIPE = Recipe(
    datasets={"toy": {}},
    neurons={"Shift": {}, "LIF": {}, "QB": {}, "ReLU": {"kind": "ReLU"}},
    subject="Shift",
)


def test_the_headline_compares_the_smallest_t_with_the_largest_and_the_best_with_the_best():
    table = headline_of(RECIPE, make_rows(RECORDS, baseline="LIF"))
    assert dict(zip(table.columns, table.cells[0], strict=True)) == {
        "data set": "toy",
        "Shift %": "75.00 ± 7.07 (T=1)",
        "− LIF, largest T": "+15.00 ± 11.18",  # sqrt(14.14^2 / 2 + 7.07^2 / 2)
        "operations x LIF": "0.50",
        "best of its T %": "80.00 ± 0.00 (T=4)",
        "best other neuron": "QB T=2: 85.00 ± 7.07",
        "difference": "−5.00 ± 5.00",
        "− ReLU": "−15.00 ± 5.00",
    }


def test_what_was_not_run_is_absent():
    rows = make_rows([*runs("Shift", 1, 7), *runs("LIF", 4, 6, dataset="other")], baseline="LIF")
    table = headline_table(rows, subject="Shift", baseline="LIF", silent=("ReLU",), reference="ReLU")
    assert table.cells == (("toy", "70.00 (T=1)", "–", "–", "70.00 (T=1)", "–", "–", "–"),)


def test_one_run_has_no_standard_error():
    assert standard_error(summarise([1.0, 3.0]), Summary(2.0, None, 1)) is None
    assert standard_error(summarise([1.0, 3.0]), summarise([1.0, 3.0])) == pytest.approx(2**0.5)


def test_the_page_begins_with_the_headline_where_there_is_a_subject():
    rows = make_rows(RECORDS, baseline="LIF")
    with_subject = page(rows, "LIF", headline=headline_of(RECIPE, rows), missing=0, figure="b.png")
    assert with_subject.index("| data set | Shift %") < with_subject.index("| data set | T | neuron")
    without = headline_of(RECIPE.model_copy(update={"subject": None}), rows)
    assert without is None
    assert "Shift %" not in page(rows, "LIF", headline=without, missing=0, figure="b.png")
