"""Images for the cores: what is measured beside what counts it, compiled, linked and run in QEMU."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tests.export.toolchain import CORES, DATA_PATH, Core, arm, emulate, link, run

from shiftlif.export.c_tables import array

C = Path(__file__).parent / "c"
TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
COUNTED = ("M4", "M55")
TICKS = 4  # -icount shift: 2^4 ns per instruction, so that 24 bits of ticks hold 40 million
LOOP_DIFFERENCE = 200_000  # instructions between the two loops of count.c
FRAMES = "SL_ALIGNED const int8_t contender_frames"
M0_LARGE = Core("cortex-m0", "mps2-an385", "4M", "4M")
"""The M0's code where there is more memory than the microbit has: a Cortex-M3 knows every instruction of an M0."""


class DoesNotFit(Exception):
    """An image is larger than the memory of its machine; the text is the linker's."""


@dataclass(frozen=True, eq=False)
class Counted:
    """One contender on one core.

    Attributes:
        instructions: of each sample.
        scores: int32 ``[samples, classes]``.
    """

    instructions: list[int]
    scores: npt.NDArray[np.int32]


def missing() -> list[str]:
    """The tools that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def versions() -> dict[str, str]:
    """First lines of what the tools say about themselves."""
    return {
        tool: run(tool, "--version").stdout.splitlines()[0]
        for tool in ("arm-none-eabi-gcc", "qemu-system-arm")
    }


def build(core: Core, sources: list[Path], to: Path, *options: str, level: str = "-O2") -> Path:
    """`link`, with `DoesNotFit` where the machine is too small."""
    try:
        return link(core, sources, to, *options, level=level)
    except AssertionError as error:
        if found := re.search(r"(region `\w+' overflowed by \d+ bytes)", str(error)):
            raise DoesNotFit(found[1]) from None
        raise


def count(
    core: Core, sources: list[Path], frames: npt.NDArray[np.int8], classes: int, folder: Path, level: str
) -> Counted:
    """Instructions of ``contender_infer`` for each frame.

    Args:
        core: of `CORES`, one with a system tick.
        sources: C files that define ``contender_infer``; their folders are searched for headers.
        frames: int8 ``[samples, ...]``.
        classes: how many scores it returns.
        folder: for what is made.
        level: of optimisation, ``-O2``.

    Raises:
        DoesNotFit: in the machine's memory.
        RuntimeError: it did not run to its end; the message holds the output.
    """
    folder.mkdir(parents=True, exist_ok=True)
    flat = np.ascontiguousarray(frames).reshape(len(frames), -1)
    (folder / "contender.h").write_text(
        f"#include <stddef.h>\n#include <stdint.h>\n#define SAMPLES {len(flat)}u\n#define CLASSES {classes}u\n"
        f"#define FRAME {flat.shape[1]}u\nextern const int8_t contender_frames[];\n"
        "const int32_t *contender_infer(const int8_t *frame);\n"
    )
    declared = f'#include "contender.h"\n{FRAMES}'
    text = array("frames", flat).replace("static SL_ALIGNED const int8_t frames", declared, 1)
    (folder / "frames.c").write_text("#define SL_ALIGNED __attribute__((aligned(4)))\n" + text)
    own = [C / "count.c", folder / "frames.c"]
    headers = [f"-I{folder}", f"-I{C}", *{f"-I{source.parent}" for source in sources}]
    image = build(
        core, [*sources, *own], folder / f"count{level}.elf", *headers, "-Wno-conversion", level=level
    )
    done = emulate(core, image, TICKS)
    found = parse(done.stdout)
    if done.returncode != 0 or len(found.instructions) != len(flat):
        raise RuntimeError(f"{image} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return found


def parse(text: str) -> Counted:
    """What count.c printed; the two loops say how many ticks an instruction has."""
    lines = [line.split() for line in text.splitlines()]
    short, long = (int(n) for n in next(line for line in lines if line[:1] == ["loops"])[1:3])
    per_tick = LOOP_DIFFERENCE / (long - short)
    samples = [[int(n) for n in line[1:]] for line in lines if line[:1] == ["sample"]]
    return Counted(
        [round(ticks * per_tick) for ticks, *_ in samples],
        np.array([scores for _, *scores in samples], np.int32),
    )


def code_bytes(folder: Path, made: Path, names: tuple[str, ...] = (*DATA_PATH, "validate")) -> int:
    """Code of the runtime in an exported folder, for the M4 at -O2, without the model's tables."""
    total = 0
    for name in names:
        if not (folder / f"{name}.c").exists():  # pool.c, where nothing is pooled
            continue
        compiled = made / f"{name}.o"
        run(*arm(CORES["M4"]), "-ffunction-sections", "-c", folder / f"{name}.c", "-o", compiled)
        total += sizes(compiled)[0]
    return total


def sizes(compiled: Path) -> tuple[int, int]:
    """Bytes of flash (code, tables and initial data) and of RAM of an object file."""
    text, data, bss = run("arm-none-eabi-size", compiled).stdout.splitlines()[1].split()[:3]
    return int(text) + int(data), int(data) + int(bss)


def compiled_sizes(source: Path, made: Path, level: str) -> tuple[int, int]:
    """`sizes` of one source file for the M4."""
    run(*arm(CORES["M4"], level), "-Wno-conversion", f"-I{C}", f"-I{source.parent}", "-c", source, "-o", made)
    return sizes(made)
