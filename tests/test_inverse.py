"""Laws 1 to 3 of Optimal Brain Surgeon on random quadratics: removing, scores, downdating.

The kit has these laws too (test_verify_obs.py), with the wrong variants that they reject; here the
Hessians are larger and need not be of whole numbers.
"""

from collections.abc import Callable
from itertools import permutations

import numpy as np
from hypothesis import given
from surgery import TRIES, Quadratic, best, quadratics, reduced, rise

from minprune.core import Array
from minprune.curvature.inverse import downdate, remove

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


def sum_of_singles(w: Array, inverse: Array, q: Array) -> tuple[Array, float]:
    """SparseML: each weight's own update, from one inverse, added up, then zeros."""
    change = inverse[:, q] @ (w[q] / inverse[q, q])
    after = w - change
    after[q] = 0.0
    return after, float((w[q] ** 2 / inverse[q, q]).sum() / 2)


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
