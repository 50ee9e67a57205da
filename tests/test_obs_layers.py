"""Surgery layer by layer: each layer to its sparsity, at the error that it predicts."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from surgery import EPS, deep, rise

import minprune as mp
from minprune.core import Array
from minprune.curvature.layerwise import Sweep, layer_hessian, merge, sweep_layer
from minprune.errors import ArgumentError, NonFiniteError, UnreachableError
from minprune.methods.obs import Surgery, obs
from minprune.nets.model import Model

Method = Callable[..., Surgery]
OBS = import_module("minprune.methods.obs")  # minprune.methods.obs is the function
SCALES = ("layer", "rows")


def ours(*args: Any, **how: Any) -> Surgery:
    return obs(*args, progress=False, **how)


def keeps_its_word(method: Method, scale: str) -> bool:
    """Each layer falls to the sparsity, at the error of its outputs that the steps add up to

    Inputs as pruned so far; what went in the first of two calls stays away in the second.
    """
    model, data = deep()
    found = method(model, data, scale=scale, sparsity=0.5)
    done = model
    for r in found.rounds:
        w, new, mask = model.params[r.name], found.model.params[r.name], found.model.masks[r.name]
        h = layer_hessian(done, data[0], r.name)[0] + r.alpha * np.eye(w.shape[1])
        near = 16 * len(h) ** 2 * EPS * np.linalg.cond(h) * sum(rise(h, row) for row in w)
        if abs(sum(rise(h, d) for d in new - w) - r.score) > near:
            return False
        if r.index.tolist() != np.flatnonzero(~mask).tolist() or new[~mask].any():
            return False
        gone = (~mask).sum(axis=1) if scale == "rows" else np.array([np.count_nonzero(~mask)])
        if (gone != round(mask.size / len(gone) / 2)).any():
            return False
        params = done.params | {r.name: new}
        done = mp.with_masks(replace(done, params=params), {r.name: mask})
    further = method(found.model, data, scale=scale, sparsity=0.75).model.masks
    return not any((further[n] & ~found.model.masks[n]).any() for n in model.net.weights)


@pytest.mark.parametrize("scale", SCALES)
def test_layers_fall_to_the_sparsity_at_the_error_they_foretell(scale: str) -> None:
    assert keeps_its_word(ours, scale)


def of_the_dense_net(model: Model, x: Array, name: str) -> Array:
    """H of the inputs before anything was pruned."""
    return layer_hessian(deep()[0], x, name)


def of_a_batch(model: Model, x: Array, name: str) -> Array:
    """L-OBS: divided by the batch, not the data set."""
    return layer_hessian(model, x, name) * 4


def zeroed(w: Array, h: Array, mask: Array, damp: float, *, live: Array) -> Array:
    """The others left where they are."""
    return np.where(mask, w, 0)


def twice(*args: Any, **how: Any) -> Sweep:
    swept = sweep_layer(*args, **how)
    return replace(swept, losses=2 * swept.losses)


WRONG = {
    "H of the dense net": ("layer_hessian", of_the_dense_net),
    "H of a batch": ("layer_hessian", of_a_batch),
    "not moved": ("refit", zeroed),
    "without 1/2": ("sweep_layer", twice),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_part_is_rejected(name: str, scale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part, wrong = WRONG[name]
    monkeypatch.setattr(OBS, part, wrong)
    assert not keeps_its_word(ours, scale)


def takes_the_hull(method: Method) -> bool:
    """Rows whose losses fall at times are merged by the slopes of their hulls, at each count."""
    model = mp.initialise(
        mp.build((8,), [("fc1", mp.Dense(8, 4))], loss="mse"), seed=3, dtype=np.float64
    )
    rng = np.random.default_rng(3)
    x = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 8))  # near to each other
    data = x + 0.1 * rng.standard_normal(x.shape), rng.standard_normal((40, 4))
    name = "fc1.weight"
    swept = sweep_layer(model.params[name], layer_hessian(model, data[0], name))
    how: dict[str, Any] = {"scale": "layer", "hull": "slopes"}
    return all(
        np.array_equal(
            method(model, data, sparsity=k / 32, **how).model.masks[name], merge(swept, k, "slopes")
        )
        for k in range(1, 32)
    )


def test_rows_merge_by_the_hull_where_it_is_asked_for() -> None:
    assert takes_the_hull(ours)
    assert not takes_the_hull(lambda *args, **how: ours(*args, **how | {"hull": "none"}))


def born_at_zero() -> Model:
    """Two weights are masked, and two live ones are 0.0, as those that a method has just grown"""
    model, _ = deep()
    mask, w = np.ones((6, 5), bool), model.params["fc1.weight"].copy()
    mask[0, :2], w[3:5, 1:3] = False, 0.0
    params = model.params | {"fc1.weight": w}
    return mp.with_masks(replace(model, params=params), {"fc1.weight": mask})


@pytest.mark.parametrize("share", [2 / 30, 4 / 30, 0.5])
def test_what_is_masked_stays_so_beside_live_weights_that_are_0(share: float) -> None:
    model, (_, data) = born_at_zero(), deep()
    found = ours(model, data, names=["fc1"], scale="layer", sparsity=share).model
    old, new = model.masks["fc1.weight"], found.masks["fc1.weight"]
    assert not (new & ~old).any()
    assert np.count_nonzero(~new) == round(share * 30)


def test_a_merge_that_forgets_the_mask_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OBS, "merge", lambda s, k, hull, mask: merge(s, k))
    with pytest.raises(AssertionError):
        test_what_is_masked_stays_so_beside_live_weights_that_are_0(2 / 30)


def test_a_depthwise_net_with_a_dead_channel_is_swept() -> None:
    """H of that channel's group is 0; its weights are the first to go."""
    net = mp.build((2, 4, 4), [
        ("a", mp.Conv2d(2, 3, 1)), ("r", mp.ReLU()), ("b", mp.Conv2d(3, 3, 3, groups=3)),
        ("f", mp.Flatten()), ("fc", mp.Dense(12, 2)),
    ])  # fmt: skip
    model = mp.initialise(net, seed=0, dtype=np.float64)
    bias = np.array([3.0, -99.0, 3.0])
    model = replace(model, params=model.params | {"a.bias": bias})
    x = np.random.default_rng(0).standard_normal((6, 2, 4, 4))
    data, masks = (x, np.arange(6) % 2), {}
    for scale in SCALES:
        masks[scale] = ours(model, data, names=["b"], scale=scale, sparsity=1 / 3).model.masks
    assert [int(m.sum()) for m in masks["layer"]["b.weight"]] == [9, 0, 9]
    assert [int(m.sum()) for m in masks["rows"]["b.weight"]] == [6, 6, 6]


def test_a_layer_of_which_nothing_is_left_is_reported() -> None:
    model, data = deep()
    found = ours(model, data, names=["fc2"], scale="layer", sparsity=1.0)
    assert found.collapsed == ["fc2.weight"]


DATA = deep()
MASKED = mp.with_masks(DATA[0], {"fc3.weight": np.arange(12).reshape(3, 4) >= 4})
MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a stop that belongs to the whole": (
        lambda: obs(*DATA, scale="layer", score=0.1),
        ArgumentError,
        "obs: scale 'layer' must stop at sparsity= alone, over weights; leave out score, accuracy "
        "and params, or pass scale='whole'",
    ),
    "a layer below the present": (
        lambda: ours(MASKED, DATA[1], scale="layer", sparsity=0.1),
        ArgumentError,
        "obs: sparsity=0.1 is below the present 0.3333333333333333 of fc3.weight, and pruned "
        "weights are not restored; pass at least the present sparsity",
    ),
    "a row below the present": (
        lambda: ours(MASKED, DATA[1], scale="rows", sparsity=0.6),
        ArgumentError,
        "obs: sparsity=0.6 is below the present 1.0 of row 0 of fc3.weight, and pruned weights "
        "are not restored; pass at least the present sparsity",
    ),
    "a hull of one row": (
        lambda: ours(*DATA, scale="rows", sparsity=0.5, hull="slopes"),
        ArgumentError,
        "obs: hull needs scale='layer', not scale='rows'; leave hull out",
    ),
    "no share": (
        lambda: ours(*DATA, scale="layer", sparsity=1.5),
        ArgumentError,
        "prune: sparsity must be a number from 0 to 1, not 1.5; pass sparsity=0.5, for example",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refusal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first layer is looked at, which may take minutes"""
    monkeypatch.delattr(OBS, "layer_hessian")
    provoke, error, text = MESSAGES[name]
    with pytest.raises(error) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_a_layer_that_cannot_be_swept_is_named() -> None:
    x, y = DATA[1]
    with pytest.raises(NonFiniteError) as caught, np.errstate(invalid="ignore"):
        ours(DATA[0], (np.where(x == x[0], np.inf, x), y), scale="layer", sparsity=0.5)
    assert caught.value.args == (
        "fc1.weight: inverse: 25 of 25 entries of H are not finite, but must be numbers; train "
        "with a lower learning rate, or check the data",
    )


def test_a_layer_that_reads_nothing_but_zeros_is_named() -> None:
    """tanh(0) = 0: with all of fc1 gone, fc2 sees nothing"""
    with pytest.raises(UnreachableError) as caught:
        ours(*DATA, scale="layer", sparsity=1.0)
    assert caught.value.args == (
        "fc2.weight: the inputs of its layer must not all be 0, as they are at sparsity 1.0, since "
        "H = 0 has no inverse; pass less, or leave it out of names=",
    )
