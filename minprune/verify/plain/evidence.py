"""Evidence of every kind for a plain problem, each from its definition: slow and obvious.

A new kind is one function and one row: SINGLE for weights by themselves, UNITS for hidden units.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minprune.core import Arrays, Evidence, UnitView
from minprune.verify.plain import moments
from minprune.verify.plain.inverse import inverse_block, inverse_diag, sweep_loss
from minprune.verify.plain.net import Mlp, Problem, at, gradient, hessian, shaped, times

Names = Sequence[str]


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


SINGLE: dict[str, Callable[[Any, Names], Any]] = {
    "weights": weights,
    "masks": lambda p, names: {name: np.ones(at(p, name).shape, bool) for name in names},
    "grads": gradient,
    "squared_grads": squared_grads,
    "hess_diag": hess_diag,
    "hess_grad": lambda p, names: times(p, gradient(p, names)),
    "hess_weight": lambda p, names: times(p, weights(p, names)),
    "path_grads": path_grads,
    "removal": removal,
    "inverse_diag": inverse_diag,
    "sweep_loss": sweep_loss,
    "labels": lambda p, names: moments.labels(p),
}


def of_gates(kind: str) -> Callable[[Mlp], Arrays]:
    """The kind, in the gates of the hidden units, under the names of their weights."""
    return lambda p: {name.replace("gate", "weight"): a for name, a in SINGLE[kind](
        p, [name.replace("weight", "gate") for name in p.weights[:-1]]).items()}  # fmt: skip


UNITS: dict[str, Callable[[Mlp], Any]] = {
    "gate_grads": of_gates("grads"),
    "gate_hess": of_gates("hess_diag"),
    "removal": of_gates("removal"),
    "activations": moments.activations,
    "act_grads": moments.act_grads,
    "act_mean": moments.act_mean,
    "act_gram": moments.act_gram,
    "act_hist": moments.act_hist,
    "labels": moments.labels,
    "class_counts": moments.class_counts,
    "class_means": moments.class_means,
    "within": moments.within,
    "inverse_block": inverse_block,
    "outgoing": lambda p: unit_rows(p, weights(p, p.weights), "outgoing"),
}


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
