"""The sections about a run as a whole say what its files and answers say."""

import json
from dataclasses import replace
from pathlib import Path

import altair
import numpy as np
import pytest

from shiftlif.report.confusion import class_rows, confusion, counts
from shiftlif.report.environment import environment
from shiftlif.report.figures import Figure, figures
from shiftlif.report.places import shown, without_places
from shiftlif.report.section import Chart, Facts, Table
from shiftlif.report.sections import sections
from shiftlif.report.summary import compared, summary, verdict
from tests.report.conftest import HOSTILE_CLASS, HOSTILE_RUN


def by_key(evidence):
    return {figure.key: figure.value for figure in figures(evidence)}


def texts(section):
    return json.dumps([section.answer, *map(str, section.blocks)], ensure_ascii=False)


# ---- figures and summary


def test_figures_are_those_of_program_and_cost(digits_evidence):
    found = by_key(digits_evidence)
    assert found["accuracy_integer"] == (digits_evidence.answers == digits_evidence.labels).mean()
    assert found["test_samples"] == 359
    assert found["weight_bytes"] == digits_evidence.program.weight_bytes
    assert found["events"] == round(digits_evidence.cost.totals["events"])
    assert found["multiplications"] == 0
    assert 0 < found["energy_arithmetic_nj"] < found["energy_memory_nj"]


def test_a_run_that_is_not_compiled_has_no_model_file(hostile_evidence):
    found = by_key(hostile_evidence)
    assert found["model_file_bytes"] is None
    assert found["weight_bytes"] == hostile_evidence.measured.weight_bytes
    assert "not compiled yet" in summary(hostile_evidence).answer


def test_a_compiled_run_shows_the_digest_that_the_exported_c_prints(digits_evidence, hostile_evidence):
    found = [
        dict(next(b for b in summary(e).blocks if isinstance(b, Facts) and b.title == "Equality").pairs)
        for e in (digits_evidence, hostile_evidence)
    ]
    digest = digits_evidence.program.digest()
    assert found[0]["digest"] == digest[:16]
    assert found[0]["on the device"].endswith(f"prints the same digest, its first 8 digits: {digest[:8]}")
    assert not {"digest", "on the device"} & found[1].keys()


def test_what_needs_integers_is_missing_where_there_are_none(digits_evidence):
    refused = replace(
        digits_evidence,
        refusal="layer x cannot be compiled",
        measured=None,
        program=None,
        cost=None,
        proof=None,
    )
    found = by_key(refused)
    assert found["accuracy_integer"] is found["energy_memory_nj"] is found["events"] is None
    assert found["accuracy_float"] is not None
    assert "layer x cannot be compiled" in summary(refused).answer


def test_a_difference_is_the_verdict(digits_evidence):
    differing = replace(digits_evidence, proof=None, difference="layer a, step 1: 2 and 3")
    assert verdict(differing) == "Verification found a difference: layer a, step 1: 2 and 3"


def test_figures_are_written_with_their_unit():
    assert Figure("a", "g", "n", 0.98765, "%").text == "98.77 %"
    assert Figure("a", "g", "n", 1234567, "bytes").text == "1,234,567 bytes"
    assert Figure("a", "g", "n", 0.12349, digits=3).text == "0.123"
    assert Figure("a", "g", "n", None).text == "–"


def test_warnings_of_the_training_are_shown_without_places(digits_evidence):
    run = replace(
        digits_evidence.run, summary={**digits_evidence.run.summary, "warnings": ["/home/ann/x.npz is odd"]}
    )
    assert "Warning of the training: …/x.npz is odd" in summary(replace(digits_evidence, run=run)).blocks


def test_two_runs_are_compared_figure_by_figure(digits_evidence, hostile_evidence):
    section = compared(digits_evidence, hostile_evidence, ("one", "two"))
    table, chosen = (block for block in section.blocks if isinstance(block, Table))
    row = next(row for row in table.rows if row["measure"] == "Right answers: test samples")
    assert row == {"measure": "Right answers: test samples", "one": 359, "two": 45, "difference": -314}
    assert {"field": "model", "one": "conv2d", "two": "conv1d"} in chosen.rows
    assert "different data" in section.answer


def test_two_runs_are_told_in_a_sentence(digits_evidence):
    evidence = replace(digits_evidence, labels=digits_evidence.labels[:4], answers=digits_evidence.labels[:4])
    worse = replace(evidence, answers=np.where(np.arange(4) < 3, evidence.labels, -1))
    scores = {"scores": evidence.scores[:4]}
    assert compared(replace(evidence, **scores), replace(worse, **scores), ("mine", "k")).answer == (
        "mine answers 100.00 % of its test samples right, k 75.00 %."
    )
    assert compared(replace(worse, **scores), replace(worse, **scores), ("mine", "k")).answer == (
        "mine and k both answer 75.00 % of their test samples right."
    )


def test_the_same_run_twice_differs_in_nothing(digits_evidence):
    section = compared(digits_evidence, digits_evidence, ("one", "two"))
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    assert {row["difference"] for row in table.rows} == {0}
    assert "Both runs have the same configuration." in section.blocks


# ---- classes

MATRIX = np.array([[8, 2, 0], [1, 3, 0], [0, 0, 0]])


def test_recall_and_precision_of_a_matrix_a_person_can_check():
    assert class_rows(MATRIX, ("a", "b", "c")) == [
        {
            "class": "a",
            "samples": 10,
            "recall %": 80.0,
            "precision %": 88.89,
            "most often taken for": "b",
            "times": 2,
        },
        {
            "class": "b",
            "samples": 4,
            "recall %": 75.0,
            "precision %": 60.0,
            "most often taken for": "a",
            "times": 1,
        },
        {
            "class": "c",
            "samples": 0,
            "recall %": None,
            "precision %": None,
            "most often taken for": None,
            "times": None,
        },
    ]


def test_the_matrix_counts_every_test_sample(digits_evidence):
    matrix = counts(digits_evidence)
    assert matrix.sum() == 359
    assert matrix.trace() == (digits_evidence.answers == digits_evidence.labels).sum()


def test_the_worst_class_is_named(digits_evidence):
    labels = digits_evidence.labels
    answers = np.where(labels == 4, 7, labels)
    found = confusion(replace(digits_evidence, answers=answers)).answer
    assert found.startswith("“4” fails most: the integer network recognises 0.0 % of its 36 samples")
    assert "“7” (36 times)" in found


def test_classes_that_fail_equally_are_all_named(digits_evidence):
    classes = ("walk", "run", "shake", "turn", "rest", "jump", *"efgh")
    data = replace(digits_evidence.data, classes=classes)
    labels = np.repeat(np.arange(10), 4)

    def found(failing):
        answers = labels.copy()
        for label in failing:
            answers[4 * label] = (label + 1) % 10
        return confusion(replace(digits_evidence, data=data, labels=labels, answers=answers)).answer

    rest = " fail most: the integer network recognises 75.0 % of the samples of each."
    assert found([0, 2]) == f"“walk” and “shake”{rest}"
    assert found([0, 1, 2, 3]) == f"“walk”, “run”, “shake” and “turn”{rest}"
    assert found([0, 1, 2, 3, 4]) == f"“walk”, “run”, “shake” and 2 other classes{rest}"
    assert found([2]).startswith("“shake” fails most: the integer network recognises 75.0 % of its 4 samples")


def test_no_class_fails_where_all_is_right(digits_evidence):
    found = confusion(replace(digits_evidence, answers=digits_evidence.labels)).answer
    assert found == "The integer network answers every test sample of every class right."


# ---- environment


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("file /home/ann/my/x.npz is odd", "file …/x.npz is odd"),
        ("C:\\Users\\ann\\x.csv", "…/x.csv"),
        ("~/x/y.npz", "…/y.npz"),
        ("~ann/y.npz", "…/y.npz"),
        ("source='/a/b.wav'", "source='…/b.wav'"),
        ("3/4 of it, and/or", "3/4 of it, and/or"),
    ],
)
def test_places_are_shortened_to_a_name(text, kept):
    assert without_places(text) == kept


def test_a_path_with_spaces_is_shortened_to_its_last_part():
    assert shown("/home/ann b/data c/x y.npz") == "…/x y.npz"


def test_neither_home_nor_user_reach_the_page(hostile_evidence):
    found = texts(environment(hostile_evidence))
    assert "…/waves.npz" in found
    assert str(hostile_evidence.run.folder.parent) not in found


def test_every_choice_is_shown(digits_evidence):
    facts = [block for block in environment(digits_evidence).blocks if isinstance(block, Facts)]
    names = {name for block in facts for name, _ in block.pairs}
    assert {*type(digits_evidence.run.config).model_fields, "kind", "tau"} - {"neuron"} <= names


# ---- all


def test_the_guide_names_the_sections_of_the_page_in_their_order(digits_evidence):
    page = Path(__file__).parents[2] / "docs" / "report.md"
    rows = page.read_text(encoding="utf-8").split("| section |")[1].split("\n\n")[0].splitlines()[2:]
    found = [
        section.title.replace(section.layer, "a layer") if section.layer else section.title
        for section in sections(digits_evidence)
    ]
    assert [row.split("|")[1].strip() for row in rows] == list(dict.fromkeys(found))


@pytest.mark.parametrize("which", ["digits_evidence", "hostile_evidence"])
def test_every_chart_is_valid_and_every_key_unique(which, request):
    found = sections(request.getfixturevalue(which))
    blocks = [block for section in found for block in section.blocks if isinstance(block, Chart | Table)]
    keys = [section.key for section in found] + [block.key for block in blocks]
    assert len(set(keys)) == len(keys)
    for block in blocks:
        assert block.reading
        if isinstance(block, Chart):
            altair.Chart.from_dict({**block.spec, "data": {"values": [dict(row) for row in block.rows[:5]]}})
            assert '"tooltip"' in json.dumps(block.spec)


def test_hostile_names_are_kept_as_they_are(hostile_evidence):
    assert hostile_evidence.name == HOSTILE_RUN
    assert HOSTILE_CLASS in {
        row["class"] for row in class_rows(counts(hostile_evidence), hostile_evidence.data.classes)
    }
