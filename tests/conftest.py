import os
from pathlib import Path

import pytest


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
