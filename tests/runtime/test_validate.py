"""The runtime refuses a plan that contradicts itself, and a plan that computes something else is found out."""

from dataclasses import fields, replace

import numpy as np
import pytest

from shiftlif.errors import ProgramError, VerificationError
from shiftlif.runtime import Engine, lower, paths, require_equal
from shiftlif.runtime.plan import MAX_POOL, NONE
from tests.program.examples import frames, tiny
from tests.runtime.all_kinds import PROGRAM
from tests.runtime.comparison import needs_engine
from tests.runtime.programs import frames_of

pytestmark = needs_engine
TABLES = ("synapse", "neuron", "readout", "window")


PLAN = lower(PROGRAM)
CHANGES = {
    "wires": {
        "offset off its alignment": lambda w: {"offset": w.offset + 2},
        "offset beyond the scratch": lambda w: {"offset": PLAN.scratch},
        "offset far beyond": lambda w: {"offset": 2**32 - 4},
        "offset negative": lambda w: {"offset": -4},
        "no positions": lambda w: {"positions": 0},
        "more positions": lambda w: {"positions": w.positions + 1},
        "no channels": lambda w: {"channels": 0},
        "more channels": lambda w: {"channels": w.channels + 1},
        "three bytes": lambda w: {"bytes": 3},
        "eight bytes": lambda w: {"bytes": 8},
    },
    "synapse": {
        "other extent": lambda s: {"extent": (s.extent[0], s.extent[1] + 1)},
        "no extent": lambda s: {"extent": (0, s.extent[1])},
        "more outputs": lambda s: {"outputs": (s.outputs[0], s.outputs[1] + 1)},
        "no outputs": lambda s: {"outputs": (0, 1)},
        "other kernel": lambda s: {"kernel": (s.kernel[0] + 1, s.kernel[1])},
        "no kernel": lambda s: {"kernel": (1, 0)},
        "no stride": lambda s: {"stride": (1, 0)},
        "stride beyond the end": lambda s: {"stride": (5, 50), "outputs": (2, max(s.outputs[1], 2))},
        "padding beyond 2^20": lambda s: {"padding": (2**20 + 1, 0)},
        "padding that wraps": lambda s: {"padding": (2**31, 2**31)},
        "padding negative": lambda s: {"padding": (-1, 0)},
        "no dilation": lambda s: {"dilation": (0, 1)},
        "other inputs": lambda s: {"inputs": s.inputs + 1},
        "other outputs per group": lambda s: {"outputs_per_group": s.outputs_per_group + 4},
        "no outputs per group": lambda s: {"outputs_per_group": 0},
        "other groups": lambda s: {"groups": s.groups + 1},
        "no groups": lambda s: {"groups": 0},
        "chunk 0": lambda s: {"chunk": 0},
        "chunk 257": lambda s: {"chunk": 257},
        "no room": lambda s: {"room": 0},
        "room beyond the scratch": lambda s: {"room": 4000 // s.lists},
        "no windows in a run": lambda s: {"slides": 0},
        "a run beyond 16 bits": lambda s: {"slides": 65535},
        "no planes": lambda s: {"planes": 0},
        "32 planes": lambda s: {"planes": 32},
        "fewer rows": lambda s: {"rows": s.rows[:, :, :-1]},
        "rows of another width": lambda s: {"rows": s.rows[..., :-1]},
    },
    "neuron": {
        "membranes off their alignment": lambda n: {"membrane": n.membrane + 2},
        "membranes in the header": lambda n: {"membrane": 4},
        "membranes beyond the state": lambda n: {"membrane": PLAN.state_size - 4},
        "three bytes": lambda n: {"bytes": 3},
        "a byte": lambda n: {"bytes": 1},
        "shift 31": lambda n: {"shift": 31},
        "leak 25": lambda n: {"leak_shift": 25},
        "more channels": lambda n: {"channels": n.channels + 1},
        "fewer positions": lambda n: {"positions": n.positions - 1},
        "unordered thresholds": lambda n: {"thresholds": unordered(n)},
        "fewer thresholds": lambda n: {"thresholds": n.thresholds[:-1]},
        "no thresholds": lambda n: {"thresholds": n.thresholds[:, :0]},
        "fewer resets": lambda n: {"resets": np.zeros((n.channels, n.levels), np.int32)},
        "shorter bias": lambda n: {"bias": n.bias[:-1]},
        "unordered letters": lambda n: {"letters": n.letters[::-1].copy()},
        "no silent letter": lambda n: {"letters": np.arange(1, n.levels + 2, dtype=np.int8)},
        "letter -128": lambda n: {"letters": np.r_[np.int8(-128), n.letters[1:]].astype(np.int8)},
    },
    "readout": {
        "other channels": lambda r: {"channels": r.channels + 1, "bias": np.zeros(r.channels + 1, np.int32)},
        "shorter bias": lambda r: {"bias": r.bias[:-1]},
        "other place": lambda r: {"membrane": r.membrane + 4},
        "shift 31": lambda r: {"shift": 31},
    },
    "window": {
        "other extent": lambda w: {"extent": (w.extent[0], w.extent[1] + 1)},
        "more outputs": lambda w: {"outputs": (w.outputs[0], w.outputs[1] + 1)},
        "kernel beyond the end": lambda w: {"kernel": (1, 30)},
        "no kernel": lambda w: {"kernel": (0, 1)},
        "no stride": lambda w: {"stride": (1, 0)},
        "other channels": lambda w: {"channels": w.channels + 1},
    },
    "steps": {
        "unknown kind": lambda s: {"kind": 7},
        "another kind": lambda s: {"kind": (s.kind + 1) % 7},
        "source that is not there": lambda s: {"source": len(PLAN.wires)},
        "target that is not there": lambda s: {"target": len(PLAN.wires)},
        "target on the frame": lambda s: {"target": 0},
        "target on its source": lambda s: {"target": s.source},
        "target missing or superfluous": lambda s: {"target": 1 if s.target == NONE else NONE},
        "other where none is, or none": lambda s: {"other": 0 if s.other == NONE else NONE},
        "other that is not there": lambda s: {"other": len(PLAN.wires)},
        "shift 31": lambda s: {"shift": 31},
        "table missing": lambda s: (
            dict.fromkeys(TABLES) if any(getattr(s, t) for t in TABLES) else {"kind": 3}
        ),
        "a table of another kind": lambda s: table_of_another(s),
    },
    "plan": {
        "smaller arena": lambda p: {"arena_size": p.arena_size - 4},
        "arena off its alignment": lambda p: {"arena_size": p.arena_size + 2},
        "scratch off its alignment": lambda p: {"scratch": p.scratch + 1},
        "scratch inside the wires": lambda p: {"scratch": 4},
        "smaller state": lambda p: {"state_size": p.state_size - 4},
        "state off its alignment": lambda p: {"state_size": p.state_size + 2},
        "scores beyond the state": lambda p: {"scores": p.state_size},
        "scores elsewhere": lambda p: {"scores": 8},
        "no classes": lambda p: {"classes": 0},
        "other classes": lambda p: {"classes": p.classes + 1},
        "classes beyond 16 bits": lambda p: {"classes": 2**16 + p.classes},
        "no steps": lambda p: {"time_steps": 0},
        "more steps than proven": lambda p: {"time_steps": p.max_steps + 1},
        "more steps than provable": lambda p: {"max_steps": 2**20 + 1},
        "no wires": lambda p: {"wires": ()},
        "no operations": lambda p: {"steps": ()},
        "no read-out": lambda p: {"steps": p.steps[:-1]},
        "read-out twice": lambda p: {"steps": (*p.steps, p.steps[-1])},
    },
}


def unordered(neuron):
    thresholds = neuron.thresholds.copy()
    thresholds[-1, -1] = thresholds[-1, 0] - 1
    return thresholds if neuron.levels > 1 else thresholds[:0]


def table_of_another(step):
    """The tables of another kind in addition."""
    if step.kind == MAX_POOL:
        return {"neuron": next(s.neuron for s in PLAN.steps if s.neuron)}
    return {"window": next(s.window for s in PLAN.steps if s.window)}


def with_changed(plan, where, index, changes):
    """The plan with some fields of one wire, step or table, or its own, changed."""
    if where == "plan":
        return replace(plan, **changes(plan))
    items = list(plan.wires if where == "wires" else plan.steps)
    if where in TABLES:
        table = getattr(items[index], where)
        items[index] = replace(items[index], **{where: replace(table, **changes(table))})
    else:
        items[index] = replace(items[index], **changes(items[index]))
    return replace(plan, **{"wires" if where == "wires" else "steps": tuple(items)})


def holders(where):
    """Indices of all wires, steps or tables of one kind."""
    if where in ("plan", "wires", "steps"):
        return range({"plan": 1, "wires": len(PLAN.wires), "steps": len(PLAN.steps)}[where])
    return [i for i, step in enumerate(PLAN.steps) if getattr(step, where) is not None]


CASES = [(where, name) for where, changes in CHANGES.items() for name in changes]


@pytest.mark.parametrize(("where", "name"), CASES, ids=lambda value: value.replace(" ", "-"))
def test_a_plan_with_one_altered_field_is_refused(where, name):
    for index in holders(where):
        altered = with_changed(PLAN, where, index, CHANGES[where][name])
        with pytest.raises(ProgramError, match="engine: the plan is refused"):
            Engine(PROGRAM, path="portable", plan=altered)


def test_the_unaltered_plan_runs():
    assert Engine(PROGRAM, plan=PLAN).logits(frames_of(PROGRAM, 0)).shape == (2, 3)
    assert {step.kind for step in PLAN.steps} >= {0, 1, 4, 5, 6}


def test_the_compiled_module_itself_raises_value_errors():
    from shiftlif.runtime import _engine

    for plan in (replace(PLAN, arena_size=0), replace(PLAN, steps=[1, 2]), replace(PLAN, classes="many")):
        with pytest.raises(ValueError, match="runtime: "):
            _engine.Program(plan, PROGRAM.input_shape, "portable")
    with pytest.raises(ValueError, match="no path 'neon9'"):
        _engine.Program(PLAN, PROGRAM.input_shape, "neon9")


@pytest.mark.parametrize("path", paths())
def test_no_altered_number_makes_the_engine_crash(path):
    """What the validator lets pass computes something else, inside its memory."""
    rng = np.random.default_rng(0)
    x, refused = frames_of(PROGRAM, 1), 0
    for _ in range(400):
        where = str(rng.choice(list(CHANGES)))
        index = int(rng.choice(list(holders(where))))
        value = int(rng.choice([0, 1, 2, 3, 4, 5, 8, 9, 16, 255, 256, 257, 65535]))
        altered = with_changed(PLAN, where, index, lambda item, v=value: random_number(rng, item, v))
        try:
            engine = Engine(PROGRAM, path=path, plan=replace(altered, identity=PLAN.identity))
        except ProgramError:
            refused += 1
            continue
        engine._native.logits(x, 0, 1)
    assert 200 < refused < 400


def random_number(rng, item, value):
    """One field of a dataclass, an int or one of a pair, set to a number."""
    names = [
        f.name
        for f in fields(item)
        if isinstance(getattr(item, f.name), (int, tuple)) and f.name not in ("wires", "steps")
    ]
    name = str(rng.choice(names))
    old = getattr(item, name)
    return {name: value if isinstance(old, int) else (old[0], value)}


MUTATIONS = {
    "weight": ("synapse", lambda s: {"rows": s.rows * np.int8(2)}),
    "weight of the read-out": ("last", lambda s: {"rows": s.rows + np.int8(1)}),
    "threshold": ("neuron", lambda n: {"thresholds": n.thresholds + np.int32(1)}),
    "comparison": ("neuron", lambda n: {"thresholds": n.thresholds - np.int32(1)}),
    "reset": ("neuron", lambda n: {"resets": n.resets + np.array([0, 1, 0], np.int32)}),
    "kind of reset": ("neuron", lambda n: {"resets": None}),
    "letter": ("neuron", lambda n: {"letters": np.array([0, 1, 3], np.int8)}),
    "bias": ("neuron", lambda n: {"bias": n.bias + np.int32(1)}),
    "leak": ("neuron", lambda n: {"leak_shift": 2}),
    "shift": ("neuron", lambda n: {"shift": 1}),
    "bias of the read-out": ("readout", lambda r: {"bias": r.bias - np.int32(1)}),
}


@pytest.mark.parametrize("path", paths())
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found_by_the_comparison(name, path):
    """Membranes on and one below a boundary, and negative ones, so that the smallest change shows."""
    program, x = tiny(), frames(4, 3, -3, 9, 7, -1, 0)
    expected, plan = program.run(x, record=True), lower(program)
    assert set(expected.letters["neuron"].ravel().tolist()) == {0, 1, 2}
    require_equal(Engine(program, path=path, plan=plan), x, expected)
    where, change = MUTATIONS[name]
    first, last = 0, len(plan.steps) - 1
    place = {"synapse": first, "neuron": 1, "last": last, "readout": last}[where]
    mutant = with_changed(plan, "synapse" if where == "last" else where, place, change)
    with pytest.raises(VerificationError, match=rf"the interpreter and .* in the engine \({path}\)"):
        require_equal(Engine(program, path=path, plan=mutant), x, expected)
