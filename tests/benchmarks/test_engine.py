"""The engine benchmark's own logic: which times are compared, what counts as reached, what the page says."""

import pytest
from benchmarks.engine.names import BOUND, COMPILED, FROM_C, FUSED, LAYERS, SPIKINGJELLY, STEP_LOOP, named
from benchmarks.engine.render import render
from benchmarks.engine.targets import AGAINST_INT8, fp32_of, int8_of, outcomes, simulated

U8, S8, OWN = (f"ONNX Runtime int8, {kind}" for kind in ("uint8", "int8", "its own calibration"))
REAL, CLIPPED = (f"ONNX Runtime fp32, {kind}" for kind in ("float32", "float32, clipped"))
MACHINE = {
    "cpu": "a processor",
    "cores": 2,
    "caches": {"L1": "32K"},
    "instruction_set": "AVX2",
    "gpu": None,
    "memory": "4 GB",
    "system": "a system",
    "python": "3.11",
    "versions": {"onnxruntime": "1.0", "spikingjelly": None},
    "compiler": "cc",
    "commit": "abc",
    "date": "today",
}


def of(median):
    return {"median": median}


def spiking(steps, accuracy):
    return {
        "T": steps,
        "accuracy": accuracy,
        "accuracy_float": 0.99,
        "samples": 100,
        "density": 0.25 / steps,
        "synaptic_operations": 1000.0,
        "dense_operations": 4000.0,
    }


def document(shape="digits dense", accuracy=0.97, **changed):
    """Microseconds: engine 2 and 4, from C 1.6 and 2, PyTorch 40 and 50, int8 10, fp32 16."""
    times = {
        named(1, BOUND): of(2e-6),
        named(4, BOUND): of(4e-6),
        named(1, FROM_C): of(1.6e-6),
        named(4, FROM_C): of(2e-6),
        named(1, LAYERS): of(60e-6),
        named(1, FUSED): of(40e-6),
        named(1, STEP_LOOP): of(80e-6),
        named(4, LAYERS): of(50e-6),
        named(4, FUSED): of(90e-6),
        named(1, COMPILED): {"error": "RuntimeError: no compiler"},
        named(1, SPIKINGJELLY): of(90e-6),
        U8: of(14e-6),
        U8 + ", bound": of(10e-6),
        S8: of(5e-6),
        OWN: of(20e-6),
        REAL: of(16e-6),
        CLIPPED: of(17e-6),
        **changed,
    }
    theirs = {U8: 0.98, S8: 0.96, OWN: 0.975, REAL: 0.98, CLIPPED: 0.98}
    accuracies = {"spiking": [spiking(1, accuracy), spiking(4, 0.98)], "opponent": {"accuracy": theirs}}
    point = {
        "batch": 1,
        "threads": 1,
        "load": 0.1,
        "contenders": times,
        "absent": {"SpikingJelly": "not installed"},
    }
    held = {"machine": MACHINE, "quick": False, "seconds": 3, "records": [{"accuracies": accuracies}, point]}
    return {"shapes": {shape: held}}


def found(document):
    return {(o.target.split()[-1], o.steps): o for o in outcomes(document)}


def test_ratios_are_those_of_medians():
    reached = {key: (round(o.ratio, 3), o.verdict) for key, o in found(document()).items()}
    assert reached == {
        ("PyTorch", 1): (20.0, "reached"),  # 40 / 2: the fastest way
        ("PyTorch", 4): (12.5, "not reached"),
        ("int8", 1): (0.2, "reached"),  # 2 / 10
        ("int8", 4): (0.4, "reached"),  # a bound that is met exactly
        ("C", 1): (1.25, "reached"),
        ("C", 4): (2.0, "not reached"),
    }


def test_a_fast_model_more_than_a_point_below_the_best_is_no_opponent():
    shape = document()["shapes"]["digits dense"]
    accuracy = shape["records"][0]["accuracies"]["opponent"]["accuracy"]
    times = shape["records"][1]["contenders"]
    assert int8_of(times, accuracy) == (10e-6, U8 + ", bound")
    assert int8_of(times, {**accuracy, S8: 0.97}) == (5e-6, S8)
    assert fp32_of(times, accuracy) == (16e-6, REAL)
    assert simulated(times, 4) == (50e-6, named(4, LAYERS))


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [(0.99, "reached"), (0.97, "reached"), (0.95, "not reached: accuracy 3.0 points below")],
)
def test_a_network_that_lost_more_than_a_point_does_not_reach_a_latency(accuracy, verdict):
    outcome = found(document(accuracy=accuracy))["int8", 1]
    assert outcome.ratio == pytest.approx(0.2)
    assert outcome.verdict == verdict


def test_bounds_are_those_of_the_model_and_only_digits_are_called_from_c():
    digits, sphar = found(document()), found(document("sphar conv1d"))
    assert (digits["int8", 1].bound, sphar["int8", 1].bound, sphar["int8", 4].bound) == (0.25, 0.6, 1.0)
    assert set(digits) - set(sphar) == {("C", 1), ("C", 4)}
    assert AGAINST_INT8["conv2d", 4] == 2.0


def test_what_has_no_time_is_not_measured_and_not_reached():
    lacking = found(document(**{named(1, BOUND): {"error": "gone"}}))
    assert {key: o.verdict for key, o in lacking.items() if key[1] == 1} == dict.fromkeys(
        [("PyTorch", 1), ("int8", 1), ("C", 1)], "not measured"
    )


def test_the_page_shows_density_and_t_beside_every_ratio_and_says_what_is_missing():
    page = render(document())
    assert (
        "| of the latency of ONNX Runtime int8 | digits dense | 4 | 6.2 % | at most 0.4 | 0.4 | **reached** |"
        in page
    )
    assert "- times as fast as the simulation in PyTorch: 1 of 2 reached" in page
    assert "| digits dense | 1 | 25.0 % | 2 | 1.25 | 10 | 0.2 | 16 | 0.125 | 20 | – | 45 | – |" in page
    assert "- digits dense, T=1: torch.compile: RuntimeError: no compiler" in page
    assert "- SpikingJelly: not installed" in page
    assert "spikingjelly not installed" in page
    assert "quick" not in page


def test_a_quick_run_is_called_one():
    quick = document()
    quick["shapes"]["digits dense"]["quick"] = True
    assert "**A quick run, not a result" in render(quick)
    assert "quick run, not a result**" in render(quick).splitlines()[-1]


def test_a_shape_whose_process_failed_is_named_and_the_others_stay():
    both = document()
    held = {
        "machine": MACHINE,
        "quick": False,
        "seconds": 1,
        "records": [{"threads": 2, "error": "ended with 1: no"}],
    }
    both["shapes"]["wiar conv1d"] = held
    page = render(both)
    assert "- wiar conv1d, 2 threads: ended with 1: no" in page
    assert "| digits dense | 1 |" in page
