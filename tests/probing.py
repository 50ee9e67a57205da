"""Criteria on gradients, and a net whose gradients are known by hand, for the tests of mp.score."""

from collections.abc import Callable
from typing import Any

import numpy as np

import minprune as mp
from minprune.core import Array, Arrays, Criterion, Evidence, criterion

GRADS = ("weights", "grads")


def on_grads(chunk: Any, score: Callable[[Array, Array], Array]) -> Criterion:
    @criterion(needs=GRADS, chunk=chunk)
    def own(ev: Evidence) -> Arrays:
        return {n: score(g, ev.of("weights")[n]) for n, g in ev.of("grads").items()}

    return own


def product(g: Array, w: Array) -> Array:
    return np.abs(g * w)


def square(g: Array, w: Array) -> Array:
    return np.square(g * w)


def identity(g: Array, w: Array) -> Array:
    return g


def line(dtype: Any = np.float64) -> mp.Model:
    """f = 2 a - b, loss (f - y)^2: dL/dw = 2 (f - y) x"""
    net = mp.build((2,), [("fc1", mp.Dense(2, 1, bias=False))], "mse")
    return mp.Model(net, {"fc1.weight": np.array([[2.0, -1.0]], dtype)})


# f = 1, 2, 0; f - y = 1, 0, -2; per-sample gradients (2, 2), (0, 0), (-4, -8)
X = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 2.0]])
Y = np.array([[0.0], [2.0], [2.0]])
