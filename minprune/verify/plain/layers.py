"""Chains of layers as plain dicts of arrays: what they compute, count and can do without.

A net is a list of dicts, each with its "kind" and its arrays:

    {"kind": "dense", "weight": (o, i), "bias": (o,)}                   y = W x + b
    {"kind": "conv", "weight": (o, i/groups, y, x), "bias": (o,), "stride": 1, "padding": 0,
     "groups": 1}                                                       zeros around the image
    {"kind": "batchnorm", "gamma", "beta", "mean", "var": (c,), "eps": 1e-5}
    {"kind": "relu"}, {"kind": "tanh"}, {"kind": "sigmoid"}, {"kind": "flatten"}
    {"kind": "globalavgpool"}                                           the mean over positions
    {"kind": "maxpool", "size": 2}                                      side by side
    {"kind": "dropout", "rate": 0.5}                                    in training alone

A bias may be absent; "mask", of the weight's shape, is True where an entry is live. Batches are
(n, features) and (n, c, h, w).

Longer than most files: beside what a net computes stands how hypothesis draws one.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array

Layer = dict[str, Any]
Layers = list[Layer]
WEIGHTED = ("dense", "conv")


def live(layer: Layer) -> Array:
    """The mask; all True where there is none."""
    return np.asarray(layer.get("mask", np.ones(np.shape(layer["weight"]), bool))).astype(bool)


def weight(layer: Layer) -> Array:
    """The weight, 0 where it is masked."""
    return np.asarray(layer["weight"]) * live(layer)


def bias(layer: Layer, wide: int) -> Array:
    """A bias, a beta, ... as one number for each unit; 0 where it is absent."""
    found = layer.get("bias")
    return np.zeros(wide) if found is None else np.asarray(found)


def across(values: Array, x: Array) -> Array:
    """One value for each channel, against (n, c) or (n, c, h, w)"""
    return np.asarray(values).reshape(-1, *[1] * (x.ndim - 2))


def dense(layer: Layer, x: Array) -> Array:
    w = weight(layer)
    return np.asarray(x @ w.T + bias(layer, len(w)))


def conv(layer: Layer, x: Array) -> Array:
    w, s, p = weight(layer), int(layer.get("stride", 1)), int(layer.get("padding", 0))
    groups = int(layer.get("groups", 1))
    if x.shape[1] != w.shape[1] * groups:
        raise ValueError(f"a convolution of {w.shape} reads {x.shape[1]} channels")
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::s, ::s]
    parts = [
        np.einsum("nihwyx,oiyx->nohw", seen, mine)
        for seen, mine in zip(np.split(windows, groups, 1), np.split(w, groups), strict=True)
    ]
    return np.asarray(np.concatenate(parts, 1) + across(bias(layer, len(w)), x))


def batchnorm(layer: Layer, x: Array) -> Array:
    gamma, beta, mean, var = (across(layer[k], x) for k in ("gamma", "beta", "mean", "var"))
    return np.asarray((x - mean) / np.sqrt(var + layer.get("eps", 1e-5)) * gamma + beta)


def maxpool(layer: Layer, x: Array) -> Array:
    k = int(layer["size"])
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))[:, :, ::k, ::k]
    return np.asarray(windows.max(axis=(4, 5)))


KINDS: dict[str, Callable[[Layer, Array], Array]] = {
    "dense": dense, "conv": conv, "batchnorm": batchnorm, "maxpool": maxpool,
    "relu": lambda layer, x: x * (x.real > 0), "tanh": lambda layer, x: np.tanh(x),
    "sigmoid": lambda layer, x: 1 / (1 + np.exp(-x)),
    "flatten": lambda layer, x: x.reshape(len(x), -1),
    "globalavgpool": lambda layer, x: x.mean(axis=(2, 3)), "dropout": lambda layer, x: x,
}  # fmt: skip


def forward(layers: Sequence[Layer], x: Array) -> Array:
    """What the net gives for a batch, in evaluation mode, masked weights 0."""
    return outputs(layers, x)[-1]


def outputs(layers: Sequence[Layer], x: Array) -> list[Array]:
    """What each layer gives."""
    found = []
    for layer in layers:
        x = KINDS[layer["kind"]](layer, x)
        found.append(x)
    return found


def parameters(layers: Sequence[Layer], living: bool = False) -> int:
    """Entries of weights, biases, gammas and betas; living: of weights the live ones."""
    total = 0
    for layer in layers:
        for name in ("weight", "bias", "gamma", "beta"):
            if layer.get(name) is not None:
                masked = living and name == "weight"
                total += int(live(layer).sum()) if masked else np.size(layer[name])
    return total


def macs(layers: Sequence[Layer], x: Array, living: bool = False) -> int:
    """Multiply-adds of one sample: each (live) weight once at each position of what it makes

    Positions over padding count; biases, normalisation and activations do not.
    """
    total = 0
    for layer, made in zip(layers, outputs(layers, x[:1]), strict=True):
        if layer["kind"] in WEIGHTED:
            entries = int(live(layer).sum()) if living else np.size(layer["weight"])
            total += entries * int(np.prod(made.shape[2:]))
    return total


def weighted(layers: Sequence[Layer]) -> list[int]:
    """The places of dense layers and convolutions."""
    return [k for k, layer in enumerate(layers) if layer["kind"] in WEIGHTED]


def needed(layers: Sequence[Layer]) -> list[Array]:
    """Which units of each weighted layer the function needs, (o,) of bool; of the last one all

    A unit goes whose outgoing weights are all masked, or whose incoming ones are (what it sends on
    is then a constant, which the next biases take up): not, though, into a convolution with
    padding, unless the constant is 0. What only units that go have read goes too.
    """
    at = weighted(layers)
    stays = [np.ones(len(layers[k]["weight"]), bool) for k in at]
    while True:
        before = [s.copy() for s in stays]
        sent: Array | None = None  # by the units before that are folded, 0 for the others
        for n, (k, after) in enumerate(itertools.pairwise(at)):
            wide = len(stays[n])
            fed, b = live(layers[k]), bias(layers[k], wide)
            if sent is not None:
                fed = by_unit(fed, len(sent)) & stays[n - 1]
                b = b + weight(layers[k]).reshape(wide, len(sent), -1).sum(axis=2) @ sent
            unfed = ~fed.reshape(wide, -1).any(axis=1)
            constant = through(layers[k + 1 : after], b)
            padded = layers[after]["kind"] == "conv" and layers[after].get("padding", 0)
            folds = unfed & ((constant == 0) | (not padded))
            reads = by_unit(live(layers[after])[stays[n + 1]], wide).any(axis=0)
            stays[n] = stays[n] & reads & ~folds
            sent = np.where(folds, constant, 0.0)
        if all((a == b).all() for a, b in zip(stays, before, strict=True)):
            return stays


def through(layers: Sequence[Layer], b: Array) -> Array:
    """What units that give b send on, through what follows up to the next weights."""
    x = b[None]
    for layer in layers:
        if layer["kind"] not in ("flatten", "maxpool"):
            x = KINDS[layer["kind"]](layer, x)
    return np.asarray(x[0])


def by_unit(mask: Array, units: int) -> Array:
    """(o, units): whether a weight of the row reads anything of the unit of the layer before"""
    each = int(np.prod(mask.shape[1:])) // max(units, 1)
    return np.asarray(mask.reshape(len(mask), units, each).any(axis=2))


def net(seed: int, *made: Any, x: tuple[int, ...] = (3,), biases: bool = True) -> Layers:
    """A net of random numbers: an int is a dense layer, (o, side, padding) a convolution, text a
    kind.
    """
    rng = np.random.default_rng(seed)
    layers: Layers = []
    seen = np.zeros((1, *x))
    for what in made:
        layer: Layer = {"kind": what}
        if isinstance(what, int):
            layer = {"kind": "dense", "weight": rng.standard_normal((what, seen.shape[1]))}
        elif isinstance(what, tuple):
            o, side, padding, *rest = what
            stride, groups = [*rest, 1, 1][:2]
            shape = (o, seen.shape[1] // groups, side, side)
            layer = {"kind": "conv", "weight": rng.standard_normal(shape), "stride": stride,
                     "padding": padding, "groups": groups}  # fmt: skip
        elif what == "batchnorm":
            c = seen.shape[1]
            layer |= {n: rng.standard_normal(c) for n in ("gamma", "beta", "mean")}
            layer |= {"var": rng.uniform(0.5, 2, c), "eps": 1e-5}
        elif what == "maxpool":
            layer["size"] = 2
        elif what == "dropout":
            layer["rate"] = 0.5
        if "weight" in layer:
            layer["weight"] /= np.sqrt(layer["weight"][0].size)
            layer |= {"bias": rng.standard_normal(len(layer["weight"]))} if biases else {}
        layers.append(layer)
        seen = forward([layer], seen)
    return layers


def names(layers: Sequence[Layer]) -> list[str]:
    """fc1, conv2, ... of weighted layers by their number, relu2, ... of others by their place."""
    found, count = [], 0
    for place, layer in enumerate(layers, 1):
        kind = layer["kind"]
        count += kind in WEIGHTED
        short = {"dense": "fc"}.get(kind, kind)
        found.append(f"{short}{count if kind in WEIGHTED else place}")
    return found


def reversed_units(layers: Sequence[Layer]) -> Layers:
    """The same function, the hidden units of every layer in reverse."""
    found = [dict(layer) for layer in layers]
    at = weighted(layers)
    for k, after in itertools.pairwise(at):
        units = len(found[k]["weight"])
        for layer in found[k:after]:
            for name in ("weight", "mask", "bias", "gamma", "beta", "mean", "var"):
                if layer.get(name) is not None:
                    layer[name] = layer[name][::-1].copy()
        for name in ("weight", "mask"):
            if name in found[after]:
                a = found[after][name]
                by = a.reshape(len(a), units, -1)[:, ::-1]
                found[after][name] = by.reshape(a.shape).copy()
    return found


def losses(layers: Sequence[Layer], x: Array, y: Array) -> Array:
    """-log softmax(f)[y] of each sample; works on complex numbers too"""
    f = forward(layers, x)
    f = f - f.real.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(f).sum(axis=1)) - f[np.arange(len(y)), y])


STEP = 1e-30  # of the complex step: nothing is subtracted, so it may be tiny


def sample_grads(layers: Sequence[Layer], x: Array, y: Array) -> dict[str, Array]:
    """{"fc1.weight": (n, *shape)}: dl_p/dw of each sample, by one complex step for each weight"""
    found = {}
    for k, name in zip(weighted(layers), [names(layers)[k] for k in weighted(layers)], strict=True):
        w = np.asarray(layers[k]["weight"])
        grads = np.zeros((len(x), *w.shape))
        for at in np.ndindex(w.shape):
            moved = w.astype(complex)
            moved[at] += 1j * STEP
            changed = [*layers[:k], layers[k] | {"weight": moved}, *layers[k + 1 :]]
            grads[(slice(None), *at)] = losses(changed, x, y).imag / STEP
        found[f"{name}.weight"] = grads
    return found


ACTS = ("relu", "tanh", "sigmoid")


@st.composite
def chains(draw: Any) -> tuple[Layers, tuple[int, ...]]:
    """(layers, shape of a sample): two or three weighted layers with what stands between them."""
    seed, act = draw(st.integers(0, 999)), draw(st.sampled_from(ACTS))
    biases, norm = draw(st.booleans()), draw(st.sampled_from([(), ("batchnorm",)]))
    wide = st.integers(1, 4)
    if draw(st.booleans()):
        x: tuple[int, ...] = (draw(st.integers(1, 4)),)
        made: list[Any] = [draw(wide), *norm, act]
        made += [draw(wide), act] if draw(st.booleans()) else []
    else:
        x = (draw(st.integers(1, 2)), 4, 4)
        one, two, again = draw(st.integers(0, 1)), draw(st.integers(0, 1)), draw(st.booleans())
        made = [(draw(wide), 3, one), *norm, act]
        made += [(draw(wide), 2, two), act] if again else []
        made += ["maxpool"] if draw(st.booleans()) and (one or two or not again) else []
        made += ["flatten"]
    return net(seed, *made, draw(st.integers(1, 3)), x=x, biases=biases), x
