import pytest


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A data folder and a cache of the test's own; gives the folder of a set by name."""
    monkeypatch.setenv("SHIFTLIF_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SHIFTLIF_CACHE", str(tmp_path / "cache"))

    def folder(name):
        path = tmp_path / "data" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    return folder
