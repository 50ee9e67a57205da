"""Examples for the steps of Optimal Brain Surgeon: a minimum and places to remove, and inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array
from minprune.verify.plain import Quadratic
from minprune.verify.plain_nets import quadratics


@dataclass(frozen=True)
class Removal:
    """1/2 (v - w)^T H (v - w), w its minimum, and the places q that are to be 0"""

    H: Array
    w: Array
    q: Array

    @property
    def keep(self) -> Array:
        """(n,), True = stays"""
        return np.asarray(~np.isin(np.arange(len(self.w)), self.q))

    @property
    def inverse(self) -> Array:
        """H^-1, symmetric"""
        found = np.linalg.inv(self.H)
        return np.asarray(found + found.T) / 2

    def best(self) -> Array:
        """The least 1/2 d^T H d with (w + d)_q = 0: H_KK d_K = H_KQ w_Q"""
        new, keep = np.where(self.keep, self.w, 0.0), self.keep
        if keep.any():
            push = self.H[np.ix_(keep, ~keep)] @ self.w[~keep]
            new[keep] += np.linalg.solve(self.H[np.ix_(keep, keep)], push)
        return new

    def rise(self, new: Array) -> float:
        """The loss at new."""
        d = np.asarray(new, np.float64) - self.w
        return float(d @ self.H @ d) / 2


@dataclass(frozen=True)
class Inputs:
    """What a layer reads, in batches (m, n), and the damping."""

    batches: tuple[Array, ...]
    damp: float

    @property
    def damped(self) -> Array:
        """H + alpha I, H = (2/P) sum x x^T over all samples, alpha = damp mean(diag H)"""
        x = np.concatenate(self.batches)
        h = 2 * sum((np.outer(row, row) for row in x), np.zeros((x.shape[1],) * 2)) / len(x)
        return np.asarray(h + self.damp * np.trace(h) / len(h) * np.eye(len(h)))


@st.composite
def removals(draw: Any, diagonal: bool = False, least: int = 1) -> Removal:
    """Minima of quadratic losses of whole numbers, and one to all of their places."""
    p: Quadratic = draw(quadratics(minimum=True, diagonal=diagonal))
    n = len(p.v)
    q = draw(st.permutations(range(n)))[: draw(st.integers(min(least, n), n))]
    return Removal(p.H, p.params["w"], np.array(q))


@st.composite
def inputs(draw: Any) -> Inputs:
    """One to three batches of one to three samples; large or tiny numbers, H singular or not."""
    n, scale = draw(st.integers(1, 3)), 2.0 ** draw(st.sampled_from([0, -12, -24]))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    row = st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n)
    batches = [np.array(draw(st.lists(row, min_size=m, max_size=m))) for m in sizes]
    batches[0][0] += not np.concatenate(batches).any()  # inputs of zeros have no scale
    return Inputs(tuple(scale * b for b in batches), 1e-4)
