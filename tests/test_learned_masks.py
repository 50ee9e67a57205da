"""Learned masks and squeeze-excite heads against what they are, written out in NumPy."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import context, half_masked, small_data, small_net

import minprune as mp
from minprune.core import Array, stream
from minprune.errors import ArgumentError
from minprune.methods import AttentionGates, LearnedMasks
from minprune.methods.attention_gates import gates
from minprune.nets.layer import ForwardContext
from minprune.nets.model import Model, batch_last
from minprune.nets.model import run as forward

X, Y = np.array([[1.0, -2.0, 0.5], [0.5, 1.0, 1.0]]), np.array([[1.0], [-1.0]])
DATA = mp.Dataset((X, Y), (X, Y), (X, Y))
W = np.array([[0.3, -0.5, 0.1]])
DRAWN = small_data()
MODULE = sys.modules["minprune.methods.attention_gates"]  # the name is that of the call too
SGD: dict[str, Any] = {"optimizer": mp.SGD(0.1), "batch_size": 2, "progress": False}


def line(w: Array = W) -> Model:
    net = mp.build((3,), [("fc", mp.Dense(3, 1, bias=False))], "mse")
    return mp.Model(net, {"fc.weight": w})


def slowly(how: dict[str, Any], steps: int, through: bool = True) -> tuple[Array, Array]:
    """(w, scores) after the updates, entry by entry; through: dm/ds = 1 where m = 0 too"""
    rng, w, s = stream(0, "method"), W[0].copy(), np.abs(W[0])
    top, lam = how.get("sparsity"), how.get("lam", 0.0)
    drawn, absolute = "draw" in how, how.get("absolute", False)
    if drawn:
        s = np.zeros(3)
    if absolute:
        s = rng.uniform(-(3**-0.5), 3**-0.5, 3)
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-s))
        ranks = np.abs(s) if absolute else s
        if drawn:
            m = rng.random((1, 3))[0] < chance
        else:
            m = s >= 0 if top is None else ranks >= np.sort(ranks)[round(top * 3)]
        g = 2 * ((X @ (m * w) - Y[:, 0]) @ X) / 2
        ds = g * w * (1 if through else m) + lam / 3
        if drawn:
            ds = ds * chance * (1 - chance)
        if absolute:
            ds = ds * np.sign(s)
        w = w if how.get("frozen") else w - 0.1 * g * m
        s = s - 0.1 * ds
    return w, s


CASES: dict[str, dict[str, Any]] = {
    "by sign": {"lam": 3.0}, "the highest": {"sparsity": 1 / 3},
    "drawn": {"draw": "bernoulli", "lam": 1.0},
    "edge-popup": {"sparsity": 2 / 3, "absolute": True, "frozen": True},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_training_is_the_one_written_out(name: str) -> None:
    how = CASES[name]
    trained, history = mp.fit(line(), DATA, epochs=4, method=LearnedMasks(**how), **SGD)
    w, s = slowly(how, 4)
    assert history.extra["fc.weight score"][0] == pytest.approx(s, rel=1e-12)
    mask = trained.masks["fc.weight"][0]
    assert trained.params["fc.weight"][0] == pytest.approx(np.where(mask, w, 0), rel=1e-12)
    if "sparsity" not in how:
        assert mask.tolist() == (s >= 0).tolist()
    assert not np.allclose(slowly(how, 4, through=False)[1], s)  # which the comparison rejects


@given(st.integers(0, 99), st.sampled_from([0.5, 0.7, 1 / 3]))
def test_the_highest_scores_stay_and_masked_weights_never(seed: int, share: float) -> None:
    model = half_masked(small_net(seed=seed))
    _, extra, state = LearnedMasks(0.8).start(model, context(model, seed))
    rng = np.random.default_rng(seed)
    extra = {k: rng.choice([-1.0, 0.0, 1.0], a.shape) for k, a in extra.items()}
    for sparsity in (0.8, 0.6 + share / 4):
        found = LearnedMasks(sparsity).finish(model, extra, context(model)._replace(state=state))
        names = model.net.weights
        n = sum(model.params[k].size for k in names)
        kept = np.concatenate([found.masks[k].ravel() for k in names])
        before = np.concatenate([model.masks[k].ravel() for k in names])
        scores = np.concatenate([extra[f"{k} score"].ravel() for k in names])
        assert (~kept).sum() == round(sparsity * n)
        assert not (kept & ~before).any()
        assert scores[kept].min() >= scores[before & ~kept].max(initial=-2) or kept.sum() <= 4
        assert not any(found.params[k][~found.masks[k]].any() for k in names)


def test_frozen_weights_and_signed_ones() -> None:
    method = LearnedMasks(0.5, absolute=True, frozen=True, signed=True)
    decay = mp.SGD(0.1, weight_decay=0.1)
    model, data = small_net(), small_data()
    found, _ = mp.fit(model, data, epochs=2, method=method, optimizer=decay, progress=False)
    for k in model.net.weights:
        size = np.sign(model.params[k]) * model.params[k].std()
        assert found.params[k][found.masks[k]] == pytest.approx(size[found.masks[k]], rel=1e-12)
    assert found.params["fc1.bias"].tolist() == model.params["fc1.bias"].tolist()


# --- heads


def test_a_head_is_the_one_written_out() -> None:
    rng = np.random.default_rng(0)
    y, w, b = (rng.standard_normal(s) for s in ((3, 4, 5, 2), (3, 3), (3, 1)))
    found = gates(y, "conv1", {"conv1 head weight": w, "conv1 head bias": b})
    for n in range(2):
        m = np.array([y[c, :, :, n].mean() for c in range(3)])
        assert found[:, n] == pytest.approx(1 / (1 + np.exp(-(w @ m + b[:, 0]))), rel=1e-12)


def test_mean_gates_are_of_the_training_data_and_are_folded() -> None:
    """A head at rate 0 stays as it began; the mean over an epoch is that over the samples, behind
    bn1 as it is after each batch.
    """
    seen = []

    class Spying(AttentionGates):
        def after(self, view: mp.View) -> mp.Change | None:
            seen.append((view.batch[0].copy(), dict(view.buffers)))
            return super().after(view)

    model, (x, y) = small_net(), small_data(8).train
    data = mp.Dataset((x, y), (x, y), (x, y))
    method = Spying(1 / 3, fine_tune=0.0, every=1)
    still = {"optimizer": mp.SGD(0.0), "batch_size": 4, "progress": False}
    found, history = mp.fit(model, data, epochs=1, method=method, **still)
    rng = stream(0, "method")
    head = rng.standard_normal((3, 3)) / 3**0.5
    conv = mp.Model(
        mp.build((1, 4, 5), [("conv1", mp.Conv2d(1, 3, 3, padding=1)), ("flat", mp.Flatten())]),
        {k: model.params[k] for k in ("conv1.weight", "conv1.bias")},
    )
    each = []
    for part, b in seen:
        m = conv(part).reshape(4, 3, 20).mean(axis=2) - b["bn1.running_mean"]
        each.append(1 / (1 + np.exp(-(m / np.sqrt(b["bn1.running_var"] + 1e-5) @ head.T))))
    mean = np.concatenate(each).mean(axis=0)
    assert history.extra["conv1 mean gate"] == pytest.approx(mean, rel=1e-12)
    mask = found.masks["conv1.weight"]
    assert found.params["bn1.weight"] == pytest.approx(mean * mask[:, 0, 0, 0], rel=1e-12)
    assert found.params["conv1.weight"] == pytest.approx(model.params["conv1.weight"] * mask)
    tied = mean + history.extra["conv2 mean gate"]  # by the sum
    assert (~mask).any(axis=(1, 2, 3)).tolist() == (tied == tied.min()).tolist()
    assert mp.compact(found).net.params["conv1.weight"][0] == 2
    assert not any("head" in k for k in found.params)


def folds(net: Any, seed: int, train: bool) -> bool:
    """Whether constant gates (W = 0) are those of the folded net, and scale what is read of y.

    Worked out by hand: the scale and the shift behind a normalisation, else weight and bias.
    """
    rng, model = np.random.default_rng(seed), net()
    model = replace(model, buffers={k: a + rng.random(a.shape) for k, a in model.buffers.items()})
    method, ctx = AttentionGates(0.0), context(model)
    _, extra, state = method.start(model, ctx)
    extra = {k: a * 0 + rng.normal(0, 2, a.shape) * k.endswith("bias") for k, a in extra.items()}
    a = {k: 1 / (1 + np.exp(-extra[f"{k} head bias"][:, 0])) for k in state["gates"]}
    params, ends = dict(model.params), {"conv1": "bn1" if "bn1.weight" in model.params else "conv1"}
    for conv, gate in a.items():
        for kind in ("weight", "bias"):
            w = params[k := f"{ends.get(conv, conv)}.{kind}"]
            params[k] = w * gate.reshape(-1, *[1] * (w.ndim - 1))
    p: Any = model.params | model.buffers

    def instead(name: str, layer: Any, xs: Any) -> Any:
        now = ctx._replace(state=state, forward=how.at(name))
        return method.layer(name, layer, xs[0] if len(xs) == 1 else xs, p, extra, now)

    x = batch_last(DRAWN.train[0], model.dtype)
    how, plain = ForwardContext(train=train), ForwardContext(train=train)
    with_heads = forward(model.net, p, x, how, None, instead)
    by_hand = forward(model.net, params | model.buffers, x, plain)
    done = method.finish(model, extra, ctx._replace(state=state | {"gates": a}))
    return np.allclose(with_heads, by_hand, rtol=1e-9) and all(
        np.allclose(done.params[k], w, rtol=1e-12) for k, w in params.items()
    )


def plain_net() -> Model:
    """A convolution that no normalisation reads."""
    layers = [("conv1", mp.Conv2d(1, 3, 2)), ("flat", mp.Flatten()), ("fc1", mp.Dense(36, 3))]
    return mp.initialise(mp.build((1, 4, 5), layers), dtype=np.float64)


@given(st.integers(0, 99), st.booleans())
def test_constant_gates_are_folded_exactly(seed: int, train: bool) -> None:
    """Before BatchNorm, which cancels their scale, they are not."""
    assert folds(small_net, seed, train)
    assert folds(plain_net, seed, train)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "place", lambda net, name: name)
        assert not folds(small_net, seed, train)


REFUSED: dict[str, tuple[type[mp.Method], dict[str, Any]]] = {
    "LearnedMasks: lam must be 0 where sparsity fixes how many weights stay, not 1.0; leave one of "
    "them out": (LearnedMasks, {"sparsity": 0.5, "lam": 1.0}),
    "LearnedMasks: fine_tune must be 0 where the weights are frozen, not 0.5; leave one of them "
    "out": (LearnedMasks, {"fine_tune": 0.5, "frozen": True}),
    "LearnedMasks: draw must be 'exact' or 'bernoulli', not 'top'; choose one of them":
    (LearnedMasks, {"draw": "top"}),
    "AttentionGates: every must be an integer of at least 1, not 0; pass every=1, for example":
    (AttentionGates, {"every": 0}),
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_refused(said: str) -> None:
    kind, how = REFUSED[said]
    with pytest.raises(ArgumentError) as e:
        kind(**how)
    assert str(e.value) == said


def test_a_net_without_convolutions() -> None:
    with pytest.raises(ArgumentError) as e:
        mp.fit(line(), DATA, epochs=1, method=AttentionGates(0.5), progress=False)
    assert str(e.value) == (
        "AttentionGates: the net must have a convolution whose filters may be removed, and has "
        "none; pass mp.zoo.cnn_small(data), for example"
    )
