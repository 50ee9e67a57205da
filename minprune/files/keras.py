"""The arrays of Keras as PyTorch has them: other names, kernels turned, channels first.

Keras keeps (in, out) and (y, x, in, out), and its Flatten ends with the channels.
"""

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.nets.dense import Flatten
from minprune.nets.joining import Concat
from minprune.nets.layer import Shape
from minprune.nets.net import Net, layer_of
from minprune.nets.normalisation import EPS

KINDS = {
    "kernel": "weight", "depthwise_kernel": "weight", "gamma": "weight", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip


def written(name: str) -> str:
    """ "dense/kernel:0" -> "dense.kernel\""""
    return name.removesuffix(":0").replace("/", ".")


def as_torch(net: Net, given: Arrays, epsilon: float) -> Arrays:
    """The arrays by the net's names, in its layout      given: {"conv.kernel": array, ...}"""
    found: Arrays = {}
    for name, a in given.items():
        layer, _, kind = name.rpartition(".")
        ours = f"{layer}.{KINDS.get(kind, kind)}"
        if ours in found:
            raise ArgumentError(f"from_arrays: {ours} must be one array, not two; change rename")
        found[ours] = _turned(kind, a, net.params.get(ours, ()))
    orders = _orders(net)
    for name, node, inputs in net.nodes:
        order = orders.get(inputs[0])
        if epsilon != EPS and node.normalises and f"{name}.running_var" not in net.buffers:
            raise ArgumentError(
                f"from_arrays: {name} must have epsilon={EPS} in Keras, not {epsilon}, since "
                f"{type(node).__name__} adds that; train it so there, and pass epsilon={EPS}"
            )
        for ours in (k for k in (*net.params, *net.buffers) if layer_of(k) == name and k in found):
            a = found[ours]
            if ours.endswith(".running_var"):
                a = (a.astype(np.float64) + (epsilon - EPS)).astype(a.dtype)
            axis = 1 if name in net.mixing else 0
            fits = order is not None and a.ndim > axis and a.shape[axis] == len(order)
            found[ours] = np.take(a, order, axis) if order is not None and fits else a
    return found


def _turned(kind: str, a: Array, shape: Shape) -> Array:
    """A kernel as (o, i / groups, y, x)      shape: that of the net's weight"""
    if not kind.endswith("kernel") or a.ndim < 2:
        return a
    if shape[1:2] == (1,) and a.ndim > 2:  # (y, x, in, outputs of each), also of depthwise layers
        return a.transpose(-2, -1, *range(a.ndim - 2)).reshape(-1, 1, *a.shape[:-2])
    return a.transpose(-1, -2, *range(a.ndim - 2))


def _orders(net: Net) -> dict[str, Array]:
    """{name: k} for each output (features,): entry i here is entry k[i] of theirs"""
    found = {name: np.arange(shape[0]) for name, shape in net.shapes.items() if len(shape) == 1}
    for n in net.nodes:
        if n.name not in found or n.name in net.mixing:
            continue
        shape = net.shapes[n.inputs[0]]
        if isinstance(n.layer, Flatten) and len(shape) > 1:
            last = np.arange(found[n.name].size).reshape(*shape[1:], shape[0])
            found[n.name] = np.moveaxis(last, -1, 0).ravel()
        elif all(i in found for i in n.inputs):
            read = [found[i] for i in n.inputs]
            if isinstance(n.layer, Concat):
                starts = np.cumsum([0, *map(len, read[:-1])])
                found[n.name] = np.concatenate([k + at for k, at in zip(read, starts, strict=True)])
            elif any(not np.array_equal(k, read[0]) for k in read):
                raise ArgumentError(
                    f"from_arrays: {n.name} must add features in one order, and in Keras those of "
                    f"{' and '.join(n.inputs)} differ; flatten behind it"
                )
            else:
                found[n.name] = read[0]
    return found
