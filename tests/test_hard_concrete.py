"""Gates of hard concrete against a training written out in NumPy, by hand, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import context, small_data, small_net

import minprune as mp
from minprune.autograd import Tensor, grad, total
from minprune.core import Array, stream
from minprune.errors import ArgumentError
from minprune.methods import HardConcrete
from minprune.methods.concrete_gates import gate, gate_at_test, summed, taken
from minprune.nets.model import Model

X, Y = np.array([[1.0, -2.0], [0.5, 1.0], [2.0, 0.0]]), np.array([[1.0], [0.0], [2.0]])
DATA = mp.Dataset((X, Y), (X, Y), (X, Y))
W = np.array([[0.5, -1.5]])
SGD: dict[str, Any] = {"optimizer": mp.SGD(0.05), "batch_size": 3, "progress": False}


def line() -> Model:
    """y = w x, of two inputs."""
    return mp.Model(mp.build((2,), [("fc", mp.Dense(2, 1, bias=False))], "mse"), {"fc.weight": W})


def slowly(steps: int, lam: float, factor: float) -> tuple[Array, Array, list[float]]:
    """(w, log alpha, penalties): the updates, entry by entry, from the same stream"""
    rng, w = stream(0, "method"), W[0].copy()
    a = np.log(0.95 / 0.05) + 0.01 * rng.standard_normal((1, 2))[0]
    penalties = []
    for _ in range(steps):
        u = rng.random((1, 2))[0]
        s = 1 / (1 + np.exp(-(np.log(u / (1 - u)) + a) / (2 / 3)))
        z = np.minimum(1, np.maximum(0, 1.2 * s - 0.1))
        p = 1 / (1 + np.exp(-(a - 2 / 3 * np.log(0.1 / 1.1))))
        penalties.append(lam / 3 * p.sum())
        g = 2 * ((X @ (z * w) - Y[:, 0]) @ X) / 3  # of z w; the mean over three samples
        inside = (z > 0) & (z < 1)
        da = g * w * inside * 1.2 * s * (1 - s) * 1.5 + lam / 3 * p * (1 - p)
        w, a = w - 0.05 * g * z, np.clip(a - 0.05 * factor * da, -np.log(100), np.log(100))
    return w, a, penalties


@pytest.mark.parametrize(("lam", "factor"), [(0.0, 1.0), (1.0, 3.0), (50.0, 2.0)])
def test_a_training_is_the_one_written_out(lam: float, factor: float) -> None:
    method = HardConcrete(lam=lam, lr_factor=factor)
    trained, history = mp.fit(line(), DATA, epochs=4, method=method, **SGD)
    w, a, penalties = slowly(4, lam, factor)
    found = history.extra["fc.weight log alpha"][0]
    assert found == pytest.approx(a, rel=1e-12)
    z = gate_at_test(a)
    dead = z == 0  # all but the first, if all are
    assert trained.params["fc.weight"][0] == pytest.approx(np.where(dead, 0, w * z), rel=1e-12)
    assert history.steps["penalty"] == pytest.approx(penalties, rel=1e-12)
    assert len(history.extra["expected L0"]) == 4
    assert history.extra["threshold"] == pytest.approx(-2.3979, abs=1e-4)


def test_a_moving_average_is_corrected_for_its_start() -> None:
    def end(average: float) -> Any:
        method = HardConcrete(lam=1.0, average=average)
        return mp.fit(line(), DATA, epochs=2, method=method, **SGD)[1].extra["fc.weight log alpha"]

    first, last = (slowly(k, 1.0, 20.0)[1] for k in (1, 2))
    assert end(0.0)[0] == pytest.approx(last, rel=1e-12)
    assert end(0.5)[0] == pytest.approx((first + 2 * last) / 3, rel=1e-12)


def test_gates_of_units_scale_what_reads_them() -> None:
    model = small_net()
    method = HardConcrete(unit=True, inputs=True)
    _, extra, state = method.start(model, context(model))
    extra = {k: np.linspace(-1.5, 1.5, a.size) for k, a in extra.items()}
    found = method.finish(model, extra, context(model)._replace(state=state)).params
    z = {k.removesuffix(" log alpha"): gate_at_test(a) for k, a in extra.items()}
    want = dict(model.params)
    want["conv1.weight"] = want["conv1.weight"] * z["the net's input"][None, :, None, None]
    conv = z["conv1.weight"]  # tied to conv2 by the sum
    want["conv2.weight"] = want["conv2.weight"] * conv[None, :, None, None]
    want["fc1.weight"] = want["fc1.weight"] * np.repeat(conv, 4)[None]
    want["fc2.weight"] = want["fc2.weight"] * z["fc1.weight"][None]
    assert found.keys() == want.keys()
    for k in want:
        assert found[k] == pytest.approx(want[k], rel=1e-12), k
    each = state["groups"]["conv1.weight"]["each"]
    assert each.tolist() == [3 * 9 + 4 * 5] * 3  # weights that read a channel


def test_a_dense_layer_has_a_gate_for_each_pixel() -> None:
    model = mp.zoo.mlp(((1, 2, 3), 2), hidden=(4,), dtype=np.float64)
    method = HardConcrete(unit=True, inputs=True)
    _, extra, state = method.start(model, context(model))
    extra["the net's input log alpha"][[0, 4]] = -3.0
    found = method.finish(model, extra, context(model)._replace(state=state))
    live = found.masks["fc1.weight"].all(axis=0), found.masks["fc1.weight"].any(axis=0)
    assert live[0].tolist() == live[1].tolist() == [False, True, True, True, False, True]
    assert state["groups"]["the net's input"]["each"].tolist() == [4] * 6


def test_the_threshold_of_a_share_is_the_highest_that_is_pruned() -> None:
    method = HardConcrete(0.5, unit=True)
    model, history = mp.fit(small_net(), small_data(), epochs=1, method=method, progress=False)
    dead = ~model.masks["fc1.weight"].any(axis=1), ~model.masks["conv1.weight"].any(axis=(1, 2, 3))
    found = [history.extra[f"{k}.weight log alpha"] for k in ("fc1", "conv1")]
    gone = np.concatenate([a[d] for a, d in zip(found, dead, strict=True)])
    kept = np.concatenate([a[~d] for a, d in zip(found, dead, strict=True)])
    assert history.extra["threshold"] == gone.max() <= kept.min()


def test_closed_gates_are_pruned_and_gone() -> None:
    model = small_net()
    method = HardConcrete(unit=True, inputs=False)
    _, extra, state = method.start(model, context(model))
    extra["fc1.weight log alpha"][[1, 3]] = -3.0
    small = mp.compact(method.finish(model, extra, context(model)._replace(state=state)))
    assert small.net.params["fc1.weight"] == (3, 12)


@given(st.integers(0, 99))
def test_taking_and_summing_are_adjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 4, 6)  # 3: no gate
    z, g = rng.standard_normal(3), rng.standard_normal(6)
    left = (taken(z, index=index, rest=0.0) * g).sum()
    assert left == pytest.approx((z * summed(g, index=index, n=3)).sum(), abs=1e-12)
    assert (taken(z, index=index, rest=1.0) - taken(z, index=index, rest=0.0)).tolist() == (
        index == 3
    ).tolist()


def test_the_second_derivative() -> None:
    """Against differences of the first, where the gate is between 0 and 1."""
    u, a, h = np.array([0.3, 0.5, 0.6]), np.array([0.2, -0.3, 0.1]), 2.0**-17

    def slope(at: Array) -> Any:
        x = Tensor(at)
        return x, grad(total(gate(x, u=u)), [x], create_graph=True)[0]

    x, first = slope(a)
    bend = grad(total(first), [x])[0]
    want = (slope(a + h)[1].value - slope(a - h)[1].value) / (2 * h)
    assert bend == pytest.approx(want, abs=1e-8)


REFUSED = {
    "HardConcrete: sparsity must be a number from 0 to 1, not 2; pass sparsity=0.5, for example":
    {"sparsity": 2},
    "HardConcrete: lam must be a finite number of at least 0, not -1; pass lam=1, for example":
    {"lam": -1},
    "HardConcrete: rate['fc1'] must be a number above 0 and below 1, not 0; pass "
    "rate['fc1']=0.5, for example": {"rate": {"fc1": 0}},
    "HardConcrete: inputs must be False for gates on weights, not True; pass unit=True too":
    {"inputs": True},
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_refused(said: str) -> None:
    with pytest.raises(ArgumentError) as e:
        HardConcrete(**REFUSED[said])
    assert str(e.value) == said


def test_what_is_refused_before_training() -> None:
    known = "conv1.weight, conv2.weight, fc1.weight, fc2.weight"
    for model, data, how, said in (
        (small_net(), small_data(), {"lam": {"fc9": 1.0}},
         f"'fc9' must be a scored parameter, or a layer of one; choose among {known}"),
        (line(), DATA, {"unit": True},
         "HardConcrete: groups of units must not be empty; print(mp.ties(model)) shows which may "
         "be removed"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError) as e:
            mp.fit(model, data, epochs=1, method=HardConcrete(**how), progress=False)
        assert str(e.value) == said
