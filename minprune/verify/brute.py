"""Oracles by exhaustion: every subset of a small problem is tried, and the best one wins."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError

MOST = 20  # entries: a million subsets


def subsets(n: int, k: int) -> Iterator[Array]:
    """Every bool (n,) with k True, in the order of the indices that are True.

    Raises ArgumentError for more than 20 entries.
    """
    if n > MOST:
        raise ArgumentError(
            f"there are {n} entries, expected at most {MOST}; exhaustion is for small problems"
        )
    for keep in combinations(range(n), k):
        mask = np.zeros(n, bool)
        mask[list(keep)] = True
        yield mask


def best_mask(scores: Array, k: int) -> Array:
    """argmax over masks of k entries of sum(scores[mask]); of equals the lowest indices

    scores: any shape, sums that are exact -> bool, the same shape.
    """
    flat = scores.ravel()
    best = max(subsets(flat.size, k), key=lambda m: float(flat[m].sum()))  # the first of equals
    return best.reshape(scores.shape)


def quadratic_rise(H: Array, w: Array, keep: Array) -> float:
    """min over d of 1/2 d^T H d with (w + d)[~keep] = 0      H: (n, n) positive definite

    The kept entries adjust: H_KK d_K = -H_KQ d_Q, d_Q = -w_Q.
    """
    d = np.where(keep, 0.0, -w)
    if keep.any():
        d[keep] = np.linalg.solve(H[np.ix_(keep, keep)], -H[np.ix_(keep, ~keep)] @ d[~keep])
    return float(0.5 * d @ H @ d)


def best_subset(H: Array, w: Array, k: int) -> tuple[Array, float]:
    """(keep, rise): the k weights of w whose kept minimum of the quadratic rises least

    What greedy removal (OBS) is at best as good as. H: (n, n) positive definite, w: (n,) its
    minimum.
    """
    rises = [(quadratic_rise(H, w, keep), keep) for keep in subsets(w.size, k)]
    rise, keep = min(rises, key=lambda pair: pair[0])
    return keep, rise
