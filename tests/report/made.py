"""Evidence of hand-made networks on hand-made samples, without training."""

import re

import altair
import numpy as np
import torch

from shiftlif.compile import convert, verify
from shiftlif.errors import CompileError, ProgramError
from shiftlif.program import InputQuantizer, measure
from shiftlif.quantize import absorb
from shiftlif.report.evidence import Evidence
from shiftlif.report.section import Chart, Section, Table
from shiftlif.training.batches import Data, Part
from shiftlif.training.config import TrainingConfig
from shiftlif.training.deployment import integer_answers, prepared_for, program_frames
from shiftlif.training.evaluation import predict
from shiftlif.training.runs import Run


def evidence_of(network, x, labels, folder, *, steps=1, temporal=False):
    """Evidence as `gather` makes it: every part is ``x``, int8 with an exponent of 0, and every sample is chosen."""
    x, labels = np.asarray(x, np.int8), np.asarray(labels, np.int64)
    network.eval()
    channels = network.input_shape[0]
    classes = tuple("abcdefgh"[: network(torch.zeros(1, 1, *network.input_shape)).shape[-1]])
    quantizer = InputQuantizer.identity(channels)
    part = Part(torch.from_numpy(x), torch.from_numpy(labels))
    data = Data(
        dict.fromkeys(("train", "val", "test"), part),
        quantizer,
        classes,
        temporal,
        steps,
        network.input_shape,
    )
    config = TrainingConfig(dataset="made by hand", steps=steps)
    run = Run(folder, config, network, quantizer, classes, network.input_shape, temporal, {}, "", {})
    scores = predict(network, data, "test").numpy().astype(np.float64)
    chosen = np.arange(len(labels))
    try:
        absorbed = absorb(network)
        prepared = prepared_for(absorbed, data, 8)
        program = convert(prepared, quantizer=quantizer, classes=classes, steps=steps)
    except (CompileError, ProgramError) as error:
        answers = scores.argmax(1)
        return Evidence(
            *(run, data, network, network, None, 0, labels, scores, answers, chosen), refusal=str(error)
        )
    return Evidence(
        *(run, data, absorbed, prepared, None, 8, labels, scores),
        integer_answers(prepared, data, "test").numpy(),
        chosen,
        measured=program,
        cost=measure(program, program_frames(x, temporal)),
        proof=verify(prepared, program, x, steps=steps),
    )


def sections_of(made):
    return [made] if isinstance(made, Section) else list(made)


def block(section, key):
    """The chart or table whose key begins so."""
    (found,) = [b for b in section.blocks if isinstance(b, Chart | Table) and b.key.startswith(key)]
    return found


def check(sections):
    """What the page needs of every section: unique keys, valid Vega-Lite, and rows that hold what the spec names."""
    keys = [s.key for s in sections]
    for section in sections:
        assert section.answer.endswith(".")
        for made in section.blocks:
            if isinstance(made, Table):
                keys.append(made.key)
                assert all(set(made.columns) <= row.keys() for row in made.rows)
            elif isinstance(made, Chart):
                keys.append(made.key)
                assert made.rows
                assert not {"data", "config"} & made.spec.keys()
                plain = _without_theme(made.spec)
                altair.Chart.from_dict({**plain, "data": {"values": list(made.rows[:2])}})
                known = set().union(*(row.keys() for row in made.rows))
                assert set(_fields(made.spec)) <= known, made.key
                assert len(made.rows) <= 2200
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[a-z0-9-]+", key) for key in keys)


def _without_theme(spec):
    if isinstance(spec, dict):
        return {name: _without_theme(value) for name, value in spec.items()}
    if isinstance(spec, list):
        return [_without_theme(value) for value in spec]
    return "black" if isinstance(spec, str) and spec.startswith("@") else spec


def _fields(spec):
    if isinstance(spec, dict):
        if isinstance(spec.get("field"), str):
            yield spec["field"]
        for value in spec.values():
            yield from _fields(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _fields(value)
