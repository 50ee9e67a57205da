"""Evidence of every kind for a plain problem, each from its definition: slow and obvious.

A new kind is one function and one row: SINGLE for weights by themselves, UNITS for hidden units.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Evidence, UnitView
from minprune.verify.plain.hessian import hessian, inverse_block, inverse_diag, sweep_loss, times
from minprune.verify.plain.net import ACTS, Maps, Mlp, Problem, Units, at, gradient, shaped

Names = Sequence[str]
BINS = 10  # of the histograms
# all that units of several positions have, their gates included
OF_MAPS = {
    "activations", "act_grads", "act_mean", "act_gram", "act_cov", "act_hist", "labels",
    "class_counts", "class_means", "within", "outgoing", "gate_grads", "weights", "grads",
    "squared_grads",
}  # fmt: skip


def weights(p: Problem, names: Names) -> Arrays:
    return {name: at(p, name).copy() for name in names}


def squared_grads(p: Problem, names: Names) -> Arrays:
    """mean over samples of g_p^2"""
    each = p.per_sample()
    return {name: (each[name] ** 2).mean(axis=0) for name in names}


def hess_diag(p: Problem, names: Names) -> Arrays:
    return shaped(np.diagonal(hessian(p, names)).copy(), weights(p, names))


def path_grads(p: Problem, names: Names) -> Arrays:
    """dR/d|W_l| = (what leaves layer l for the outputs) (what reaches it from the inputs)^T"""
    size = [np.abs(p.params[name]) for name in p.weights]
    found = {}
    for k, name in enumerate(p.weights):
        reach, leave = np.ones(size[0].shape[1]), np.ones(size[-1].shape[0])
        for w in size[:k]:
            reach = w @ reach
        for w in size[:k:-1]:
            leave = w.T @ leave
        found[name] = np.outer(leave, reach)
    return {name: found[name] for name in names}


def removal(p: Problem, names: Names) -> Arrays:
    """L(w | entry zeroed) - L(w), by zeroing it: one net for each entry, all at once"""
    found = {}
    for name in names:
        w = at(p, name)
        without = np.where(np.eye(w.size, dtype=bool), 0, w.ravel()).reshape(w.size, *w.shape)
        rise = p.losses({name: without}).mean(axis=-1) - p.loss()
        found[name] = rise.reshape(w.shape)
    return found


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
    return {name: np.einsum("njp,nkp->jk", a, a) / (len(a) * a.shape[2])
            for name, a in activations(p).items()}  # fmt: skip


def act_cov(p: Units) -> Arrays:
    """mean over samples and positions of (a - mean)(a - mean)^T, (units, units)"""
    found = {}
    for name, a in activations(p).items():
        off = a - a.mean(axis=(0, 2))[:, None]
        found[name] = np.einsum("njp,nkp->jk", off, off) / (len(a) * a.shape[2])
    return found


def act_hist(p: Units) -> Arrays:
    """samples by their mean over positions, in 10 bins over the unit's own range, (units, 10)"""
    found = {}
    for name, a in activations(p).items():
        counts = [np.histogram(unit, BINS)[0] for unit in a.mean(axis=2).T]
        found[name] = np.array(counts, np.float64).reshape(-1, BINS)
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
    y, found = labels(p), class_means(p)
    for name, a in activations(p).items():
        left = a.max(axis=2) - found[name][y]
        found[name] = left.T @ left / len(y)
    return found


SINGLE: dict[str, Callable[[Any, Names], Any]] = {
    **{made.__name__: made for made in (weights, squared_grads, hess_diag, path_grads, removal,
                                        inverse_diag, sweep_loss)},
    "masks": lambda p, names: {name: np.ones(at(p, name).shape, bool) for name in names},
    "grads": gradient,
    "hess_grad": lambda p, names: times(p, gradient(p, names)),
    "hess_weight": lambda p, names: times(p, weights(p, names)),
    "labels": lambda p, names: labels(p),
}  # fmt: skip


def of_gates(kind: str) -> Callable[[Mlp], Arrays]:
    """The kind, in the gates of the hidden units, under the names of their weights."""
    return lambda p: {name.replace("gate", "weight"): a for name, a in SINGLE[kind](
        p, [name.replace("weight", "gate") for name in p.weights[:-1]]).items()}  # fmt: skip


UNITS: dict[str, Callable[[Mlp], Any]] = {
    **{made.__name__: made for made in (activations, act_grads, act_mean, act_gram, act_cov,
                                        act_hist, labels, class_counts, class_means, within,
                                        inverse_block)},
    "gate_grads": of_gates("grads"),
    "gate_hess": of_gates("hess_diag"),
    "removal": of_gates("removal"),
    "outgoing": lambda p: unit_rows(p, weights(p, p.weights), "outgoing"),
    # nothing here normalises: any numbers of a unit will do
    "scales": lambda p: unit_rows(p, weights(p, p.weights), "incoming"),
}  # fmt: skip


def unit_rows(p: Mlp, arrays: Arrays, row: UnitView) -> Arrays:
    """{producer: (units, entries)} of each hidden unit, by the reading of CriterionSpec.unit"""
    found = {}
    for k, name in enumerate(p.weights[:-1]):
        found[name] = arrays[name]
        if row == "outgoing":
            found[name] = arrays[p.weights[k + 1]].T
        bias = name.replace("weight", "bias")
        if row == "incoming and bias" and bias in arrays:
            found[name] = np.concatenate([arrays[name], arrays[bias][:, None]], axis=1)
        found[name] = np.ascontiguousarray(found[name])
    return found


def unit_kind(p: Mlp, kind: str, row: UnitView) -> Any:
    """One kind of evidence of the hidden units."""
    if kind in UNITS:
        return UNITS[kind](p)
    if row in ("gate", "whole"):
        return of_gates(kind)(p)
    biases = row == "incoming and bias" and kind not in ("hess_grad", "hess_weight", "path_grads")
    names = [n for n in p.params if biases or n.endswith("weight")]
    return unit_rows(p, SINGLE[kind](p, names), row)


def plain_evidence(p: Any, kinds: Sequence[str], row: UnitView | None = None) -> Evidence:
    """Evidence of these kinds; row: None for single weights, else see CriterionSpec.unit."""
    filled: dict[str, Any] = {}
    for kind in kinds:
        if kind == "rng":
            filled[kind] = np.random.default_rng(7)
        elif row is None:
            filled[kind] = SINGLE[kind](p, p.weights)
        else:
            filled[kind] = unit_kind(p, kind, row)
    return Evidence(unit=row is not None, **filled)


def shapes(p: Any, row: UnitView | None) -> dict[str, tuple[int, ...]]:
    """The shape that each score must have."""
    if row is None:
        return {name: p.params[name].shape for name in p.weights}
    return {name: p.params[name].shape[:1] for name in p.weights[:-1]}
