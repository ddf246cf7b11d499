"""What a source distribution and the wheel built from it have to hold.

``python contents.py SDIST WHEEL``
"""

import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGE = "shiftlif/"
LEFT_OUT = (
    "shiftlif/kernels/csrc/",
    "shiftlif/runtime/host/",
)  # compiled, and of no use to who installs the wheel
COMPILED = ("shiftlif/kernels/_native.", "shiftlif/runtime/_engine.")
NEEDED = ("shiftlif/py.typed", "shiftlif/runtime/c/shiftlif.h", "shiftlif/export/templates/Makefile")
TO_BUILD = ("CMakeLists.txt", "LICENSE", "README.md", "pyproject.toml", "tests/wheel/check.py")


def problems(sdist: list[str], wheel: list[str]) -> list[str]:
    """What is missing or too much.

    Args:
        sdist: names of files, without the folder of the version.
        wheel: names of files.
    """
    sources = {name.removeprefix("src/") for name in sdist if name.startswith(f"src/{PACKAGE}")}
    expected = {name for name in sources if not name.startswith(LEFT_OUT)}
    compiled = [name for name in wheel if name.startswith(COMPILED)]
    metadata = [name for name in wheel if name.split("/")[0].endswith(".dist-info")]
    found = set(wheel) - set(compiled) - set(metadata)
    lines = [f"the source distribution lacks {name}" for name in TO_BUILD if name not in sdist]
    lines += [f"the source distribution holds {name}" for name in sdist if name.endswith((".so", ".pyc"))]
    lines += [f"the wheel lacks {name}" for name in sorted(expected - found | set(NEEDED) - found)]
    lines += [f"the wheel holds {name}" for name in sorted(found - expected)]
    lines += [
        f"the wheel lacks {name}*: it was not compiled" for name in COMPILED if not _with(compiled, name)
    ]
    if not any(name.endswith("licenses/LICENSE") for name in metadata):
        lines.append("the wheel lacks its licence")
    return lines


def _with(names: list[str], start: str) -> bool:
    return any(name.startswith(start) for name in names)


def main(sdist: Path, wheel: Path) -> None:
    with tarfile.open(sdist) as packed:
        inside = [entry.name.partition("/")[2] for entry in packed.getmembers() if entry.isfile()]
    with zipfile.ZipFile(wheel) as packed_wheel:
        found = problems(inside, packed_wheel.namelist())
    if "none-any" in wheel.name:
        found.append(f"{wheel.name} is a wheel without compiled parts")
    if found:
        raise SystemExit("\n".join(found))
    print(f"{sdist.name}: {len(inside)} files; {wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, complete")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
