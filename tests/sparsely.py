"""Masked models that fit a format each, their sparse twins, and how far two results are apart."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from randomnets import filled, nets

import minprune as mp
from minprune.autograd import Tensor, grad
from minprune.core import Array, Arrays, stream
from minprune.masking.patterns import Pattern, n_of_m
from minprune.nets.convolution import Conv2d
from minprune.nets.layer import ForwardContext
from minprune.nets.model import Model, loss_of, run
from minprune.nets.net import Net

TILES: dict[str, tuple[int, int]] = {"2:4": (2, 4), "1:4": (1, 4), "3:5": (3, 5), "2:17": (2, 17)}
SIDES: dict[str, int] = {f"{k}x{k}": k for k in (1, 2, 3, 4, 8)}
FORMATS = ("csr", *SIDES, *TILES)
NEAR = 1e-10  # what the same function means in float64: the law of the design
Formats = dict[str, str]


def a_mask(rng: np.random.Generator, shape: tuple[int, ...], form: str) -> Array:
    """One that the format holds; sometimes all or nothing, often with an empty row"""
    share = (0.0, 0.3, 0.7, 1.0)[int(rng.integers(4))]
    if form in TILES:
        keep, group = TILES[form]
        return n_of_m(rng.random(shape), np.ones(shape, bool), Pattern(1, group, keep))
    side = SIDES.get(form, 1)
    small = tuple(-(-s // side) for s in shape[:2]) + shape[2:]
    live = rng.random(small) < share
    if rng.random() < 0.4:
        live[int(rng.integers(len(live)))] = False
    whole = live.repeat(side, axis=0).repeat(side, axis=1)
    return np.ascontiguousarray(whole[: shape[0], : shape[1]])


def masked(net: Net, seed: int, share: float = 1.0) -> tuple[Model, Formats]:
    """A model in float64 with masks on its weights, and {layer: the format that fits its mask}

    Some live entries are 0.0 and -0.0. share: of the weights that have a mask.
    """
    rng, model = np.random.default_rng(seed), filled(net, seed)
    masks, chosen = {}, {}
    for name in model.net.weights:
        layer = name.rpartition(".")[0]
        conv = isinstance(model.net.node(layer).layer, Conv2d)
        form = "csr" if conv else FORMATS[int(rng.integers(len(FORMATS)))]
        if rng.random() < share:
            masks[name] = a_mask(rng, model.params[name].shape, form)
            chosen[layer] = form
        w = model.params[name]
        w[rng.random(w.shape) < 0.1] = -0.0
        w[rng.random(w.shape) < 0.1] = 0.0
    return mp.with_masks(model, masks), chosen


masked_models = st.builds(masked, nets(), st.integers(0, 999), st.sampled_from([0.6, 1.0]))


def live(model: Model, arrays: Arrays, sparse: Model) -> Arrays:
    """Dense arrays by parameter -> those of the sparse twin: live entries in the stored order"""
    found = dict(arrays)
    for name in sparse.net.stored:
        dense = mp.Model(model.net, model.params | {name: arrays[name]}, model.buffers, model.masks)
        layer = name.rpartition(".")[0]
        form = sparse.net.node(layer).layer.format  # type: ignore[attr-defined]
        found[name] = mp.sparsify(dense, {layer: form}).params[name]
    return found


def gradients(model: Model, x: Array, y: Array, train: bool) -> tuple[Array, Arrays]:
    """(outputs, batch-last; {name: dL/dw, "input": dL/dx}) in training or evaluation mode"""
    leaves = {k: Tensor(w) for k, w in model.params.items()}
    images = Tensor(np.ascontiguousarray(np.moveaxis(x, 0, -1)))
    how = ForwardContext(train=train, rng=stream(0, "dropout"))
    out = run(model.net, leaves | model.buffers, images, how)
    found = grad(loss_of(model.net, out, y), [*leaves.values(), images])
    return out.value, dict(zip([*leaves, "input"], found, strict=True))


def apart(a: Any, b: Any) -> float:
    """The largest difference, over the largest entry where that is above 1; arrays or dicts"""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return max((apart(a[k], b[k]) for k in a), default=0.0)
    assert a.shape == b.shape
    size = max(1.0, float(np.abs(b).max(initial=0)))
    return float(np.abs(a - b).max(initial=0)) / size


def bits(arrays: Arrays) -> dict[str, tuple[Any, ...]]:
    return {k: (a.dtype.str, a.shape, a.tobytes()) for k, a in arrays.items()}
