"""W[:, kept] += slope W[:, dropped], bias += intercept sum W[:, dropped]: two units become one."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from minprune.errors import ArgumentError
from minprune.nets.layer import Layer
from minprune.nets.model import Model, is_model, rebuilt
from minprune.nets.net import Net, layer_of
from minprune.nets.ties import Group, ties
from minprune.structure.compact import shrink
from minprune.structure.constants import add_to_bias
from minprune.structure.plan import indices_left

Unit = tuple[str, int]  # ("fc1", 3): the fourth unit of layer fc1
Pair = tuple[Unit, Unit, float, float]  # dropped, kept, slope, intercept


def merge(model: Model, pairs: Sequence[Pair]) -> Model:
    """The model without the dropped units, each replaced by the one that is kept.

    W[:, kept] += slope W[:, dropped]; bias += intercept sum W[:, dropped], created where absent

    Where what the readers see is a_dropped = slope a_kept + intercept, the function is the same.

    Parameters
    ----------
    model : Model
        Any, of dense layers.
    pairs : list of (dropped, kept, slope, intercept)
        A unit is (layer, index), as in the model given. A kept unit may not be dropped by another
        pair, nor a unit dropped twice.

    Returns
    -------
    Model
        Smaller by one unit a pair.

    Raises
    ------
    ArgumentError
        If a pair is no such tuple, its units are not two of one group that may shrink, or the merge
        is not exact: an intercept through zero padding, a negative slope through max pooling.

    References
    ----------
    Srinivas & Babu (2015), Data-free parameter pruning for deep neural networks.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((4,), 2), (3,))
    >>> small = mp.structure.merge(model, [(("fc1", 0), ("fc1", 2), 1.0, 0.0)])
    >>> small.params["fc1.weight"].shape
    (2, 4)
    """
    is_model(model, "merge")
    pairs = [_checked(pair) for pair in pairs]
    groups = ties(model).groups
    params = {k: w.copy() for k, w in model.params.items()}
    masks = {k: m.copy() for k, m in model.masks.items()}
    nodes = list(model.net.nodes)
    gone = {g.name: np.zeros(g.size, bool) for g in groups if g.free}
    for dropped, kept, slope, intercept in pairs:
        group, d = _find(groups, dropped)
        other, k = _find(groups, kept)
        if group is not other or d == k:
            raise ArgumentError(
                f"merge: {dropped} and {kept} must be two units of one group, read by the same "
                f"layers; pass units of one layer"
            )
        if gone[group.name][d]:
            raise ArgumentError(
                f"merge: {dropped} must be dropped by one pair, not by two; merge it into one unit"
            )
        if why := refusal(model, group, slope, intercept):
            raise ArgumentError(why)
        gone[group.name][d] = True
        for m in group.readers:
            w = params[m.param]
            moved = w[:, m.index[d]]
            w[:, m.index[k]] += slope * moved
            if m.param in masks:
                masks[m.param][:, m.index[k]] |= masks[m.param][:, m.index[d]]
            level = intercept * moved.reshape(len(w), -1).sum(axis=1)
            if level.any():
                add_to_bias(nodes, params, masks, layer_of(m.param), level)
    for _, kept, _, _ in pairs:
        group, k = _find(groups, kept)
        if gone[group.name][k]:
            raise ArgumentError(
                f"merge: {kept} must not be kept by one pair and dropped by another; merge into "
                f"the last unit of a chain"
            )
    merged = rebuilt(model, nodes, params, masks, model.buffers)
    return shrink(merged, indices_left(model, groups, gone))


def _checked(pair: Any) -> Pair:
    """The pair; raises ArgumentError unless it is one, with finite numbers."""
    match pair:
        case [[str(), Integral()], [str(), Integral()], Real() as slope, Real() as level]:
            if math.isfinite(slope) and math.isfinite(level):
                return pair  # type: ignore[no-any-return]
    raise ArgumentError(
        f"merge: a pair must be ((layer, unit), (layer, unit), slope, intercept) with finite "
        f"numbers, not {pair!r}; mp.structure.regressions gives some"
    )


def _find(groups: Sequence[Group], unit: Unit) -> tuple[Group, int]:
    """The free group and the index in it that a unit of a layer means."""
    layer, index = unit
    for g in groups:
        for m in g.producers if g.free else ():
            if m.param in (layer, f"{layer}.weight"):
                hits = np.flatnonzero((m.index == index).any(axis=1))
                if len(hits):
                    return g, int(hits[0])
    raise ArgumentError(
        f"merge: a unit must be (layer, index) of a free group, not {unit}; "
        f"print(mp.ties(model)) shows them"
    )


def refusal(model: Model, group: Group, slope: float, intercept: float) -> str:
    """Why merging with this slope and intercept is not exact; "" where it is."""
    asked = [(m.param, model.net.node(layer_of(m.param)).layer) for m in group.readers]
    made = {layer_of(m.param) for m in group.producers}
    asked += [(group.name, layer) for layer in after(model.net, made)[1]]
    found = ((name, layer.refuses(slope, intercept)) for name, layer in asked)
    return next((f"{name}: {why}" for name, why in found if why), "")


def after(net: Net, start: Collection[str]) -> tuple[set[str], list[Layer]]:
    """(names of start and of what reads it up to the next weights, the layers of the latter)"""
    behind, found = set(start), []
    for node in net.nodes:
        if node.name not in net.mixing and behind.intersection(node.inputs):
            behind.add(node.name)
            found.append(node.layer)
    return behind, found
