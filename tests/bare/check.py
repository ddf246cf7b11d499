"""What must work where torch is not installed; run by run.sh in an environment without it."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import shiftlif

IMPORT_LIMIT = 0.4  # seconds, the best of several


def _import_seconds() -> float:
    code = (
        "import time; t = time.perf_counter(); import shiftlif; shiftlif.IntegerProgram; "
        "print(time.perf_counter() - t)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    return min(float(run.stdout) for run in runs)


def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("shiftlif")), *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{run.stdout}{run.stderr}")
    return run


def _check_engine(program: "shiftlif.IntegerProgram", expected: str) -> None:
    """Without a compiler there is no engine; everything says so, and the interpreter takes its place."""
    from shiftlif.errors import ProgramError
    from shiftlif.runtime import Engine, paths, unavailable

    reason = unavailable()
    if reason is None or paths():
        raise SystemExit("the engine was built: this environment proves nothing about a missing compiler")
    try:
        Engine(program)
    except ProgramError as error:
        if reason not in str(error) or "C++ compiler" not in str(error):
            raise SystemExit(f"the message does not say what is missing: {error}") from None
    else:
        raise SystemExit("an engine was made without a compiler")
    run = _cli("run", "program.safetensors", "samples.npy")
    if run.stdout != expected:
        raise SystemExit("shiftlif run printed other predictions")
    if " ".join(run.stderr.split()).count("running in the interpreter, which is slow") != 1:
        raise SystemExit(f"shiftlif run should say once that there is no engine, got: {run.stderr}")
    if _cli("run", "program.safetensors", "samples.npy", "--interpreter").stderr:
        raise SystemExit("shiftlif run --interpreter should have nothing to say")
    verified = _cli("verify", "program.safetensors", "--vectors", "vectors.npz").stdout
    if "the engine was not compared" not in " ".join(verified.replace("│", " ").split()):
        raise SystemExit(f"verify should say that no engine was compared, got: {verified}")


def _check_stream(expected: str) -> None:
    """The samples one after the other as lines of a stream: the same predictions."""
    import numpy as np

    samples = np.load("samples.npy")
    lines = samples.swapaxes(1, 2).reshape(-1, samples.shape[1])
    np.savetxt("lines.csv", lines, delimiter=",", fmt="%.9g")
    run = _cli("run", "program.safetensors", "lines.csv", "--stream", "--hop", str(samples.shape[2]))
    if [line.split("\t")[1] for line in run.stdout.splitlines()] != expected.split():
        raise SystemExit(f"shiftlif run --stream printed other predictions: {run.stdout}")


def main(folder: Path) -> None:
    for name in ("torch", "lightning", "yaml", "sklearn"):
        if importlib.util.find_spec(name):
            raise SystemExit(f"{name} is installed: this environment proves nothing")
    import numpy as np

    import shiftlif

    if list(Path(shiftlif.__file__).parent.glob("kernels/_native*")):
        raise SystemExit("the kernels were built: this environment proves nothing about a missing compiler")
    from shiftlif.program import GoldenVectors, verify_vectors

    program = shiftlif.IntegerProgram.load(folder / "program.safetensors")
    verify_vectors(program, GoldenVectors.load(folder / "vectors.npz"))
    expected = (folder / "expected.txt").read_text()
    frames = program.quantizer.quantize(np.load(folder / "samples.npy"))
    predicted = [program.classes[i] for i in program.run(frames).predictions]
    if predicted != expected.split():
        raise SystemExit(f"predictions are {predicted}, expected {expected.split()}")
    try:
        _ = shiftlif.ShiftLIF
    except ModuleNotFoundError as error:
        if "shiftlif[torch]" not in str(error):
            raise SystemExit(f"the message does not say what to install: {error}") from None
    else:
        raise SystemExit("a torch module was imported without torch")

    _check_engine(program, expected)
    _check_stream(expected)
    _cli("info", "program.safetensors")
    refused = subprocess.run(
        [str(Path(sys.executable).with_name("shiftlif")), "train", "digits"], capture_output=True, text=True
    )
    if refused.returncode != 2 or "Traceback" in refused.stderr or "shiftlif[train]" not in refused.stderr:
        raise SystemExit(f"train without torch should say what to install, got: {refused.stderr}")

    seconds = _import_seconds()
    if seconds > IMPORT_LIMIT:
        raise SystemExit(f"importing took {seconds:.2f} s, at most {IMPORT_LIMIT} s allowed")
    print(
        "without torch and compiler: import, load, run, run --stream, info and verify work; "
        f"import takes {seconds:.2f} s"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
