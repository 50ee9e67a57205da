"""The table of activations: f, f' and f'' of every row, and what the layers make of it."""

from typing import Any

import numpy as np
import pytest
from differences import central
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_docstrings import failures

import minprune as mp
from minprune import autograd as ag
from minprune import kernels
from minprune.autograd import Tensor, grad
from minprune.autograd.activations import ACTIVATIONS, Row
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets import activation_layers as activations

# Where f or f' jumps: a difference must not step over it.
KINKS = {"relu": (0,), "leaky_relu": (0,), "elu": (0,), "relu6": (0, 6), "hardswish": (-3, 3)}
# f' and f'' at the kinks, as PyTorch has them
AT_KINKS = {
    "relu": [(0, 0, 0)], "leaky_relu": [(0, 0.01, 0)], "elu": [(0, 1, 0)],
    "relu6": [(0, 0, 0), (6, 0, 0)], "hardswish": [(-3, -0.5, 0), (3, 1.5, 0)],
}  # fmt: skip
points = arrays(np.float64, 4, elements=st.floats(-12, 12, allow_subnormal=False))


def away(kind: str, x: Array) -> Array:
    """The points at a distance from the kinks."""
    far = [np.abs(x - k) > 1e-2 for k in KINKS.get(kind, ())]
    return x[np.logical_and.reduce(far)] if far else x


def is_the_slope(f: Any, df: Any, x: Array) -> bool:
    want, bound = central(lambda: float(f(x).sum()), x)
    return bool((np.abs(df(x) - want) <= bound).all())


def holds(kind: str, row: Row, x: Array) -> bool:
    """df is the slope of f, ddf of df; a linear row has none; f'' = f' bend(y) of a curved fused"""
    x = away(kind, x)
    df, ddf = row.df(x, row.f(x)), row.ddf(x, row.f(x))
    bent = row.bend is None or np.allclose(ddf, df * row.bend(row.f(x)), rtol=1e-12, atol=1e-300)
    return (
        is_the_slope(row.f, lambda v: row.df(v, row.f(v)), x)
        and is_the_slope(lambda v: row.df(v, row.f(v)), lambda v: row.ddf(v, row.f(v)), x)
        and (not row.linear or not ddf.any())
        and bent
    )


@pytest.mark.parametrize("kind", ACTIVATIONS)
@given(x=points)
def test_the_columns_are_derivatives(kind: str, x: Array) -> None:
    assert holds(kind, ACTIVATIONS[kind], x)


X = np.linspace(-7, 7, 29) + 0.03
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "f' of another": ("silu", {"df": ACTIVATIONS["gelu"].df}),
    "f'' forgotten": ("elu", {"ddf": lambda x, y: 0 * y}),
    "the tanh of gelu for its erf": ("gelu", {"f": ACTIVATIONS["gelu_tanh"].f}),
    "f'' in the wrong variable": ("sigmoid", {"ddf": lambda x, y: 1 - 2 * y}),
    "said to be linear": ("hardswish", {"linear": True}),
    "bend of another": ("tanh", {"bend": ACTIVATIONS["sigmoid"].bend}),
    "six for three": ("relu6", {"f": lambda x: np.clip(x, 0, 3)}),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_law_of_the_columns_rejects(name: str) -> None:
    kind, wrong = WRONG[name]
    assert holds(kind, ACTIVATIONS[kind], X.copy())
    assert not holds(kind, ACTIVATIONS[kind]._replace(**wrong), X.copy())


@pytest.mark.parametrize("kind", KINKS)
def test_at_a_kink_the_derivatives_are_those_that_the_row_states(kind: str) -> None:
    for at, first, second in AT_KINKS[kind]:
        x = Tensor(np.array([float(at)]))
        (g,) = grad(ag.act(x, kind=kind), [x])
        row, y = ACTIVATIONS[kind], ACTIVATIONS[kind].f(x.value)
        assert (g[0], row.df(x.value, y)[0], row.ddf(x.value, y)[0]) == (first, first, second)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_nothing_overflows_and_nan_stays(kind: str, dtype: Any) -> None:
    huge = float(np.finfo(dtype).max) / 2
    x = np.concatenate([np.linspace(-1e4, 1e4, 999), [0, 1e-30, -1e-30, huge, -huge]]).astype(dtype)
    row = ACTIVATIONS[kind]
    with np.errstate(all="raise", under="ignore"):
        y = ag.act(x, kind=kind)
        found = [y, row.f(x), row.df(x, y), row.ddf(x, y)]
    assert all(a.dtype == dtype and np.isfinite(a).all() for a in found)
    assert np.isnan(ag.act(np.array([np.nan], dtype), kind=kind)).all()


@pytest.mark.parametrize("kind", [k for k, row in ACTIVATIONS.items() if row.fused])
@given(x=points)
def test_the_kernels_of_fused_rows_are_the_table(kind: str, x: Array) -> None:
    row, y = ACTIVATIONS[kind], kernels.act(x, kind)
    assert np.allclose(y, row.f(x), rtol=1e-14, atol=1e-300)
    assert np.allclose(kernels.act_grad(np.ones(4), y, kind), row.df(x, y), rtol=1e-14, atol=1e-15)


def test_each_row_is_a_layer_a_name_and_a_file(tmp_path: Any) -> None:
    for name, layer in activations.LAYERS.items():
        assert getattr(mp, name) is layer
        assert name in mp.__all__
        assert failures(_page(layer)) == ""
        row = layer().row
        fused = mp.build((3,), [("fc", mp.Dense(3, 2)), ("act", layer())])
        assert ("fc" in fused.fused) == row.fused
        model = mp.initialise(fused, seed=0)
        mp.save(model, tmp_path / "m.npz")
        again, x = mp.load(tmp_path / "m.npz"), np.linspace(-2, 2, 6, dtype=np.float32)
        assert again.net == model.net
        assert np.array_equal(again(x.reshape(2, 3)), model(x.reshape(2, 3)))


def _page(layer: type) -> Any:
    page = type(mp)("page")
    page.__doc__ = layer.__doc__
    return page


def test_the_other_gelu_is_kept_in_files(tmp_path: Any) -> None:
    net = mp.build((3,), [("fc", mp.Dense(3, 2)), ("act", mp.GELU(approximate="tanh"))])
    mp.save(mp.initialise(net, seed=0), tmp_path / "m.npz")
    assert mp.load(tmp_path / "m.npz").net.node("act").layer == mp.GELU("tanh") != mp.GELU()


@pytest.mark.parametrize("layer", [*activations.LAYERS.values(), lambda: mp.GELU("tanh")])
def test_nets_with_it_train_score_prune_compact_and_sparsify(layer: Any) -> None:
    data = mp.data.digits()
    some = mp.Dataset(*((x[:64], y[:64]) for x, y in (data.train, data.val, data.test)))
    net = mp.build((1, 8, 8), [
        ("c", mp.Conv2d(1, 4, 3)), ("a", layer()), ("p", mp.MaxPool(2)), ("f", mp.Flatten()),
        ("fc1", mp.Dense(36, 8)), ("b", layer()), ("fc2", mp.Dense(8, 10)),
    ])  # fmt: skip
    model, history = mp.fit(mp.initialise(net, seed=0), some, epochs=4, seed=0, progress=False)
    assert history.steps["loss"][-1] < history.steps["loss"][0]
    units = mp.prune(model, mp.score(model, some.train, "taylor", unit=True), sparsity=0.5)
    small, x = mp.compact(units), some.test[0]
    assert np.allclose(small(x), units(x), atol=1e-4)
    assert sum(w.size for w in small.params.values()) < sum(w.size for w in model.params.values())
    masked = mp.prune(model, mp.score(model, some.train, "obd"), sparsity=0.8)
    assert np.allclose(mp.sparsify(masked, "csr")(x), masked(x), atol=1e-4)


def test_messages() -> None:
    known = ", ".join(map(repr, list(ACTIVATIONS)[:-1])) + f" or {list(ACTIVATIONS)[-1]!r}"
    x = Tensor(np.ones(2))
    third = (
        "the table of activations has no third derivative of silu; use tanh or sigmoid, or build "
        "the function from other ops"
    )
    (g,) = grad(ag.act(x, kind="silu"), [x], create_graph=True)
    (h,) = grad(g, [x], create_graph=True)
    for call, text in (
        (lambda: ag.act(x, kind="swish"),
         f"act: kind must be {known}, not 'swish'; did you mean hardswish?"),
        (lambda: grad(h, [x]), third),
        (lambda: mp.GELU(approximate="erf"),
         "GELU: approximate must be 'none' or 'tanh', not 'erf'; choose one of them"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.args == (text,)
