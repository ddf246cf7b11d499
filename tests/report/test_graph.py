import pytest

from shiftlif.compile import compile_network
from shiftlif.program import InputQuantizer
from shiftlif.quantize import absorb
from shiftlif.report.graph import Edge, graph, layout
from tests.quantize.networks import ALPHABETS, build
from tests.report.made import block, evidence_of


def test_branches_stand_beside_the_main_way_and_wires_cross_no_operation():
    network = absorb(build("residual", ALPHABETS["shift3"]))
    program = compile_network(network, quantizer=InputQuantizer.identity(3), classes=("a", "b", "c"), steps=2)
    placed = layout(program.operations)
    # input conv neuron, four of a block, add, two beside two, add, flatten, linear, readout
    assert list(placed.depths.values()) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13]
    shortcut = {name for name, lane in placed.lanes.items() if lane == 1}
    assert shortcut == {"residual2.shortcut.conv1", "residual2.shortcut.spikingneuron1"}
    assert [edge for edge in placed.edges if edge.lane is not None] == [
        Edge("spikingneuron1", "residual1", 1)
    ], "the identity runs beside the four operations that it skips"
    stands = {(placed.depths[name], placed.lanes[name]) for name in placed.depths}
    assert len(stands) == len(program.operations)
    for edge in placed.edges:
        for depth in range(placed.depths[edge.source] + 1, placed.depths[edge.target]):
            assert (depth, edge.lane) not in stands


@pytest.mark.parametrize("kind", ["dense", "residual"])
def test_every_operation_and_every_wire_is_drawn(kind, tmp_path):
    network = build(kind, ALPHABETS["shift2log"])
    x = [[[i % 7] * network.input_shape[1]] * 3 for i in range(4)]
    evidence = evidence_of(network, x, [0, 1, 2, 0], tmp_path, steps=2)
    section = graph(evidence)
    rows = block(section, "graph-program").rows
    nodes = {row["name"]: row for row in rows if row["kind"] == "node"}
    assert list(nodes) == [op.name for op in evidence.measured.operations]
    neuron = evidence.measured.neurons[0]
    assert nodes[neuron.name]["letters"] == "0, 1, 2, 4"
    assert nodes[neuron.name]["bits"] == f"membrane {neuron.membrane_bits}"
    wires = {(row["from"], row["to"]) for row in rows if row["kind"] == "edge"}
    assert len(wires) == len(nodes) - 1 + (2 if kind == "residual" else 0)
    assert f"{len(nodes)} operations" in section.answer
