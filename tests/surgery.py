"""Random quadratics for Optimal Brain Surgeon, solved densely: 1/2 d^T H d, w at its minimum.

And small nets for it: one whose loss is such a quadratic, and one whose is not.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Split
from minprune.nets.activation_layers import Tanh
from minprune.nets.dense import Dense
from minprune.nets.initialise import initialise
from minprune.nets.model import Model
from minprune.nets.net import build

EPS = float(np.finfo(np.float64).eps)


class Quadratic(NamedTuple):
    """H positive definite (n, n), its inverse, w (n,), and a set Q of places."""

    h: Array
    inverse: Array
    w: Array
    q: Array

    @property
    def near(self) -> float:
        """A solve by Cholesky is off by 8 n^2 u cond(H) of its result (Higham 2002, theorem 10.4)

        Twice: ours and the one that it is compared with, and both once more for the inverse.
        """
        return 16 * len(self.h) ** 2 * EPS * float(np.linalg.cond(self.h))


def quadratic(seed: int, n: int, coupled: bool = True) -> Quadratic:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + 2, n))
    h = x.T @ x / (n + 2) + 0.05 * np.eye(n)
    if not coupled:
        h = np.diag(h.diagonal())
    w = rng.standard_normal(n) * rng.choice([0.0, 1.0, 1.0], n)
    q = rng.permutation(n)[: rng.integers(1, n + 1)]
    inverse = np.linalg.inv(h)
    return Quadratic(h, (inverse + inverse.T) / 2, w, q)


seeds = st.integers(0, 2**16)
quadratics = st.builds(quadratic, seeds, st.integers(1, 6), st.booleans())
TRIES = [quadratic(seed, n) for seed in range(5) for n in (2, 3, 5)]


def rise(h: Array, d: Array) -> float:
    """1/2 d^T H d"""
    return 0.5 * float(d @ h @ d)


def best(h: Array, w: Array, q: Array) -> Array:
    """The w + d of least 1/2 d^T H d with zeros at q: the saddle point, solved densely."""
    n, k = len(h), len(q)
    pick = np.eye(n)[q]
    saddle = np.block([[h, pick.T], [pick, np.zeros((k, k))]])
    return w + np.linalg.solve(saddle, np.concatenate([np.zeros(n), -w[q]]))[:n]


def reduced(h: Array, q: Array) -> Array:
    """The inverse of H without q, zeros there."""
    left = np.setdiff1d(np.arange(len(h)), q)
    inverse = np.zeros_like(h)
    inverse[np.ix_(left, left)] = np.linalg.inv(h[np.ix_(left, left)])
    return inverse


def row_rise(h: Array, change: Array) -> float:
    """The sum of 1/2 d^T H d over the rows of a change of W, one H for all."""
    return 0.5 * float(np.einsum("ri,ij,rj", change, h, change))


def linear(seed: int, samples: int = 12) -> tuple[Model, Split]:
    """One linear layer at its least squares, mse: the loss is a quadratic, H known and PD."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, 4)) @ (np.eye(4) + 0.4 * rng.standard_normal((4, 4)))
    y = rng.standard_normal((samples, 2))
    tall = np.column_stack([x, np.ones(samples)])
    fitted = np.linalg.lstsq(tall, y)[0].T
    model = initialise(build((4,), [("fc", Dense(4, 2))], "mse"), dtype=np.float64)
    params = {"fc.weight": fitted[:, :4].copy(), "fc.bias": fitted[:, 4].copy()}
    return replace(model, params=params), (x, y)


def deep(seed: int = 0, dtype: Any = np.float64) -> tuple[Model, Split]:
    rng = np.random.default_rng(seed)
    layers = [("fc1", Dense(5, 6)), ("act", Tanh()), ("fc2", Dense(6, 4)), ("fc3", Dense(4, 3))]
    model = initialise(build((5,), layers), seed=seed, dtype=dtype)
    x = rng.standard_normal((40, 5))
    return model, (x.astype(dtype), rng.integers(0, 3, 40))
