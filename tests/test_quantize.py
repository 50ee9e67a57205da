"""mp.quantize: integers near the floats by a derived bound; every layer with an integer form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.deploy import byte_steps as byte
from minprune.deploy.quantize import Quantized
from minprune.errors import ArgumentError, NonFiniteError

RNG = np.random.default_rng(0)


def whole() -> mp.Model:
    """A net of every kind of step: padding, groups, pools, a sum, a concatenation, tables"""
    net = mp.build(
        (2, 6, 6),
        [
            ("norm", mp.BatchNorm(2)),
            ("conv", mp.Conv2d(2, 4, 3, padding=1, groups=2), "norm"),
            ("tanh", mp.Tanh()),
            ("side", mp.Conv2d(2, 4, 1), "norm"),
            ("sum", mp.Add(), ("tanh", "side")),
            ("leaky", mp.LeakyReLU()),
            ("both", mp.Concat(), ("leaky", "side")),
            ("mean", mp.AvgPool(3, stride=2, padding=1)),
            ("max", mp.MaxPool(2, stride=1, padding=1)),
            ("flat", mp.Flatten()),
            ("fc1", mp.Dense(128, 5)),
            ("relu6", mp.ReLU6()),
            ("fc2", mp.Dense(5, 3)),
        ],
    )
    return mp.initialise(net, seed=0)


def test_a_net_of_every_step_is_near_its_floats_and_integers_all_the_way():
    model, x = whole(), RNG.standard_normal((60, 2, 6, 6)).astype(np.float32)
    small = mp.quantize(model, x)
    values = small.program.values(x)
    kinds = [type(s) for s in small.program.steps]
    assert {byte.ByteScale, byte.ByteConvolve, byte.ByteTable, byte.ByteSum, byte.ByteMean} < {
        *kinds
    }
    assert [v.dtype for v in values[1:-2]] == [np.uint8] * len(values[1:-2])
    assert values[-2].dtype == np.int32
    assert values[-1].dtype == np.float32
    out = model(x)
    assert np.abs(small(x) - out).max() < 0.05 * np.abs(out).max()
    assert (small(x[:7]) == small(x)[:7]).all()


@given(st.integers(0, 2**32 - 1))
def test_a_layer_is_off_by_half_a_step_of_its_weights_and_inputs_at_most(seed):
    rng = np.random.default_rng(seed)
    net = mp.build((6,), [("fc", mp.Dense(6, 3))], loss="mse")
    w, b = rng.standard_normal((3, 6)), rng.standard_normal(3)
    w[rng.random(w.shape) < 0.4] = 0
    x = rng.standard_normal((20, 6)) * rng.choice([1e-3, 1, 1e3])
    small = mp.quantize(mp.Model(net, {"fc.weight": w, "fc.bias": b}), x)
    into, fc, out = small.program.steps
    near = into.at.step * (into.apply(x).astype(int) - into.at.zero)
    each = into.at.step * np.abs(fc.weight).max(axis=1)
    per_row = np.where(each > 0, np.abs(w).max(axis=1) / 127, 0)
    per_row = np.maximum(per_row, np.abs(b) / into.at.step / 2**29)
    bound = np.abs(x - near) @ np.abs(w).T + np.abs(near).sum(axis=1, keepdims=True) * per_row / 2
    bound = bound + per_row * into.at.step / 2 + out.at.step / 2
    exact = x @ w.T + b
    assert (np.abs(small(x) - exact) <= bound * 1.001 + 1e-6 * np.abs(exact)).all()
    assert (fc.weight[w == 0] == 0).all()


@pytest.mark.parametrize("make", [mp.zoo.lenet_300_100, mp.zoo.cnn_small, mp.zoo.resnet_small])
def test_nets_of_the_zoo_keep_their_answers(make):
    data = mp.data.digits()
    model = make(data, seed=0)
    small, x = mp.quantize(model, data.train[0][:200]), data.test[0][:100]
    assert (small(x).argmax(axis=1) == model(x).argmax(axis=1)).mean() > 0.9


def test_percentiles_leave_out_what_is_far_from_the_rest():
    model = mp.zoo.mlp(((4,), 2), hidden=(3,), seed=0)
    x = RNG.random((1000, 4)).astype(np.float32)
    x[0] = 100
    wide, narrow = mp.quantize(model, x), mp.quantize(model, x, percentiles=(0.1, 99.9))
    assert wide.ranges[0].tolist() == [x.min(), 100]
    assert 0.99 < narrow.ranges[0, 1] < 1.01


def test_it_is_measured_as_a_model_is():
    data = mp.data.digits()
    model = mp.zoo.mlp(data, hidden=(8,), seed=0)
    small = mp.quantize(model, data.train[0])
    found = mp.measure(small, data.test, time=False)
    assert found.quality == mp.evaluate(small, data.test)
    assert len(found.quality.per_class) == 10
    assert found.size.stored < 0.4 * mp.measure(model, time=False).size.stored
    text = str(small.compare(data.test))
    assert text.splitlines()[0].split() == ["class", "samples", "float32", "int8", "change"]
    assert len(text.splitlines()) == 2 + 10 + 1


def grouped() -> mp.Model:
    layers = [("conv", mp.Conv2d(1, 2, 2)), ("norm", mp.GroupNorm(1, 2)), ("flat", mp.Flatten())]
    return mp.initialise(mp.build((1, 3, 3), layers, loss="mse"), seed=0)


def broken(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[0, 0] = np.nan
    return x


MLP = mp.zoo.mlp(((4,), 2), hidden=(3,), seed=0)
X = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: mp.quantize(grouped(), np.ones((2, 1, 3, 3))), ArgumentError,
            "quantize: norm must have an integer form, and a Normalise step has none; export it as "
            "float32, or train it with mp.BatchNorm instead",
        ),
        (
            lambda: mp.quantize(MLP, X[:0]), ArgumentError,
            "quantize: x must not be empty; pass a few hundred inputs, such as data.train[0]",
        ),
        (
            lambda: mp.quantize(MLP, X, percentiles=(99, 1)), ArgumentError,
            "quantize: percentiles must be two numbers from 0 to 100, the smaller one first, not "
            "(99, 1); pass (0.1, 99.9), for example",
        ),
        (
            lambda: mp.quantize(MLP, broken(X)), NonFiniteError,
            "quantize: x must give finite values, and 1 of 12 are not; check the model and the "
            "inputs",
        ),
        (
            lambda: mp.prune(mp.quantize(MLP, X), {}, sparsity=0.5), ArgumentError,
            "prune: model must be a Model, not Quantized; pass its attribute model, and change the "
            "result again",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, text):
    with pytest.raises(error) as found:
        call()
    assert str(found.value) == text


def test_a_row_whose_weights_are_all_masked_keeps_its_bias():
    net = mp.build((2,), [("fc", mp.Dense(2, 2))], loss="mse")
    params = {"fc.weight": np.zeros((2, 2), np.float32), "fc.bias": np.float32([3, -0.25])}
    small = mp.quantize(mp.Model(net, params), np.ones((1, 2), np.float32))
    assert isinstance(small, Quantized)
    assert np.allclose(small(np.zeros((1, 2))), [[3, -0.25]], rtol=1e-6)


def test_a_row_of_zeros_does_not_coarsen_the_outputs_of_the_others():
    net = mp.build((2,), [("fc", mp.Dense(2, 3))], loss="mse")
    weight = np.float32([[1e-3, -2e-3], [0, 0], [3e-3, 1e-3]])
    model = mp.Model(net, {"fc.weight": weight, "fc.bias": np.zeros(3, np.float32)})
    x = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    assert np.abs(mp.quantize(model, x)(x) - model(x)).max() <= 1e-4
