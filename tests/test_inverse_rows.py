"""H^-1 from rows: the recursion and its blocks against a dense inverse, wrong ones, refusals.

Long because each law takes the implementation, and stands beside the wrong ones it must reject.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surgery import EPS, Quadratic, quadratics, seeds

from minprune.core import Array
from minprune.curvature.inverse import (
    Inverse,
    block_inverses,
    damped_inverse,
    downdate,
    inverse_from_rows,
)
from minprune.errors import ArgumentError, NonFiniteError, ShapeError


class Rows:
    """Blocks of rows, with P samples of `outputs` rows each."""

    def __init__(self, seed: int, n: int, samples: int, outputs: int) -> None:
        rng = np.random.default_rng(seed)
        self.count, self.n = samples, n
        x = rng.standard_normal((samples * outputs, n)) * rng.choice([0.0, 1.0, 1.0, 3.0], n)
        x[:, 0] += 1.0
        self.blocks = np.split(x, sorted(rng.integers(0, len(x) + 1, 2)))

    def dense(self, damp: float) -> tuple[Array, float]:
        x = np.concatenate(self.blocks)
        h = x.T @ x / self.count
        alpha = damp * h.diagonal().mean()
        return h + alpha * np.eye(self.n), float(alpha)


rows = st.builds(Rows, seeds, st.integers(1, 6), st.integers(1, 20), st.integers(1, 3))
Found = Callable[[list[Array], int, float], tuple[Array, float]]


def ours(blocks: list[Array], count: int, damp: float) -> tuple[Array, float]:
    found = inverse_from_rows(blocks, count, damp, strict=False)
    return found.inverse, found.alpha


def recursion_error(at: Rows, h: Array, alpha: float) -> float:
    """steps 10 N u kappa^2 |H^-1|, kappa = 1 + |H| / alpha, to first order

    Step k makes an error |E| <= 10 N u kappa |A_k|: the small matrix that it solves has a condition
    of at most kappa, since |A| |x|^2 <= kappa P; and A x, off by N u |A| |x|, counts with the root
    of kappa. At the end E has become (A_P H_k) E (H_k A_P), of norm at most |A_P| |H_k| |E|, and
    |H_k| |A_k| <= kappa. N: at least 32, the rows that enter together.
    """
    kappa = 1 + np.linalg.norm(h, 2) / alpha
    steps = sum(len(b) for b in at.blocks)
    return float(10 * steps * max(at.n, 32) * EPS * kappa**2 * np.linalg.norm(np.linalg.inv(h), 2))


def is_the_dense_inverse(inverse: Found, at: Rows, damp: float) -> bool:
    """inv(alpha I + (1/P) sum x x^T) and alpha, within the bound of the recursion"""
    h, alpha = at.dense(damp)
    want = np.linalg.inv(h)
    off = recursion_error(at, h, alpha)
    got, used = inverse(at.blocks, at.count, damp)
    return bool(np.abs(got - want).max() <= off) and abs(used - alpha) <= 4 * at.n * EPS * alpha


@given(at=rows, damp=st.sampled_from([1e-4, 1e-1]))
def test_the_recursion_is_the_dense_inverse(at: Rows, damp: float) -> None:
    assert is_the_dense_inverse(ours, at, damp)
    first, again = ours(at.blocks, at.count, damp), ours(at.blocks, at.count, damp)
    assert first[0].tobytes() == again[0].tobytes()
    assert np.array_equal(first[0], first[0].T)


@given(at=rows)
def test_one_row_at_a_time_is_the_same_recursion(at: Rows) -> None:
    """Sherman and Morrison, as in the paper: A -= A x x^T A / (P + x^T A x), from I / alpha."""

    def single(blocks: list[Array], count: int, damp: float) -> tuple[Array, float]:
        alpha = at.dense(damp)[1]
        a = np.eye(at.n) / alpha
        for x in np.concatenate(blocks):
            y = a @ x
            a -= np.outer(y, y) / (count + x @ y)
        return a, alpha

    assert is_the_dense_inverse(single, at, 1e-2)


def per_row(blocks: list[Array], count: int, damp: float) -> tuple[Array, float]:
    """Divides by the rows, not the samples."""
    return ours(blocks, sum(len(b) for b in blocks), damp)


def from_identity(blocks: list[Array], count: int, damp: float) -> tuple[Array, float]:
    """The recursion starts at I."""
    x, alpha = np.concatenate(blocks), ours(blocks, count, damp)[1]
    return np.linalg.inv(np.eye(x.shape[1]) + x.T @ x / count), alpha


def last_block(blocks: list[Array], count: int, damp: float) -> tuple[Array, float]:
    """H of the batch alone, divided by the data set."""
    return ours([b for b in blocks if len(b)][-1:], count, damp)


def identity_fallback(blocks: list[Array], count: int, damp: float) -> tuple[Array, float]:
    """OBC: where H is singular without damping, the identity."""
    x = np.concatenate(blocks)
    if np.linalg.matrix_rank(x.T @ x) < x.shape[1]:
        return np.eye(x.shape[1]), ours(blocks, count, damp)[1]
    return ours(blocks, count, damp)


@pytest.mark.parametrize("wrong", [per_row, from_identity, last_block, identity_fallback])
def test_a_wrong_inverse_is_rejected(wrong: Found) -> None:
    tries = [Rows(seed, 4, 8, 2) for seed in range(20)]
    assert not all(is_the_dense_inverse(wrong, at, 1e-2) for at in tries)


Blocks = Callable[[list[Array], int, int, float], list[Inverse]]


def our_blocks(blocks: list[Array], count: int, size: int, damp: float) -> list[Inverse]:
    return block_inverses(blocks, count, size, damp, strict=False)


def are_inverses_of_blocks(inverses: Blocks, at: Rows, size: int) -> bool:
    """Each within the bound of the recursion, all under the alpha of the whole diagonal"""
    h, alpha = at.dense(1e-2)
    found = inverses(at.blocks, at.count, size, 1e-2)
    right = len(found) == -(-at.n // size)
    for k, part in enumerate(found):
        some = slice(k * size, (k + 1) * size)
        gap = np.abs(part.inverse - np.linalg.inv(h[some, some])).max()
        right &= bool(gap <= recursion_error(at, h[some, some], alpha))
        right &= abs(part.alpha - alpha) <= 4 * at.n * EPS * alpha
    return right


@given(at=rows, size=st.integers(1, 7))
def test_blocks_are_inverses_of_blocks_under_one_alpha(at: Rows, size: int) -> None:
    assert are_inverses_of_blocks(our_blocks, at, size)


def cut_from_the_whole(blocks: list[Array], count: int, size: int, damp: float) -> list[Inverse]:
    """Blocks of the inverse, not inverses of the blocks."""
    a, alpha = ours(blocks, count, damp)
    cuts = range(0, len(a), size)
    return [Inverse(a[k : k + size, k : k + size], alpha) for k in cuts]


def each_its_own_alpha(blocks: list[Array], count: int, size: int, damp: float) -> list[Inverse]:
    n = blocks[0].shape[1]
    parts = ([b[:, k : k + size] for b in blocks] for k in range(0, n, size))
    return [
        inverse_from_rows(p, count, damp, strict=False) for p in parts if np.concatenate(p).any()
    ]


@pytest.mark.parametrize("wrong", [cut_from_the_whole, each_its_own_alpha])
def test_wrong_blocks_are_rejected(wrong: Blocks) -> None:
    tries = [Rows(seed, 4, 8, 2) for seed in range(10)]
    assert not all(are_inverses_of_blocks(wrong, at, 2) for at in tries)


@given(at=quadratics, damp=st.sampled_from([0.0, 1e-6, 1e-4]))
def test_a_dense_h_is_damped_by_its_own_scale(at: Quadratic, damp: float) -> None:
    found = damped_inverse(at.h, damp)
    assert found.alpha == damp * np.trace(at.h) / len(at.h)
    gap = found.inverse @ (at.h + found.alpha * np.eye(len(at.h))) - np.eye(len(at.h))
    assert np.abs(gap).max() <= at.near


@given(at=quadratics, share=st.sampled_from([0.0, 0.5, 3.0]))
def test_groups_share_one_alpha_and_a_dead_one_has_an_inverse(at: Quadratic, share: float) -> None:
    """alpha = damp mean(diag) over all groups; with one alpha each, a group of zeros has none"""
    both = np.stack([at.h, share * at.h])
    found = damped_inverse(both, 1e-4)
    alpha = 1e-4 * (1 + share) / 2 * np.trace(at.h) / len(at.h)
    assert abs(found.alpha - alpha) <= 4 * len(at.h) * EPS * alpha
    for h, inverse in zip(both, found.inverse, strict=True):
        damped = h + found.alpha * np.eye(len(h))
        near = 16 * len(h) ** 2 * EPS * np.linalg.cond(damped)
        assert np.abs(inverse @ damped - np.eye(len(h))).max() <= near
        assert np.array_equal(inverse, inverse.T)


def test_live_entries_whose_inputs_are_dead_are_damped_by_the_others() -> None:
    h, live = np.diag([4.0, 2.0, 0.0]), np.array([[0, 0, 1]], bool)
    assert damped_inverse(h, 1e-4, live).alpha == 1e-4 * 2
    assert damped_inverse(h, 1e-4, ~live).alpha == 1e-4 * 3


def test_rows_of_float32_are_added_up_in_double() -> None:
    narrow = [rows.astype(np.float32) for rows in Rows(3, 5, 20, 2).blocks]
    wide = [rows.astype(np.float64) for rows in narrow]
    got, want = inverse_from_rows(narrow, 20), inverse_from_rows(wide, 20)
    assert np.array_equal(got.inverse, want.inverse)
    assert got.alpha == want.alpha


@pytest.mark.parametrize("damp", [1e-8, 1e-4])
def test_damp_may_be_at_either_end(damp: float) -> None:
    assert inverse_from_rows([np.eye(3)], 3, damp).alpha == damp / 3


X = np.ones((2, 3))
ZERO = np.zeros((2, 3))
LARGER = "; use a smaller net, or raise limit="
MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "damp": (
        lambda: inverse_from_rows([X], 2, 1e-2),
        ArgumentError,
        "inverse: damp must be from 1e-8 to 1e-4, not 0.01; pass damp=1e-6, for example",
    ),
    "no damp": (
        lambda: inverse_from_rows([X], 2, 0.0, strict=False),
        ArgumentError,
        "inverse: damp must be a number above 0, not 0.0; pass damp=1e-6, for example",
    ),
    "damp is no number": (
        lambda: inverse_from_rows([X], 2, None),  # type: ignore[arg-type]
        ArgumentError,
        "inverse: damp must be from 1e-8 to 1e-4, not None; pass damp=1e-6, for example",
    ),
    "infinite damp": (
        lambda: inverse_from_rows([X], 2, np.inf, strict=False),
        ArgumentError,
        "inverse: damp must be a number above 0, not inf; pass damp=1e-6, for example",
    ),
    "damp of blocks": (
        lambda: block_inverses([X], 2, 2, 1e-2),
        ArgumentError,
        "inverse: damp must be from 1e-8 to 1e-4, not 0.01; pass damp=1e-6, for example",
    ),
    "rounding wins": (
        lambda: inverse_from_rows([np.ones((40, 6))], 40, 1e-20, strict=False),
        ArgumentError,
        "inverse: H^-1 lost positive definiteness to rounding in 6 entries; raise damp",
    ),
    "an iterator": (
        lambda: inverse_from_rows(iter([X]), 2),
        ArgumentError,
        "inverse: rows must be blocks that can be iterated twice, not an iterator; pass a list",
    ),
    "no count": (
        lambda: inverse_from_rows([X], 0),
        ArgumentError,
        "inverse: count must be an integer of at least 1, not 0; pass count=1, for example",
    ),
    "all zero": (
        lambda: inverse_from_rows([ZERO], 2),
        ArgumentError,
        "inverse: H must not be 0, as it is over all 3 entries; check the data, or whether the "
        "units before or behind these weights are dead",
    ),
    "no rows": (
        lambda: inverse_from_rows([], 2),
        ArgumentError,
        "inverse: rows must hold at least one block, not none; pass samples",
    ),
    "uneven": (
        lambda: inverse_from_rows([X, X[:, :2]], 2),
        ShapeError,
        "inverse: a block of rows must have the shape (m, 3), not (2, 2); pass matrices",
    ),
    "not finite": (
        lambda: inverse_from_rows([X * [1, np.nan, np.inf]], 2),
        NonFiniteError,
        "inverse: 2 of 3 entries of the diagonal of H are not finite, but must be numbers; train "
        "with a lower learning rate, or check the data",
    ),
    "too large": (
        lambda: inverse_from_rows([X], 2, limit=71),
        ArgumentError,
        f"an inverse over 3 entries would take 72 bytes, more than the limit of 71{LARGER}",
    ),
    "blocks too large": (
        lambda: block_inverses([X], 2, 2, limit=39),
        ArgumentError,
        f"an inverse over 3 entries would take 40 bytes, more than the limit of 39{LARGER}",
    ),
    "size": (
        lambda: block_inverses([], 2, 0),  # before any row is made
        ArgumentError,
        "inverse: size must be an integer of at least 1, not 0; pass size=1, for example",
    ),
    "H is zero": (
        lambda: damped_inverse(np.zeros((3, 3))),
        ArgumentError,
        "inverse: H must not be 0, as it is over all 3 entries; check the data, or whether the "
        "units before or behind these weights are dead",
    ),
    "singular, undamped": (
        lambda: damped_inverse(np.diag([1.0, 0.0]), 0),
        ArgumentError,
        "inverse: H + 0.0 I over 2 entries is not positive definite; raise damp, 1e-4 at most, or "
        "pass more samples",
    ),
    "H not finite": (
        lambda: damped_inverse(np.diag([1.0, np.inf])),
        NonFiniteError,
        "inverse: 1 of 4 entries of H are not finite, but must be numbers; train with a lower "
        "learning rate, or check the data",
    ),
    "removed twice": (
        lambda: downdate(downdate(np.eye(3), 1), 1),
        ArgumentError,
        "inverse: the part of 1 entries is not positive definite; leave out what is removed "
        "already, name each entry once, or raise damp",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refusal(name: str) -> None:
    provoke, error, text = MESSAGES[name]
    with pytest.raises(error) as caught, np.errstate(invalid="ignore"):
        provoke()
    assert caught.value.args == (text,)
