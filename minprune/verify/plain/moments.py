"""What hidden units of a plain net put out, and its moments: over samples, and class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from minprune.core import Array, Arrays
from minprune.verify.plain.net import ACTS, Mlp

BINS = 10  # of the histograms
# all that units of several positions have, their gates included
OF_MAPS = {
    "activations", "act_grads", "act_mean", "act_gram", "act_hist", "labels", "class_counts",
    "class_means", "within", "outgoing", "gate_grads", "weights", "grads", "squared_grads",
}  # fmt: skip


@dataclass(frozen=True)
class Maps:
    """What the units of one layer put out at several positions, no net behind it

    a, g: activations and dl_p/da, (n, units, positions)    y: (n, classes), one-hot
    params: fc1.weight (units, 1), which only counts, and fc2.weight (o, units), which reads them
    """

    params: Arrays
    a: Array
    g: Array
    y: Array

    @property
    def weights(self) -> list[str]:
        return list(self.params)

    @property
    def x(self) -> Array:
        return self.a

    def rows(self, which: Sequence[int]) -> Maps:
        return replace(self, a=self.a[which], g=self.g[which], y=self.y[which])

    def per_sample(self, changed: Arrays | None = None) -> Arrays:
        """dl_p/dc: a gate is one factor on all positions"""
        return {"fc1.gate": (self.a * self.g).sum(axis=2)}


Units = Mlp | Maps


def activations(p: Units) -> Arrays:
    """a of each hidden unit, (n, units, positions); of a net (n, units, 1)"""
    if isinstance(p, Maps):
        return {"fc1.weight": p.a.copy()}
    made = p.forward()[1]
    return {n: ACTS[p.act][0](z)[:, :, None] for n, z in zip(p.weights[:-1], made, strict=False)}


def act_grads(p: Units) -> Arrays:
    """dl_p/da of each sample's own loss, as activations"""
    if isinstance(p, Maps):
        return {"fc1.weight": p.g.copy()}
    each = p.per_sample()
    return {n: each[n.replace("weight", "act")][:, :, None] for n in p.weights[:-1]}


def act_mean(p: Units) -> Arrays:
    """mean over samples and positions of a, (units,)"""
    return {name: a.mean(axis=(0, 2)) for name, a in activations(p).items()}


def act_gram(p: Units) -> Arrays:
    """mean over samples and positions of a a^T, (units, units)"""
    found = {}
    for name, a in activations(p).items():
        found[name] = np.zeros((a.shape[1], a.shape[1]))
        for j, k in np.ndindex(found[name].shape):
            found[name][j, k] = (a[:, j] * a[:, k]).mean()
    return found


def act_hist(p: Units) -> Arrays:
    """samples by their mean over positions, in 10 bins over the unit's own range, (units, 10)"""
    found = {}
    for name, a in activations(p).items():
        found[name] = np.zeros((a.shape[1], BINS))
        for j in range(a.shape[1]):
            found[name][j] = np.histogram(a[:, j].mean(axis=1), BINS)[0]
    return found


def labels(p: Units) -> Array:
    """The class of each sample, (n,): its largest target"""
    return np.asarray(p.y.argmax(axis=1))


def two_classes(p: object) -> bool:
    """Whether there are at least two classes to tell apart; a quadratic loss has none."""
    return not isinstance(p, Units) or len(set(labels(p).tolist())) > 1


def class_counts(p: Units) -> Array:
    """samples of each class, (classes,)"""
    return np.bincount(labels(p), minlength=p.y.shape[1])


def class_means(p: Units) -> Arrays:
    """class means of max a over positions, (classes, units); 0 of a class without samples"""
    y, found = labels(p), {}
    for name, a in activations(p).items():
        found[name] = np.zeros((p.y.shape[1], a.shape[1]))
        for c in set(y.tolist()):
            found[name][c] = a[y == c].max(axis=2).mean(axis=0)
    return found


def within(p: Units) -> Arrays:
    """mean over samples of (a - class mean)(a - class mean)^T, (units, units)"""
    y, means, found = labels(p), class_means(p), {}
    for name, a in activations(p).items():
        left = a.max(axis=2) - means[name][y]
        found[name] = sum((np.outer(d, d) for d in left), np.zeros((a.shape[1],) * 2)) / len(y)
    return found
