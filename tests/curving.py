"""Derivatives the slow way: a gradient for each sample and output, losses in plain NumPy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import settings
from randomnets import batch, filled, models

import minprune as mp
from minprune.autograd import Tensor, grad
from minprune.core import Array, Arrays, Split
from minprune.nets.activation_layers import LAYERS
from minprune.nets.model import Model, batch_last, run
from minprune.nets.net import Net

EPS = float(np.finfo(np.float64).eps)
KINKS = ("ReLU", "LeakyReLU", "MaxPool", "ELU", "ReLU6", "Hardswish")  # of f or f'
CURVES = tuple(name for name, layer in LAYERS.items() if not layer().row.linear)
smooth = models(without=KINKS)  # where a central difference cannot step over a kink
straight = models(without=CURVES)
half = settings(max_examples=max(10, settings.default.max_examples // 2))
Fn = Callable[..., Any]


def near(got: Mapping[Any, Any], want: Mapping[Any, Any], eps: float = EPS) -> bool:
    """Equal names, shapes, and values to 2^14 roundings of the largest: sums here have below 2^12
    terms of at most that size, each through some products."""
    if list(got) != list(want) or any(np.shape(got[n]) != np.shape(want[n]) for n in want):
        return False
    size = 1 + max((np.abs(a).max(initial=0) for a in want.values()), default=0)
    bound = 2**14 * eps * size
    return all(bool((np.abs(got[n] - want[n]) <= bound).all()) for n in want)


def same(got: Any, want: Any, eps: float = EPS) -> bool:
    """`near` of two arrays"""
    return near({0: np.asarray(got)}, {0: np.asarray(want)}, eps)


def with_params(model: Model, changed: Arrays) -> Model:
    return Model(model.net, model.params | changed, model.buffers)


def losses(model: Model, data: Split) -> Array:
    """l_p of each sample"""
    x, y = data
    out = model(x)
    if model.net.loss == "mse":
        return np.asarray(np.square(out - y).sum(axis=1))
    if model.net.loss == "binary_cross_entropy":
        p = np.where(y == 1, sigmoid(out), 1 - sigmoid(out))
        return np.asarray(-np.log(p).sum(axis=1))
    top = out.max(axis=1)
    logs = top + np.log(np.exp(out - top[:, None]).sum(axis=1))
    return np.asarray(logs - out[np.arange(len(y)), y])


def outputs_grad(model: Model, x: Array, seed: Callable[[Array], Array]) -> Arrays:
    """d sum(seed(f) * f)/dw, seed(f) held constant; all parameters, f: (outputs, n)"""
    leaves = {name: Tensor(w) for name, w in model.params.items()}
    out = run(model.net, model.params | model.buffers | leaves, batch_last(x, model.dtype))
    return dict(zip(leaves, grad(out, list(leaves.values()), seed(out.value)), strict=True))


def sigmoid(f: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-f)))


def softmax(f: Array) -> Array:
    e = np.exp(f - f.max(axis=0))
    return np.asarray(e / e.sum(axis=0))


def slope(net: Net, y: Array) -> Callable[[Array], Array]:
    """dl_p/df by hand: 2 (f - y), sigmoid(f) - y, or q - e_y"""

    def of(f: Array) -> Array:
        if net.loss == "mse":
            return np.asarray(2 * (f - y.T))
        if net.loss == "binary_cross_entropy":
            return np.asarray(sigmoid(f) - y.T)
        return np.asarray(softmax(f) - np.eye(len(f))[:, y])

    return of


def gradient(model: Model, data: Split) -> Arrays:
    """g = dL/dw of all parameters"""
    x, y = data
    found = outputs_grad(model, x, slope(model.net, y))
    return {name: g / len(x) for name, g in found.items()}


def each_alone(model: Model, data: Split, names: Sequence[str]) -> Arrays:
    """g_p, {name: (samples, *shape)}: one sample at a time"""
    x, y = data
    rows = [gradient(model, (x[p : p + 1], y[p : p + 1])) for p in range(len(x))]
    return {name: np.array([row[name] for row in rows]) for name in names}


def slow_rows(model: Model, x: Array, names: Sequence[str]) -> Array:
    """x_po, one row for each output (class) and sample

    sqrt(2) J_po, sqrt(p (1 - p)) J_po, or sqrt(q_k) J^T (e_k - q)
    """
    k, rows = model(x[:1]).shape[1], []
    for o in range(k):
        for p in range(len(x)):
            e = np.eye(k)[:, o : o + 1]
            f, apart = model(x[p : p + 1]).T, model.net.loss != "cross_entropy"
            roots = {
                "mse": 2.0, "cross_entropy": softmax(f)[o, 0],
                "binary_cross_entropy": (sigmoid(f) * (1 - sigmoid(f)))[o, 0],
            }  # fmt: skip
            root = np.sqrt(roots[model.net.loss])
            seed = (lambda f, e=e: e) if apart else (lambda f, e=e: e - softmax(f))
            g = outputs_grad(model, x[p : p + 1], seed)
            rows.append(root * flat(g, names))
    return np.array(rows)


def flat(arrays: Mapping[str, Array], names: Sequence[str]) -> Array:
    return np.concatenate([arrays[n].ravel() for n in names])


def unflat(vector: Array, model: Model, names: Sequence[str]) -> Arrays:
    sizes = np.cumsum([0, *(model.params[n].size for n in names)])
    parts = {n: vector[a:b] for n, a, b in zip(names, sizes[:-1], sizes[1:], strict=True)}
    return {n: v.reshape(model.params[n].shape) for n, v in parts.items()}


def net_of(shape: tuple[int, ...], *layers: Any, loss: Any = "cross_entropy") -> Net:
    """A chain of layers, named l1, l2, ..."""
    return mp.build(shape, [(f"l{k}", layer) for k, layer in enumerate(layers, 1)], loss)


def made(*args: Any, seed: int = 0, n: int = 5, **how: Any) -> tuple[Model, Split]:
    """A filled chain and a batch"""
    model = filled(net_of(*args, **how), seed)
    return model, batch(model, n, seed)


TANH = made((3,), mp.Dense(3, 4), mp.Tanh(), mp.Dense(4, 3), mp.Sigmoid(), mp.Dense(3, 2))
SQUARED = made((3,), mp.Dense(3, 4), mp.Tanh(), mp.Dense(4, 2), loss="mse")
YES_NO = made((3,), mp.Dense(3, 4), mp.Tanh(), mp.Dense(4, 2), loss="binary_cross_entropy")
IMAGES = made((1, 4, 4), mp.Conv2d(1, 2, 3), mp.BatchNorm(2), mp.ReLU(), mp.Flatten(),
              mp.Dense(8, 3))  # fmt: skip


def scaled(fn: Fn, factor: Fn) -> Fn:
    """The result times factor(data)."""

    def wrong(model: Model, data: Split, *args: Any, **how: Any) -> Any:
        found = fn(model, data, *args, **how)
        if isinstance(found, dict):
            return {n: a * factor(data) for n, a in found.items()}
        return found * factor(data)

    return wrong


def samples(data: Split) -> int:
    return len(data[0])
