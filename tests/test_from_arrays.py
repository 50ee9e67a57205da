"""mp.from_arrays: each name and shape checked, to the bit; what Keras turns, turned back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from randomnets import models

import minprune as mp
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.nets.model import Model

IMAGES = mp.build((3, 6, 6), [
    ("layer1.0.conv1", mp.Conv2d(3, 4, 3, padding=1)), ("layer1.0.bn1", mp.BatchNorm(4)),
    ("relu", mp.ReLU()), ("depth", mp.Conv2d(4, 8, 3, groups=4)), ("flat", mp.Flatten()),
    ("fc", mp.Dense(128, 5)), ("norm", mp.BatchNorm(5)), ("out", mp.Dense(5, 2)),
])  # fmt: skip
STATE = {  # as PyTorch calls and orders them
    k: np.random.default_rng(0).uniform(0.1, 1, shape).astype(np.float32)
    for k, shape in (IMAGES.params | IMAGES.buffers).items()
}
COUNTS = {f"{k}.num_batches_tracked": np.array(3) for k in ("layer1.0.bn1", "norm")}


def bits(found: Any) -> Any:
    return {k: (a.dtype.name, a.shape, a.tobytes()) for k, a in found.items()}


def test_a_state_dict_to_the_bit() -> None:
    model = mp.from_arrays(IMAGES, STATE | COUNTS)
    assert bits(model.params | model.buffers) == bits(STATE)
    assert not model.masks
    x = np.ones((2, 3, 6, 6), np.float32)
    wide = mp.from_arrays(IMAGES, {k: a.astype(np.float64) for k, a in STATE.items()})
    assert wide.dtype == np.float64
    assert np.allclose(wide(x), model(x), atol=1e-4)
    half = mp.from_arrays(model, {k: a.astype(np.float16) for k, a in STATE.items()})
    assert half.dtype == np.float32


@given(models(), st.randoms())
def test_a_models_own_arrays_make_it_again(model: Model, random: Any) -> None:
    """Of any net, in any order of the arrays, with weights split as torch.nn.utils.prune does"""
    model = mp.with_masks(model, {k: np.arange(model.params[k].size).reshape(
        model.params[k].shape) % 3 > 0 for k in model.net.weights})  # fmt: skip
    arrays: Arrays = dict(model.params | model.buffers)
    for k, mask in model.masks.items():
        arrays[f"{k}_mask"] = mask.astype(np.float32)
        if random.random() < 0.5:
            arrays[f"{k}_orig"] = np.where(mask, arrays.pop(k), 7)
    names = list(arrays)
    random.shuffle(names)
    again = mp.from_arrays(model.net, {k: arrays[k] for k in names})
    for part in ("params", "buffers", "masks"):
        assert bits(getattr(again, part)) == bits(getattr(model, part))


def test_what_is_given_is_left_alone() -> None:
    given = {k: a.copy() for k, a in STATE.items()}
    model = mp.from_arrays(IMAGES, given | {"fc.weight_mask": np.zeros((5, 128))})
    assert bits(given) == bits(STATE)
    assert not any(np.shares_memory(model.params[k], given[k]) for k in model.params)


@pytest.mark.parametrize(
    "rename",
    [
        {"features.0": "layer1.0", "classifier": "fc"},
        {"features.0.conv1.weight": "layer1.0.conv1.weight", "features.0": "layer1.0",
         "classifier": "fc"},
        lambda name: name.replace("features.0", "layer1.0").replace("classifier", "fc"),
    ],
)  # fmt: skip
def test_rename(rename: Any) -> None:
    theirs = {
        k.replace("layer1.0", "features.0").replace("fc", "classifier"): a
        for k, a in (STATE | COUNTS).items()
    }
    model = mp.from_arrays(IMAGES, theirs, rename)
    assert bits(model.params | model.buffers) == bits(STATE)


def test_a_prefix_is_dropped() -> None:
    model = mp.from_arrays(IMAGES, {f"module.{k}": a for k, a in STATE.items()}, {"module": ""})
    assert bits(model.params | model.buffers) == bits(STATE)


# --- Keras: images (n, y, x, c), kernels (y, x, in, out), its own Flatten, written out in NumPy


def in_keras(x: Array, k: Arrays, eps: float) -> Array:
    """The outputs of IMAGES as Keras defines its layers      x: (n, y, x, c)"""
    h = convolved(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), k["c/kernel"]) + k["c/bias"]
    h = np.maximum(scaled(h, k, "b", eps), 0)
    kernels = k["d/depthwise_kernel"].reshape(3, 3, 1, 8)
    deep = [convolved(h[..., m // 2, None], kernels[..., m, None]) for m in range(8)]
    h = np.concatenate(deep, -1) + k["d/bias"]
    h = h.reshape(len(h), -1) @ k["fc/kernel"] + k["fc/bias"]
    return scaled(h, k, "n", eps) @ k["out/kernel"] + k["out/bias"]


def scaled(h: Array, k: Arrays, name: str, eps: float) -> Array:
    std = np.sqrt(k[f"{name}/moving_variance"] + eps)
    return k[f"{name}/gamma"] * (h - k[f"{name}/moving_mean"]) / std + k[f"{name}/beta"]


def convolved(x: Array, kernel: Array) -> Array:
    """(n, y, x, c), (y, x, c, o) -> (n, y, x, o)"""
    rows, columns = kernel.shape[:2]
    seen = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), (1, 2))
    return np.einsum("nyxcij,ijco->nyxo", seen, kernel)


def of_keras() -> Arrays:
    rng = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {
        "c/kernel": (3, 3, 3, 4), "c/bias": (4,), "d/depthwise_kernel": (3, 3, 4, 2),
        "d/bias": (8,), "fc/kernel": (128, 5), "fc/bias": (5,), "out/kernel": (5, 2),
        "out/bias": (2,),
    }  # fmt: skip
    for name, n in (("b", 4), ("n", 5)):
        shapes |= {
            f"{name}/{kind}": (n,) for kind in ("gamma", "beta", "moving_mean", "moving_variance")
        }
    return {k: rng.uniform(0.1, 1, shape) for k, shape in shapes.items()}


NAMES = {"c": "layer1.0.conv1", "b": "layer1.0.bn1", "d": "depth", "n": "norm"}


@pytest.mark.parametrize("eps", [1e-3, 1e-5])
@pytest.mark.parametrize("version", [2, 3])
def test_keras(version: int, eps: float) -> None:
    k, x = of_keras(), np.random.default_rng(2).standard_normal((2, 6, 6, 3))
    given = {
        f"{name}:0" if version == 2 else name.replace("depthwise_", ""): a for name, a in k.items()
    }
    model = mp.from_arrays(IMAGES, given, NAMES, "keras", epsilon=eps)
    found = model(x.transpose(0, 3, 1, 2))
    assert np.allclose(found, in_keras(x, k, eps), rtol=1e-10, atol=1e-10)


def test_keras_layers_behind_flatten() -> None:
    """What lies between Flatten and the next Dense is turned too: BatchNorm, Concat, a sum"""
    net = mp.build((2, 2, 2), [
        ("f", mp.Flatten()), ("n", mp.BatchNorm(8)), ("a", mp.Add(), ("f", "n")),
        ("c", mp.Concat(), ("a", "f")), ("fc", mp.Dense(16, 3)),
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    k = {f"n/{kind}": rng.uniform(0.5, 1, 8)
         for kind in ("gamma", "beta", "moving_mean", "moving_variance")}  # fmt: skip
    k |= {"fc/kernel": rng.standard_normal((16, 3)), "fc/bias": np.zeros(3)}
    x = rng.standard_normal((4, 2, 2, 2))
    flat = x.reshape(4, -1)
    want = np.concatenate([flat + scaled(flat, k, "n", 1e-3), flat], 1) @ k["fc/kernel"]
    model = mp.from_arrays(net, k, layout="keras")
    assert np.allclose(model(x.transpose(0, 3, 1, 2)), want)


def test_keras_in_one_dimension() -> None:
    net = mp.build((2, 5), [("c", mp.Conv1d(2, 3, 2)), ("f", mp.Flatten()), ("o", mp.Dense(12, 2))])
    rng = np.random.default_rng(0)
    kernel, x = rng.standard_normal((2, 2, 3)), rng.standard_normal((4, 5, 2))
    out = rng.standard_normal((12, 2))
    given = {"c/kernel": kernel, "c/bias": np.zeros(3), "o/kernel": out, "o/bias": np.ones(2)}
    seen = np.lib.stride_tricks.sliding_window_view(x, 2, 1)
    want = np.einsum("nxck,kco->nxo", seen, kernel).reshape(4, -1) @ out + 1
    model = mp.from_arrays(net, given, layout="keras")
    assert np.allclose(model(x.transpose(0, 2, 1)), want)


# --- what is refused

FC = mp.build((2,), [("fc", mp.Dense(2, 1))], loss="mse")
W, B = np.ones((1, 2), np.float32), np.zeros(1, np.float32)
FINE = {"fc.weight": W, "fc.bias": B}
NORM = mp.build((2,), [("l", mp.LayerNorm(2))], loss="mse")
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "net": (lambda: mp.from_arrays(3, FINE), ArgumentError,  # type: ignore[arg-type]
            "from_arrays: net must be a Net, not int; pass what mp.build makes"),
    "layout": (lambda: mp.from_arrays(FC, FINE, layout="tf"), ArgumentError,  # type: ignore[arg-type]
               "from_arrays: layout must be 'torch' or 'keras', not 'tf'; choose one of them"),
    "list": (lambda: mp.from_arrays(FC, FINE | {"fc.bias": [0.0]}), ArgumentError,  # type: ignore[dict-item]
             "fc.bias: must be an array, not list; use np.asarray"),
    "other names": (lambda: mp.from_arrays(FC, {"0.weight": W, "0.bias": B}), ArgumentError,
                    "from_arrays: arrays must have the names of the net, and are without "
                    "fc.weight, fc.bias and with 0.weight, 0.bias; pass rename={'0': 'fc'}, for "
                    "example, or change the net"),
    "one absent": (lambda: mp.from_arrays(FC, {"fc.weight": W}), ArgumentError,
                   "from_arrays: arrays must have the names of the net, and are without fc.bias; "
                   "pass fc.bias too, or build the net without it"),
    "one more": (lambda: mp.from_arrays(FC, FINE | {"fc2.bias": B}), ArgumentError,
                 "from_arrays: arrays must have the names of the net, and are with fc2.bias; leave "
                 "fc2.bias out, or build the net with it"),
    "shape": (lambda: mp.from_arrays(FC, FINE | {"fc.weight": W.T}), ShapeError,
              "from_arrays: fc.weight must be (1, 2), as in the net, not (2, 1); transpose it, or "
              "pass layout='keras' for arrays of Keras"),
    "size": (lambda: mp.from_arrays(FC, FINE | {"fc.bias": np.zeros(2)}), ShapeError,
             "from_arrays: fc.bias must be (1,), as in the net, not (2,); build the net with the "
             "sizes of the arrays"),
    "integers": (lambda: mp.from_arrays(FC, FINE | {"fc.bias": np.zeros(1, int)}), ArgumentError,
                 "from_arrays: fc.bias must hold floats, not int64; convert it with astype"),
    "nan": (lambda: mp.from_arrays(FC, FINE | {"fc.bias": B + np.nan}), NonFiniteError,
            "from_arrays: 1 of 1 entries of fc.bias are not finite, but must be numbers; train it "
            "again, or fetch the file again"),
    "mask": (lambda: mp.from_arrays(FC, FINE | {"fc.weight_mask": W / 2}), ArgumentError,
             "from_arrays: fc.weight_mask must hold 0 and 1 alone; pass True, or 1, where a weight "
             "is kept"),
    "mask's shape": (lambda: mp.from_arrays(FC, FINE | {"fc.weight_mask": W.T}), ShapeError,
                     "from_arrays: fc.weight_mask must be (1, 2), as in the net, not (2, 1); pass "
                     "the mask of this weight"),
    "no mask": (lambda: mp.from_arrays(FC, {"fc.weight_orig": W, "fc.bias": B}), ArgumentError,
                "from_arrays: fc.weight_orig must come with fc.weight_mask, which is absent; pass "
                "a whole state_dict"),
    "both": (lambda: mp.from_arrays(FC, FINE | {"fc.weight_orig": W, "fc.weight_mask": W}),
             ArgumentError,
             "from_arrays: fc.weight must be one array, not fc.weight and fc.weight_orig; leave "
             "one of them out"),
    "rename": (lambda: mp.from_arrays(FC, FINE, {"fd": "fc"}), ArgumentError,
               "from_arrays: rename must name arrays, or layers of them, not 'fd'; "
               "there are fc.weight, fc.bias"),
    "twice": (lambda: mp.from_arrays(FC, FINE, lambda name: "fc.bias"), ArgumentError,
              "from_arrays: fc.bias must be one array, not fc.weight and fc.bias; change rename"),
    "epsilon": (lambda: mp.from_arrays(NORM, {"l/gamma": B, "l/beta": B}, layout="keras"),
                ArgumentError,
                "from_arrays: l must have epsilon=1e-05 in Keras, not 0.001, since LayerNorm adds "
                "that; train it so there, and pass epsilon=1e-05"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as e:
        call()
    assert str(e.value) == text
