"""dR/d|w|, R = 1^T (prod over layers of |W_l|) 1: how much flows through each weight of a net."""

import numpy as np

from minprune.autograd import Tensor, Value, grad, total
from minprune.core import Arrays
from minprune.nets.model import Model
from minprune.nets.net import INPUT


def path_grads(model: Model, names: list[str]) -> Arrays:
    """dR/d|w| in float64, {name: shape}: R is the output's sum for an input of ones

    Each layer's own `path` says what it does in this pass: activations are the identity, biases 0,
    BatchNorm scales by |gamma| / sqrt(var + eps), GroupNorm and LayerNorm by |gamma|. Biases, which
    are no part of R, get 0.
    Source: Tanaka et al. (2020), Pruning neural networks without any data.
    """
    net, values = model.net, {}
    scales = {f"{n.name}.{k}" for n in net.nodes for k in n.layer.params().keys() - n.layer.shifts}
    for name, w in model.params.items():
        w = w.astype(np.float64)
        values[name] = Tensor(np.abs(w) if name in scales else np.zeros(w.shape))
    p = values | {name: b.astype(np.float64) for name, b in model.buffers.items()}
    seen: dict[str, Value] = {INPUT: np.ones((*net.input_shape, 1))}
    for n in net.nodes:
        seen[n.name] = n.layer.path(n.layer.own(n.name, p), [seen[x] for x in n.inputs])
    wanted = [name for name in names if name in scales]
    out = total(seen[net.nodes[-1].name])
    found = dict(zip(wanted, grad(out, [values[n] for n in wanted]), strict=True))
    return {name: found.get(name, np.zeros(model.params[name].shape)) for name in names}
