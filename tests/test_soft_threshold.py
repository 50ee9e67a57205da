"""Soft threshold reparameterization: by hand, an oracle in NumPy, exact null setting and counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watching import context, same, small_data, small_net

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Tensor, grad
from minprune.core import Array
from minprune.errors import ArgumentError, UnreachableError
from minprune.methods import SoftThreshold

HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}


def seen(w: Array, s: Array, method: type[SoftThreshold] = SoftThreshold) -> tuple[Array, ...]:
    """What the forward pass sees of w, and the gradients of sum g v, g = 1, 2, ..., in w and s."""
    net = mp.build(w.shape[1:], [("fc", mp.Dense(w.shape[1], w.shape[0], bias=False))], "mse")
    ctx = context(mp.Model(net, {"fc.weight": w}))
    leaves: Any = Tensor(w), Tensor(s)
    v: Any = method().weights({"fc.weight": leaves[0]}, {"fc.weight s": leaves[1]}, ctx)
    v = v["fc.weight"]
    g = np.arange(1.0, w.size + 1).reshape(w.shape)
    return ag.value(v), *grad(ag.total(ag.mul(v, g)), list(leaves))


def test_by_hand() -> None:
    """sigmoid(0) = 1/2: of 2, -1, 1/4 and 0 two are live; dv/ds = -sign(w) sigmoid'(0)."""
    w, s = np.array([[2.0, -1], [0.25, 0]]), np.zeros((1, 1))
    v, dw, ds = seen(w, s)
    assert (v + 0.0).tolist() == [[1.5, -0.5], [0, 0]]
    assert dw.tolist() == [[1, 2], [0, 0]]
    assert ds.tolist() == [[-0.25 * (1 - 2)]]


@st.composite
def draw_weights(draw: Any) -> tuple[Array, Array]:
    shape = draw(st.sampled_from([(1, 3), (2, 2), (3, 1)]))
    entries = st.integers(-16, 16).map(lambda k: k / 16)
    w = np.array(draw(st.lists(entries, min_size=shape[0] * shape[1], max_size=9)))[:9]
    units = draw(st.sampled_from([1, shape[0]]))
    s = [draw(st.sampled_from([-3.3, -0.7, 0.1])) for _ in range(units)]
    return w[: shape[0] * shape[1]].reshape(shape), np.array(s)[:, None]


def is_the_oracle(method: type[SoftThreshold], case: tuple[Array, Array]) -> bool:
    """Entry by entry, in plain Python floats."""
    w, s = case
    v, dw, ds = seen(w, s, method)
    want_v, want_dw, want_ds, g = np.zeros(w.shape), np.zeros(w.shape), np.zeros(s.shape), 0
    for o in range(w.shape[0]):
        for i in range(w.shape[1]):
            u, g = o if len(s) > 1 else 0, g + 1
            a = 1 / (1 + np.exp(-s[u, 0]))
            if abs(w[o, i]) > a:
                sign = 1 if w[o, i] > 0 else -1
                want_v[o, i], want_dw[o, i] = sign * (abs(w[o, i]) - a), g
                want_ds[u, 0] -= g * sign * a * (1 - a)
    pairs = ((v, want_v), (dw, want_dw), (ds, want_ds))
    return all(np.abs(a - b).max() <= 1e-12 for a, b in pairs)


@settings(max_examples=30)
@given(case=draw_weights())
def test_it_is_the_oracle(case: tuple[Array, Array]) -> None:
    assert is_the_oracle(SoftThreshold, case)


class Hard(SoftThreshold):
    """v = w where |w| > sigmoid(s)."""

    def weights(self, params: Any, extra: Any, ctx: Any) -> Any:
        a = ag.act(extra["fc.weight s"], kind="sigmoid")
        w = params["fc.weight"]
        return {"fc.weight": ag.mul(w, (abs(ag.value(w)) > ag.value(a)).astype(float))}


class Shifted(SoftThreshold):
    """sigmoid(-s)."""

    def weights(self, params: Any, extra: Any, ctx: Any) -> Any:
        return super().weights(params, {k: -s for k, s in extra.items()}, ctx)


class Constant(SoftThreshold):
    """The threshold is not learned."""

    def weights(self, params: Any, extra: Any, ctx: Any) -> Any:
        return super().weights(params, {k: s * 0.0 + ag.value(s) for k, s in extra.items()}, ctx)


@pytest.mark.parametrize("wrong", [Hard, Shifted, Constant])
def test_the_oracle_rejects(wrong: type[SoftThreshold]) -> None:
    case = np.array([[0.5, -0.75, 1.0]]), np.array([[-0.7]])
    assert is_the_oracle(SoftThreshold, case)
    assert not is_the_oracle(wrong, case)


@pytest.mark.parametrize("optimizer", [mp.Adam(0.01), mp.SGD(0.1, momentum=0.9)])
def test_the_null_setting_is_exact_also_for_weights_that_are_0(optimizer: mp.Adam) -> None:
    """sigmoid(-3200) is 0, and stays so: the same bits, and s has not moved."""
    net = small_net()
    params = {k: np.where(np.abs(w) < 0.1, 0, w).astype(w.dtype) for k, w in net.params.items()}
    net = mp.Model(net.net, params, net.buffers)
    how = HOW | {"optimizer": optimizer}
    plain, history = mp.fit(net, small_data(), **how)
    null, found = mp.fit(net, small_data(), method=SoftThreshold(0.0, -3200.0), **how)
    assert same(plain, null)
    assert history.steps == found.steps
    assert not null.masks
    assert not any(a.any() for a in found.extra.values())
    other, _ = mp.fit(net, small_data(), method=SoftThreshold(0.0, -100.0), **how)
    assert not same(plain, other)


def test_the_decay_raises_s_by_sgd_as_that_of_the_paper() -> None:
    """s <- s - lr decay s where no weight is live: by units their mean counts."""
    for by, factor in (("layer", 1.0), ("unit", 0.5)):
        method = SoftThreshold(0.5, 4.0, by, s_lr=2.0)  # type: ignore[arg-type]
        net = mp.build((2,), [("fc", mp.Dense(2, 2, bias=False))], "mse")
        model = mp.Model(net, {"fc.weight": np.full((2, 2), 0.25)})
        part = np.ones((1, 2)), np.ones((1, 2))
        data = mp.Dataset(part, part, part)
        trained, history = mp.fit(
            model, data, epochs=1, method=method, optimizer=mp.SGD(0.125, weight_decay=0.5),
            progress=False,
        )  # fmt: skip
        s = 4.0 * (1 - 0.125 * 2 * 0.5 * factor)
        assert np.allclose(history.extra["fc.weight threshold"], 1 / (1 + np.exp(-s)), 1e-15)
        assert history.steps["penalty"] == [0.25 * 16.0]
        assert not trained.params["fc.weight"].any()
        assert not trained.masks["fc.weight"].any()


def test_masks_say_where_weights_are_0_and_a_share_is_exact() -> None:
    how = HOW | {"optimizer": mp.Adam(0.01)}
    for sparsity in (None, 0.3, 0.9):
        method = SoftThreshold(initial=-2.0, sparsity=sparsity)
        model, history = mp.fit(small_net(), small_data(), method=method, **how)
        gone = sum(int((~m).sum()) for m in model.masks.values())
        zero = sum(int((model.params[k] == 0).sum()) for k in model.net.weights)
        n = sum(model.params[k].size for k in model.net.weights)
        assert gone == (zero if sparsity is None else round(sparsity * n))
        assert 0 < zero < n
        assert history.epochs["sparsity"][-1] == gone / n
        again, _ = mp.fit(model, small_data(), **HOW)  # an ordinary model, with its masks
        assert all(not again.params[k][~m].any() for k, m in model.masks.items())


MESSAGES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: SoftThreshold(-1.0), ArgumentError,
     "SoftThreshold: decay must be a finite number of at least 0, not -1.0; pass decay=1, for "
     "example"),
    (lambda: SoftThreshold(by="net"), ArgumentError,  # type: ignore[arg-type]
     "SoftThreshold: by must be 'layer' or 'unit', not 'net'; choose one of them"),
    (lambda: SoftThreshold(sparsity=1.5), ArgumentError,
     "SoftThreshold: sparsity must be a number from 0 to 1, not 1.5; pass sparsity=0.5, for "
     "example"),
    (lambda: SoftThreshold(initial=float("nan")), ArgumentError,
     "SoftThreshold: initial must be a finite number, not nan; pass initial=-5.0, for example"),
    (lambda: mp.fit(small_net(), small_data(), method=SoftThreshold(sparsity=1.0), **HOW),
     UnreachableError,
     "SoftThreshold: sparsity=1.0 leaves 0 of 183 weights of the net, fewer than minimum=1 for "
     "each layer; the largest reachable is 0.9781420765027322"),
]  # fmt: skip


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row[2][:40])
def test_messages(row: tuple[Callable[[], Any], type[Exception], str]) -> None:
    provoke, kind, text = row
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)
