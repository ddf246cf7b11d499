"""Public docstrings are complete: parameters, shapes of arrays, and what is raised.

The rules ask for words, not for sections: where there are several parameters, each is named somewhere in the docstring
(or in that of its class); a function of arrays says a shape; an error that the body raises is named. A docstring may
send the reader on, "arguments and errors as `run`".
"""

import ast
import importlib
import inspect
import re
import textwrap
from dataclasses import is_dataclass

import pytest
from torch import Tensor

from shiftlif import errors
from shiftlif.errors import NetworkError, ShiftLIFError
from tests.docs.blocks import ROOT

ROOMS = (
    "alphabet",
    "surrogate",
    "errors",
    *(path.parent.name for path in ROOT.glob("src/shiftlif/*/__init__.py")),
)
NOT_AN_INTERFACE = {"cli", "bench"}  # commands have --help and docs/cli.md; the bench has a file format
RAISED = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, ShiftLIFError)
}
HELPERS = {"fail": "ProgramError"}  # functions that return the error to be raised
SENT_ON = re.compile(r"(?i)^`|\b(?:as|as for|as in|see|like|those of) `{1,2}[\w.]+`{1,2}")
ARRAY = re.compile(r"\b(?:Tensor|NDArray|Int8|IntArray|Float64|ArrayLike)\b")
SHAPE = re.compile(r"\[[^\]]*\]|\bshape\b|\bscalar\b|\bone number\b|\bone value\b")


def public_objects():
    """Every public class, function and method, with where it is: ``(label, object, docstrings that count)``."""
    seen = {}
    for room in ROOMS:
        if room in NOT_AN_INTERFACE:
            continue
        module = importlib.import_module(f"shiftlif.{room}")
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
        ]
        for name in names:
            value = getattr(module, name)
            if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
                seen[f"{room}.{name}"] = value
    for label, value in seen.items():
        yield label, value, [inspect.getdoc(value) or ""]
        if inspect.isclass(value):
            for name, member in vars(value).items():
                function = getattr(member, "__func__", member)
                if inspect.isfunction(function) and (not name.startswith("_") or name == "__call__"):
                    yield (
                        f"{label}.{name}",
                        function,
                        [inspect.getdoc(function) or "", inspect.getdoc(value) or ""],
                    )


def parameters(value):
    """Names that a caller may write."""
    if inspect.isclass(value) and not (is_dataclass(value) or "__init__" in vars(value)):
        return []
    try:
        found = inspect.signature(value).parameters
    except ValueError:
        return []
    names = [name for name, one in found.items() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    names = [name for name in names if name not in ("self", "cls") and not name.startswith("_")]
    return names if len(names) > 1 else []  # the sentence is about the only one


def raised(function):
    """Names of the package's errors that the body itself raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and isinstance(node.exc.func, ast.Name)
        ):
            name = HELPERS.get(node.exc.func.id, node.exc.func.id)
            found |= {name} & RAISED
    return found


def gaps(label, value, docstrings):
    """What a docstring leaves out."""
    text, own = "\n".join(docstrings), docstrings[0]
    if not own.strip():
        return [] if label.endswith(".__call__") else ["has no docstring"]
    found = []
    if not SENT_ON.search(own):
        missing = [name for name in parameters(value) if not re.search(rf"\b{re.escape(name)}\b", text)]
        found += [f"does not say what {name} is" for name in missing]
    if inspect.isfunction(value):
        hints = str(inspect.signature(value))
        if ARRAY.search(hints) and not SHAPE.search(text) and not SENT_ON.search(own):
            found.append("takes or returns an array and names no shape")
        found += [
            f"raises {name} and does not say so"
            for name in sorted(raised(value))
            if name not in text and not re.search(r"[Ee]rrors? as ", own)
        ]
    return found


OBJECTS = list(public_objects())


@pytest.mark.parametrize(("label", "value", "docstrings"), OBJECTS, ids=[label for label, *_ in OBJECTS])
def test_a_public_docstring_is_complete(label, value, docstrings):
    found = gaps(label, value, docstrings)
    assert not found, f"{label}: {'; '.join(found)}"


def test_the_rules_find_what_is_left_out():
    def silent(currents: Tensor, steps: int) -> Tensor:
        """Does something."""
        if steps < 1:
            raise NetworkError("no step")
        return currents

    assert gaps("x.silent", silent, ["Does something."]) == [
        "does not say what currents is",
        "does not say what steps is",
        "takes or returns an array and names no shape",
        "raises NetworkError and does not say so",
    ]
    assert not gaps("x.silent", silent, ["Arguments and errors as `run`."])
    assert gaps("x.silent", silent, [""]) == ["has no docstring"]
