"""Every check of the C validator, by a program with one edited field; also of those that no plan in Python can have.

`test_validate` alters plans; here C structures are edited, so that pointers and derived fields are reached too.
"""

import pytest

from shiftlif.export import export_c
from shiftlif.runtime import lower
from shiftlif.runtime.plan import ADD, MAX_POOL, NEURON, RESHAPE, SYNAPSE
from tests.export.toolchain import WARNINGS, need, run
from tests.fuzz.build import HERE as EDITABLE
from tests.fuzz.build import RUNTIME, direct
from tests.runtime.all_kinds import PROGRAM

OK, NULL_POINTER, ABI, INVALID = range(4)
MAIN = EDITABLE.parent / "runtime" / "validator_main.c"
PLAN = lower(PROGRAM)
KINDS = [step.kind for step in PLAN.steps]
CONV, FUSED, LAST = (i for i, kind in enumerate(KINDS) if kind == SYNAPSE)
FIRE, SUM, POOL, FLAT = (KINDS.index(kind) for kind in (NEURON, ADD, MAX_POOL, RESHAPE))
COUNT = len(KINDS)

# Edits of the program itself: the place is that behind the last operation.
OF_PROGRAM = {
    "another ABI": ("p.abi = SL_ABI + 1u", ABI),
    "no wires": ("p.wires = NULL", NULL_POINTER),
    "no operations": ("p.operations = NULL", NULL_POINTER),
    "no wire": ("p.wire_count = 0u", INVALID),
    "as many wires as there is no index for": ("p.wire_count = SL_NONE", INVALID),
    "no operation": ("p.operation_count = 0u", INVALID),
    "input behind the wires": ("w[p.wire_count] = w[0], p.input = p.wire_count", INVALID),
    "no classes": ("p.classes = 0u", INVALID),
    "no steps": ("p.steps = 0u", INVALID),
    "more steps than proven": ("p.steps = p.max_steps + 1u", INVALID),
    "more steps than provable": ("p.max_steps = (1u << 20) + 1u", INVALID),
    "scratch off its alignment": ("widen(), p.scratch -= 1u", INVALID),
    "arena off its alignment": ("widen(), p.arena_size -= 1u", INVALID),
    "state off its alignment": ("widen(), p.state_size -= 1u", INVALID),
    "state without a header": ("p.state_size = 4u", INVALID),
    "scratch beyond the arena": ("p.scratch = p.arena_size + 4u", INVALID),
    "scores in the header": ("p.scores = 4u", INVALID),
    "scores off their alignment": ("widen(), p.scores += 2u", INVALID),
    "scores beyond the state": ("p.scores = p.state_size", INVALID),
    "scores that wrap": ("p.scores = 0xFFFFFFFCu", INVALID),
    "bytes of three": ("widen(), w[1].bytes = 3u", INVALID),
    "no positions": ("w[1].positions = 0u", INVALID),
    "no channels": ("w[1].channels = 0u", INVALID),
    "2^28 positions": ("widen(), w[1].positions = 1u << 28, w[1].channels = 1u, w[1].bytes = 1u", INVALID),
    "2^28 channels": ("widen(), w[1].channels = 1u << 28, w[1].positions = 1u, w[1].bytes = 1u", INVALID),
    "2^28 values": ("widen(), w[1].channels = w[1].positions = 1u << 14, w[1].bytes = 1u", INVALID),
    "values that wrap 32 bits": ("widen(), w[1].channels = w[1].positions = 1u << 16", INVALID),
    "wire off its alignment": ("widen(), w[1].offset += 2u", INVALID),
    "wire in the scratch": ("w[1].offset = p.scratch", INVALID),
    "wire that wraps": ("w[1].offset = 0xFFFFFFFCu", INVALID),
    "counts beyond an int8": ("w[p.input].limit = 128u", INVALID),
    "frame of two bytes": ("widen(), w[p.input].bytes = 2u, w[p.input].offset = 0x1000u", INVALID),
    "no read-out at the end": ("p.operation_count -= 1u", INVALID),
    "read-out that is not the last": (
        f"op[0] = op[{LAST}], p.operation_count = 2u",
        INVALID,
    ),
    "two read-outs": (f"op[{LAST} + 1] = op[{LAST}], p.operation_count++", INVALID),
}

S, T = f"synapse({CONV})", f"synapse({FUSED})"
OF_SYNAPSE = {
    "no table": f"op[{CONV}].synapse = NULL",
    "no rows": f"{S}.rows = NULL",
    "rows off their alignment": f"{S}.rows += 1",
    "no inputs": f"{S}.in = 0u",
    "other inputs": f"{S}.in += 1u",
    "no outputs": f"{S}.out = 0u",
    "fewer padded than there are": f"{S}.padded_out -= 4u, {S}.group_rows = {S}.in * {S}.padded_out, {S}.tap_step = 0u",
    "padding that is no multiple": f"{S}.padded_out -= 1u, {S}.group_rows = {S}.in * {S}.padded_out, {S}.tap_step = 0u",
    "a lane too much": f"{S}.padded_out += 4u, {S}.group_rows = {S}.in * {S}.padded_out, {S}.tap_step = 0u",
    "no groups": f"{S}.groups = 0u",
    "more groups": f"{S}.groups = 3u",
    "no planes": f"{S}.planes = 0u, {S}.places = 0u",
    "32 planes": f"widen(), {S}.planes = 32u, {S}.places = (uint16_t)({S}.room * 64u)",
    "no segment": f"{S}.segment = 0u",
    "a segment of more than the planes": f"{S}.segment = (uint8_t)({S}.planes + 1u)",
    "no chunk": f"{S}.chunk = 0u",
    "a chunk of 257": f"widen(), {S}.chunk = 257u",
    "other places": f"{S}.places -= 1u",
    "a sign of 2": f"widen(), {S}.negative = 2u, {S}.places = (uint16_t)({S}.room * {S}.planes * 3u)",
    "weights that are neither packed nor not": f"{S}.packed = 2u",
    "another step from tap to tap": f"{S}.tap_step += 1u",
    "other rows of a group": f"{S}.group_rows += 4u",
    "no extent": f"{S}.extent[0] = 0u",
    "other extent": f"{S}.extent[1] += 1u",
    "swapped extent": f"{S}.extent[0] = 9u, {S}.extent[1] = 1u",
    "no window": f"{S}.outputs[0] = 0u",
    "more windows": f"{S}.outputs[1] += 1u",
    "no kernel": f"{T}.kernel[0] = 0u, {T}.group_rows = 0u",
    "kernel beyond the padding": f"{T}.kernel[1] += 20u, {T}.group_rows = 22u * {T}.in * {T}.padded_out",
    "no stride": f"{T}.stride[1] = 0u, {T}.move[1] = 0u",
    "no dilation": f"{T}.dilation[1] = 0u, {T}.tap_move[1] = 0u",
    "padding beyond 2^20": f"{S}.padding[0] = (1u << 20) + 1u, {S}.back[0] = {S}.padding[0] * 27u",
    "stride beyond 2^20": f"{S}.stride[0] = (1u << 20) + 1u, {S}.move[0] = {S}.stride[0] * 27u",
    "dilation beyond 2^20": f"{S}.dilation[0] = (1u << 20) + 1u, {S}.tap_move[0] = {S}.dilation[0] * 27u",
    "kernel beyond 2^20": f"{S}.kernel[0] = (1u << 20) + 1u, {S}.padding[0] = 1u << 19, {S}.back[0] = 27u << 19, "
    f"{S}.group_rows = {S}.kernel[0] * 24u",
    "2^28 weights": f"{S}.kernel[0] = {S}.kernel[1] = 3345u, {S}.padding[0] = {S}.padding[1] = 1672u, "
    f"{S}.back[0] = 1672u * 27u, {S}.back[1] = 1672u * 3u, {S}.group_rows = 3345u * 3345u * 24u",
    "rows beyond 16 bits": f"widen(), {S}.out = {S}.padded_out = w[op[{CONV}].target].channels = 87384u, "
    f"{S}.group_rows = 3u * 87384u, {S}.tap_step = 0u, w[0].offset = 0x800000u",
    "an extent beyond the source": f"{S}.extent[1] = 10u, {S}.move[0] = {S}.tap_move[0] = 30u",
    "a walk beyond 31 bits": f"widen(), w[0].positions = w[op[{CONV}].target].positions = 900u, "
    f"w[0].offset = 0x10000u, {S}.extent[1] = {S}.outputs[1] = 900u, {S}.tap_move[0] = 2700u, "
    f"{S}.stride[0] = 1u << 20, {S}.move[0] = 2700u << 20",
    "rows from output to output": f"{S}.move[0] += 1u",
    "columns from output to output": f"{S}.move[1] += 1u",
    "rows of padding": f"{S}.back[0] += 1u",
    "columns of padding": f"{S}.back[1] += 1u",
    "rows from tap to tap": f"{S}.tap_move[0] += 1u",
    "columns from tap to tap": f"{S}.tap_move[1] += 1u",
    "scratch too small": "p.arena_size = p.scratch + 44u",
    "channels that the target has not": f"w[op[{CONV}].target].channels -= 1u",
    "positions that the target has not": f"w[op[{CONV}].target].positions -= 1u",
    "a read-out that is not the end": f"op[{CONV}].readout = &readout({LAST})",
    "a pooling window": f"op[{CONV}].window = &window({POOL})",
    "source behind the wires": f"w[p.wire_count] = w[0], op[{CONV}].source = p.wire_count",
    "target behind the wires": f"w[p.wire_count] = w[op[{CONV}].target], op[{CONV}].target = p.wire_count",
    "no target": f"op[{CONV}].target = SL_NONE",
    "a second source": f"op[{CONV}].other = 0u",
    "the frame as target": f"op[{CONV}].target = p.input",
    "its source as target": f"op[{CONV}].target = op[{CONV}].source",
    "a target over its source": f"widen(), w[op[{CONV}].target].offset = w[op[{CONV}].source].offset",
    "a flag of 2": f"op[{CONV}].is_static = 2u",
    "a shift of 31": f"op[{CONV}].shift = 31u",
    "another shift of 31": f"op[{CONV}].other_shift = 31u",
    "kind 7": f"op[{CONV}].kind = SL_KINDS",
    "kind 255": f"op[{CONV}].kind = 255u",
}
F, G = f"neuron({FIRE})", f"neuron({FUSED})"
OF_NEURON = {
    "no table": f"op[{FIRE}].neuron = NULL",
    "no bias": f"{F}.bias = NULL",
    "no thresholds": f"{F}.thresholds = NULL",
    "no letters": f"{F}.letters = NULL",
    "no levels": f"{{ static const int8_t t[] = {{0}}; {F}.letters = t, {F}.levels = 0u; }}",
    "255 levels": f"{F}.levels = 255u",
    "a shift of 31": f"{F}.shift = 31u",
    "a leak of 25": f"{F}.leak_shift = 25u",
    "a leak of 254": f"{F}.leak_shift = 254u",
    "a byte": f"{F}.bytes = 1u",
    "three bytes": f"widen(), {F}.bytes = 3u",
    "fewer channels": f"{F}.channels -= 1u",
    "fewer positions": f"{F}.positions -= 1u",
    "wide letters": f"widen(), w[op[{FIRE}].target].bytes = 2u, w[op[{FIRE}].target].offset = 0x4000u",
    "membranes in the header": f"{F}.membrane = 4u",
    "membranes off their alignment": f"widen(), {F}.membrane += 2u",
    "membranes beyond the state": f"{F}.membrane = p.state_size - 8u",
    "letter -128": f"{{ static const int8_t t[] = {{-128, 0, 1, 2, 3, 4, 5, 6, 7}}; {F}.letters = t; }}",
    "letters twice": f"{{ static const int8_t t[] = {{0, 0, 1, 2, 3, 4, 5, 6, 7}}; {F}.letters = t; }}",
    "no silent letter": f"{{ static const int8_t t[] = {{1, 2, 3, 4, 5, 6, 7, 8, 9}}; {F}.letters = t; }}",
    "descending thresholds": f"{{ static const int32_t t[99] = {{[9] = -1}}; {F}.thresholds = t; }}",
    "a synapse": f"op[{FIRE}].synapse = &synapse({CONV})",
    "a read-out": f"op[{FIRE}].readout = &readout({LAST})",
}
OF_FUSED_NEURON = {
    "no bias behind a synapse": f"{G}.bias = NULL",
    "fewer channels behind a synapse": f"{G}.channels -= 1u",
}
OF_ADD = {
    "no second source": f"op[{SUM}].other = SL_NONE",
    "second source behind the wires": f"op[{SUM}].other = p.wire_count",
    "second source of another size": f"op[{SUM}].other = p.input",
    "its second source as target": f"w[op[{SUM}].target].offset = w[op[{SUM}].other].offset",
    "a shift of 31": f"op[{SUM}].shift = 31u",
    "another shift of 31": f"op[{SUM}].other_shift = 31u",
    "a neuron": f"op[{SUM}].neuron = &neuron({FIRE})",
}
W = f"window({POOL})"
OF_POOL = {
    "no table": f"op[{POOL}].window = NULL",
    "no extent": f"{W}.extent[0] = 0u",
    "other extent": f"{W}.extent[1] += 1u",
    "no window": f"{W}.outputs[1] = 0u",
    "fewer windows": f"{W}.outputs[1] -= 1u",
    "a window beyond the end": f"{W}.kernel[1] = 3u",
    "no kernel": f"{W}.kernel[0] = 0u",
    "no stride": f"{W}.stride[0] = 0u, {W}.move[0] = 0u",
    "rows from window to window": f"{W}.move[0] += 1u",
    "columns from window to window": f"{W}.move[1] += 1u",
    "rows from tap to tap": f"{W}.tap_move[0] += 1u",
    "columns from tap to tap": f"{W}.tap_move[1] += 1u",
    "other channels": f"w[op[{POOL}].target].channels += 1u, p.scratch += 64u, p.arena_size += 64u",
}
OF_RESHAPE = {
    "more than one position": f"w[op[{FLAT}].target].positions = 2u, w[op[{FLAT}].target].channels = 15u",
    "another width": f"widen(), w[op[{FLAT}].target].bytes = 2u, w[op[{FLAT}].target].offset = 0x4000u",
    "another size": f"w[op[{FLAT}].target].channels -= 1u",
}
R = f"readout({LAST})"
OF_READOUT = {
    "no read-out": f"op[{LAST}].readout = NULL",
    "no bias": f"{R}.bias = NULL",
    "a shift of 31": f"{R}.shift = 31u",
    "other channels": f"{R}.channels += 1u",
    "other classes": "p.classes -= 1u",
    "sums elsewhere": f"{R}.membrane += 4u, p.state_size += 4u",
    "a neuron as well": f"op[{LAST}].neuron = &neuron({FIRE})",
    "a target": f"op[{LAST}].target = 1u",
    "more than one position": f"synapse({LAST}).outputs[1] = 2u, synapse({LAST}).padding[1] = 1u, "
    f"synapse({LAST}).back[1] = 30u",
}
# Of the second program, Input, Neuron, Accumulate: a read-out that is not behind a synapse.
POOLED = (
    "op[0].kind = SL_MAX_POOL, op[0].neuron = NULL, op[0].window = &window(5), "
    "window(5) = (sl_window){{1u, 1u}, {1u, 1u}, {1u, 1u}, {1u, 1u}, {1u, 1u}, {1u, 1u}}"
)
OF_DIRECT = {
    "no table": ("op[1].readout = NULL", 1),
    "no bias": ("readout(1).bias = NULL", 1),
    "a synapse": ("op[1].synapse = &synapse(0)", 1),
    "a neuron whose source has other positions": ("widen(), w[0].positions = 2u", 0),
    "two positions": ("w[0].positions = w[1].positions = neuron(0).positions = 2u, w[1].offset = 4u", 1),
    "other channels": ("readout(1).channels = 2u", 1),
    "no scratch for a neuron": ("p.arena_size = p.scratch", 0),
    "no scratch for a read-out": (
        "op[0] = op[1], op[0].source = 0u, p.operation_count = 1u, p.arena_size = p.scratch",
        0,
    ),
    "no scratch for a sum": (
        "op[0].kind = SL_ADD, op[0].neuron = NULL, op[0].other = 0u, p.arena_size = p.scratch",
        0,
    ),
    "no scratch for a pool": (POOLED + ", p.arena_size = p.scratch", 0),
    "the frame as target": (
        "op[2] = op[1], op[1] = op[0], op[1].source = 1u, op[1].target = p.input, p.operation_count = 3u",
        1,
    ),
}
# Edits that make another valid program: a check that refuses too much is one as well.
VALID = {
    "a sum pool": ("all", f"op[{POOL}].kind = SL_SUM_POOL"),
    "wires of four bytes": (
        "all",
        f"widen(), w[op[{SUM}].target].bytes = 4u, w[op[{SUM}].target].offset = 0x4000u",
    ),
    "a pool on the frame": ("direct", POOLED),
    "a sum of the frame and itself": ("direct", "op[0].kind = SL_ADD, op[0].neuron = NULL, op[0].other = 0u"),
    "a hard reset": ("all", f"neuron({FIRE}).resets = NULL"),
}
CASES = [("all", name, edit, status, ()) for name, (edit, status) in OF_PROGRAM.items()]
for places, table in (
    ((CONV, FUSED), OF_SYNAPSE),
    ((FIRE,), OF_NEURON),
    ((FUSED,), OF_FUSED_NEURON),
    ((SUM,), OF_ADD),
    ((POOL,), OF_POOL),
    ((FLAT,), OF_RESHAPE),
    ((LAST,), OF_READOUT),
):
    kind = ("synapse", "neuron", "", "sum pool", "pool", "add", "reshape")[KINDS[places[0]]]
    CASES += [("all", f"{kind}: {name}", edit, INVALID, places) for name, edit in table.items()]
CASES += [("direct", f"direct: {name}", edit, INVALID, (at,)) for name, (edit, at) in OF_DIRECT.items()]
CASES += [(base, f"valid: {name}", edit, OK, ()) for name, (base, edit) in VALID.items()]


def said_of(cases, folder, *options):
    """What the validator says of each pair of a program and its edit: status, place and the number of operations."""
    need("gcc")
    for name, program in (("all", PROGRAM), ("direct", direct())):
        export_c(program, folder / name, name=name, samples=1)
    lines = [f"editable_copy(&m, &{base}_program); {edit}; say();\n" for base, edit in cases]
    (folder / "cases.h").write_text("".join(lines), encoding="utf-8")
    models = [folder / name / f"{name}_model.c" for name in ("all", "direct")]
    includes = [f"-I{path}" for path in (RUNTIME, EDITABLE, folder)]
    sources = [MAIN, *models, *sorted(RUNTIME.glob("*.c"))]
    warnings = (*WARNINGS, "-Wno-conversion")  # of what an edit adds to a field of 16 bits
    run("gcc", "-std=c99", "-g", *warnings, *options, *includes, *sources, "-o", folder / "validator")
    said = run(folder / "validator").stdout.splitlines()
    return [tuple(int(number) for number in line.split()) for line in said]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Of the two programs as they are, and of every case."""
    cases = [("all", ""), ("direct", ""), *((base, edit) for base, _, edit, _, _ in CASES)]
    return said_of(cases, tmp_path_factory.mktemp("validator"))


@pytest.mark.parametrize(
    ("left_out", "base", "place"),
    [
        ("NEURON", "all", FIRE),
        ("ADD", "all", SUM),
        ("POOL", "all", POOL),
        ("RESHAPE", "all", FLAT),
        ("READOUT", "direct", 1),
    ],
)
def test_a_build_refuses_the_operations_that_it_was_made_without(tmp_path, left_out, base, place):
    kinds = ("NEURON", "ADD", "POOL", "RESHAPE", "READOUT")
    macros = [f"-DSL_WITH_{kind}={int(kind != left_out)}" for kind in (*kinds, "WEIGHTS_8", "WEIGHTS_4")]
    found = said_of([(base, "")], tmp_path, "-DSHIFTLIF_CONFIG_H", "-DSL_MOST_PLANES=31u", *macros)
    assert [answer[:2] for answer in found] == [(INVALID, place)]


@pytest.mark.parametrize(("planes", "status"), [(8, OK), (7, INVALID)])
def test_a_build_refuses_inputs_of_more_digits_than_it_was_made_for(tmp_path, planes, status):
    kinds = ("NEURON", "ADD", "POOL", "RESHAPE", "READOUT", "WEIGHTS_8", "WEIGHTS_4")
    macros = [f"-DSL_WITH_{kind}=1" for kind in kinds]
    found = said_of([("all", "")], tmp_path, "-DSHIFTLIF_CONFIG_H", f"-DSL_MOST_PLANES={planes}u", *macros)
    assert found[0][0] == status


def test_the_unedited_programs_are_valid(answers):
    assert answers[:2] == [(OK, COUNT, COUNT), (OK, 2, 2)]
    assert len(answers) == 2 + len(CASES)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[name.replace(" ", "-") for _, name, *_ in CASES])
def test_one_edited_field_is_refused_with_its_place(answers, number):
    _, _, _, status, places = CASES[number]
    found, where, count = answers[2 + number]
    assert found == status
    assert (
        where == count if not places else where in (*places, count)
    )  # wires are looked at before their readers
