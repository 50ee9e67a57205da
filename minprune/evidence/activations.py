"""a of each unit: its channel after the last sum, through BatchNorm and activation."""

from collections.abc import Collection, Mapping

import numpy as np

from minprune.autograd import Tensor, grad
from minprune.core import Array, Arrays, Split
from minprune.curvature.record import record
from minprune.nets.model import Model, batch_last, keeping, run
from minprune.nets.net import Net, layer_of
from minprune.nets.ties import Group, carriers

Groups = Mapping[str, Group]


def spots(model: Model, groups: Groups, before: bool = False) -> dict[str, tuple[str, Array]]:
    """{group: (the layer whose output is its activation, the rows of each unit (units, k))}

    The last of the layers that make its units or add them up, then on, where one layer alone reads
    it, to the last normalisation or activation: through pooling, flattening, concatenation and
    dropout as long as no activation has been met. before: to the last normalisation in front of
    activations.
    """
    net, found = model.net, {}
    for name, carried in carriers(model, groups.values()).items():
        makers = {layer_of(m.param) for m in groups[name].producers}
        last = [n.name for n in net.nodes if n.name in carried]
        last = [n for n in last if n in makers or net.node(n).layer.sums]
        at = _onwards(net, last[-1], carried, before)
        found[name] = at, carried[at]
    return found


def _onwards(net: Net, start: str, carried: Collection[str], before: bool) -> str:
    """See `spots`; carried: the layers that put the units out"""
    name = found = start
    bent = False
    while len(readers := set(net.readers[name])) == 1:
        (name,) = readers
        layer = net.node(name).layer
        act = layer.bent()
        if name not in carried or (act and before):
            break
        if act or layer.normalises:
            found, bent = name, bent or act
        elif bent:
            break
    return found


def activations(model: Model, data: Split, groups: Groups, before: bool = False) -> Arrays:
    """a, {group: (n, units, positions)}, in evaluation mode; before: see `spots`"""
    at, found = spots(model, groups, before), dict[str, Array]()
    x = batch_last(data[0], model.dtype)
    watch = keeping((layer for layer, _ in at.values()), found)
    run(model.net, model.params | model.buffers, x, watch=watch)
    return {name: laid_out(found[layer], rows) for name, (layer, rows) in at.items()}


def act_grads(model: Model, data: Split, groups: Groups, before: bool = False) -> Arrays:
    """dl_p/da of each sample's own loss, {group: (n, units, positions)}; before: see `spots`"""
    at, found = spots(model, groups, before), dict[str, Tensor]()
    seen = record(model, data[0], watch=keeping((layer for layer, _ in at.values()), found))
    gs = dict(zip(found, grad(seen.out, list(found.values()), seen.pull(data[1])), strict=True))
    return {name: laid_out(gs[layer], rows) for name, (layer, rows) in at.items()}


def laid_out(a: Array, rows: Array) -> Array:
    """(c, ..., n) -> (n, units, positions) in float64, so that means over chunks are not rounded

    rows: (units, k), k rows being k times the positions.
    """
    n = a.shape[-1]
    part = a.reshape(len(a), -1, n)[rows].reshape(len(rows), -1, n)
    return np.ascontiguousarray(part.transpose(2, 0, 1), np.float64)
