"""Gradients of each sample, and sums of their squares: the rules beside the ops are the loops."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from curving import Fn, same
from hypothesis import given
from op_cases import acted, convolution, normal, rows

from minprune import autograd as ag
from minprune.autograd import Op, Tensor
from minprune.autograd.linear import act_grad
from minprune.core import Array

Case = tuple[Op, list[Any], tuple[int, ...], dict[str, Any]]  # inputs, those that are parameters
Draw = Callable[..., Any]


def affine(draw: Draw) -> Case:
    o, i, n = (draw(st.integers(1, 4)) for _ in range(3))
    b = normal(draw, o) if draw(st.booleans()) else None
    return ag.affine, [normal(draw, o, i), normal(draw, i, n), b], (0, 2), {}


def conv2d(draw: Draw) -> Case:
    d = convolution(draw)
    b = normal(draw, d["w"][0]) if draw(st.booleans()) else None
    return ag.conv2d, [normal(draw, *d["x"]), normal(draw, *d["w"]), b], (1, 2), d["at"]


def scale_shift(draw: Draw) -> Case:
    shape = rows(draw)
    inputs = [normal(draw, *shape), normal(draw, shape[0]), normal(draw, shape[0])]
    return ag.scale_shift, inputs, (1, 2), {}


CASES: dict[str, Callable[[Draw], Case]] = {
    "affine": affine, "conv2d": conv2d, "scale_shift": scale_shift,
}  # fmt: skip


def test_every_op_that_has_the_rules_has_a_case() -> None:
    ops = {name: op for name, op in vars(ag).items() if isinstance(op, Op)}
    assert {name for name, op in ops.items() if op.each} == set(CASES)
    assert {name for name, op in ops.items() if op.squares} == set(CASES)


def alone(case: Case, g: Array) -> list[Array | None]:
    """The gradient in each input that is a parameter, one sample at a time: (n, *shape)"""
    op, inputs, places, how = case
    found: list[Any] = [[] if k in places and x is not None else None
                        for k, x in enumerate(inputs)]  # fmt: skip
    (data,) = (k for k in range(len(inputs)) if k not in places)
    for n in range(g.shape[-1]):
        one: list[Any] = [Tensor(x) if kept is not None else x
                          for x, kept in zip(inputs, found, strict=True)]  # fmt: skip
        one[data] = inputs[data][..., n : n + 1]
        leaves = [x for x in one if isinstance(x, Tensor)]
        gs = iter(ag.grad(op(*one, **how), leaves, g[..., n : n + 1]))
        for kept in found:
            if kept is not None:
                kept.append(next(gs))
    return [None if kept is None else np.array(kept) for kept in found]


def agree(got: Any, want: list[Array | None], need: tuple[bool, ...]) -> bool:
    """None where nothing is needed, or there is no such input; equal to rounding elsewhere."""
    return all(
        a is None if b is None or not n else same(a, b)
        for a, b, n in zip(got, want, need, strict=True)
    )


def is_the_loop(each: Fn, case: Case, g: Array, need: tuple[bool, ...]) -> bool:
    op, inputs, _, how = case
    return agree(each(g, op(*inputs, **how), tuple(inputs), need, **how), alone(case, g), need)


def squares_and_adds(squares: Fn, case: Case, gs: list[Array], weights: Array, need: Any) -> bool:
    op, inputs, _, how = case
    total: list[Any] = [None] * len(inputs)
    for g, c in zip(gs, weights, strict=True):
        for k, part in enumerate(alone(case, g)):
            if part is not None:
                term = np.tensordot(c, np.square(part), 1)
                total[k] = term if total[k] is None else total[k] + term
    got = squares(gs, weights, op(*inputs, **how), tuple(inputs), need, **how)
    return agree(got, total, need)


def drawn(draw: Draw, make: Callable[[Draw], Case], act: str = "") -> tuple[Case, Any]:
    """A case with a fused activation, and which of its parameters are needed."""
    op, inputs, places, how = make(draw)
    how = how | {"act": act or acted(draw)}
    there = [k for k in places if inputs[k] is not None]
    wanted = draw(st.sets(st.sampled_from(there), min_size=1))
    return (op, inputs, places, how), tuple(k in wanted for k in range(len(inputs)))


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_each_is_the_loop_over_samples(name: str, data: st.DataObject) -> None:
    case, need = drawn(data.draw, CASES[name])
    g = normal(data.draw, *case[0](*case[1], **case[3]).shape)
    assert is_the_loop(case[0].each, case, g, need)


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_squares_is_the_weighted_sum_of_squares_of_each(name: str, data: st.DataObject) -> None:
    """Weights of both signs: those of a curved activation may be negative."""
    case, need = drawn(data.draw, CASES[name])
    shape = case[0](*case[1], **case[3]).shape
    gs = [normal(data.draw, *shape) for _ in range(data.draw(st.integers(1, 3)))]
    weights = normal(data.draw, len(gs), shape[-1])
    assert squares_and_adds(case[0].squares, case, gs, weights, need)


RNG = np.random.default_rng(5)
FIXED: dict[str, Case] = {
    "affine": (ag.affine, [RNG.normal(size=s) for s in ((3, 2), (2, 4), 3)], (0, 2),
               {"act": "tanh"}),
    "conv2d": (ag.conv2d, [RNG.normal(size=s) for s in ((4, 5, 4, 3), (6, 2, 3, 2), 6)], (1, 2),
               {"stride": (2, 1), "padding": (1, 0), "groups": 2, "act": "sigmoid"}),
    "scale_shift": (ag.scale_shift, [RNG.normal(size=s) for s in ((2, 3, 2, 4), 2, 2)], (1, 2),
                    {"act": "tanh"}),
}  # fmt: skip


def no_slope(op: Op) -> Fn:
    return lambda gs, c, y, x, need, **how: op.squares(gs, c, y, x, need, **how | {"act": "none"})


def square_of_the_sum(op: Op) -> Fn:
    """(sum_p g_p)^2: one gradient of the batch, squared."""

    def squares(gs: Any, c: Array, y: Array, inputs: Any, need: Any, **how: Any) -> Any:
        parts = [op.each(g * np.sqrt(np.abs(w)), y, inputs, need, **how)
                 for g, w in zip(gs, c, strict=True)]  # fmt: skip
        return tuple(None if p[0] is None else sum(np.square(q.sum(axis=0)) for q in p)
                     for p in zip(*parts, strict=True))  # fmt: skip

    return squares


def positions_squared_first(op: Op) -> Fn:
    """sum over positions of (g x)^2: right for a dense layer, which has one position."""

    def squares(gs: Any, c: Array, y: Array, inputs: Any, need: Any, **how: Any) -> Any:
        act = how.pop("act")
        s = sum(w * np.square(act_grad(g, y, kind=act)) for g, w in zip(gs, c, strict=True))
        plain = tuple(None if x is None else np.square(x) for x in inputs)
        return op.rule(s, y, plain, need, act="none", **how)

    return squares


def one_weight_for_all(op: Op) -> Fn:
    return lambda gs, c, *rest, **how: op.squares(gs, np.full_like(c, c.mean()), *rest, **how)


@pytest.mark.parametrize("name", FIXED)
def test_the_law_of_squares_rejects(name: str) -> None:
    case = FIXED[name]
    op, inputs, places, how = case
    y = op(*inputs, **how)
    gs, need = [RNG.normal(size=y.shape) for _ in range(2)], tuple(k in places for k in range(3))
    c = RNG.normal(size=(2, y.shape[-1]))
    assert squares_and_adds(op.squares, case, gs, c, need)
    wrong = [no_slope, square_of_the_sum, one_weight_for_all]
    for make in wrong + [positions_squared_first] * (name != "affine"):
        assert not squares_and_adds(make(op), case, gs, c, need), make.__name__


@pytest.mark.parametrize("name", FIXED)
def test_the_law_of_each_rejects_a_forgotten_slope_and_the_batch(name: str) -> None:
    case = FIXED[name]
    op, inputs, places, how = case
    g, need = RNG.normal(size=op(*inputs, **how).shape), tuple(k in places for k in range(3))

    def forgets(g: Array, y: Array, x: Any, need: Any, **how: Any) -> Any:
        return op.each(g, y, x, need, **how | {"act": "none"})

    def averaged(*args: Any, **how: Any) -> Any:
        return [None if p is None else np.broadcast_to(p.mean(axis=0), p.shape)
                for p in op.each(*args, **how)]  # fmt: skip

    assert is_the_loop(op.each, case, g, need)
    assert not is_the_loop(forgets, case, g, need)
    assert not is_the_loop(averaged, case, g, need)


def batch_first(each: Fn, case: Case) -> bool:
    """Whether gradients of weights are laid out as they are returned, so that none is turned"""
    op, inputs, places, how = case
    y, need = op(*inputs, **how), tuple(k in places for k in range(3))
    made = each(np.ones(y.shape), y, tuple(inputs), need, **how)
    return all(p.flags.c_contiguous for p in made if p is not None and p.ndim > 2)


@pytest.mark.parametrize("name", FIXED)
def test_each_makes_its_products_in_the_order_in_which_they_are_returned(name: str) -> None:
    assert batch_first(FIXED[name][0].each, FIXED[name])


def test_the_law_of_the_order_rejects_products_that_are_batch_last() -> None:
    def turned(g: Array, y: Array, inputs: Any, need: Any, **how: Any) -> Any:
        return g.T[:, :, None] * inputs[1].T[:, None], None, None

    assert not batch_first(turned, FIXED["affine"])
