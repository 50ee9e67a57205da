"""The cells of a comparison of methods: equal budgets of updates; a first training is done once.

("first", seed, method, criterion) is what methods with the same training before any pruning share;
("method", seed, method, criterion) trains and prunes at every sparsity, and begins with it where
there is one: the same bits as without.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from minprune.core import Dataset
from minprune.jobs.cells import Cell, Key
from minprune.jobs.job import optimizer
from minprune.jobs.methods import METHODS, Budget, plan
from minprune.jobs.own import code_of, criterion, of_own, way
from minprune.jobs.settings import CompareSettings, seeds_of
from minprune.masking.units import unit_sparsity
from minprune.measures.cost import size
from minprune.measures.quality import evaluate, right_answers
from minprune.methods.plans import Procedure, result
from minprune.methods.plans import Result as Outcome
from minprune.nets.counts import sparsity as sparsity_of
from minprune.nets.model import Model
from minprune.train.fingerprint import digest, fingerprint
from minprune.train.history import History
from minprune.train.plan import PhaseContext, run_plan
from minprune.train.rates import cosine
from minprune.train.state import load_tree, save_tree

if TYPE_CHECKING:
    from minprune.jobs.compare_cells import Compare, Made

DENSE = "dense"  # the method that all others stand beside


@dataclass(frozen=True)
class Entry:
    """What is compared: a method, by another criterion than its own where one is given"""

    method: str
    criterion: str | None = None

    def __str__(self) -> str:
        return self.method if self.criterion is None else f"{self.method}, {self.criterion}"


def entries(s: CompareSettings, names: list[str]) -> list[Entry]:
    """The dense net, and each of the methods with each of the criteria, if it takes any"""
    found = [Entry(DENSE)]
    for name in names:
        criteria = s.criteria if s.criteria and way(name).criteria else [None]
        found += [Entry(name, c) for c in criteria if name != DENSE]
    return found


def compared(s: "Compare") -> list[Entry]:
    """The entries that are not left out"""
    return [e for e in entries(s, s.methods or []) if str(e) not in s.left_out]


def procedure(
    s: CompareSettings, e: Entry, sparsity: float, seed: int, model: Model, data: Dataset
) -> Procedure:
    """The plan of an entry; raises ArgumentError where it cannot be had"""
    train = {
        "optimizer": optimizer(s.lr), "rate": cosine(s.last_rate or 0.0),
        "batch_size": s.batch_size,
    }  # fmt: skip
    budget = Budget(
        sparsity, s.epochs or 0, s.fine_tune, s.rounds or 1, seed,
        None if e.criterion is None else criterion(e.criterion), s.unit, train,
    )  # fmt: skip
    known = {e.method: way(e.method)} | METHODS  # there, tickets have no controls
    return plan(e.method, budget, model, data, known)


def sparsities(s: CompareSettings, e: Entry) -> list[float]:
    """Those that its nets have; the dense net has one"""
    return [0.0] if e.method == DENSE else s.sparsities


def epochs_of(s: CompareSettings) -> int:
    """What each net is trained for, in all"""
    return (s.epochs or 0) + (s.rounds or 1) * s.fine_tune


def method_cells(s: "Compare", data: Dataset, same: str) -> Iterator[Cell]:
    """All cells, those that others need first; same: a digest of the settings, data and code"""
    model, each = s.start(data), compared(s)
    plans = {e: procedure(s, e, sparsities(s, e)[0], 0, model, data) for e in each}
    of = sharing({e: found.first(model, data) for e, found in plans.items()})
    epoch = plans[each[0]].updates(model, data)
    total = epoch * epochs_of(s)

    def cell(kind: str, seed: int, e: Entry, needs: Cell | None, left: int) -> Cell:
        key: Key = (kind, seed, e.method, e.criterion)
        own = repr([code_of(e.method), e.criterion and code_of(e.criterion)])
        id = digest(same, repr(key), own)
        return Cell(id, key, None if needs is None else needs.id, left)

    firsts: dict[tuple[int, Entry], Cell] = {}
    for seed, e in product(seeds_of(s), dict.fromkeys(of.values())):
        firsts[seed, e] = cell("first", seed, e, None, epoch * plans[e].epochs)
    yield from firsts.values()
    for seed, e in product(seeds_of(s), each):
        needs = firsts[seed, of[e]] if e in of else None
        left = total - (needs.updates if needs else 0)
        yield cell("method", seed, e, needs, left * len(sparsities(s, e)))


def sharing(firsts: dict[Entry, tuple[Any, int | None] | None]) -> dict[Entry, Entry]:
    """{entry: the entry whose first training it begins with}, for all that have one

    A training that is split at an update serves those that do not split it.
    """
    of: dict[str, dict[int | None, Entry]] = {}
    places = {e: (json.dumps(fingerprint(f[0])), f[1]) for e, f in firsts.items() if f is not None}
    for e, (what, point) in places.items():
        of.setdefault(what, {}).setdefault(point, e)
    for points in of.values():  # one that is split serves for those that are not
        if split := [e for point, e in points.items() if point is not None]:
            points[None] = split[0]
    return {e: of[what][point] for e, (what, point) in places.items()}


def first(
    s: "Compare", data: Dataset, body: None, progress: bool, seed: int, name: str, by: str | None
) -> "Made":
    """The state of a plan after its training before any pruning"""
    e, model = Entry(name, by), s.start(data, seed)
    plan: Any = procedure(s, e, sparsities(s, e)[0], seed, model, data)
    state: dict[str, Any] = {"start": model}
    while not state.get("rounds"):
        phase = plan.next_phase(dict(state))
        state |= phase.work(PhaseContext(dict(state), data, f"train, seed {seed}", progress))
    del state["start"]
    save_tree(found := io.BytesIO(), state, "compare")
    return {
        "first": {"seed": seed, "accuracy": state["rounds"][0]["test_accuracy"]}
    }, found.getvalue()


def method(
    s: "Compare", data: Dataset, body: bytes | None, progress: bool, seed: int, name: str,
    by: str | None,
) -> "Made":  # fmt: skip
    """The nets of an entry at all its sparsities"""
    e, model = Entry(name, by), s.start(data, seed)
    shared = {} if body is None else load_tree(io.BytesIO(body))
    cells = []
    for sparsity in sparsities(s, e):
        with of_own(name, by):
            plan: Any = procedure(s, e, sparsity, seed, model, data)
            found = result(run_plan(plan, data, None, False, {"start": model} | shared))
        cells.append(
            {"seed": seed, "method": name, "criterion": by, "sparsity": sparsity}
            | told(found, data, s.unit)
        )
    return {"nets": cells}, None


def told(found: Outcome, data: Dataset, unit: bool) -> dict[str, Any]:
    """What is kept of a net: its quality, which answers are right, what it spent and costs"""
    model = found.model
    quality, right, cost = evaluate(model, data.test), right_answers(model, data.test), size(model)
    return {
        "reached": reached(model, unit),
        "updates": spent(found), "samples": len(data.test[0]),
        **{k: getattr(quality, k) for k in ("accuracy", "loss", "chance", "collapsed")},
        "right": "" if right is None else np.packbits(right).tobytes().hex(),
        "curve": curve(list(found.history.values())),
        "cost": {  # as shares of those of the dense net
            "macs": cost.live_macs / cost.macs, "bytes": cost.sparse_bytes / cost.bytes,
        },
    }  # fmt: skip


def spent(found: Outcome) -> int:
    """The updates of all its rounds"""
    return sum(row["updates"] for row in found.rounds)


def reached(model: Model, unit: bool) -> float:
    """The sparsity that a net has"""
    return unit_sparsity(model) if unit else sparsity_of(model.net, model.masks)


def curve(phases: list[History]) -> list[list[float]]:
    """[[updates so far, validation accuracy] after each epoch of all trainings]"""
    done, found = 0, []
    for history in phases:
        steps, accuracies = len(history.steps["step"]), history.epochs["val_accuracy"]
        for k, accuracy in enumerate(accuracies, 1):
            if accuracy is not None:
                found.append([done + steps * k // len(accuracies), float(accuracy)])
        done += steps
    return found
