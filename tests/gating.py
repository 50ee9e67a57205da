"""The laws of gates: numeric derivatives of the loss in a factor on what reads a unit."""

from dataclasses import replace
from typing import Any

import numpy as np
from curving import EPS, Fn, gradient, losses, with_params
from differences import central
from structures import NETS

import minprune as mp
from minprune.core import Array, Arrays, Split
from minprune.curvature.gates import gate_hess, gate_product, gate_squares
from minprune.evidence.options import ask
from minprune.evidence.sources import gate_grads
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.nets.ties import Group

Groups = dict[str, Group]


def curved(net: Net, loss: Any = "cross_entropy") -> Net:
    """The net with tanh for every ReLU: no kink for a central difference to step over."""

    def layer(x: Layer) -> Layer:
        return mp.Tanh() if isinstance(x, mp.ReLU) else x

    return replace(net, nodes=tuple(n._replace(layer=layer(n.layer)) for n in net.nodes), loss=loss)


# one path through two layers that read the same units, and one through three
SERIES = mp.build((3,), [
    ("a", mp.Dense(3, 3)), ("t", mp.Tanh()), ("b", mp.Dense(3, 3)), ("s1", mp.Add(), ("b", "t")),
    ("c", mp.Dense(3, 3)), ("u", mp.Sigmoid()), ("s2", mp.Add(), ("u", "s1")),
    ("fc", mp.Dense(3, 2)),
])  # fmt: skip
READ = {name: net for name, net in NETS.items() if name != "unread"} | {"series": SERIES}


def groups_of(model: Model) -> Groups:
    return {g.name: g for g in mp.ties(model) if g.free}


def first(model: Model, data: Split, groups: Groups) -> Arrays:
    rng = np.random.default_rng(0)
    return gate_grads(ask(model, "taylor", {}, rng, unit=True, groups=dict(groups)), data)


def gated(model: Model, group: Group, unit: int, c: float, role: str = "reads") -> Arrays:
    """The weights that read the unit (or make it), times c."""
    changed: Arrays = {}
    for m in group.readers if role == "reads" else group.members:
        w = changed.get(m.param, model.params[m.param]).copy()
        w[(slice(None),) * m.axis + (m.index[unit],)] *= c
        changed[m.param] = w
    return changed


def slope_of(model: Model, data: Split, group: Group, unit: int, at: Arrays) -> float:
    """dL/dc of that gate where the net's weights are `at`, w the weights at c = 1."""
    g, total = gradient(with_params(model, at), data), 0.0
    for m in group.readers:
        part = (slice(None),) * m.axis + (m.index[unit],)
        total += float((g[m.param][part] * model.params[m.param][part]).sum())
    return total


def numeric(f: Fn) -> tuple[Array, Array]:
    c = np.array(1.0)
    return central(lambda: float(f(float(c))), c)


def every(groups: Groups) -> list[tuple[str, int]]:
    return [(name, unit) for name, g in groups.items() for unit in range(g.size)]


def is_the_slope(fn: Fn, model: Model, data: Split) -> bool:
    """dL/dc"""
    groups = groups_of(model)
    found = fn(model, data, groups)
    for name, unit in every(groups):
        want, bound = numeric(
            lambda c, g=groups[name], u=unit: losses(
                with_params(model, gated(model, g, u, c)), data).mean()
        )  # fmt: skip
        if abs(found[name][unit] - want) > bound:
            return False
    return set(found) == set(groups)


def is_the_mean_of_squared_slopes(fn: Fn, model: Model, data: Split) -> bool:
    """(1/P) sum_p (dl_p/dc)^2"""
    groups, n = groups_of(model), len(data[0])
    found = fn(model, data, groups)
    for name, unit in every(groups):
        want, within = 0.0, 0.0
        for p in range(n):
            s, bound = numeric(
                lambda c, g=groups[name], u=unit, p=p: losses(
                    with_params(model, gated(model, g, u, c)), data)[p]
            )  # fmt: skip
            want, within = want + s * s / n, within + (2 * abs(s) + bound) * bound / n
        if abs(found[name][unit] - want) > within + 2**10 * EPS * abs(want):
            return False
    return True


def is_the_curvature(fn: Fn, model: Model, data: Split) -> bool:
    """d2L/dc2 of each unit's own gate"""
    groups = groups_of(model)
    found = fn(model, data, groups)
    for name, unit in every(groups):
        want, bound = numeric(
            lambda c, g=groups[name], u=unit: slope_of(model, data, g, u, gated(model, g, u, c))
        )
        if abs(found[name][unit] - want) > bound:
            return False
    return True


def is_the_row_sum(fn: Fn, model: Model, data: Split) -> bool:
    """sum over j of d2L/dc dc_j: the slope in c as all gates of all groups move together"""
    groups = groups_of(model)
    found = fn(model, data, groups)
    read = {m.param: m for g in groups.values() for m in g.readers}

    def all_at(c: float) -> Arrays:
        changed = {name: model.params[name].copy() for name in read}
        for g in groups.values():
            for m in g.readers:
                changed[m.param][(slice(None),) * m.axis + (m.index.ravel(),)] *= c
        return changed

    for name, unit in every(groups):
        want, bound = numeric(
            lambda c, g=groups[name], u=unit: slope_of(model, data, g, u, all_at(c))
        )
        if abs(found[name][unit] - want) > bound:
            return False
    return True


LAWS: dict[str, tuple[Fn, Fn]] = {
    "grads": (is_the_slope, first),
    "squares": (is_the_mean_of_squared_slopes, gate_squares),
    "hess": (is_the_curvature, gate_hess),
    "product": (is_the_row_sum, gate_product),
}
