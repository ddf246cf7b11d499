"""The kernels for 64-bit Arm computers, cross-compiled and emulated: every letter and membrane is the interpreter's."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from shiftlif.export import export_c
from shiftlif.program import Accumulate, Input, InputQuantizer, IntegerProgram, Linear
from shiftlif.runtime import lower
from tests.export.toolchain import need, run
from tests.program.examples import neuron
from tests.runtime.programs import flattened, frames_of, large_program

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "src" / "shiftlif" / "runtime"
pytestmark = pytest.mark.slow
PREFIX, EMULATOR = "aarch64-linux-gnu-", "qemu-aarch64"
BARE = ("neon", "portable")
PATHS = {"cortex-a53": BARE, "cortex-a76": ("neondotprod", *BARE)}  # the second has the dot product


def extremes():
    """As many of the largest products in one sum as there are, of either sign: 8-bit sums of them would wrap."""
    weight = np.full((40, 67), 127, np.int8)
    weight[::2] = -127
    operations = (
        Input("x", (67,)),
        Linear("current", "x", weight),
        neuron(
            bias=np.zeros(40, np.int32),
            thresholds=np.tile(np.array([67 * 127 * 127, 67 * 127 * 128], np.int32), (40, 1)),
            resets=np.zeros((40, 3), np.int32),
            letters=np.array([0, 1, 127], np.int32),
            membrane_bits=32,
        ),
        Linear("sums", "neuron", np.full((3, 40), -127, np.int8)),
        Accumulate("y", "sums", 0, np.zeros(3, np.int32)),
    )
    return IntegerProgram(operations, InputQuantizer.identity(67), 3, 4, ("a", "b", "c"))


PROGRAMS = [extremes(), flattened("both"), *map(large_program, range(40))]


def kernels():
    """The names of the kernels and the compiler's options for each, as the package is built."""
    text = (ROOT / "CMakeLists.txt").read_text()
    return re.findall(r"add_host_kernels\((neon\w*) ?([^)]*)\)", text)


@pytest.fixture(scope="module")
def program_runner(tmp_path_factory):
    """The programs with the engine's paths, for the emulator."""
    need(f"{PREFIX}gcc", f"{PREFIX}g++", EMULATOR)
    folder = tmp_path_factory.mktemp("aarch64")
    names = [f"p{i}" for i in range(len(PROGRAMS))]
    sources = sorted((RUNTIME / "c").glob("*.c"))
    for name, program in zip(names, PROGRAMS, strict=True):
        export_c(program, folder / name, name=name, samples=1)
        sources.append(folder / name / f"{name}_model.c")
    (folder / "list.c").write_text(
        '#include "shiftlif.h"\n'
        + "".join(f"extern const sl_program {name}_program;\n" for name in names)
        + f"const sl_program *const programs[] = {{{', '.join(f'&{name}_program' for name in names)}}};\n"
    )
    run(f"{PREFIX}gcc", "-std=c99", "-O1", f"-I{RUNTIME / 'c'}", "-c", *sources, "list.c", cwd=folder)
    cpp = (f"{PREFIX}g++", "-std=c++17", "-Wall", "-Wextra", "-Werror")
    for name, options in kernels():
        named = (f"-DSHIFTLIF_KERNELS={name}", f'-DSHIFTLIF_PATH="{name}"', *options.split())
        source = RUNTIME / "host" / "kernels.cpp"
        run(*cpp, "-O3", "-Wno-maybe-uninitialized", *named, "-c", source, "-o", folder / f"{name}.o")
    host = (f"-I{RUNTIME / 'host'}", "-DSHIFTLIF_AARCH64", RUNTIME / "host" / "host.cpp")
    main = Path(__file__).with_name("host_main.cpp")
    run(*cpp, "-O1", *host, main, *sorted(folder.glob("*.o")), "-o", folder / "runner")
    return folder / "runner"


def emulate(cpu, image, *arguments, given=b""):
    command = [EMULATOR, "-L", f"/usr/{PREFIX[:-1]}", "-cpu", cpu, str(image), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def requests():
    """Pairs of a request and the bytes it is to be answered with: one frame for all steps, and one for every step."""
    for number, program in enumerate(PROGRAMS):
        dark = np.full((1, *program.input_shape), -128, np.int8)
        shown = np.concatenate([frames_of(program, number, 2), dark])
        steps = min(program.max_steps, 4)
        for sequence in (shown[None], frames_of(program, number, 2, steps=steps)):
            each = program.steps if len(sequence) == 1 else 1
            x = shown if len(sequence) == 1 else sequence
            result = program.run(x, each if len(sequence) == 1 else None, record=True)
            for sample in range(sequence.shape[1]):
                head = np.array([number, len(sequence), each], "<u4").tobytes()
                yield head + sequence[:, sample].tobytes(), recorded(program, result, sample)


def recorded(program, result, sample):
    """What `host_main.cpp` writes: channels last, membranes in the width that the plan keeps them in."""
    parts = []
    plan = lower(program)
    for step in range(len(result.membranes[program.output])):
        for _, name, table in plan.stateful:
            tapes = [(result.membranes[name], f"<i{table.bytes}")]
            if name in result.letters:
                tapes.insert(0, (result.letters[name], "i1"))
            for tape, dtype in tapes:
                parts.append(
                    tape[step, sample].reshape(table.channels, table.positions).T.astype(dtype).tobytes()
                )
    return b"".join(parts)


@pytest.fixture(scope="module")
def expected():
    return list(requests())


@pytest.mark.parametrize("cpu", PATHS)
def test_a_processor_has_the_paths_of_its_instructions_the_fastest_first(program_runner, cpu):
    assert tuple(emulate(cpu, program_runner).decode().split()) == PATHS[cpu]


@pytest.mark.parametrize(("cpu", "path"), [(cpu, path) for cpu, paths in PATHS.items() for path in paths[:1]])
def test_every_letter_and_membrane_is_that_of_the_interpreter(program_runner, expected, cpu, path):
    given = b"".join(request for request, _ in expected)
    found = emulate(cpu, program_runner, path, given=given)
    at = 0
    for request, answer in expected:
        number = int.from_bytes(request[:4], "little")
        assert found[at : at + len(answer)] == answer, f"program {number} on {path}"
        at += len(answer)
    assert at == len(found)


def test_the_portable_path_is_the_same_on_the_other_processor(program_runner, expected):
    found = emulate(
        "cortex-a53", program_runner, "portable", given=b"".join(request for request, _ in expected)
    )
    assert found == b"".join(answer for _, answer in expected)


def test_a_path_that_the_processor_has_not_is_refused(program_runner):
    command = [
        EMULATOR,
        "-L",
        f"/usr/{PREFIX[:-1]}",
        "-cpu",
        "cortex-a53",
        str(program_runner),
        "neondotprod",
    ]
    given = np.array([0, 1, 1], "<u4").tobytes()
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"this machine has no path 'neondotprod'" in done.stderr
