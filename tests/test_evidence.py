"""mp.score from end to end: every criterion on small nets against a slow computation of its own."""

from typing import Any

import numpy as np
import pytest
from curving import Fn, each_alone, flat, gradient, near, unflat
from randomnets import batch, filled
from slowly import rows, single, units

import minprune as mp
from minprune.core import EVIDENCE_KINDS, Arrays, Evidence, Split, criterion
from minprune.errors import ArgumentError
from minprune.evidence.sources import SOURCES
from minprune.nets.model import Model
from minprune.nets.net import Net

SMALL: dict[str, Net] = {
    "tanh": mp.build((3,), [("a", mp.Dense(3, 3)), ("t", mp.Tanh()), ("b", mp.Dense(3, 2)),
                            ("s", mp.Sigmoid()), ("fc", mp.Dense(2, 2))], "mse"),
    "images": mp.build((1, 3, 3), [
        ("a", mp.Conv2d(1, 2, 2)), ("bn", mp.BatchNorm(2)), ("r", mp.ReLU()), ("p", mp.AvgPool(2)),
        ("f", mp.Flatten()), ("fc", mp.Dense(2, 3))]),
    "series": mp.build((2,), [
        ("a", mp.Dense(2, 3)), ("r", mp.ReLU()), ("b", mp.Dense(3, 3)), ("t", mp.Tanh()),
        ("sum", mp.Add(), ("t", "r")), ("fc", mp.Dense(3, 2))]),
    "grouped": mp.build((2, 2, 2), [
        ("a", mp.Conv2d(2, 4, 1)), ("r", mp.ReLU()), ("b", mp.Conv2d(4, 2, 2, groups=2)),
        ("t", mp.ReLU()), ("f", mp.Flatten()), ("fc", mp.Dense(2, 2))]),
}  # fmt: skip
SECOND: list[tuple[str, dict[str, Any]]] = [
    ("taylor", {"order": 2}), ("taylor", {"order": 2, "hessian": "row"}), ("grasp", {}),
    ("obd", {}), ("obd", {"clip": True}), ("obd", {"diagonal": "gauss_newton"}),
    ("obd", {"diagonal": "becker_lecun"}),
    ("obd", {"diagonal": "becker_lecun", "levenberg_marquardt": True}),
    ("obd", {"diagonal": "empirical_fisher"}), ("obd", {"diagonal": "hutchinson", "samples": 5}),
]  # fmt: skip
BOTH: list[tuple[str, dict[str, Any]]] = [
    ("random", {}), ("magnitude", {}), ("norm", {"p": 0}), ("norm", {"p": 1}),
    ("norm", {"p": np.inf}), ("synflow", {}), ("taylor", {}), ("taylor", {"batch_size": 2}),
    ("fisher", {}), ("snip", {}), ("oracle", {}), ("oracle", {"square": True}), *SECOND,
]  # fmt: skip
OF_UNITS: list[tuple[str, dict[str, Any]]] = [
    ("geometric_median", {}), ("weight_entropy", {}), ("weight_entropy", {"bins": 3}),
    ("taylor_activation", {}), ("taylor_activation", {"batch_size": 2}),
    ("taylor_activation", {"order": 2}),
]  # fmt: skip
# What other files hold to their definitions: inverses, sweeps, moments of activations.
ELSEWHERE = {"lamp", "obs", "apoz", "activation", "similarity", "correlation", "cosine", "lda",
             "lda_joint", "activation_entropy", "scale"}  # fmt: skip


def case(net: str, seed: int = 1) -> tuple[Model, Split]:
    model = filled(SMALL[net], seed)
    return model, batch(model, 5, seed)


@pytest.mark.parametrize("net", SMALL)
@pytest.mark.parametrize(("name", "options"), BOTH, ids=lambda x: str(x))
def test_scores_of_weights(name: str, options: Any, net: str) -> None:
    slow = {k: v for k, v in options.items() if k != "p"} | (
        {"p": options["p"]} if name == "norm" else {})  # fmt: skip
    model, data = case(net)
    assert near(mp.score(model, data, name, **options), single(name, model, data, **slow))


@pytest.mark.parametrize("net", SMALL)
@pytest.mark.parametrize(("name", "options"), BOTH + OF_UNITS, ids=lambda x: str(x))
def test_scores_of_units(name: str, options: Any, net: str) -> None:
    model, data = case(net)
    found = mp.score(model, data, name, unit=True, **options)
    assert near(found, units(name, model, data, **options))


def test_hutchinson_takes_64_probes_unless_told() -> None:
    model, data = case("tanh")
    got = mp.score(model, data, "obd", diagonal="hutchinson")
    assert near(got, single("obd", model, data, diagonal="hutchinson", samples=64))


def test_each_kind_of_evidence_has_one_row_that_says_where_it_comes_from() -> None:
    assert set(SOURCES) == set(EVIDENCE_KINDS)
    assert all(row.entries or row.units for row in SOURCES.values())
    assert all(kind.what and kind.cost for kind in EVIDENCE_KINDS.values())


def test_every_criterion_is_here_or_in_a_file_of_its_own() -> None:
    assert {name for name, _ in BOTH + OF_UNITS} == set(mp.criteria.CRITERIA) - ELSEWHERE


WRONG: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "order 1 over all samples": ("taylor", {"batch_size": 2}, "taylor", {"batch_size": 5}),
    "row for diag": ("taylor", {"order": 2, "hessian": "row"}, "taylor", {"order": 2}),
    "order 1 for 2": ("taylor", {}, "taylor", {"order": 2}),
    "gradient twice for fisher": ("taylor", {}, "fisher", {}),
    "gauss_newton for exact": ("obd", {"diagonal": "gauss_newton"}, "obd", {}),
    "another diagonal": ("obd", {"diagonal": "empirical_fisher"}, "obd",
                         {"diagonal": "becker_lecun"}),
    "f'' kept": ("obd", {"diagonal": "becker_lecun", "levenberg_marquardt": True}, "obd",
                 {"diagonal": "becker_lecun"}),
    "other probes": ("obd", {"diagonal": "hutchinson", "samples": 5}, "obd",
                     {"diagonal": "hutchinson", "samples": 6}),
    "squared": ("oracle", {"square": True}, "oracle", {}),
    "H g for g": ("grasp", {}, "snip", {}),
}  # fmt: skip


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_the_comparison_rejects(name: str, unit: bool) -> None:
    ours, options, theirs, others = WRONG[name]
    model, data = case("tanh")
    slow = units if unit else single
    assert not near(mp.score(model, data, ours, unit=unit, **options),
                    slow(theirs, model, data, **others))  # fmt: skip


def test_synflow_of_the_net_defined_by_formulas() -> None:
    """3-4-2 with ReLU: W1 = 0.7 sin(1 + k), W2 = 0.7 cos(1 + k); each layer sums to 4.683..."""
    net = mp.build((3,), [("fc1", mp.Dense(3, 4)), ("r", mp.ReLU()), ("fc2", mp.Dense(4, 2))])
    k = np.arange(12.0)
    model = Model(net, {
        "fc1.weight": 0.7 * np.sin(1 + k).reshape(4, 3), "fc1.bias": 0.1 * np.cos(1 + k[:4]),
        "fc2.weight": 0.7 * np.cos(1 + k[:8]).reshape(2, 4), "fc2.bias": 0.1 * np.sin(1 + k[:2]),
    })  # fmt: skip
    for name, s in mp.score(model, None, "synflow").items():
        # 24 products and 12 sums, each rounded
        assert abs(s.sum() - 4.683040952299719) <= 64 * 2.0**-52 * 4.7, name


def minimum() -> tuple[Model, Split]:
    """A dense layer at the minimum of its loss, by least squares"""
    model = filled(mp.build((3,), [("fc", mp.Dense(3, 2))], "mse"), 0)
    x, y = batch(model, 8)
    best = np.linalg.lstsq(np.c_[x, np.ones(8)], y, rcond=None)[0]
    return Model(model.net, {"fc.weight": best[:3].T.copy(), "fc.bias": best[3]}), (x, y)


def test_at_the_minimum_of_a_quadratic_obd_is_the_rise_of_the_loss() -> None:
    model, data = minimum()
    true = mp.score(model, data, "oracle", params="all")
    for kind in ("exact", "gauss_newton", "becker_lecun"):
        assert near(mp.score(model, data, "obd", params="all", diagonal=kind), true)
    assert not near(mp.score(model, data, "obd", params="all", diagonal="empirical_fisher"), true)
    elsewhere = filled(model.net, 1)
    assert not near(mp.score(elsewhere, data, "obd"), mp.score(elsewhere, data, "oracle"))


def test_taylor_of_order_2_is_the_squared_change_of_a_quadratic_anywhere() -> None:
    """Under mse the loss is quadratic in output weights, so in those that read the last units."""
    net = mp.build((3,), [("a", mp.Dense(3, 4)), ("t", mp.Tanh()), ("fc", mp.Dense(4, 2))], "mse")
    model = filled(net, 2)
    data = batch(model, 5)
    got, true, first = (
        mp.score(model, data, name, **options)
        for name, options in (
            ("taylor", {"order": 2}),
            ("oracle", {"square": True}),
            ("taylor", {}),
        )
    )
    assert near({0: got["fc.weight"]}, {0: true["fc.weight"]})
    assert not near({0: got["a.weight"]}, {0: true["a.weight"]})
    assert not near({0: first["fc.weight"]}, {0: true["fc.weight"]})
    # tanh(0) = 0: a silenced unit is one that sends nothing
    for name in ("taylor", "taylor_activation"):
        unit = mp.score(model, data, name, unit=True, order=2)
        assert near(unit, mp.score(model, data, "oracle", unit=True, square=True))


@pytest.mark.parametrize("option", [{"diagonal": "gauss_newton"}, {"samples": 9}], ids=str)
def test_the_curvature_of_a_gate_has_no_other_reading(option: dict[str, Any]) -> None:
    model, data = case("tanh")
    with pytest.raises(ArgumentError) as caught:
        mp.score(model, data, "taylor", unit=True, order=2, **option)
    (name,) = option
    assert caught.value.args == (
        f"{name} says how hess_diag is computed, and that of a unit's gate is always exact; "
        f"leave {name} out",
    )
    single_ones = mp.score(model, data, "taylor", order=2, diagonal="gauss_newton")
    assert not near(single_ones, mp.score(model, data, "taylor", order=2))


def gathered(kind: str, unit: Any = None) -> Fn:
    @criterion(needs=(kind,), unit=unit)
    def show(ev: Evidence) -> Arrays:
        return {n: np.array(a) for n, a in ev.of(kind).items()}

    return show


def test_squared_grads_are_of_the_scored_parameters() -> None:
    model, data = case("images")
    for params, names in (("weights", model.net.weights), ("all", tuple(model.net.params))):
        want = {n: np.square(g).mean(axis=0) for n, g in each_alone(model, data, names).items()}
        got = mp.score(model, data, gathered("squared_grads"), params=params)  # type: ignore[arg-type]
        assert near(got, want)


@pytest.mark.parametrize("kind", ["hess_grad", "hess_weight"])
@pytest.mark.parametrize("net", SMALL)
def test_products_of_units_run_over_biases_where_the_row_has_them(kind: str, net: str) -> None:
    model, data = case(net)
    h = mp.curvature.hessian(model, data, params="all")
    names = list(model.net.params)
    v = flat(gradient(model, data) if kind == "hess_grad" else model.params, names)
    found = unflat(h @ v, model, names)

    @criterion(needs=(kind,), unit="incoming and bias", single=False)
    def sums(ev: Evidence) -> Arrays:
        return {n: ev.sum(a) for n, a in ev.of(kind).items()}

    got = mp.score(model, data, sums, unit=True)
    for g in (g for g in mp.ties(model) if g.free):
        want = [rows(found, g, u, "makes", bias=True).sum() for u in range(g.size)]
        m = g.producers[0]
        assert near({0: got[m.param][m.index[:, 0]]}, {0: np.array(want)})
