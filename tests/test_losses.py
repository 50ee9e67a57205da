"""Losses by hand: their values, targets and answers; regression is not judged as classification."""

import re
from typing import Any

import numpy as np
import pytest
from curving import losses, made, sigmoid
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Tensor, grad
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.measures.quality import evaluate
from minprune.nets.losses import LOSSES
from minprune.nets.net import build


def passing(outputs: int, loss: Any) -> mp.Model:
    """f(x) = x"""
    model = mp.initialise(build((outputs,), [("fc", mp.Dense(outputs, outputs))], loss))
    return mp.Model(model.net, {"fc.weight": np.eye(outputs), "fc.bias": np.zeros(outputs)}, {}, {})


def near(a: Any, b: Any, eps: float = 1e-12) -> bool:
    return bool(np.allclose(a, b, rtol=eps, atol=eps))


def test_binary_cross_entropy_by_hand() -> None:
    x = np.array([[0.0, np.log(3.0)]])  # p = 1/2, 3/4; y = 1, 0
    z = Tensor(x.T)
    found = ag.binary_cross_entropy(z, y=np.array([[1.0], [0.0]]))
    assert near(found.value, np.log(2) + np.log(4))
    (g,) = grad(found, [z])
    assert near(g, [[-0.5], [0.75]])


@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 5))
def test_binary_cross_entropy_is_the_definition(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = 3 * rng.standard_normal((k, n)), rng.integers(0, 2, (k, n)).astype(float)
    p = sigmoid(x)
    want = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / n
    assert near(ag.binary_cross_entropy(x, y=y), want)
    assert not near(ag.binary_cross_entropy(x, y=y), want / k) or k == 1  # no mean over outputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_never_overflows(dtype: Any) -> None:
    x = np.array([[1e30, -1e30, 1e30, -1e30]], dtype)
    y = np.array([[1, 0, 0, 1]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert ag.binary_cross_entropy(x[:, :2], y=y[:, :2]) == 0
    assert near(ag.binary_cross_entropy(x, y=y), 2e30 / 4, 1e-6)
    z = Tensor(x)
    (g,) = grad(ag.binary_cross_entropy(z, y=y), [z])
    assert near(g, np.array([[0, 0, 1, -1]]) / 4)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_over_samples_of_each_sample(loss: Any) -> None:
    model, data = made((3,), mp.Dense(3, 4), mp.Tanh(), mp.Dense(4, 3), loss=loss)
    assert near(evaluate(model, data).loss, losses(model, data).mean())


# --- what is right


def test_answers_of_binary_cross_entropy() -> None:
    x = np.array([[1.0], [-1.0], [0.25], [-0.25]])
    for y in (np.array([1, 0, 0, 0]), np.array([[1], [0], [0], [0]]), np.array([1.0, 0, 0, 0])):
        found = evaluate(passing(1, "binary_cross_entropy"), (x, y))
        assert found.accuracy == 0.75
        assert found.per_class == (2 / 3, 1.0)
    both = evaluate(passing(2, "binary_cross_entropy"), (x @ [[1.0, -1.0]], np.ones((4, 2))))
    assert (both.accuracy, both.per_class, both.top5) == (0.5, (), None)
    assert (both.mse, both.r2, both.calibration) == (None, None, None)


def test_numbers_have_no_accuracy() -> None:
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 6.0])
    found = evaluate(passing(1, "mse"), (x, y))
    assert (found.accuracy, found.per_class, found.top5) == (None, (), None)
    assert near(found.mse, 3)
    assert near(found.r2, 1 - 9 / 14)
    text = str(mp.measure(passing(1, "mse"), (x, y), time=False))
    assert "accuracy" not in text
    assert "worst class" not in text
    assert re.search(r"mean squared error +3\n", text)
    assert re.search(r"R2 +0.3571\n", text)
    two = evaluate(passing(2, "mse"), (np.ones((4, 2)), np.ones((4, 2)) * [2.0, 1.0]))
    assert (two.accuracy, two.mse, two.loss, two.r2) == (None, 0.5, 1.0, 0.5)


def test_zeros_and_ones_have_an_accuracy_under_mse() -> None:
    x = np.array([[0.6], [0.4], [0.2], [0.9]])
    found = evaluate(passing(1, "mse"), (x, np.array([1, 1, 0, 0])))
    assert (found.accuracy, found.per_class) == (0.5, (0.5, 0.5))
    once = evaluate(passing(2, "mse"), (np.array([[0.2, 0.1]]), np.array([[1.0, 0.0]])))
    assert once.accuracy == 1  # each row has a single 1: the largest output
    twice = evaluate(passing(2, "mse"), (np.array([[0.2, 0.6]]), np.array([[1.0, 1.0]])))
    assert twice.accuracy == 0.5


def test_the_fit_of_a_plane_is_told_by_r2() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype("f4")
    y = (x @ [1.0, -2.0, 0.5, 3.0] + 50).astype("f4")  # one axis
    data = mp.Dataset((x, y), (x, y), (x, y))
    model = mp.zoo.mlp(data, (), loss="mse")
    assert evaluate(model, data.test).r2 < 0  # type: ignore[operator]
    model, history = mp.fit(model, data, epochs=60, optimizer=mp.SGD(0.1), progress=False)
    assert evaluate(model, data.test).r2 > 0.99  # type: ignore[operator]
    assert np.isnan(history.epochs["val_accuracy"]).all()
    units = mp.score(mp.zoo.mlp(data, (4,), loss="mse"), data.train, "taylor", unit=True)
    assert units["fc1.weight"].shape == (4,)


# --- what is refused, before the work

X = np.zeros((4, 1), "f4")
REFUSED: tuple[tuple[str, int, Array, str], ...] = (
    ("cross_entropy", 3, np.array([0, 1, 2, 3]),
     "must be classes from 0 to 2, not 3 in row 3; correct it, or build a net with more outputs"),
    ("cross_entropy", 3, np.array([0, -1, 2, 0]),
     "must be classes from 0 to 2, not -1 in row 1; correct it, or build a net with more outputs"),
    ("cross_entropy", 3, np.array([0, 10**9, 2, 0]),
     "must be classes from 0 to 2, not 1000000000 in row 1; correct it, or build a net with more "
     "outputs"),
    ("cross_entropy", 3, np.array([0.0, np.nan, 2.0, 1.0]),
     "must be integer classes (n,), not float64 of shape (4,); pass classes, or build the net "
     "with loss='mse'"),
    ("cross_entropy", 3, np.eye(4)[:, :3],
     "must be integer classes (n,), not float64 of shape (4, 3); pass classes, or build the net "
     "with loss='mse'"),
    ("mse", 1, np.array([0.0, np.nan, 2.0, 1.0]),
     "must be finite, not nan in row 1; correct it, or leave it out"),
    ("mse", 2, np.array([[0, 1], [1, 0], [np.inf, 0], [0, 0]]),
     "must be finite, not inf in row 2; correct it, or leave it out"),
    ("mse", 2, np.zeros(4),
     "must be numbers (n, 2), not float64 of shape (4,); pass one column for each output, or "
     "build the net with loss='cross_entropy'"),
    ("binary_cross_entropy", 1, np.array([0, 1, 2, 1]),
     "must be 0 or 1, not 2 in row 2; correct it"),
    ("binary_cross_entropy", 1, np.array([0, 1, 0.5, 1]),
     "must be 0 or 1, not 0.5 in row 2; correct it"),
    ("binary_cross_entropy", 1, np.array([0, 1, np.nan, 1]),
     "must be finite, not nan in row 2; correct it, or leave it out"),
)  # fmt: skip


@pytest.mark.parametrize(("loss", "outputs", "y", "text"), REFUSED)
def test_targets_are_refused_wherever_they_enter(
    loss: Any, outputs: int, y: Array, text: str
) -> None:
    net = [("fc1", mp.Dense(1, 2)), ("relu1", mp.ReLU()), ("fc2", mp.Dense(2, outputs))]
    model = mp.initialise(build((1,), net, loss))
    for owner, work in (
        ("evaluate", lambda: evaluate(model, (X, y))),
        ("data", lambda: mp.score(model, (X, y), "obd")),  # also where targets do not enter
        ("data", lambda: mp.score(model, (X, y), "taylor")),
    ):
        with pytest.raises(ShapeError) as caught:
            work()
        assert caught.value.args == (f"{owner}: the targets of {loss} {text}",)


@pytest.mark.parametrize("part", ["train", "val"])
def test_targets_are_refused_before_training(part: str) -> None:
    fine, wrong = np.array([0, 1, 2, 0]), np.array([0, 1, 2, 3])
    y = {"train": fine, "val": fine} | {part: wrong}
    data = mp.Dataset((X, y["train"]), (X, y["val"]), (X, fine))
    with pytest.raises(ShapeError) as caught:
        mp.fit(mp.zoo.mlp(((1,), 3), ()), data, epochs=1, progress=False)
    assert caught.value.args == (
        f"fit: data.{part}: the targets of cross_entropy must be classes from 0 to 2, not 3 in row "
        f"3; correct it, or build a net with more outputs",
    )


def test_cross_entropy_with_one_output_is_refused_when_the_net_is_built() -> None:
    with pytest.raises(ShapeError) as caught:
        build((2,), [("fc", mp.Dense(2, 1))])
    assert caught.value.args == (
        "build: a net with loss='cross_entropy' must have an output for each class, not 1 in all; "
        "use loss='binary_cross_entropy' for two classes, or 'mse' for numbers",
    )


def test_a_batch_of_one_before_batch_norm_is_refused_before_training() -> None:
    net = [("a", mp.Dense(1, 2)), ("bn", mp.BatchNorm(2)), ("b", mp.Dense(2, 2))]
    model = mp.initialise(build((1,), net))
    x, y = np.arange(9.0)[:, None].astype("f4"), np.arange(9) % 2
    data = mp.Dataset((x, y), (x, y), (x, y))
    with pytest.raises(ArgumentError) as caught:
        mp.fit(model, data, epochs=1, batch_size=4, progress=False)
    assert caught.value.args == (
        "fit: bn: a batch must have at least 2 samples, and the last one of 9 in batches of 4 has "
        "1; pass another batch_size, or drop_last=True",
    )
    _, history = mp.fit(model, data, epochs=2, batch_size=4, drop_last=True, progress=False)
    assert len(history.steps["loss"]) == 4
    mean = np.array(history.steps["loss"]).reshape(2, 2).mean(axis=1)
    assert near(history.epochs["train_loss"], mean, 1e-6)
    with pytest.raises(ArgumentError) as caught:
        mp.fit(model, data, epochs=2, batch_size=10, drop_last=True, progress=False)
    assert caught.value.args == (
        "fit: batch_size must be at most 9, the number of samples, where drop_last is True, not "
        "10; pass a smaller one",
    )


def test_a_net_sized_for_classes_0_and_1_has_one_output_for_them() -> None:
    x, y = np.zeros((4, 3), "f4"), np.array([0, 1, 1, 0])
    data = mp.Dataset((x, y), (x, y), (x, y))
    for loss, outputs in (("cross_entropy", 2), ("binary_cross_entropy", 1), ("mse", 1)):
        model = mp.zoo.mlp(data, (), loss=loss)  # type: ignore[arg-type]
        assert model.params["fc1.weight"].shape == (outputs, 3)
        mp.fit(model, data, epochs=1, progress=False)
