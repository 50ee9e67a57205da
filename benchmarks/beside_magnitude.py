"""Each method on the digits beside gradual pruning by magnitude: same sparsity, same updates.

60 epochs in all: 40, and 20 after pruning where a method prunes once, in batches of 32; rates fall
to a tenth. Accuracy on the test samples, three seeds, paired differences. Memory is the peak of
what one short training allocates, traced.
"""

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import minprune as mp
from benchmarks.harness import Row, attempt, stopwatch
from minprune.errors import ArgumentError
from minprune.jobs.methods import Budget, Way, plan
from minprune.jobs.procedures import PROCEDURES
from minprune.masking.units import unit_sparsity
from minprune.measures.intervals import t_interval
from minprune.methods.plans import result
from minprune.nets.counts import sparsity as sparsity_of
from minprune.train.plan import run_plan

FEW = frozenset({"finetune", "slimming", "attention_gates", "soft"})
CASES: tuple[tuple[str, float, bool, frozenset[str]], ...] = (  # net, sparsity, of units, only
    ("lenet_300_100", 0.9, False, frozenset()),
    ("cnn_small", 0.4, True, frozenset()),
    ("resnet_small", 0.4, True, FEW),  # it has BatchNorm
)
PEER = "gradual"
THEMSELVES = {"large_sparse", "scratch_against_joint", "transfer", "sequence", "iterative"}
OWN = {"lottery_ticket": {"controls": ()}}  # settings, where the usual ones train more nets
BUDGET = Budget(0.0, epochs=40, again=20, train={"rate": mp.rates.cosine(0.1), "batch_size": 32})


def run(quick: bool, data: Path | None) -> list[Row]:
    """All methods; with --quick a few epochs of some."""
    budget = replace(BUDGET, epochs=2, again=1) if quick else BUDGET
    rows: list[Row] = []
    for net, sparsity, unit, only in CASES[:1] if quick else CASES:
        case = replace(budget, sparsity=sparsity, unit=unit)
        known = (only or methods(unit)) - {PEER}
        names = [PEER, "distil", "soft"] if quick else [PEER, *sorted(known)]
        seeds = 1 if quick else 3
        peer: list[dict[str, float]] = []
        for name in names:
            rows += attempt(f"{net}: {name}", partial(beside, net, name, case, seeds, peer))
    return rows


def methods(unit: bool) -> set[str]:
    """Those that prune what is asked for, and end with one net"""

    def fits(way: Way) -> bool:
        return way.prunes and (way.units if unit else way.weights)

    return {name for name, way in PROCEDURES.items() if fits(way) and name not in THEMSELVES}


def beside(
    net: str, name: str, case: Budget, seeds: int, peer: list[dict[str, float]]
) -> Iterable[Row]:
    """A method's mean accuracy and the magnitude's, and what else was measured; fills peer"""
    try:
        found = [trained(net, name, replace(case, seed=seed)) for seed in range(seeds)]
    except ArgumentError as refusal:
        yield Row(f"{net}: {name}", None, None, None, None, None, note=f"refused: {refusal}")
        return
    peer += [] if peer else found
    ours, theirs = ([f["accuracy"] for f in each] for each in (found, peer))
    middle, low, high = t_interval([a - b for a, b in zip(ours, theirs, strict=True)])
    told = "more" if low > 0 else "less" if high < 0 else "not told apart"
    verdict = "" if name == PEER else f"{middle:+.2f} [{low:.2f}, {high:.2f}], {told}; "
    sparsity, seconds = (mean(f[key] for f in found) for key in ("sparsity", "seconds"))
    yield Row(
        f"{net}: {name}", mean(ours), mean(theirs), None, None, None, unit="%",
        note=f"{verdict}sparsity {sparsity:.3f}, {seconds:.1f} s, {peak(net, name, case):.1f} MiB",
    )  # fmt: skip


def trained(net: str, name: str, budget: Budget) -> dict[str, Any]:
    """Test accuracy in %, sparsity and seconds of one run"""
    data = mp.data.digits()
    model = getattr(mp.zoo, net)(data, seed=budget.seed)
    found = plan(name, budget, model, data, PROCEDURES, **OWN.get(name, {}))
    ended: list[mp.Model] = []
    seconds = stopwatch(lambda: ended.append(finished(found, model, data)))
    accuracy = mp.evaluate(ended[0], data.test).accuracy or 0.0
    (model,) = ended
    sparsity = unit_sparsity(model) if budget.unit else sparsity_of(model.net, model.masks)
    return {"accuracy": 100 * accuracy, "sparsity": sparsity, "seconds": seconds}


def finished(found: Any, model: mp.Model, data: mp.Dataset) -> mp.Model:
    """The net that the plan ends with"""
    ended: mp.Model = result(run_plan(found, data, progress=False, begin={"start": model})).model
    return ended


def peak(net: str, name: str, budget: Budget) -> float:
    """MiB: the most that a run of few epochs has allocated at one time, after a run of its kind"""
    short = replace(budget, epochs=3, again=3)
    tracemalloc.start()
    try:
        trained(net, name, short)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
