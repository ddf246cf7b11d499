"""The sections about a run as a whole say what its files and answers say."""

import json
from dataclasses import replace

import altair
import numpy as np
import pytest

from shiftlif.report.confusion import class_rows, confusion, counts
from shiftlif.report.environment import environment
from shiftlif.report.examples import SHOWN, confident_errors, drawn, examples, raw_samples
from shiftlif.report.figures import Figure, figures
from shiftlif.report.learning import learning, read_history
from shiftlif.report.markup import Material, section_body
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


def test_the_same_run_twice_differs_in_nothing(digits_evidence):
    section = compared(digits_evidence, digits_evidence, ("one", "two"))
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    assert {row["difference"] for row in table.rows} == {0}
    assert "Both runs have the same configuration." in section.blocks


# ---- learning


def test_curves_are_the_rows_of_the_metrics(digits_evidence):
    section = learning(digits_evidence)
    charts = {block.key: block for block in section.blocks}
    lines = (digits_evidence.run.folder / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("val/loss")
    expected = [float(line.split(",")[column]) for line in lines[1:]]
    found = [row["value"] for row in charts["learning-loss"].rows if row["of"] == "validation"]
    assert found == expected
    assert {row["of"] for row in charts["learning-events"].rows} == {"shiftlif1", "shiftlif2", "shiftlif3"}


def test_a_run_without_metrics_says_so(digits_evidence, tmp_path):
    section = learning(replace(digits_evidence, run=replace(digits_evidence.run, folder=tmp_path)))
    assert "holds no metrics.csv" in section.answer
    assert not section.blocks


def test_cells_that_are_no_numbers_are_none():
    assert read_history("epoch,val/loss\n1,nan\n2,\n3,0.5\n") == [
        {"epoch": 1.0, "val/loss": None},
        {"epoch": 2.0, "val/loss": None},
        {"epoch": 3.0, "val/loss": 0.5},
    ]


@pytest.mark.parametrize(
    ("best", "losses", "words"),
    [
        (10, "1 .9 .8 .7 .6 .5 .4 .3 .2 .1", "more epochs might help"),
        (3, "1 .9 .5 .6 .7 .8 .9 1 1 1", "lowest in epoch 3 and 100 % higher"),
    ],
)
def test_learning_says_whether_to_go_on(digits_evidence, tmp_path, best, losses, words):
    rows = [f"{i},{loss}" for i, loss in enumerate(losses.split(), start=1)]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,val/loss", *rows]))
    run = replace(digits_evidence.run, folder=tmp_path, summary={"best_epoch": best})
    assert words in learning(replace(digits_evidence, run=run)).answer


@pytest.mark.parametrize(
    ("header", "lines", "words"),
    [
        ("val/accuracy,events/a,events/b", ["0.8,0.2,0.0005", "0.9,0.2,0.0005"], "b is silent in it"),
        ("val/accuracy,events/a", ["0.2,0.3", "0.26,0.3"], "nothing has been learnt"),
        ("val/accuracy,val/loss", ["0.8,0.5", "0.9,0.6"], "lowest in epoch 1 and 20 % higher"),
    ],
)
def test_more_epochs_are_not_advised_where_they_would_not_help(
    digits_evidence, tmp_path, header, lines, words
):
    rows = [f"{i},{line}" for i, line in enumerate(lines, start=1)]
    (tmp_path / "metrics.csv").write_text("\n".join([f"epoch,{header}", *rows]))
    run = replace(digits_evidence.run, folder=tmp_path, summary={"best_epoch": 2, "majority": 0.25})
    found = learning(replace(digits_evidence, run=run)).answer
    assert words in found
    assert "might help" not in found


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


def test_no_class_fails_where_all_is_right(digits_evidence):
    found = confusion(replace(digits_evidence, answers=digits_evidence.labels)).answer
    assert found == "The integer network answers every test sample of every class right."


# ---- examples


def test_errors_are_ordered_by_confidence(digits_evidence):
    errors = confident_errors(digits_evidence)
    assert len(errors) == (digits_evidence.answers != digits_evidence.labels).sum()
    confidences = [error.confidence for error in errors]
    assert confidences == sorted(confidences, reverse=True)
    assert all(error.answer != error.label for error in errors)


def test_images_are_in_the_units_of_the_data(digits_evidence):
    image = raw_samples(digits_evidence, [0])[0, 0]
    quantizer = digits_evidence.data.quantizer
    assert np.array_equal(quantizer.quantize(image[None, None])[0], digits_evidence.data.frames("test")[0])
    assert -0.1 < image.min() < image.max() < 16.1


def test_event_frames_are_summed(digits_evidence):
    frames = np.ones((5, 3, 2, 4, 4), np.int8)
    data = type("Frames", (), {})()
    data.frames = lambda part: frames
    data.quantizer = type(digits_evidence.data.quantizer).identity(2)
    data.sample_shape, data.temporal = (2, 4, 4), True
    np.testing.assert_array_equal(
        raw_samples(replace(digits_evidence, data=data), [0]), np.full((1, 2, 4, 4), 3.0)
    )


@pytest.mark.parametrize(
    ("shape", "spectrogram", "fields"),
    [
        ((2, 1, 8, 8), False, {"example", "row", "column", "value"}),
        ((2, 40, 49), True, {"example", "row", "column", "value"}),
        ((2, 17, 20), False, {"example", "row", "column", "value", "shade"}),
        ((2, 9, 1000), False, {"example", "channel", "time", "value", "height"}),
        ((2, 3, 1000), False, {"example", "channel", "time", "value"}),
        ((2, 30), False, {"example", "channel", "time", "value"}),
    ],
)
def test_samples_are_drawn_by_their_shape(shape, spectrogram, fields):
    chart = drawn(np.random.default_rng(0).normal(size=shape), ["1: a → b", "2: b → a"], spectrogram)
    assert set(chart.rows[0]) == fields
    assert len(chart.rows) <= 2 * 40 * 49
    altair.Chart.from_dict({**chart.spec, "data": {"values": list(chart.rows)}})


def test_large_images_are_averaged_over_blocks():
    image = np.arange(16.0).reshape(1, 1, 4, 4).repeat(20, axis=2).repeat(20, axis=3)  # 80 x 80
    chart = drawn(image, ["1: a → b"], False)
    assert len(chart.rows) == 40 * 40
    assert chart.rows[0]["value"] == 0.0
    assert chart.rows[-1]["value"] == 15.0
    assert "blocks of 2 rows × 2 columns averaged" in chart.reading


def test_each_channel_of_an_imu_has_a_line_of_its_own_height():
    signal = np.zeros((1, 9, 128))
    signal[0, 1, :64], signal[0, 1, 64:] = 1000.0, 2000.0  # its lowest and its highest value
    signal[0, 8, 5] = 0.001
    chart = drawn(signal, ["1: a → b"], False)
    assert len(chart.rows) == 9 * 128
    found = {(row["channel"], row["time"]): (row["value"], row["height"]) for row in chart.rows}
    assert found["0", 0] == (0.0, 0.0), "a channel that never changes lies in its middle"
    assert found["1", 0] == (1000.0, 1.45)
    assert found["1", 64] == (2000.0, 0.55)
    assert found["8", 4] == (0.0, 8.45)
    assert found["8", 5] == (0.001, 7.55)
    y = chart.spec["spec"]["encoding"]["y"]
    assert y["axis"]["values"] == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert y["scale"]["reverse"], "channel 0 is at the top"
    assert "channel 0 at the top, each channel as high as its own range" in chart.reading


def test_a_heat_map_of_many_channels_averages_time_and_never_neighbours():
    signal = np.zeros((1, 20, 120))
    signal[0, 3] = np.arange(120.0)
    signal[0, 4, 60:] = 5.0
    chart = drawn(signal, ["1: a → b"], False)
    assert len(chart.rows) == 20 * 40
    found = {(row["row"], row["column"]): (row["value"], row["shade"]) for row in chart.rows}
    assert found[2, 0] == (0.0, 0.5)
    assert found[3, 0] == (1.0, 0.0084), "0, 1 and 2 of 0 to 119"
    assert found[3, 117] == (118.0, 0.9916)
    assert (found[4, 57], found[4, 60]) == ((0.0, 0.0), (5.0, 1.0))
    assert chart.spec["spec"]["encoding"]["y"]["sort"] == "ascending", "channel 0 is at the top"
    assert "blocks of 3 time steps averaged, each channel shaded from its lowest" in chart.reading


def test_long_class_names_break_over_two_lines():
    short, long = (
        drawn(np.zeros((1, 8)), [name], False).spec for name in ("1: 8 → 3", "1: standing → walking")
    )
    assert "labelExpr" not in short["facet"]["header"]
    assert "labelExpr" in long["facet"]["header"]


def test_channels_are_averaged_only_where_there_are_more_than_can_be_drawn():
    chart = drawn(np.arange(80.0).reshape(1, 80, 1).repeat(40, axis=2), ["1: a → b"], False)
    assert [row["value"] for row in chart.rows if row["column"] == 0][:3] == [0.5, 2.5, 4.5]
    assert "blocks of 2 channels averaged" in chart.reading


def test_no_error_is_no_picture(digits_evidence):
    section = examples(replace(digits_evidence, answers=digits_evidence.labels))
    assert section.answer == "None of the 359 test samples is answered wrong."
    assert not section.blocks


def test_at_most_a_handful_of_examples_is_shown(digits_evidence):
    section = examples(replace(digits_evidence, answers=(digits_evidence.labels + 1) % 10))
    assert len({row["example"] for row in section.blocks[0].rows}) == SHOWN


def test_examples_name_their_files_where_there_are_any(digits_evidence):
    assert "file" not in examples(digits_evidence).blocks[1].columns
    files = tuple(f"walk/<b>{i}</b>.wav" for i in range(len(digits_evidence.labels)))
    evidence = replace(digits_evidence, data=replace(digits_evidence.data, test_files=files))
    section = examples(evidence)
    table = section.blocks[1]
    assert [row["file"] for row in table.rows] == [files[row["test sample"]] for row in table.rows]
    assert table.columns[:3] == ("example", "test sample", "file")
    assert f"<td>walk/&lt;b&gt;{table.rows[0]['test sample']}&lt;/b&gt;.wav</td>" in section_body(
        section, 2, Material()
    )


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
