"""The samples that are answered wrong, as they are drawn and talked about."""

from dataclasses import replace

import altair
import numpy as np
import pytest

from shiftlif.report.examples import SHOWN, confident_errors, drawn, examples, raw_samples
from shiftlif.report.markup import Material, section_body


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


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (
            [[0, 1], [0, 1]],
            "2 of 2 test samples are answered wrong, none of them with a confidence of at least 90 %.",
        ),
        (
            [[0, 1], [9, 0]],
            "1 of 2 test samples is answered wrong, none of them with a confidence of at least 90 %.",
        ),
        (
            [[0, 9], [9, 0]],
            "1 of 2 test samples is answered wrong; 1 of these errors has a confidence of at least",
        ),
        (
            [[0, 9], [0, 9]],
            "2 of 2 test samples are answered wrong; 2 of these errors have a confidence of at least",
        ),
    ],
)
def test_wrong_labels_are_looked_for_only_where_an_error_is_confident(digits_evidence, scores, words):
    scores = np.array(scores, float)
    found = replace(*(digits_evidence,), labels=np.zeros(2, int), scores=scores, answers=scores.argmax(1))
    answer = examples(found).answer
    assert answer.startswith(words)
    assert ("look for wrong labels" in answer) == (scores.max() == 9 and scores[0, 1] == 9)


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
