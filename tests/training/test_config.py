import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.errors import ConfigurationError
from shiftlif.neuron import LIF, NEURONS, QBLIF, IntLIF, ShiftLIF
from shiftlif.surrogate import ATan, Rectangle, ReLSGET
from shiftlif.training.config import (
    NeuronConfig,
    TrainingConfig,
    check,
    dump_config,
    load_config,
    read_values,
)


@given(
    st.builds(
        TrainingConfig,
        dataset=st.sampled_from(["digits", "a/b.npz", "yes", "1e3"]),
        neuron=st.builds(NeuronConfig, kind=st.sampled_from(["ShiftLIF", "LIF"]), tau=st.floats(1, 64)),
        learning_rate=st.floats(1e-6, 1),
        patience=st.none() | st.integers(1, 9),
        augment=st.dictionaries(st.sampled_from(["noise", "roll"]), st.floats(0, 1)),
        devices=st.integers(1, 8) | st.just("auto"),
    )
)
def test_a_dumped_configuration_loads_equal(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(path) == config


def test_json_is_read_too(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"dataset": "digits", "neuron": {"kind": "LIF"}}))
    assert load_config(tmp_path / "c.json").neuron.kind == "LIF"


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"dataset": "d", "epoch": 3}, ("epoch: there is no such field", "epochs")),
        ({"dataset": "d", "neuron": {"k": 3}}, ("neuron.k: there is no such field", "K")),
        ({}, ("dataset: is missing",)),
        ({"dataset": "d", "epochs": 0}, ("epochs", "greater than or equal to 1", "got 0")),
        ({"dataset": "d", "model": "resnet"}, ("model", "'dense'", "got 'resnet'")),
        ({"dataset": "d", "augment": {"blur": 1}}, ("no augmentation 'blur'", "noise")),
        ({"dataset": "d", "augment": {"noise": -1}}, ("'noise'", "at least 0")),
        ({"dataset": "d", "batch_size": 1}, ("batch_size",)),
        ({"dataset": "d", "learning_rate": float("nan")}, ("learning_rate",)),
    ],
)
def test_a_wrong_field_is_named_in_one_line(values, parts):
    with pytest.raises(ConfigurationError) as caught:
        check(TrainingConfig, values)
    assert all(part in str(caught.value) for part in parts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"- 1\n- 2", b"a: [", b"\xff\xfe", b"!!python/object/apply:os.getcwd []"]
)
def test_an_unusable_file_is_an_error_and_is_not_executed(tmp_path, content):
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"c\.yaml"):
        read_values(tmp_path / "c.yaml")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        TrainingConfig(dataset="d").epochs = 5


@pytest.mark.parametrize(
    ("kind", "cls"), [("ShiftLIF", ShiftLIF), ("QBLIF", QBLIF), ("IntLIF", IntLIF), ("LIF", LIF)]
)
def test_every_kind_builds_with_its_own_defaults(kind, cls):
    factory = NeuronConfig(kind=kind).build()
    neuron, default = factory(), cls()
    assert type(neuron) is cls
    assert factory() is not neuron
    assert (neuron.alphabet, neuron.learnable_scale) == (default.alphabet, default.learnable_scale)
    assert neuron.scale.item() == default.scale.item()


def test_neuron_parameters_arrive():
    neuron = NeuronConfig(
        K=2, placement="log", tau=4, scale=0.5, learnable_scale=False, surrogate="atan", alpha=3
    ).build()()
    assert neuron.alphabet.name == "PowerOfTwo(K=2, log)"
    assert neuron.tau == 4
    assert neuron.scale.item() == 0.5
    assert not neuron.learnable_scale
    assert neuron.surrogate == ATan(3)


def test_surrogates_are_built_by_name():
    assert NeuronConfig(surrogate="relsget", periodic=True, alpha=2).build()().surrogate == ReLSGET(2, True)
    assert NeuronConfig(surrogate="rectangle").build()().surrogate == Rectangle()


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "LIF", "K": 3},
        {"kind": "ShiftLIF", "L": 4},
        {"kind": "LIF", "placement": "log"},
        {"surrogate": "atan", "periodic": True},
        {"alpha": 2.0},
        {"surrogate": "rectangle", "alpha": 2.0},
        {"kind": "QBLIF", "L": 0},
        {"tau": 0.5},
        {"kind": "ShiftLIF", "reset": "hard"},
        {"kind": "QuantReLU", "tau": 2.0},
        {"kind": "QuantReLU", "bits": 9},
        {"kind": "ReLU", "scale": 2.0},
        {"kind": "ReLU", "surrogate": "atan"},
        {"kind": "IF", "tau": 2.0},
        {"kind": "GLIF", "scale": 2.0},
        {"kind": "CLIF", "reset": "hard"},
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_before_a_network_is_built(values):
    with pytest.raises(ConfigurationError):
        NeuronConfig(**values).build(steps=4)


def test_a_field_of_another_kind_is_refused_with_the_kinds_that_have_it():
    with pytest.raises(ConfigurationError, match="neuron LIF has no bits; it belongs to QuantReLU"):
        NeuronConfig(kind="LIF", bits=4).build()


def test_an_unknown_kind_is_refused_with_those_there_are():
    with pytest.raises(
        ConfigurationError, match=r"neuron\.kind: there is no such neuron; .* PLIF, .* got 'Lif'"
    ):
        check(TrainingConfig, {"dataset": "d", "neuron": {"kind": "Lif"}})


@pytest.mark.parametrize("kind", NEURONS)
def test_every_kind_of_the_family_resolves_to_the_neuron_it_builds(kind):
    config = NeuronConfig(kind=kind)
    resolved = config.resolved(steps=3)
    assert str(resolved.build(steps=3)()) == str(config.build(steps=3)())
    assert resolved.resolved(steps=3) == resolved
    assert NeuronConfig.model_validate(resolved.model_dump()) == resolved
    taken = resolved.model_dump(exclude_none=True)
    assert ("tau" in taken) == (kind not in ("GLIF", "PSN", "ReLU", "QuantReLU"))


@pytest.mark.parametrize("kind", ["GLIF", "PSN"])
def test_a_kind_that_depends_on_the_steps_asks_for_them(kind):
    with pytest.raises(ConfigurationError, match=f"neuron {kind} needs the number of steps T"):
        NeuronConfig(kind=kind).build()
