"""compact(model)(x) = model(x), with fewer units: constants are folded, what nobody needs goes.

Source: Han et al. (2015), dead neurons.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from minprune.core import Array, Arrays
from minprune.nets.model import Model, is_model
from minprune.nets.net import Net, layer_of
from minprune.structure.constants import fold
from minprune.structure.cut import cut
from minprune.structure.plan import plan


def compact(model: Model) -> Model:
    """A smaller model of the same function in evaluation mode.

    compact(model)(x) = model(x)

    Dead units (no live input, or no live output) are removed until nothing changes; constants are
    folded into the next bias where that is exact (`structure.plan` shows what stays and why); a
    constant residual branch is removed, and a constant net becomes its bias. A bias is created for
    a constant only where at least as many parameters go: the model never grows. Masks of what is
    left stay.

    Parameters
    ----------
    model : Model
        Any, of dense layers.

    Returns
    -------
    Model
        With fewer units, or as many.

    Raises
    ------
    ArgumentError
        If model is no Model, has sparse layers, or uses an op that has no tie rule.

    References
    ----------
    Han et al. (2015), Learning both Weights and Connections: dead neurons.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((4,), 2), (3,))
    >>> units = mp.score(model, None, "magnitude", unit=True)
    >>> mp.compact(mp.prune(model, units, sparsity=0.4)).params["fc1.weight"].shape
    (2, 4)
    """
    is_model(model, "compact")
    while True:
        model = cut(model)
        found = plan(model)
        folded = fold(model, found.sweeps.folds)
        if found.empty:
            return replace(folded, masks={k: m for k, m in folded.masks.items() if not m.all()})
        model = shrink(folded, found.kept)


def shrink(model: Model, kept: Mapping[tuple[str, int], Array]) -> Model:
    """The model with these indices of each parameter and axis; what is not named stays whole."""

    rows = {layer_of(name): indices for (name, axis), indices in kept.items() if axis == 0}

    def left(name: str, a: Array) -> Array:
        for axis in range(a.ndim):
            other = rows.get(layer_of(name)) if axis == 0 else None  # statistics, new biases
            indices = kept.get((name, axis), other)
            a = a if indices is None else np.take(a, indices, axis)
        return a

    params = {k: left(k, a) for k, a in model.params.items()}
    nodes = []
    for n in model.net.nodes:
        shapes = {kind: params[f"{n.name}.{kind}"].shape for kind in n.layer.params()}
        same = shapes == n.layer.params()
        nodes.append(n if same else n._replace(layer=n.layer.resized(shapes)))
    net: Net = replace(model.net, nodes=tuple(nodes))
    buffers: Arrays = {k: left(k, a) for k, a in model.buffers.items()}
    return Model(net, params, buffers, {k: left(k, m) for k, m in model.masks.items()})
