"""Laws 1 to 3 of Optimal Brain Surgeon on random quadratics: removing, scores, downdating.

Each law takes the implementation, and must also reject wrong ones.
"""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from surgery import EPS, TRIES, Quadratic, best, quadratics, reduced, rise

from minprune.core import Array
from minprune.curvature.inverse import (
    downdate,
    remove,
)

Remove = Callable[[Array, Array, Array], tuple[Array, float]]


def removal_is_the_constrained_minimum(remove: Remove, at: Quadratic) -> bool:
    """Law 1: w and score after removing Q are those of the dense minimum; w[Q] exactly 0."""
    h, inverse, w, q = at
    after, score = remove(w, inverse, q)
    want = best(h, w, q)
    size = at.near * np.abs(w).max()
    return (
        bool((after[q] == 0).all())
        and bool((np.abs(after - want) <= size).all())
        and abs(score - rise(h, want - w)) <= at.near * rise(h, w) * 2
        and abs(rise(h, after - w) - score) <= at.near * rise(h, w) * 2
    )


def set_is_the_sum_of_singles(
    remove: Remove, downdate: Callable[[Array, int], Array], at: Quadratic
) -> bool:
    """Law 2: in any order, each single on the inverse downdated by those before it."""
    h, inverse, w, q = at
    whole, score = remove(w, inverse, q)
    for order in list(permutations(q.tolist()))[:24]:
        x, a, total = w, inverse, 0.0
        for k in order:
            x, one = remove(x, a, np.array([k]))
            a, total = downdate(a, k), total + one
        gap = np.abs(x - whole).max()
        if abs(total - score) > at.near * rise(h, w) * 2 or gap > at.near * np.abs(w).max():
            return False
    zeroed = np.zeros_like(w)
    zeroed[q] = -w[q]
    return score <= rise(h, zeroed) * (1 + at.near)


def downdated_is_the_reduced_inverse(downdate: Callable[..., Array], at: Quadratic) -> bool:
    """Law 3: the dense inverse of the reduced Hessian, zeros exactly at q."""
    got, want = downdate(at.inverse, at.q), reduced(at.h, at.q)
    zero = not got[at.q].any() and not got[:, at.q].any()
    return zero and bool((np.abs(got - want) <= at.near * np.abs(at.inverse).max()).all())


@given(at=quadratics)
def test_removal_is_the_constrained_minimum(at: Quadratic) -> None:
    assert removal_is_the_constrained_minimum(remove, at)
    w, score = remove(at.w, at.inverse, at.q[:1])
    one, single = remove(at.w, at.inverse, int(at.q[0]))
    assert (w.tobytes(), score) == (one.tobytes(), single)


@given(at=quadratics)
def test_a_set_is_the_sum_of_downdated_singles(at: Quadratic) -> None:
    assert set_is_the_sum_of_singles(remove, downdate, at)


@given(at=quadratics)
def test_downdating_is_the_reduced_inverse(at: Quadratic) -> None:
    assert downdated_is_the_reduced_inverse(downdate, at)
    got = downdate(at.inverse, int(at.q[0]))
    assert np.array_equal(got, downdate(at.inverse, at.q[:1]))
    assert np.array_equal(got, got.T)


def obs_is_at_most_obd(remove: Remove, at: Quadratic) -> bool:
    """Law 2: w_q^2 / (2 [H^-1]_qq) <= 1/2 h_qq w_q^2, equal iff q is uncoupled or w_q = 0."""
    for k in range(at.w.size):
        obs, obd = remove(at.w, at.inverse, np.array([k]))[1], 0.5 * at.h[k, k] * at.w[k] ** 2
        others = np.delete(at.h[k], k)
        # [H^-1]_qq >= 1/h_qq + |h_q|^2 / (h_qq^2 lambda_max), so OBS is less by at least a share
        share = others @ others / (at.h[k, k] * np.linalg.eigvalsh(at.h)[-1])
        least = 0.0 if share else obd
        if not least - at.near * obd <= obs <= obd * (1 - share / (1 + share) + at.near):
            return False
    return True


@given(at=quadratics)
def test_obs_is_at_most_obd_and_equal_where_uncoupled(at: Quadratic) -> None:
    assert obs_is_at_most_obd(remove, at)


def diagonal_of_h(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    """OBD under the name of OBS."""
    return w, 0.5 * float(np.linalg.inv(inverse)[q, q] @ w[q] ** 2)


def times_the_inverse(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    """w_q^2 [H^-1]_qq / 2: a product for the quotient."""
    return w, 0.5 * float(inverse[q, q] @ w[q] ** 2)


@pytest.mark.parametrize("wrong", [diagonal_of_h, times_the_inverse])
def test_a_wrong_single_score_is_rejected(wrong: Remove) -> None:
    assert not all(obs_is_at_most_obd(wrong, at) for at in TRIES)


def sum_of_singles(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    """SparseML: each weight's own update, from one inverse, added up, then zeros."""
    change = inverse[:, q] @ (w[q] / inverse[q, q])
    after = w - change
    after[q] = 0.0
    return after, float((w[q] ** 2 / inverse[q, q]).sum() / 2)


def no_half(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    after, score = remove(w, inverse, q)
    return after, 2 * score


def not_moved(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    after, (_, score) = w.copy(), remove(w, inverse, q)
    after[q] = 0.0
    return after, score


def moved_the_other_way(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    after, score = remove(w, inverse, q)
    after = 2 * w - after
    after[q] = 0.0
    return after, score


def almost_zero(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    after, score = remove(w, inverse, q)
    after[q] = EPS
    return after, score


WRONG_REMOVALS = [sum_of_singles, no_half, not_moved, moved_the_other_way, almost_zero]


def kept(inverse: Array, q: Any) -> Array:
    """H^-1 not downdated."""
    return inverse.copy()


def only_zeroed(inverse: Array, q: Any) -> Array:
    after = inverse.copy()
    after[q] = after[:, q] = 0.0
    return after


def not_zeroed(inverse: Array, q: Any) -> Array:
    after = downdate(inverse, np.atleast_1d(q))
    after[q] = EPS
    return after


WRONG_DOWNDATES = [kept, only_zeroed, not_zeroed]


@pytest.mark.parametrize("wrong", WRONG_REMOVALS)
def test_a_wrong_removal_is_rejected(wrong: Remove) -> None:
    assert not all(removal_is_the_constrained_minimum(wrong, at) for at in TRIES)


def test_the_sum_of_singles_can_be_worse_than_zeroing() -> None:
    worse = 0
    for at in TRIES:
        zeroed = at.w.copy()
        zeroed[at.q] = 0.0
        joint, summed, plain = (
            rise(at.h, x - at.w)
            for x in (
                remove(at.w, at.inverse, at.q)[0],
                sum_of_singles(at.w, at.inverse, at.q)[0],
                zeroed,
            )
        )
        assert joint <= min(summed, plain) + at.near * rise(at.h, at.w)
        worse += summed > plain * 1.01
    assert worse


@pytest.mark.parametrize("wrong", WRONG_DOWNDATES)
def test_a_wrong_downdate_is_rejected(wrong: Callable[..., Array]) -> None:
    assert not all(downdated_is_the_reduced_inverse(wrong, at) for at in TRIES)
    if wrong is not not_zeroed:
        assert not all(set_is_the_sum_of_singles(remove, wrong, at) for at in TRIES)
