"""Noise of weights: its ops, its draws at outputs, the KL terms, and what is pruned by them."""

import importlib
from collections.abc import Callable
from math import exp, log
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from differences import wrong
from hypothesis import given, settings
from hypothesis import strategies as st
from watching import context, small_data, small_net

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Op, Tensor
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.methods import SparseVariationalDropout, VariationalDropout, start_sparse
from minprune.methods import local_reparameterization as local
from minprune.methods.kl import gaussian_kl, gaussian_slope, sparse_kl, sparse_slope
from minprune.methods.local_reparameterization import noisy, outputs, square, through
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.noise import normal

sparse = importlib.import_module("minprune.methods.sparse_variational_dropout")
DATA = mp.data.digits()


# --- the ops


def away(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """(theta, log sigma^2) with log alpha below, between and above the bounds, none at one"""
    theta = rng.uniform(0.2, 2, n) * rng.choice([-1, 1], n)
    a = rng.choice([-9.0, -7.0, 0.5, 7.0, 9.0], n) + rng.uniform(-0.5, 0.5, n)
    return theta, a + np.log(theta**2)


def words(n: int) -> Array:
    return np.random.default_rng(1).integers(0, 2**16, n, np.uint16)


Case = Callable[[np.random.Generator, int], tuple[Callable[..., Any], list[Array]]]
CASES: dict[str, Case] = {
    "log_alpha": lambda rng, n: (sparse.log_alpha, [*away(rng, n)]),
    "variance": lambda rng, n: (sparse.variance, [*away(rng, n)]),
    "sparse_kl": lambda rng, n: (sparse_kl, [rng.uniform(-8, 8, n)]),
    "gaussian_kl": lambda rng, n: (gaussian_kl, [rng.uniform(-5, 0, n)]),
    "square": lambda rng, n: (square, [rng.standard_normal(n)]),
    "noisy": lambda rng, n: (
        lambda m, v: noisy(m, v, words=words(n)), [rng.standard_normal(n), rng.uniform(0.2, 2, n)]
    ),
    "through": lambda rng, n: (
        lambda g, v: through(g, v, words=words(n)), [rng.standard_normal(n), rng.uniform(0.2, 2, n)]
    ),
    "sparse_slope": lambda rng, n: (sparse_slope, [rng.uniform(-8, 8, n)]),
    "gaussian_slope": lambda rng, n: (gaussian_slope, [rng.uniform(-5, 0, n)]),
    "kl": lambda rng, n: (sparse.kl, [*away(rng, n)]),
    "kl_slope": lambda rng, n: (sparse.kl_slope, [*away(rng, n)]),
    "towards": lambda rng, n: (sparse.towards, [rng.standard_normal(n), rng.uniform(0.2, 2, n)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5)
@given(seed=st.integers(0, 99), n=st.integers(1, 4))
def test_first_and_second_derivatives(name: str, seed: int, n: int) -> None:
    f, inputs = CASES[name](np.random.default_rng(seed), n)
    assert wrong(f, inputs, np.random.default_rng(0)) == ""


def test_a_derivative_from_theta_for_theta_squared_is_seen() -> None:
    rule = sparse.log_alpha.rule
    half = Op(sparse.log_alpha.forward, lambda g, *how: [0.5 * rule(g, *how)[0], rule(g, *how)[1]])
    theta = np.array([0.5])
    assert "first derivative in input 0" in wrong(half, [theta, theta], np.random.default_rng(0))


reals = st.floats(-100, 100)


@given(theta=st.floats(-1e3, 1e3), log_sigma2=reals)
def test_the_variance_is_that_of_the_clipped_log_alpha(theta: float, log_sigma2: float) -> None:
    """By hand, entry by entry; theta = 0 has log alpha 8, and no noise."""
    tiny = np.finfo(float).tiny
    a = min(max(log_sigma2 - log(max(theta**2, tiny)), -8.0), 8.0)
    both = np.array([theta]), np.array([log_sigma2])
    assert np.allclose(sparse.log_alpha(*both), a, rtol=1e-13, atol=1e-12)
    assert np.allclose(sparse.variance(*both), exp(a) * theta**2, rtol=1e-12, atol=1e-290)
    if theta == 0:
        assert a == 8
        slopes = ag.grad(ag.total(sparse.variance(*map(Tensor, both))), [t := Tensor(both[0])])
        assert slopes == [0]
        assert t.value == 0


# --- the draws


def test_normal_numbers_are_quantiles_of_uniform_ones() -> None:
    """16 bits of a word each; an odd number of them too."""
    found = normal(np.random.default_rng(3), (5,), np.dtype("f8"))
    words = np.random.default_rng(3).integers(0, 2**64, 2, np.uint64).view(np.uint16)
    assert list(found) == [NormalDist().inv_cdf((int(j) + 0.5) / 2**16) for j in words[:5]]
    many = normal(np.random.default_rng(0), (3, 100_001), np.dtype("f4")).astype(float)
    moments = [np.mean(many**k) for k in range(1, 5)]
    assert np.allclose(moments, [0, 1, 0, 3], atol=6 / np.sqrt(300_003) * np.array([1, 2, 4, 10]))
    assert abs(np.corrcoef(many[0, :16384], many[0, 16384:32768])[0, 1]) < 0.05


@given(seed=st.integers(0, 99), kind=st.sampled_from(["dense", "conv1d", "conv2d"]))
@settings(max_examples=10)
def test_outputs_have_the_moments_of_the_weights(seed: int, kind: str) -> None:
    """y = theta x + b + sqrt(v x^2) e: sums over what each output reads, and the noise of ctx."""
    rng = np.random.default_rng(seed)
    layer, shape = {
        "dense": (mp.Dense(4, 3), (4, 2)),
        "conv1d": (mp.Conv1d(2, 4, 2, stride=2, padding=1, groups=2), (2, 5, 2)),
        "conv2d": (mp.Conv2d(2, 3, 2, padding=1, bias=False), (2, 3, 3, 2)),
    }[kind]  # fmt: skip
    p = {f"l.{k}": rng.standard_normal(s) for k, s in layer.params().items()}
    x, v = rng.standard_normal(shape), rng.random(layer.params()["weight"])
    found = outputs("l.weight", layer, x, v, p, ForwardContext(), np.random.default_rng(5))
    e = normal(np.random.default_rng(5), found.shape, found.dtype)
    mean = layer.apply(layer.own("l", p), [x], ForwardContext())
    columns = layer.columns(x)
    rows = v.reshape(len(columns), -1, columns.shape[1])
    want = np.matmul(rows, columns**2).reshape(found.shape)
    assert np.allclose(found, mean + np.sqrt(want + 1e-8) * e)
    once = np.matmul(rows, np.abs(columns)).reshape(found.shape)  # theta |x| for theta x^2
    assert not np.allclose(found, mean + np.sqrt(once + 1e-8) * e)


def test_a_masked_weight_has_no_noise() -> None:
    """All masked but one output: the others give their bias, but for sqrt(1e-8)."""
    model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    mask = np.zeros((4, 3), bool)
    mask[0] = True
    model = mp.with_masks(model, {"fc1.weight": mask})
    method = SparseVariationalDropout()
    extra = method.start(model, context(model))[1]
    ctx = context(model)._replace(forward=ForwardContext(train=True))
    layer = model.net.node("fc1").layer
    out = method.layer("fc1", layer, np.ones((3, 5), np.float32), model.params, extra, ctx)
    assert np.abs(out[1:]).max() < 1e-3 < np.abs(out[0]).max()


# --- the KL terms


def test_kl_terms_by_hand() -> None:
    """At alpha = 1 and at the ends."""
    assert np.isclose(sparse_kl(np.zeros(1)), 0.63576 / (1 + exp(1.8732)) + log(2) / 2)
    assert np.isclose(gaussian_kl(np.zeros(1)), 0.65547 - 1.16145124 + 1.50204118 - 0.58629921)
    ends = sparse_kl(np.array([-200.0, 200.0, -1e4]))
    assert np.allclose(ends, [100.63576, 0, 5000.63576])


@pytest.mark.parametrize("by", ["layer", "unit", "weight"])
def test_the_penalty_counts_each_weight_once(by: str) -> None:
    model = small_net()
    method = VariationalDropout(by=by, alpha=0.5, scale=2.0)
    extra = method.start(model, context(model))[1]
    ctx = context(model)._replace(samples=10)
    n = sum(model.params[k].size for k in model.net.weights)
    each = float(gaussian_kl(np.array(log(0.5))))
    assert np.isclose(float(ag.value(method.penalty(model.params, extra, ctx))), 0.2 * n * each)


def test_the_kl_term_grows_to_its_size() -> None:
    model = small_net()
    method = SparseVariationalDropout(warm=0.5)
    extra = method.start(model, context(model))[1]
    found = [
        float(ag.value(method.penalty(model.params, extra, context(model)._replace(
            step=step, total=8, samples=4)))) for step in range(8)
    ]  # fmt: skip
    assert found[0] == 0
    assert np.allclose(np.array(found) / found[-1], [0, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    assert [method.settled(step, 8) for step in (3, 4)] == [False, True]
    whole = sum(
        sparse_kl(sparse.log_alpha(model.params[k], extra[f"{k} log sigma^2"])).sum()
        for k in model.net.weights
    )
    assert np.isclose(found[-1], whole / 4)


# --- training


def test_the_digits_with_an_eighth_of_the_weights() -> None:
    """92 % right by 15 % of the weights at most; measured 95.6 % by 8.6 % in 40 epochs"""
    model = mp.zoo.mlp(DATA, hidden=(64, 32), seed=0)
    method = SparseVariationalDropout(lr_factor=1.0, log_sigma2=-8.0)
    trained, history = mp.fit(
        model, DATA, epochs=30, optimizer=mp.Adam(1e-2), rate=mp.rates.cosine(), method=method,
        progress=False,
    )  # fmt: skip
    assert (mp.evaluate(trained, DATA.test).accuracy or 0) >= 0.92
    assert history.epochs["sparsity"][-1] >= 0.85
    extra = history.extra
    for name in model.net.weights:
        a, theta = extra[f"{name} log alpha"], extra[f"{name} theta"]
        assert np.array_equal(trained.masks[name], a <= 3.0)
        assert np.array_equal(trained.params[name], np.where(a <= 3, theta, 0))
        assert a.min() >= -8
        assert a.max() <= 8
    assert extra["threshold"] == 3
    whole, scores = method.unpruned(trained, extra)
    again = mp.prune(whole, scores, threshold=-3.0)
    assert all(np.array_equal(again.masks[k], m) for k, m in trained.masks.items())
    chained = mp.methods.chain(mp.Method(), method)
    found = chained.unpruned(trained, {f"1/{k}": a for k, a in extra.items()})
    assert found is not None
    assert all(np.array_equal(found[1][k], s) for k, s in scores.items())


def test_a_share_is_of_the_highest_log_alpha_and_the_rate_stays_at_most_1() -> None:
    how: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}
    method = SparseVariationalDropout(sparsity=0.4, layers=("fc*", "conv1"), log_sigma2=-3.0)
    trained, history = mp.fit(small_net(), small_data(), method=method, **how)
    names = ["conv1.weight", "fc1.weight", "fc2.weight"]
    assert trained.masks.keys() == {*names}
    a = {k: history.extra[f"{k} log alpha"] for k in names}
    kept = np.concatenate([a[k][trained.masks[k]] for k in names])
    gone = np.concatenate([a[k][~trained.masks[k]] for k in names])
    assert len(gone) == round(0.4 * (len(gone) + len(kept)))
    assert kept.max() == history.extra["threshold"] <= gone.min()
    _, history = mp.fit(
        small_net(), small_data(), method=VariationalDropout(alpha=0.9, lr_factor=100.0), **how
    )
    assert max(a.max() for a in history.extra.values()) == 0


def test_a_threshold_is_of_the_clipped_log_alpha() -> None:
    """From 8 on nothing is pruned, though log sigma^2 - log theta^2 of tiny weights is above."""
    model = small_net()
    params = {k: np.where(abs(w) < 0.1, 1e-9, w) for k, w in model.params.items()}
    model = mp.Model(model.net, params, model.buffers)
    for threshold, all_stay in ((8.0, True), (9.0, True), (7.9, False)):
        method = SparseVariationalDropout(threshold)
        _, extra, _ = method.start(model, context(model))
        masks = method.finish(model, extra, context(model)).masks
        assert all(masks[k].all() for k in model.net.weights) == all_stay


# --- what is refused


class Two(Layer):
    bends = False

    def params(self) -> Any:
        return {"weight": (2, 2), "other": (2, 2)}


class Bent(Two):
    bends = True

    def params(self) -> Any:
        return {"weight": (2, 2)}


def own(layer: Layer) -> mp.Model:
    net = mp.build((2,), [("own", layer), ("fc", mp.Dense(2, 2))])
    return mp.Model(net, {k: np.ones(s) for k, s in net.params.items()})


def begin(method: mp.Method, model: mp.Model | None = None) -> None:
    model = model or small_net()
    method.start(model, context(model))


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: SparseVariationalDropout(3.0, 0.5),
     "SparseVariationalDropout: threshold must be None beside sparsity, which finds it, not 3.0; "
     "leave one of them out"),
    (lambda: SparseVariationalDropout(-9.0),
     "SparseVariationalDropout: threshold must be a finite number of at least -8, not -9.0; pass "
     "threshold=-7, for example"),
    (lambda: begin(SparseVariationalDropout(layers="fc9")),
     "SparseVariationalDropout: 'fc9' must be a weight of this net, or a layer that has one; "
     "choose among conv1.weight, conv2.weight, fc1.weight, fc2.weight"),
    (lambda: begin(SparseVariationalDropout(), own(Two())),
     "SparseVariationalDropout: own must be a linear layer with one weight, and it has 2 weights; "
     "leave it out of layers"),
    (lambda: begin(VariationalDropout(), own(Bent())),
     "VariationalDropout: own must be a linear layer with one weight, and it is not linear; leave "
     "it out of layers"),
    (lambda: begin(VariationalDropout(), mp.sparsify(start_sparse(small_net(), 0.6), "csr")),
     "conv1.weight: VariationalDropout needs the dense weight, and only its live entries are "
     "stored; pass mp.densify(model), and mp.sparsify the result"),
    (lambda: VariationalDropout(by="net"),
     "VariationalDropout: by must be 'unit', 'layer' or 'weight', not 'net'; choose one of them"),
    (lambda: VariationalDropout(alpha=0.0),
     "VariationalDropout: alpha must be a number above 0 and at most 1, not 0.0; pass alpha=0.5, "
     "for example"),
    (lambda: VariationalDropout(layers=()),
     "VariationalDropout: layers must not be empty; name one, or leave it out"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_a_sparsity_below_the_present_one_is_refused_before_training() -> None:
    model = mp.prune(small_net(), mp.score(small_net(), None, "magnitude"), sparsity=0.5)
    with pytest.raises(ArgumentError, match="is below the present"):
        begin(SparseVariationalDropout(sparsity=0.2), model)
    assert local.EPS == 1e-8
