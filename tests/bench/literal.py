"""Records as a person would write them."""

import numpy as np

from shiftlif.bench.store import packed


def record(
    dataset="toy", neuron="LIF", steps=4, seed=0, *, correct, operations=1000.0, validation=None, **changes
):
    """A record whose accuracy is that of ``correct``, a list of 0 and 1, on the validation part too unless given."""
    right = np.array(correct, bool)
    accuracy = float(right.mean())
    return {
        "key": f"{dataset}-{neuron}-{steps}-{seed}",
        "dataset": dataset,
        "neuron": neuron,
        "steps": steps,
        "seed": seed,
        "parameters": 1234,
        "validation": {"accuracy": accuracy if validation is None else validation},
        "test": {"accuracy": accuracy, "balanced_accuracy": accuracy, "macro_f1": accuracy, "loss": 0.5},
        "test_samples": len(right),
        "test_correct": packed(right),
        "calibration_error": 0.25,
        "float": {
            "events": 100.0,
            "events_per_neuron_step": 0.1,
            "synaptic_operations": operations,
            "multiply_accumulates": 5000.0,
        },
        "deploy": {"int8": {"accuracy": accuracy, "bit_exact": True, "adds": 70.0, "weight_bytes": 900}},
        "seconds": 10.0,
        **changes,
    }
