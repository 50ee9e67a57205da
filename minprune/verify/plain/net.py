"""f(x) = W_L act(... act(W_1 x + b_1)) + b_L in plain NumPy: an independent oracle.

Gradients are analytic and run on complex arrays too, so that a derivative of a gradient is one
complex step, exact to rounding: H v = Im g(w + i h v) / h (Squire & Trapp 1998). ReLU goes by the
real part. Each hidden unit has a gate c = 1, a parameter like the others ("fc1.gate").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minprune.core import Array, Arrays

STEP = 1e-30  # of the complex step: nothing is subtracted, so it may be tiny


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def _on(z: Array) -> Array:
    return np.asarray(z.real > 0).astype(np.float64)


# act(z) and its first and second derivative
ACTS: dict[str, tuple[Callable[[Array], Array], ...]] = {
    "linear": (lambda z: z, np.ones_like, np.zeros_like),
    "relu": (lambda z: z * _on(z), _on, np.zeros_like),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2,
             lambda z: -2 * np.tanh(z) * (1 - np.tanh(z) ** 2)),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z)),
                lambda z: _sigmoid(z) * (1 - _sigmoid(z)) * (1 - 2 * _sigmoid(z))),
}  # fmt: skip


def softmax(f: Array) -> Array:
    """q = exp(f) / sum exp(f), rows; f: (..., n, outputs), may be complex"""
    e = np.exp(f - f.real.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _gate(w: Arrays, k: int) -> Array:
    return w.get(f"fc{k}.gate", np.ones(1))[..., None, :]


@dataclass(frozen=True)
class Mlp:
    """A few dense layers, a few samples and a loss

    params: fc1.weight (o, i), fc1.bias (o,) or absent, fc2.weight, ...    x: (n, features)
    y: (n, outputs): targets of "mse" (mean over samples of the SUM over outputs of (f - y)^2), or
    one-hot classes of "cross_entropy" (softmax, mean over samples).    act: a key of ACTS
    """

    act: str
    loss_kind: str
    params: Arrays
    x: Array
    y: Array

    @property
    def depth(self) -> int:
        return len(self.weights)

    @property
    def weights(self) -> list[str]:
        return [name for name in self.params if name.endswith("weight")]

    def rows(self, which: Sequence[int] | slice) -> Mlp:
        """The same net on some of its samples."""
        return replace(self, x=self.x[which], y=self.y[which])

    def forward(self, changed: Arrays | None = None) -> tuple[list[Array], list[Array], Array]:
        """(what enters each layer, what each makes before its activation, outputs)"""
        w = self.params | (changed or {})
        a, entered, made = self.x, [], []
        for k in range(1, self.depth + 1):
            entered.append(a)
            z = a @ np.swapaxes(w[f"fc{k}.weight"], -1, -2)
            made.append(z + w[f"fc{k}.bias"][..., None, :] if f"fc{k}.bias" in w else z)
            a = ACTS[self.act][0](made[-1]) * _gate(w, k)
        return entered, made, made[-1]

    def losses(self, changed: Arrays | None = None) -> Array:
        """l_p, the loss of each sample; of several nets at once as in per_sample"""
        f = self.forward(changed)[2]
        if self.loss_kind == "mse":
            return np.asarray(((f - self.y) ** 2).sum(axis=-1))
        top = f.max(axis=-1)
        total = np.log(np.exp(f - top[..., None]).sum(axis=-1))
        return np.asarray(top + total - (f * self.y).sum(axis=-1))

    def loss(self, changed: Arrays | None = None) -> float:
        return float(self.losses(changed).mean())

    def per_sample(self, changed: Arrays | None = None) -> Arrays:
        """{name: (n, *shape)}: dl_p/d of each parameter, of each "fc1.gate" and each "fc1.act"

        Changed parameters may have an axis in front, several nets at once; then so has each result.
        """
        w = self.params | (changed or {})
        entered, made, f = self.forward(changed)
        delta = 2 * (f - self.y) if self.loss_kind == "mse" else softmax(f) - self.y
        found: Arrays = {}
        for k in range(self.depth, 0, -1):
            found[f"fc{k}.weight"] = delta[..., :, None] * entered[k - 1][..., None, :]
            found[f"fc{k}.bias"] = delta
            if k > 1:
                back, z = delta @ w[f"fc{k}.weight"], made[k - 2]
                found[f"fc{k - 1}.act"] = back  # in what the unit sends on, its gate 1
                found[f"fc{k - 1}.gate"] = back * ACTS[self.act][0](z)
                delta = back * _gate(w, k - 1) * ACTS[self.act][1](z)
        return found


@dataclass(frozen=True)
class Quadratic:
    """L(w) = 1/2 (w - v)^T H (w - v)      params["w"], v: (k,); H: (k, k)"""

    params: Arrays
    v: Array
    H: Array

    @property
    def weights(self) -> list[str]:
        return ["w"]

    def losses(self, changed: Arrays | None = None) -> Array:
        d = (self.params | (changed or {}))["w"] - self.v
        return np.asarray(((d @ self.H) * d).sum(axis=-1) / 2)[..., None]

    def loss(self, changed: Arrays | None = None) -> float:
        return float(self.losses(changed).mean())

    def per_sample(self, changed: Arrays | None = None) -> Arrays:
        d = (self.params | (changed or {}))["w"] - self.v
        return {"w": (d @ self.H)[..., None, :]}

    def rows(self, which: Any) -> Quadratic:
        return self


@dataclass(frozen=True)
class Maps:
    """What the units of one layer put out at several positions, no net behind it

    a, g: activations and dl_p/da, (n, units, positions)    y: (n, classes), one-hot
    params: fc1.weight (units, 1), which only counts, and fc2.weight (o, units), which reads them
    """

    params: Arrays
    a: Array
    g: Array
    y: Array

    @property
    def weights(self) -> list[str]:
        return list(self.params)

    @property
    def x(self) -> Array:
        return self.a

    def rows(self, which: Sequence[int]) -> Maps:
        return replace(self, a=self.a[which], g=self.g[which], y=self.y[which])

    def per_sample(self, changed: Arrays | None = None) -> Arrays:
        """dl_p/dc: a gate is one factor on all positions"""
        return {"fc1.gate": (self.a * self.g).sum(axis=2)}


Problem = Mlp | Quadratic
Units = Mlp | Maps


def at(p: Problem, name: str) -> Array:
    """The parameter, or ones for a gate."""
    if name.endswith("gate"):
        return np.ones(len(p.params[name.replace("gate", "weight")]))
    return p.params[name]


def gradient(p: Problem, names: Sequence[str], changed: Arrays | None = None) -> Arrays:
    """g = mean over samples of g_p, of the named parameters"""
    each = p.per_sample(changed)
    return {name: each[name].mean(axis=-1 - at(p, name).ndim) for name in names}


def times(p: Problem, v: Arrays) -> Arrays:
    """H v over the parameters that v names: Im g(w + i h v) / h"""
    step = {name: at(p, name) + 1j * STEP * d for name, d in v.items()}
    return {name: g.imag / STEP for name, g in gradient(p, list(v), step).items()}


def flat(arrays: Arrays) -> Array:
    return np.concatenate([np.zeros(0), *(np.ravel(a) for a in arrays.values())])


def shaped(vector: Array, like: Arrays) -> Arrays:
    """The inverse of flat."""
    ends = np.cumsum([0, *(a.size for a in like.values())])
    return {
        name: vector[ends[k] : ends[k + 1]].reshape(a.shape)
        for k, (name, a) in enumerate(like.items())
    }


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
        q = softmax(row[None])[0]
        B = 2 * np.eye(len(row)) if p.loss_kind == "mse" else np.diag(q) - np.outer(q, q)
        found += j.T @ B @ j / len(p.x)
    return found
