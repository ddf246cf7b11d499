"""Downloads, from a server on this machine."""

import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shiftlif.data import describe, fetch
from shiftlif.data.official import OFFICIAL, Remote
from shiftlif.errors import DataError

pytest.importorskip("pooch")


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def host(tmp_path):
    """A folder that is served, its address, and the list of paths that were asked for."""
    folder = tmp_path / "host"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}", server.asked
    server.shutdown()
    server.server_close()
    thread.join()


def _zipped(entries):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _checksum(path, kind="md5"):
    return f"{kind}:{hashlib.new(kind, path.read_bytes()).hexdigest()}"


def _serve(monkeypatch, name, *remotes):
    monkeypatch.setitem(OFFICIAL, name, replace(OFFICIAL[name], remotes=remotes))


def test_an_archive_is_fetched_checked_and_unpacked(host, official, monkeypatch):
    folder, url, asked = host
    (folder / "a.zip").write_bytes(_zipped({"airplane/x.aedat": b"one", "__MACOSX/x": b""}))
    (folder / "b.zip").write_bytes(_zipped({"bird/y.aedat": b"two"}))
    _serve(
        monkeypatch,
        "cifar10_dvs",
        Remote(f"{url}/a.zip", _checksum(folder / "a.zip"), "a.zip", "airplane"),
        Remote(f"{url}/b.zip", _checksum(folder / "b.zip", "sha256"), "b.zip", "bird"),
    )
    home = official("cifar10_dvs")
    assert fetch("cifar10_dvs") == [home / "airplane", home / "bird"]
    assert (home / "airplane" / "x.aedat").read_bytes() == b"one"
    assert sorted(path.name for path in home.iterdir()) == ["a.zip", "airplane", "b.zip", "bird"]
    assert asked == ["/a.zip", "/b.zip"]
    assert fetch("cifar10_dvs") == []
    assert asked == ["/a.zip", "/b.zip"]


def test_an_interrupted_fetch_goes_on_with_the_files_that_are_missing(host, official, monkeypatch):
    folder, url, asked = host
    for name in ("a", "b"):
        (folder / f"{name}.zip").write_bytes(_zipped({f"{name}/x": name}))
    remotes = [
        Remote(f"{url}/{name}.zip", _checksum(folder / f"{name}.zip"), f"{name}.zip", name) for name in "ab"
    ]
    _serve(monkeypatch, "cifar10_dvs", *remotes)
    whole = (folder / "b.zip").read_bytes()
    (folder / "b.zip").unlink()
    with pytest.raises(DataError, match=r"b\.zip: cannot be downloaded \(404.*run the same command again"):
        fetch("cifar10_dvs")
    home = official("cifar10_dvs")
    assert (home / "a" / "x").is_file()
    (folder / "b.zip").write_bytes(whole)
    (home / "a" / "x").unlink()
    (home / "a").rmdir()  # unpacked again from the archive that is there
    asked.clear()
    assert fetch("cifar10_dvs") == [home / "a", home / "b"]
    assert asked == ["/b.zip"]


def test_what_lies_in_a_folder_below_is_not_fetched_again_and_the_rest_goes_there(
    host, official, monkeypatch
):
    folder, url, asked = host
    (folder / "bird.zip").write_bytes(_zipped({"bird/y": b"two"}))
    remotes = [
        Remote(f"{url}/{name}.zip", "md5:" + "0" * 32, f"{name}.zip", name) for name in ("airplane", "cat")
    ]
    bird = Remote(f"{url}/bird.zip", _checksum(folder / "bird.zip"), "bird.zip", "bird")
    _serve(monkeypatch, "cifar10_dvs", *remotes, bird)
    home = official("cifar10_dvs")
    for remote in remotes:
        (home / "CIFAR10DVS" / remote.gives).mkdir(parents=True)
    assert fetch("cifar10_dvs") == [home / "CIFAR10DVS" / "bird"]
    assert (home / "CIFAR10DVS" / "bird" / "y").read_bytes() == b"two"
    assert asked == ["/bird.zip"]


@pytest.mark.parametrize("name", [name for name, facts in OFFICIAL.items() if len(facts.remotes) == 1])
@pytest.mark.parametrize("below", [False, True])
def test_a_set_that_can_be_loaded_is_never_fetched(name, below, official):
    """The addresses are the published ones; none is asked."""
    facts = OFFICIAL[name]
    marker = official(name) / (facts.below[0] if below else "") / facts.marker
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    assert describe(name)["available"]
    assert fetch(name) == []


def test_a_file_with_another_checksum_leaves_nothing_behind(host, official, monkeypatch):
    folder, url, _ = host
    (folder / "a.zip").write_bytes(_zipped({"airplane/x": b"one"}))
    _serve(monkeypatch, "cifar10_dvs", Remote(f"{url}/a.zip", "md5:" + "0" * 32, "a.zip", "airplane"))
    with pytest.raises(DataError, match=r"is not the published file \(expected md5:0000"):
        fetch("cifar10_dvs")
    assert list(official("cifar10_dvs").iterdir()) == []


def test_a_tar_archive_and_one_inside_an_archive_are_unpacked(host, official, monkeypatch):
    folder, url, _ = host
    with tarfile.open(folder / "s.tar.gz", "w:gz") as archive:
        for name in ("./testing_list.txt", "./bed/a.wav"):
            info = tarfile.TarInfo(name)
            info.size = 2
            archive.addfile(info, io.BytesIO(b"ab"))
    inner = _zipped({"UCI HAR Dataset/train/y_train.txt": b"1"})
    (folder / "u.zip").write_bytes(_zipped({"UCI HAR Dataset.zip": inner, "names": b""}))
    tar = Remote(f"{url}/s.tar.gz", _checksum(folder / "s.tar.gz"), "s.tar.gz", "testing_list.txt")
    nested = Remote(
        f"{url}/u.zip", _checksum(folder / "u.zip"), "u.zip", "UCI HAR Dataset", ("UCI HAR Dataset.zip",)
    )
    _serve(monkeypatch, "gsc35", tar)
    _serve(monkeypatch, "uci_har_official", nested)
    fetch("gsc35")
    assert (official("gsc35") / "bed" / "a.wav").read_bytes() == b"ab"
    fetch("uci_har_official")
    assert (official("uci_har_official") / "UCI HAR Dataset" / "train" / "y_train.txt").read_bytes() == b"1"


def test_an_archive_never_writes_outside_its_folder(host, official, monkeypatch):
    folder, url, _ = host
    with tarfile.open(folder / "s.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../escaped.txt"), io.BytesIO(b""))
    _serve(
        monkeypatch,
        "gsc35",
        Remote(f"{url}/s.tar.gz", _checksum(folder / "s.tar.gz"), "s.tar.gz", "testing_list.txt"),
    )
    home = official("gsc35")
    with pytest.raises(DataError, match=r"s\.tar\.gz: cannot be unpacked"):
        fetch("gsc35")
    assert [path.name for path in home.iterdir()] == ["s.tar.gz"]
    assert not (home.parent / "escaped.txt").exists()


def test_an_archive_of_something_else_is_named(host, official, monkeypatch):
    folder, url, _ = host
    (folder / "a.zip").write_bytes(_zipped({"other/x": b"one"}))
    (folder / "b.zip").write_bytes(b"no archive")
    _serve(
        monkeypatch,
        "cifar10_dvs",
        Remote(f"{url}/a.zip", _checksum(folder / "a.zip"), "a.zip", "airplane"),
    )
    with pytest.raises(DataError, match=r"a\.zip: does not hold airplane"):
        fetch("cifar10_dvs")
    _serve(
        monkeypatch,
        "cifar10_dvs",
        Remote(f"{url}/b.zip", _checksum(folder / "b.zip"), "b.zip", "airplane"),
    )
    with pytest.raises(DataError, match=r"b\.zip: cannot be unpacked"):
        fetch("cifar10_dvs")


def _zipped_with(flags, method):
    """A zip archive whose one file says that it is encrypted or compressed in another way."""
    data = bytearray(_zipped({"airplane/x": b"one"}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(signature) + at
        data[start : start + 4] = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("flags", "method", "message"),
    [(1, 0, "password required"), (0, 1, "compression method is not supported")],
)
def test_an_archive_that_python_cannot_unpack_says_so(flags, method, message, host, official, monkeypatch):
    folder, url, _ = host
    (folder / "a.zip").write_bytes(_zipped_with(flags, method))
    _serve(
        monkeypatch,
        "cifar10_dvs",
        Remote(f"{url}/a.zip", _checksum(folder / "a.zip"), "a.zip", "airplane"),
    )
    home = official("cifar10_dvs")
    with pytest.raises(
        DataError, match=rf"a\.zip: cannot be unpacked by Python \(.*{message}.*unpack it into {home}"
    ):
        fetch("cifar10_dvs")
    assert [path.name for path in home.iterdir()] == ["a.zip"]


def test_a_folder_that_is_a_link_is_left_alone(host, official, monkeypatch, tmp_path):
    folder, url, _ = host
    (folder / "a.zip").write_bytes(_zipped({"airplane/x": b"one", "names/y": b""}))
    remote = Remote(f"{url}/a.zip", _checksum(folder / "a.zip"), "a.zip", "names")
    _serve(monkeypatch, "cifar10_dvs", remote)
    home = official("cifar10_dvs")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / "airplane").symlink_to(elsewhere)
    with pytest.raises(
        DataError, match=rf"airplane: is a link to {elsewhere} .*remove the link, or complete"
    ):
        fetch("cifar10_dvs")
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.name for path in home.iterdir()) == ["a.zip", "airplane"]


def test_a_file_in_the_way_is_an_error_that_keeps_the_archive(host, official, monkeypatch):
    folder, url, asked = host
    (folder / "a.zip").write_bytes(_zipped({"airplane/x": b"one", "names/y": b""}))
    remote = Remote(f"{url}/a.zip", _checksum(folder / "a.zip"), "a.zip", "airplane")
    _serve(monkeypatch, "cifar10_dvs", remote)
    home = official("cifar10_dvs")
    (home / "names").write_text("mine")
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked into .*names.*the archive is kept"):
        fetch("cifar10_dvs")
    (home / "names").unlink()
    assert fetch("cifar10_dvs") == [home / "airplane"]
    assert asked == ["/a.zip"]


def test_progress_is_reported_in_bytes(host, official, monkeypatch):
    folder, url, _ = host
    (folder / "a.zip").write_bytes(_zipped({"airplane/x": b"one" * 1000}))

    class Bar:
        total, count = 0, 0

        def update(self, n):
            self.count += n

        def reset(self):
            self.count = 0

        def close(self):
            pass

    _serve(
        monkeypatch,
        "cifar10_dvs",
        Remote(f"{url}/a.zip", _checksum(folder / "a.zip"), "a.zip", "airplane"),
    )
    bar = Bar()
    fetch("cifar10_dvs", bar)
    assert bar.total == bar.count == (folder / "a.zip").stat().st_size


def test_what_may_not_be_fetched_is_refused_with_the_way_by_hand(official):
    with pytest.raises(
        DataError, match=r"aril: cannot be fetched automatically; download the archive that https"
    ):
        fetch("aril")
    with pytest.raises(DataError, match="'digits' has no official files to fetch; these have: aril"):
        fetch("digits")


def test_missing_pooch_names_the_extra(official, monkeypatch):
    official("gsc35")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"pip install 'shiftlif\[download\]'"):
        fetch("gsc35")


def test_the_command_shows_the_licence_and_what_was_unpacked(host, official, monkeypatch):
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from shiftlif.cli.app import app

    folder, url, _ = host
    remotes = []
    for name in ("airplane", "bird"):
        (folder / f"{name}.zip").write_bytes(_zipped({f"{name}/x": b"one" * 1000}))
        checksum = _checksum(folder / f"{name}.zip")
        remotes.append(Remote(f"{url}/{name}.zip", checksum, f"{name}.zip", name))
    _serve(monkeypatch, "cifar10_dvs", *remotes)
    result = CliRunner().invoke(app, ["datasets", "--fetch", "cifar10_dvs"], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    assert "CC BY 4.0" in result.stdout
    assert str(official("cifar10_dvs") / "bird") in result.stdout
