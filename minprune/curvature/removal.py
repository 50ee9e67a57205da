"""dL = L(w | removed) - L(w): the exact change, by really removing; the slowest and the truest."""

from collections.abc import Iterator, Mapping

import numpy as np

from minprune.core import Array, Arrays, Split
from minprune.curvature.checks import checked
from minprune.errors import ArgumentError
from minprune.nets.forward import loss_of, run
from minprune.nets.model import CHUNK, Model, batch_last, dense_only
from minprune.nets.ties import Group


def loss(model: Model, params: Arrays, data: Split) -> float:
    """L, the mean loss over the data with these parameters; the sum in float64"""
    x, y = data
    total = 0.0
    for i in range(0, len(x), CHUNK):
        out = run(model.net, params | model.buffers, batch_last(x[i : i + CHUNK], model.dtype))
        part = y[i : i + CHUNK]
        total += float(loss_of(model.net, out, part)) * len(part)
    return total / len(x)


def removal(model: Model, data: Split, entries: Mapping[str, Array] | None = None) -> Arrays:
    """dL = L(w | w_k = 0) - L(w) for single entries      {name: flat indices} -> {name: float64}

    entries: which ones; None: all of every weight, a pass over the data for each. Raises
    ArgumentError for names or indices that the net does not have.
    """
    data = checked(model, data)
    if entries is None:
        dense_only(model, "what looks at single weights")
        wanted = {n: np.arange(model.params[n].size) for n in model.net.weights}
    else:
        wanted = {name: np.asarray(at) for name, at in entries.items()}
    for name, at in wanted.items():
        if name not in model.params:
            raise ArgumentError(f"{name}: no such parameter; there are {', '.join(model.params)}")
        size = model.params[name].size
        if at.size and (at.dtype.kind not in "iu" or at.min() < 0 or at.max() >= size):
            raise ArgumentError(
                f"{name}: entries {at.min()} to {at.max()} are asked for, and it has {size}; "
                f"give flat indices of a parameter"
            )
    before = loss(model, model.params, data)
    found = {}
    for name, at in wanted.items():
        w = model.params[name].copy()
        changed = model.params | {name: w}
        flat, changes = w.reshape(-1), np.zeros(at.size)
        for k, index in enumerate(at.ravel().tolist()):
            held, flat[index] = flat[index], 0
            changes[k] = loss(model, changed, data) - before
            flat[index] = held
        found[name] = changes
    return found


def unit_removal(model: Model, data: Split, groups: Mapping[str, Group]) -> Arrays:
    """dL = L(w | unit silenced) - L(w)      {group: (units,)} in float64

    Everything that the unit owns is zero then: incoming weights, biases and normalisation, and
    outgoing weights.
    """
    data = checked(model, data)
    before = loss(model, model.params, data)
    return {
        name: np.array([loss(model, p, data) - before for p in _silenced(model, group)])
        for name, group in groups.items()
    }


def _silenced(model: Model, group: Group) -> Iterator[Arrays]:
    for unit in range(group.size):
        params = dict(model.params)
        for m in group.members:
            params[m.param] = params[m.param].copy()
            params[m.param][(slice(None),) * m.axis + (m.index[unit],)] = 0
        yield params
