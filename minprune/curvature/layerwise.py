"""H = (2/P) X X^T of a layer's inputs; exact sweeps over its rows by this H, and the refit.

For one row w0 of a layer with inputs X, the error of w is 1/2 d^T H d, d = w - w0: the mean over
samples of the squared change of the output. With damping alpha it is that plus alpha/2 |d|^2. P
counts samples; the positions of a convolution are summed. Sources: Dong et al. (2017), L-OBS;
Frantar & Alistarh (2022), Optimal Brain Compression, ExactOBS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from minprune import kernels
from minprune.arguments import choice, filled, guard
from minprune.autograd import Value
from minprune.core import Array
from minprune.curvature.inverse import LIMIT, damped_by, damped_inverse, downdate
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.model import CHUNK, Model, batch_last, checked_input, dense_only, keeping, run
from minprune.nets.net import INPUT, Node, layer_of

ENTRIES = 2**23  # of X at a time: 64 MB in float64
Hull = Literal["none", "slopes"]


def layer_inputs(model: Model, x: Array, name: str, *, bias: bool = False) -> Iterator[Array]:
    """X (groups, features, samples * positions), chunk by chunk, float64: y = W[o] X of group g

    x: (n, ...), inputs of the net. name: a dense or convolution layer, "conv1" or "conv1.weight".
    features: the inputs of one row of W.reshape(o, -1), i/groups * ky * kx, unfolded patches; with
    bias one more row, of ones. Output o belongs to group o // (outputs / groups). Evaluation mode.
    Raises ArgumentError for a layer without a weight matrix, or no samples; ShapeError for x.
    """
    node, x = weighted(model, name), checked_input(model.net, x)
    filled(name, "x", x, "pass inputs")
    per_sample = prod(_shape(model, node))
    size = max(1, min(CHUNK, ENTRIES // max(per_sample, 1)))
    arrays, source = model.params | model.buffers, node.inputs[0]
    for start in range(0, len(x), size):
        part = batch_last(x[start : start + size], model.dtype)
        seen: dict[str, Value] = {INPUT: part}
        if source != INPUT:
            run(model.net, arrays, part, watch=keeping([source], seen))
        columns = node.layer.columns(seen[source])
        if bias:
            columns = np.concatenate([columns, np.ones_like(columns[:, :1])], axis=1)
        yield columns.astype(np.float64)


def layer_hessian(
    model: Model, x: Array, name: str, *, bias: bool = False, limit: int = LIMIT
) -> Array:
    """H = (2/P) X X^T, (groups, features, features), float64, P = len(x), in one pass

    See layer_inputs. Memory does not grow with the data. Raises ArgumentError, naming the bytes,
    where H would take more than `limit`.
    """
    groups, _, features = _shape(model, weighted(model, name))
    size = features + bias
    remedy = "leave that layer out, or raise limit="
    guard(f"{name}: H over {size} inputs", 8 * groups * size * size, limit, remedy)
    h = np.zeros((groups, size, size))
    for columns in layer_inputs(model, x, name, bias=bias):
        for total, part in zip(h, columns, strict=True):
            total += part @ part.T
    h *= 2 / len(x)
    return h


def weighted(model: Model, name: str) -> Node:
    """The dense or convolution layer that `name` means; raises ArgumentError for another."""
    node = model.net.owner(name)
    dense_only(model, "the product of a layer's inputs", [f"{node.name}.weight"])
    if node.name not in model.net.mixing:
        raise ArgumentError(
            f"{name}: the layer must have a weight matrix, as Dense and Conv2d have, and "
            f"{type(node.layer).__name__} has none; "
            f"pass one of {', '.join(layer_of(w) for w in model.net.weights)}"
        )
    return node


def _shape(model: Model, node: Node) -> tuple[int, int, int]:
    """(groups, positions, features) of the layer."""
    shapes, layer = model.net.shapes, node.layer
    groups = shapes[node.inputs[0]][0] // model.params[f"{node.name}.weight"].shape[1]
    return groups, layer.positions(shapes[node.name]), layer.fan()[0]


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
    groups of equal size. damp: alpha = damp mean(diag H) over what is not masked, of all groups, so
    that one whose inputs are dead has an inverse too; 0 for none. mask: True = kept; a masked
    entry, which must be 0.0, goes before all others of its row at no loss, the higher index first.
    Raises ShapeError for shapes that do not fit; ArgumentError and NonFiniteError for an H that is
    zero, singular beyond damp, or not finite.
    """
    w2, h, groups = _fitting(w, h)
    live = np.ones(w2.shape, bool) if mask is None else np.asarray(mask).reshape(w2.shape)
    if w2[~live].any():
        raise ArgumentError(
            f"sweep_layer: masked weights must be 0.0, not {np.count_nonzero(w2[~live])} of them "
            f"another number; pass the weights of the masked model, mp.with_masks"
        )
    order, losses = np.empty(w2.shape, np.int64), np.zeros(w2.shape)
    found = damped_inverse(h, damp, live)
    for rows, part in zip(groups, found.inverse, strict=True):
        for some, inverse, kept in alike(rows, live, part):
            gone = np.flatnonzero(~kept)[::-1]
            order[some, : gone.size] = gone
            step, loss, _ = kernels.obs_sweep(w2[np.ix_(some, kept)].astype(np.float64), inverse)
            order[some, gone.size :] = np.flatnonzero(kept)[step]
            losses[some, gone.size :] = loss
    return Sweep(order, losses, w.shape, found.alpha)


def levels(losses: Array, hull: Hull = "none", dtype: npt.DTypeLike = np.float64) -> Array:
    """s_k = max(l_k, next float above s_k-1): (rows, n), strictly rising in each row

    So every threshold over all rows takes a start of each row's order, whatever single losses are.
    The running maximum of the losses is not optimal: hull "slopes" takes the slopes of the lower
    convex hull of each row's cumulative losses instead. dtype: in which the scores are
    compared, float32 or float64; the next float is taken there.
    """
    choice("levels", "hull", hull, ("none", "slopes"))
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
    """The slopes of the lower convex hull of the points (k, sum of the first k losses)"""
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


def refit(
    w: Array, h: Array, mask: Array, damp: float = 1e-6, *, live: Array | None = None
) -> Array:
    """w_S + (H_SS)^-1 H_SQ w_Q on the kept S, 0.0 on the removed Q: the least-squares refit

    The least 1/2 d^T (H + alpha I) d over d = change of w with w_Q = 0, row by row, in closed form:
    what a sweep's weights are after the same removals, without storing any. live: the mask of that
    sweep. Shapes and errors as sweep_layer. -> w's shape and dtype.
    """
    w2, h, groups = _fitting(w, h)
    keep, new = np.asarray(mask).reshape(w2.shape), np.zeros(w2.shape)
    live = None if live is None else live.reshape(w2.shape)
    for rows, damped in zip(groups, damped_by(h, damp, live)[0], strict=True):
        for r in rows:
            s, q = np.flatnonzero(keep[r]), np.flatnonzero(~keep[r])
            push = damped[np.ix_(s, q)] @ w2[r, q]
            try:
                new[r, s] = w2[r, s] + np.linalg.solve(damped[np.ix_(s, s)], push)
            except np.linalg.LinAlgError:
                raise ArgumentError(
                    f"refit: H must be invertible over the {s.size} kept entries of row {r}, not "
                    f"singular; raise damp, 1e-4 at most, or pass more samples"
                ) from None
    return new.reshape(w.shape).astype(w.dtype)


def _fitting(w: Array, h: Array) -> tuple[Array, Array, Array]:
    """w as (o, n), h as (groups, n, n), and the rows of each group, (groups, o / groups)"""
    w2, h = w.reshape(len(w), -1), h if h.ndim == 3 else h[None]
    n = w2.shape[1]
    if h.shape[1:] != (n, n) or not len(h) or len(w) % len(h):
        raise ShapeError(
            f"H must be (groups, {n}, {n}) with groups that divide the {len(w)} rows of w, not "
            f"{h.shape}; pass layer_hessian of the same layer, without bias"
        )
    return w2, h, np.arange(len(w)).reshape(len(h), -1)


def alike(rows: Array, live: Array, inverse: Array) -> Iterator[tuple[Array, Array, Array]]:
    """(rows, inverse, live) for rows that share their mask: the inverse of H over what lives"""
    masks, which = np.unique(live[rows], axis=0, return_inverse=True)
    for k, kept in enumerate(masks):
        inner = inverse
        if not kept.all():
            left = downdate(inverse, np.flatnonzero(~kept))
            inner = np.ascontiguousarray(left[np.ix_(kept, kept)])
        yield rows[which.reshape(-1) == k], inner, kept
