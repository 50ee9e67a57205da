"""Diagonals of nets with layers of one's own: right, or refused with the op's name.

The exact diagonal equals that of the dense Hessian over every activation of the table,
convolutions, residual sums, and layers made of the engine's ops.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import curving
import numpy as np
import pytest
from curving import Fn, half, made, near, unflat
from hypothesis import given
from hypothesis import strategies as st
from randomnets import batch, filled

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Tensor
from minprune.core import Arrays, Split
from minprune.curvature import (
    becker_lecun,
    exact,
    gauss_newton,
    ggn,
    hessian,
    hutchinson,
    sample_grads,
    squared_grads,
)
from minprune.curvature import diagonals as module
from minprune.curvature.gates import gate_hess, gate_squares
from minprune.curvature.record import each_alone, record, unruled
from minprune.errors import ArgumentError
from minprune.nets.layer import Layer, Shape
from minprune.nets.losses import LOSSES
from minprune.nets.model import Model


class Own(Layer):
    """y = f(x), made of ops"""

    def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
        return self.of(xs[0])

    def of(self, x: Any) -> Any:
        raise NotImplementedError


class Cube(Own):
    def of(self, x: Any) -> Any:
        return ag.mul(ag.mul(x, x), x)


class Swish(Own):
    """x sigmoid(x) by mul"""

    def of(self, x: Any) -> Any:
        return ag.mul(x, ag.sigmoid(x))


class Normed(Own):
    """x / sqrt(1 + |x|^2), of each sample"""

    def of(self, x: Any) -> Any:
        squared = ag.sum_to(ag.mul(x, x), shape=(1, x.shape[-1]))
        return ag.div(x, ag.sqrt(ag.add(squared, np.ones((1, 1)))))


class Softmax(Own):
    def of(self, x: Any) -> Any:
        return ag.softmax(x)


class Affine(Own):
    """3 - 2 x / 5: linear, in three ops"""

    def of(self, x: Any) -> Any:
        return ag.sub(np.array([[3.0]]), ag.mul(x, np.array([[0.4]])))


class Same(Own):
    """x, as an activation"""

    def of(self, x: Any) -> Any:
        return ag.act(x, kind="none")


class Fused(Own):
    """tanh inside an affine op that the net does not take apart"""

    def of(self, x: Any) -> Any:
        return ag.affine(np.eye(x.shape[0]), x, None, act="tanh")


class Centred(Own):
    """x - mean over the batch: samples are not apart"""

    def of(self, x: Any) -> Any:
        mean = ag.mul(ag.sum_to(x, shape=(x.shape[0], 1)), np.array(1 / x.shape[-1]))
        return ag.sub(x, ag.expand(mean, shape=x.shape))


class Attending(Own):
    """x softmax(x^T x): samples are not apart, and no shape says so"""

    def of(self, x: Any) -> Any:
        return ag.matmul(x, ag.softmax(ag.matmul(x, x, ta=True)))


@dataclass(frozen=True)
class Weighted(Layer):
    """A square weight, used as `of` says."""

    size: int

    def params(self) -> dict[str, Shape]:
        return {"weight": (self.size, self.size)}

    def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
        return self.of(p["weight"], xs[0])

    def of(self, w: Any, x: Any) -> Any:
        raise NotImplementedError


class Serial(Weighted):
    """W W x"""

    def of(self, w: Any, x: Any) -> Any:
        return ag.affine(w, ag.affine(w, x, None), None)


class Parallel(Weighted):
    """W x + W tanh(x): twice, side by side"""

    def of(self, w: Any, x: Any) -> Any:
        return ag.add(ag.affine(w, x, None), ag.affine(w, ag.act(x, kind="tanh"), None))


class Squared(Weighted):
    """(W W) x, elementwise: no rule for single samples"""

    def of(self, w: Any, x: Any) -> Any:
        return ag.affine(ag.mul(w, w), x, None)


class Fixed(Own):
    """A product with a constant"""

    def of(self, x: Any) -> Any:
        return ag.affine(Tensor(np.eye(x.shape[0])), x, None)


Layers = list[Any]
LINEAR: dict[str, Callable[[], Layer]] = {"linear": Affine, "none": Same}
CURVED: dict[str, Callable[[], Layer]] = {
    "cube": Cube, "swish": Swish, "normed": Normed, "softmax": Softmax, "fused": Fused,
}  # fmt: skip
WEIGHTED: dict[str, Callable[[], Layer]] = {
    "serial": lambda: Serial(3), "parallel": lambda: Parallel(3), "squared": lambda: Squared(3),
}  # fmt: skip
TABLE: dict[str, Callable[[], Layer]] = {
    **mp.nets.activation_layers.LAYERS, "GELU tanh": lambda: mp.GELU(approximate="tanh"),
}  # fmt: skip
NORMS: dict[str, Callable[[], Layer]] = {
    "GroupNorm": lambda: mp.GroupNorm(1, 3), "LayerNorm": lambda: mp.LayerNorm(3),
}  # fmt: skip
MIDDLE = {**NORMS, **LINEAR, **CURVED, **WEIGHTED, **TABLE}


def net_with(names: list[str], loss: Any, images: bool, residual: bool, seed: int) -> Model:
    """A dense layer or a convolution, the layers of those names, and a dense layer"""
    layers: Layers = (
        [("c", mp.Conv2d(1, 3, 2)), ("bn", mp.BatchNorm(3)), ("p", mp.AvgPool(2)),
         ("first", mp.Flatten())]
        if images else [("first", mp.Dense(3, 3))]
    )  # fmt: skip
    layers += [(f"l{k}", MIDDLE[name]()) for k, name in enumerate(names)]
    if residual:
        layers.append(("sum", mp.Add(), (layers[-1][0], "first")))
    layers.append(("fc", mp.Dense(3, 2)))
    return filled(mp.build((1, 3, 3) if images else (3,), layers, loss), seed)


def nets_of(names: Any) -> st.SearchStrategy[Model]:
    return st.builds(
        net_with, st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=3),
        st.sampled_from(sorted(LOSSES)), st.booleans(), st.booleans(), st.integers(0, 99),
    )  # fmt: skip


nets = nets_of(MIDDLE)


def rules_of(model: Model, data: Split, curved: bool = False) -> dict[str, str]:
    return unruled(record(model, data[0], apart=True), each_alone(model.net.params), curved)


def is_the_diagonal(fn: Fn, dense: Fn, model: Model, data: Split) -> bool:
    want = np.diag(dense(model, data, params="all"))
    return near(fn(model, data, params="all"), unflat(want, model, list(model.net.params)))


@half
@given(model=nets)
def test_exact_is_the_diagonal_of_the_dense_hessian(model: Model) -> None:
    assert is_the_diagonal(exact, hessian, model, batch(model, 3))


@pytest.mark.parametrize("name", MIDDLE)
def test_every_layer_alone_has_an_exact_diagonal(name: str) -> None:
    for residual in (False, True):
        for images in (False, True):
            model = net_with([name], "cross_entropy", images, residual, 1)
            assert is_the_diagonal(exact, hessian, model, batch(model, 3))


def by_rules_alone(model: Model, data: Split, params: str = "weights") -> Arrays:
    """What 0.1.0 did: the rules of the ops, wherever they hold or not"""
    held = module.unruled
    module.unruled = lambda *args, **how: {}
    try:
        return exact(model, data, params=params)
    finally:
        module.unruled = held


def sums_of_squares(model: Model, data: Split, params: str = "weights") -> Arrays:
    """A weight used twice: the squares of its uses added up"""
    held = module.squares

    def squares(total: Any, seen: Any, end: Any, seeds: Any, weights: Any) -> None:
        for use in seen.before(end):
            one = type(seen)(seen.net, seen.out, seen.leaves)
            object.__setattr__(one, "before", lambda _, use=use: [use])
            held(total, one, end, seeds, weights)

    module.squares = squares
    try:
        return exact(model, data, params=params)
    finally:
        module.squares = held


WRONG: dict[str, tuple[Fn, str]] = {
    "the curvature of the table's activations alone": (by_rules_alone, "cube"),
    "a factor of itself": (by_rules_alone, "swish"),
    "a fused activation overlooked": (by_rules_alone, "fused"),
    "a norm of the sample overlooked": (by_rules_alone, "normed"),
    "a weight in front of itself": (by_rules_alone, "serial"),
    "a weight used twice, each use alone": (sums_of_squares, "parallel"),
    "gauss_newton": (gauss_newton, "SiLU"),
    "becker_lecun": (becker_lecun, "GELU"),
    "gauss_newton of a norm": (gauss_newton, "GroupNorm"),
    "squared_grads": (squared_grads, "ELU"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_law_of_the_exact_diagonal_rejects(name: str) -> None:
    wrong, layer = WRONG[name]
    model = net_with([layer, "Tanh"], "cross_entropy", False, False, 1)
    data = batch(model, 3)
    assert is_the_diagonal(exact, hessian, model, data)
    assert not is_the_diagonal(wrong, hessian, model, data)


@half
@given(model=nets)
def test_what_single_samples_give_is_right_or_refused(model: Model) -> None:
    """Of parameters that have rules; gauss_newton and squared gradients with them"""
    data, names = batch(model, 3), list(model.net.params)
    if rules_of(model, data):
        for fn in (sample_grads, squared_grads, gauss_newton):
            with pytest.raises(ArgumentError, match="through the op mul, which must have rules"):
                fn(model, data, params="all")
        return
    want = curving.each_alone(model, data, names)
    assert near(sample_grads(model, data, params="all"), want)
    mean = {n: np.square(g).mean(axis=0) for n, g in want.items()}
    assert near(squared_grads(model, data, params="all"), mean)
    assert is_the_diagonal(gauss_newton, ggn, model, data)


@dataclass(frozen=True)
class Offset(Layer):
    """W x + V u: a parameter u where a layer reads samples"""

    def params(self) -> dict[str, Shape]:
        return {"weight": (3, 3), "other": (3, 2), "input": (2, 1)}

    def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
        return ag.add(ag.affine(p["weight"], xs[0], None), ag.affine(p["other"], p["input"], None))


@pytest.mark.parametrize("n", [1, 2])
def test_a_parameter_in_the_place_of_the_samples_has_no_rule(n: int) -> None:
    """Of one sample its array has the shape of an input"""
    model, data = made((3,), mp.Dense(3, 3), Offset(), mp.Tanh(), mp.Dense(3, 2), n=n)
    assert is_the_diagonal(exact, hessian, model, data)
    with pytest.raises(ArgumentError, match="must have rules"):
        squared_grads(model, data, params="all")


@pytest.mark.parametrize("layer", [Centred(), Attending()])
def test_layers_that_mix_samples_are_exact_and_have_no_samples(layer: Layer) -> None:
    for n in (1, 2, 3, 4):
        model, data = made((3,), mp.Dense(3, 3), mp.Tanh(), layer, mp.Dense(3, 2), n=n)
        assert is_the_diagonal(exact, hessian, model, data)
        if n > 1:
            keys = {"a": ["l1.weight"], "b": ["l4.weight"]}
            assert list(unruled(record(model, data[0]), keys)) == ["a"]
            with pytest.raises(ArgumentError, match=r"l1\.weight goes through the op"):
                sample_grads(model, data)


def test_only_what_has_no_rule_costs_products() -> None:
    """Behind the cube the rules hold"""
    model, data = made((3,), mp.Dense(3, 3), Cube(), mp.Dense(3, 3), mp.Tanh(), mp.Dense(3, 2))
    found = rules_of(model, data, curved=True)
    assert found == {"l1.weight": "mul", "l1.bias": "mul"}
    assert not rules_of(model, data)
    assert exact(model, data, limit=9).keys() == exact(model, data).keys()
    want, got = (mp.score(model, data, "obd", **how) for how in ({}, {"limit": 9}))
    assert all(np.array_equal(got[name], w) for name, w in want.items())
    limit = (
        "exact: l1.weight goes through the op mul, which has no rule for the exact diagonal, and "
        "9 Hessian-vector products are more than limit=8; use 'hutchinson' or 'gauss_newton', or "
        "pass limit=9"
    )
    for refused in (exact, lambda *of, **how: mp.score(*of, "obd", **how)):
        with pytest.raises(ArgumentError) as caught:
            refused(model, data, limit=8)
        assert caught.value.args == (limit,)
    assert hutchinson(model, data, samples=2)[0].keys() == exact(model, data).keys()


def test_products_add_up_over_parts_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = made((3,), mp.Dense(3, 3), Cube(), mp.Dense(3, 2), n=5)
    want = exact(model, data)
    monkeypatch.setattr("minprune.curvature.record.CHUNK", 2)
    assert near(exact(model, data), want)


@half
@given(model=nets_of({**TABLE, "cube": Cube, "swish": Swish}))
def test_gates_are_factors_on_all_that_reads_a_unit(model: Model) -> None:
    """d2L/dc2 = w_S^T H_SS w_S, the weights S that read it"""
    data, groups = batch(model, 3), {g.name: g for g in mp.ties(model) if g.free}
    h, names = hessian(model, data, params="all"), list(model.net.params)
    found = gate_hess(model, data, groups)
    assert gate_squares(model, data, groups).keys() == groups.keys()
    for name, g in groups.items():
        for unit in range(g.size):
            v = {n: np.zeros(model.params[n].shape) for n in names}
            for m in g.readers:
                part = (slice(None),) * m.axis + (m.index[unit],)
                v[m.param][part] = model.params[m.param][part]
            flat = np.concatenate([v[n].ravel() for n in names])
            want = flat @ h @ flat
            assert abs(found[name][unit] - want) <= 1e-9 * (1 + np.abs(h).max())


@pytest.mark.parametrize(
    ("layer", "found"),
    [(Squared(3), "an array made of b.weight"), (Fused(), "a constant"), (Fixed(), "a constant")],
)
def test_units_of_a_weight_that_is_no_parameter_are_refused(layer: Layer, found: str) -> None:
    layers = [("a", mp.Dense(3, 3)), ("b", layer), ("c", mp.Dense(3, 2))]
    model = filled(mp.build((3,), layers), 0)
    for call in (mp.ties, mp.compact, lambda m: mp.score(m, None, "magnitude", unit=True)):
        with pytest.raises(ArgumentError) as caught:
            call(model)
        assert caught.value.args == (
            f"affine: the weight must be a parameter itself, not {found}, since units are rows of "
            f"parameters; apply the layer's other ops to its output",
        )


REFUSED = (
    "becker_lecun: the op {} must have a rule for squared coefficients, not none; use the diagonal "
    "'exact', 'gauss_newton' or 'hutchinson'"
)


@pytest.mark.parametrize(
    ("layer", "op"), [(Softmax(), "softmax"), (Fused(), "affine"), (Normed(), "div")]
)
def test_becker_lecun_refuses_by_the_name_of_the_op(layer: Layer, op: str) -> None:
    model, data = made((3,), mp.Dense(3, 3), layer, mp.Dense(3, 2))
    with pytest.raises(ArgumentError) as caught:
        becker_lecun(model, data)
    assert caught.value.args == (REFUSED.format(op),)


@pytest.mark.parametrize("name", TABLE)
def test_becker_lecun_of_every_activation_is_exact_for_one_hidden_layer(name: str) -> None:
    model, data = made((3,), mp.Dense(3, 4), TABLE[name](), mp.Dense(4, 2), loss="mse")
    assert near(becker_lecun(model, data, params="all"), exact(model, data, params="all"))
