"""Evidence of a net, slowly: from dense H, loops over samples, brute force; scores by the twins.

`single(name, ...)` and `units(name, ...)` give dicts as mp.score does: the equations are the
independent twins of the kit. What the evidence stands on is tested elsewhere: dense matrices,
gradients of single samples, ties.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from curving import Fn, each_alone, flat, gradient, losses, unflat, with_params
from structures import pieces, silent

import minprune as mp
from minprune.core import Array, Arrays, Evidence, Split, stream
from minprune.curvature import hessian
from minprune.nets.model import Model
from minprune.nets.ties import Group
from minprune.verify.criterion.subject import twin_of
from minprune.verify.plain.twin import known

BATCH = 64
CURVATURE = ("diagonal", "samples", "levenberg_marquardt")  # options of the evidence


def weights_of(model: Model) -> Arrays:
    return {n: model.params[n] for n in model.net.weights}


def batches(data: Split, size: int) -> list[Split]:
    return [(data[0][i : i + size], data[1][i : i + size]) for i in range(0, len(data[0]), size)]


def times_hessian(model: Model, data: Split, v: Arrays) -> Arrays:
    """H v over the weights, by the dense matrix"""
    names = list(model.net.weights)
    return unflat(hessian(model, data) @ flat(v, names), model, names)


def flow(model: Model, weights: Arrays) -> float:
    """R of synflow: the sum of the outputs for ones, all weights positive, nothing curved"""
    nodes = tuple(
        n._replace(layer=mp.Dropout(0.0)) if hasattr(n.layer, "kind") else n
        for n in model.net.nodes
    )
    params = {n: np.zeros_like(w) for n, w in model.params.items()}
    params |= {n: np.abs(w) for n, w in model.params.items() if n.endswith(".weight")} | weights
    buffers = {n: b if n.endswith("_var") else np.zeros_like(b) for n, b in model.buffers.items()}
    net = replace(model.net, nodes=nodes)
    return float(Model(net, params, buffers)(np.ones((1, *net.input_shape))).sum())


def brute(of: Fn, w: Array, value: Fn) -> Array:
    """of(w with value(entry k) in place of entry k) for each k"""
    found, w = np.zeros(w.shape), w.copy()
    for k in np.ndindex(w.shape):
        held, w[k] = w[k], value(w[k])
        found[k] = of(w)
        w[k] = held
    return found


def path_grads(model: Model, data: Any) -> Arrays:
    """R(|w| + 1) - R(|w|), since R is linear in each"""
    whole = flow(model, {})
    return {n: brute(lambda v, n=n: flow(model, {n: v}), np.abs(w), lambda v: v + 1) - whole
            for n, w in weights_of(model).items()}  # fmt: skip


def removal(model: Model, data: Split) -> Arrays:
    before = losses(model, data).mean()
    return {
        n: brute(lambda v, n=n: losses(with_params(model, {n: v}), data).mean(), w, lambda v: 0)
        - before
        for n, w in weights_of(model).items()
    }  # fmt: skip


def hess_diag(model: Model, data: Split, diagonal: str = "exact", params: str = "weights",
              **how: Any) -> Arrays:  # fmt: skip
    if diagonal == "hutchinson":
        how["seed"] = stream(0, "criterion")
    if diagonal != "exact":
        return mp.curvature.diagonal(model, data, diagonal, params=params, **how)
    names = list(model.net.params if params == "all" else model.net.weights)
    return unflat(np.diag(hessian(model, data, params=params)).copy(), model, names)


def squared_grads(model: Model, data: Split) -> Arrays:
    each = each_alone(model, data, list(model.net.weights))
    return {n: np.square(g).mean(axis=0) for n, g in each.items()}


def grads(model: Model, data: Split) -> Arrays:
    return {n: g for n, g in gradient(model, data).items() if n in model.net.weights}


# kind of evidence: (model, data) -> {weight: array}
SINGLE: dict[str, Fn] = {
    "weights": lambda m, d: weights_of(m),
    "grads": grads,
    "squared_grads": squared_grads,
    "hess_diag": hess_diag,
    "hess_grad": lambda m, d: times_hessian(m, d, grads(m, d)),
    "hess_weight": lambda m, d: times_hessian(m, d, weights_of(m)),
    "path_grads": path_grads,
    "removal": removal,
}


def drawn(shapes: dict[str, Any]) -> Arrays:
    rng = stream(0, "criterion")
    return {n: rng.random(shape) for n, shape in shapes.items()}


def scored(
    name: str, kind: Callable[..., Any], data: Split, options: dict[str, Any], unit: bool = False
) -> Arrays:
    """The twin's scores of kind(name, part of the data, **options of the evidence)"""
    row = twin_of(name, options, unit)
    how = {k: v for k, v in options.items() if k in CURVATURE}
    size = options.get("batch_size", BATCH) if row.chunk == "batch" else len(data[0])
    found: Arrays = {}
    for part in batches(data, size):
        ev = {k: kind(k, part, **(how if k == "hess_diag" else {})) for k in row.needs}
        scores = row.score(Evidence(unit=unit, **ev), **known(row.score, options))
        for n, s in scores.items():
            found[n] = found.get(n, 0) + s * (len(part[0]) / len(data[0]))
    return row.finish(found) if row.finish else found


def single(name: str, model: Model, data: Split, **options: Any) -> Arrays:
    if name == "random":
        return drawn({n: w.shape for n, w in weights_of(model).items()})

    def kind(what: str, part: Split, **how: Any) -> Arrays:
        return dict(SINGLE[what](model, part, **how))

    return scored(name, kind, data, options)


def rows(arrays: Any, group: Group, unit: int, *roles: str, bias: bool = False) -> Array:
    """What the members of those roles own of the unit, one after another."""
    makers = {m.param.rpartition(".")[0] for m in group.producers}
    found = [
        arrays[m.param][(slice(None),) * m.axis + (m.index[unit],)].ravel()
        for m in group.members
        if m.role in roles or (bias and m.param in {f"{o}.bias" for o in makers})
    ]
    return np.concatenate(found)


def gate(model: Model, data: Split, group: Group, unit: int) -> float:
    g, w = (rows(a, group, unit, "reads") for a in (gradient(model, data), model.params))
    return float(g @ w)


def only(model: Model, group: Group, unit: int | None) -> Array:
    """The weights that read the unit (None: any unit of the group), 0 elsewhere; flat"""
    v = {n: np.zeros(w.shape) for n, w in weights_of(model).items()}
    for m in group.readers:
        index = m.index.ravel() if unit is None else m.index[unit]
        at = (slice(None),) * m.axis + (index,)
        v[m.param][at] = model.params[m.param][at]
    return flat(v, list(v))


def all_gates(model: Model) -> Array:
    found: Iterable[Array] = [only(model, g, None) for g in mp.ties(model) if g.free]
    return sum(found, np.zeros(sum(w.size for w in weights_of(model).values())))


# kind of evidence in a unit's gate: (model, data, group, unit) -> number
GATES: dict[str, Fn] = {
    "weights": lambda m, d, g, u: 1.0,
    "grads": gate,
    "squared_grads": lambda m, d, g, u: np.mean([gate(m, p, g, u) ** 2 for p in batches(d, 1)]),
    "hess_diag": lambda m, d, g, u: only(m, g, u) @ hessian(m, d) @ only(m, g, u),
    "hess_weight": lambda m, d, g, u: only(m, g, u) @ hessian(m, d) @ all_gates(m),
    "removal": lambda m, d, g, u: losses(silent(m, pieces(g, u)), d).mean() - losses(m, d).mean(),
}
GATES |= {"gate_grads": GATES["grads"], "gate_hess": GATES["hess_diag"]}


def behind(model: Model, group: Group) -> Group:
    """The group with those readers alone that come after all that makes its units."""
    place = {n: k for k, n in enumerate(model.net.params)}
    last = max(place[m.param] for m in group.producers)
    kept = tuple(m for m in group.members if m.role != "reads" or place[m.param] > last)
    return replace(group, members=kept)


def activations(model: Model, data: Split, group: Group) -> Array:
    """a dl/da of each sample as one position, whose other factor is 1

    Where the way from the activation to its readers is linear it is dl/dc, behind the last sum.
    """
    last = behind(model, group)
    found = [[gate(model, p, last, u) for u in range(group.size)] for p in batches(data, 1)]
    return np.array(found)[:, :, None]


def of_units(kind: str, view: str, model: Model, data: Split, group: Group, **how: Any) -> Array:
    """One kind of evidence of the units of a group, by the reading of CriterionSpec.unit"""
    if kind in ("activations", "act_grads"):
        a = activations(model, data, group)
        return a if kind == "activations" else np.ones_like(a)
    units = range(group.size)
    if view in ("gate", "whole"):
        return np.array([GATES[kind](model, data, group, u) for u in units], float)
    bias = view == "incoming and bias"
    arrays = model.params if kind == "weights" else SINGLE[kind](
        model, data, **how, **({"params": "all"} if bias else {}))  # fmt: skip
    role = "reads" if view == "outgoing" else "makes"
    return np.array([rows(arrays, group, u, role, bias=bias) for u in units])


def units(name: str, model: Model, data: Split, **options: Any) -> Arrays:
    groups = [g for g in mp.ties(model) if g.free]
    view = twin_of(name, options, True).unit

    def kind(what: str, part: Split, **how: Any) -> Arrays:
        return {g.name: of_units(what, view, model, part, g, **how) for g in groups}

    if name == "random":
        found = drawn({g.name: g.size for g in groups})
    else:
        found = scored(name, kind, data, options, unit=True)
    out: Arrays = {}
    for g in groups:
        for m in g.producers:
            out.setdefault(m.param, np.zeros(len(model.params[m.param])))
            out[m.param][m.index] = found[g.name][:, None]
    return {n: out[n] for n in model.net.weights if n in out}
