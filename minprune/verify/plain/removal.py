"""Removal from a quadratic loss, solved densely; the best set of weights, by trying every one."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError

MOST = 20  # entries: a million subsets


def adjusted(H: Array, w: Array, keep: Array) -> Array:
    """argmin over d of 1/2 d^T H d with (w + d)[~keep] = 0: H_KK d_K = -H_KQ d_Q, d_Q = -w_Q

    H: (n, n), positive definite.
    """
    d = np.where(keep, 0.0, -w)
    if keep.any():
        d[keep] = np.linalg.solve(H[np.ix_(keep, keep)], -H[np.ix_(keep, ~keep)] @ d[~keep])
    return np.asarray(d)


def quadratic_rise(H: Array, w: Array, keep: Array) -> float:
    """min over d of 1/2 d^T H d with (w + d)[~keep] = 0"""
    d = adjusted(H, w, keep)
    return float(0.5 * d @ H @ d)


def subsets(n: int, k: int) -> Iterator[Array]:
    """Every bool (n,) with k True, in the order of the indices that are True.

    Raises ArgumentError for more than 20 entries.
    """
    if n > MOST:
        raise ArgumentError(
            f"subsets: n must be at most {MOST}, not {n}; trying all of them is for small problems"
        )
    for keep in combinations(range(n), k):
        mask = np.zeros(n, bool)
        mask[list(keep)] = True
        yield mask


def best_subset(H: Array, w: Array, k: int) -> tuple[Array, float]:
    """(keep, rise): the k weights of w whose kept minimum of the quadratic rises least

    Greedy removal (OBS) is at best as good. H: (n, n), positive definite; w: (n,), its minimum.
    """
    rises = [(quadratic_rise(H, w, keep), keep) for keep in subsets(w.size, k)]
    rise, keep = min(rises, key=lambda pair: pair[0])
    return keep, rise
