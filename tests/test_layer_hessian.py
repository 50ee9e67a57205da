"""H = (2/P) X X^T: 1/2 d^T H d is the change of the layer's output, P the samples of all data."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from surgery import EPS, row_rise

from minprune.core import Array
from minprune.curvature.layerwise import layer_hessian, layer_inputs, merge, refit, sweep_layer
from minprune.errors import ArgumentError
from minprune.masking.apply import prune
from minprune.nets.activation_layers import ReLU
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense, Flatten
from minprune.nets.initialise import initialise
from minprune.nets.model import Model, batch_last, run
from minprune.nets.net import build
from minprune.sparse.convert import sparsify


def small_net(groups: int = 1, dtype: Any = np.float64) -> Model:
    layers = [
        ("conv1", Conv2d(2, 4, 3, padding=1)), ("relu1", ReLU()),
        ("conv2", Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=groups)),
        ("flatten", Flatten()), ("fc", Dense(6 * 3 * 3, 3)),
    ]  # fmt: skip
    return initialise(build((2, 5, 4), layers), seed=1, dtype=dtype)  # type: ignore[arg-type]


def images(n: int) -> Array:
    return np.random.default_rng(0).standard_normal((n, 2, 5, 4))


def outputs_of(model: Model, name: str, x: Array) -> Array:
    """The layer's output (o, ...) without activation, by the net itself."""
    seen: dict[str, Array] = {}
    run(model.net, model.params, batch_last(x, model.dtype), watch=seen.__setitem__)
    return seen[name]


@pytest.mark.parametrize("name", ["conv1", "conv2.weight", "fc"])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_the_error_of_h_is_the_change_of_the_layer_s_output(
    name: str, groups: int, bias: bool
) -> None:
    """1/2 d^T H d over all rows = mean over samples of the squared change, positions summed"""
    model, x = small_net(groups), images(7)
    layer = name.removesuffix(".weight")
    h = layer_hessian(model, x, name, bias=bias)
    rng = np.random.default_rng(3)
    w, b = (rng.standard_normal(model.params[f"{layer}.{k}"].shape) for k in ("weight", "bias"))
    params = dict(model.params)
    params[f"{layer}.weight"] = params[f"{layer}.weight"] + w
    params[f"{layer}.bias"] = params[f"{layer}.bias"] + (b if bias else 0)
    change = outputs_of(replace(model, params=params), layer, x) - outputs_of(model, layer, x)
    rows = np.column_stack([w.reshape(len(w), -1), b]) if bias else w.reshape(len(w), -1)
    got = sum(row_rise(part, d) for part, d in zip(h, np.split(rows, len(h)), strict=True))
    want = float((change**2).sum() / len(x))
    assert abs(got - want) <= 1000 * rows.shape[1] * EPS * want  # sums of thousands of products
    assert len(h) == (groups if layer == "conv2" else 1)
    assert np.array_equal(h, h.transpose(0, 2, 1))


def divided_by_the_batch(model: Model, x: Array, name: str) -> Array:
    """L-OBS: the sum over all batches, divided by the size of one."""
    return sum(layer_hessian(model, part, name) for part in np.array_split(x, 3))


def test_h_does_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = small_net(), images(9)
    whole = {name: layer_hessian(model, x, name) for name in ("conv1", "conv2", "fc")}
    near = {name: 1000 * EPS * np.abs(h).max() for name, h in whole.items()}
    monkeypatch.setattr("minprune.curvature.layerwise.CHUNK", 2)
    assert len(list(layer_inputs(model, x, "fc"))) == 5
    for name, h in whole.items():
        assert np.abs(layer_hessian(model, x, name) - h).max() <= near[name]
        assert np.abs(layer_hessian(model, x[::-1], name) - h).max() <= near[name]
        assert np.abs(divided_by_the_batch(model, x, name) - h).max() > near[name]
        twice = layer_hessian(model, np.concatenate([x, x]), name)
        assert np.abs(twice - h).max() <= near[name]


def test_grouped_rows_are_swept_by_the_h_of_their_group() -> None:
    model, x = small_net(groups=2), images(9)
    h, w = layer_hessian(model, x, "conv2"), model.params["conv2.weight"]
    sweep = sweep_layer(w, h, 0)
    for g in range(2):
        half = slice(3 * g, 3 * g + 3)
        one = sweep_layer(w[half], h[g], 0)
        assert np.array_equal(sweep.order[half], one.order)
        assert np.array_equal(sweep.losses[half], one.losses)
    assert merge(sweep, 30).shape == w.shape
    mask = merge(sweep, 30)
    assert refit(w, h, mask, 0).shape == w.shape
    assert np.array_equal(refit(w, h, mask, 0)[:3], refit(w[:3], h[0], mask[:3], 0))


def test_a_group_whose_inputs_are_dead_goes_by_size_and_before_the_other() -> None:
    """H = 0 there: only alpha, that of the whole layer, tells its weights apart"""
    model, x = small_net(groups=2), images(9)
    h, w = layer_hessian(model, x, "conv2"), model.params["conv2.weight"]
    h[0] = 0
    sweep = sweep_layer(w, h)
    rows = w.reshape(6, -1)
    assert sweep.alpha == 1e-6 * np.trace(h[1]) / 2 / len(h[1])
    for row, order in zip(rows[:3], sweep.order[:3], strict=True):
        assert order.tolist() == np.argsort(np.abs(row)).tolist()
    mask = merge(sweep, rows.size // 2)
    assert not mask[:3].any()
    assert mask[3:].all()
    some = np.arange(w.size).reshape(w.shape) % 2 == 0
    assert np.array_equal(refit(w, h, some)[:3], np.where(some, w, 0)[:3])


def test_h_of_a_net_in_single_precision_is_double() -> None:
    assert layer_hessian(small_net(dtype=np.float32), images(3), "fc").dtype == np.float64


def test_another_layer_may_be_sparse() -> None:
    model = small_net()
    scores = {"fc.weight": np.abs(model.params["fc.weight"])}
    pruned = prune(model, scores, sparsity=0.5)
    sparse, x = sparsify(pruned, {"fc": "csr"}), images(3)
    for name in ("conv1", "conv2"):
        assert np.array_equal(layer_hessian(sparse, x, name), layer_hessian(pruned, x, name))


def test_a_model_is_left_as_it_was() -> None:
    model, x = small_net(), images(4)
    before = {k: v.tobytes() for k, v in model.params.items()}
    w = model.params["fc.weight"]
    w.flags.writeable = False
    h = layer_hessian(model, x, "fc")
    sweep = sweep_layer(w, h)
    refit(w, h, merge(sweep, 5))
    assert {k: v.tobytes() for k, v in model.params.items()} == before


MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no weight": (
        lambda: layer_hessian(small_net(), images(2), "relu1"),
        ArgumentError,
        "relu1: the layer must have a weight matrix, as Dense and Conv2d have, and ReLU has none; "
        "pass one of conv1, conv2, fc",
    ),
    "no samples": (
        lambda: list(layer_inputs(small_net(), images(0), "fc")),
        ArgumentError,
        "fc: x must not be empty; pass inputs",
    ),
    "too large": (
        lambda: layer_hessian(small_net(), images(2), "fc", limit=1000),
        ArgumentError,
        "fc: H over 54 inputs would take 23,328 bytes, more than the limit of 1,000; leave that "
        "layer out, or raise limit=",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refusal(name: str) -> None:
    provoke, error, text = MESSAGES[name]
    with pytest.raises(error) as caught:
        provoke()
    assert caught.value.args == (text,)
