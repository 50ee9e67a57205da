"""The bound of rounding where a first derivative alone would say 0: at a kink of an activation."""

from typing import Any

import numpy as np
import pytest

import minprune as mp
from minprune.autograd.activations import ACTIVATIONS
from minprune.deploy import rounding
from minprune.nets.activation_layers import LAYERS

EPS = 2.0**-24


def net(kind: str, bias: float) -> mp.Model:
    """y = f(sum of x - x + bias): at a kink of f but for rounding"""
    layers = [("sum", mp.Dense(2, 1)), ("act", LAYERS[kind]()), ("out", mp.Dense(1, 1))]
    params = {
        "sum.weight": np.array([[1.0, -1.0]], np.float32), "sum.bias": np.array([bias], "f"),
        "out.weight": np.ones((1, 1), "f"), "out.bias": np.zeros(1, "f"),
    }  # fmt: skip
    return mp.Model(mp.build((2,), layers, loss="mse"), params)


def covers(kind: str, bias: float) -> bool:
    """Whether sums that are off by one rounding of their terms stay within the bound"""
    model, x = net(kind, bias), np.array([[3.0, 3.0]], np.float32)
    f, off = ACTIVATIONS[LAYERS[kind]().kind].f, 6 * EPS
    gap = max(abs(float(f(np.float64(bias + s * off)) - f(np.float64(bias)))) for s in (-1, 1))
    return bool(gap <= rounding.rounding(model, x, [0])[0, 0])


@pytest.mark.parametrize(("kind", "bias"), [("ReLU", 0), ("LeakyReLU", 0), ("ReLU6", 0),
                                            ("ReLU6", 6), ("ReLU", 1), ("Tanh", 0)])  # fmt: skip
def test_a_sum_at_a_kink_may_fall_to_either_side(kind: str, bias: float) -> None:
    assert covers(kind, bias)


def test_the_law_rejects_the_slope_of_one_side(monkeypatch: Any) -> None:
    monkeypatch.setattr(rounding, "NEAR", 0.0)
    assert not covers("ReLU", 0)
