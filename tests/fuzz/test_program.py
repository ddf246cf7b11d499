"""The fuzzer of the C runtime for a few seconds, always with the same inputs; ``make fuzz`` runs it for longer."""

import shutil
import subprocess

import pytest

from tests.export.toolchain import need, run

from .build import COMPILER, RUNTIME, SANITIZERS, build_harness

RUNS = 4000
OPTIONS = ("-seed=1", "-max_len=512", "-timeout=20", "-rss_limit_mb=2000", "-print_final_stats=1")


def fuzz(folder, runs, runtime=RUNTIME):
    """Builds the fuzzer and runs it; skips where the compiler comes without libFuzzer."""
    need(COMPILER)
    (folder / "empty.c").write_text(
        "#include <stddef.h>\nint LLVMFuzzerTestOneInput(const char *d, size_t n) { return d == 0 && n != 0; }\n"
    )
    command = [COMPILER, *SANITIZERS, str(folder / "empty.c"), "-o", str(folder / "empty")]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{COMPILER} has no libFuzzer (Debian: libclang-rt-14-dev)")
    harness, corpus = build_harness(folder, runtime)
    return run(harness, f"-runs={runs}", *OPTIONS, f"-artifact_prefix={folder}/", corpus, check=False)


def test_no_edited_program_makes_the_runtime_leave_its_memory_or_its_language(tmp_path):
    """What the validator refuses has a status; what it lets pass has no undefined behaviour, whatever it computes."""
    done = fuzz(tmp_path, RUNS)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"stat::number_of_executed_units: {RUNS}" in done.stderr


FAULTS = {
    "sum that may wrap": (
        "internal.h",
        "(int32_t)((uint32_t)a + (uint32_t)b)",
        "a + b",
        "signed integer overflow",
    ),
    "membranes beyond the state": (
        "validate.c",
        "<= p->state_size",
        "<= p->state_size + 8u",
        "AddressSanitizer",
    ),
    "events behind the frame": ("counts.c", "index >= size", "index > size", "deadly signal"),
    "events that are not looked at": ("counts.c", "return 0;", "continue;", "AddressSanitizer"),
    "packed rows walked as if they were not": (
        "internal.h",
        "SL_PACKED(synapse) ? 1u : 2u",
        "SL_PACKED(synapse) ? 2u : 2u",
        "AddressSanitizer",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_fuzzer_finds_a_fault(tmp_path, fault):
    file, right, wrong, finding = FAULTS[fault]
    faulty = tmp_path / "runtime"
    shutil.copytree(RUNTIME, faulty)
    text = (faulty / file).read_text()
    assert right in text
    (faulty / file).write_text(text.replace(right, wrong))
    done = fuzz(tmp_path, 20 * RUNS, faulty)
    assert done.returncode != 0
    assert finding in done.stderr
