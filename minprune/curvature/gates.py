"""c = 1, a factor on all that a unit sends on: one gate at the input of every layer that reads it.

A gate multiplies the weights that read the unit, so dL/dc = sum over them of g w, and
d2L/dc2 = w_S^T H_SS w_S, S being those weights.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from minprune.autograd import Tensor, grad, value
from minprune.core import Array, Arrays, Split
from minprune.curvature.diagonals import second
from minprune.curvature.products import hvp
from minprune.curvature.record import Recorded, Use, passes
from minprune.nets.model import Model, checked
from minprune.nets.ties import Group, outgoing

Groups = Mapping[str, Group]


def gate_squares(model: Model, data: Split, groups: Groups) -> Arrays:
    """(1/P) sum_p (dl_p/dc)^2, {group: (units,)} in float64"""
    data = checked(model, data)
    total = {name: np.zeros(g.size) for name, g in groups.items()}
    reads = {name: _read(g) for name, g in groups.items()}
    for seen, y in passes("gate_squares", model, data, reads):
        pull = seen.pull(y)
        square(total, seen, seen.out, [pull], np.ones((1, pull.shape[1])), groups=groups)
    return {name: t / len(data[0]) for name, t in total.items()}


def gate_hess(model: Model, data: Split, groups: Groups) -> Arrays:
    """d2L/dc2 of each unit's own gate, {group: (units,)} in float64

    As the exact diagonal of the Hessian where its rules hold; else (where a path goes through a
    gate twice, as by residual sums) a Hessian-vector product for each unit.
    """
    data = checked(model, data)
    total = {name: np.zeros(g.size) for name, g in groups.items()}
    reads = {name: _read(g) for name, g in groups.items()}
    apart = second(total, model, data, partial(square, groups=groups), reads) if groups else {}
    found = {name: t / len(data[0]) for name, t in total.items()}
    for name in apart:
        for unit in range(groups[name].size):
            v = _moves(model, [groups[name]], unit)
            hv = hvp(model, data, v)
            found[name][unit] = sum(float((hv[n] * v[n]).sum(dtype=np.float64)) for n in v)
    return found


def gate_product(model: Model, data: Split, groups: Groups) -> Arrays:
    """sum over j of d2L/dc dc_j, all gates of all groups: {group: (units,)} in float64"""
    v = _moves(model, groups.values(), slice(None))
    if not v:  # no units, or none that a layer reads
        return {name: np.zeros(g.size) for name, g in groups.items()}
    hv = hvp(model, data, v)
    products = {name: hv[name] * model.params[name] for name in v}
    return {n: outgoing(products, g).sum(axis=1, dtype=np.float64) for n, g in groups.items()}


def square(
    total: Arrays, seen: Recorded, end: Tensor, seeds: Sequence[Array], weights: Array, *,
    groups: Groups,
) -> None:  # fmt: skip
    """total[group] += sum_kp weights[k, p] (d(sum of seeds[k] * end)_p/dc)^2"""
    groups = {name: groups[name] for name in total}
    read = {name for g in groups.values() for name in _read(g)}
    uses = [u for u in seen.before(end) if not read.isdisjoint(u.names)]
    for seed, c in zip(seeds, weights, strict=True):
        parts: dict[str, Array] = {}
        for use, g in zip(uses, grad(end, [u.node for u in uses], seed), strict=True):
            weight = next(name for name in use.names if name)
            sent = _sent(use, g, seen.leaves[weight].shape[1])
            for name, group in groups.items():
                for m in group.readers:
                    if m.param == weight:
                        parts[name] = parts.get(name, 0) + sent[m.index].sum(axis=1)
        for name, part in parts.items():
            total[name] += np.square(part, dtype=np.float64) @ c


def _sent(use: Use, g: Array, columns: int) -> Array:
    """(columns, n): x dl/dx of each column that a weight reads, through this layer alone"""
    need = [not n and x is not None for n, x in zip(use.names, use.node.inputs, strict=True)]
    at = need.index(True)
    dx = use.by(use.op.rule, tuple(need), g)[at]
    parts = (value(use.node.inputs[at]) * dx).reshape(-1, columns, *dx.shape[1:])
    return np.asarray(parts.sum(axis=(0, *range(2, parts.ndim - 1))))


def _moves(model: Model, groups: Iterable[Group], units: int | slice) -> Arrays:
    """dw/dc of those units' gates: the weights that read them, 0 elsewhere"""
    v: Arrays = {}
    for m in (m for group in groups for m in group.readers):
        w, at = model.params[m.param], (slice(None),) * m.axis + (m.index[units].ravel(),)
        v.setdefault(m.param, np.zeros_like(w))[at] = w[at]
    return v


def _read(group: Group) -> list[str]:
    """The weights that read the group, in net order."""
    return list(dict.fromkeys(m.param for m in group.readers))
