"""Every op: first and second derivatives, on every entry, against central differences."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from differences import wrong
from hypothesis import given, settings
from op_cases import CASES

from minprune import autograd as ag
from minprune.autograd import Op, Tensor
from minprune.core import Array


def test_every_op_has_a_case() -> None:
    not_ops = {"ACTIVATIONS", "Op", "Tensor", "Value", "grad", "value", "column", "total"}
    assert set(ag.__all__) - not_ops == set(CASES)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_derivatives(name: str, data: st.DataObject) -> None:
    f, inputs = CASES[name](data.draw)
    assert wrong(f, inputs, np.random.default_rng(0)) == ""


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5)
@given(data=st.data())
def test_gradients_that_nobody_needs_are_not_computed(name: str, data: st.DataObject) -> None:
    """One input at a time is a Tensor, the others are arrays."""
    f, inputs = CASES[name](data.draw)
    for k in range(len(inputs)):
        y = f(*(Tensor(x) if j == k else x for j, x in enumerate(inputs)))
        if not isinstance(y, Tensor) or y.op is None:  # act_grad of "none" is its input
            continue
        need = tuple(isinstance(x, Tensor) for x in y.inputs)
        parts = y.op.rule(
            np.ones(y.shape), y.value, tuple(map(ag.value, y.inputs)), need, **y.settings
        )
        assert all(part is None for part, needed in zip(parts, need, strict=True) if not needed)


def variant(op: Op, rule: Callable[..., Any]) -> Op:
    return Op(op.forward, rule)


def no_mean(g: Any, xhat: Any, inputs: Any, need: Any, *, mean: Array, inv: Array) -> Any:
    return (ag.mul(g, ag.column(inv, g)),)


def gate_kept_constant(v: Any, z: Any, inputs: Any, need: Any, *, kind: str) -> Any:
    return ag.act_grad(v, inputs[1], kind=kind), None


def tanh_with(rule: Callable[..., Any]) -> Callable[..., Any]:
    grad_op = variant(ag.activations.act_grad, rule)
    return variant(ag.act, lambda g, y, inputs, need, kind: (grad_op(g, y, kind=kind),))


X = np.linspace(-1, 1, 6).reshape(2, 3) + 0.05
AT = {"stride": (2, 1), "padding": (1, 0), "groups": 1}
CX, CW = np.linspace(-1, 1, 24).reshape(2, 3, 4, 1), np.linspace(1, -1, 12).reshape(3, 2, 2, 1)
WRONG: dict[str, tuple[Callable[..., Any], list[Array]]] = {
    "a factor two lost": (
        variant(ag.mul, lambda g, z, i, need: (ag.mul(g, i[1]) * 0.5, ag.mul(g, i[0]))),
        [X, X],
    ),
    "the sign of the subtrahend": (variant(ag.sub, lambda g, z, i, need: (g, g)), [X, X]),
    "softmax without the inner product": (
        variant(ag.softmax, lambda g, q, i, need: (ag.mul(q, g),)),
        [X],
    ),
    "cross-entropy summed, not averaged": (
        lambda x: variant(
            ag.cross_entropy,
            lambda g, z, i, need, labels: (
                ag.cross_entropy.rule(g, z, i, need, labels=labels)[0] * 3.0,
            ),
        )(x, labels=np.array([0, 1, 0])),
        [X],
    ),
    "normalisation whose mean is a constant": (
        lambda x: variant(ag.normalisation._normal, no_mean)(
            x, mean=x.value.mean(1), inv=1 / x.value.std(1)
        ),
        [X],
    ),
    "second derivative of tanh forgotten": (
        lambda x: tanh_with(gate_kept_constant)(x, kind="tanh"),
        [X],
    ),
    "second derivative of sigmoid forgotten": (
        lambda x: tanh_with(gate_kept_constant)(x, kind="sigmoid"),
        [X],
    ),
    "stride forgotten in the weight's gradient": (
        lambda x, w: variant(
            ag.conv2d,
            lambda g, y, i, need, **at: (
                ag.conv2d.rule(g, y, i, need, **at)[0],
                ag.conv2d.rule(g, y, i, need, **at)[1] * np.array([[[[1.0], [0.0]]]]),
                None,
            ),
        )(x, w, None, **AT),
        [CX, CW],
    ),
    "average pooling that divides by the window twice": (
        lambda x: variant(
            ag.avg_pool, lambda g, z, i, need, **at: (ag.spread(g, shape=i[0].shape, **at) * 0.25,)
        )(x, kernel=(2, 2), stride=(1, 1), padding=(0, 0)),
        [CX],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules_are_rejected(name: str) -> None:
    f, inputs = WRONG[name]
    assert wrong(f, inputs, np.random.default_rng(0)) != ""


def test_forgotten_second_derivatives_pass_the_first_order() -> None:
    """So the second order is what rejects them: the check is needed."""
    f, inputs = WRONG["second derivative of tanh forgotten"]
    assert wrong(f, inputs, np.random.default_rng(0)).startswith("second")
