"""Rows of a sweep merged to one threshold: every count is a start of each row's order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surgery import EPS, seeds

from minprune import kernels
from minprune.core import Array
from minprune.curvature.layerwise import Sweep, levels, merge, slopes, sweep_layer, sweep_scores
from minprune.errors import ArgumentError

# Losses to merge: drawn from few values, so that ties and falls are the rule.
tables = st.tuples(seeds, st.integers(1, 4), st.integers(1, 6)).map(
    lambda t: np.random.default_rng(t[0]).choice([0.0, 0.5, 1.0, 1.5], t[1:])
)
hulls = st.sampled_from(["none", "slopes"])
dtypes = st.sampled_from([np.float32, np.float64])


def swept(losses: Array, seed: int = 0) -> Sweep:
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(losses.shape[1]) for _ in losses])
    return Sweep(order, losses, losses.shape, 0.0)


def every_count_is_a_start(score: Callable[[Sweep], Array], sweep: Sweep) -> bool:
    """Sorted scores, by the tie rule, remove a start of each row's order at every count"""
    scores = score(sweep)
    for count in range(scores.size + 1):
        gone = kernels.smallest(scores, count)
        replayed = np.take_along_axis(gone, sweep.order, axis=1)
        if (replayed[:, 1:] & ~replayed[:, :-1]).any():
            return False
    return True


@given(losses=tables, hull=hulls, dtype=dtypes, seed=seeds)
def test_every_threshold_is_a_start_of_each_row(
    losses: Array, hull: Any, dtype: Any, seed: int
) -> None:
    sweep = swept(losses, seed)
    assert every_count_is_a_start(lambda s: sweep_scores(s, hull, dtype), sweep)
    found = levels(losses, hull, dtype)
    assert found.dtype == sweep_scores(sweep, hull, dtype).dtype == dtype
    assert (np.diff(found, axis=1) > 0).all()
    for count in range(losses.size + 1):
        assert np.count_nonzero(~merge(sweep, count, hull)) == count


@given(losses=tables)
def test_levels_are_the_running_maximum_but_for_the_lift(losses: Array) -> None:
    top = np.maximum.accumulate(losses, axis=1)
    lift = losses.shape[1] * np.spacing(np.maximum(top, 1.0))
    assert (levels(losses) >= top).all()
    assert (levels(losses) <= top + lift).all()


def is_the_convex_curve_below(slopes: Callable[[Array], Array], row: Array) -> bool:
    """Rising slopes of the least value, at every k, of the chords of the cumulative loss there"""
    points = np.concatenate([[0.0], row.cumsum()])
    chords = [
        min(
            points[k] if a == b else points[a] + (points[b] - points[a]) * (k - a) / (b - a)
            for a in range(k + 1)
            for b in range(k, points.size)
        )
        for k in range(points.size)
    ]
    curve = np.concatenate([[0.0], slopes(row).cumsum()])
    off = 8 * row.size * EPS * max(points[-1], 1.0)
    return bool((np.abs(curve - chords) <= off).all() and (np.diff(slopes(row)) >= -off).all())


@given(losses=tables)
def test_slopes_are_those_of_the_convex_curve_below(losses: Array) -> None:
    assert all(is_the_convex_curve_below(slopes, row) for row in losses)


@pytest.mark.parametrize("wrong", [np.maximum.accumulate, np.sort, np.copy])
def test_wrong_slopes_are_rejected(wrong: Callable[[Array], Array]) -> None:
    assert not is_the_convex_curve_below(wrong, np.array([3.0, 0.0, 1.0]))


def raw(sweep: Sweep) -> Array:
    """The losses as they are: single ones may fall."""
    scores = np.empty(sweep.losses.shape)
    np.put_along_axis(scores, sweep.order, sweep.losses, axis=1)
    return scores


def not_lifted(sweep: Sweep) -> Array:
    """The running maximum alone: equal steps go by place."""
    return raw(replace(sweep, losses=np.maximum.accumulate(sweep.losses, axis=1)))


def lifted_then_rounded(sweep: Sweep) -> Array:
    """The next float in float64, compared in float32."""
    return sweep_scores(sweep).astype(np.float32)


@pytest.mark.parametrize("wrong", [raw, not_lifted, lifted_then_rounded])
def test_wrong_scores_are_rejected(wrong: Callable[[Sweep], Array]) -> None:
    rng = np.random.default_rng(0)
    tries = [swept(rng.choice([0.5, 1.0, 1.5], (2, 4)), seed) for seed in range(20)]
    assert not all(every_count_is_a_start(wrong, s) for s in tries)


def test_hull_slopes_beat_the_running_maximum_where_a_dear_step_opens_cheap_ones() -> None:
    sweep = swept(np.array([[3.0, 0.0, 0.0], [2.0, 2.0, 2.0]]))
    cost = {
        hull: sweep.losses[np.take_along_axis(~merge(sweep, 3, hull), sweep.order, 1)].sum()  # type: ignore[arg-type]
        for hull in ("none", "slopes")
    }
    assert cost == {"none": 6.0, "slopes": 3.0}


Merge = Callable[[Sweep, int, Array], Array]


def brings_nothing_back(merge: Merge, w: Array, mask: Array) -> bool:
    """Masks grow from what is masked on, one entry at a time, and each is a start of each row"""
    sweep, before = sweep_layer(w, np.eye(w.shape[1]), mask=mask), mask
    for count in range(np.count_nonzero(~mask), w.size + 1):
        kept = merge(sweep, count, mask)
        gone = np.take_along_axis(~kept, sweep.order, axis=1)
        if np.count_nonzero(~kept) != count or (kept & ~before).any():
            return False
        if (gone[:, 1:] & ~gone[:, :-1]).any():
            return False
        before = kept
    return True


def masked_and_zero(seed: int) -> tuple[Array, Array]:
    """Weights of few values, some of them 0.0 and live: they go at no loss, as what is masked."""
    rng = np.random.default_rng(seed)
    mask = rng.random((3, 4)) < 0.6
    return np.where(mask, rng.choice([0.0, 0.0, 1.0, 2.0], mask.shape), 0.0), mask


@given(seed=seeds)
def test_what_is_masked_goes_before_live_weights_that_are_0(seed: int) -> None:
    assert brings_nothing_back(lambda s, k, m: merge(s, k, mask=m), *masked_and_zero(seed))


def test_a_merge_that_forgets_the_mask_brings_weights_back() -> None:
    cases = [masked_and_zero(seed) for seed in range(20)]
    assert not all(brings_nothing_back(lambda s, k, m: merge(s, k), *case) for case in cases)


def test_refusal() -> None:
    with pytest.raises(ArgumentError) as caught:
        levels(np.ones((2, 3)), "upper")  # type: ignore[arg-type]
    assert caught.value.args == (
        "levels: hull must be 'none' or 'slopes', not 'upper'; choose one of them",
    )
