from shiftlif.bench.headline import headline_table
from shiftlif.bench.recipe import Recipe
from shiftlif.bench.render import headline_of, page
from shiftlif.bench.rows import make_rows

from .literal import record


def right(n):
    """``n`` of ten answers are right."""
    return [1] * n + [0] * (10 - n)


def runs(neuron, steps, *counts, operations=1000.0, dataset="toy", validation=None, first=0):
    return [
        record(
            dataset,
            neuron,
            steps,
            seed,
            correct=right(n),
            operations=operations,
            validation=validation,
        )
        for seed, n in enumerate(counts, start=first)
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


def headline(records):
    table = headline_of(RECIPE, make_rows(records, baseline="LIF"))
    return dict(zip(table.columns, table.cells[0], strict=True))


def test_the_headline_compares_the_smallest_t_with_the_largest_and_the_best_with_the_best():
    assert headline(RECORDS) == {
        "data set": "toy",
        "Shift %": "75.00 ± 7.07 (T=1)",
        "− LIF, largest T": "+15.00 ± 5.00",  # +20 and +10: deviation 7.07, over sqrt(2)
        "operations x LIF": "0.50",
        "best of its T %": "80.00 ± 0.00 (T=4)",
        "best other neuron": "QB T=2: 85.00 ± 7.07",
        "difference": "−5.00 ± 5.00",  # -10 and 0
        "− ReLU": "−15.00 ± 5.00",  # -20 and -10
    }


def test_what_is_best_is_chosen_on_the_validation_part_and_reported_on_the_test_part():
    records = [
        *runs("Shift", 4, 8, 8, validation=0.5),
        *runs("Shift", 1, 7, 7, validation=0.6),
        *runs("QB", 4, 9, 9, validation=0.3),
        *runs("LIF", 4, 5, 5, validation=0.4),
        *runs("ReLU", 1, 6, 6, validation=0.9),
    ]
    found = headline(records)
    assert found["best of its T %"] == "70.00 ± 0.00 (T=1)"
    assert found["best other neuron"] == "LIF T=4: 50.00 ± 0.00"
    assert found["difference"] == "+20.00 ± 0.00"


def test_differences_are_of_the_seeds_that_both_have():
    # seeds 1 and 2 are common: 80 - 70 and 90 - 60
    assert headline([*runs("Shift", 1, 1, 8, 9), *runs("LIF", 4, 7, 6, first=1)])["− LIF, largest T"] == (
        "+20.00 ± 10.00"
    )
    # one common seed has no standard error, none no difference
    assert headline([*runs("Shift", 1, 8, 9), *runs("LIF", 4, 7, first=1)])["− LIF, largest T"] == "+20.00"
    assert headline([*runs("Shift", 1, 8), *runs("LIF", 4, 7, first=1)])["− LIF, largest T"] == "–"


def test_operations_are_no_multiple_of_none():
    assert headline([*runs("Shift", 1, 8), *runs("LIF", 4, 7, operations=0.0)])["operations x LIF"] == "–"


def test_what_was_not_run_is_absent():
    rows = make_rows([*runs("Shift", 1, 7), *runs("LIF", 4, 6, dataset="other")], baseline="LIF")
    table = headline_table(rows, subject="Shift", baseline="LIF", silent=("ReLU",), reference="ReLU")
    assert table.cells == (("toy", "70.00 (T=1)", "–", "–", "70.00 (T=1)", "–", "–", "–"),)


def test_a_recipe_without_a_network_without_spikes_has_no_column_for_it():
    rows = make_rows([*runs("Shift", 1, 7), *runs("LIF", 4, 6)], baseline="LIF")
    table = headline_table(rows, subject="Shift", baseline="LIF", silent=(), reference=None)
    assert table.columns[-1] == "difference"
    assert [len(line) for line in table.cells] == [len(table.columns)] == [7]


def test_the_page_begins_with_the_headline_where_there_is_a_subject():
    rows = make_rows(RECORDS, baseline="LIF")
    with_subject = page(rows, "LIF", headline=headline_of(RECIPE, rows), missing=0, figure="b.png")
    assert with_subject.index("| data set | Shift %") < with_subject.index("| data set | T | neuron")
    without = headline_of(RECIPE.model_copy(update={"subject": None}), rows)
    assert without is None
    assert "Shift %" not in page(rows, "LIF", headline=without, missing=0, figure="b.png")
