"""First and second derivatives of the products with sparse matrices, in every format."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from differences import wrong
from hypothesis import given, settings
from hypothesis import strategies as st
from sparsely import FORMATS, SIDES, TILES, a_mask

from minprune import kernels
from minprune.autograd import Op, act_grad, row_sum
from minprune.core import Array
from minprune.kernels import indices
from minprune.nets.convolution import Conv2d
from minprune.nets.dense import Dense
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.net import build
from minprune.nets.pooling import GlobalAvgPool
from minprune.sparse import CSR, ops, sparsify

Case = tuple[Callable[..., Any], list[Array]]
SMOOTH = ("none", "tanh", "sigmoid")  # a product of random numbers may fall on a kink


def places(layer: Layer, shape: tuple[int, ...], mask: Array, form: str) -> Any:
    """Where the values of such a layer stand, and how many there are."""
    layers: list[Any] = [("a", layer)] + [("mean", GlobalAvgPool())] * (len(shape) == 3)
    net = build(shape, layers, "mse")
    params = {k: np.zeros(s) for k, s in net.params.items()}
    sparse = sparsify(Model(net, params, {}, {"a.weight": mask}), {"a": form})
    made: Any = sparse.net.node("a").layer
    at = made.products, [sparse.buffers[f"a.{k}"] for k in made.indices()]
    return at, sparse.params["a.weight"].size


def dense_case(draw: Any, form: str) -> tuple[Any, tuple[int, int, int]]:
    """(places, number of values), and shapes: values, x, g, b"""
    o, i, n = (draw(st.integers(1, 5)) for _ in range(3))
    mask = a_mask(np.random.default_rng(draw(st.integers(0, 99))), (o, i), form)
    at, size = places(Dense(i, o, False), (i,), mask, form)
    return at, {"values": (size,), "x": (i, n), "g": (o, n), "b": (o,)}


def conv_case(draw: Any) -> tuple[Any, Any]:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    o, i = (groups * draw(st.integers(1, 2)) for _ in range(2))
    kernel, stride, padding = (
        draw(st.tuples(*[st.integers(low, high)] * 2)) for low, high in ((1, 3), (1, 2), (0, 1))
    )
    side = draw(st.tuples(*(st.integers(max(1, k), k + 1) for k in kernel)))
    layer = Conv2d(i, o, kernel, stride, padding, groups, False)
    shape, n = (i, *side), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    at, size = places(layer, shape, a_mask(rng, layer.params()["weight"], "csr"), "csr")
    out = layer.out_shape(shape)
    return at, {"values": (size,), "x": (*shape, n), "g": (*out, n), "b": (o,)}


def product(draw: Any, at: Any, normal: Callable[[str], Array]) -> Case:
    act = draw(st.sampled_from(SMOOTH))
    inputs = [normal("values"), normal("x")] + [normal("b")] * draw(st.integers(0, 1))
    return lambda w, x, b=None: ops.product(w, x, b, at=at, act=act), inputs


def product_t(draw: Any, at: Any, normal: Callable[[str], Array]) -> Case:
    shape = normal("x").shape
    inputs = [normal("values"), normal("g")]
    return lambda w, g: ops.product_t(w, g, at=at, shape=shape), inputs


def sampled(draw: Any, at: Any, normal: Callable[[str], Array]) -> Case:
    return lambda g, x: ops.sampled(g, x, at=at), [normal("g"), normal("x")]


OPS = {"product": product, "product_t": product_t, "sampled": sampled}
FORMS = (*(f for f in FORMATS if f not in ("1x1", "2:17")), "conv")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPS)
@settings(max_examples=settings.default.max_examples // 10)
@given(data=st.data())
def test_derivatives(name: str, form: str, data: st.DataObject) -> None:
    draw = data.draw
    at, shapes = conv_case(draw) if form == "conv" else dense_case(draw, form)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    f, inputs = OPS[name](draw, at, lambda what: rng.standard_normal(shapes[what]))
    assert wrong(f, inputs, np.random.default_rng(0)) == ""


def test_the_forms_are_of_every_kind() -> None:
    assert {"csr", "conv"} < set(FORMS)
    assert set(FORMS) & set(SIDES)
    assert set(FORMS) & set(TILES)


# --- wrong rules


def rule(**changed: Callable[..., Any]) -> Op:
    """`product` with other parts: the gradient of the values, of x, of b."""

    def made(g: Any, y: Any, inputs: Any, need: Any, *, at: Any, act: str = "none") -> Any:
        values, x, _ = inputs
        g = changed.get("act", act_grad)(g, y, kind=act)
        return (
            changed.get("values", ops.sampled)(g, x, at=at) if need[0] else None,
            changed.get("x", ops.product_t)(values, g, at=at, shape=x.shape) if need[1] else None,
            row_sum(g) if need[2] else None,
        )

    return Op(ops._product, made)


def no_rule(*args: Any, **settings: Any) -> Any:
    return None, None


def values_forgotten(v: Any, z: Any, inputs: Any, need: Any, *, at: Any, shape: Any) -> Any:
    return None, ops.product(inputs[0], v, None, at=at)


def turned_values(v: Any, z: Any, inputs: Any, need: Any, *, at: Any, shape: Any) -> Any:
    return ops._product_t_rule(v, z, [inputs[0][::-1], inputs[1]], need, at=at, shape=shape)


AT = CSR.products((2, 3), 3), (np.array([0, 2, 1], np.uint32), np.array([0, 2, 3], np.uint32))
W, X, B = np.array([1.0, -2.0, 0.5]), np.linspace(-1, 1, 6).reshape(3, 2), np.array([0.5, -1.0])
WRONG: dict[str, tuple[Op, str]] = {
    "the activation left out": (rule(act=lambda g, y, kind: g), "first"),
    "values and gradient of another sign": (
        rule(values=lambda g, x, at: ops.sampled(-1.0 * g, x, at=at)), "first",
    ),
    "sampled has no derivative": (rule(values=Op(ops._sampled, no_rule)), "second"),
    "product_t knows g alone": (rule(x=Op(ops._product_t, values_forgotten)), "second"),
    "product_t with values in another order": (
        rule(x=Op(ops._product_t, turned_values)), "second",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules_are_rejected(name: str) -> None:
    op, order = WRONG[name]
    found = wrong(lambda *a: op(*a, at=AT, act="tanh"), [W, X, B], np.random.default_rng(0))
    assert found.startswith(order)
    right = wrong(
        lambda *a: ops.product(*a, at=AT, act="tanh"), [W, X, B], np.random.default_rng(0)
    )
    assert right == ""


def test_a_transpose_is_remembered_for_both_arrays_and_the_width() -> None:
    """Where a method moves connections, one of the two arrays may stay the same object."""
    kernels_made = []
    columns, first = (np.array(a, np.uint32) for a in ([0, 1], [0, 2, 2]))
    second = np.array([0, 1, 2], np.uint32)
    for a in (columns, first, second):
        a.flags.writeable = False
    for starts in (first, second, first):
        for n in (2, 3):
            found = ops.turned(columns, starts, n)
            want = kernels.csr_transpose(columns, starts, n)
            assert all(map(np.array_equal, found, want))
            kernels_made.append(found)
    assert kernels_made[0] is kernels_made[4]


def test_a_transpose_of_what_can_change_is_not_remembered() -> None:
    columns, starts = np.array([0, 1], np.uint32), np.array([0, 1, 2], np.uint32)
    view = columns[:]
    view.flags.writeable = starts.flags.writeable = False
    ops.turned(view, starts, 2)
    columns[:] = [1, 0]
    assert ops.turned(view, starts, 2)[1].tolist() == [1, 0]


def test_a_transpose_is_forgotten_with_its_arrays() -> None:
    """A method that moves connections makes new arrays all the time."""
    before = len(indices._kept)
    starts = np.array([0, 1, 2], np.uint32)
    starts.flags.writeable = False
    for _ in range(3):
        columns = np.array([0, 1], np.uint32)
        columns.flags.writeable = False
        ops.turned(columns, starts, 2)
        assert len(indices._kept) == before + 1
    del columns
    assert len(indices._kept) == before
