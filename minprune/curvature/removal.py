"""dL = L(w | removed) - L(w): the exact change of the loss, by removing and computing it again."""

from collections.abc import Mapping

import numpy as np

from minprune.core import Array, Arrays, Split
from minprune.errors import ArgumentError
from minprune.masking.apply import apply
from minprune.masking.units import silenced
from minprune.nets.model import CHUNK, Model, batch_last, checked, known, loss_of, names_of, run
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
    """dL = L(w | w_k = 0) - L(w) for single entries

    A pass over the data for each entry.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    entries : dict of arrays, optional
        {name: flat indices}; all entries of every weight unless given.

    Returns
    -------
    dict of arrays
        {name: as many changes as indices}, in float64.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net, or entries
        that the net does not have.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> change = mp.curvature.removal(model, batch, {"fc2.weight": [0, 5]})["fc2.weight"]
    >>> change.shape
    (2,)
    """
    data = checked(model, data)
    if entries is None:
        wanted = {n: np.arange(model.params[n].size) for n in names_of(model, "weights")}
    else:
        wanted = {name: np.asarray(at) for name, at in entries.items()}
    for name in known(model.params, wanted):
        at, size = wanted[name], model.params[name].size
        if at.size and (at.dtype.kind not in "iu" or at.min() < 0 or at.max() >= size):
            raise ArgumentError(
                f"{name}: entries must be flat indices below {size}, not {at.min()} to "
                f"{at.max()}; pass np.arange({size}), for example"
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
    """dL = L(w | unit silenced) - L(w)

    All that the unit owns is 0 then: incoming weights, biases, normalisation, and outgoing weights.

    Parameters
    ----------
    model : Model
        Not sparse; masked weights are 0.
    data : pair of arrays
        Inputs (samples, ...) and targets.
    groups : dict of groups
        {name: Group}, of `mp.ties`.

    Returns
    -------
    dict of arrays
        {name: (units,)}, in float64.

    Raises
    ------
    ArgumentError, ShapeError
        For a sparse model, no samples, or arrays that do not fit the net.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(4,), seed=0)
    >>> batch = data.train[0][:8], data.train[1][:8]
    >>> groups = {g.name: g for g in mp.ties(model) if g.free}
    >>> mp.curvature.unit_removal(model, batch, groups)["fc1.weight"].shape
    (4,)
    """
    data = checked(model, data)
    before = loss(model, model.params, data)
    return {
        name: np.array([
            loss(model, apply(model.params, silenced(model, {name: (g, gone)})), data) - before
            for gone in np.eye(g.size, dtype=bool)
        ])
        for name, g in groups.items()
    }  # fmt: skip
