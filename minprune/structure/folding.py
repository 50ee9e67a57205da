"""Folding a constant unit: its contribution goes into the bias of each layer that reads it."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from minprune.core import Array, Arrays
from minprune.nets.model import Model
from minprune.nets.net import Node, layer_of
from minprune.structure.constants import Fold


def fold(model: Model, folds: Iterable[Fold]) -> Model:
    """The same function with each constant that can be folded in its reader's bias."""
    params, masks, nodes = dict(model.params), dict(model.masks), list(model.net.nodes)
    for f in folds:
        outputs = len(params[f.reader]) // f.groups
        rows = f.rows.reshape(f.groups, -1)
        closed = np.repeat(rows, outputs, axis=0)  # (outputs, inputs/groups)
        params[f.reader] = params[f.reader].copy()
        params[f.reader][closed] = 0
        if f.reader in masks:
            masks[f.reader] = masks[f.reader].copy()
            masks[f.reader][closed] = False
        if f.bias.any():
            add_to_bias(nodes, params, masks, layer_of(f.reader), f.bias)
    net = replace(model.net, nodes=tuple(nodes))
    return Model(net, {k: params[k] for k in net.params}, model.buffers, masks)


def add_to_bias(nodes: list[Node], params: Arrays, masks: Arrays, name: str, amount: Array) -> None:
    """bias += amount, in place      amount: (outputs,)

    A bias that takes something up is live. Where the layer has none it is created, masked where
    nothing else makes the unit, so that a silenced unit stays one.
    """
    weight, key = f"{name}.weight", f"{name}.bias"
    if key not in params:
        at = [n.name for n in nodes].index(name)
        shapes = nodes[at].layer.params() | {"bias": (len(amount),)}
        nodes[at] = nodes[at]._replace(layer=nodes[at].layer.resized(shapes))
        params[key] = np.zeros(len(amount), params[weight].dtype)
        if weight in masks:
            masks[key] = np.asarray(masks[weight].reshape(len(amount), -1).any(axis=1))
    params[key] = (params[key] + amount).astype(params[key].dtype)
    if key in masks:
        masks[key] = masks[key] | (amount != 0)
