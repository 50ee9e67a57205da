"""mp.score of obs at every scale against dense inverses: masks, groups, tied units, refusals."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from curving import each_alone, flat, unflat
from randomnets import batch, filled
from slowly import rows
from test_evidence import SMALL
from test_score_laws import relabelled, rescaled

import minprune as mp
from minprune.core import Array, Arrays, Split
from minprune.curvature.layerwise import layer_hessian
from minprune.errors import ArgumentError
from minprune.evidence import obs_inverses as inverses
from minprune.nets.model import Model
from minprune.nets.ties import Group

DAMP = 1e-4
NEAR = 2.0**-26  # damped by 1e-4 of its mean, an H of fewer than 64 entries has cond(H) < 2^20
BLOCK = 7  # cuts layers, and leaves a rest
Slip = str | None


def case(net: str, masked: bool, seed: int = 1) -> tuple[Model, Split]:
    """Half of the weights, and a bias of the first layer, are masked."""
    model = filled(SMALL[net], seed)
    data = batch(model, 5, seed)
    if not masked:
        return model, data
    rng = np.random.default_rng(seed)
    masks = {n: rng.random(model.params[n].shape) < 0.5 for n in model.net.weights}
    masks["a.bias"] = np.arange(len(model.params["a.bias"])) > 0
    return mp.with_masks(model, masks), data


def live(model: Model, name: str) -> Array:
    return model.masks.get(name, np.ones(model.params[name].shape, bool))


def inverse(h: Array, kept: Array, alpha: float) -> Array:
    """inv(h + alpha I) over what is kept, which is all that can move; 0 elsewhere"""
    found = np.zeros_like(h)
    at = np.ix_(kept, kept)
    found[at] = np.linalg.inv(h[at] + alpha * np.eye(kept.sum()))
    return found


def rises(w: Array, inverse: Array) -> Array:
    """w^2 / (2 [H^-1]_qq), of what is masked 0"""
    diag = np.diagonal(inverse)
    return np.asarray(w * w / 2 / np.where(diag > 0, diag, 1))


def matrix(model: Model, data: Split, names: list[str], scale: str) -> Array:
    """The GGN, or of "blocks" the empirical Fisher, dense"""
    if scale == "whole":
        return mp.curvature.ggn(model, data, params="all" if "a.bias" in names else "weights")
    found = each_alone(model, data, names)
    g = np.concatenate([found[n].reshape(len(data[0]), -1) for n in names], axis=1)
    return np.asarray(g.T @ g / len(data[0]))


def single(model: Model, data: Split, scale: str, params: str, slip: Slip = None) -> Arrays:
    """The scores of weights, from dense matrices; slip: what is done wrongly"""
    names = list(model.net.params if params == "all" else model.net.weights)
    if scale == "layer":
        return {n: of_layer(model, data, n, slip) for n in names}
    h = matrix(model, data, names, "blocks" if slip == "the Fisher for the GGN" else scale)
    h = h * len(data[0]) if slip == "a sum over samples" else h
    kept = np.concatenate([live(model, n).ravel() for n in names])
    alpha = DAMP * np.diagonal(h)[kept].mean()
    alpha = DAMP * np.diagonal(h).mean() if slip == "alpha of what is masked too" else alpha
    kept = np.ones_like(kept) if slip == "what is masked moves" else kept
    size = len(h) if scale == "whole" or slip == "one block" else BLOCK
    parts = [slice(k, k + size) for k in range(0, len(h), size)]
    w = flat(model.params, names)
    found = [rises(w[p], inverse(h[p, p], kept[p], alpha)) for p in parts]
    return unflat(np.concatenate(found), model, names)


def layer_alpha(hs: Array, kept: Array, slip: Slip) -> float:
    """damp times the mean of diag H over what is live, row by row"""
    per = len(kept) // len(hs)
    kept = np.ones_like(kept) if slip == "alpha of what is masked too" else kept
    diag = [np.diagonal(hs[o // per])[row] for o, row in enumerate(kept)]
    return DAMP * float(np.concatenate(diag).mean())


def of_layer(model: Model, data: Split, name: str, slip: Slip) -> Array:
    w, hs = model.params[name], layer_hessian(model, data[0], name)
    hs = hs * len(data[0]) if slip == "a sum over samples" else hs
    hs = np.zeros_like(hs) + hs[0] if slip == "the first group for all" else hs
    kept = live(model, name).reshape(len(w), -1)
    alpha = layer_alpha(hs, kept, slip)
    kept = np.ones_like(kept) if slip == "what is masked moves" else kept
    per = len(w) // len(hs)
    found = [rises(row.ravel(), inverse(hs[o // per], kept[o], alpha)) for o, row in enumerate(w)]
    return np.reshape(found, w.shape)


def units(model: Model, data: Split, scale: str, slip: Slip = None) -> Arrays:
    """The scores of units: 1/2 w_S^T ([H^-1]_SS)^-1 w_S, S what is live of the incoming and bias"""
    names = list(model.net.params)
    h = matrix(model, data, names, "blocks" if slip == "the Fisher for the GGN" else scale)
    h = h * len(data[0]) if slip == "a sum over samples" else h
    places = unflat(np.arange(len(h)), model, names)
    kept = np.concatenate([live(model, n).ravel() for n in names])
    groups = [g for g in mp.ties(model) if g.free]
    owned = {g.name: [rows(places, g, u, "makes", bias=True) for u in range(g.size)]
             for g in groups}  # fmt: skip
    of_all = np.concatenate([s for units in owned.values() for s in units])
    mine = kept if scale == "whole" else kept & np.isin(np.arange(len(h)), of_all)
    alpha = DAMP * np.diagonal(h)[mine].mean()
    alpha = DAMP * np.diagonal(h).mean() if slip == "alpha of what is masked too" else alpha
    whole = inverse(h, kept, alpha)
    w = flat(model.params, names)
    found: Arrays = {}
    for g in groups:
        s = np.zeros(g.size)
        for u, at in enumerate(owned[g.name]):
            at = at[kept[at]]
            block = h[np.ix_(at, at)] + alpha * np.eye(len(at))
            if scale == "layer":
                s[u] = unit_of_layers(model, data, g, u, slip)
            elif slip == "a sum of single scores":
                s[u] = rises(w[at], whole[np.ix_(at, at)]).sum()
            else:  # of blocks all of H that there is
                s[u] = w[at] @ (np.linalg.inv(whole[np.ix_(at, at)])
                                if scale == "whole" else block) @ w[at] / 2  # fmt: skip
        for m in g.producers:
            found.setdefault(m.param, np.zeros(len(model.params[m.param])))[m.index] = s[:, None]
    return {n: found[n] for n in model.net.weights if n in found}


def unit_of_layers(model: Model, data: Split, group: Group, unit: int, slip: Slip) -> float:
    """The sum over the rows that make it, each with its bias"""
    total = 0.0
    for m in group.producers:
        bias = model.params.get(m.param.replace("weight", "bias"))
        bias = None if slip == "without biases" else bias
        hs = layer_hessian(model, data[0], m.param, bias=bias is not None)
        kept = live(model, m.param).reshape(len(model.params[m.param]), -1)
        if bias is not None:
            kept = np.column_stack([kept, live(model, m.param.replace("weight", "bias"))])
        alpha = layer_alpha(hs, kept, slip)
        per = len(model.params[m.param]) // len(hs)
        for row in m.index[unit][: 1 if slip == "the first row alone" else None]:
            w = model.params[m.param][row].ravel()
            w = w if bias is None else np.append(w, bias[row])
            total += w @ (hs[row // per] + alpha * np.eye(len(w))) @ w / 2
    return total


def near(got: Arrays, want: Arrays) -> bool:
    size = max(np.abs(a).max() for a in want.values())
    return list(got) == list(want) and all(
        bool((np.abs(got[n] - want[n]) <= NEAR * size).all()) for n in want
    )


def ours(model: Model, data: Split, scale: str, unit: bool = False, **how: Any) -> Arrays:
    how |= {"block": BLOCK} if scale == "blocks" and not unit else {}
    return mp.score(model, data, "obs", scale=scale, unit=unit, damp=DAMP, **how)  # type: ignore[arg-type]


SCALES = ["whole", "layer", "blocks"]
each = pytest.mark.parametrize("net", SMALL)
of_scale = pytest.mark.parametrize("scale", SCALES)
with_masks = pytest.mark.parametrize("masked", [False, True])


@each
@of_scale
@with_masks
def test_scores_of_weights(net: str, scale: str, masked: bool) -> None:
    model, data = case(net, masked)
    for params in ("weights",) if scale == "layer" else ("weights", "all"):
        got = ours(model, data, scale, params=params)
        assert near(got, single(model, data, scale, params))


@each
@of_scale
@with_masks
def test_scores_of_units(net: str, scale: str, masked: bool) -> None:
    model, data = case(net, masked)
    assert near(ours(model, data, scale, unit=True), units(model, data, scale))


SLIPS = [
    ("whole", False, "the Fisher for the GGN"), ("whole", False, "a sum over samples"),
    ("whole", False, "alpha of what is masked too"), ("whole", False, "what is masked moves"),
    ("layer", False, "a sum over samples"), ("layer", False, "the first group for all"),
    ("layer", False, "what is masked moves"), ("layer", False, "alpha of what is masked too"),
    ("layer", True, "alpha of what is masked too"), ("blocks", False, "one block"),
    ("blocks", False, "a sum over samples"), ("blocks", False, "alpha of what is masked too"),
    ("blocks", False, "what is masked moves"), ("whole", True, "the Fisher for the GGN"),
    ("whole", True, "a sum of single scores"), ("whole", True, "alpha of what is masked too"),
    ("layer", True, "without biases"), ("layer", True, "the first row alone"),
    ("blocks", True, "a sum over samples"), ("blocks", True, "alpha of what is masked too"),
    ("blocks", True, "a sum of single scores"),
]  # fmt: skip


@pytest.mark.parametrize(("scale", "unit", "slip"), SLIPS)
def test_the_comparison_rejects(scale: str, unit: bool, slip: str) -> None:
    model, data = case("grouped", masked=True)
    wrong = units(model, data, scale, slip) if unit else single(model, data, scale, "weights", slip)
    assert not near(ours(model, data, scale, unit), wrong)


Law = Callable[[Model, Split, str, bool], bool]


def takes_any_order(model: Model, data: Split, scale: str, unit: bool) -> bool:
    """Of samples."""
    places = np.random.default_rng(0).permutation(len(data[0]))
    other = ours(model, (data[0][places], data[1][places]), scale, unit)
    return near(other, ours(model, data, scale, unit))


def goes_with_its_units(model: Model, data: Split, scale: str, unit: bool) -> bool:
    moved = replace(model, params=relabelled(model.params, model, 7))
    want = relabelled(ours(model, data, scale, unit), model, 7, unit)
    return near(ours(moved, data, scale, unit), want)


@of_scale
@pytest.mark.parametrize("unit", [False, True])
def test_laws(scale: str, unit: bool) -> None:
    """Damped, H has a scale of its own: rescaling a ReLU net changes the scores."""
    model, data = case("grouped", masked=False)
    assert takes_any_order(model, data, scale, unit)
    if unit or scale != "blocks":  # blocks of consecutive entries go by their places
        assert goes_with_its_units(model, data, scale, unit)
    assert not near(ours(rescaled(model), data, scale, unit), ours(model, data, scale, unit))


def test_rows_say_what_each_step_of_the_sweep_costs() -> None:
    """The first to go in a row costs what it does by the layer's H; masks go before, at nothing."""
    model, data = case("tanh", masked=True)
    swept, alone = ours(model, data, "rows"), ours(model, data, "layer")
    for name in model.net.weights:
        kept = live(model, name)
        tiny = np.finfo(float).smallest_subnormal * kept.size
        assert (swept[name][~kept] <= tiny).all()
        for s, a, k in zip(swept[name], alone[name], kept, strict=True):
            if k.any():
                assert np.argmin(np.where(k, s, np.inf)) == np.argmin(np.where(k, a, np.inf))
                assert abs(s[k].min() - a[k].min()) <= NEAR * a.max() + tiny


def test_a_group_whose_inputs_are_dead_has_scores() -> None:
    model, data = case("grouped", masked=False)
    bias = model.params["a.bias"].copy()
    bias[2:] = -1e3
    dead = replace(model, params=model.params | {"a.bias": bias})
    assert not layer_hessian(dead, data[0], "b.weight")[1].any()
    assert near(ours(dead, data, "layer"), single(dead, data, "layer", "weights"))
    assert near(ours(dead, data, "layer", unit=True), units(dead, data, "layer"))


CHAIN, DATA = case("tanh", masked=False)
REFUSED = "inverse: damp must be from 1e-8 to 1e-4, not {}; pass damp=1e-6, for example"
MESSAGES: tuple[tuple[dict[str, Any], str], ...] = (
    *(({"scale": scale, "damp": damp}, REFUSED.format(repr(damp)))
      for scale in ("whole", "layer", "blocks", "rows") for damp in (1e-2, "x")),
    *(({"scale": scale, "unit": True, "damp": 1}, REFUSED.format(1))
      for scale in SCALES),
    ({"scale": "layer", "block": 3},
     "obs: block needs scale='blocks', not scale='layer'; leave block out"),
    ({"scale": "blocks", "block": 2.0},
     "obs: block must be an integer of at least 1, not 2.0; pass block=1, for example"),
    ({"scale": "layer", "params": "all"},
     "obs: scale='layer' needs params='weights', not params='all'; pass scale='whole' or 'blocks', "
     "or leave out params"),
)  # fmt: skip


@pytest.mark.parametrize(("how", "text"), MESSAGES, ids=str)
def test_options_are_refused_before_anything_is_run(
    how: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("layer_hessian", "ggn_rows", "sample_grads"):
        monkeypatch.setattr(inverses, name, None)
    with pytest.raises(ArgumentError) as caught:
        mp.score(CHAIN, DATA, "obs", **how)
    assert caught.value.args == (text,)


@pytest.mark.parametrize("scale", ["layer", "rows"])
def test_a_layer_that_sees_nothing_is_named(scale: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.score(CHAIN, (0 * DATA[0], DATA[1]), "obs", scale=scale)
    assert caught.value.args == (
        "a.weight: inverse: H must not be 0, as it is over all 3 entries; check the data, or "
        "whether the units before or behind these weights are dead",
    )


@pytest.mark.parametrize(
    ("unit", "scales"), [(False, "'layer', 'rows' or 'blocks'"), (True, "'layer' or 'blocks'")]
)
def test_too_large_an_inverse_names_the_scales_that_there_are(
    unit: bool, scales: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = sum(CHAIN.params[p].size for p in (CHAIN.net.params if unit else CHAIN.net.weights))
    monkeypatch.setattr(inverses, "LIMIT", 8 * n * n - 1)
    with pytest.raises(ArgumentError) as caught:
        mp.score(CHAIN, DATA, "obs", unit=unit)
    assert caught.value.args == (
        f"obs: the inverse over {n} entries would take {8 * n * n:,} bytes, more than the limit of "
        f"{8 * n * n - 1:,}; use scale={scales}, or a smaller net",
    )
