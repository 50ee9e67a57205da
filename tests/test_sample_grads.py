"""Gradients of each sample in whole nets: one sample at a time, and what is made of them."""

from typing import Any

import numpy as np
import pytest
from curving import Fn, each_alone, flat, half, made, near, same, slow_rows
from hypothesis import given
from hypothesis import strategies as st
from randomnets import ALSO, batch, models

import minprune as mp
from minprune.curvature import ggn_rows, sample_grads, squared_grads
from minprune.nets.model import Model


def of_whole_nets(model: Model, n: int, squared: Fn = squared_grads) -> bool:
    """sample_grads, squared_grads against one sample at a time, for weights and for all."""
    data = batch(model, n)
    for params, names in (("weights", model.net.weights), ("all", model.net.params)):
        want = each_alone(model, data, list(names))
        if not near(sample_grads(model, data, params=params), want):
            return False
        if not near(squared(model, data, params=params),
                    {name: np.square(g).mean(axis=0) for name, g in want.items()}):  # fmt: skip
            return False
    return True


@half
@given(model=models(also=ALSO), n=st.integers(1, 4))
def test_whole_nets_are_the_loop_over_samples(model: Model, n: int) -> None:
    assert of_whole_nets(model, n)


@half
@given(model=models(also=ALSO), n=st.integers(1, 4))
def test_rows_of_the_ggn_are_scaled_gradients_of_outputs(model: Model, n: int) -> None:
    x, y = batch(model, n)
    for names in (list(model.net.params), list(model.net.weights[-1:])):
        got = np.concatenate(list(ggn_rows(model, (x, y), names)))
        assert same(got, slow_rows(model, x, names))


def mean_gradient_squared(model: Model, data: Any, params: str) -> Any:
    return {n: np.square(g.mean(axis=0))
            for n, g in sample_grads(model, data, params=params).items()}  # fmt: skip


def sum_of_squares(model: Model, data: Any, params: str) -> Any:
    return {n: s * len(data[0]) for n, s in squared_grads(model, data, params=params).items()}


@pytest.mark.parametrize("wrong", [mean_gradient_squared, sum_of_squares])
def test_the_law_of_whole_nets_rejects(wrong: Fn) -> None:
    model, _ = made((2, 4, 4), mp.Conv2d(2, 3, 3), mp.BatchNorm(3), mp.Tanh(), mp.Flatten(),
                    mp.Dense(12, 2))  # fmt: skip
    assert of_whole_nets(model, 4)
    assert not of_whole_nets(model, 4, wrong)


def test_zoo_nets_too() -> None:
    for model in (mp.zoo.monk(seed=3), mp.zoo.resnet_small(((1, 4, 4), 3), 2, dtype=np.float64)):
        assert of_whole_nets(model, 3)


def test_means_of_sample_gradients_are_the_gradient() -> None:
    model, data = made((3,), mp.Dense(3, 4), mp.Tanh(), mp.Dense(4, 2))
    mean = {n: g.mean(axis=0) for n, g in sample_grads(model, data).items()}

    @mp.criterion(needs=("grads",))
    def own(ev: mp.Evidence) -> Any:
        return ev.of("grads")

    assert same(flat(mean, list(mean)), flat(mp.score(model, data, own), list(mean)))
