"""dR/d|w|, R = 1^T (prod over layers of |W_l|) 1: how much flows through each weight of a net."""

import numpy as np

from minprune.autograd import Tensor, grad, total
from minprune.core import Arrays
from minprune.nets.activations import Activation
from minprune.nets.forward import run
from minprune.nets.model import Model
from minprune.nets.net import Net, Node
from minprune.nets.plain import Dropout


def path_grads(model: Model, names: list[str]) -> Arrays:
    """dR/d|w| in float64, {name: shape}: R is the output's sum for an input of ones

    Activations are the identity, biases and running means 0, BatchNorm the scale
    |gamma| / sqrt(var + eps). Biases, which are no part of R, get 0.
    Source: Tanaka et al. (2020), Pruning neural networks without any data.
    """
    net = model.net
    nodes = [
        Node(n.name, Dropout(0) if isinstance(n.layer, Activation) else n.layer, n.inputs)
        for n in net.nodes
    ]
    scales = {name for name in net.params if name.endswith(".weight")}
    values = {
        name: Tensor(np.abs(w, dtype=np.float64) if name in scales else np.zeros(w.shape))
        for name, w in model.params.items()
    }
    means = {
        name: np.zeros(b.shape) if name.endswith("_mean") else b.astype(np.float64)
        for name, b in model.buffers.items()
    }
    ones = np.ones((*net.input_shape, 1))
    out = run(Net(tuple(nodes), net.input_shape, net.loss), values | means, ones)
    wanted = [name for name in names if name in scales]
    found = dict(zip(wanted, grad(total(out), [values[n] for n in wanted]), strict=True))
    return {name: found.get(name, np.zeros(model.params[name].shape)) for name in names}
