"""The one progress line: its figures, when it is shown, and that it stays out of standard output."""

import os
import pty
import re
import subprocess
import sys

import pytest

from shiftlif.cli import progress as module
from shiftlif.cli.datasets import _Download
from shiftlif.cli.output import ERRORS, duration
from shiftlif.cli.progress import Pace, Progress, figures


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_rate_and_estimate_follow_from_what_was_done_since_the_stage_began():
    pace = Pace(done=300, total=1000, first=100, seconds=10.0)
    assert pace.rate == 20.0
    assert pace.left == 35.0
    assert Pace(done=100, total=1000, first=100, seconds=10.0).left is None
    assert Pace(done=0, total=0, seconds=3.0).rate is None
    assert Pace(done=1, total=4, seconds=60.0, expected=30.0).left == 30.0


@pytest.mark.parametrize(
    ("pace", "text"),
    [
        (Pace(0, 0, 0, 3.0), "3 s"),
        (Pace(0, 5, 0, 0.0), "0/5 samples, 0 s"),
        (Pace(1200, 12_000, 0, 10.0), "1,200/12,000 samples, 120/s, 10 s, 90 s left"),
        (Pace(5, 10, 0, 2.0), "5/10 samples, 2.5/s, 2 s, 2 s left"),
        (Pace(2, 6, 0, 120.0), "2/6 samples, 1.0/min, 2 min, 4 min left"),
        (Pace(1, 9, 0, 7200.0), "1/9 samples, 0.5/h, 2.0 h, 16.0 h left"),
        (Pace(9, 9, 0, 3.0), "9/9 samples, 3.0/s, 3 s"),
    ],
)
def test_figures_are_what_a_person_would_say(pace, text):
    assert figures(pace, "samples") == text


def test_time_goes_on_between_two_reports():
    pace = Pace(5, 10, 0, 5.0)
    assert figures(pace, "runs", waited=2.0, note="b") == "5/10 runs, 1.0/s, 7 s, 3 s left, b"
    assert figures(pace, "runs", waited=60.0) == "5/10 runs, 1.0/s, 65 s, 0 s left"


def test_durations_are_rounded_to_what_is_of_use():
    assert [duration(s) for s in (0.2, 42.4, 99.4, 120, 5400, 9000)] == [
        *("0 s", "42 s", "99 s", "2 min"),
        *("90 min", "2.5 h"),
    ]


def test_a_log_file_that_asks_for_progress_gets_a_line_every_ten_seconds(monkeypatch, capsys):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", "1")
    clock = Clock()
    with Progress(clock=clock) as progress:
        report = progress("verifying")
        for done in range(31):
            report(done, 40, "fine")
            clock.now += 1
    assert capsys.readouterr().err.splitlines() == [
        f"verifying: {done}/40 samples, 1.0/s, {done} s, {40 - done} s left, fine" for done in (10, 20, 30)
    ]


@pytest.mark.parametrize(
    ("asked", "silent"), [("1", (True, False)), ("1", (False, True)), ("0", ()), ("", ())]
)
def test_nothing_is_shown_where_nobody_wants_or_sees_it(asked, silent, monkeypatch, capsys):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", asked)
    clock = Clock()
    with Progress(*silent, clock=clock) as progress:
        report = progress("verifying")
        for done in range(3):
            report(done, 3)
            clock.now += 100
    assert capsys.readouterr() == ("", "")


def test_only_the_first_process_of_several_shows_progress(monkeypatch, capsys):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Progress().silent
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not Progress().silent


def test_the_next_stage_counts_from_where_it_begins(monkeypatch, capsys):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", "1")
    monkeypatch.setattr(module, "LINE_EVERY", 0.0)
    clock = Clock()
    with Progress(clock=clock) as progress:
        progress.begin("reading")
        clock.now = 7.0
        resumed = progress("training", "batches")
        resumed(500, 1000)
        clock.now = 17.0
        resumed(600, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 0 s",
        "training: 500/1,000 batches, 0 s",
        "training: 600/1,000 batches, 10/s, 10 s, 40 s left",
    ]


def test_a_download_is_counted_in_megabytes_file_after_file(monkeypatch, capsys):
    monkeypatch.setenv("SHIFTLIF_PROGRESS", "1")
    monkeypatch.setattr(module, "LINE_EVERY", 0.0)
    clock = Clock()
    with Progress(clock=clock) as progress:
        download = _Download(progress, "gsc35")
        for size in (4_000_000, 2_000_000):
            download.total = size
            download.update(0)
            clock.now += 2.0
            download.update(2_000_000)
        download.reset()
        download.update(download.total)  # as pooch ends a file
        download.close()
    assert capsys.readouterr().err.splitlines() == [
        "fetching gsc35: 0/4 MB, 0 s",
        "fetching gsc35: 2/4 MB, 1.0/s, 2 s, 2 s left",
        "fetching gsc35: 0/2 MB, 0 s",
        "fetching gsc35: 2/2 MB, 1.0/s, 2 s",
        "fetching gsc35: 2/2 MB, 1.0/s, 2 s",
        "unpacking gsc35: 0 s",
    ]


SCRIPT = """
import sys, time, warnings
from shiftlif.cli.output import guarded, show_pairs
from shiftlif.cli.progress import Progress

@guarded
def command():
    with Progress() as progress:
        report = progress("verifying")
        for done in range(4):
            report(done, 4, "all well")
            time.sleep(0.15)
            if done == 2:
                warnings.warn("look here")
                if "interrupt" in sys.argv:
                    raise KeyboardInterrupt
    show_pairs("result", {"verified": 4})

command()
"""


def on_terminal(*words):
    """The script with standard error on a terminal and standard output in a pipe."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("SHIFTLIF_PROGRESS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # the other end was closed
            break
        if not read:
            break
        shown += read
    os.close(ours)
    out, _ = process.communicate(timeout=30)
    return process.returncode, out.decode(), shown.decode()


def test_a_terminal_gets_a_bar_that_is_gone_in_the_end_and_the_pipe_gets_the_result():
    code, out, shown = on_terminal()
    assert code == 0
    assert "\x1b" not in out
    assert "verifying" not in out
    assert "verified" in out
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(r"verifying .*[123]/4 samples, [\d.]+/s, \d+ s, \d+ s left, all well", plain)
    assert "warning: look here" in re.split(r"[\r\n]+", plain)
    assert shown.rstrip().endswith("\x1b[2K"), "the last thing that is done is to erase the line"
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "the cursor is back"


def test_an_interrupted_bar_is_taken_away_too():
    code, out, shown = on_terminal("interrupt")
    assert (code, out) == (1, "")  # outside of the application typer.Exit is an exception like others
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1


def test_the_console_of_a_bar_is_given_back():
    console = ERRORS.take()
    assert ERRORS._with_bar is console
    ERRORS.give_back()
    assert ERRORS._with_bar is None
