import copy
from pathlib import Path

import pytest

from shiftlif.bench.recipe import Job, Recipe, chosen, expand, load_recipe
from shiftlif.errors import ConfigurationError
from shiftlif.training.config import TrainingConfig, check

RECIPES = Path(__file__).parents[2] / "benchmarks" / "recipes"
GRID = {
    "common": {"epochs": 3},
    "datasets": {"digits": {"width": 8}, "wiar": None},
    "neurons": {"LIF": {"kind": "LIF"}, "Shift2": {"kind": "ShiftLIF", "K": 2, "train": {"epochs": 5}}},
    "steps": [1, 4],
    "seeds": [0, 1],
}


def jobs_of(**changes):
    return expand(check(Recipe, {**copy.deepcopy(GRID), **changes}))


def test_a_grid_is_every_combination_seed_by_seed():
    labels = [job.labels for job in jobs_of()]
    assert len(labels) == len(set(labels)) == 2 * 2 * 2 * 2
    assert [seed for *_, seed in labels] == [0] * 8 + [1] * 8


def test_common_fields_yield_to_the_data_set_and_those_to_the_neuron():
    trained = {job.labels: job.training for job in jobs_of()}
    assert trained["digits", "LIF", 1, 0] == {
        "dataset": "digits",
        "epochs": 3,
        "width": 8,
        "steps": 1,
        "neuron": {"kind": "LIF"},
    }
    assert trained["wiar", "Shift2", 4, 1] == {
        "dataset": "wiar",
        "epochs": 5,
        "steps": 4,
        "seed": 1,
        "neuron": {"K": 2},
    }


def test_blocks_are_united_and_what_they_leave_out_is_everything():
    jobs = jobs_of(
        grids=[{"datasets": ["digits"], "steps": [1]}, {"neurons": ["LIF"], "steps": [1, 2], "seeds": [0]}]
    )
    assert {job.labels for job in jobs} == {
        ("digits", "LIF", 1, 0),
        ("digits", "LIF", 1, 1),
        ("digits", "Shift2", 1, 0),
        ("digits", "Shift2", 1, 1),
        ("digits", "LIF", 2, 0),
        ("wiar", "LIF", 1, 0),
        ("wiar", "LIF", 2, 0),
    }


def test_a_neuron_with_steps_of_its_own_is_run_once():
    neurons = {"Once": {"kind": "LIF", "train": {"steps": 1}}}
    assert [job.labels for job in jobs_of(neurons=neurons, seeds=[7])] == [
        ("digits", "Once", 1, 7),
        ("wiar", "Once", 1, 7),
    ]


def test_two_labels_may_share_a_data_set():
    jobs = jobs_of(datasets={"digits": {}, "wide": {"dataset": "digits", "width": 64}})
    assert {(job.dataset, job.training["dataset"]) for job in jobs} == {
        ("digits", "digits"),
        ("wide", "digits"),
    }


def test_the_key_changes_with_every_field_that_decides_a_record_and_with_nothing_else():
    def key(**changes):
        return next(job.key for job in jobs_of(**changes) if job.labels == ("digits", "LIF", 1, 0))

    same = key()
    assert key() == same
    assert key(seeds=[0, 1, 2], steps=[4, 1], baseline="Shift2") == same
    assert key(common={"epochs": 3, "weight_decay": 0.01}) == same  # the default, written out
    others = {
        key(common={"epochs": 4}),
        key(deploy=[{"bits": 4, "qat_epochs": 8}]),
        key(limit=10),
        key(neurons={"LIF": {"kind": "LIF", "tau": 4}}),
        key(common={"teacher": "Shift2"}),
        key(common={"teacher": "Shift2"}, neurons={**GRID["neurons"], "Shift2": {"K": 3}}),
    }
    assert len(others | {same}) == 7


def test_what_a_job_holds_makes_its_configuration_again():
    neurons = {"IF": {"kind": "LIF", "tau": float("inf"), "decay_input": False}}
    job = jobs_of(neurons=neurons, common={"augment": {"noise": 0.1}})[0]
    again = Job.model_validate_json(job.model_dump_json())
    assert again.key == job.key
    config = check(TrainingConfig, again.training)
    assert (config.neuron.tau, config.augment, config.width) == (float("inf"), {"noise": 0.1}, 8)


def test_a_teacher_is_the_run_of_that_neuron_and_has_no_teacher_itself():
    jobs = {job.labels: job for job in jobs_of(common={"teacher": "Shift2"})}
    student, teacher = jobs["digits", "LIF", 4, 1], jobs["digits", "Shift2", 4, 1]
    assert student.teacher is not None
    assert student.teacher.labels == teacher.labels
    assert student.teacher.training_key == teacher.training_key
    assert teacher.teacher is None


def test_a_teacher_sees_the_inputs_of_its_student():
    few = {"kind": "LIF", "train": {"input_digits": 1, "input_exponent": 2}}
    jobs = jobs_of(neurons={**GRID["neurons"], "LIF": few}, common={"teacher": "Shift2"})
    for job in jobs:
        if job.teacher is not None:
            assert (job.teacher.training["input_digits"], job.teacher.training["input_exponent"]) == (1, 2)
        else:
            assert job.neuron == "Shift2"
            assert "input_digits" not in job.training


def test_a_teacher_of_a_neuron_with_steps_of_its_own_has_those_steps():
    neurons = {"Once": {"kind": "LIF", "train": {"steps": 1, "teacher": "LIF"}}, "LIF": {"kind": "LIF"}}
    jobs = jobs_of(neurons=neurons, steps=[4], seeds=[0], datasets={"digits": {}})
    (once,) = (job for job in jobs if job.neuron == "Once")
    assert (once.steps, once.teacher.steps, once.teacher.training["steps"]) == (1, 1, 1)


def test_neuron_fields_of_the_entry_override_those_of_every_other_part():
    def neuron(**changes):
        values = {"datasets": {"digits": {}}, "neurons": {"N": {"kind": "LIF"}}, **changes}
        return jobs_of(steps=[4], seeds=[0], **values)[0].training["neuron"]

    common, of_set, train = ({"neuron": {"tau": tau}} for tau in (3.0, 4.0, 5.0))
    assert neuron(common=common)["tau"] == 3
    assert neuron(common=common, datasets={"digits": of_set})["tau"] == 4
    entry = {"kind": "LIF", "train": train}
    assert neuron(common=common, datasets={"digits": of_set}, neurons={"N": entry})["tau"] == 5
    assert neuron(common=common, neurons={"N": {**entry, "tau": 6.0}})["tau"] == 6


def test_without_the_default_baseline_nothing_is_compared():
    assert check(Recipe, {**GRID, "neurons": {"Shift2": {"K": 2}}}).baseline == "LIF"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, "epoch: there is no such field; known: baseline, common"),
        ({"common": {"epoch": 3}}, "epoch: there is no such field; known: accelerator"),
        ({"neurons": {"N": {"kind": "LIF", "Q": 3}}}, "neuron.Q: there is no such field; known: K, L"),
        ({"neurons": {"N": {"kind": "LIF", "K": 3}}}, "digits with neurons.N: .*K"),
        ({"grids": [{"dataset": ["digits"]}]}, "grids.0.dataset: .* known: datasets, neurons, seeds, steps"),
        ({"grids": [{}, {"neurons": ["LIFF"]}]}, "block 2: neurons names 'LIFF', which is not defined"),
        ({"common": {"seed": 3}}, "common: seed is 3, but the grid decides it; list it under seeds"),
        ({"datasets": {"digits": {"steps": 3}}}, "datasets.digits: steps is 3"),
        ({"common": {"teacher": "ANN"}}, "teacher names 'ANN', which is not defined; defined: LIF, Shift2"),
        ({"common": {"epochs": 0}}, "epochs: .*greater than or equal to 1, got 0"),
        ({"deploy": [{"bits": 8}, {"bits": 8, "qat_epochs": 2}]}, "deploy: each number of bits"),
        ({"deploy": [{"bits": 5}]}, "deploy.0.bits: .*8 or 4"),
        ({"neurons": {}}, "neurons: .*at least 1"),
        ({"neurons": {"N": {"train": "fast"}}}, "neurons: N.train is 'fast', expected fields"),
        ({"neurons": {"N": {"train": ["teacher"]}}, "common": {"teacher": "N"}}, r"N.train is \['teacher'\]"),
        ({"subject": "Shift"}, "subject names 'Shift', which is not defined; defined: LIF, Shift2"),
        ({"opponent": "QuantReLU"}, "opponent names 'QuantReLU', which is not defined"),
        ({"baseline": "IF"}, "baseline names 'IF', which is not defined"),
        ({"common": {"neuron": "LIF"}}, "common: neuron is 'LIF', expected fields"),
        ({"datasets": {"digits": {"neuron": "LIF"}}}, "datasets.digits: neuron is 'LIF', expected fields"),
        ({"neurons": {"N": {"train": {"neuron": 3}}}}, "neurons.N.train: neuron is 3, expected fields"),
        (
            {"common": {"dataset": "wiar"}},
            "common: dataset is 'wiar', but the grid decides it; list it under datasets",
        ),
        (
            {"neurons": {"N": {"train": {"dataset": "wiar"}}}},
            "neurons.N.train: dataset is 'wiar', but the grid",
        ),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        jobs_of(**changes)


def test_only_keeps_what_every_named_field_admits():
    jobs = jobs_of()
    assert chosen(jobs, []) == jobs
    some = chosen(jobs, ["neuron=LIF", "steps=4", "dataset=wiar", "dataset=digits"])
    assert [job.labels for job in some] == [
        (dataset, "LIF", 4, seed) for seed in (0, 1) for dataset in ("digits", "wiar")
    ]
    with pytest.raises(ConfigurationError, match="neuron is one of LIF, Shift2"):
        chosen(jobs, ["neuron=IF"])
    with pytest.raises(ConfigurationError, match="fields: dataset, neuron, steps, seed"):
        chosen(jobs, ["epochs=3"])


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_is_valid(path):
    assert expand(load_recipe(path))


def test_the_non_spiking_bound_of_the_edge_recipe_has_no_teacher():
    jobs = expand(load_recipe(RECIPES / "edge.yaml"))
    assert {job.teacher for job in jobs if job.neuron == "ReLU"} == {None}
    assert all(job.teacher is not None for job in jobs if job.neuron != "ReLU")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_energy_is_compared_with_a_network_that_has_a_program(path):
    recipe = load_recipe(path)
    assert recipe.opponent is None or recipe.neurons[recipe.opponent]["kind"] == "QuantReLU"


def test_a_data_set_may_have_programs_of_its_own():
    own = {"digits": {"deploy": [{"bits": 4, "qat_epochs": 2}]}, "wiar": None}
    made = {job.dataset: job for job in jobs_of(datasets=own)}
    assert [entry.model_dump() for entry in made["digits"].deploy] == [{"bits": 4, "qat_epochs": 2}]
    assert [entry.name for entry in made["wiar"].deploy] == ["int8"]
    assert "deploy" not in made["digits"].training
    plain = {job.dataset: job for job in jobs_of(datasets={"digits": {}, "wiar": None})}
    assert made["digits"].key != plain["digits"].key
    assert made["digits"].training_key == plain["digits"].training_key
    assert made["wiar"].key == plain["wiar"].key
    with pytest.raises(ConfigurationError, match=r"datasets\.digits: deploy\.0\.bits"):
        jobs_of(datasets={"digits": {"deploy": [{"bits": 5}]}})
