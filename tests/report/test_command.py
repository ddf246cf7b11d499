"""``shiftlif report``."""

import json

import pytest
from typer.testing import CliRunner

from shiftlif.cli.app import app


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "120"})


def test_the_page_lies_in_the_run_folder_and_is_small(digits_run):
    result = call("report", digits_run, "--quiet")
    assert result.exit_code == 0, result.output
    page = digits_run / "report.html"
    assert "integer program is right on" in result.output
    assert 900_000 < page.stat().st_size < 5_000_000


def test_json_has_the_figures_and_the_page_of_two_runs(digits_run, hostile_run, tmp_path):
    result = call(
        "report", digits_run, hostile_run, "--out", tmp_path / "new" / "both.html", "--json", "--quiet"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["page"] == str(tmp_path / "new" / "both.html")
    first, second = found["runs"]
    assert first["figures"]["test_samples"] == 359
    assert first["verification"]["samples"] == 200
    assert [row["class"] for row in second["classes"]][1] == "quiet"
    assert (tmp_path / "new" / "both.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("/nowhere",), "is not a run folder"),
        (("RUN", "/nowhere"), "is not a run folder"),
        (("RUN", "--out", "/dev/null/x.html"), "its folder cannot be made"),
    ],
)
def test_mistakes_are_one_line(digits_run, words, message):
    result = call("report", *(digits_run if word == "RUN" else word for word in words), "--quiet")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_wrong_name_makes_no_folder(tmp_path):
    assert call("report", tmp_path / "typo", "--quiet").exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written_leaves_the_old_one(digits_run, tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    result = call("report", digits_run, "--out", target, "--quiet")
    assert result.exit_code == 2
    assert "No space left on device" in result.output
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
