"""The GGN: the matrix of its rows, the Hessian of one linear layer, the model's Fisher matrix."""

from typing import Any

import numpy as np
import pytest
from curving import (
    IMAGES,
    SQUARED,
    TANH,
    Fn,
    flat,
    half,
    made,
    outputs_grad,
    same,
    samples,
    scaled,
    slow_rows,
    softmax,
)
from differences import UNIT
from hypothesis import given
from randomnets import batch, models

import minprune as mp
from minprune.core import Array, Split
from minprune.curvature import ggn, hessian
from minprune.nets.model import Model


def is_the_matrix_of_its_rows(matrix: Fn, model: Model, data: Split) -> bool:
    """(1/P) sum_po x_po x_po^T from rows made one at a time; positive semidefinite"""
    rows = slow_rows(model, data[0], model.net.weights)
    m, want = matrix(model, data), rows.T @ rows / len(data[0])
    lowest = np.linalg.eigvalsh(m).min()
    return same(m, want) and lowest >= -(2**14) * UNIT * (1 + np.abs(m).max())


@half
@given(model=models(most=3))
def test_the_ggn_is_positive_semidefinite_and_the_matrix_of_its_rows(model: Model) -> None:
    assert is_the_matrix_of_its_rows(ggn, model, batch(model, 3))


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_ggn_is_the_hessian_of_one_linear_layer_and_not_of_a_deep_linear_net(loss: Any) -> None:
    model, data = made((3,), mp.Dense(3, 4), loss=loss)
    assert same(ggn(model, data, params="all"), hessian(model, data, params="all"))
    model, data = made((3,), mp.Dense(3, 2), mp.Dense(2, 4), loss=loss)
    gap = np.abs(ggn(model, data) - hessian(model, data)).max()
    assert gap > 1e-2 * np.abs(hessian(model, data)).max()


def fisher(model: Model, data: Split, labels: str) -> Array:
    """(1/P) sum_p E[g_p g_p^T], y drawn from the model (each class by its probability) or given"""
    x, y = data
    names, q = list(model.net.weights), softmax(model(x).T)
    total = np.zeros((sum(model.params[n].size for n in names),) * 2)
    for p in range(len(x)):
        for k in range(len(q)):

            def slope(f: Array, k: int = k) -> Array:
                return softmax(f) - np.eye(len(f))[:, k : k + 1]

            g = flat(outputs_grad(model, x[p : p + 1], slope), names)
            total += np.outer(g, g) * (q[k, p] if labels == "model" else k == y[p])
    return np.asarray(total / len(x))


@half
@given(model=models(most=3).filter(lambda m: m.net.loss == "cross_entropy"))
def test_for_cross_entropy_the_ggn_is_the_model_fisher(model: Model) -> None:
    data = batch(model, 3)
    assert same(ggn(model, data), fisher(model, data, "model"))


def test_the_ggn_is_not_the_empirical_fisher() -> None:
    for model, data in (TANH, IMAGES):
        want = fisher(model, data, "empirical")
        assert np.abs(ggn(model, data) - want).max() > 0.1 * np.abs(want).max()


MATRICES: dict[str, Fn] = {
    "missing 1/P": scaled(ggn, samples),
    "mse with 1/2": scaled(ggn, lambda d: 0.5 if d[1].ndim == 2 else 1),
    "H for the GGN": hessian,
    "empirical Fisher": lambda m, d: fisher(m, d, "empirical"),
    "block diagonal": lambda m, d: np.where(
        np.equal.outer(*[np.repeat(range(len(m.net.weights)),
                                   [m.params[n].size for n in m.net.weights])] * 2), ggn(m, d), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_the_law_of_the_ggn_rejects(name: str) -> None:
    one, other = (SQUARED, SQUARED) if name == "mse with 1/2" else (TANH, IMAGES)
    for model, data in (one, other):
        assert is_the_matrix_of_its_rows(ggn, model, data)
        assert not is_the_matrix_of_its_rows(MATRICES[name], model, data)
