"""H v, GGN v and the dense matrices: their laws on random nets, and variants they must reject."""

from typing import Any

import numpy as np
import pytest
from curving import (
    IMAGES,
    KINKS,
    SQUARED,
    TANH,
    Fn,
    flat,
    gradient,
    half,
    near,
    same,
    samples,
    scaled,
    smooth,
    straight,
    unflat,
    with_params,
)
from differences import STEP, UNIT
from hypothesis import given
from randomnets import batch, models

import minprune as mp
from minprune.core import Array, Arrays, Split
from minprune.curvature import ggn, ggn_product, hessian, hvp
from minprune.nets.model import Model

MODELS = (TANH, SQUARED, IMAGES)


def drawn(model: Model, names: Any, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal(model.params[n].shape) for n in names}


def dot(a: Arrays, b: Arrays) -> float:
    return float(sum((a[n] * b[n]).sum() for n in a))


def is_linear_and_symmetric(product: Fn, model: Model, data: Split) -> bool:
    names = list(model.net.params)
    u, v = drawn(model, names, 1), drawn(model, names, 2)
    pu, pv = product(model, data, u), product(model, data, v)
    both = product(model, data, {n: 2 * u[n] - 3 * v[n] for n in names})
    size = max(np.abs(flat(p, names)).max() for p in (pu, pv)) * len(flat(u, names))
    return near(both, {n: 2 * pu[n] - 3 * pv[n] for n in names}) and bool(
        abs(dot(u, pv) - dot(v, pu)) <= 2**14 * UNIT * (1 + size)
    )


@half
@given(model=models())
def test_products_are_linear_and_symmetric(model: Model) -> None:
    data = batch(model, 4)
    assert is_linear_and_symmetric(hvp, model, data)
    assert is_linear_and_symmetric(ggn_product, model, data)


def is_the_derivative_of_the_gradient(product: Fn, model: Model, data: Split) -> bool:
    """H v = d g(w + t v)/dt: four gradients; truncation and rounding as in differences.central."""
    names = list(model.net.params)
    v = drawn(model, names, 3)

    def at(t: float) -> Array:
        moved = with_params(model, {n: model.params[n] + t * v[n] for n in names})
        return flat(gradient(moved, data), names)

    values = [at(STEP), at(-STEP), at(2 * STEP), at(-2 * STEP)]
    slope, far = (values[0] - values[1]) / (2 * STEP), (values[2] - values[3]) / (4 * STEP)
    bound = np.abs(far - slope) + 512 * UNIT * (np.abs(values).max() + 1) / STEP
    return bool((np.abs(flat(product(model, data, v), names) - slope) <= bound).all())


@half
@given(model=smooth)
def test_hvp_is_the_central_difference_of_gradients(model: Model) -> None:
    assert is_the_derivative_of_the_gradient(hvp, model, batch(model, 3))


def is_the_dense_column(product: Fn, dense: Fn, model: Model, data: Split) -> bool:
    """For weights and for all parameters: a random combination of columns, exactly symmetric H."""
    for params, names in (("weights", model.net.weights), ("all", model.net.params)):
        m = dense(model, data, params=params)
        v = drawn(model, names, 4)
        want = unflat(m @ flat(v, list(names)), model, list(names))
        if not (same(m, m.T) and near(product(model, data, v), want)):
            return False
    return True


@half
@given(model=models(most=3))
def test_products_are_columns_of_the_dense_matrices(model: Model) -> None:
    data = batch(model, 3)
    assert is_the_dense_column(hvp, hessian, model, data)
    assert is_the_dense_column(ggn_product, ggn, model, data)


def test_products_in_nets_of_the_zoo() -> None:
    monk = mp.zoo.monk(seed=1)
    assert is_the_derivative_of_the_gradient(hvp, monk, batch(monk, 4))
    assert is_the_dense_column(ggn_product, ggn, monk, batch(monk, 4))
    resnet = mp.zoo.resnet_small(((1, 4, 4), 3), 2, dtype=np.float64)
    assert is_linear_and_symmetric(hvp, resnet, batch(resnet, 3))
    assert is_linear_and_symmetric(ggn_product, resnet, batch(resnet, 3))


def test_hvp_of_some_parameters_is_that_block() -> None:
    model, data = TANH
    h = hessian(model, data)
    v = drawn(model, ["l3.weight"], 0)
    start = model.params["l1.weight"].size
    stop = start + v["l3.weight"].size
    want = h[start:stop, start:stop] @ v["l3.weight"].ravel()
    assert same(hvp(model, data, v)["l3.weight"].ravel(), want)


@half
@given(model=straight)
def test_straight_nets_agree_away_from_kinks(model: Model) -> None:
    """ReLU and pooling have second derivative 0: H of the last layer alone is its GGN."""
    data, name = batch(model, 3), model.net.weights[-1]
    v = drawn(model, [name], 5)
    assert near(hvp(model, data, v), ggn_product(model, data, v))


def coarse(model: Model, data: Split, v: Arrays, h: float = 1e-2) -> Arrays:
    """What finite differences give."""
    up, down = (
        gradient(with_params(model, {n: model.params[n] + s * v[n] for n in v}), data)
        for s in (h, -h)
    )
    return {n: (up[n] - down[n]) / (2 * h) for n in v}


def layer_by_layer(model: Model, data: Split, v: Arrays) -> Arrays:
    """The couplings between layers neglected."""
    return {n: hvp(model, data, {n: v[n]})[n] for n in v}


PRODUCTS: dict[str, Fn] = {
    "finite differences": coarse,
    "GGN for H": ggn_product,
    "H of the sum": scaled(hvp, samples),
    "mse with 1/2": scaled(hvp, lambda d: 0.5 if d[1].ndim == 2 else 1),
    "sign": scaled(hvp, lambda d: -1),
    "block diagonal": layer_by_layer,
    "(H v)^2": lambda m, d, v: {n: a * a for n, a in hvp(m, d, v).items()},
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_laws_of_products_reject(name: str) -> None:
    """By the derivative of the gradient, or where that is too coarse by the dense column."""
    smooth_ones = [pair for pair in MODELS if pair is not IMAGES]
    derivative = all(is_the_derivative_of_the_gradient(PRODUCTS[name], *p) for p in smooth_ones)
    column = all(is_the_dense_column(PRODUCTS[name], hessian, *p) for p in smooth_ones)
    assert not derivative
    assert not column
    assert all(is_the_derivative_of_the_gradient(hvp, *p) for p in smooth_ones)
    assert not any(isinstance(n.layer, getattr(mp, k)) for p in smooth_ones
                   for n in p[0].net.nodes for k in KINKS)  # fmt: skip


def test_the_law_of_symmetry_rejects_a_product_with_a_column_scaled() -> None:
    model, data = TANH
    assert not is_linear_and_symmetric(
        lambda m, d, v: {n: a * (k + 1) for k, (n, a) in enumerate(hvp(m, d, v).items())},
        model, data,
    )  # fmt: skip
    assert not is_linear_and_symmetric(coarse, model, data)
