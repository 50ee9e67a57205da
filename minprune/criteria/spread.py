"""How far a unit lies from the others, and how widely its own weights are spread."""

from typing import Literal

import numpy as np

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.criteria.options import of_units, one_of, rows
from minprune.errors import ArgumentError


@criterion(
    needs=("weights",),
    single=False,
    cite="He et al. (2019), Filter Pruning via Geometric Median (FPGM)",
)
def geometric_median(ev: Evidence) -> Arrays:
    """s_j = sum_k norm(w_j - w_k)      unit of measure: that of the weight

    w: (units, incoming) -> s: (units,), k over all units of the layer. The unit nearest to the
    geometric median is the one that the others can replace: it goes first. Version: the paper's
    own, whose candidates for the median are the units themselves. Twins tie, at a value that need
    not be low: no unit knows that its twin is going too. Scores know no masks: each silenced unit,
    a row of zeros, adds |w_j| to all others; score mp.compact(model) to leave them out. Sums in
    float64; time units^2 * incoming. Raises ArgumentError for single weights.
    """
    of_units("geometric_median", ev)
    return {name: _distances(w).astype(w.dtype) for name, w in rows(ev.of("weights")).items()}


def _distances(w: Array) -> Array:
    top = np.abs(w).max(initial=0)
    if top == 0:
        return np.zeros(len(w))
    w = np.ascontiguousarray(w, np.float64) / top  # so that no square overflows or vanishes
    apart = np.zeros((len(w), len(w)))
    for j, row in enumerate(w):
        step = w[j:] - row
        apart[j, j:] = apart[j:, j] = np.sqrt(np.einsum("ki,ki->k", step, step))
    return np.asarray(top * apart.sum(axis=1))


@criterion(
    needs=("weights",),
    single=False,
    cite="the entropy of a unit's weights; Luo & Wu (2017) have it of activations",
)
def weight_entropy(
    ev: Evidence, *, bins: int = 10, prune: Literal["high", "low"] = "high"
) -> Arrays:
    """s_j = sum_b p_jb ln(p_jb), p_jb the share of unit j's weights in bin b; prune="low": -s

    w: (units, incoming) -> s: (units,), unit of measure: nat. The bins are equally wide and cover
    the range of the LAYER's weights, the last one closed. prune="high": the unit whose weights are
    spread most goes first (s = minus the entropy). A flaw of the definition: a unit of equal
    weights, one of zeros too, has entropy 0 and is kept longest; prune="low" turns it round. So
    has each unit of a constant layer. Raises ArgumentError for single weights, for bins below 1
    and for another `prune`.
    """
    of_units("weight_entropy", ev)
    one_of("weight_entropy", "prune", prune, ("high", "low"))
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ArgumentError(
            f"weight_entropy: bins is {bins!r}, expected an integer of at least 1; "
            f"give bins=10, for example"
        )
    weights = rows(ev.of("weights"))
    entropy = {name: _entropy(w, int(bins)) for name, w in weights.items()}
    return {
        name: (-h if prune == "high" else h).astype(weights[name].dtype)
        for name, h in entropy.items()
    }


def _entropy(w: Array, bins: int) -> Array:
    if w.size == 0:
        return np.zeros(len(w))
    half = w.astype(np.float64) / 2  # so that the range cannot overflow
    edges = np.linspace(half.min(), half.max(), bins + 1)
    place = np.searchsorted(edges[1:-1], half, side="right")
    first = bins * np.arange(len(w))[:, None]  # one histogram for each row
    counts = np.bincount((place + first).ravel(), minlength=bins * len(w)).reshape(len(w), bins)
    p = counts / w.shape[1]
    total: Array = (p * np.log(np.where(p > 0, p, 1))).sum(axis=1)
    return 0.0 - total  # not -0.0 for a unit of equal weights
