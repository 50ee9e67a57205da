"""Dense Hessians of plain problems, their inverses, and removal with all other weights adjusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify.plain import net
from minprune.verify.plain.net import STEP, Mlp, Problem, Quadratic, at, gradient, shaped

DAMP = 1e-4  # alpha = DAMP * mean(diag H): large, so that rounding leaves half the digits


def times(p: Problem, v: Arrays) -> Arrays:
    """H v over the parameters that v names: Im g(w + i h v) / h"""
    step = {name: at(p, name) + 1j * STEP * d for name, d in v.items()}
    return {name: g.imag / STEP for name, g in gradient(p, list(v), step).items()}


def hessian(p: Problem, names: Sequence[str]) -> Array:
    """H = d2L/dw2 over the named parameters, dense: one complex step for each row, all at once"""
    like = {name: at(p, name) for name in names}
    total = sum(a.size for a in like.values())
    g = gradient(p, names, steps(like))
    rows = [g[name].imag.reshape(total, like[name].size) / STEP for name in names]
    return np.concatenate([np.zeros((total, 0)), *rows], axis=1)


def steps(like: Arrays) -> Arrays:
    """w + i h e_k for each entry k of all arrays, k in front"""
    total = sum(a.size for a in like.values())
    eyes = np.split(np.eye(total), np.cumsum([a.size for a in like.values()]), axis=1)
    return {
        name: a + 1j * STEP * eye.reshape(total, *a.shape)
        for (name, a), eye in zip(like.items(), eyes, strict=False)
    }


def gauss_newton(p: Mlp, names: Sequence[str]) -> Array:
    """GGN = mean over samples of J_p^T B_p J_p, B_p the Hessian of the loss in the outputs"""
    like = {name: at(p, name) for name in names}
    total = sum(a.size for a in like.values())
    J = p.forward(steps(like))[2].imag.transpose(1, 2, 0) / STEP  # (n, outputs, parameters)
    f = p.forward()[2]
    found = np.zeros((total, total))
    for j, row in zip(J, f, strict=True):
        q = net.softmax(row[None])[0]
        B = 2 * np.eye(len(row)) if p.loss_kind == "mse" else np.diag(q) - np.outer(q, q)
        found += j.T @ B @ j / len(p.x)
    return found


def damped(h: Array, damp: float = DAMP) -> Array:
    """H + alpha I, alpha = damp mean(diag H); of H = 0: damp I"""
    mean = float(np.trace(h)) / max(len(h), 1)
    return np.asarray(h + damp * (mean or 1.0) * np.eye(len(h)))


def dense_inverse(p: Problem, names: Sequence[str]) -> Array:
    """inv(alpha I + GGN) over the named parameters; of a quadratic loss inv(H)"""
    if isinstance(p, Quadratic):
        return np.asarray(np.linalg.inv(p.H))
    inverse = np.linalg.inv(damped(gauss_newton(p, names)))
    return np.asarray(inverse + inverse.T) / 2


def inverse_diag(p: Problem, names: Sequence[str]) -> Arrays:
    """[H^-1]_qq"""
    like = {name: at(p, name) for name in names}
    return shaped(np.diagonal(dense_inverse(p, names)).copy(), like)


def inverse_block(p: Mlp) -> Arrays:
    """[H^-1]_SS of each hidden unit, S its incoming weights and bias, H over all parameters"""
    names = list(p.params)
    inverse, found = dense_inverse(p, names), {}
    size = sum(p.params[name].size for name in names)
    places = shaped(np.arange(size), p.params)
    for name in p.weights[:-1]:
        rows, bias = places[name], name.replace("weight", "bias")
        if bias in places:
            rows = np.concatenate([rows, places[bias][:, None]], axis=1)
        found[name] = np.zeros((*rows.shape, rows.shape[1]))
        for j, s in enumerate(rows):
            found[name][j] = inverse[np.ix_(s, s)]
    return found


def greedy_losses(w: Array, h: Array) -> tuple[list[int], list[float]]:
    """(order, losses): again and again the weight whose removal costs least, the others adjusted

    The others minimise 1/2 d^T H d, whose inverse is computed again at each step. Of equally cheap
    ones the one of higher index goes.
    """
    v, left, order, losses = w.astype(np.float64), list(range(len(w))), [], []
    while left:
        inverse = np.linalg.inv(h[np.ix_(left, left)])
        cost = [v[q] ** 2 / (2 * inverse[i, i]) for i, q in enumerate(left)]
        i = min(range(len(left)), key=lambda i: (cost[i], -i))
        v[left] -= v[left[i]] / inverse[i, i] * inverse[:, i]
        losses.append(float(cost[i]))
        order.append(left.pop(i))
        v[order[-1]] = 0.0
    return order, losses


def sweep_loss(p: Mlp, names: Sequence[str]) -> Arrays:
    """The loss of each weight's step in the sweep of its row, risen along the row's order

    H = (2/P) X X^T of the layer's inputs, damped; a loss that does not exceed the one before it is
    the next float above that.
    """
    entered, found = p.forward()[0], {}
    for k, name in enumerate(p.weights):
        h = damped(2 * entered[k].T @ entered[k] / len(p.x))
        found[name] = np.zeros(p.params[name].shape)
        for r, row in enumerate(p.params[name]):
            last = -np.inf
            for q, loss in zip(*greedy_losses(row, h), strict=True):
                last = loss if loss > last else float(np.nextafter(last, np.inf))
                found[name][r, q] = last
    return {name: found[name] for name in names}


def adjusted(H: Array, w: Array, keep: Array) -> Array:
    """argmin over d of 1/2 d^T H d with (w + d)[~keep] = 0: H_KK d_K = -H_KQ d_Q, d_Q = -w_Q

    H: (n, n), positive definite.
    """
    d = np.where(keep, 0.0, -w)
    if keep.any():
        d[keep] = np.linalg.solve(H[np.ix_(keep, keep)], -H[np.ix_(keep, ~keep)] @ d[~keep])
    return np.asarray(d)


def quadratic_rise(H: Array, w: Array, keep: Array) -> float:
    """min over d of 1/2 d^T H d with (w + d)[~keep] = 0"""
    d = adjusted(H, w, keep)
    return float(0.5 * d @ H @ d)


def best_subset(H: Array, w: Array, k: int) -> tuple[Array, float]:
    """(keep, rise): the k weights of w whose kept minimum of the quadratic rises least

    Every set is tried: for small problems. Greedy removal (OBS) is at best as good.
    H: (n, n), positive definite; w: (n,), its minimum.
    """
    every = [np.isin(np.arange(w.size), kept) for kept in combinations(range(w.size), k)]
    rises = [(quadratic_rise(H, w, keep), keep) for keep in every]
    rise, keep = min(rises, key=lambda pair: pair[0])
    return keep, rise


@dataclass(frozen=True)
class Removal:
    """1/2 (v - w)^T H (v - w), w its minimum, and the places q that are to be 0"""

    H: Array
    w: Array
    q: Array

    @property
    def loss(self) -> Quadratic:
        """The loss as a problem, at its minimum."""
        return Quadratic({"w": self.w}, self.w, self.H)

    @property
    def keep(self) -> Array:
        """(n,), True = stays"""
        return np.asarray(~np.isin(np.arange(len(self.w)), self.q))

    @property
    def inverse(self) -> Array:
        """H^-1, symmetric"""
        found = np.linalg.inv(self.H)
        return np.asarray(found + found.T) / 2

    @property
    def best(self) -> Array:
        """The minimum that is left without q."""
        return np.where(self.keep, self.w + adjusted(self.H, self.w, self.keep), 0.0)

    @property
    def zeroed(self) -> float:
        """The loss where q is 0 and no other weight moves."""
        return self.rise(np.where(self.keep, self.w, 0.0))

    def rise(self, new: Any) -> float:
        """The loss at new."""
        d = np.asarray(new, np.float64) - self.w
        return float(d @ self.H @ d) / 2


@st.composite
def removals(draw: Any, diagonal: bool = False, least: int = 1) -> Removal:
    """Minima of quadratic losses of whole numbers, and one to all of their places."""
    p: Quadratic = draw(net.quadratics(minimum=True, diagonal=diagonal))
    n = len(p.v)
    q = draw(st.permutations(range(n)))[: draw(st.integers(min(least, n), n))]
    return Removal(p.H, p.params["w"], np.array(q))
