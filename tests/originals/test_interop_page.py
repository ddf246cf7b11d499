"""The pages about SpikingJelly and snnTorch, whose blocks need both."""

from pathlib import Path

import pytest
import torch

from shiftlif import direct_code, readout
from tests.docs.blocks import PAGES, ROOT, RUN, blocks
from tests.docs.running import Reader, missing

PAGE = ROOT / "docs" / "spikingjelly.md"
TUTORIAL = ROOT / "docs" / "tutorials" / "spikingjelly-to-microcontroller.md"


def _names(page, folder):
    """What the page's blocks define, run in order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        reader = Reader()
        for block in blocks(page):
            if block.language in RUN and block.not_run is None and missing(block.needs) is None:
                reader.follow(block)
    return reader.names


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    return _names(PAGE, tmp_path_factory.mktemp("page"))


def test_no_page_is_forgotten():
    here = Path(__file__).relative_to(ROOT).as_posix()
    assert [page for page in PAGES if any(block.run_by == here for block in blocks(page))] == [PAGE, TUTORIAL]


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


def test_the_tutorials_network_is_a_folder_of_c_that_passes_its_test(tmp_path):
    found = _names(TUTORIAL, tmp_path)
    assert found["accuracy"] > 0.8
    assert found["agreement"] > 0.97
    # what make built, for this machine and for the core
    assert list((tmp_path / "digits_c").glob("build/*/*.o"))


def test_the_page_names_every_layer_that_the_import_knows():
    from shiftlif.interop.layers import _LAYERS

    page = PAGE.read_text(encoding="utf-8")
    for layer in _LAYERS:
        assert f"`{layer}`" in page or f"`{layer.removesuffix('1d').removesuffix('2d')}`" in page, layer
