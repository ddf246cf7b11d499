"""The exported program with the engine's kernels, called in a loop from C++: what a call costs without Python."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shiftlif.export import export_c
from shiftlif.program import IntegerProgram

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "src" / "shiftlif" / "runtime"
LOOP = Path(__file__).with_name("loop.cpp")
WIDE = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512")
X86 = {"avx2": ("-mavx2",), "avx512": WIDE, "avx512vnni": (*WIDE, "-mavx512vnni")}  # as in CMakeLists.txt
ARM: dict[str, tuple[str, ...]] = {"neon": (), "neondotprod": ("-march=armv8.2-a+dotprod",)}
KERNELS = {  # of a machine: what host.cpp is told, and the options of each path
    "x86_64": ("-DSHIFTLIF_X86", X86),
    "AMD64": ("-DSHIFTLIF_X86", X86),
    "aarch64": ("-DSHIFTLIF_AARCH64", ARM),
    "arm64": ("-DSHIFTLIF_AARCH64", ARM),
}


class FromC:
    """A batch of frames and what runs it.

    Args:
        program: the lowered program's source is compiled anew in ``folder``.
        frames: int8 ``[B, *input_shape]``, shown at every step.
        path: as for the engine.
        folder: for objects; those of the kernels are kept.

    Attributes:
        sums: int32 ``[B, classes]``, filled by every call.
    """

    def __init__(
        self, program: IntegerProgram, frames: npt.NDArray[np.int8], path: str, folder: Path
    ) -> None:
        self._library = ctypes.CDLL(str(library(program, folder)))
        self._library.loop_run.restype = ctypes.c_double
        self._library.loop_run.argtypes = (ctypes.c_void_p, *(ctypes.c_size_t,) * 3, ctypes.c_void_p)
        if code := self._library.loop_open(path.encode()):
            raise ValueError(f"the program cannot be run from C (code {code})")
        self._frames = np.ascontiguousarray(frames)
        self.sums = np.empty((len(frames), len(program.classes)), np.int32)

    def __call__(self) -> None:
        self.seconds(1)

    def seconds(self, calls: int) -> float:
        """Seconds per call of the batch, by a clock in C++."""
        batch = len(self._frames)
        size = self._frames.size // batch
        found = self._library.loop_run(self._frames.ctypes.data, batch, size, calls, self.sums.ctypes.data)
        if found < 0:
            raise ValueError("the program failed when it was called from C")
        return float(found) / calls


def _compile(source: Path, target: Path, *flags: str) -> Path:
    """An object that is newer than the runtime's sources."""
    newest = max(path.stat().st_mtime for path in (source, *RUNTIME.glob("*/*.[ch]*")))
    if not target.exists() or target.stat().st_mtime < newest:
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = os.environ.get("CC", "cc") if source.suffix == ".c" else os.environ.get("CXX", "c++")
        standard = "-std=c99" if source.suffix == ".c" else "-std=c++17"
        _call(compiler, standard, "-O3", "-fPIC", *flags, "-c", str(source), "-o", str(target))
    return target


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]} failed: {done.stderr.strip()[-300:]}")


def _kernels(folder: Path) -> list[Path]:
    macro, paths = KERNELS.get(platform.machine(), ("-DSHIFTLIF_PORTABLE", {}))
    host = RUNTIME / "host"
    made = [_compile(source, folder / f"{source.stem}.o") for source in sorted((RUNTIME / "c").glob("*.c"))]
    made.append(_compile(host / "host.cpp", folder / "host.o", macro))
    for name, flags in paths.items():
        named = (f"-DSHIFTLIF_KERNELS={name}", f'-DSHIFTLIF_PATH="{name}"')
        made.append(_compile(host / "kernels.cpp", folder / f"kernels_{name}.o", *named, *flags))
    return made


def library(program: IntegerProgram, folder: Path) -> Path:
    """A shared library of the exported program, the runtime, the engine's kernels and the loop."""
    source = folder / "programs" / program.digest()[:16]
    made = source.with_suffix(".so")
    export_c(program, source, name="model", samples=1)
    objects = [
        *_kernels(folder / "kernels"),
        _compile(source / "model_model.c", source.with_suffix(".o"), f"-I{source}"),
        _compile(LOOP, folder / "loop.o", f"-I{RUNTIME / 'host'}"),
    ]
    _call(os.environ.get("CXX", "c++"), "-shared", *map(str, objects), "-o", str(made))
    return made
