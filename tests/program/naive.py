"""A second interpreter in plain Python loops, written from SPEC 6 and sharing no code with the first."""

from __future__ import annotations

import itertools

import numpy as np


def current_of(op, n):
    """``W n`` for one sample, and per-event counts: synaptic operations, adds, shifts."""
    counts = {"events": int(np.count_nonzero(n)), "synaptic_operations": 0, "adds": 0, "shifts": 0}

    def touch(value, weight):
        if value:
            digits = bin(abs(value))[2:]
            counts["synaptic_operations"] += 1
            counts["adds"] += digits.count("1")
            counts["shifts"] += digits[:-1].count("1")
        return value * weight

    if type(op).__name__ == "Linear":
        out = [
            sum(touch(int(n[i]), int(op.weight[o, i])) for i in range(len(n))) for o in range(len(op.weight))
        ]
        return np.array(out), counts
    kernel = op.weight.shape[2:]
    size = [
        (n.shape[1 + a] + 2 * op.padding[a] - op.dilation[a] * (kernel[a] - 1) - 1) // op.stride[a] + 1
        for a in range(len(kernel))
    ]
    out = np.zeros((op.weight.shape[0], *size), dtype=object)
    per_group = op.weight.shape[0] // op.groups
    for o in range(op.weight.shape[0]):
        for position in itertools.product(*map(range, size)):
            total = 0
            for i in range(op.weight.shape[1]):
                for tap in itertools.product(*map(range, kernel)):
                    at = [
                        position[a] * op.stride[a] - op.padding[a] + tap[a] * op.dilation[a]
                        for a in range(len(kernel))
                    ]
                    if all(0 <= at[a] < n.shape[1 + a] for a in range(len(at))):
                        channel = (o // per_group) * op.weight.shape[1] + i
                        total += touch(int(n[(channel, *at)]), int(op.weight[(o, i, *tap)]))
            out[(o, *position)] = total
    return out, counts


def fire(op, v, x):
    """One step of a Neuron for one sample: letters and new membranes."""
    letters, after = np.zeros(x.shape, dtype=object), np.zeros(x.shape, dtype=object)
    for at in np.ndindex(*x.shape):
        c, u = at[0], int(v[at])
        if op.leak_shift is not None:
            u -= u // 2**op.leak_shift  # Python's // is floor
        u += int(x[at]) * 2**op.current_shift + int(op.bias[c])
        k = 0
        while k < op.thresholds.shape[1] and u >= op.thresholds[c, k]:
            k += 1
        letters[at] = int(op.letters[k])
        if op.reset == "soft":
            u -= int(op.resets[c, k])
        elif letters[at] != 0:
            u = 0
        after[at] = u
    return letters, after


def pool(op, n):
    size = [(n.shape[1 + a] - op.kernel[a]) // op.stride[a] + 1 for a in range(len(op.kernel))]
    out = np.zeros((n.shape[0], *size), dtype=object)
    combine = sum if type(op).__name__ == "SumPool" else max
    for at in np.ndindex(*out.shape):
        taps = itertools.product(*map(range, op.kernel))
        out[at] = combine(
            int(n[(at[0], *(at[1 + a] * op.stride[a] + tap[a] for a in range(len(tap))))]) for tap in taps
        )
    return out


def run_sample(program, frames):
    """All letters and membranes of one sample: ``{name: [T, ...]}`` twice, and synapse counts per step."""
    state = {}
    letters, membranes, counts = {}, {}, {}
    for frame in frames:
        wires = {}
        for op in program.operations:
            kind = type(op).__name__
            if kind == "Input":
                wires[op.name] = frame.astype(object)
            elif kind in ("Linear", "Conv"):
                wires[op.name], seen = current_of(op, wires[op.source])
                counts.setdefault(op.name, []).append(seen)
            elif kind == "Neuron":
                x = wires[op.source]
                wires[op.name], state[op.name] = fire(op, state.get(op.name, np.zeros(x.shape, int)), x)
                letters.setdefault(op.name, []).append(wires[op.name])
                membranes.setdefault(op.name, []).append(state[op.name])
            elif kind in ("SumPool", "MaxPool"):
                wires[op.name] = pool(op, wires[op.source])
            elif kind == "Flatten":
                wires[op.name] = wires[op.source].reshape(-1)
            elif kind == "Add":
                a, b = (wires[s] for s in op.sources)
                wires[op.name] = a * 2 ** op.shifts[0] + b * 2 ** op.shifts[1]
            else:
                old = state.get(op.name, 0)
                state[op.name] = old + wires[op.source] * 2**op.current_shift + op.bias.astype(object)
                membranes.setdefault(op.name, []).append(state[op.name])
    return letters, membranes, counts
