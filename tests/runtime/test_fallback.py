"""What happens, and what is said, where there is no engine, and where it computes something else."""

import pytest

from shiftlif.errors import ProgramError, VerificationError
from shiftlif.program import record
from shiftlif.runtime import Comparison, engine, paths, unavailable
from tests.program.examples import frames, tiny
from tests.runtime.comparison import needs_engine

MISSING = r"the C runtime is not built \(no such module\); install a C\+\+ compiler and shiftlif again"


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_there_are_no_paths_and_the_reason_says_what_to_do():
    assert paths() == ()
    with pytest.raises(ProgramError, match=f"engine: {MISSING}, or use program.run, the interpreter"):
        tiny().engine()
    assert unavailable() is not None


@pytest.mark.usefixtures("no_engine")
def test_a_comparison_without_an_engine_says_that_it_compared_none():
    comparison = Comparison(tiny())
    comparison.require_equal(frames(1), record(tiny(weight=2), frames(1)))
    assert comparison.engines == ()
    verdict = comparison.verdict("prepared network", "interpreter")
    assert verdict.startswith("prepared network = interpreter; the engine was not compared: the C runtime is")


@needs_engine
def test_a_comparison_runs_the_fastest_and_the_portable_path():
    assert unavailable() is None
    comparison, vectors = Comparison(tiny()), record(tiny(), frames(4, 9))
    comparison.require_equal(frames(4, 9), vectors, 2, "the golden vectors")
    both = ", ".join(dict.fromkeys((paths()[0], "portable")))
    assert (
        comparison.verdict("golden vectors", "interpreter")
        == f"golden vectors = interpreter = engine ({both})"
    )


@needs_engine
def test_a_program_beyond_the_engine_is_not_called_compared(monkeypatch):
    def refuse(program):
        raise ProgramError("Linear 'current': too large")

    monkeypatch.setattr(engine, "lower", refuse)
    assert Comparison(tiny()).verdict("a") == "a; the engine was not compared: Linear 'current': too large"


@needs_engine
@pytest.mark.usefixtures("wrong_engine")
def test_an_engine_that_differs_is_named_with_layer_step_and_both_values():
    expected = record(tiny(), frames(4, 9))
    message = r"^layer y, step 0, sample 0, channel 0: membrane is 4 in the vectors and 5 in the engine \("
    with pytest.raises(VerificationError, match=message):
        Comparison(tiny()).require_equal(frames(4, 9), expected, 2, "the vectors")


@needs_engine
def test_answers_that_differ_are_found_where_membranes_agree():
    expected = record(tiny(), frames(4, 9))
    expected.logits[0, 0] += 1
    message = (
        r"^logits, sample 0, class only: 12 in the interpreter and 11 in the engine \(.*by its method run"
    )
    with pytest.raises(VerificationError, match=message):
        Comparison(tiny()).require_equal(frames(4, 9), expected)
