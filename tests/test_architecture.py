"""The house: imports flow one way, and each half stands on its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "shiftlif"

# The life of a model, front to back; a room may import from rooms on lines above its own, and from
# rooms named in its own entry. CONTRIBUTING.md draws the same map.
MAP = {
    "errors": set(),
    "alphabet": {"errors"},
    "data": {"errors"},
    "program": {"errors", "alphabet"},
    "runtime": {"errors", "program"},
    "export": {"errors", "program", "runtime"},
    "surrogate": {"errors", "alphabet"},
    "kernels": {"errors", "alphabet", "surrogate"},
    "neuron": {"errors", "alphabet", "surrogate", "kernels"},
    "network": {"errors", "alphabet", "kernels", "neuron"},
    "models": {"errors", "network"},
    "interop": {"errors", "alphabet", "surrogate", "neuron", "network"},
    "analysis": {"errors", "alphabet", "surrogate", "neuron", "network"},
    "quantize": {"errors", "alphabet", "surrogate", "neuron", "network"},
    "compile": {"errors", "network", "quantize", "program", "runtime"},
    "training": {
        "errors",
        "alphabet",
        "surrogate",
        "neuron",
        "network",
        "models",
        "data",
        "analysis",
        "quantize",
        "compile",
        "program",
    },
    "bench": {
        "errors",
        "neuron",
        "network",
        "data",
        "analysis",
        "quantize",
        "compile",
        "program",
        "training",
    },
    "report": {
        "errors",
        "alphabet",
        "neuron",
        "network",
        "data",
        "analysis",
        "quantize",
        "compile",
        "program",
        "runtime",
        "training",
    },
    "cli": {
        "errors",
        "alphabet",
        "network",
        "models",
        "data",
        "analysis",
        "training",
        "bench",
        "report",
        "quantize",
        "compile",
        "program",
        "runtime",
        "export",
    },
}
# The one arrow upwards: `IntegerProgram.engine` imports the engine when it is called, as a convenience for users;
# nothing in `program` computes with it, and importing `program` does not load it.
UPWARDS = {"program/program.py": {"runtime"}}
TORCH_FREE = ("errors", "alphabet", "data", "program", "runtime", "export")
LEARNING_CORE = ("surrogate", "kernels", "neuron", "network", "models", "interop", "quantize", "compile")
HEAVY = (
    "altair",
    "vl_convert",
    "lightning",
    "typer",
    "rich",
    "matplotlib",
    "pydantic",
    "sklearn",
    "librosa",
    "tensorboard",
)


def _room(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "shiftlif":
                yield from (f"shiftlif.{alias.name}" for alias in node.names)
            else:
                yield node.module


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_flow_one_way(path):
    room = _room(path)
    assert room in MAP, f"{room} is not on the map"
    used = {name.split(".")[1] for name in _imports(path) if name.startswith("shiftlif.")}
    used -= {room, "__version__"}
    allowed = MAP[room] | UPWARDS.get(path.relative_to(PACKAGE).as_posix(), set())
    assert used <= allowed, f"{room} must not import {sorted(used - allowed)}"


def test_every_room_on_the_map_exists_and_is_named_in_contributing():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for room in MAP:
        assert (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file(), room
        assert f"`{room}" in text, f"CONTRIBUTING.md does not show {room}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def _modules(rooms):
    names = []
    for path in FILES:
        if _room(path) in rooms:
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            names.append(".".join(("shiftlif", *(p for p in parts if p != "__init__"))))
    return names


def _loaded_after(imports):
    code = f"import sys\n{imports}\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.split()}


def test_the_deployed_half_loads_neither_torch_nor_any_extra():
    loaded = _loaded_after("\n".join(f"import {m}" for m in ["shiftlif", *_modules(TORCH_FREE)]))
    assert not loaded & {"torch", "scipy", *HEAVY}


def test_the_learning_core_loads_no_lightning_typer_or_matplotlib():
    loaded = _loaded_after("\n".join(f"import {m}" for m in _modules(LEARNING_CORE)))
    assert "torch" in loaded
    assert not loaded & set(HEAVY)


def test_the_program_does_not_load_the_runtime_above_it():
    code = (
        "import sys, shiftlif.program; print(*(name for name in sys.modules if name.startswith('shiftlif.')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[1] for name in run.stdout.split()}
    assert "program" in loaded
    assert not loaded & UPWARDS["program/program.py"]


def test_every_public_name_can_be_imported():
    import shiftlif

    for name in shiftlif.__all__:
        assert getattr(shiftlif, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    import shiftlif

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = shiftlif.no_such_name


def test_a_look_at_a_run_does_not_wait_for_lightning():
    modules = (
        "report.report",
        "training.compiled",
        "training.deployment",
        "training.fitting",
        "training.runs",
    )
    loaded = _loaded_after("\n".join(f"import shiftlif.{module}" for module in modules))
    assert "torch" in loaded
    assert not loaded & {"lightning", "tensorboard"}
