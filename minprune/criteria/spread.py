"""How far a unit lies from the others, and how widely its own weights are spread."""

from typing import Literal

import numpy as np

from minprune.arguments import choice, count
from minprune.core import Array, Arrays, Evidence, Example, criterion


@criterion(
    needs=("weights", "masks"),
    single=False,
    cite="He et al. (2019), Filter Pruning via Geometric Median (FPGM)",
    examples=(
        Example(
            {"weights": [[0, 0], [3, 4], [6, 8]], "masks": [[1, 1]] * 3}, [15, 10, 15], unit=True
        ),
    ),
)
def geometric_median(ev: Evidence) -> Arrays:
    """s_j = sum_k norm(w_j - w_k), k over the live units of the layer

    The unit nearest to the geometric median is the one that the others can replace: it goes first.
    Version: the paper's own, whose candidates for the median are the units themselves. Twins tie,
    at a value that need not be low: no unit knows that its twin goes too. Units without a live
    weight are left out, and score 0. Sums are in float64; time units^2 * incoming.

    Parameters
    ----------
    ev : Evidence
        weights: (units, incoming). masks, optional: the same shape, True = kept.

    Returns
    -------
    dict of arrays
        s: (units,). Unit of measure: that of the weight.

    Raises
    ------
    ArgumentError
        For evidence of single weights.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> mp.criteria.geometric_median(mp.Evidence(weights={"w": w}, unit=True))
    {'w': array([15., 10., 15.])}
    """
    found = {}
    for name, (w, live) in ev.live_rows().items():
        units, entries = live.any(axis=1), live.any(axis=0)
        found[name] = np.zeros(len(w), w.dtype)
        found[name][units] = _distances(w[np.ix_(units, entries)])
    return found


def _distances(w: Array) -> Array:
    top = np.abs(w).max(initial=0) or 1
    w = np.ascontiguousarray(w, np.float64) / top  # so that no square overflows or vanishes
    apart = np.zeros((len(w), len(w)))
    for j, row in enumerate(w):
        step = w[j:] - row
        apart[j, j:] = apart[j:, j] = np.sqrt(np.einsum("ki,ki->k", step, step))
    return np.asarray(top * apart.sum(axis=1))


LN2 = np.log(2)
_EIGHT = {"weights": [[0, 0, 4, 4], [0, 0, 0, 0]], "masks": [[1] * 4] * 2}


@criterion(
    needs=("weights", "masks"),
    single=False,
    cite="the entropy of a unit's weights; Luo & Wu (2017) have it of activations",
    examples=(
        Example(_EIGHT, [-LN2, 0], {"bins": 2}, unit=True),
        Example(_EIGHT, [LN2, 0], {"bins": 2, "prune": "low"}, unit=True),
    ),
)
def weight_entropy(
    ev: Evidence, *, bins: int = 10, prune: Literal["high", "low"] = "high"
) -> Arrays:
    """s_j = sum_b p_jb ln(p_jb), p_jb the share of unit j's weights in bin b; prune="low": -s

    Masked weights are left out; a unit without a live weight scores 0. The bins are equally wide
    and cover the range of the LAYER's weights (of all layers that make tied units), the last one
    closed.
    A flaw of the definition: a unit of equal weights, also one of zeros, has entropy 0 and is kept
    longest; so has each unit of a constant layer.

    Parameters
    ----------
    ev : Evidence
        weights: (units, incoming). masks, optional: the same shape, True = kept.
    bins
        How many bins.
    prune
        "high": the unit whose weights are spread most goes first; "low": it is kept longest.

    Returns
    -------
    dict of arrays
        s: (units,), minus the entropy (prune="high") or the entropy. Unit of measure: nat.

    Raises
    ------
    ArgumentError
        For evidence of single weights, for bins below 1 and for another prune.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> w = np.array([[0.0, 0.0, 4.0, 4.0], [0.0, 4.0, 4.0, 4.0]])
    >>> mp.criteria.weight_entropy(mp.Evidence(weights={"w": w}, unit=True))["w"].round(3)
    array([-0.693, -0.562])
    """
    choice("weight_entropy", "prune", prune, ("high", "low"))
    bins = count("weight_entropy", "bins", bins)
    sign = -1 if prune == "high" else 1
    found = ev.live_rows()
    return {n: (sign * _entropy(w, live, bins)).astype(w.dtype) for n, (w, live) in found.items()}


def _entropy(w: Array, live: Array, bins: int) -> Array:
    if not live.any():
        return np.zeros(len(w))
    half = w.astype(np.float64) / 2  # so that the range cannot overflow
    edges = np.linspace(half[live].min(), half[live].max(), bins + 1)
    place = np.searchsorted(edges[1:-1], half, side="right")
    first = bins * np.arange(len(w))[:, None]  # one histogram for each row
    counts = np.bincount((place + first)[live], minlength=bins * len(w)).reshape(len(w), bins)
    return shannon(counts / np.maximum(live.sum(axis=1, keepdims=True), 1))


def shannon(p: Array) -> Array:
    """-sum_b p_b ln(p_b) of each row, 0 ln(0) = 0"""
    total: Array = (p * np.log(np.where(p > 0, p, 1))).sum(axis=1)
    return 0.0 - total  # not -0.0 where one share is 1
