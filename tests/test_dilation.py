"""Dilation and padding="same" through the whole library: one slow definition, every path."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune import kernels
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError
from minprune.files import describe, rebuild
from minprune.measures.cost import size
from minprune.nets.model import run

Draw = Any


def slowly(x: Array, w: Array, b: Array, at: dict[str, Any]) -> Array:
    """y[n, o, i, j] = b[o] + sum_cuv w[o, c, u, v] x[n, c, i s + u d - p, j s + v d - p]"""
    (n, _, h, wide), (o, each, ky, kx) = x.shape, w.shape
    extent = [(k - 1) * d + 1 for k, d in zip((ky, kx), at["dilation"], strict=True)]
    if at["padding"] == "same":
        first, sides = [(e - 1) // 2 for e in extent], (h, wide)
    else:
        first = at["padding"]
        sides = tuple(
            (s + 2 * p - e) // t + 1
            for s, p, e, t in zip((h, wide), first, extent, at["stride"], strict=True)
        )
    y = np.zeros((n, o, *sides)) + b[:, None, None]
    per = o // at["groups"]
    for k, i, j, c, u, v in product(*map(range, (o, *sides, each, ky, kx))):
        row = i * at["stride"][0] + u * at["dilation"][0] - first[0]
        col = j * at["stride"][1] + v * at["dilation"][1] - first[1]
        if 0 <= row < h and 0 <= col < wide:
            y[:, k, i, j] += w[k, c, u, v] * x[:, k // per * each + c, row, col]
    return y


@st.composite
def windows(draw: Draw) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """(stride, padding, dilation, groups), the kernel, the sides of the image"""

    def pair(lo: int, hi: int) -> tuple[int, int]:
        return draw(st.tuples(st.integers(lo, hi), st.integers(lo, hi)))  # type: ignore[no-any-return]

    at: dict[str, Any] = {"stride": pair(1, 2), "padding": pair(0, 2), "dilation": pair(1, 3)}
    if draw(st.booleans()):
        at |= {"stride": (1, 1), "padding": "same"}
    kernel = pair(1, 4)
    more = pair(0, 3)
    sides = tuple((k - 1) * d + 1 + m for k, d, m in zip(kernel, at["dilation"], more, strict=True))
    return at | {"groups": draw(st.sampled_from([1, 2, 4]))}, kernel, sides


@given(windows(), st.integers(0, 99))
def test_the_net_is_the_loop_dense_and_sparse(window: Any, seed: int) -> None:
    at, kernel, sides = window
    rng = np.random.default_rng(seed)
    layer = mp.Conv2d(4, 4, kernel, **at)
    net = mp.build((4, *sides), [("conv", layer), ("flat", mp.Flatten())], loss="mse")
    w, b = rng.normal(size=layer.params()["weight"]), rng.normal(size=4)
    w[rng.random(w.shape) < 0.5] = 0
    x = rng.normal(size=(2, 4, *sides))
    model = mp.Model(net, {"conv.weight": w, "conv.bias": b}, {})
    model = mp.with_masks(model, {"conv.weight": w != 0})
    want = slowly(x, w, b, at)
    assert net.shapes["conv"] == want.shape[1:]
    assert np.allclose(model(x), want.reshape(2, -1), rtol=0, atol=1e-12)
    assert np.allclose(mp.sparsify(model, "csr")(x), want.reshape(2, -1), rtol=0, atol=1e-12)
    assert size(model).macs == w.size * want[0, 0].size


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 9))
def test_a_sequence_is_an_image_of_height_one(k: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w, b = rng.normal(size=(2, 4, 11)), rng.normal(size=(4, 2, k)), rng.normal(size=4)
    layer = mp.Conv1d(4, 4, k, padding="same", groups=2, dilation=d)
    net = mp.build((4, 11), [("conv", layer), ("flat", mp.Flatten())], loss="mse")
    at = {"stride": (1, 1), "padding": "same", "dilation": (1, d), "groups": 2}
    want = slowly(x[:, :, None], w[:, :, None], b, at)
    model = mp.Model(net, {"conv.weight": w, "conv.bias": b}, {})
    assert np.allclose(model(x), want.reshape(2, -1), rtol=0, atol=1e-12)


LAYERS = (
    mp.Conv2d(4, 8, 3, dilation=2, padding="same"),
    mp.Conv2d(4, 8, (2, 3), dilation=(1, 2), padding="same", groups=2),
    mp.Conv2d(4, 8, 2, dilation=3, stride=2, padding=1, groups=2),
    mp.Conv1d(4, 8, 4, dilation=2, padding="same"),
    mp.Conv1d(4, 8, 2, dilation=3, stride=2, padding=1, groups=2),
)


def of(layer: Any, seed: int = 1) -> tuple[mp.Model, tuple[Array, Array]]:
    """A small smooth net with that layer, and some samples"""
    rng = np.random.default_rng(seed)
    sides = (8, 7)[: len(layer.axes)]
    layers = [("conv", layer), ("bend", mp.Tanh()), ("pool", mp.GlobalAvgPool())]
    net = mp.build((4, *sides), [*layers, ("fc", mp.Dense(8, 2))])
    data = rng.normal(size=(6, 4, *sides)), rng.integers(0, 2, 6)
    return mp.initialise(net, seed=seed, dtype=np.float64), data


def gradients(model: mp.Model, data: Any) -> Arrays:
    return {n: each.mean(axis=0) for n, each in mp.curvature.sample_grads(model, data).items()}


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_derivatives_and_curvature(layer: Any) -> None:
    """Against central differences of the loss and of the gradient; diagonals against the whole."""
    model, data = of(layer)
    rng, step = np.random.default_rng(2), 1e-5
    v = {n: rng.normal(size=model.params[n].shape) for n in model.net.weights}
    ahead, back = (
        mp.Model(model.net, model.params | {n: model.params[n] + to * v[n] for n in v}, {})
        for to in (step, -step)
    )
    rise = (mp.evaluate(ahead, data).loss - mp.evaluate(back, data).loss) / (2 * step)
    slope = gradients(model, data)
    assert sum(np.vdot(slope[n], v[n]) for n in v) == pytest.approx(rise, rel=1e-6)
    bent = mp.curvature.hvp(model, data, v)
    high, low = gradients(ahead, data), gradients(back, data)
    for n in v:
        assert np.allclose(bent[n], (high[n] - low[n]) / (2 * step), rtol=0, atol=1e-8)
    for dense, kind in ((mp.curvature.hessian, "exact"), (mp.curvature.ggn, "gauss_newton")):
        found = mp.curvature.diagonal(model, data, kind)
        want = np.diagonal(dense(model, data))
        assert np.allclose(np.concatenate([found[n].ravel() for n in v]), want, rtol=0, atol=1e-12)
    squares = mp.curvature.squared_grads(model, data)["conv.weight"]
    each = mp.curvature.sample_grads(model, data)["conv.weight"]
    assert np.allclose(squares, (each**2).mean(axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_units_patches_and_files(layer: Any, tmp_path: Any) -> None:
    """Every criterion scores it, units are compacted, the layer is saved; OBS reads its patches."""
    model, data = of(layer)
    assert mp.ties(model).groups[0].size == 8 // layer.groups
    scores = mp.score(model, data, "obs", scale="layer")["conv.weight"]
    patches = layer.columns(np.moveaxis(data[0], 0, -1))
    assert scores.shape == model.params["conv.weight"].shape
    made = np.concatenate([w @ c for w, c in zip(
        np.split(model.params["conv.weight"].reshape(8, -1), layer.groups), patches, strict=True
    )])  # fmt: skip
    seen: Arrays = {}
    x = np.ascontiguousarray(np.moveaxis(data[0], 0, -1))
    run(model.net, model.params, x, watch=lambda name, out: seen.update({name: out}))
    bias = model.params["conv.bias"][:, None]
    assert np.allclose(made + bias, seen["conv"].reshape(8, -1), rtol=0, atol=1e-12)
    units = mp.score(model, data, "taylor", unit=True)
    small = mp.compact(mp.prune(model, units, sparsity=0.5))
    left = small.net.node("conv").layer
    assert (left.dilation, left.padding) == (layer.dilation, layer.padding)
    mp.save(small, tmp_path / "small.npz")
    again = mp.load(tmp_path / "small.npz")
    assert again.net == small.net
    assert np.array_equal(again(data[0]), small(data[0]))
    trained, _ = mp.fit(small, mp.Dataset(data, data, data), epochs=2, progress=False)
    assert mp.evaluate(trained, data).loss < mp.evaluate(small, data).loss


def test_a_file_without_the_field_loads(tmp_path: Any) -> None:
    """A net that was described before there was dilation: `rebuild` takes the default."""
    net = mp.build((1, 5, 5), [("c", mp.Conv2d(1, 2, 3)), ("p", mp.GlobalAvgPool())])
    told = describe(net)
    del told["layers"][0]["fields"]["dilation"]
    assert rebuild(told) == net


MESSAGES: dict[str, tuple[Any, type[Exception], str]] = {
    "same with a stride": (
        lambda: mp.Conv2d(4, 8, 3, stride=2, padding="same"), ArgumentError,
        "Conv2d: padding='same' needs a stride of 1, not (2, 2), since it has no one meaning "
        "elsewhere; pass numbers, such as padding=1",
    ),
    "of a sequence": (
        lambda: mp.Conv1d(4, 8, 5, stride=3, padding="same", dilation=2), ArgumentError,
        "Conv1d: padding='same' needs a stride of 1, not (3,), since it has no one meaning "
        "elsewhere; pass numbers, such as padding=4",
    ),
    "another word": (
        lambda: mp.Conv2d(4, 8, 3, padding="valid"), ArgumentError,
        "Conv2d: padding must be one or two integers of at least 0, not 'valid'; pass padding=1, "
        "for example",
    ),
    "no dilation": (
        lambda: mp.Conv2d(4, 8, 3, dilation=0), ArgumentError,
        "Conv2d: dilation must be one or two integers of at least 1, not 0; pass dilation=1, for "
        "example",
    ),
    "a window that does not fit": (
        lambda: mp.Conv2d(1, 8, 3, dilation=3).out_shape((1, 6, 9)), ShapeError,
        "Conv2d: a window of 7 x 7 does not fit an input of 6 x 9 with padding 0, 0; use larger "
        "inputs, a smaller window or more padding",
    ),
    "in a kernel": (
        lambda: kernels.unfold(np.ones((1, 4, 4, 2)), (3, 3), dilation=(2, 1)), ShapeError,
        "unfold: kernel (3, 3) with dilation (2, 1) is larger than the image (4, 4) with padding "
        "(0, 0); use a smaller kernel or more padding",
    ),
    "padding of three edges": (
        lambda: kernels.unfold(np.ones((1, 4, 4, 2)), (3, 3), padding=(1, 1, 1)), ArgumentError,
        "unfold: padding must be a tuple of 2 integers of at least 0, not (1, 1, 1); pass a tuple "
        "such as (1, 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MESSAGES)
def test_messages(what: str) -> None:
    provoke, kind, text = MESSAGES[what]
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)
