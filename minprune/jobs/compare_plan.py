"""The comparison as a plan: for each seed a net, for each criterion its scores and its cells.

A cell is one (seed, criterion, sparsity): the pruned net, and the same net fine-tuned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Dataset, Split, stream
from minprune.curvature.removal import removal, unit_removal
from minprune.errors import MinpruneError
from minprune.evidence import score
from minprune.jobs.checks import BOUND, macs
from minprune.jobs.job import optimizer, options, say
from minprune.jobs.settings import CompareSettings
from minprune.masking.apply import prune
from minprune.masking.units import live_units, unit_scores
from minprune.measures.quality import evaluate
from minprune.measures.size import size
from minprune.nets.model import Model
from minprune.nets.ties import Group, ties
from minprune.nets.zoo import ZOO
from minprune.report.compare_tables import STAGES
from minprune.train.plan import Phase, PhaseContext, State
from minprune.train.rates import cosine

TRUTH, LEAST = 200, 20  # most and fewest weights, or units, that are removed one at a time


@dataclass(frozen=True)
class Compare(CompareSettings):
    """For each seed: w, then mask(criterion, sparsity) * w, then fine-tuned; equal budgets

    Each seed has one net, trained once; fine-tuning takes the same epochs, batches in the same
    order, and learning rates for all criteria. The settings leave nothing open; "data" is the name
    of the data and "out" is None, so that a moved folder resumes.

    state: "model", "scores": of the seed and the criterion at work; "dense", "truth", "scored",
    "cells": lists of what is done; "left_out": {criterion: why}.
    """

    def next_phase(self, state: State) -> Phase | None:
        """The first result that is missing, seed by seed and criterion by criterion."""
        done = {kind: state.get(kind, []) for kind in ("dense", "truth", "scored", "cells")}
        scored = {(s["seed"], s["criterion"]) for s in done["scored"]}
        cells = {(c["seed"], c["criterion"], c["sparsity"]) for c in done["cells"]}
        for seed in range(self.seeds):
            if len(done["dense"]) <= seed:
                return Phase(f"train, seed {seed}", partial(self._train, seed))
            if len(done["truth"]) <= seed:
                return Phase(f"true changes, seed {seed}", partial(self._truth, seed))
            for name in self.criteria or []:
                if name in state.get("left_out", {}):
                    continue
                if (seed, name) not in scored:
                    return Phase(f"score {name}, seed {seed}", partial(self._score, seed, name))
                for s in self.sparsities:
                    if (seed, name, s) not in cells:
                        work = partial(self._cell, seed, name, s)
                        return Phase(f"{name} at {s:g}, seed {seed}", work)
        return None

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
        model = self._fit(context, self.start(context.data, seed), self.epochs, seed)
        dense = {"seed": seed} | _quality(model, context.data.test)
        return {"model": model, "dense": [*context.state.get("dense", []), dense]}

    def _truth(self, seed: int, context: PhaseContext) -> State:
        model, part = context.state["model"], self.calibration(context.data, seed)
        found = removed(model, part, self.unit, stream(seed, "truth"))
        return {"truth": [*context.state.get("truth", []), {"seed": seed} | found]}

    def _score(self, seed: int, name: str, context: PhaseContext) -> State:
        model, truth = context.state["model"], context.state["truth"][seed]
        part, how = self.calibration(context.data, seed), options(name)
        try:
            scores = score(model, part, name, unit=self.unit, seed=seed, **how)
        except MinpruneError as e:  # the other criteria continue
            return {
                "left_out": context.state.get("left_out", {})
                | {name: str(e).removeprefix(f"{name}: ")}
            }
        there = of_groups(model, scores) if self.unit else scores
        at = [there[n].ravel()[entries] for n, entries in truth["entries"].items()]
        made = {"seed": seed, "criterion": name, "scores": np.concatenate(at)}
        return {"scores": scores, "scored": [*context.state.get("scored", []), made]}

    def _cell(self, seed: int, name: str, sparsity: float, context: PhaseContext) -> State:
        pruned = prune(context.state["model"], context.state["scores"], sparsity=sparsity)
        tuned = self._fit(replace(context, progress=False), pruned, self.fine_tune, seed)
        cell: dict[str, Any] = {
            "seed": seed, "criterion": name, "sparsity": sparsity,
            "pruned": _quality(pruned, context.data.test),
            "fine-tuned": _quality(tuned, context.data.test),
            "kept": kept(pruned, self.unit),
            "cost": cost(pruned),
        }  # fmt: skip
        cells = [*context.state.get("cells", []), cell]
        left = len(self.criteria or []) - len(context.state.get("left_out", {}))
        of = f"{len(cells)}/{self.seeds * left * len(self.sparsities)}: {context.label}"
        now, then = (cell[stage]["accuracy"] for stage in STAGES)
        say(not context.progress, f"{of}: accuracy {now:.4f}, fine-tuned {then:.4f}")
        return {"cells": cells}

    def _fit(self, context: PhaseContext, model: Model, epochs: int | None, seed: int) -> Model:
        model, _ = context.fit(
            model, epochs=epochs, seed=seed, batch_size=self.batch_size,
            optimizer=optimizer(self.lr), rate=cosine(),
        )  # fmt: skip
        return model


def _quality(model: Model, data: Split) -> dict[str, float]:
    found = evaluate(model, data)
    return {"accuracy": found.accuracy, "loss": found.loss}


def kept(model: Model, unit: bool) -> dict[str, float]:
    """{weight: share of its entries that is kept}; unit: share of the units that it makes"""
    if unit:
        free = [g for g in ties(model) if g.free]
        return {g.name: float(live_units(g, model.masks).mean()) for g in free}
    return {n: float(model.masks[n].mean()) if n in model.masks else 1.0 for n in model.net.weights}


def cost(model: Model) -> dict[str, float]:
    """Live multiply-adds, and bytes as sparse arrays, as shares of those of the dense net"""
    found = size(model)
    return {"macs": found.live_macs / found.macs, "bytes": found.sparse_bytes / found.bytes}


def drawn(sizes: Mapping[str, int], most: int, rng: np.random.Generator) -> Arrays:
    """{layer: sorted entries}, `most` in total, as even as the sizes allow"""
    found, left = {}, most
    for k, name in enumerate(sorted(sizes, key=sizes.__getitem__)):  # small layers leave room
        n = min(sizes[name], left // (len(sizes) - k))
        found[name] = np.sort(rng.permutation(sizes[name])[:n])
        left -= n
    return {name: found[name] for name in sizes}


def within_bound(model: Model, data: Split) -> int:
    """The number of removals, LEAST to TRUTH, that BOUND allows"""
    return int(min(TRUTH, max(LEAST, BOUND / (macs(model) * len(data[0])))))


def removed(model: Model, data: Split, unit: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Entries and true loss changes of some weights, or units, in float64: the changes are tiny"""
    groups = {g.name: g for g in ties(model) if g.free}
    weights = {name: model.params[name].size for name in model.net.weights}
    sizes = {name: g.size for name, g in groups.items()} if unit else weights
    at = drawn(sizes, within_bound(model, data), rng)
    if unit:
        some = {name: _some(groups[name], entries) for name, entries in at.items()}
        changes = unit_removal(_wide(model), data, some)
    else:
        changes = removal(_wide(model), data, at)
    return {"entries": at, "change": np.concatenate([changes[name] for name in at])}


def of_groups(model: Model, scores: Mapping[str, Array]) -> Arrays:
    """{group: (units,)} from the scores of units, which `score` returns for every producer"""
    found = {g.name: unit_scores(g, scores) for g in ties(model) if g.free}
    return {name: s for name, s in found.items() if s is not None}


def _some(group: Group, at: Array) -> Group:
    """The group with these of its units only."""
    members = tuple(replace(m, index=m.index[at]) for m in group.members)
    return replace(group, size=len(at), members=members)


def _wide(model: Model) -> Model:
    """The model in float64."""
    params, buffers = (
        {name: a.astype(np.float64) for name, a in arrays.items()}
        for arrays in (model.params, model.buffers)
    )
    return Model(model.net, params, buffers, model.masks)
