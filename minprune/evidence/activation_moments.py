"""Moments of activations over all samples in one pass: float64, memory that does not grow.

Moments of chunks are merged as Chan, Golub & LeVeque (1983) do it, so that a mean far from 0 costs
no digits of what is centred. In training an update k steps ago counts decay^k as much: its passes
(training mode, weights as they were) give moving moments, and moving scores of the criteria that
read activations themselves (apoz, activation). Gradients are those of the last update alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from minprune.arguments import count
from minprune.core import Array, Arrays, Evidence, Split
from minprune.curvature.record import chunks
from minprune.errors import ArgumentError
from minprune.evidence.activations import Groups, activations
from minprune.nets.model import Model

BINS = 10
T = TypeVar("T", "Moments", "Classes")


@dataclass(frozen=True)
class Moments:
    """weight: how many values, mean: (units,), cov: (units, units), divided by weight."""

    weight: float
    mean: Array
    cov: Array

    @property
    def gram(self) -> Array:
        """mean a a^T, uncentred"""
        return np.asarray(self.cov + np.outer(self.mean, self.mean))

    def merged(self, other: Moments, decay: float = 1) -> Moments:
        """mean = (n m + n' m') / N, cov = (n C + n' C') / N + n n' / N^2 (m' - m)(m' - m)^T

        N = n + n'; decay: these count as decay n values.
        """
        weight = decay * self.weight + other.weight
        share = other.weight / weight
        gap = other.mean - self.mean
        cov = self.cov + share * (other.cov - self.cov)
        cov += share * (1 - share) * np.outer(gap, gap)
        return Moments(weight, self.mean + share * gap, cov)


def moments_of(a: Array) -> Moments:
    """Chunk samples and positions      a: (samples, units, positions)"""
    flat = np.moveaxis(a, 1, 0).reshape(a.shape[1], -1).astype(np.float64)
    mean = flat.mean(axis=1)
    flat -= mean[:, None]
    return Moments(flat.shape[1], mean, flat @ flat.T / flat.shape[1])


@dataclass(frozen=True)
class Classes:
    """counts: (classes,), means: (classes, units), within: (units, units), divided by all counts

    Of the activation's max over positions; within: products of deviations from the class means.
    """

    counts: Array
    means: Array
    within: Array

    def merged(self, other: Classes, decay: float = 1) -> Classes:
        """Each class as Moments.merged does it."""
        a, b = (c.padded(max(len(self.counts), len(other.counts))) for c in (self, other))
        before = decay * a.counts
        counts = before + b.counts
        share = b.counts / np.where(counts > 0, counts, 1)
        gap = b.means - a.means
        between = (share * before * gap.T) @ gap
        within = before.sum() * a.within + b.counts.sum() * b.within + between
        return Classes(counts, a.means + share[:, None] * gap, within / counts.sum())

    def padded(self, classes: int) -> Classes:
        """With empty classes up to that many."""
        more = classes - len(self.counts)
        counts, means = np.pad(self.counts, (0, more)), np.pad(self.means, ((0, more), (0, 0)))
        return Classes(counts, means, self.within)


def classes_of(a: Array, y: Array) -> Classes:
    """a: (samples, units, positions), y: (samples,) of whole numbers"""
    top = a.max(axis=2).astype(np.float64)
    counts = np.bincount(y).astype(np.float64)
    means = np.zeros((len(counts), top.shape[1]))
    for c in np.flatnonzero(counts):
        means[c] = top[y == c].mean(axis=0)
        top[y == c] -= means[c]
    return Classes(counts, means, top.T @ top / len(y))


def moments(model: Model, data: Split, groups: Groups, before: bool = False) -> dict[str, Moments]:
    """The moments of each group's activations, in one pass"""
    return _merged(_parts(model, data, groups, before), lambda a, _: moments_of(a))


def class_moments(
    model: Model, data: Split, groups: Groups, before: bool = False
) -> dict[str, Classes]:
    """The moments of each group's activations in each class, in one pass

    Raises as class_counts does.
    """
    class_counts(data[1])
    return _merged(_parts(model, data, groups, before), classes_of)


def _merged(parts: Iterable[tuple[Arrays, Array]], of: Callable[[Array, Array], T]) -> dict[str, T]:
    """The merged of(a, y) of all parts, by group"""
    found: dict[str, T] = {}
    for a, y in parts:
        for name, part in a.items():
            new = of(part, y)
            found[name] = found[name].merged(new) if name in found else new
    return found


def histograms(
    model: Model, data: Split, groups: Groups, before: bool = False, bins: int = BINS
) -> Arrays:
    """(units, bins): samples by their mean over positions, in equal bins over the unit's own range

    Two passes: the range, then the counts; the last bin is closed. NaN where the range is not
    finite. Raises ArgumentError for bins below 1.
    """
    bins = count("activation_entropy", "bins", bins)
    low: Arrays = {}
    high: Arrays = {}
    for a in _sample_means(model, data, groups, before):
        for name, mean in a.items():
            low[name] = np.minimum(low.get(name, np.inf), mean.min(axis=0))
            high[name] = np.maximum(high.get(name, -np.inf), mean.max(axis=0))
    with np.errstate(invalid="ignore"):
        edges = {name: np.linspace(low[name], high[name], bins + 1, axis=1) for name in low}
    found = {name: np.zeros((len(e), bins)) for name, e in edges.items()}
    for a in _sample_means(model, data, groups, before):
        for name, mean in a.items():
            place = (mean[..., None] >= edges[name][:, 1:-1]).sum(axis=2)
            units = np.broadcast_to(np.arange(place.shape[1]), place.shape)
            np.add.at(found[name], (units, place), 1)
    for name, e in edges.items():
        found[name][~np.isfinite(e).all(axis=1)] = np.nan
    return found


def class_counts(y: Array) -> Array:
    """(classes,): how many of each; raises ArgumentError unless y is (n,) of integers from 0."""
    if y.ndim != 1 or y.dtype.kind not in "iu" or (y.size and y.min() < 0):
        raise ArgumentError(
            f"targets must be integer classes (n,) from 0, not {y.dtype} of shape {y.shape}; "
            f"choose a criterion that needs no classes"
        )
    return np.bincount(y)


def _parts(
    model: Model, data: Split, groups: Groups, before: bool
) -> Iterator[tuple[Arrays, Array]]:
    with np.errstate(over="ignore", invalid="ignore"):  # `gather` names what is not finite
        for part in chunks(model, data):
            yield activations(model, part, groups, before), part[1]


def _sample_means(model: Model, data: Split, groups: Groups, before: bool) -> Iterator[Arrays]:
    for a, _ in _parts(model, data, groups, before):
        yield {name: part.mean(axis=2, dtype=np.float64) for name, part in a.items()}


MOMENTS = {"act_mean", "act_gram", "act_cov"}
CLASSES = {"class_counts", "class_means", "within"}
SCORED = {"activations", "labels"}  # what a criterion that reads activations may read besides
MOVING = MOMENTS | CLASSES | {"activations"}
# {what a state holds: (the kinds of evidence that need it, its class, how it is made)}
KINDS: dict[str, tuple[set[str], Any, Any]] = {
    "moments": (MOMENTS, Moments, lambda a, _: moments_of(a)),
    "classes": (CLASSES, Classes, classes_of),
}

State = dict[str, Any]


def moved(old: State, seen: Arrays, batch: Split, asked: Mapping[str, Any], decay: float) -> State:
    """The state with one more batch; seen: {group: (n, units, positions)}; asked: of `check`"""
    y, needs, new = batch[1], set(asked["needs"]), State()
    if "activations" in needs:
        ev = Evidence(activations=seen, labels=y, unit=True)
        found = asked["raw"](ev, **asked["options"])
        new["weight"] = decay * old.get("weight", 0.0) + len(y)
        share = len(y) / new["weight"]
        wide = {name: np.asarray(s).astype(np.float64) for name, s in found.items()}
        new["scores"] = {
            name: old["scores"][name] + share * (s - old["scores"][name]) if old else s
            for name, s in wide.items()
        }
    if CLASSES & needs:
        class_counts(y)  # raises where they are none
    for what, (needed, kind, of) in KINDS.items():
        if needed & needs:
            known, parts = old.get(what, {}), {name: of(a, y) for name, a in seen.items()}
            new[what] = {  # vars: plain values, so that a checkpoint holds them
                name: dict(vars(kind(**known[name]).merged(part, decay) if known else part))
                for name, part in parts.items()
            }
    return new


def held(state: State) -> State:
    """The moving moments, for `ask(held=)`"""
    return {
        what: {name: kind(**m) for name, m in state[what].items()}
        for what, (_, kind, _) in KINDS.items()
        if what in state
    }
