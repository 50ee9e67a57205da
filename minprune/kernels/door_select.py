"""The door to choosing entries: the k smallest scores, and rows of a batch."""

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.kernels.checks import ANY, FLOATS, integers, ready
from minprune.kernels.choice import impl
from minprune.kernels.workspace import empty


def smallest(scores: Array, k: int) -> Array:
    """out[j] = True at the k first of the order (score, then the HIGHER flat index first)

    scores: any shape, no NaN -> bool, the same shape, exactly k True. So among equals the lower
    index is kept; -0.0 equals 0.0. Raises ArgumentError for NaN, or k outside 0..size.
    """
    scores = ready("smallest", "scores", scores, ANY)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 0 <= k <= scores.size:
        raise ArgumentError(
            f"smallest: k is {k!r}, expected an integer from 0 to {scores.size}, the number of "
            f"scores; count first, then choose"
        )
    flat = scores.reshape(-1)
    if np.isnan(flat).any():
        bad = int(np.argmax(np.isnan(flat)))
        raise ArgumentError(
            f"smallest: score {bad} is NaN, which has no rank; find where the score came from"
        )
    out = empty(flat.shape, np.dtype(np.bool_))
    impl().smallest(flat, int(k), out)
    return out.reshape(scores.shape)


def gather_last(x: Array, index: Array | None = None) -> Array:
    """out[..., j] = x[index[j], ...]      rows of a batch-first array into a batch-last one

    x: (rows, ...) floats, index: (n,) integers in 0..rows-1, or None for all rows in their order
    -> (..., n). x may be read-only.
    Raises ArgumentError for a row that does not exist.
    """
    if not isinstance(x, np.ndarray) or x.dtype not in FLOATS or x.ndim < 1:
        x = ready("gather_last", "x", x, (-1, "(rows, ...)"))
    rows = np.arange(len(x)) if index is None else integers("gather_last", "index", index, len(x))
    out = empty((*x.shape[1:], rows.size), x.dtype)
    impl().gather_last(x, rows, out)
    return out
