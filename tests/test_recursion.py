"""Becker-LeCun: the recursion of dense chains, entry by entry; where it is exact, and not."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from curving import Fn, half, made, near, same, sigmoid, slope, softmax
from hypothesis import given
from hypothesis import strategies as st
from randomnets import batch, filled, models

import minprune as mp
from minprune.core import Arrays, Split
from minprune.curvature import becker_lecun, exact, gauss_newton
from minprune.nets.losses import LOSSES
from minprune.nets.model import Model

ENDS: dict[str, Any] = {"tanh": mp.Tanh, "sigmoid": mp.Sigmoid, "relu": mp.ReLU}
BENDS: dict[str, tuple[Fn, Fn, Fn]] = {
    "tanh": (np.tanh, lambda a: 1 - a * a, lambda a: -2 * a * (1 - a * a)),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a),
                lambda a: a * (1 - a) * (1 - 2 * a)),
    "relu": (lambda z: z * (z > 0), lambda a: 1.0 * (a > 0), lambda a: 0.0),
}  # fmt: skip


def recursion(model: Model, data: Split, acts: tuple[str, ...], power: int = 2,
              bent: bool = True, mean: bool = True) -> Arrays:  # fmt: skip
    """h_W = mean_p h_z x^2, h_x = (W^2)^T h_z of a dense chain, entry by entry."""
    x, total = data[0], {n: np.zeros(w.shape) for n, w in model.params.items()}
    names = list(model.net.weights)
    for n in range(len(x)):
        a = [x[n]]
        for k, name in enumerate(names):
            z = model.params[name] @ a[-1] + model.params[name.replace("weight", "bias")]
            a.append(BENDS[acts[k]][0](z) if k < len(acts) else z)
        q = softmax(a[-1])
        p = sigmoid(a[-1])
        h = {"mse": np.full(len(q), 2.0), "cross_entropy": q * (1 - q),
             "binary_cross_entropy": p * (1 - p)}[model.net.loss]  # fmt: skip
        g = slope(model.net, data[1][n : n + 1])(a[-1][:, None])[:, 0]
        for k, name in reversed(list(enumerate(names))):
            w = model.params[name]
            if k < len(acts):
                _, first, second = BENDS[acts[k]]
                h = first(a[k + 1]) ** 2 * h + (second(a[k + 1]) * g if bent else 0)
                g = first(a[k + 1]) * g
            for o, i in np.ndindex(w.shape):
                total[name][o, i] += h[o] * a[k][i] ** power
            total[name.replace("weight", "bias")] += h
            h, g = np.array([sum(w[o, i] ** power * h[o] for o in range(len(w)))
                             for i in range(w.shape[1])]), w.T @ g  # fmt: skip
    return {n: t / (len(x) if mean else 1) for n, t in total.items()}


def chain(acts: tuple[str, ...], loss: Any, seed: int = 0) -> tuple[Model, Split]:
    layers = [x for k, act in enumerate(acts) for x in (mp.Dense(3 + k, 4 + k), ENDS[act]())]
    return made((3,), *layers, mp.Dense(3 + len(acts), 2), loss=loss, seed=seed)


chains = st.builds(
    lambda acts, loss, seed: (tuple(acts), *chain(tuple(acts), loss, seed)),
    st.lists(st.sampled_from(sorted(ENDS)), max_size=3),
    st.sampled_from(sorted(LOSSES)), st.integers(0, 99),
)  # fmt: skip


@half
@given(case=chains)
def test_becker_lecun_is_the_recursion_of_dense_chains(case: Any) -> None:
    acts, model, data = case
    assert near(becker_lecun(model, data, params="all"), recursion(model, data, acts))
    dropped = becker_lecun(model, data, params="all", levenberg_marquardt=True)
    assert near(dropped, recursion(model, data, acts, bent=False))
    assert all((h >= 0).all() for h in dropped.values())


@pytest.mark.parametrize("how", [{"power": 1}, {"bent": False}, {"mean": False}], ids=str)
def test_the_law_of_the_recursion_rejects(how: Any) -> None:
    model, data = chain(("tanh", "sigmoid"), "cross_entropy")
    wrong = recursion(model, data, ("tanh", "sigmoid"), **how)
    assert not near(becker_lecun(model, data, params="all"), wrong)


@half
@given(model=models())
def test_becker_lecun_is_exact_for_the_output_layer(model: Model) -> None:
    """The last dense layer, a sigmoid behind it or none; its bias too."""
    data = batch(model, 3)
    last = model.net.weights[-1].removesuffix("weight")
    names = [n for n in model.net.params if n.startswith(last)]
    want, got = exact(model, data, params="all"), becker_lecun(model, data, params="all")
    assert near({n: got[n] for n in names}, {n: want[n] for n in names})


ONE_HIDDEN = {
    "chain": [("a", mp.Dense(3, 4)), ("t", mp.Tanh()), ("fc", mp.Dense(4, 2))],
    "sigmoid at the end": [("a", mp.Dense(3, 4)), ("t", mp.Sigmoid()), ("fc", mp.Dense(4, 2)),
                           ("s", mp.Sigmoid())],
    "skip": [("a", mp.Dense(3, 3)), ("t", mp.Tanh()), ("sum", mp.Add(), ("t", "input")),
             ("fc", mp.Dense(3, 2))],
    "joined": [("a", mp.Dense(3, 2)), ("t", mp.Tanh()), ("cat", mp.Concat(), ("input", "t")),
               ("fc", mp.Dense(5, 2))],
    "normalised": [("a", mp.Dense(3, 4)), ("n", mp.BatchNorm(4)), ("t", mp.Tanh()),
                   ("fc", mp.Dense(4, 2))],
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_HIDDEN)
def test_becker_lecun_is_exact_for_one_hidden_dense_layer_under_mse(name: str) -> None:
    model = filled(mp.build((3,), ONE_HIDDEN[name], "mse"), 3)  # type: ignore[arg-type]
    data = batch(model, 5)
    full = becker_lecun(model, data, params="all")
    assert near(full, exact(model, data, params="all"))
    dropped = becker_lecun(model, data, params="all", levenberg_marquardt=True)
    assert near(dropped, gauss_newton(model, data, params="all"))
    assert not near(dropped, full)


ELSEWHERE = {
    "one hidden layer under cross_entropy": chain(("tanh",), "cross_entropy"),
    "two hidden layers": chain(("tanh", "tanh"), "mse"),
    "two hidden layers, ReLU": chain(("relu", "relu"), "mse"),
    "a convolution": made((1, 4, 4), mp.Conv2d(1, 2, 3), mp.Tanh(), mp.Flatten(), mp.Dense(8, 2),
                          loss="mse"),
}  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE)
def test_becker_lecun_is_not_exact_elsewhere(name: str) -> None:
    model, data = ELSEWHERE[name]
    got, want = (fn(model, data)["l1.weight"] for fn in (becker_lecun, exact))
    assert np.abs(got - want).max() > 1e-3 * np.abs(want).max()


def test_becker_lecun_of_a_convolution_adds_up_its_connections() -> None:
    """The same net unrolled into a dense layer, one weight for each connection."""
    c, o, k, side = 2, 3, 2, 3
    model, data = made((c, side, side), mp.Conv2d(c, o, k, padding=1), mp.Tanh(), mp.Flatten(),
                       mp.Dense(o * 16, 2))  # fmt: skip
    w, wide = model.params["l1.weight"], np.zeros((o, 4, 4, c, side, side))
    owner = np.full((*wide.shape, 4), -1)
    for f, y, x, i, dy, dx in product(range(o), range(4), range(4), range(c), range(k), range(k)):
        if 0 <= y + dy - 1 < side and 0 <= x + dx - 1 < side:
            wide[f, y, x, i, y + dy - 1, x + dx - 1] = w[f, i, dy, dx]
            owner[f, y, x, i, y + dy - 1, x + dx - 1] = f, i, dy, dx
    flat_net = made((c * side**2,), mp.Dense(c * side**2, o * 16), mp.Tanh(), mp.Dense(o * 16, 2))
    dense = Model(flat_net[0].net, {
        "l1.weight": wide.reshape(o * 16, -1), "l1.bias": np.repeat(model.params["l1.bias"], 16),
        "l3.weight": model.params["l4.weight"], "l3.bias": model.params["l4.bias"],
    })  # fmt: skip
    h = becker_lecun(dense, (data[0].reshape(5, -1), data[1]), params="all")
    want, places = np.zeros(w.shape), owner.reshape(-1, 4)
    for at, value in zip(places, h["l1.weight"].ravel(), strict=True):
        if at[0] >= 0:
            want[tuple(at)] += value
    got = becker_lecun(model, data, params="all")
    assert same(got["l1.weight"], want)
    assert same(got["l1.bias"], h["l1.bias"].reshape(o, 16).sum(axis=1))
    assert same(got["l4.weight"], h["l3.weight"])


def test_becker_lecun_of_pooling_divides_by_the_window_twice() -> None:
    """h_x = h_y / k^2 for y = mean x: the same net with the mean inside a dense layer."""
    model, data = made((2, 2, 2), mp.Conv2d(2, 3, 1), mp.Tanh(), mp.AvgPool(2), mp.Flatten(),
                       mp.Dense(3, 2))  # fmt: skip
    other, _ = made((2, 2, 2), mp.Conv2d(2, 3, 1), mp.Tanh(), mp.Flatten(), mp.Dense(12, 2))
    params = {n: model.params[n] for n in ("l1.weight", "l1.bias")} | {
        "l4.weight": np.repeat(model.params["l5.weight"], 4, axis=1) / 4,
        "l4.bias": model.params["l5.bias"],
    }
    got = becker_lecun(model, data)["l1.weight"]
    assert same(got, becker_lecun(Model(other.net, params), data)["l1.weight"])


@pytest.mark.parametrize("join", [mp.Add, mp.Concat])
@pytest.mark.parametrize("dropped", [False, True])
def test_what_is_read_twice_has_the_sum_of_both_ways(join: Any, dropped: bool) -> None:
    """h of one layer read twice = the sum of two equal layers read once: no coupling between.

    In a + a the two are one path, whose coefficient 2 is squared: (a + a)^2 = 2 (a^2 + a^2).
    """
    wide = 6 if join is mp.Concat else 3
    twins = filled(mp.build((2,), [
        ("a", mp.Dense(2, 3)), ("t", mp.Tanh()), ("b", mp.Dense(2, 3), "input"), ("u", mp.Tanh()),
        ("join", join(), ("t", "u")), ("fc", mp.Dense(wide, 2)),
    ]), 1)  # fmt: skip
    shared = mp.build((2,), [
        ("a", mp.Dense(2, 3)), ("t", mp.Tanh()), ("join", join(), ("t", "t")),
        ("fc", mp.Dense(wide, 2)),
    ])  # fmt: skip
    params = {n: twins.params[n] for n in shared.params}
    copies = params | {f"b.{k}": params[f"a.{k}"] for k in ("weight", "bias")}
    data, how = batch(twins, 4), {"params": "all", "levenberg_marquardt": dropped}
    one = becker_lecun(Model(shared, params), data, **how)
    two = becker_lecun(Model(twins.net, copies), data, **how)
    without = becker_lecun(Model(twins.net, copies), data, params="all", levenberg_marquardt=True)
    want = {n: h + two[n.replace("a.", "b.")] if n[:2] == "a." else h
            for n, h in two.items() if n in one}  # fmt: skip
    if join is mp.Add:  # f'' dl/da is linear in the coefficient
        want |= {n: h + without[n] + without[n.replace("a.", "b.")]
                 for n, h in want.items() if n[:2] == "a."}  # fmt: skip
    assert near(one, want)


@pytest.mark.parametrize("sums", [
    [("fc", "fc")],  # 4 h
    [("fc", "fc"), ("s0", "fc")],  # 9 h, not 5 h
    [("fc", "fc"), ("s0", "s0")],
    [("fc", "fc"), ("fc", "s0"), ("s0", "s1")],
])  # fmt: skip
def test_an_output_that_is_added_to_itself_is_exact(sums: list[tuple[str, str]]) -> None:
    """y + y + ... of n terms: h is n^2 times that of y, through however many sums it goes."""
    net = mp.build((3,), [
        ("a", mp.Dense(3, 4)), ("t", mp.Tanh()), ("fc", mp.Dense(4, 2)),
        *((f"s{k}", mp.Add(), two) for k, two in enumerate(sums)),
    ], "mse")  # fmt: skip
    model = filled(net, 3)
    data = batch(model, 5)
    assert near(becker_lecun(model, data, params="all"), exact(model, data, params="all"))
