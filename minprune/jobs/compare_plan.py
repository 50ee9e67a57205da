"""The comparison as a plan: for each seed a net, for each criterion its scores and its cells.

A cell is one (seed, criterion, sparsity): the pruned net, and the same net fine-tuned.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Dataset, Split, stream
from minprune.curvature.removal import removal, unit_removal
from minprune.errors import MinpruneError
from minprune.evidence import score
from minprune.jobs.checks import BOUND
from minprune.jobs.job import options, say, trained
from minprune.jobs.settings import CompareSettings
from minprune.masking.apply import prune
from minprune.masking.units import live_units, unit_scores
from minprune.measures.cost import size
from minprune.measures.quality import evaluate
from minprune.nets.model import Model
from minprune.nets.ties import Group, ties
from minprune.nets.zoo import ZOO
from minprune.report.compare_page import STAGES
from minprune.train.plan import Phase, PhaseContext, State

TRUTH, LEAST = 200, 20  # most and fewest weights, or units, that are removed one at a time


@dataclass(frozen=True)
class Compare(CompareSettings):
    """For each seed: w, then mask(criterion, sparsity) * w, then fine-tuned; equal budgets

    Each seed has one net, trained once; fine-tuning takes the same epochs, batches in the same
    order, and learning rates for all criteria. The settings leave nothing open. left_out:
    {criterion: why it cannot be compared}, found before training.

    state: "model", "scores": of the seed and the criterion at work; "left_out": {criterion: why};
    {name of a phase: its result, as result.json holds it}.
    """

    left_out: dict[str, str] = field(default_factory=dict)

    def phases(self, left_out: Collection[str] = ()) -> Iterator[tuple[str, str, Phase]]:
        """(kind of result, criterion or "", phase), seed by seed and criterion by criterion."""
        for seed in range(self.seeds):
            yield "dense", "", Phase(f"train, seed {seed}", partial(self._train, seed))
            yield "truth", "", Phase(f"true changes, seed {seed}", partial(self._truth, seed))
            for name in self.criteria or []:
                if name not in left_out:
                    work = partial(self._score, seed, name)
                    yield "predicted", name, Phase(f"score {name}, seed {seed}", work)
                    for s in self.sparsities:
                        work = partial(self._cell, seed, name, s)
                        yield "cells", name, Phase(f"{name} at {s}, seed {seed}", work)

    def next_phase(self, state: State) -> Phase | None:
        """The first phase whose result is missing."""
        phases = self.phases(state.get("left_out", {}))
        return next((phase for *_, phase in phases if phase.name not in state), None)

    def start(self, data: Dataset, seed: int = 0) -> Model:
        """The net before training."""
        return ZOO[str(self.net)](data, seed=seed)

    def calibration(self, data: Dataset, seed: int) -> Split:
        """The samples that scores are computed from: drawn from the training part, in its order."""
        x, y = data.train
        few = min(self.samples, len(x))
        at = np.sort(stream(seed, "calibration").permutation(len(x))[:few])
        return x[at], y[at]

    def _train(self, seed: int, context: PhaseContext) -> State:
        model, _ = trained(context, self.start(context.data, seed), self, self.epochs, seed)
        return {"model": model, context.label: {"seed": seed} | _quality(model, context.data.test)}

    def _truth(self, seed: int, context: PhaseContext) -> State:
        model, part = context.state["model"], self.calibration(context.data, seed)
        found = removed(model, part, self.unit, stream(seed, "truth"))
        return {context.label: {"seed": seed} | found}

    def _score(self, seed: int, name: str, context: PhaseContext) -> State:
        model, part = context.state["model"], self.calibration(context.data, seed)
        try:
            scores = score(model, part, name, unit=self.unit, seed=seed, **options(name))
        except MinpruneError as e:  # the other criteria continue
            why = {name: str(e).removeprefix(f"{name}: ")}
            return {"left_out": context.state.get("left_out", {}) | why}
        there: Mapping[str, Any] = scores
        if self.unit:  # which has them for every producer of a group
            there = {g.name: unit_scores(g, scores) for g in ties(model) if g.free}
        entries = context.state[f"true changes, seed {seed}"]["entries"]
        at = np.concatenate([there[n].ravel()[some] for n, some in entries.items()])
        made = {"seed": seed, "criterion": name, "scores": at.tolist()}
        return {"scores": scores, context.label: made}

    def _cell(self, seed: int, name: str, sparsity: float, context: PhaseContext) -> State:
        pruned = prune(context.state["model"], context.state["scores"], sparsity=sparsity)
        quiet = replace(context, progress=False)
        tuned, _ = trained(quiet, pruned, self, self.fine_tune, seed)
        found = size(pruned)
        cell: dict[str, Any] = {
            "seed": seed, "criterion": name, "sparsity": sparsity,
            "pruned": _quality(pruned, context.data.test),
            "fine-tuned": _quality(tuned, context.data.test),
            "kept": kept(pruned, self.unit),
            "cost": {  # as shares of those of the dense net
                "macs": found.live_macs / found.macs, "bytes": found.sparse_bytes / found.bytes,
            },
        }  # fmt: skip
        phases = self.phases(context.state.get("left_out", {}))
        cells = [phase.name for kind, _, phase in phases if kind == "cells"]
        of = f"{cells.index(context.label) + 1}/{len(cells)}: {context.label}"
        now, then = (cell[stage]["accuracy"] for stage in STAGES)
        say(not context.progress, f"{of}: accuracy {now:.4f}, fine-tuned {then:.4f}")
        return {context.label: cell}


def _quality(model: Model, data: Split) -> dict[str, Any]:
    found = evaluate(model, data)
    return {name: getattr(found, name) for name in ("accuracy", "loss", "chance", "collapsed")}


def kept(model: Model, unit: bool) -> dict[str, float]:
    """{weight: share of its entries that is kept}; unit: share of the units that it makes"""
    if unit:
        free = [g for g in ties(model) if g.free]
        return {g.name: float(live_units(g, model.masks).mean()) for g in free}
    return {n: float(model.masks[n].mean()) if n in model.masks else 1.0 for n in model.net.weights}


def drawn(sizes: Mapping[str, int], most: int, rng: np.random.Generator) -> Arrays:
    """{layer: sorted entries}, `most` in total, as even as the sizes allow"""
    found, left = {}, most
    for k, name in enumerate(sorted(sizes, key=sizes.__getitem__)):  # small layers leave room
        n = min(sizes[name], left // (len(sizes) - k))
        found[name] = np.sort(rng.permutation(sizes[name])[:n])
        left -= n
    return {name: found[name] for name in sizes}


def removed(model: Model, data: Split, unit: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Entries and true loss changes of some weights, or units, in float64: the changes are tiny"""
    groups = {g.name: g for g in ties(model) if g.free}
    weights = {name: model.params[name] for name in model.net.weights}
    sizes = {name: int(of.size) for name, of in (groups if unit else weights).items()}
    most = min(TRUTH, max(LEAST, int(BOUND / (size(model).macs * len(data[0])))))
    at = drawn(sizes, most, rng)
    params, buffers = (
        {k: a.astype(np.float64) for k, a in of.items()} for of in (model.params, model.buffers)
    )
    wide = replace(model, params=params, buffers=buffers)
    if unit:
        some = {name: _some(groups[name], entries) for name, entries in at.items()}
        changes = unit_removal(wide, data, some)
    else:
        changes = removal(wide, data, at)
    entries = {name: each.tolist() for name, each in at.items()}
    return {"entries": entries, "change": np.concatenate([changes[name] for name in at]).tolist()}


def _some(group: Group, at: Array) -> Group:
    """The group with these of its units only."""
    members = tuple(replace(m, index=m.index[at]) for m in group.members)
    return replace(group, size=len(at), members=members)
