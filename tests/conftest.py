import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from shiftlif.runtime import engine, lower

# A first example imports what it needs, and machines are shared: no time limit for one example.
settings.register_profile("shiftlif", deadline=None)
settings.load_profile("shiftlif")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = os.environ.get("SHIFTLIF_DATA")
    if not folder:
        pytest.skip("SHIFTLIF_DATA is not set: the real data sets are not here")
    return Path(folder)


@pytest.fixture(autouse=True)
def cache_in_tmp(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("SHIFTLIF_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def no_engine(monkeypatch):
    """An installation without a compiler."""
    monkeypatch.setattr(engine, "_engine", None)
    monkeypatch.setattr(engine, "_missing", "no such module", raising=False)


@pytest.fixture
def wrong_engine(monkeypatch):
    """An engine that lowers every program to a plan with another bias of the read-out."""

    def lower_wrongly(program):
        plan = lower(program)
        last = plan.steps[-1]
        readout = replace(last.readout, bias=last.readout.bias + np.int32(1))
        return replace(plan, steps=(*plan.steps[:-1], replace(last, readout=readout)))

    monkeypatch.setattr(engine, "lower", lower_wrongly)
