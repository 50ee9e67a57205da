"""The kit on gradients and kernels: right ones hold, each slip breaks its law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from minprune.core import Array, Arrays
from minprune.verify import check_gradient, check_hvp, check_kernel
from minprune.verify.kernel import gamma
from minprune.verify.verdict import Verdicts


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
        "each entry equals central differences, but entry (0,) of x is 36.0, differences give 72.0 "
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
    ("below what differences see", "complex step", lambda x: df(x) + 1e-10),
)


@pytest.mark.parametrize("row", GRADIENTS, ids=lambda row: row[0])
def test_slips_of_gradients_are_caught(row: Any) -> None:
    found = check_gradient(f, row[2], complex_step=True)
    assert row[1] in [v.law for v in found.broken], found
    assert {law for _, law, _ in GRADIENTS} == {v.law for v in found}


def test_a_kink_lets_both_slopes_pass() -> None:
    def relu(x: Array) -> Array:
        return (x > 0).astype(float)

    at = np.array([1e-9, -1e-9, 0.0, 1.0, -2.0])
    assert check_gradient(lambda x: np.maximum(x, 0).sum(), relu, at).ok
    assert not check_gradient(lambda x: np.maximum(x, 0).sum(), lambda x: 2 * relu(x), at).ok


def hvp(x: Array, v: Array) -> Array:
    t = np.tanh(x)
    s = 1 - t**2
    return 2 * s * (s * v).sum() - 4 * t.sum() * t * s * v + 6 * x * v


HVPS: tuple[tuple[str, str, Callable[[Array, Array], Array]], ...] = (
    ("half", "differences", lambda x, v: hvp(x, v) / 2),
    ("not symmetric", "symmetric", lambda x, v: hvp(x, v) + np.roll(v, 1)),
    ("not linear", "linear", lambda x, v: hvp(x, v) + 1e-3 * v**2),
)


def test_hessian_products() -> None:
    found = check_hvp(hvp, df)
    assert found.ok, found
    for what, law, wrong in HVPS:
        broken = check_hvp(wrong, df).broken
        assert law in [v.law for v in broken], what
    assert {law for _, law, _ in HVPS} == {v.law for v in found}


def slow(a: Array, b: Array) -> Array:
    return np.einsum("mn,np->mp", a, b)


def pair(rng: np.random.Generator) -> tuple[Array, Array]:
    m, n, p = rng.integers(1, 6, 3)
    return rng.standard_normal((m, n)), rng.standard_normal((n, p))


EMPTY = np.zeros((2, 0)), np.zeros((0, 3))


def kernel(fn: Callable[..., Any], **how: Any) -> Verdicts:
    return check_kernel(fn, slow, pair, empty=EMPTY, **how)


def test_a_right_kernel_holds() -> None:
    found = kernel(np.matmul)
    assert found.ok, found
    assert check_kernel(np.matmul, slow, st.just((np.ones((2, 2)), np.ones((2, 1))))).ok


def single(a: Array, b: Array) -> Array:
    return (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float64)


def as_if_packed(a: Array, b: Array) -> Array:
    """Reads memory as if each row followed the other."""
    item = a.itemsize
    packed = np.lib.stride_tricks.as_strided(a, a.shape, (a.shape[1] * item, item))
    return packed @ b


def writes(a: Array, b: Array) -> Array:
    a *= 1.0  # harmless, but not on what may not be written to
    return a @ b


def scaled(a: Array, b: Array) -> Array:
    out = a @ b
    a[:] = 0
    return out


noise = np.random.default_rng(0)
KERNELS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("sums in float32", "within the bound", single),
    ("answers in float32", "shape and dtype", lambda a, b: (a @ b).astype(np.float32)),
    ("the last row is left out", "shape and dtype", lambda a, b: (a @ b)[:-1]),
    ("strides are ignored", "gaps in memory", as_if_packed),
    ("writes to its input", "read-only", writes),
    ("changes its input", "input untouched", scaled),
    ("adds in any order", "same bits", lambda a, b: (a @ b) * (1 + noise.integers(2) * 2**-52)),
    ("starts from the first product", "empty",
     lambda a, b: a[:, :1] @ b[:1] + sum(a[:, k : k + 1] @ b[k : k + 1]
                                         for k in range(1, a.shape[1])) + 0 / min(a.shape)),
)  # fmt: skip


@pytest.mark.parametrize("row", KERNELS, ids=lambda row: row[0])
def test_slips_of_kernels_are_caught(row: Any) -> None:
    found = kernel(row[2])
    assert row[1] in [v.law for v in found.broken], found
    assert {law for _, law, _ in KERNELS} == {v.law for v in found}


def test_a_bound_of_ones_own() -> None:
    assert not kernel(single).ok
    off = gamma(40, np.finfo(np.float32))
    generous = kernel(single, bound=lambda a, b: off * slow(np.abs(a), np.abs(b)))
    assert generous.ok, generous
