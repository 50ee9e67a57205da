"""Row sweeps: every step is the least-squares refit; wrong sweeps, masks, refusals.

The layer is W (rows, n), its inputs X (n, samples), H = (2/P) X X^T. A little long because each law
takes the implementation, and stands beside the wrong ones that it must reject.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surgery import EPS, row_rise, seeds

from minprune import kernels
from minprune.core import Array
from minprune.curvature.inverse import damped_inverse
from minprune.curvature.layerwise import Sweep, merge, refit, sweep_layer
from minprune.errors import ArgumentError, ShapeError


class Problem(NamedTuple):
    """A layer, its inputs, and the share of the diagonal that damps H."""

    w: Array
    x: Array
    damp: float

    @property
    def h(self) -> Array:
        return 2 / self.x.shape[1] * self.x @ self.x.T

    @property
    def alpha(self) -> float:
        return self.damp * float(np.trace(self.h)) / len(self.h)

    def error(self, new: Array) -> float:
        """Mean over samples of the squared change of the outputs, and alpha/2 |d|^2"""
        d = new - self.w
        change = (d @ self.x) ** 2
        return float(change.sum() / self.x.shape[1] + self.alpha / 2 * (d**2).sum())

    def refitted(self, mask: Array) -> Array:
        """Least squares on the kept support: rows [X^T; sqrt(alpha P / 2) I], by np.linalg.lstsq"""
        n, p = self.x.shape
        tall = np.vstack([self.x.T, np.sqrt(self.alpha * p / 2) * np.eye(n)])
        new = np.zeros_like(self.w)
        for r, keep in enumerate(mask):
            if keep.any():
                new[r, keep] = np.linalg.lstsq(tall[:, keep], tall @ self.w[r])[0]
        return new

    @property
    def near(self) -> float:
        """16 n^2 u cond(H) of the error of removing everything: see Quadratic.near"""
        h = self.h + self.alpha * np.eye(len(self.h))
        share = 16 * len(h) ** 2 * EPS * float(np.linalg.cond(h))
        return share * (row_rise(h, self.w) + EPS)


def problem(seed: int, n: int, rows: int, damp: float) -> Problem:
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((n, n)) / 2 + np.eye(n)
    x = mix @ rng.standard_normal((n, n + 4)) + 0.3 * rng.standard_normal((n, n + 4))
    return Problem(rng.standard_normal((rows, n)), x, damp)


DAMPS = (0.0, 1e-6, 1e-4)
problems = st.builds(problem, seeds, st.integers(1, 6), st.integers(1, 4), st.sampled_from(DAMPS))
Sweeper = Callable[[Problem], Sweep]


def ours(p: Problem) -> Sweep:
    return sweep_layer(p.w, p.h, p.damp)


def each_step_is_the_refit(sweeper: Sweeper, p: Problem) -> bool:
    """The first k losses of a row add up to the least error on what is then left, for every k"""
    sweep = sweeper(p)
    for r, (order, losses) in enumerate(zip(sweep.order, sweep.losses, strict=True)):
        one = p._replace(w=p.w[r : r + 1])
        mask = np.ones((1, order.size), bool)
        for k, q in enumerate(order):
            mask[0, q] = False
            if abs(losses[: k + 1].sum() - one.error(one.refitted(mask))) > p.near:
                return False
    return True


def each_step_is_the_best_single(sweeper: Sweeper, p: Problem) -> bool:
    """No other weight of the row could have gone at a smaller rise of the refitted error"""
    sweep = sweeper(p)
    for r, order in enumerate(sweep.order):
        one = p._replace(w=p.w[r : r + 1])
        mask = np.ones((1, order.size), bool)
        for q in order:
            errors = {}
            for j in np.flatnonzero(mask[0]):
                without = mask.copy()
                without[0, j] = False
                errors[int(j)] = one.error(one.refitted(without))
            if errors[int(q)] > min(errors.values()) + p.near:
                return False
            mask[0, q] = False
    return True


@given(p=problems)
def test_each_step_is_the_refit(p: Problem) -> None:
    assert each_step_is_the_refit(ours, p)


@given(p=problems)
def test_each_step_is_the_best_single(p: Problem) -> None:
    assert each_step_is_the_best_single(ours, p)


@given(p=problems, data=st.data())
def test_the_refit_is_least_squares_and_the_sweep_s_own_weights(
    p: Problem, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, p.w.size))
    sweep = ours(p)
    mask = merge(sweep, count)
    new = refit(p.w, p.h, mask, p.damp)
    assert not new[~mask].any()
    assert abs(p.error(new) - p.error(p.refitted(mask))) <= p.near
    removed = np.take_along_axis(~mask, sweep.order, axis=1)
    assert abs(sweep.losses[removed].sum() - p.error(new)) <= p.near
    k = data.draw(st.integers(0, p.w.shape[1]))
    _, _, left = kernels.obs_sweep(p.w, damped_inverse(p.h, p.damp).inverse, k)
    mask = np.ones(p.w.shape, bool)
    np.put_along_axis(mask, sweep.order[:, :k], False, axis=1)
    assert abs(p.error(left) - p.error(refit(p.w, p.h, mask, p.damp))) <= p.near


def stale(p: Problem) -> Sweep:
    """H^-1 never downdated."""
    inverse = damped_inverse(p.h, p.damp).inverse
    scores = p.w**2 / inverse.diagonal() / 2
    order = np.argsort(scores, axis=1)
    return Sweep(order, np.take_along_axis(scores, order, 1), p.w.shape, 0.0)


def identity_fallback(p: Problem) -> Sweep:
    """OBC: the identity for an H that is singular, or looks so: magnitude pruning."""
    h = p.h if np.linalg.det(p.h) > 1e-2 else np.eye(len(p.h))
    return sweep_layer(p.w, h, 0)


def per_batch(p: Problem) -> Sweep:
    """L-OBS: H divided by the batch, here half of the data."""
    return sweep_layer(p.w, 2 * p.h, p.damp)


def no_half(p: Problem) -> Sweep:
    sweep = ours(p)
    return replace(sweep, losses=2 * sweep.losses)


def backwards(p: Problem) -> Sweep:
    sweep = ours(p)
    return replace(sweep, order=sweep.order[:, ::-1])


@pytest.mark.parametrize("wrong", [stale, identity_fallback, per_batch, no_half, backwards])
def test_a_wrong_sweep_is_rejected(wrong: Sweeper) -> None:
    tries = [problem(seed, 4, 2, 1e-6) for seed in range(20)]
    assert not all(each_step_is_the_refit(wrong, p) for p in tries)


def test_small_inputs_scale_the_losses_and_change_no_order() -> None:
    """Where a fallback to the identity would set in, the order is still that of the inputs."""
    p = problem(0, 5, 3, 1e-6)
    small = p._replace(x=p.x * 2.0**-20)
    assert np.array_equal(ours(p).order, ours(small).order)
    assert np.array_equal(ours(p).losses * 2.0**-40, ours(small).losses)
    assert not np.array_equal(identity_fallback(small).order, ours(small).order)


def test_the_layer_of_the_fixture() -> None:
    """Order and losses from another implementation, on inputs that are formulas."""
    w = np.sin(1 + np.arange(15.0)).reshape(3, 5)
    k = np.arange(200.0)
    x = (np.cos(1 + k) + 0.3 * np.sin((1 + k) ** 2)).reshape(40, 5)
    sweep = sweep_layer(w, 2 * x.T @ x / 40, damp=0)
    assert sweep.order.tolist() == [[2, 3, 1, 0, 4], [0, 4, 3, 1, 2], [2, 1, 0, 4, 3]]
    want = [0.001909, 0.04509, 0.105238, 0.740583, 5.05063]  # to the digits that are given
    assert np.abs(sweep.losses[0].cumsum() - want).max() <= 5e-6
    assert np.abs(sweep.losses[0].cumsum() - want)[:4].max() <= 5e-7


@given(p=problems, seed=seeds)
def test_masked_entries_go_first_and_the_rest_is_the_smaller_layer(p: Problem, seed: int) -> None:
    mask = np.random.default_rng(seed).random(p.w.shape) < 0.7
    p = p._replace(w=np.where(mask, p.w, 0.0))
    sweep = sweep_layer(p.w, p.h, p.damp, mask=mask)
    for r, keep in enumerate(mask):
        dead = int((~keep).sum())
        assert sweep.order[r, :dead].tolist() == np.flatnonzero(~keep)[::-1].tolist()
        assert not sweep.losses[r, :dead].any()
        places = np.flatnonzero(keep)
        if places.size:
            inner = damped_inverse(p.h + sweep.alpha * np.eye(len(p.h)), 0).inverse
            inner = np.linalg.inv(np.linalg.inv(inner)[np.ix_(keep, keep)])
            _, losses, _ = kernels.obs_sweep(p.w[r : r + 1, keep], inner)
            assert sorted(sweep.order[r].tolist()) == list(range(keep.size))
            assert np.abs(sweep.losses[r, dead:] - losses[0]).max() <= p.near


def test_weights_of_single_precision_are_swept_in_double() -> None:
    p = problem(0, 5, 3, 1e-6)
    w = p.w.astype(np.float32)
    a, b = sweep_layer(w, p.h), sweep_layer(w.astype(np.float64), p.h)
    assert np.array_equal(a.order, b.order)
    assert np.array_equal(a.losses, b.losses)
    assert refit(w, p.h, merge(a, 7)).dtype == np.float32


W = np.ones((2, 3))
H = np.eye(3)
MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "H of another layer": (
        lambda: sweep_layer(W, np.eye(4)),
        ShapeError,
        "H must be (groups, 3, 3) with groups that divide the 2 rows of w, not (1, 4, 4); "
        "pass layer_hessian of the same layer, without bias",
    ),
    "masked weights that live": (
        lambda: sweep_layer(W, H, mask=np.arange(6).reshape(2, 3) > 1),
        ArgumentError,
        "sweep_layer: masked weights must be 0.0, not 2 of them another number; pass the weights "
        "of the masked model, mp.with_masks",
    ),
    "singular refit": (
        lambda: refit(W, np.zeros((3, 3)), np.array([[1, 1, 0], [1, 1, 1]], bool)),
        ArgumentError,
        "refit: H must be invertible over the 2 kept entries of row 0, not singular; raise damp, "
        "1e-4 at most, or pass more samples",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refusal(name: str) -> None:
    provoke, error, text = MESSAGES[name]
    with pytest.raises(error) as caught:
        provoke()
    assert caught.value.args == (text,)
