"""What is known of one network: accuracy, equality, density, instructions, flash and RAM, ours and the opponent's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.mcu import cores
from benchmarks.mcu.dense import DenseNetwork
from benchmarks.trained import LETTERS, OPPONENT, SPIKING, STEPS, Trained, trained
from shiftlif.export import export_c
from shiftlif.export.c_folder import plan_for_c
from shiftlif.program import IntegerProgram, Neuron
from shiftlif.program.quantizer import digits_of
from shiftlif.runtime import Engine
from shiftlif.runtime.equality import require_equal

Row = dict[str, Any]
Int8 = npt.NDArray[np.int8]
Say = Callable[[str], None]
CHUNK = 128  # samples whose letters and membranes are held at once
NAME = "net"
MEASURED = [(SPIKING, steps, "int8") for steps in STEPS] + [(LETTERS, 1, "letters")]
"""Neuron, T and what the frames hold: int8, or int8 of one digit each."""
LEVELS = ("-O2", "-O3")  # the opponent is given the better one
OURS = """\
#include "net_model.h"
#include "contender.h"
static net_state state;
static net_arena arena;
const int32_t *contender_infer(const int8_t *frame) {
    net_reset(&state);
    net_infer(&state, &arena, frame);
    return net_scores(&state);
}
"""


@dataclass(frozen=True)
class Samples:
    """How many samples.

    Attributes:
        counted: whose instructions are counted.
        compared: on every core, letters and membranes.
        test: of the test part, for accuracy and equality on this machine; None is all.
    """

    counted: int
    compared: int
    test: int | None


FULL, QUICK = Samples(8, 50, None), Samples(2, 4, 64)


def _spread(x: Int8, count: int) -> Int8:
    """So many samples, evenly spread."""
    return x[np.linspace(0, len(x) - 1, min(count, len(x))).round().astype(int)]


def _test(network: Trained, samples: Samples) -> tuple[Int8, npt.NDArray[np.int64]]:
    part = network.run.data().parts["test"]
    x, y = part.x.numpy(), part.y.numpy()
    return (x, y) if samples.test is None else (_spread(x, samples.test), _spread(y, samples.test))


def density(program: IntegerProgram, x: Int8) -> dict[str, float]:
    """Shares of values that are not 0, and digits of the frames.

    Returns:
        ``letters``: of all neurons and steps. ``input``: of the frame's values. ``digits``: signed digits of a frame's
        value, zeros included: so many rows of weights the first layer adds per input.
    """
    result = program.run(x, record=True)
    names = [op.name for op in program.operations if isinstance(op, Neuron)]
    events = sum(int(np.count_nonzero(result.letters[name])) for name in names)
    values = sum(result.letters[name].size for name in names)
    digits = np.array([digits_of(n) for n in range(-128, 128)])
    return {
        "letters": events / values,
        "input": float(np.count_nonzero(x) / x.size),
        "digits": float(digits[x.astype(int) + 128].mean()),
    }


def equal_on_this_machine(program: IntegerProgram, x: Int8) -> int:
    """How many samples were compared: the C runtime as exported with the interpreter, every letter and membrane.

    Raises:
        VerificationError: at the first difference.
    """
    engine = Engine(program, path="portable", plan=plan_for_c(program))
    for at in range(0, len(x), CHUNK):
        require_equal(engine, x[at : at + CHUNK], program.run(x[at : at + CHUNK], record=True))
    return len(x)


def equal_on_core(name: str, program: IntegerProgram, x: Int8, folder: Path) -> Row:
    """The self-test of the export on one core, in several images where one does not fit.

    Returns:
        ``samples`` that were equal, ``of`` how many, ``images``, ``machine``, and ``note`` where it was not the first.
    """
    core, notes = cores.CORES[name], []
    for machine, size in ((core, len(x)), (core, -(-len(x) // 5)), (cores.M0_LARGE, len(x))):
        if machine is cores.M0_LARGE and name != "M0":
            break
        parts = [x[at : at + size] for at in range(0, len(x), size)]
        try:
            equal = sum(_self_test(machine, program, part, folder) for part in parts)
        except cores.DoesNotFit as error:
            notes.append(f"{len(parts)} image{'s' * (len(parts) > 1)} on {machine.machine}: {error}")
            continue
        found: Row = {"samples": equal, "of": len(x), "images": len(parts), "machine": machine.machine}
        return found | ({"note": "; ".join(notes)} if notes else {})
    return {"samples": 0, "of": len(x), "note": "; ".join(notes)}


def _self_test(core: cores.Core, program: IntegerProgram, x: Int8, folder: Path) -> int:
    export_c(program, folder, name=NAME, vectors=x)
    image = cores.build(core, sorted(folder.glob("*.c")), folder.with_suffix(".elf"))
    done = cores.emulate(core, image)
    if f" of {len(x)} samples equal" not in done.stdout:
        raise RuntimeError(f"{image} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return int(done.stdout.split(":")[1].split()[0])


def _ours(program: IntegerProgram, x: Int8, folder: Path) -> Row:
    """Instructions per inference, flash and RAM of the exported runtime."""
    report = export_c(program, folder / "c", name=NAME, vectors=x[:1]).report
    (folder / "c" / "main.c").write_text(OURS)
    sources = [path for path in sorted((folder / "c").glob("*.c")) if path.name != f"{NAME}_vectors.c"]
    expected = program.run(x).logits
    counts = {}
    for core in cores.COUNTED:
        found = cores.count(cores.CORES[core], sources, x, len(program.classes), folder / core, "-O2")
        if not np.array_equal(found.scores, expected):
            raise RuntimeError(f"{folder}: the scores on {core} are not the interpreter's")
        counts[core] = found.instructions
    ram = report["ram"]
    code = cores.code_bytes(folder / "c", folder)
    return {
        "instructions": counts,
        "code": code,
        "flash": code + cores.compiled_sizes(folder / "c" / f"{NAME}_model.c", folder / "model.o", "-O2")[0],
        "ram": ram["state"] + ram["arena"],
        "membranes": ram["membranes"],
        "largest activation": ram["largest activation"],
    }


def _opponent(program: IntegerProgram, x: Int8, folder: Path) -> Row:
    """The same of the dense network, at the level of optimisation that needs fewer instructions."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "dense.c"
    source.write_text(DenseNetwork(program).text)
    expected = program.run(x).logits
    best: dict[str, tuple[float, str, list[int]]] = {}
    for core in cores.COUNTED:
        for level in LEVELS:
            found = cores.count(cores.CORES[core], [source], x, len(program.classes), folder / core, level)
            if not np.array_equal(found.scores, expected):
                raise RuntimeError(
                    f"{folder}: the dense network's scores on {core} are not those of its program"
                )
            mean = float(np.mean(found.instructions))
            best[core] = min(best.get(core, (np.inf, "", [])), (mean, level, found.instructions))
    level = best["M4"][1]
    flash, ram = cores.compiled_sizes(source, folder / "dense.o", level)
    levels = {core: level for core, (_, level, _) in best.items()}
    return {
        "instructions": {c: n for c, (_, _, n) in best.items()},
        "level": levels,
        "flash": flash,
        "ram": ram,
    }


def measure(shape: str, samples: Samples, folder: Path, say: Say) -> list[Row]:
    """A row for each of `MEASURED`.

    Args:
        shape: of `benchmarks.trained`.
        samples: how many.
        folder: for what is built.
        say: is told what is being done.

    Raises:
        SystemExit: a network is not trained.
        RuntimeError: something that must be equal is not.
    """
    at = folder / shape.replace(" ", "_")
    opponent = trained(shape, OPPONENT, 1)
    x, y = _test(opponent, samples)
    say(f"{shape}: dense int8")
    theirs = _opponent(opponent.program, _spread(x, samples.counted), at / "dense")
    theirs["accuracy"] = _accuracy(opponent.program, x, y)
    rows = []
    for neuron, steps, inputs in MEASURED:
        network = trained(shape, neuron, steps)
        x, y = _test(network, samples)
        program, here = network.program, at / f"{inputs}_T{steps}"
        what = f"{shape} T={steps}, inputs {inputs}"
        say(f"{what}: instructions")
        counted = _spread(x, samples.counted)
        ours = _ours(program, counted, here) | {"accuracy": _accuracy(program, x, y)}
        say(f"{what}: equality")
        compared = _spread(x, samples.compared)
        equality: Row = {"host": {"samples": equal_on_this_machine(program, x), "of": len(x)}}
        equality |= {
            core: equal_on_core(core, program, compared, here / core / "equal") for core in cores.CORES
        }
        rows.append(
            {
                "shape": shape,
                "steps": steps,
                "inputs": inputs,
                "counted samples": len(counted),
                "density": density(program, counted),
                "ours": ours,
                "dense": theirs,
                "equality": equality,
            }
        )
    return rows


def _accuracy(program: IntegerProgram, x: Int8, y: npt.NDArray[np.int64]) -> float:
    return float((program.engine().predict(x) == y).mean())
