import json
import warnings

import numpy as np
import pytest

from shiftlif.data import Dataset
from shiftlif.errors import DataError


def arrays(shape=(2, 5), n=(6, 2, 4)):
    rng = np.random.default_rng(0)
    out = {}
    for part, size in zip(("train", "val", "test"), n, strict=True):
        out[f"x_{part}"] = rng.normal(size=(size, *shape)).astype(np.float32)
        out[f"y_{part}"] = np.arange(size) % 2
    return out


def make(**changes):
    return Dataset(**{"name": "toy", "classes": ("a", "b"), **arrays(), **changes})


def test_files_are_one_for_each_test_sample_or_none():
    assert make().test_files == ()
    assert make(test_files=("a", "b", "c", "d")).test_files == ("a", "b", "c", "d")
    with pytest.raises(DataError, match="4 test samples but 2 files"):
        make(test_files=("a", "b"))


def test_sample_shape_leaves_out_samples_and_time():
    assert make().sample_shape == (2, 5)
    assert make().frames is None
    temporal = make(**arrays((7, 2, 4, 4)), temporal=True)
    assert temporal.sample_shape == (2, 4, 4)
    assert temporal.frames == 7


def test_summary_is_json_and_counts_add_up():
    summary = json.loads(json.dumps(make().summary()))
    assert summary["samples"] == {"train": 6, "val": 2, "test": 4}
    assert summary["class_counts"]["test"] == [2, 2]


def test_majority_is_test_accuracy_of_the_most_frequent_training_class():
    data = make(y_train=np.array([1, 1, 1, 1, 0, 0]), y_test=np.array([1, 0, 0, 0]))
    assert data.majority == 0.25


def test_labels_of_any_integer_type_become_int64():
    assert make(y_val=np.array([0, 1], np.uint8)).y_val.dtype == np.int64


def nan_at(sample):
    x = arrays()["x_val"]
    x[sample, 0, 3] = np.nan
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_val": nan_at(1)}, "part val: sample 1 .*NaN"),
        (
            {"x_test": arrays()["x_test"].astype(np.float64)},
            "part test: samples are float64, expected a float32",
        ),
        ({"x_val": np.zeros((0, 2, 5), np.float32), "y_val": np.zeros(0, int)}, "part val: is empty"),
        ({"x_val": np.zeros((2, 2, 6), np.float32)}, r"part val: samples have shape \(2, 6\)"),
        ({"x_train": np.zeros(6, np.float32)}, "part train: samples have shape"),
        ({"y_train": np.zeros(5, int)}, "part train: 6 samples but 5 labels"),
        ({"y_test": np.array([0, 1, 2, 0])}, "part test: sample 2 .*has label 2, expected 0 to 1"),
        ({"y_test": np.array([0, -1, 1, 0])}, "part test: sample 1 .*has label -1"),
        ({"y_test": np.zeros(4)}, "part test: labels are float64"),
        ({"classes": ("a",)}, "at least two classes"),
        ({"classes": ("a", "a")}, "different names"),
        ({"x_train": [1, 2]}, "samples are list"),
        ({"temporal": True, **arrays((3,))}, r"expected \[N, T, C"),
    ],
)
def test_what_is_wrong_is_named_with_its_part(changes, message):
    with pytest.raises(DataError, match=message):
        make(**changes)


def test_classes_without_training_samples_are_named_in_a_warning():
    with pytest.warns(UserWarning, match=r"2 of 4 classes have no training sample \(c, d\).*0 to 1\)"):
        make(classes=("a", "b", "c", "d"))
    with pytest.warns(UserWarning, match=r"\(2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more\)"):
        make(classes=range(20))


def test_classes_with_training_samples_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()


def test_an_unknown_part_is_refused():
    with pytest.raises(DataError, match="train, val, test"):
        make().part("dev")
