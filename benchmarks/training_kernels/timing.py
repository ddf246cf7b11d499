"""Times of contenders that share a noisy machine: rounds in shuffled order, medians and quartiles."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Run = Callable[[], object]
Record = dict[str, Any]
Clock = Callable[[Run, int], float]
"""``(run, calls)`` to seconds per call."""

SAMPLE_SECONDS = 4e-3  # a sample of a fast contender holds as many calls as fill this
MAX_CALLS = 100
REHEARSED_SECONDS = 0.05  # a cheaper sample follows untimed calls
REHEARSALS = 4  # after the others' turns, a last-level cache takes a few passes to hold what fits it


class Budget(NamedTuple):
    """How long one point may take.

    Attributes:
        seconds: wall clock for all rounds of all contenders.
        rounds: fewest and most of them; the fewest are run whatever they cost.
        call_seconds: a contender whose second call takes longer is left out.
    """

    seconds: float
    rounds: tuple[int, int]
    call_seconds: float = 20.0


FULL = Budget(4.0, (5, 60))
QUICK = Budget(0.7, (3, 10))


def wall_clock(run: Run, calls: int) -> float:
    """Seconds per call by the wall clock."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def cuda_clock(run: Run, calls: int) -> float:
    """Seconds per call by events on the current CUDA stream."""
    import torch

    begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    begin.record()
    for _ in range(calls):
        run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / calls


def summary(samples: list[float]) -> Record:
    """Median, extremes and quartiles of seconds."""
    q1, _, q3 = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "q1": q1,
        "q3": q3,
        "max": max(samples),
        "rounds": len(samples),
    }


def failure(error: BaseException) -> Record:
    """Why a contender has no time, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return {"error": f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]}


def _warm_up(run: Run, clock: Clock, limit: float) -> tuple[Record, float]:
    """What the first call took (for a compiled contender: compilation) and the cost of a later one."""
    first = wall_clock(run, 1)
    cost = clock(run, 1)
    if cost > limit:
        return {"skipped": f"one call takes {cost:.1f} s, more than {limit:.0f} s"}, cost
    return {"first_call": first}, min(cost, clock(run, 1), clock(run, 1))


def _sample(run: Run, cost: float, clock: Clock) -> float:
    """Seconds per call, with the caches as the contender itself leaves them."""
    if cost < REHEARSED_SECONDS:
        for _ in range(REHEARSALS):
            run()
    return clock(run, max(1, min(MAX_CALLS, int(SAMPLE_SECONDS / max(cost, 1e-9)))))


def measure(
    contenders: Mapping[str, Run], budget: Budget, rng: random.Random, clock: Clock = wall_clock
) -> dict[str, Record]:
    """Seconds per call of every contender; one that raises has an ``error`` instead.

    The contenders take turns in a new order every round, so that a disturbance of the machine meets all of them.
    """
    results: dict[str, Record] = {}
    costs: dict[str, float] = {}
    for name, run in contenders.items():
        try:
            results[name], cost = _warm_up(run, clock, budget.call_seconds)
        except Exception as error:
            results[name] = failure(error)
            continue
        if "skipped" not in results[name]:
            costs[name] = cost
    samples: dict[str, list[float]] = {name: [] for name in costs}
    order = list(costs)
    fewest, most = budget.rounds
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for played in range(most):
            if played >= fewest and time.perf_counter() - start > budget.seconds:
                break
            rng.shuffle(order)
            for name in order:
                samples[name].append(_sample(contenders[name], costs[name], clock))
    finally:
        gc.enable()
    for name, times in samples.items():
        results[name] |= summary(times)
    return results
