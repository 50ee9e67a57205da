"""What hidden units of a plain net put out, and its moments: over samples, and class by class."""

from __future__ import annotations

import numpy as np

from minprune.core import Array, Arrays
from minprune.verify.plain import ACTS, Mlp

BINS = 10  # of the histograms


def activations(p: Mlp) -> Arrays:
    """a of each hidden unit, (n, units, 1)"""
    made = p.forward()[1]
    return {n: ACTS[p.act][0](z)[:, :, None] for n, z in zip(p.weights[:-1], made, strict=False)}


def act_grads(p: Mlp) -> Arrays:
    """dl_p/da of each sample's own loss, (n, units, 1)"""
    each = p.per_sample()
    return {n: each[n.replace("weight", "act")][:, :, None] for n in p.weights[:-1]}


def act_mean(p: Mlp) -> Arrays:
    """mean over samples and positions of a, (units,)"""
    return {name: a.mean(axis=(0, 2)) for name, a in activations(p).items()}


def act_gram(p: Mlp) -> Arrays:
    """mean over samples and positions of a a^T, (units, units)"""
    found = {}
    for name, a in activations(p).items():
        found[name] = np.zeros((a.shape[1], a.shape[1]))
        for j, k in np.ndindex(found[name].shape):
            found[name][j, k] = (a[:, j] * a[:, k]).mean()
    return found


def act_hist(p: Mlp) -> Arrays:
    """samples by their mean over positions, in 10 bins over the unit's own range, (units, 10)"""
    found = {}
    for name, a in activations(p).items():
        found[name] = np.zeros((a.shape[1], BINS))
        for j in range(a.shape[1]):
            found[name][j] = np.histogram(a[:, j].mean(axis=1), BINS)[0]
    return found


def labels(p: Mlp) -> Array:
    """The class of each sample, (n,): its largest target"""
    return np.asarray(p.y.argmax(axis=1))


def two_classes(p: object) -> bool:
    """Whether there are at least two classes to tell apart; what is no net has none."""
    return not isinstance(p, Mlp) or len(set(labels(p).tolist())) > 1


def class_counts(p: Mlp) -> Array:
    """samples of each class, (classes,)"""
    return np.bincount(labels(p), minlength=p.y.shape[1])


def class_means(p: Mlp) -> Arrays:
    """class means of max a over positions, (classes, units); 0 of a class without samples"""
    y, found = labels(p), {}
    for name, a in activations(p).items():
        found[name] = np.zeros((p.y.shape[1], a.shape[1]))
        for c in set(y.tolist()):
            found[name][c] = a[y == c].max(axis=2).mean(axis=0)
    return found


def within(p: Mlp) -> Arrays:
    """mean over samples of (a - class mean)(a - class mean)^T, (units, units)"""
    y, means, found = labels(p), class_means(p), {}
    for name, a in activations(p).items():
        left = a.max(axis=2) - means[name][y]
        found[name] = sum((np.outer(d, d) for d in left), np.zeros((a.shape[1],) * 2)) / len(y)
    return found
