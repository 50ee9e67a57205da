"""The scores of units by every criterion, slowly: `units(name, ...)`, dicts as mp.score gives."""

from dataclasses import replace
from typing import Any

import numpy as np
from curving import Fn, flat, gradient, losses
from slowly import SINGLE, batches, drawn, of_kind, shares, synflow, weights_of
from structures import pieces, silent

import minprune as mp
from minprune.core import Array, Arrays, Split
from minprune.nets.model import Model
from minprune.nets.ties import Group


def rows(arrays: Any, group: Group, unit: int, *roles: str, bias: bool = False) -> Array:
    """What the members of those roles own of the unit, one after another."""
    makers = {m.param.split(".")[0] for m in group.producers}
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


def unit_taylor(model: Model, data: Split, group: Group, unit: int, order: int = 1,
                hessian: str = "diag", batch_size: int = 64) -> float:  # fmt: skip
    if order == 1:
        parts = batches(data, batch_size)
        return sum(gate(model, p, group, unit) ** 2 * len(p[0]) for p in parts) / len(data[0])
    v = only(model, group, unit)
    groups = [g for g in mp.ties(model) if g.free] if hessian == "row" else []
    u = sum((only(model, g, None) for g in groups), 0 * v) if groups else v
    h = mp.curvature.hessian(model, data)
    return float(gate(model, data, group, unit) - v @ h @ u / 2) ** 2


def unit_norm(model: Model, data: Any, group: Group, unit: int, p: float = 2) -> float:
    return float(np.linalg.norm(rows(model.params, group, unit, "makes"), ord=p))


def unit_fisher(model: Model, data: Split, group: Group, unit: int) -> float:
    ones = batches(data, 1)
    return sum(gate(model, one, group, unit) ** 2 for one in ones) / len(ones) / 2


def unit_obd(model: Model, data: Split, group: Group, unit: int, diagonal: str = "exact",
             clip: bool = False, **how: Any) -> float:  # fmt: skip
    h = rows(of_kind(model, data, diagonal, "all", **how), group, unit, "makes", bias=True)
    w = rows(model.params, group, unit, "makes", bias=True)
    return float((np.maximum(h, 0) if clip else h) @ (w * w)) / 2


def unit_oracle(model: Model, data: Split, group: Group, unit: int, square: bool = False) -> float:
    gone = silent(model, pieces(group, unit))
    rise = losses(gone, data).mean() - losses(model, data).mean()
    return float(rise) ** (2 if square else 1)


def unit_median(model: Model, data: Any, group: Group, unit: int) -> float:
    w = [rows(model.params, group, u, "makes") for u in range(group.size)]
    return float(sum(np.linalg.norm(w[unit] - other) for other in w))


def unit_entropy(model: Model, data: Any, group: Group, unit: int, bins: int = 10) -> float:
    layer = np.array([rows(model.params, group, u, "makes") for u in range(group.size)])
    counts = np.histogram(layer[unit], bins, (layer.min(), layer.max()))[0] / layer.shape[1]
    return float((counts[counts > 0] * np.log(counts[counts > 0])).sum())


def unit_activation(model: Model, data: Split, group: Group, unit: int, order: int = 1,
                    batch_size: int = 64) -> float:  # fmt: skip
    """Where the way from the activation to its readers is linear, sum over x of a dl/da = dl/dc

    It is behind the last sum: of the readers, those that come after all that makes the units.
    """
    if order == 2:
        return unit_taylor(model, data, group, unit, 2)
    order_of = {n: k for k, n in enumerate(model.net.params)}
    last = max(order_of[m.param] for m in group.producers)
    group = replace(group, members=tuple(
        m for m in group.members if m.role != "reads" or order_of[m.param] > last))  # fmt: skip
    sizes = [np.mean([abs(gate(model, one, group, u)) for one in batches(data, 1)])
             for u in range(group.size)]  # fmt: skip
    return float(sizes[unit] / np.linalg.norm(sizes))


UNITS: dict[str, Fn] = {
    "magnitude": unit_norm,
    "norm": unit_norm,
    "geometric_median": unit_median,
    "weight_entropy": unit_entropy,
    "synflow": lambda m, d, g, u: float(rows(synflow(m, d), g, u, "makes").sum()),
    "taylor": unit_taylor,
    "taylor_activation": unit_activation,
    "fisher": unit_fisher,
    "snip": lambda m, d, g, u: abs(gate(m, d, g, u)),
    "grasp": lambda m, d, g, u: float(rows(SINGLE["grasp"](m, d), g, u, "reads").sum()),
    "obd": unit_obd,
    "oracle": unit_oracle,
}


def units(name: str, model: Model, data: Split, **options: Any) -> Arrays:
    groups = [g for g in mp.ties(model) if g.free]
    if name == "random":
        found = drawn(model, {g.name: g.size for g in groups})
    else:
        found = {g.name: np.array([UNITS[name](model, data, g, u, **options)
                                   for u in range(g.size)]) for g in groups}  # fmt: skip
    if name == "snip":
        found = shares(found)
    out: Arrays = {}
    for g in groups:
        for m in g.producers:
            out.setdefault(m.param, np.zeros(len(model.params[m.param])))
            out[m.param][m.index] = found[g.name][:, None]
    return {n: out[n] for n in model.net.weights if n in out}
