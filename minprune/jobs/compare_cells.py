"""The cells of a comparison: for each seed a net and its true changes, for each criterion a cell.

A cell is a function of (settings, key, what the cell it needs left). ("train", seed) trains the net
and removes weights one at a time; ("criterion", seed, name) scores it, and prunes and fine-tunes it
at every sparsity. Those of methods are in method_cells.py.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minprune.arguments import function
from minprune.core import Array, Arrays, Dataset, Split, stream
from minprune.curvature.removal import removal, unit_removal
from minprune.errors import DataError
from minprune.evidence import score
from minprune.files import load, save
from minprune.jobs.cells import Cell, Key
from minprune.jobs.checks import BOUND
from minprune.jobs.data import load_data
from minprune.jobs.job import options, timed, trained
from minprune.jobs.method_cells import first, method, method_cells
from minprune.jobs.own import criterion, net
from minprune.jobs.settings import CompareSettings, seeds_of
from minprune.masking.apply import prune
from minprune.masking.units import live_units, unit_scores
from minprune.measures.cost import size
from minprune.measures.quality import evaluate
from minprune.nets.model import Model
from minprune.nets.ties import Group, ties
from minprune.train.fingerprint import data_print, digest, fingerprint
from minprune.train.plan import PhaseContext
from minprune.train.ready import updates_of

TRUTH, LEAST = 200, 20  # most and fewest weights, or units, that are removed one at a time
OF_JOB = (
    "criteria",
    "methods",
    "seeds",
    "out",
    "left_out",
)  # which cells there are, not what is in one
Made = tuple[dict[str, Any], bytes | None]  # what a cell gives: JSON, and a model


@dataclass(frozen=True)
class Compare(CompareSettings):
    """For each seed: w, then mask(criterion, sparsity) * w, then fine-tuned; equal budgets

    Each seed has one net, trained once; fine-tuning takes the same epochs, batches in the same
    order, and learning rates for all criteria. The settings leave nothing open. left_out:
    {criterion: why it cannot be compared}, found before training.
    """

    left_out: dict[str, str] = field(default_factory=dict)

    def cells(self, data: Dataset, code: Mapping[str, Any]) -> Iterator[Cell]:
        """All cells, those that others need first; code: what a row depends on besides."""
        own = {k: v for k, v in asdict(self).items() if k not in OF_JOB}
        make = function(str(self.net)) if ":" in str(self.net) else None
        same = digest(repr(fingerprint({"settings": own, "code": code, "net": make})))
        if self.methods is not None:
            yield from method_cells(self, data, same)
            return
        each = updates_of(self.start(data).net, len(data.train[0]), self.batch_size, False)
        again = len(self.sparsities) * (self.fine_tune or 0) * each
        nets: dict[int, Key] = {seed: ("train", seed) for seed in seeds_of(self)}
        for of in nets.values():
            yield Cell(digest(same, repr(of)), of, None, (self.epochs or 0) * each)
        for seed, of in nets.items():
            for name in self.criteria or []:
                key: Key = ("criterion", seed, name)
                own_code = repr(fingerprint(criterion(name)))
                yield Cell(digest(same, repr(key), own_code), key, digest(same, repr(of)), again)

    def start(self, data: Dataset, seed: int = 0) -> Model:
        """The net before training."""
        return net(str(self.net), data, seed)

    def calibration(self, data: Dataset, seed: int) -> Split:
        """The samples that scores are computed from: drawn from the training part, in its order."""
        x, y = data.train
        few = min(self.samples, len(x))
        at = np.sort(stream(seed, "calibration").permutation(len(x))[:few])
        return x[at], y[at]

    def train(self, data: Dataset, body: None, progress: bool, seed: int) -> Made:
        """The net of a seed, its quality, and the true changes of its loss."""
        here, seconds = PhaseContext({}, data, f"train, seed {seed}", progress), dict[str, float]()
        with timed(seconds, "train"):
            net, _ = trained(here, self.start(data, seed), self, self.epochs, seed)
            dense = {"seed": seed} | _quality(net, data.test)
        with timed(seconds, "true changes"):
            part = self.calibration(data, seed)
            truth = {"seed": seed} | removed(net, part, self.unit, stream(seed, "truth"))
        save(net, held := io.BytesIO())
        return {"dense": dense, "truth": truth, "seconds": seconds}, held.getvalue()

    def criterion(self, data: Dataset, body: bytes, progress: bool, seed: int, name: str) -> Made:
        """Scores of one criterion, and at each sparsity the net pruned by them, and fine-tuned."""
        model = load(io.BytesIO(body))
        part, seconds = self.calibration(data, seed), dict[str, float]()
        with timed(seconds, "score"):
            scores = score(model, part, criterion(name), unit=self.unit, seed=seed, **options(name))
        there: Mapping[str, Any] = scores
        if self.unit:  # which has them for every producer of a group
            there = {g.name: unit_scores(g, scores) for g in ties(model) if g.free}
        entries = places(model, part, self.unit, stream(seed, "truth"))
        at = np.concatenate([there[n].ravel()[some] for n, some in entries.items()])
        made = {"seed": seed, "criterion": name, "scores": at.tolist()}
        with timed(seconds, "prune and fine-tune"):
            cells = [self._at(s, data, model, scores, seed, name) for s in self.sparsities]
        return {"predicted": made, "cells": cells, "seconds": seconds}, None

    def _at(
        self, sparsity: float, data: Dataset, model: Model, scores: Any, seed: int, name: str
    ) -> dict[str, Any]:
        pruned = prune(model, scores, sparsity=sparsity)
        here = PhaseContext({}, data, name, progress=False)
        tuned, _ = trained(here, pruned, self, self.fine_tune, seed)
        found = size(pruned)
        return {
            "seed": seed, "criterion": name, "sparsity": sparsity,
            "pruned": _quality(pruned, data.test),
            "fine-tuned": _quality(tuned, data.test),
            "kept": kept(pruned, self.unit),
            "cost": {  # as shares of those of the dense net
                "macs": found.live_macs / found.macs, "bytes": found.sparse_bytes / found.bytes,
            },
        }  # fmt: skip


KINDS = {
    "train": Compare.train, "criterion": Compare.criterion, "first": first, "method": method,
}  # fmt: skip


def work(
    plan: dict[str, Any], where: str, found: dict[str, str], progress: bool,
    key: Key, body: bytes | None,
) -> Made:  # fmt: skip
    """What the cell gives; plan: the fields of Compare; where: the data; found: their digests

    body: what the cell that it needs left.
    """
    kind, *of = key
    make: Any = KINDS[str(kind)]
    made: Made = make(Compare(**plan), there(where, tuple(found.items())), body, progress, *of)
    return made


@cache
def there(where: str, found: tuple[tuple[str, str], ...]) -> Dataset:
    """The data, once in a process; raises DataError where they are others than those of the job"""
    data = load_data(where)
    if printed(data) != dict(found):
        raise DataError(
            f"{where}: the data must be those that the job began with, not others; copy the same "
            f"file to each machine"
        )
    return data


def printed(data: Dataset) -> dict[str, str]:
    """A digest for each part."""
    return data_print(data, "train", "val", "test")


@cache
def code_print() -> str:
    """A digest of the source of this package."""
    home = Path(__file__).parent.parent
    files = sorted(home.rglob("*.py"))
    return digest(*(f"{f.relative_to(home).as_posix()} {f.read_text('utf-8')}" for f in files))


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


def places(model: Model, data: Split, unit: bool, rng: np.random.Generator) -> Arrays:
    """{weight or group: the entries, or units, that are removed one at a time}"""
    groups = {g.name: g for g in ties(model) if g.free}
    weights = {name: model.params[name] for name in model.net.weights}
    sizes = {name: int(of.size) for name, of in (groups if unit else weights).items()}
    most = min(TRUTH, max(LEAST, int(BOUND / (size(model).macs * len(data[0])))))
    return drawn(sizes, most, rng)


def removed(model: Model, data: Split, unit: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Entries and true loss changes of some weights, or units, in float64: the changes are tiny"""
    at = places(model, data, unit, rng)
    groups = {g.name: g for g in ties(model) if g.free}
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
