"""Proximal steps: brute-force minimizers, also in a metric; and where whole updates stand still."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from watching import half_masked, small_data, small_net

import minprune as mp
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.methods import (
    L0,
    L1,
    ElasticNet,
    GroupLasso,
    SparseGroupLasso,
    prox_elastic_net,
    prox_group_lasso,
    prox_l0,
    prox_l1,
    prox_l2,
    prox_sparse_group_lasso,
)

Case = tuple[Array, Array, float, float]  # v, the metric, and two sizes
numbers = st.integers(-24, 24).map(lambda k: k / 8)
sizes = st.integers(0, 16).map(lambda k: k / 8)


@st.composite
def draw_cases(draw: Any) -> Case:
    """One group of one to three entries; half of the metrics are 1."""
    n = draw(st.integers(1, 3))
    v = np.array(draw(st.lists(numbers, min_size=n, max_size=n)))
    spread = st.sampled_from([0.25, 1.0, 3.0]) if draw(st.booleans()) else st.just(1.0)
    return v, np.array(draw(st.lists(spread, min_size=n, max_size=n))), draw(sizes), draw(sizes)


def lowest(cost: Callable[[Array], Array], v: Array) -> Array:
    """The minimizer of a convex cost of rows, by grids that shrink around the best point."""
    best, half = np.zeros(v.size), float(np.abs(v).max(initial=0)) + 0.1
    for _ in range(50):
        axes = [b + half * np.linspace(-1, 1, 5) for b in best]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, v.size)
        points = np.concatenate([points, best[None]])
        best, half = points[cost(points).argmin()], half * 0.65
    return best


PENALTIES: dict[str, Callable[[Array, float, float], Array]] = {
    "l1": lambda x, a, b: a * np.abs(x).sum(1),
    "elastic net": lambda x, a, b: a * np.abs(x).sum(1) + b / 2 * (x**2).sum(1),
    "group": lambda x, a, b: a * np.sqrt(x.shape[1] * (x**2).sum(1)),
    "sparse group": lambda x, a, b: a * np.abs(x).sum(1) + b * np.sqrt(x.shape[1] * (x**2).sum(1)),
}
OURS: dict[str, Callable[[Array, Array, float, float], Array]] = {
    "l1": lambda v, d, a, b: prox_l1(v, a / d),
    "elastic net": lambda v, d, a, b: prox_elastic_net(v, a / d, b / d),
    "group": lambda v, d, a, b: prox_group_lasso(v, a, d),
    "sparse group": lambda v, d, a, b: prox_sparse_group_lasso(v, a, b, d),
}


def is_the_minimizer(name: str, prox: Callable[..., Array], case: Case) -> bool:
    v, d, a, b = case
    want = lowest(lambda x: (d * (x - v) ** 2).sum(1) / 2 + PENALTIES[name](x, a, b), v)
    return bool(np.abs(prox(v, d, a, b) - want).max() <= 1e-6)


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=15)
@given(case=draw_cases())
def test_it_is_the_brute_force_minimizer(name: str, case: Case) -> None:
    assert is_the_minimizer(name, OURS[name], case)


WRONG: list[tuple[str, Callable[..., Array]]] = [
    ("l1", lambda v, d, a, b: prox_l1(v, a)),  # the metric is forgotten
    ("elastic net", lambda v, d, a, b: prox_l1(v / (1 + b / d), a / d)),  # swapped
    ("group", lambda v, d, a, b: prox_group_lasso(v, a / v.size**0.5, d)),
    ("group", lambda v, d, a, b: prox_group_lasso(v, a, float(d.mean()))),  # one for the group
    ("sparse group", lambda v, d, a, b: prox_l1(prox_group_lasso(v, b, d), a / d)),  # swapped
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row[0])
def test_the_law_rejects(row: tuple[str, Callable[..., Array]]) -> None:
    how = settings(derandomize=True, database=None, max_examples=200, phases=[Phase.generate])
    find(draw_cases(), lambda case: not is_the_minimizer(*row, case), settings=how)


@given(v=numbers, t=sizes)
def test_l0_is_the_cheaper_of_two(v: float, t: float) -> None:
    """v costs t, 0 costs v^2 / 2, all exact; and L2 is at the zero of its derivative."""
    want = v if v * v / 2 > t else 0.0
    assert prox_l0(np.array([v]), t)[0] == want
    (x,) = prox_l2(np.array([v]), t)
    assert abs((x - v) + t * x) <= 2.0**-50 * (1 + t) * abs(v)


def test_by_hand_at_the_edge_of_zero_and_beyond() -> None:
    v = np.array([2.0, 4, 4, 0])  # its norm is 6, its size 4
    assert not prox_group_lasso(v, 3.0).any()
    assert prox_group_lasso(v, 1.5).tolist() == (v / 2).tolist()
    assert not prox_sparse_group_lasso(v + np.array([1.0, 1, 1, 0]), 1.0, 3.0).any()
    assert prox_group_lasso(v, 2.9).all(where=v > 0)
    assert not prox_group_lasso(v, 6.0, np.full(4, 2.0)).any()
    assert np.abs(prox_group_lasso(v, 3.0, np.full(4, 2.0)) - v / 2).max() < 1e-15
    zero = prox_group_lasso(np.zeros((2, 3)), 0.0), prox_group_lasso(np.zeros(3), 1.0, np.ones(3))
    assert all(np.isfinite(z).all() and not z.any() for z in zero)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_size_0_they_are_the_identity_and_nothing_given_changes(dtype: Any) -> None:
    v = np.array([[1e-30, -3, 0.5], [0, -0.25, 1e30]], dtype)
    kept, d = v.copy(), np.full(v.shape, 0.5, dtype)
    for t in (0.0, 0.3):
        found = [
            prox_l1(v, t), prox_l2(v, t), prox_elastic_net(v, t, t), prox_l0(v, t),
            prox_group_lasso(v, t), prox_group_lasso(v, t, d), prox_sparse_group_lasso(v, t, t),
            prox_sparse_group_lasso(v, t, t, d),
        ]  # fmt: skip
        assert all(a.dtype == dtype and a.shape == v.shape for a in found)
        assert t or all((a == v).all() for a in found)
        assert (v == kept).all()


# --- the updates of training


def target(rows: Array) -> mp.Dataset:
    """L = |W - V|^2 / 2, up to a constant, for x of the unit vectors times a number."""
    x = np.eye(rows.shape[1]) * (rows.shape[1] / 2) ** 0.5
    part = x, x @ rows.T
    return mp.Dataset(part, part, part)


V = np.array([[0.9, -0.4, 0.02, 0.3], [0.03, -0.02, 0.01, 0.04], [-1.0, 0.6, 0.5, -0.7]])


def rest(method: mp.Method, optimizer: Any, begin: Array = V[::-1] * 0.5) -> Array:
    """W where gradient descent with the method ends, of one batch an epoch."""
    net = mp.build((4,), [("fc", mp.Dense(4, 3, bias=False))], "mse")
    model = mp.Model(net, {"fc.weight": begin})
    how: dict[str, Any] = {"batch_size": 4, "epochs": 250, "rate": mp.rates.cosine()}
    return mp.fit(model, target(V), method=method, optimizer=optimizer, progress=False, **how)[
        0
    ].params["fc.weight"]


DESCENTS = {
    "sgd": mp.SGD(0.1), "momentum": mp.SGD(0.04, momentum=0.9),
    "nesterov": mp.SGD(0.04, momentum=0.9, nesterov=True), "adam": mp.Adam(0.05, beta2=0.9),
}  # fmt: skip


@pytest.mark.parametrize("name", DESCENTS)
def test_an_update_that_stands_still_is_at_the_minimum(name: str) -> None:
    """Of |W - V|^2 / 2 + penalty: which is the proximal step from V itself."""
    found = rest(ElasticNet(0.1, 0.5), DESCENTS[name])
    assert np.abs(found - prox_elastic_net(V, 0.1, 0.5)).max() < 1e-3
    euclidean = rest(ElasticNet(0.1, 0.5, "euclidean"), DESCENTS[name])
    assert (np.abs(euclidean - found).max() < 1e-9) == (name == "sgd")


UNITS = {
    "group": (GroupLasso(0.1), lambda w: prox_group_lasso(w, 0.1)),
    "sparse group": (SparseGroupLasso(0.05, 0.1), lambda w: prox_sparse_group_lasso(w, 0.05, 0.1)),
}


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
@pytest.mark.parametrize("name", UNITS)
def test_so_it_is_for_units(name: str, optimizer: str) -> None:
    """The units of a hidden layer that feed frozen outputs of their own: L = |W - V|^2 / 2."""
    method, prox = UNITS[name]
    net = mp.build((4,), [("a", mp.Dense(4, 3, bias=False)), ("b", mp.Dense(3, 3, bias=False))],
                   "mse")  # fmt: skip
    model = mp.Model(net, {"a.weight": V[::-1] * 0.5, "b.weight": np.eye(3)})
    found, _ = mp.fit(
        model, target(V), epochs=250, batch_size=4, rate=mp.rates.cosine(), method=method,
        optimizer=DESCENTS[optimizer], freeze="b", progress=False,
    )  # fmt: skip
    want = prox(V)
    assert np.abs(found.params["a.weight"] - want).max() < 1e-3
    gone, found_gone = ~want.any(axis=1), ~found.params["a.weight"].any(axis=1)
    assert gone.tolist() == found_gone.tolist() == [False, True, False]


def test_l0_and_l1_take_the_metric_too() -> None:
    """L0 from V: what its step sees too near to 0 goes; L1 as elastic net."""
    found = rest(L0(0.02), mp.SGD(0.1), V)
    assert np.abs(found - prox_l0(V, 0.1 * 0.02)).max() < 1e-12
    for optimizer in (DESCENTS["momentum"], DESCENTS["adam"]):
        a, b = rest(L1(0.1, "optimizer"), optimizer), rest(ElasticNet(0.1, 0.0), optimizer)
        assert np.array_equal(a, b)


def test_tied_units_are_one_group() -> None:
    """Of a residual sum: both makers' rows together, and the sqrt of all their entries."""
    data = small_data()
    model = small_net()
    group = next(g for g in mp.ties(model) if g.free and len(g.producers) > 1)
    lam, seen = 0.5, dict[str, Any]()

    class Spy(GroupLasso):
        def after(self, view: mp.View) -> mp.Change | None:
            change = super().after(view)
            seen.update(before=dict(view.params), after=change.params if change else {})
            return change

    how: dict[str, Any] = {"epochs": 1, "batch_size": 12, "optimizer": mp.SGD(0.1)}
    mp.fit(model, data, method=Spy(lam), progress=False, **how)
    w = [seen["before"][m.param][m.index[:, 0]].reshape(group.size, -1) for m in group.producers]
    want = prox_group_lasso(np.concatenate(w, axis=1), 0.1 * lam)
    got = [seen["after"][m.param][m.index[:, 0]].reshape(group.size, -1) for m in group.producers]
    assert np.array_equal(np.concatenate(got, axis=1), want)


# --- what is refused


def fit(method: mp.Method, model: mp.Model) -> Any:
    return mp.fit(model, small_data(), epochs=1, method=method, progress=False)


MESSAGES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: prox_l1(np.ones(2), -1.0), ArgumentError,
     "prox_l1: t must be numbers of at least 0, not -1.0; pass t=1.0"),
    (lambda: prox_l0(np.ones(2), np.array([1.0, np.nan])), ArgumentError,
     "prox_l0: t must be numbers of at least 0, not an array with others; pass t=1.0"),
    (lambda: prox_l2(np.array(["a"]), 1.0), ArgumentError,
     "prox_l2: v must hold numbers, not <U1; pass an array of floats"),
    (lambda: prox_elastic_net(np.ones(2), 0.1, np.ones(3)), ShapeError,
     "prox_elastic_net: t2 must be one number or of the shape (2,), not (3,); pass one for each "
     "entry of v"),
    (lambda: prox_group_lasso(np.ones(2), 0.1, 0.0), ArgumentError,
     "prox_group_lasso: metric must be numbers above 0, not 0.0; pass metric=1.0"),
    (lambda: prox_group_lasso(1.0, 0.1), ShapeError,
     "prox_group_lasso: v must have the shape (..., n), not (); pass a row of a group"),
    (lambda: prox_sparse_group_lasso(np.ones(2), 0.1, np.ones(2)), ArgumentError,
     "prox_sparse_group_lasso: tg must be a finite number of at least 0, not array([1., 1.]); pass "
     "tg=1, for example"),
    (lambda: ElasticNet(0.1, -0.1), ArgumentError,
     "ElasticNet: lam2 must be a finite number of at least 0, not -0.1; pass lam2=1, for example"),
    (lambda: SparseGroupLasso(0.1, 0.1, "adam"), ArgumentError,  # type: ignore[arg-type]
     "SparseGroupLasso: metric must be 'optimizer' or 'euclidean', not 'adam'; choose one of them"),
    (lambda: fit(GroupLasso(0.1), mp.zoo.mlp(small_data(), hidden=())), ArgumentError,
     "GroupLasso: the net must have units that may be removed, in a hidden layer, not none; "
     "print(mp.ties(model)) shows its groups"),
    (lambda: fit(GroupLasso(0.1), mp.sparsify(half_masked(small_net()), "csr")), ArgumentError,
     "conv1.weight: a penalty on units needs the dense weight, and only its live entries are "
     "stored; pass mp.densify(model), and mp.sparsify the result"),
]  # fmt: skip


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row[2][:40])
def test_messages(row: tuple[Callable[[], Any], type[Exception], str]) -> None:
    provoke, kind, text = row
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)
