"""The kit on gradients and Hessian products: right ones pass, each wrong variant breaks its law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify import check_gradient, check_hvp


def f(x: Array) -> Any:
    return np.tanh(x).sum() ** 2 + (x**3).sum()


def df(x: Array) -> Array:
    t = np.tanh(x)
    return 2 * t.sum() * (1 - t**2) + 3 * x**2


def test_a_right_gradient_holds() -> None:
    found = check_gradient(f, df, complex_step=True)
    assert found.ok, found
    assert check_gradient(f, df, np.ones((2, 3))).ok
    assert check_gradient(f, df, lambda rng: rng.standard_normal(4)).ok


def test_a_dict_of_arrays() -> None:
    def loss(p: Arrays) -> float:
        return float(((p["w"] @ p["x"]) ** 2).sum())

    def gradient(p: Arrays) -> Arrays:
        y = 2 * p["w"] @ p["x"]
        return {"w": y[:, None] * p["x"], "x": p["w"].T @ y}

    at = {"w": np.arange(6.0).reshape(2, 3), "x": np.ones(3)}
    assert check_gradient(loss, gradient, at).ok
    half = check_gradient(loss, lambda p: {**gradient(p), "x": 0.5 * gradient(p)["x"]}, at)
    assert half.broken[0].sentence.startswith(
        "each entry equals central differences, but entry (0,) of x is 36.0, "
        "differences give 72.0 +/- "
    )


def one_wrong_entry(x: Array) -> Array:
    """Right but for the last entry: one random entry in a large array would not see it."""
    g = df(x)
    g.flat[-1] *= 1.001
    return g


class Node:
    """A value whose parents lie in a set, which is ordered by memory address."""

    kept: tuple["Node", ...] = ()

    def __init__(self, value: float) -> None:
        self.value = value


def from_a_set(x: Array) -> Array:
    """The sum of terms of very different size, in the order of a set of fresh objects."""
    values = [1e16, 1.0, -1e16, 1.0, 3.0, 1e-3]
    nodes = {Node(v) for v in values}
    Node.kept += tuple(nodes)[: len(Node.kept) % 5 + 1]  # so that addresses move
    total = 0.0
    for node in nodes:
        total += node.value
    return df(x) + 0 * total + np.float64(total) * 1e-300


def in_place(x: Array) -> Array:
    g = df(x)
    x += 1
    return g


GRADIENTS: tuple[tuple[str, str, Callable[[Array], Array]], ...] = (
    ("minitorch's check passes 1e-2", "every entry", lambda x: df(x) * (1 + 1e-4)),
    ("one entry in many", "every entry", one_wrong_entry),
    ("micrograd's parents in a set", "same bits", from_a_set),
    ("transposed", "shape", lambda x: np.ravel(df(x))[:, None]),
    ("x is moved", "input untouched", in_place),
    (
        "the slope of a maximum to all that are largest",
        "along equal ones",
        lambda x: df(x) + (x == x.max(initial=-9)),
    ),
    ("below what differences see", "complex step", lambda x: df(x) + 1e-10),
)


@pytest.mark.parametrize("row", GRADIENTS, ids=lambda row: row[0])
def test_slips_of_gradients_are_caught(row: Any) -> None:
    found = check_gradient(f, row[2], complex_step=True)
    assert row[1] in [v.law for v in found.broken], found
    assert {law for _, law, _ in GRADIENTS} == {v.law for v in found}


def relu(x: Array) -> Array:
    return (x > 0).astype(float)


def test_a_kink_lets_both_slopes_pass() -> None:
    at = np.array([1e-9, -1e-9, 0.0, 1.0, -2.0])
    assert check_gradient(lambda x: np.maximum(x, 0).sum(), relu, at).ok
    assert not check_gradient(lambda x: np.maximum(x, 0).sum(), lambda x: 2 * relu(x), at).ok


@pytest.mark.parametrize("sign", [1, -1])
def test_a_kink_at_any_distance_is_no_alarm(sign: int) -> None:
    """h is 2^-15: of both differences, of the wide one alone, or of none is the kink a part."""
    at = sign * 2.0**-15 * np.linspace(0, 1.25, 101)
    assert check_gradient(lambda x: np.maximum(x, 0).sum(), relu, at, examples=1).ok


def test_terms_that_cancel_are_no_alarm() -> None:
    """f is 0 to rounding, and rounds like its terms, which are not."""
    a = np.pi * np.cos(1.7 * np.arange(1.0, 51.0))

    def cancelling(rng: np.random.Generator) -> Array:
        x = rng.standard_normal(50)
        x[-1] = -(a[:-1] * x[:-1]).sum() / a[-1]
        return x

    found = check_gradient(lambda x: (a * x).sum(), lambda x: a.copy(), cancelling, examples=20)
    assert found.ok, found
    wrong = check_gradient(lambda x: (a * x).sum(), lambda x: a * (1 + 1e-7), cancelling)
    assert [v.law for v in wrong.broken] == ["every entry", "along equal ones"]


def test_single_precision_has_more_roundings() -> None:
    def single(x: Array) -> Any:
        return (x.astype(np.float32) ** 3).sum()

    def inside(x: Array) -> Any:
        return (x.astype(np.float32) ** 3).sum(dtype=float)

    at, many = np.cos(np.arange(1.0, 9.0)), 100 * 2**29
    assert check_gradient(single, lambda x: 3 * x**2, at).ok  # seen by its answers
    assert check_gradient(lambda x: float(single(x)), lambda x: 3 * x**2, at).ok
    assert not check_gradient(single, lambda x: 3.3 * x**2, at).ok
    assert not check_gradient(inside, lambda x: 3 * x**2, at).ok
    assert check_gradient(inside, lambda x: 3 * x**2, at, roundings=many).ok


def pooled(x: Array) -> Any:
    """The largest of each two."""
    return np.maximum(x[::2], x[1::2]).sum()


def to_both(x: Array) -> Array:
    first, second = x[::2] >= x[1::2], x[1::2] >= x[::2]
    return np.stack([first, second], axis=1).ravel().astype(float)


def test_ties_of_a_maximum() -> None:
    """One of the equal entries may have the slope, or each a part of it: not both, not neither."""
    tied = np.array([1.0, 1.0, 0.5, 2.0])
    for right in ([1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0.5, 0, 1]):
        assert check_gradient(pooled, lambda x, g=right: np.array(g, float), tied).ok
    for wrong in (to_both, lambda x: to_both(x) * [0, 0, 1, 1]):
        found = check_gradient(pooled, wrong, tied)
        assert [v.law for v in found.broken] == ["along equal ones"], found
    assert ", but the 2 that are 1 sum to 0.0, differences give 1.0 +/- " in found[2].sentence


def test_large_arrays_are_tried() -> None:
    def first(x: Array) -> Array:
        return np.where(np.arange(x.size).reshape(x.shape) < 256, df(x), 0)

    assert [v.law for v in check_gradient(f, first).broken] == ["every entry", "along equal ones"]


def test_messages() -> None:
    for x, how, text in (
        ([1.0], {}, "check_gradient: x must be a hypothesis strategy or a function of a numpy "
                    "Generator, not list; pass lambda rng: ..., for example"),
        (None, {"roundings": "many"}, "check_gradient: roundings must be an integer of at least "
                                      "1, not "
                                       "'many'; pass roundings=1, for example"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError) as caught:
            check_gradient(f, df, x, **how)
        assert caught.value.args == (text,)
    with pytest.raises(ArgumentError) as caught:
        check_gradient(f, hvp)  # type: ignore[arg-type]
    assert caught.value.args == (
        "hvp(x, v) is called as hvp(x): missing a required argument: 'v'; "
        "wrap it in a function that takes these",
    )


def hvp(x: Array, v: Array) -> Array:
    t = np.tanh(x)
    s = 1 - t**2
    return 2 * s * (s * v).sum() - 4 * t.sum() * t * s * v + 6 * x * v


HVPS: tuple[tuple[str, str, Callable[[Array, Array], Array]], ...] = (
    ("half", "differences", lambda x, v: hvp(x, v) / 2),
    ("not symmetric", "symmetric", lambda x, v: hvp(x, v) + np.roll(v, 1)),
    ("not linear", "linear", lambda x, v: hvp(x, v) + 1e-3 * v**2),
    ("flat", "shape", lambda x, v: hvp(x, v).reshape(1, -1)),
)


def test_hessian_products() -> None:
    found = check_hvp(hvp, df)
    assert found.ok, found
    for what, law, wrong in HVPS:
        broken = check_hvp(wrong, df).broken
        assert law in [v.law for v in broken], what
    assert {law for _, law, _ in HVPS} == {v.law for v in found}
