"""``shiftlif run`` and ``verify`` by the engine, and what they say without one; needs no torch."""

import numpy as np
import pytest

from shiftlif.errors import ProgramError
from shiftlif.program import record
from shiftlif.runtime import engine, paths
from tests.cli.test_run import call
from tests.runtime.comparison import needs_engine
from tests.runtime.programs import Builder


@pytest.fixture
def saved(tmp_path):
    """A program, 600 samples (several batches of the command) and its vectors, in files."""
    build = Builder(0, max_steps=4)
    build.input((2, 3))
    build.conv(8, 127)
    build.fire()
    build.flatten()
    program = build.program(3, steps=3)
    program.save(tmp_path / "p.safetensors")
    x = np.random.default_rng(0).normal(0, 60, (600, 2, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    record(program, program.quantizer.quantize(x[:9])).save(tmp_path / "v.npz")
    return tmp_path


def run(saved, *options):
    result = call("run", saved / "p.safetensors", saved / "x.npy", *options)
    assert result.exit_code == 0, result.output
    return result


def verify(saved):
    return call("verify", saved / "p.safetensors", "--vectors", saved / "v.npz")


@needs_engine
@pytest.mark.parametrize("form", [(), ("--scores",), ("--json", "--scores")])
def test_engine_threads_and_interpreter_print_the_same_and_no_warning(saved, form):
    by_engine = run(saved, *form)
    for options in (("--threads", 3), ("--threads", 0), ("--interpreter",)):
        other = run(saved, *form, *options)
        assert other.stdout == by_engine.stdout
        assert not other.stderr
    assert not by_engine.stderr
    assert sum(f"class{i}" in by_engine.stdout for i in range(3)) > 1


@needs_engine
def test_the_engine_is_what_runs_unless_the_interpreter_is_asked_for(saved, monkeypatch):
    monkeypatch.setattr("shiftlif.program.interpreter.run", None)
    run(saved)
    assert isinstance(
        call("run", saved / "p.safetensors", saved / "x.npy", "--interpreter").exception, TypeError
    )


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_run_says_so_once_and_takes_the_interpreter(saved):
    by_default, asked_for = run(saved), run(saved, "--interpreter")
    assert by_default.stdout == asked_for.stdout
    assert by_default.stderr.count("running in the interpreter, which is slow") == 1
    assert "install a C++ compiler" in by_default.stderr
    assert not asked_for.stderr


@needs_engine
def test_a_program_beyond_the_engine_runs_in_the_interpreter_and_says_why(saved, monkeypatch):
    expected = run(saved).stdout

    def refuse(program):
        raise ProgramError("Conv 'conv1': too large")

    monkeypatch.setattr(engine, "lower", refuse)
    result = run(saved)
    assert result.stdout == expected
    assert "running in the interpreter, which is slow: Conv 'conv1': too large" in result.stderr


@pytest.mark.parametrize("threads", ["-1", "1025", "many"])
def test_threads_outside_the_range_are_refused(saved, threads):
    assert call("run", saved / "p.safetensors", saved / "x.npy", "--threads", threads).exit_code == 2


@needs_engine
def test_vectors_are_compared_with_interpreter_and_engine(saved):
    result = verify(saved)
    assert result.exit_code == 0, result.output
    assert f"golden vectors = interpreter = engine ({paths()[0]}" in result.stdout


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_verify_says_that_it_was_not_compared(saved):
    result = verify(saved)
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.split())
    assert "golden vectors = interpreter; the engine was not compared: the C runtime is not built" in shown


@needs_engine
@pytest.mark.usefixtures("wrong_engine")
def test_an_engine_that_differs_from_the_vectors_is_an_error(saved):
    result = verify(saved)
    assert result.exit_code == 2
    assert "in the golden vectors and" in result.stderr
    assert "in the engine (" in result.stderr
