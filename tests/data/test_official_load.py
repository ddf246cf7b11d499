"""What holds for every set with official files: the table, protocols, missing files, the cache."""

import json
from pathlib import Path

import numpy as np
import pytest

from shiftlif.data import PROTOCOLS, describe, load, names
from shiftlif.data.official import OFFICIAL
from shiftlif.data.official.protocols import TEST, TRAIN, last_tenth, random_fifth
from shiftlif.errors import DataError

TEN = {
    "aril",
    "ut_har",
    "fi_humanid",
    "bullydetect",
    "urbansound8k",
    "gsc35",
    "uci_har_official",
    "hhar",
    "cifar10_dvs",
    "n_caltech101",
}


def _write_ut_har(folder):
    (folder / "data").mkdir()
    (folder / "label").mkdir()
    for name in ("train", "val", "test"):
        for path, values in (("data/X", np.arange(14 * 22_500.0)), ("label/y", np.arange(14) % 7)):
            with (folder / f"{path}_{name}.csv").open("wb") as stream:
                np.save(stream, values.reshape(14, -1).astype(np.float32))


def test_the_ten_sets_of_the_paper_are_known_by_name():
    assert set(OFFICIAL) == TEN
    assert set(names()) >= TEN


@pytest.mark.parametrize("name", sorted(TEN))
def test_a_missing_set_says_what_to_fetch_and_where_to_put_it(name, official, monkeypatch):
    folder = official(name)
    facts = OFFICIAL[name]
    with pytest.raises(DataError) as caught:
        load(name)
    text = str(caught.value)
    assert str(folder / facts.marker) in text
    assert f"into $SHIFTLIF_DATA/{name}" in text
    assert "http" in text
    assert facts.layout in text
    assert (f"shiftlif datasets --fetch {name}" in text) == bool(facts.remotes)
    monkeypatch.delenv("SHIFTLIF_DATA")
    with pytest.raises(DataError, match="SHIFTLIF_DATA is not set"):
        load(name)


@pytest.mark.parametrize("name", sorted(TEN))
def test_a_set_is_described_with_both_protocols(name, official):
    known = json.loads(json.dumps(describe(name)))
    assert set(known["protocols"]) == set(PROTOCOLS)
    assert not known["available"]
    assert known["fetch"] == bool(OFFICIAL[name].remotes)


def test_checksums_are_whole_and_addresses_use_https():
    for facts in OFFICIAL.values():
        for remote in facts.remotes:
            kind, _, digits = remote.checksum.partition(":")
            assert len(digits) == {"md5": 32, "sha256": 64}[kind]
            assert set(digits) <= set("0123456789abcdef")
            assert remote.url.startswith("https://")


def test_a_set_of_several_archives_is_there_when_each_is_in_one_folder(official):
    home = official("cifar10_dvs")
    *first, last = OFFICIAL["cifar10_dvs"].wanted
    for name in first:
        (home / "CIFAR10DVS" / name).mkdir(parents=True, exist_ok=True)
    (home / last).mkdir()
    assert not describe("cifar10_dvs")["available"]
    with pytest.raises(DataError, match=r"CIFAR10DVS: the folder truck is missing \(1 of 10"):
        load("cifar10_dvs", protocol="soul")
    (home / last).rename(home / "CIFAR10DVS" / last)
    (home / "airplane").mkdir()  # empty, and not in the way
    assert describe("cifar10_dvs")["available"]
    with pytest.raises(DataError, match=r"CIFAR10DVS/airplane: holds no"):
        load("cifar10_dvs", protocol="soul")


def test_an_unknown_protocol_lists_the_known_ones(official):
    _write_ut_har(official("ut_har"))
    assert describe("ut_har")["available"]
    with pytest.raises(DataError, match=r"ut_har: there is no protocol 'paper'; choose one of ours, soul"):
        load("ut_har", protocol="paper")


def test_other_sets_have_one_protocol(tmp_path):
    with pytest.raises(
        DataError, match=r"digits: has the protocol 'ours' only, not 'soul'; ours and soul exist"
    ):
        load("digits", protocol="soul")
    with pytest.raises(DataError, match="has the protocol 'ours' only"):
        load(tmp_path, protocol="soul")


def test_an_incomplete_set_is_a_warning_with_both_numbers(official):
    _write_ut_har(official("ut_har"))
    with pytest.warns(UserWarning, match="holds 42 samples, published are 4973"):
        data = load("ut_har")
    assert len(data.y_train) == 14


@pytest.mark.filterwarnings("ignore:data set .* holds .* samples")
def test_frames_are_refused_for_sets_without_time_frames(official):
    _write_ut_har(official("ut_har"))
    with pytest.raises(DataError, match="frames=4 applies to event frames"):
        load("ut_har", frames=4)
    with pytest.raises(DataError, match="length applies"):
        load("ut_har", length=4)


def test_the_last_tenth_of_each_class_is_at_least_one_sample():
    labels = np.array([0] * 25 + [1] * 4)
    part = last_tenth(labels)
    assert np.flatnonzero(part == TEST).tolist() == [23, 24, 28]
    assert set(part.tolist()) == {TRAIN, TEST}


def test_a_random_fifth_is_balanced_and_always_the_same():
    labels = np.repeat(np.arange(3), 20)
    part = random_fifth(labels)
    assert np.bincount(labels[part == TEST]).tolist() == [4, 4, 4]
    np.testing.assert_array_equal(part, random_fifth(labels))


def test_the_page_on_data_sets_has_every_one_in_each_of_its_tables():
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for name in TEN:
        assert text.count(f"| `{name}` |") == 2, name
        assert f"**{name}** — " in text, name
