"""Entropies: how widely the weights of a unit are spread, and how much its activation varies."""

from typing import Literal

import numpy as np

from minprune.arguments import choice, count
from minprune.core import Array, Arrays, Evidence, Example, criterion
from minprune.errors import ArgumentError

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


_HIST = {"act_hist": [[2, 0, 2], [0, 4, 0]]}


@criterion(
    needs=("act_hist",),
    unit="whole",
    single=False,
    cite="Luo & Wu (2017), An Entropy-based Pruning Method for CNN Compression",
    examples=(
        Example(_HIST, [LN2, 0], {"bins": 3}, unit=True),
        Example(_HIST, [-LN2, 0], {"bins": 3, "prune": "high"}, unit=True),
    ),
)
def activation_entropy(
    ev: Evidence, *, bins: int = 10, prune: Literal["low", "high"] = "low"
) -> Arrays:
    """s = -sum_b p_b ln(p_b), p_b the share of samples in bin b; prune="high": -s

    A unit that gives the same output for every sample goes first. The bins are equally wide, over
    the unit's own range, and count each sample's mean activation over the positions.

    Parameters
    ----------
    ev : Evidence
        act_hist: (units, bins), counts of samples.
    bins
        How many bins the histograms have.
    prune
        "low": low entropy goes first; "high": high entropy goes first.

    Returns
    -------
    dict of arrays
        s: (units,), 0 for a unit without samples. Unit of measure: nat.

    Raises
    ------
    ArgumentError
        For evidence of single weights, for another prune, and for histograms of another number of
        bins.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> counts = np.array([[2.0, 0.0, 2.0], [0.0, 4.0, 0.0]])
    >>> ev = mp.Evidence(act_hist={"w": counts}, unit=True)
    >>> mp.criteria.activation_entropy(ev, bins=3)["w"].round(3)
    array([0.693, 0. ])
    """
    choice("activation_entropy", "prune", prune, ("low", "high"))
    found = {}
    for name, counts in ev.of("act_hist").items():
        if counts.shape[1] != bins:
            raise ArgumentError(
                f"activation_entropy: bins must be {counts.shape[1]}, as act_hist of {name} has, "
                f"not {bins!r}; pass bins={counts.shape[1]}"
            )
        wide = counts.astype(np.float64)
        total = wide.sum(axis=1, keepdims=True)
        h = shannon(wide / np.where(total > 0, total, 1))
        found[name] = (h if prune == "low" else 0.0 - h).astype(counts.dtype)
    return found
