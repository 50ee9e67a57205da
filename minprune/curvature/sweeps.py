"""Exact row sweeps over a layer, merged to one threshold, and the refit on what is kept.

For one row w0 of a layer with inputs X, H = (2/P) X X^T, the error of w is 1/2 d^T H d, d = w - w0:
the mean over samples of the squared change of the output. With damping alpha it is that plus
alpha/2 |d|^2. Source: Frantar & Alistarh (2022), Optimal Brain Compression, ExactOBS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from minprune import kernels
from minprune.core import Array
from minprune.curvature.inverse import damped_by, damped_inverse, downdate_set
from minprune.errors import ArgumentError, ShapeError

Hull = Literal["none", "slopes"]


@dataclass(frozen=True)
class Sweep:
    """order, losses: (rows, n), row r loses order[r, k] at step k, at losses[r, k]; masked first

    shape: of the weight. alpha: the damping of H, one for all groups.
    """

    order: Array
    losses: Array
    shape: tuple[int, ...]
    alpha: float


def sweep_layer(w: Array, h: Array, damp: float = 1e-6, *, mask: Array | None = None) -> Sweep:
    """Each row of w all the way to empty, by the row's own exact Optimal Brain Surgeon

    w: (o, ...), seen as (o, n); h: (groups, n, n) from layer_hessian, or (n, n); o falls into
    groups of equal size. damp: alpha = damp mean(diag H), over all groups, so that one whose inputs
    are dead has an inverse too; 0 for none. mask: True = kept; a masked entry, which must be 0.0,
    goes before all others of its row at no loss, the higher index first.
    Raises ShapeError for shapes that do not fit; ArgumentError and NonFiniteError for an H that is
    zero, singular beyond damp, or not finite.
    """
    w2, h = _fitting(w, h)
    live = np.ones(w2.shape, bool) if mask is None else np.asarray(mask).reshape(w2.shape)
    if w2[~live].any():
        raise ArgumentError(
            f"{np.count_nonzero(w2[~live])} masked weights are not 0.0; give the weights of the "
            f"masked model, mp.with_masks"
        )
    order, losses = np.empty(w2.shape, np.int64), np.zeros(w2.shape)
    found = damped_inverse(h, damp)
    for rows, part in zip(_groups(w2, h), found.inverse, strict=True):
        for some, inverse, kept in alike(rows, live, part):
            gone = np.flatnonzero(~kept)[::-1]
            order[some, : gone.size] = gone
            step, loss, _ = kernels.obs_sweep(w2[np.ix_(some, kept)].astype(np.float64), inverse)
            order[some, gone.size :] = np.flatnonzero(kept)[step]
            losses[some, gone.size :] = loss
    return Sweep(order, losses, w.shape, found.alpha)


def levels(losses: Array, hull: Hull = "none", dtype: npt.DTypeLike = np.float64) -> Array:
    """s_k = max(l_k, next float above s_k-1): (rows, n), strictly rising in each row

    So every threshold over all rows takes a start of each row's order, whatever single losses do.
    The running maximum of the losses is not optimal: hull "slopes" puts the slopes of the greatest
    convex curve below each row's cumulative loss in their place. dtype: in which the scores are
    compared, float32 or float64; the next float is taken there.
    """
    if hull not in ("none", "slopes"):
        raise ArgumentError(f"hull is {hull!r}, expected 'none' or 'slopes'; choose one of them")
    kind: Any = np.dtype(dtype).type
    rising = (
        np.stack([slopes(row) for row in losses]) if hull == "slopes" and len(losses) else losses
    )
    found = rising.astype(kind)
    for k in range(1, found.shape[1]):
        before = found[:, k - 1]
        found[:, k] = np.maximum(found[:, k], np.nextafter(before, kind(np.inf)))
    return found


def slopes(losses: Array) -> Array:
    """The slopes of the greatest convex curve below the points (k, sum of the first k losses)"""
    runs: list[tuple[float, int]] = []  # (sum, length), means rising: equal neighbours are pooled
    for loss in losses.tolist():
        total, size = loss, 1
        while runs and runs[-1][0] * size >= total * runs[-1][1]:
            before, more = runs.pop()
            total, size = total + before, size + more
        runs.append((total, size))
    return np.concatenate([np.full(n, t / n) for t, n in runs]) if runs else losses.copy()


def sweep_scores(sweep: Sweep, hull: Hull = "none", dtype: npt.DTypeLike = np.float64) -> Array:
    """levels at their places: an array of W's shape; sorted, it replays each row's order"""
    scores = np.empty(sweep.order.shape, dtype)
    np.put_along_axis(scores, sweep.order, levels(sweep.losses, hull, dtype), axis=1)
    return scores.reshape(sweep.shape)


def merge(sweep: Sweep, count: int, hull: Hull = "none", mask: Array | None = None) -> Array:
    """The mask, of W's shape, of the layer with `count` entries removed: a start of each row

    mask: that of the sweep; what it has removed already goes before all others of the layer.
    """
    scores = sweep_scores(sweep, hull)
    return ~kernels.smallest(scores if mask is None else np.where(mask, scores, -np.inf), count)


def refit(w: Array, h: Array, mask: Array, damp: float = 1e-6) -> Array:
    """w_S + (H_SS)^-1 H_SQ w_Q on the kept S, 0.0 on the removed Q: the least-squares refit

    The least 1/2 d^T (H + alpha I) d over d = change of w with w_Q = 0, row by row, in closed form:
    what a sweep's weights are after the same removals, without storing any. Shapes and errors as
    sweep_layer. -> w's shape and dtype.
    """
    w2, h = _fitting(w, h)
    keep, new = np.asarray(mask).reshape(w2.shape), np.zeros(w2.shape)
    for rows, damped in zip(_groups(w2, h), damped_by(h, damp)[0], strict=True):
        for r in rows:
            s, q = np.flatnonzero(keep[r]), np.flatnonzero(~keep[r])
            push = damped[np.ix_(s, q)] @ w2[r, q]
            try:
                new[r, s] = w2[r, s] + np.linalg.solve(damped[np.ix_(s, s)], push)
            except np.linalg.LinAlgError:
                raise ArgumentError(
                    f"H over the {s.size} kept entries of row {r} is singular, so they have no "
                    f"refit; raise damp, 1e-4 at most, or give more samples"
                ) from None
    return new.reshape(w.shape).astype(w.dtype)


def _fitting(w: Array, h: Array) -> tuple[Array, Array]:
    """w as (o, n) and h as (groups, n, n)"""
    w2, h = w.reshape(len(w), -1), h if h.ndim == 3 else h[None]
    n = w2.shape[1]
    if h.shape[1:] != (n, n) or not len(h) or len(w) % len(h):
        raise ShapeError(
            f"H is {h.shape}, w is {w.shape}, expected (groups, {n}, {n}) with groups that divide "
            f"{len(w)} rows; give layer_hessian of the same layer, without bias"
        )
    return w2, h


def _groups(w2: Array, h: Array) -> Array:
    """The rows of each group, (groups, o / groups)"""
    return np.arange(len(w2)).reshape(len(h), -1)


def alike(rows: Array, live: Array, inverse: Array) -> Iterator[tuple[Array, Array, Array]]:
    """(rows, inverse, live) for rows that share their mask: the inverse of H over what lives"""
    masks, which = np.unique(live[rows], axis=0, return_inverse=True)
    for k, kept in enumerate(masks):
        inner = inverse
        if not kept.all():
            left = downdate_set(inverse, np.flatnonzero(~kept))
            inner = np.ascontiguousarray(left[np.ix_(kept, kept)])
        yield rows[which.reshape(-1) == k], inner, kept
