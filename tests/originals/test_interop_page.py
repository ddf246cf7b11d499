import re
from pathlib import Path

import pytest
import torch

from shiftlif import direct_code, readout

PAGE = Path(__file__).parents[2] / "docs" / "spikingjelly.md"


@pytest.fixture(scope="module")
def names():
    """What the page's blocks define, run in order."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    found = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), found)
    return found


def test_the_pages_programs_classify_digits(names):
    frames, target = names["quantizer"].quantize(names["raw"]), names["digits"].target[1200:]
    assert names["accuracy"] > 0.7
    for name in ("rates_program", "snn_program"):
        assert (names[name].run(frames).predictions == target).mean() > 0.6, name


def test_the_pages_network_and_its_import_give_the_same_scores(names):
    net, x = names["net"].eval(), names["x"][1200:]
    names["functional"].reset_net(net)
    with torch.no_grad():
        original = net(x.expand(4, *x.shape)).mean(0)
        imported = readout(names["network"](direct_code(x, 4)))
    torch.testing.assert_close(imported, original, rtol=1e-4, atol=1e-4)
    assert (original.argmax(1).numpy() == names["verified"].predictions).mean() > 0.98


def test_the_page_names_every_layer_that_the_import_knows():
    from shiftlif.interop.layers import _LAYERS

    page = PAGE.read_text(encoding="utf-8")
    for layer in _LAYERS:
        assert f"`{layer}`" in page or f"`{layer.removesuffix('1d').removesuffix('2d')}`" in page, layer
