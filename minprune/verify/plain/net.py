"""f(x) = W_L act(... act(W_1 x + b_1)) + b_L in plain NumPy, and other losses: independent oracles.

Gradients are analytic and run on complex arrays too, so that a derivative of a gradient is one
complex step, exact to rounding: H v = Im g(w + i h v) / h (Squire & Trapp 1998). ReLU goes by the
real part. Each hidden unit has a gate c = 1, a parameter like the others ("fc1.gate").

Longer than most files: beside each kind of problem stands how hypothesis draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify.strategies import listed

LOSSES = ("mse", "cross_entropy")
FILLS = ("random", "zero", "equal")
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


def flat(arrays: Arrays) -> Array:
    return np.concatenate([np.zeros(0), *(np.ravel(a) for a in arrays.values())])


def shaped(vector: Array, like: Arrays) -> Arrays:
    """The inverse of flat."""
    ends = np.cumsum([0, *(a.size for a in like.values())])
    return {
        name: vector[ends[k] : ends[k + 1]].reshape(a.shape)
        for k, (name, a) in enumerate(like.items())
    }


def plain_net(
    sizes: tuple[int, ...], seed: int = 0, *, act: str = "tanh", loss_kind: str = "mse",
    bias: bool = True, samples: int = 3, fill: str = "random",
) -> Mlp:  # fmt: skip
    """A net of dense layers, sizes[0] inputs to sizes[-1] outputs, of numbers with 3 decimals."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> Array:
        drawn = np.round(rng.standard_normal(shape), 3)
        return {"random": drawn, "zero": 0 * drawn, "equal": np.full(shape, 0.5)}[fill]

    params: Arrays = {}
    for k, (i, o) in enumerate(pairwise(sizes), 1):
        params[f"fc{k}.weight"] = numbers(o, i)
        if bias:
            params[f"fc{k}.bias"] = numbers(o)
    x = np.round(rng.standard_normal((samples, sizes[0])), 3)
    if loss_kind == "mse":
        y = np.round(rng.standard_normal((samples, sizes[-1])), 3)
    else:
        y = np.eye(sizes[-1])[rng.integers(sizes[-1], size=samples)]
    return Mlp(act, loss_kind, params, x, y)


def ordinary() -> Mlp:
    """Three layers of tanh, no unit dead, every class among its samples: any code has an answer."""
    return plain_net((3, 4, 3, 3), samples=9)


@st.composite
def mlps(
    draw: Any, acts: tuple[str, ...] = tuple(ACTS), losses: tuple[str, ...] = LOSSES,
    hidden: tuple[int, int] = (1, 3), inputs: tuple[int, int] = (1, 3),
    samples: tuple[int, int] = (1, 4), fills: tuple[str, ...] = ("random",),
    layers: tuple[int, int] = (2, 3),
) -> Mlp:  # fmt: skip
    """Nets of two or three layers; hidden, inputs, samples, layers: smallest and largest"""
    depth = draw(st.integers(*layers))
    sizes = [draw(st.integers(*inputs)), *(draw(st.integers(*hidden)) for _ in range(depth - 1))]
    return plain_net(
        (*sizes, draw(st.integers(2, 3))),
        draw(st.integers(0, 999)),
        act=draw(st.sampled_from(acts)),
        loss_kind=draw(st.sampled_from(losses)),
        bias=draw(st.booleans()),
        samples=draw(st.integers(*samples)),
        fill=draw(st.sampled_from(fills)),
    )


@st.composite
def maps(draw: Any) -> Maps:
    """One to three units, of several positions and of small whole numbers over 2, zeros too."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    n, units, x = draw(st.integers(1, 8)), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    a, g = rng.integers(-3, 4, (2, n, units, x)) / 2
    params = {"fc1.weight": np.ones((units, 1)), "fc2.weight": rng.integers(-3, 4, (2, units)) / 2}
    return Maps(params, a, g, np.eye(2)[rng.integers(2, size=n)])


small = st.integers(-3, 3).map(float)
positive = st.integers(1, 3).map(float)


@st.composite
def quadratics(
    draw: Any, minimum: bool = False, diagonal: bool = False, one_way: bool = False
) -> Quadratic:
    """Quadratic losses of small whole numbers, H positive definite, so that all sums are exact.

    minimum: w = v.    diagonal: H too.    one_way: all entries of H and w positive, all of g not,
    so that each share of the change has one sign.
    """
    n = draw(st.integers(1, 3))

    def numbers(k: int, kind: Any) -> Array:
        return np.array(draw(listed(kind, k)))

    w = numbers(n, positive if one_way else small)
    d = np.diag(numbers(n, positive))
    half = numbers(n * n, positive if one_way else small).reshape(n, n)
    H = 2 * d if diagonal else half.T @ half + d
    v = w + numbers(n, positive) if one_way else numbers(n, small)
    return Quadratic({"w": w}, w.copy() if minimum else v, H)


def relabel(p: Mlp, arrays: Arrays) -> Arrays:
    """The arrays with the hidden units reversed: rows of one layer, columns of the next.

    Scores of units, (units,), go with their rows.
    """
    found = dict(arrays)
    for name, after in pairwise(p.weights):
        for part in (name, name.replace("weight", "bias")):
            if part in found:
                found[part] = found[part][::-1]
        if after in found and found[after].ndim == 2:
            found[after] = found[after][:, ::-1]
    return {name: a.copy() for name, a in found.items()}


def rescale(p: Mlp) -> Mlp:
    """W1 *= a, b1 *= a, W2 /= a for each hidden unit: the same function, if all is ReLU."""
    params = dict(p.params)
    for k, name in enumerate(p.weights[:-1]):
        a = np.resize([2.0, 0.25, 4.0, 0.5], len(params[name]))
        bias, after = name.replace("weight", "bias"), p.weights[k + 1]
        params[name] = params[name] * a[:, None]
        params[after] = params[after] / a
        if bias in params:
            params[bias] = params[bias] * a
    return replace(p, params=params)


def with_twins(p: Mlp) -> Mlp:
    """The first two units of each hidden layer alike: in, bias and out."""
    params = {name: w.copy() for name, w in p.params.items()}
    for name in p.params:
        if not name.startswith(f"fc{p.depth}."):
            params[name][1] = params[name][0]
    for name in p.weights[1:]:
        params[name][:, 1] = params[name][:, 0]
    return replace(p, params=params)
