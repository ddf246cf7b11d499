"""Files that other programs read: workflows, hooks, issue forms, citation. They parse, and what they name exists."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from shiftlif import __version__
from tests.wheel.contents import problems

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(
    path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
)
# What a runner brings along; everything else that a step calls has to be in the repository.
OF_THE_RUNNER = {"python", "apt-get"}


def _read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _steps(workflow):
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        yield from job["steps"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_commands_of_a_workflow_exist(path):
    workflow = _read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert True in workflow, "YAML reads the key `on` as true"
    for step in _steps(workflow):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), step
        for command in re.split(r"&&|\n", step.get("run", "")):
            words = command.split()
            if not words:
                continue
            assert words[0] in OF_THE_RUNNER or (ROOT / words[0]).is_file(), command
            for word in words[1:]:
                assert not word.endswith((".py", ".sh")) or (ROOT / word).is_file(), command


def test_the_workflow_runs_what_every_machine_runs():
    assert [step["run"] for step in _steps(_read(ROOT / ".github/workflows/ci.yml")) if "run" in step][
        -1
    ] == ".ci/run"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_ci_calls_targets_that_the_makefile_has():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    called = re.findall(
        r"^make ((?:[a-z-]+ ?)+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert called
    assert {name for line in called for name in line.split()} <= targets
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets


def test_wheels_are_tested_by_a_script_of_the_repository():
    settings = PROJECT["tool"]["cibuildwheel"]
    (script,) = re.findall(r"\{project\}/(\S+)", settings["test-command"])
    assert (ROOT / script).is_file()
    assert settings["linux"]["archs"] == ["x86_64", "aarch64"]
    assert settings["macos"]["archs"] == ["arm64"]


def test_the_check_of_wheels_passes_here(capsys):
    from tests.wheel import check

    if check.unavailable() is not None:
        pytest.skip("the engine is not built")
    import subprocess

    done = subprocess.run([sys.executable, check.__file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "portable" in done.stdout


def test_wheels_are_built_for_the_pythons_that_the_package_names():
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    built = [re.fullmatch(r"cp3(\d+)-\*", pattern) for pattern in PROJECT["tool"]["cibuildwheel"]["build"]]
    assert [found and found[1] for found in built] == named
    assert PROJECT["project"]["requires-python"] == f">=3.{named[0]}"


SDIST = [
    *("CMakeLists.txt", "LICENSE", "README.md", "pyproject.toml", "tests/wheel/check.py", "tests/test_it.py"),
    *(
        f"src/shiftlif/{name}"
        for name in ("py.typed", "a.py", "runtime/c/shiftlif.h", "runtime/host/host.cpp")
    ),
    "src/shiftlif/export/templates/Makefile",
]
WHEEL = [
    *("shiftlif/py.typed", "shiftlif/a.py", "shiftlif/runtime/c/shiftlif.h"),
    *("shiftlif/export/templates/Makefile", "shiftlif/kernels/_native.so", "shiftlif/runtime/_engine.so"),
    *("shiftlif-1.dist-info/METADATA", "shiftlif-1.dist-info/licenses/LICENSE"),
]


@pytest.mark.parametrize("lost", WHEEL[:-2] + WHEEL[-1:])
def test_a_wheel_without_one_of_its_files_is_found(lost):
    assert problems(SDIST, WHEEL) == []
    (line,) = problems(SDIST, [name for name in WHEEL if name != lost])
    assert "lacks" in line


@pytest.mark.parametrize(
    "more", ["tests/__init__.py", "shiftlif/runtime/host/host.cpp", "shiftlif/notes.txt"]
)
def test_a_wheel_with_more_than_the_package_is_found(more):
    assert problems(SDIST, [*WHEEL, more]) == [f"the wheel holds {more}"]


def test_a_source_distribution_that_cannot_be_built_is_found():
    lacking = [name for name in SDIST if name != "CMakeLists.txt"]
    assert problems(lacking, WHEEL) == ["the source distribution lacks CMakeLists.txt"]
    built = [*SDIST, "src/shiftlif/runtime/_engine.so"]
    assert "the source distribution holds src/shiftlif/runtime/_engine.so" in problems(built, WHEEL)


def test_hooks_run_tools_that_the_environment_installs():
    (local,) = _read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    wanted = {re.split(r"[<>=;\[]", name)[0] for name in PROJECT["project"]["optional-dependencies"]["dev"]}
    for hook in local["hooks"]:
        tool = hook["entry"].split()[0]
        assert tool.startswith(".venv/bin/")
        name = Path(tool).name
        assert name in wanted
        assert shutil.which(name, path=str(Path(sys.executable).parent)), name


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_the_forms_need(path):
    form = _read(path)
    assert {"name", "description", "body"} <= set(form)
    identifiers = [item["id"] for item in form["body"] if item["type"] != "markdown"]
    assert len(identifiers) == len(set(identifiers)) >= 1
    for item in form["body"]:
        assert item["type"] in ("markdown", "textarea", "input", "dropdown")
        assert ("value" if item["type"] == "markdown" else "label") in item["attributes"]


def test_the_citation_names_this_version_and_licence():
    citation = _read(ROOT / "CITATION.cff")
    project = PROJECT["project"]
    assert citation["version"] == project["version"]
    assert __version__ in (project["version"], "0+unknown")
    assert citation["license"] == project["license"]["text"]
    assert f"version = {{{project['version']}}}" in (ROOT / "docs" / "cite.md").read_text(encoding="utf-8")


def test_every_extra_is_pinned_for_development():
    pinned = set(
        re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for extra, names in PROJECT["project"]["optional-dependencies"].items():
        for name in names:
            package = re.split(r"[<>=;\[ ]", name)[0]
            assert package == "shiftlif" or package in pinned | {"PyYAML", "pyyaml"}, (extra, name)
