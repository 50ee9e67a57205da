"""Scores of units: by hand, as another project prints them, one value for what is tied."""

from collections.abc import Callable

import numpy as np
import pytest
from criterion_rows import KERNELS
from hypothesis import find, given
from hypothesis import strategies as st
from randomnets import filled
from selection import SEARCH
from structures import NETS, structured

import minprune as mp
from minprune.core import Array, Arrays
from minprune.nets.model import Model
from minprune.nets.net import Net

TIED = mp.build((2,), [
    ("a", mp.Dense(2, 2)), ("b", mp.Dense(2, 2), "input"), ("sum", mp.Add(), ("a", "b")),
    ("fc", mp.Dense(2, 1)),
], "mse")  # fmt: skip
A, B = np.array([[3.0, 0], [-1, 2]]), np.array([[0.0, 4], [0, -2]])


def holding(net: Net, **weights: Array) -> Model:
    """A model of ones with these weights."""
    params = {n: np.ones(shape) for n, shape in net.params.items()}
    return mp.Model(net, params | {f"{k}.weight": w for k, w in weights.items()})


@pytest.mark.parametrize(("p", "want"), [(0, [2, 3]), (1, [7, 5]), (2, [5, 3]), (np.inf, [4, 2])])
def test_norms_of_tied_units_by_hand(p: float, want: list[float]) -> None:
    """Unit 0 has 3 0 | 0 4, unit 1 has -1 2 | 0 -2; biases do not count."""
    scores = mp.score(holding(TIED, a=A, b=B), None, "norm", unit=True, p=p)
    assert {n: s.tolist() for n, s in scores.items()} == {"a.weight": want, "b.weight": want}


def test_magnitude_of_a_unit_is_its_norm() -> None:
    model = holding(TIED, a=A, b=B)
    for name, s in mp.score(model, None, "magnitude", unit=True).items():
        assert s.tolist() == [5, 3], name


# distiller test_thresholding.py: norms of filters, and of channels, that is of the transpose
FILTERS = KERNELS.reshape(2, 3, 3, 3)


@pytest.mark.parametrize(
    ("weight", "p", "want"),
    [
        (FILTERS, 2, [4.5039, 5.2156]),
        (FILTERS.transpose(1, 0, 2, 3), 2, [4.3593, 3.6394, 3.9037]),
        (FILTERS.transpose(1, 0, 2, 3), 1, [18 * 0.8362, 18 * 0.7625, 18 * 0.6832]),
        (FILTERS.reshape(6, 1, 3, 3), 1, [6.5997, 7.7756, 5.8073, 8.4522, 5.9498, 6.4908]),
    ],
    ids=["filters", "channels", "channels, mean of magnitudes", "kernels"],
)
def test_norms_as_distiller_prints_them(weight: Array, p: float, want: list[float]) -> None:
    """Their weights and norms have four decimals: half a unit of the last, for 27 weights."""
    o, i = weight.shape[:2]
    net = mp.build((i, 3, 3), [("conv", mp.Conv2d(i, o, 3)), ("flat", mp.Flatten()),
                               ("fc", mp.Dense(o, 2))])  # fmt: skip
    found = mp.score(holding(net, conv=weight), None, "norm", unit=True, p=p)["conv.weight"]
    assert (np.abs(found - want) <= 5e-5 * (1 + weight[0].size)).all()


Score = Callable[..., Arrays]


def one_value(fn: Score, model: Model, seed: int) -> bool:
    """Each free unit has one score, the same in all that makes it; no other weight is scored."""
    scores = fn(model, None, "random", unit=True, seed=seed)
    groups = [g for g in mp.ties(model) if g.free]
    for g in groups:
        values = np.concatenate([scores[m.param][m.index] for m in g.producers], axis=1)
        if not (values == values[:, :1]).all() or (g.size > 1 and np.ptp(values) == 0):
            return False
    return set(scores) == {m.param for g in groups for m in g.producers}


@given(model=structured(), seed=st.integers(0, 99))
def test_random_gives_tied_units_one_value(model: Model, seed: int) -> None:
    assert one_value(mp.score, model, seed)
    again = mp.score(model, None, "random", unit=True, seed=seed)
    for name, s in mp.score(model, None, "random", unit=True, seed=seed).items():
        assert s.dtype == model.dtype
        assert np.array_equal(s, again[name])


def each_its_own(model: Model, data: None, name: str, unit: bool, seed: int) -> Arrays:
    """A number for each producer's row."""
    rng = np.random.default_rng(seed)
    return {n: rng.random(len(s)) for n, s in mp.score(model, data, name, unit=unit).items()}


def output_too(model: Model, data: None, name: str, unit: bool, seed: int) -> Arrays:
    scores = mp.score(model, data, name, unit=unit, seed=seed)
    return scores | {
        n: np.zeros(shape[0]) for n, shape in model.net.params.items() if n[:2] == "fc"
    }


tied = st.builds(filled, st.sampled_from(sorted(NETS)).map(NETS.get), st.integers(0, 9))


@pytest.mark.parametrize("wrong", [each_its_own, output_too])
def test_the_law_of_one_value_rejects(wrong: Score) -> None:
    find(tied, lambda model: not one_value(wrong, model, 0), settings=SEARCH)


def test_rows_that_may_not_go_score_0() -> None:
    scores = mp.score(filled(NETS["half_tied"], 0), None, "norm", unit=True)
    assert (scores["c.weight"] > 0).tolist() == [False, False, True, True, True]
    assert np.array_equal(scores["c.weight"][2:], scores["a.weight"])
