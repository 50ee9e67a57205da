"""A training step with each method beside a plain step of the same net, in turn.

On LeNet-5 in batches of 128 there is a bound: noise on weights costs a second pass through each
layer, all else a few passes over the weights. On LeNet-300-100, which reads its weights once in a
step, these passes weigh more; there they are reported. The ratio is of the least times.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, Timing, attempt, interleave, stopwatch
from benchmarks.step import sample, stepping
from minprune.train.step import Training

NOISY, LIGHT = 2.5, 1.3  # bounds
BATCH, SHAPE, SAMPLES, TOTAL = 128, (1, 28, 28), 60_000, 10_000
M = mp.methods


def half(step: int) -> float:
    """Grows at every update."""
    return min(0.9, step / 100)


# name: (how it is made of a model, its bound, whether it starts sparse)
METHODS: dict[str, tuple[Callable[[mp.Model], mp.Method], float | None, bool]] = {
    "Dropout": (lambda _: M.Dropout(0.5), LIGHT, False),
    "Dropout, Gaussian": (lambda _: M.Dropout(0.5, noise="gaussian"), LIGHT, False),
    "TargetedDropout": (lambda _: M.TargetedDropout(0.75), LIGHT, False),
    "TargetedDropout, units": (lambda _: M.TargetedDropout(0.5, unit=True), LIGHT, False),
    "VariationalDropout, by unit": (lambda _: M.VariationalDropout(), NOISY, False),
    "VariationalDropout, by weight": (lambda _: M.VariationalDropout(by="weight"), NOISY, False),
    "SparseVariationalDropout": (lambda _: M.SparseVariationalDropout(), NOISY, False),
    "L1": (lambda _: M.L1(1e-4), LIGHT, False),
    "L2": (lambda _: M.L2(1e-4), LIGHT, False),
    "L0": (lambda _: M.L0(1e-4), LIGHT, False),
    "ElasticNet": (lambda _: M.ElasticNet(1e-4, 1e-4), LIGHT, False),
    "GroupLasso": (lambda _: M.GroupLasso(1e-4), LIGHT, False),
    "SparseGroupLasso": (lambda _: M.SparseGroupLasso(1e-4, 1e-4), LIGHT, False),
    "SoftThreshold": (lambda _: M.SoftThreshold(), LIGHT, False),
    "GrowingRegularization": (lambda _: M.GrowingRegularization(0.9), LIGHT, False),
    "Gradual, at every update": (lambda _: M.Gradual(half), LIGHT, False),
    "Soft": (lambda _: M.Soft(0.9), LIGHT, False),
    "DynamicSurgery": (lambda _: M.DynamicSurgery(sparsity=0.9), LIGHT, False),
    "SET": (lambda _: M.SET(), LIGHT, True),
    "RigL": (lambda _: M.RigL(), LIGHT, True),
    "SNFS": (lambda _: M.SNFS(), LIGHT, True),
    "HardConcrete": (lambda _: M.HardConcrete(), LIGHT, False),
    "HardConcrete, units": (lambda _: M.HardConcrete(unit=True), LIGHT, False),
    "LearnedMasks": (lambda _: M.LearnedMasks(), LIGHT, False),
    "LearnedMasks, the highest": (lambda _: M.LearnedMasks(0.9), LIGHT, False),
    "LearnedMasks, drawn": (lambda _: M.LearnedMasks(draw="bernoulli"), LIGHT, False),
    "AttentionGates": (lambda _: M.AttentionGates(), LIGHT, False),
    "Distil": (lambda model: M.Distil(model), None, False),  # the teacher's forward pass, too
}


CONVOLUTIONS = {"AttentionGates"}  # what needs them


def run(quick: bool, data: Path | None) -> list[Row]:
    """Each method on both nets."""
    repeats = 7 if quick else 31
    rows: list[Row] = []
    for net, bounded in (("lenet_5", True), ("lenet_300_100", False)):
        for name in METHODS if bounded else [k for k in METHODS if k not in CONVOLUTIONS]:
            rows += attempt(f"{net}: {name}", partial(times, net, name, bounded, repeats))
    return rows


def step_of(
    net: str, make: Callable[[mp.Model], mp.Method], sparse: bool = False
) -> Callable[[], float]:
    """A step of the loop of `fit` with Adam, on a batch that is at hand."""
    model = getattr(mp.zoo, net)((SHAPE, 10))
    model = M.start_sparse(model, 0.9) if sparse else model
    state = Training(
        model, mp.Adam(), mp.rates.constant(), make(model), 0, SAMPLES, BATCH, TOTAL,
        updates_of_epoch=-(-SAMPLES // BATCH),
    )  # fmt: skip
    return stepping(state, *sample(BATCH, SHAPE))


def times(net: str, name: str, bounded: bool, repeats: int) -> Iterable[Row]:
    """Seconds of its step and of a plain one, and the ratio of the least ones."""
    make, bound, sparse = METHODS[name]
    target = bound if bounded else None
    seconds: dict[Any, list[float]] = {}

    def measure(fn: Callable[[], Any]) -> float:
        seconds.setdefault(fn, []).append(stopwatch(fn))
        return seconds[fn][-1]

    fns = {"own": step_of(net, make, sparse), "plain": step_of(net, lambda _: mp.Method(), sparse)}
    found: dict[str, Timing] = interleave(fns, repeats, warmup=5, measure=measure)
    own, plain = (min(seconds[fns[k]][5:]) for k in ("own", "plain"))
    ratio, middle = own / plain, found["own"].median / found["plain"].median
    yield Row(
        f"{net}, batch {BATCH}: {name}", own, plain, ratio, target,
        None if target is None else ratio <= target,
        note=f"least of {repeats}; medians: {middle:.2f}x",
    )  # fmt: skip
