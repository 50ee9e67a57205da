"""Diagonals of H and of its approximations: exact where they claim to be, and not elsewhere."""

import numpy as np
import pytest
from curving import (
    EPS,
    SQUARED,
    TANH,
    Fn,
    each_alone,
    half,
    made,
    near,
    same,
    samples,
    scaled,
    straight,
    unflat,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from randomnets import batch, models

import minprune as mp
from minprune.core import Array, Arrays, Split, stream
from minprune.curvature import (
    DIAGONALS,
    becker_lecun,
    diagonal,
    exact,
    gauss_newton,
    ggn,
    hessian,
    hutchinson,
    hvp,
    squared_grads,
)
from minprune.nets.model import Model

RELU = made((3,), mp.Dense(3, 4), mp.ReLU(), mp.Dense(4, 3), mp.ReLU(), mp.Dense(3, 2), seed=2)
IMAGES = made((1, 4, 4), mp.Conv2d(1, 2, 3), mp.BatchNorm(2), mp.Tanh(), mp.Flatten(),
              mp.Dense(8, 3))  # fmt: skip


def is_the_diagonal(fn: Fn, dense: Fn, model: Model, data: Split) -> bool:
    """Of the dense matrix, for weights and for all parameters."""
    return all(
        near(fn(model, data, params=params),
             unflat(np.diag(dense(model, data, params=params)).copy(), model, list(names)))
        for params, names in (("weights", model.net.weights), ("all", model.net.params))
    )  # fmt: skip


@half
@given(model=models(most=4))
def test_exact_is_the_diagonal_of_the_hessian(model: Model) -> None:
    assert is_the_diagonal(exact, hessian, model, batch(model, 3))


@half
@given(model=models(most=4, without=("ReLU", "LeakyReLU")))
def test_exact_is_the_diagonal_of_the_hessian_of_curved_nets(model: Model) -> None:
    assert is_the_diagonal(exact, hessian, model, batch(model, 3))


@half
@given(model=models())
def test_gauss_newton_is_the_diagonal_of_the_ggn(model: Model) -> None:
    assert is_the_diagonal(gauss_newton, ggn, model, batch(model, 3))


@half
@given(model=straight)
def test_exact_is_gauss_newton_where_the_output_is_linear_in_each_weight(model: Model) -> None:
    data = batch(model, 3)
    assert near(exact(model, data, params="all"), gauss_newton(model, data, params="all"))


def test_exact_is_not_gauss_newton_for_tanh_and_sigmoid() -> None:
    for model, data in (TANH, SQUARED, IMAGES, (m := mp.zoo.monk(seed=1), batch(m, 6))):
        assert not near(exact(model, data), gauss_newton(model, data))


def test_diagonals_of_nets_of_the_zoo() -> None:
    monk, resnet = mp.zoo.monk(seed=1), mp.zoo.resnet_small(((1, 4, 4), 3), 2, dtype=np.float64)
    assert is_the_diagonal(exact, hessian, monk, batch(monk, 4))
    assert is_the_diagonal(gauss_newton, ggn, resnet, batch(resnet, 2))
    assert near(exact(resnet, batch(resnet, 3)), gauss_newton(resnet, batch(resnet, 3)))


@half
@given(model=models())
def test_empirical_fisher_is_the_mean_of_squared_gradients(model: Model) -> None:
    data, names = batch(model, 3), list(model.net.weights)
    want = {n: np.square(g).mean(axis=0) for n, g in each_alone(model, data, names).items()}
    assert near(diagonal(model, data, "empirical_fisher"), want)


WRONG: dict[str, tuple[Fn, Fn]] = {
    "gauss_newton for exact": (gauss_newton, hessian),
    "becker_lecun for exact": (becker_lecun, hessian),
    "becker_lecun for gauss_newton": (becker_lecun, ggn),
    "empirical_fisher for exact": (squared_grads, hessian),
    "empirical_fisher for gauss_newton": (squared_grads, ggn),
    "exact of the sum": (scaled(exact, samples), hessian),
    "gauss_newton without 1/P": (scaled(gauss_newton, samples), ggn),
    "half": (scaled(exact, lambda d: 0.5), hessian),
    "sign": (scaled(exact, lambda d: -1), hessian),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_of_diagonals_reject(name: str) -> None:
    wrong, dense = WRONG[name]
    right = {hessian: exact, ggn: gauss_newton}[dense]
    for model, data in (TANH, IMAGES):
        assert is_the_diagonal(right, dense, model, data)
        assert not is_the_diagonal(wrong, dense, model, data)


def holds_the_diagonal(fn: Fn, model: Model, data: Split, samples: int) -> bool:
    """|mean - diag(H)| <= 6 standard errors and the rounding of sums"""
    found, error = fn(model, data, samples=samples, seed=1)
    want = exact(model, data)
    size = 1 + max(np.abs(hessian(model, data)).sum(axis=0))
    return all(
        bool((np.abs(found[n] - want[n]) <= 6 * error[n] + 2**14 * EPS * size).all()) for n in want
    )


@settings(max_examples=12)
@given(model=models(most=3), samples=st.integers(64, 80))
def test_hutchinson_is_within_six_standard_errors(model: Model, samples: int) -> None:
    assert holds_the_diagonal(hutchinson, model, batch(model, 3), samples)


def probes(model: Model, data: Split, samples: int, seed: int, kind: str = "signs") -> list[Arrays]:
    """v (H v) for v drawn as hutchinson draws them"""
    rng, found = stream(seed, "hutchinson"), []
    for _ in range(samples):
        v = {n: rng.choice(np.array([-1.0, 1]), model.params[n].shape) for n in model.net.weights}
        if kind == "ones":  # 0 and 1 in place of -1 and 1
            v = {n: (a + 1) / 2 for n, a in v.items()}
        hv = hvp(model, data, v)
        found.append({n: np.abs(v[n] * hv[n]) if kind == "abs" else v[n] * hv[n] for n in v})
    return found


def estimated(kind: str) -> Fn:
    def fn(model: Model, data: Split, samples: int, seed: int) -> tuple[Arrays, Arrays]:
        many = probes(model, data, samples, seed, kind)
        stacked: dict[str, Array] = {n: np.array([one[n] for one in many]) for n in many[0]}
        scale = samples if kind == "no root" else np.sqrt(samples)
        return ({n: a.mean(axis=0) for n, a in stacked.items()},
                {n: a.std(axis=0, ddof=1) / scale for n, a in stacked.items()})  # fmt: skip

    return fn


@pytest.mark.parametrize("samples", [2, 3, 65])
def test_hutchinson_is_the_mean_and_its_standard_error(samples: int) -> None:
    for model, data in (TANH, IMAGES):
        got = hutchinson(model, data, samples=samples, seed=4)
        want = estimated("signs")(model, data, samples, 4)
        assert near(got[0], want[0])
        assert all(same(got[1][n], want[1][n]) for n in want[1])
        assert near(diagonal(model, data, "hutchinson", samples=samples, seed=4), want[0])


@pytest.mark.parametrize("kind", ["ones", "abs", "no root"])
def test_the_law_of_hutchinson_rejects(kind: str) -> None:
    cases = [TANH, IMAGES, SQUARED, RELU]
    assert all(holds_the_diagonal(estimated("signs"), *case, 64) for case in cases)
    assert not all(holds_the_diagonal(estimated(kind), *case, 64) for case in cases)


def test_every_diagonal_has_its_name() -> None:
    named = {"exact": exact, "gauss_newton": gauss_newton, "becker_lecun": becker_lecun,
             "empirical_fisher": squared_grads, "hutchinson": None}  # fmt: skip
    assert list(DIAGONALS) == list(named)
    for name, fn in named.items():
        if fn is not None:
            assert near(diagonal(*TANH, name, params="all"), fn(*TANH, params="all"))
    assert near(diagonal(*TANH), exact(*TANH))
