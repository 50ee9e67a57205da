"""The scores of weights by every criterion, slowly: from dense H, loops over samples, brute force.

`single(name, ...)` gives dicts as mp.score does; for units see slow_units.py. What it stands on is
tested elsewhere: dense matrices, gradients of single samples, ties.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from curving import Fn, each_alone, flat, gradient, losses, unflat, with_params

import minprune as mp
from minprune.core import Array, Arrays, Split, stream
from minprune.curvature import diagonal, hessian
from minprune.nets.model import Model


def weights_of(model: Model) -> Arrays:
    return {n: model.params[n] for n in model.net.weights}


def batches(data: Split, size: int) -> list[Split]:
    return [(data[0][i : i + size], data[1][i : i + size]) for i in range(0, len(data[0]), size)]


def times_hessian(model: Model, data: Split, v: Arrays) -> Arrays:
    """H v over the weights, by the dense matrix"""
    names = list(model.net.weights)
    return unflat(hessian(model, data) @ flat(v, names), model, names)


def flow(model: Model, weights: Arrays) -> float:
    """R of synflow: the sum of the outputs for ones, all weights positive, nothing curved"""
    nodes = tuple(
        n._replace(layer=mp.Dropout(0.0)) if hasattr(n.layer, "kind") else n
        for n in model.net.nodes
    )
    params = {n: np.zeros_like(w) for n, w in model.params.items()}
    params |= {n: np.abs(w) for n, w in model.params.items() if n.endswith(".weight")} | weights
    buffers = {n: b if n.endswith("_var") else np.zeros_like(b) for n, b in model.buffers.items()}
    net = replace(model.net, nodes=nodes)
    return float(Model(net, params, buffers)(np.ones((1, *net.input_shape))).sum())


def brute(of: Fn, w: Array) -> Array:
    """of(w without entry k) for each k"""
    found = np.zeros(w.shape)
    for k in np.ndindex(w.shape):
        held, w[k] = w[k], 0
        found[k] = of(w)
        w[k] = held
    return found


def synflow(model: Model, data: Any) -> Arrays:
    """R - R(without the weight), since R is linear in each"""
    whole = flow(model, {})
    return {n: whole - brute(lambda v, n=n: flow(model, {n: v}), np.abs(w))
            for n, w in weights_of(model).items()}  # fmt: skip


def oracle(model: Model, data: Split, square: bool = False) -> Arrays:
    before = losses(model, data).mean()
    return {
        n: (brute(lambda v, n=n: losses(with_params(model, {n: v}), data).mean(), w.copy())
            - before) ** (2 if square else 1)
        for n, w in weights_of(model).items()
    }  # fmt: skip


def taylor(model: Model, data: Split, order: int = 1, hessian: str = "diag",
           batch_size: int = 64) -> Arrays:  # fmt: skip
    w = weights_of(model)
    if order == 1:
        total = {n: np.zeros(a.shape) for n, a in w.items()}
        for part in batches(data, batch_size):
            g = gradient(model, part)
            for n in w:
                total[n] += np.square(g[n] * w[n]) * len(part[0]) / len(data[0])
        return total
    g = gradient(model, data)
    h = times_hessian(model, data, w) if hessian == "row" else diag(model, data)
    return {n: np.square(g[n] * a - a * h[n] * (1 if hessian == "row" else a) / 2)
            for n, a in w.items()}  # fmt: skip


def diag(model: Model, data: Split, params: str = "weights") -> Arrays:
    names = list(model.net.params if params == "all" else model.net.weights)
    return unflat(np.diag(hessian(model, data, params=params)).copy(), model, names)


def obd(model: Model, data: Split, diagonal: str = "exact", clip: bool = False,
        **how: Any) -> Arrays:  # fmt: skip
    h = of_kind(model, data, diagonal, "weights", **how)
    return {n: (np.maximum(h[n], 0) if clip else h[n]) * w * w / 2
            for n, w in weights_of(model).items()}  # fmt: skip


def of_kind(model: Model, data: Split, kind: str, params: str, **how: Any) -> Arrays:
    if kind == "hutchinson":
        how["seed"] = stream(0, "criterion")
    return diag(model, data, params) if kind == "exact" else diagonal(
        model, data, kind, params=params, **how)  # fmt: skip


def snip(model: Model, data: Split) -> Arrays:
    return shares({n: g * model.params[n] for n, g in gradient(model, data).items()
                   if n in model.net.weights})  # fmt: skip


def shares(s: Arrays) -> Arrays:
    total = sum(np.abs(a).sum() for a in s.values())
    return {n: np.abs(a) / total for n, a in s.items()}


def drawn(model: Model, shapes: dict[str, Any]) -> Arrays:
    rng = stream(0, "criterion")
    return {n: rng.random(shape) for n, shape in shapes.items()}


SINGLE: dict[str, Fn] = {
    "random": lambda m, d: drawn(m, {n: m.params[n].shape for n in m.net.weights}),
    "magnitude": lambda m, d: {n: np.abs(w) for n, w in weights_of(m).items()},
    "norm": lambda m, d, p=2: {
        n: np.abs(w) if p else 1.0 * (w != 0) for n, w in weights_of(m).items()},
    "synflow": synflow,
    "taylor": taylor,
    "fisher": lambda m, d: {
        n: np.square(g * m.params[n]).mean(axis=0) / 2
        for n, g in each_alone(m, d, list(m.net.weights)).items()},
    "snip": snip,
    "grasp": lambda m, d: {
        n: hg * m.params[n] for n, hg in times_hessian(
            m, d, {n: g for n, g in gradient(m, d).items() if n in m.net.weights}).items()},
    "obd": obd,
    "oracle": oracle,
}  # fmt: skip


def single(name: str, model: Model, data: Split, **options: Any) -> Arrays:
    return dict(SINGLE[name](model, data, **options))
