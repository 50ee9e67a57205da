"""The kit on kernels: right ones pass, each wrong variant breaks its law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from minprune.core import Array
from minprune.verify import check_kernel
from minprune.verify.numeric.kernel import gamma
from minprune.verify.verdict import Verdicts


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


def flushed(a: Array, b: Array) -> Array:
    """Numbers below 1e-6 count as 0."""
    return np.where(np.abs(a) < 1e-6, 0, a) @ np.where(np.abs(b) < 1e-6, 0, b)


noise = np.random.default_rng(0)
KERNELS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("sums in float32", "within the bound", single),
    ("answers in float32", "shape and dtype", lambda a, b: (a @ b).astype(np.float32)),
    ("the last row is left out", "shape and dtype", lambda a, b: (a @ b)[:-1]),
    ("strides are ignored", "gaps in memory", as_if_packed),
    ("writes to its input", "read-only", writes),
    ("changes its input", "input untouched", scaled),
    ("small numbers are 0", "small numbers", flushed),
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


def test_one_argument_and_a_factor_below_0() -> None:
    def total(a: Array) -> Any:
        return a.sum()

    found = check_kernel(total, lambda a: np.add.reduce(a, axis=None),
                         lambda rng: rng.standard_normal(3), examples=20)  # fmt: skip
    assert found.ok, found

    def times(a: Array, by: float) -> Array:
        return a * by

    pairs = st.tuples(st.just(np.arange(1.0, 5.0)), st.just(-0.1))
    assert check_kernel(times, lambda a, by: by * a, pairs, examples=5).ok


def test_a_bound_of_ones_own() -> None:
    assert not kernel(single).ok
    off = gamma(40, np.finfo(np.float32))
    generous = kernel(single, bound=lambda a, b: off * slow(np.abs(a), np.abs(b)))
    assert generous.ok, generous


def test_the_bound_knows_how_long_a_sum_is() -> None:
    """Sums of three products, of a large argument; and means, whose factor is no product."""

    def large(rng: np.random.Generator) -> tuple[Array, Array]:
        return rng.standard_normal((60, 3)), rng.standard_normal((3, 50))

    off = 1 + 64 * 2.0**-53
    assert check_kernel(np.matmul, slow, large, examples=10).ok
    (found, *_) = check_kernel(lambda a, b: a @ b * off, slow, large, examples=10).broken
    assert found.law == "within the bound"

    def backwards(a: Array) -> Array:
        return np.cumsum(a[:, ::-1], axis=1)[:, -1] / a.shape[1]

    def rows(rng: np.random.Generator) -> Array:
        return rng.standard_normal((3, 800))

    mean = check_kernel(backwards, lambda a: np.mean(a, axis=1), rows, examples=10)
    assert mean.ok, mean


def test_the_verdict_names_the_entry() -> None:
    def last(a: Array, b: Array) -> Array:
        out = a @ b
        out[1, 2] += 1e-3
        return out

    ones = st.just((np.ones((2, 2)), np.ones((2, 3))))
    found = check_kernel(last, slow, ones, examples=1)
    assert found.broken[0].sentence == (
        "the results are as near the exact ones as derived, but result 0[1, 2] is off by 1.0e-03, "
        "allowed is 1.9e-15"
    )
