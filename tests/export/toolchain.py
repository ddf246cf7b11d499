"""Compilers and cores for exported programs: what is missing skips, with its name."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from shiftlif import export

QEMU = Path(export.__file__).parent / "templates" / "qemu"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SECONDS = 120
# Everything that a frame goes through; validate.c runs once, before, and multiplies sizes.
DATA_PATH = ("run", "synapse", "slide", "events", "gather", "neuron", "rows", "pool")
# Multiplications, divisions and floating point, as instructions, of vectors too, and as helpers of the compiler; and
# what the disassembler shows of an instruction that it does not know.
FORBIDDEN = re.compile(
    r"\s(?:mul|ml[as]|[su]?mul|[su]ml|smm|smu|sma|sml|smus|umaal|[su]div"
    r"|v\w*(?:mul|ml[as]|fm[as]|fnm|div|sqrt|cvt|rint)|v(?!mov)\w*\.b?f\d|cdp|ldc|stc|mcr|mrc|.*UNDEFINED)"
    r"|__aeabi_[a-z]*(?:mul|div|mod|[fd]add|[fd]sub|[fd]cmp|2[fdi]z?)"
)
NEWEST = (
    "armv8.1-m.main"  # whose disassembly knows the instructions of every core; without it vectors are "cdp"
)


@dataclass(frozen=True)
class Core:
    """A microcontroller core and the machine of QEMU that has it."""

    cpu: str
    machine: str
    flash: str
    ram: str
    options: tuple[str, ...] = ()


CORES = {
    "M0": Core("cortex-m0", "microbit", "256K", "16K"),
    "M4": Core("cortex-m4", "mps2-an386", "4M", "4M"),
    "M55": Core("cortex-m55", "mps3-an547", "512K", "512K"),
    "M55 MVE": Core("cortex-m55", "mps3-an547", "512K", "512K", ("-mfloat-abi=hard",)),
}


def need(*tools: str) -> None:
    """Skips the test where a tool is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def need_sanitizers(compiler: str, folder: Path) -> None:
    """Skips the test where the compiler comes without its sanitizers."""
    (folder / "empty.c").write_text("int main(void) { return 0; }\n")
    command = [compiler, "-fsanitize=address,undefined", str(folder / "empty.c"), "-o", str(folder / "empty")]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{compiler} has no sanitizers (Debian: libclang-rt-14-dev for clang)")


def run(*command: object, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command with a time limit; its output is in the message where it fails."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, timeout=SECONDS)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


def arm(core: Core, level: str = "-O2") -> list[str]:
    """The compiler and its options for a core."""
    return ["arm-none-eabi-gcc", "-mthumb", f"-mcpu={core.cpu}", *core.options, level, "-std=c99", *WARNINGS]


def link(core: Core, sources: list[Path], to: Path, *options: str, level: str = "-O2") -> Path:
    """An image for QEMU; the start-up code is the export's."""
    start = to.with_suffix(".start.o")
    run(*arm(core), "-c", QEMU / "start.c", "-o", start)
    sizes = [f"-Wl,--defsym=FLASH_SIZE={core.flash}", f"-Wl,--defsym=RAM_SIZE={core.ram}"]
    parts = [
        "-ffunction-sections",
        "-fdata-sections",
        "-Wl,--gc-sections",
        "-nostartfiles",
        "--specs=rdimon.specs",
    ]
    run(*arm(core, level), *options, *parts, *sizes, f"-T{QEMU / 'link.ld'}", *sources, start, "-o", to)
    return to


def emulate(core: Core, image: Path, shift: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs an image; QEMU's exit code is that of the program, and an instruction takes 2^shift ns."""
    semihosting = "enable=on,target=native"
    options = ["-nographic", "-icount", f"shift={shift}", "-semihosting-config", semihosting]
    command = ["qemu-system-arm", "-M", core.machine, *options, "-kernel", str(image)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False
    )


def sources(folder: Path) -> list[Path]:
    """The C files of an exported folder."""
    return sorted(folder.glob("*.c"))


def forbidden_instructions(objects: list[Path]) -> list[str]:
    """Lines of the disassembly that multiply, divide or compute with floating point."""
    listing = run("arm-none-eabi-objdump", "-m", NEWEST, "-dr", "--no-show-raw-insn", *objects).stdout
    return [line.strip() for line in listing.splitlines() if FORBIDDEN.search(line)]
