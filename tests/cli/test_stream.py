"""``shiftlif run --stream``: sources, views, ends; the programs are made by hand."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from rich.console import Console

from shiftlif.cli.stream_view import LiveView, Tally
from shiftlif.data import load
from shiftlif.data.live import Lines
from shiftlif.program import IntegerProgram
from shiftlif.runtime import Decision
from tests.cli.test_run import RATE, RNG, call, expected, program_for, words  # noqa: F401  (a fixture)

SHIFTLIF = [sys.executable, "-m", "shiftlif.cli", "run"]
LIMIT = 60  # seconds that a process may take on a busy machine


def csv_of(rows, header=""):
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%.9g", header=header, comments="")
    return text.getvalue()


def decisions(*words_, stdin=None):
    result = call("run", *words_, "--stream", "--json", "--scores", stdin=stdin)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def scores_of(rows):
    return [list(row["scores"].values()) for row in rows]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "p.safetensors"


@pytest.fixture
def program(path):
    """Two channels, three time steps, T = 4."""
    return program_for((2, 3), {"name": "none"}, path)


@pytest.mark.parametrize("hop", [1, 2, 3, 5])
def test_every_window_has_the_scores_of_a_batch_run(program, path, tmp_path, hop):
    rows = RNG.normal(0, 30, (20, 2)).astype(np.float32)
    starts = range(0, 18, hop)
    windows = np.stack([rows[start : start + 3].T for start in starts])
    (tmp_path / "x.csv").write_text(csv_of(rows, "u,v"))
    for source, stdin in ((tmp_path / "x.csv", None), ("-", csv_of(rows))):
        for more in ((), ("--interpreter",)):
            found = decisions(path, source, "--hop", hop, *more, stdin=stdin)
            assert scores_of(found) == expected(program, windows)
            assert [(row["start"], row["end"]) for row in found] == [(s, s + 3) for s in starts]
            assert {row["steps"] for row in found} == {4}
            assert found[0]["time"] is None


def test_without_an_engine_the_interpreter_decides_and_says_so_once(program, path, no_engine):
    rows = RNG.normal(0, 30, (6, 2)).astype(np.float32)
    result = call("run", path, "--stream", "--hop", 3, "--json", "--scores", stdin=csv_of(rows))
    windows = np.stack([rows[:3].T, rows[3:].T])
    assert scores_of(map(json.loads, result.stdout.splitlines())) == expected(program, windows)
    assert " ".join(result.stderr.split()).count("running in the interpreter, which is slow") == 1


def test_what_was_read_and_waits_is_the_backlog(program, path):
    found = decisions(path, "--hop", 1, stdin="1,2\n" * 20)
    assert [row["backlog"] for row in found] == list(range(17, -1, -1))


def test_early_decisions_stop_at_the_step_that_is_sure(program, path):
    rows = np.random.default_rng(1).normal(0, 30, (30, 2)).astype(np.float32)
    frames = program.quantizer.quantize(np.stack([rows[s : s + 3].T for s in range(0, 30, 3)]))
    found = decisions(path, "--hop", 3, "--confidence", "0.999", stdin=csv_of(rows))
    assert len({row["steps"] for row in found}) > 1
    for row, frame in zip(found, frames, strict=True):
        steps = row["steps"]
        after = program.run(frame[None], steps).logits[0]
        assert row["class"] == program.classes[after.argmax()]
        assert row["margin"] == abs(int(after[0]) - int(after[1]))
        assert row["confidence"] == pytest.approx(1 / (1 + np.exp(-row["margin"] / steps)))
        assert steps == 4 or row["confidence"] >= 0.999
    later = decisions(path, "--hop", 3, "--confidence", "0.999", "--min-steps", 3, stdin=csv_of(rows))
    for row, first in zip(later, found, strict=True):
        assert row["steps"] >= max(3, first["steps"])
    assert 3 in [row["steps"] for row in later]


def test_a_temporal_program_takes_one_frame_a_line_and_windows_overlap(path):
    plain = program_for((2, 2, 1), "none", path)
    temporal = IntegerProgram(
        plain.operations, plain.quantizer, 4, 16, plain.classes, 1.0,
        {"temporal": True, "front_end": {"name": "sum_frames", "frames": 4}},
    )  # fmt: skip
    temporal.save(path)
    rows = RNG.normal(0, 30, (9, 4)).astype(np.float32)
    frames = temporal.quantizer.quantize(rows.reshape(9, 1, 2, 2, 1), channel_axis=2)
    for hop, starts in ((None, (0, 4)), (1, range(6)), (5, (0, 5))):
        found = decisions(path, *([] if hop is None else ["--hop", hop]), stdin=csv_of(rows))
        assert [row["end"] for row in found] == [start + 4 for start in starts]
        assert scores_of(found) == [
            (temporal.run(frames[start : start + 4]).logits[0] / 4).tolist() for start in starts
        ]
    refused = call("run", path, "--stream", "--raw", stdin="1,2,3,4\n")
    assert refused.exit_code == 2
    assert "frame by frame" in refused.stderr


def test_a_sample_a_line_where_there_is_no_time(path):
    program = program_for((1, 2, 2), "none", path)
    rows = RNG.normal(0, 30, (5, 4)).astype(np.float32)
    assert scores_of(decisions(path, stdin=csv_of(rows))) == expected(program, rows.reshape(5, 1, 2, 2))


def test_a_recording_gives_what_its_windows_give_as_clips_from_a_file_or_as_pcm(words, tmp_path, path):  # noqa: F811
    soundfile = pytest.importorskip("soundfile")
    data = load(words, length="longest")
    program_for(data.sample_shape, data.front_end, path)
    clip = RNG.integers(-9999, 9999, 3000).astype(np.int16)
    soundfile.write(tmp_path / "long.wav", clip, RATE, subtype="PCM_16")
    clips = np.stack([clip[start : start + 896] for start in range(0, 3000 - 895, 300)])
    np.save(tmp_path / "clips.npy", clips)
    result = call("run", path, tmp_path / "clips.npy", "--raw", "--json", "--scores")
    batch = scores_of(json.loads(result.stdout))
    found = decisions(path, tmp_path / "long.wav", "--hop", 300, "--speed", 0)
    assert scores_of(found) == batch
    assert found[1]["time"] == (300 + 896) / RATE
    pcm = decisions(path, "--pcm", RATE, "--hop", 300, stdin=clip.tobytes())
    assert scores_of(pcm) == batch
    (tmp_path / "x.pcm").write_bytes(clip.tobytes())
    file = decisions(path, tmp_path / "x.pcm", "--pcm", RATE, "--hop", 300, "--speed", 50)
    assert scores_of(file) == batch


def test_audio_of_another_rate_is_refused(words, tmp_path, path):  # noqa: F811
    soundfile = pytest.importorskip("soundfile")
    data = load(words, length="longest")
    program_for(data.sample_shape, data.front_end, path)
    soundfile.write(tmp_path / "fast.wav", np.ones(2000, np.int16), 16000)
    for words_ in ((tmp_path / "fast.wav",), ("-", "--pcm", 16000)):
        result = call("run", path, *words_, "--stream", stdin=b"")
        assert result.exit_code == 2
        assert "sample rate 16000 Hz, expected 8000 Hz" in result.stderr


def test_lines_for_a_pipe_and_a_summary_on_standard_error(program, path):
    rows = RNG.normal(0, 30, (8, 2))
    result = call("run", path, "--stream", "--hop", 3, "--rate", 10, stdin=csv_of(rows))
    assert result.exit_code == 0
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == ["0.300", "0.600"]
    assert {line[1] for line in lines} <= {"rest", "walk"}
    assert all(0.5 <= float(line[2]) <= 1 for line in lines)
    for part in (
        "8 time steps (0.8 s), 2 decisions, 0 of them early; 4.00 of 4 steps a decision",
        "latency: window p50 ",
        "real-time factor 0.0",
        "2 time steps at the end are in no window that was decided",
    ):
        assert part in result.stderr
    assert "malformed" not in result.stderr


def test_malformed_lines_are_told_and_the_stream_goes_on(program, path):
    rows = csv_of(RNG.normal(0, 30, (6, 2))).splitlines()
    clean = call("run", path, "--stream", "--hop", 3, stdin="\n".join(rows)).stdout
    noisy = [".5,7,9", *rows[:2], "boot: ok", *["?"] * 9, *rows[2:]]
    result = call("run", path, "--stream", "--hop", 3, stdin="\n".join(noisy))
    assert result.exit_code == 0
    assert result.stdout == clean
    assert "left out: standard input, line 1: 3 columns, expected 2" in result.stderr
    assert result.stderr.count("left out:") == 6  # five, and that there are more
    assert "11 of 17 lines were malformed and left out" in result.stderr
    counted = decisions(path, "--hop", 3, stdin="\n".join(noisy))
    assert {row["malformed"] for row in counted} == {11}  # read ahead in one piece


def test_a_stream_of_another_kind_or_shorter_than_a_window_is_an_error(program, path):
    result = call("run", path, "--stream", stdin="hello world\n" * 30)
    assert result.exit_code == 2
    assert "none of the first 20 lines was a time step" in result.stderr
    result = call("run", path, "--stream", stdin="1,2\n3,4\n")
    assert result.exit_code == 2
    assert "ended after 2 time steps, expected at least 3, one window" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hop", 2], "--hop belongs to --stream; add it"),
        (["--min-steps", 2], "--min-steps belongs to --stream; add it"),
        (["--stream", "--patience", 2], "belong to --confidence; add it"),
        (["--stream", "--confidence", 1.5], "confidence is 1.5, expected a probability"),
        (["--stream", "--confidence", 0.5, "--patience", 5], "patience is 5, expected"),
        (["--stream", "--speed", 1], "--speed belongs to files"),
        (["--stream", "--rate", 0], "--rate is 0.0, expected"),
        (["--stream", "--pcm", 8000], "takes no WAV clips"),
        (["--stream", "--pcm", 8000, "--rate", 5], "--rate belongs to text"),
    ],
)
def test_options_that_do_not_go_together_are_refused(program, path, options, message):
    result = call("run", path, *options, stdin="1,2\n")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_what_is_no_stream_is_refused(program, path, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    (tmp_path / "x.csv").write_text("1,2\n")
    for source, more, message in (
        (tmp_path / "x.npy", [], "is no stream"),
        (tmp_path, [], "is a folder or disk"),
        (tmp_path / "gone", [], "cannot be opened (No such file"),
        (tmp_path / "x.csv", ["--speed", 2], "add --rate"),
    ):
        result = call("run", path, source, "--stream", *more)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())


def test_a_file_of_known_rate_is_shown_in_real_time(program, path, tmp_path):
    (tmp_path / "x.csv").write_text(csv_of(RNG.normal(0, 30, (30, 2))))
    taken = []
    for speed in (["--speed", 2], ["--speed", 0]):
        began = time.monotonic()
        decisions(path, tmp_path / "x.csv", "--rate", 20, *speed)
        taken.append(time.monotonic() - began)
    assert taken[0] >= 30 / 20 / 2
    assert taken[1] < taken[0]


def start(*words_, **settings):
    return subprocess.Popen(
        [*SHIFTLIF, *map(str, words_)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **settings,
    )


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_decision_is_shown_before_the_stream_goes_on_and_ctrl_c_ends_with_the_summary(program, path, form):
    process = start(path, "--stream", "--hop", 3, *form, stdin=subprocess.PIPE)
    try:
        for _ in range(3):
            process.stdin.write(b"1,2\n3,4\n5,6\n")
            process.stdin.flush()
            line = process.stdout.readline().decode()
            assert (json.loads(line)["class"] if form else line.split("\t")[1]) in program.classes
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert process.returncode == 130
    assert rest == b""
    assert b"9 time steps, 3 decisions" in told
    assert b"interrupted" in told
    assert b"Traceback" not in told


def test_a_reader_that_has_had_enough_ends_it_quietly(program, path, tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n" * 200_000)
    process = start(path, tmp_path / "x.csv", "--stream", "--hop", 1)
    try:
        assert process.stdout.readline().count(b"\t") == 2
        process.stdout.close()
        told = process.stderr.read()
        process.wait(timeout=LIMIT)
    finally:
        process.kill()
    assert told == b""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo terminals")
def test_a_serial_device_is_read_as_it_sends(program, path):
    """A pseudo terminal stands for the device: it begins within a line, pauses in one, and is unplugged in one."""
    tty = pytest.importorskip("tty")
    device, end = os.openpty()
    tty.setraw(end)
    sent = (b"7,1\r\n-3,2", b"2\r\n1.5,", b"2.5\r\n4,4\r\n", b"8,8\r\n9")

    def send():
        for part in (b"99,", *sent):
            os.write(device, part)
            time.sleep(0.05)

    process = start(path, os.ttyname(end), "--stream", "--hop", 1, "--json")
    try:
        writer = threading.Thread(target=send)
        writer.start()
        shown = [json.loads(process.stdout.readline()) for _ in range(2)]
        writer.join()
        os.close(end)
        os.close(device)
        _, told = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert [row["end"] for row in shown] == [3, 4]
    assert process.returncode == 0
    assert b"left out: " in told
    assert b"line 1: 3 columns, expected 2" in told
    assert b"2 of 6 lines were malformed" in told  # the first and, cut off, the last


def test_the_live_lines_of_a_terminal(program):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None, legacy_windows=False)
    lines = Lines("here", 2, print)
    lines.feed(b"1,2\n3\n")
    view, tally = LiveView(program, False, console), Tally(program, 10.0, lines)
    decision = Decision(0, 3, 1, 0.75, 8, 2, np.array([1, 9], np.int32), 0.002, (0.0005, 0.0015))
    with view:
        tally.add(decision)
        view.note("something beside")
        view.show(decision, tally, 7)
    shown = screen.getvalue()
    for part in (
        "something beside",
        "0.300 s  walk " + "█" * 15 + "░" * 5 + "  75 %  step 2/4",
        "window p50 2.00 ms, p95 2.00 ms, max 2.00 ms\n",
        "step   p50 500 us, p95 1.50 ms, max 1.50 ms\n",
        "7 time steps wait, 1 malformed lines left out",
    ):
        assert part in shown


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo terminals")
def test_a_terminal_gets_live_lines_and_ctrl_c_leaves_it_in_order(program, path):
    screen, end = os.openpty()
    command = [*SHIFTLIF, str(path), "--stream", "--hop", "3"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=end, stderr=subprocess.PIPE)
    os.close(end)
    shown = b""
    try:
        process.stdin.write(b"1,2\n3,4\n5,6\n")
        process.stdin.flush()
        while b"time steps wait" not in shown:
            shown += os.read(screen, 4096)
        process.send_signal(signal.SIGINT)
        while b"\x1b[?25h" not in shown:  # the cursor is back
            shown += os.read(screen, 4096)
        _, told = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
        os.close(screen)
    assert process.returncode == 130
    assert b"3 time steps, 1 decisions" in told
    assert b"Traceback" not in told
