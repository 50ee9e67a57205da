"""Hypothesis generators of plain nets and quadratic losses, and what may be done to a net."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify.plain.inverse import Removal
from minprune.verify.plain.net import ACTS, Maps, Mlp, Quadratic

LOSSES = ("mse", "cross_entropy")
FILLS = ("random", "zero", "equal")


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
        return np.array(draw(st.lists(kind, min_size=k, max_size=k)))

    w = numbers(n, positive if one_way else small)
    d = np.diag(numbers(n, positive))
    half = numbers(n * n, positive if one_way else small).reshape(n, n)
    H = 2 * d if diagonal else half.T @ half + d
    v = w + numbers(n, positive) if one_way else numbers(n, small)
    return Quadratic({"w": w}, w.copy() if minimum else v, H)


@st.composite
def removals(draw: Any, diagonal: bool = False, least: int = 1) -> Removal:
    """Minima of quadratic losses of whole numbers, and one to all of their places."""
    p: Quadratic = draw(quadratics(minimum=True, diagonal=diagonal))
    n = len(p.v)
    q = draw(st.permutations(range(n)))[: draw(st.integers(min(least, n), n))]
    return Removal(p.H, p.params["w"], np.array(q))


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
