"""What a unit puts out: how often it is silent, how much it gives, how much its output varies."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.criteria.options import of_units, one_of, tolerance
from minprune.errors import ArgumentError


@criterion(
    needs=("activations",),
    chunk="batch",
    unit="whole",
    single=False,
    cite="Hu et al. (2016), Network Trimming: the Average Percentage of Zeros",
)
def apoz(ev: Evidence, *, tol: float = 0.0) -> Arrays:
    """s = 1 - mean(|a| <= tol), the mean over samples and positions; tol = 0: a == 0

    a: (samples, units, positions) -> s: (units,), a share: 1 - APoZ, so that what is silent most
    goes first. For ReLU; tol makes it one for units that are never exactly 0. Raises ArgumentError
    for single weights, and for a tol that is not finite or below 0.
    """
    of_units("apoz", ev)
    tolerance("apoz", tol, "an activation counts as silent where |a| <= tol")
    return _means(ev, lambda a: np.abs(a) > tol)


def root(scores: Arrays, kind: str = "mean") -> Arrays:
    """s for the mean, sqrt(s) for rms"""
    return {name: np.sqrt(s) if kind == "rms" else s for name, s in scores.items()}


@criterion(
    needs=("activations",),
    chunk="batch",
    unit="whole",
    single=False,
    finish=root,
    cite="the mean activation of Molchanov et al. (2017), there without the absolute value",
)
def activation(ev: Evidence, *, kind: Literal["mean", "rms"] = "mean") -> Arrays:
    """s = mean |a|; kind="rms": s = sqrt(mean a^2); both over samples and positions

    a: (samples, units, positions) -> s: (units,), unit of measure: that of the activation. Units
    that put out next to nothing go first. The root is taken once all samples are averaged. Raises
    ArgumentError for single weights and for another kind.
    """
    of_units("activation", ev)
    one_of("activation", "kind", kind, ("mean", "rms"))
    return _means(ev, np.abs if kind == "mean" else np.square)


def _means(ev: Evidence, of: Callable[[Array], Array]) -> Arrays:
    """The mean of of(a) over samples and positions, in float64; of no activation at all: 0"""
    found = {}
    for name, a in ev.of("activations").items():
        over = (0, *range(2, a.ndim))
        count = max(a.size // max(a.shape[1], 1), 1)
        found[name] = (of(a).sum(axis=over, dtype=np.float64) / count).astype(a.dtype)
    return found


@criterion(
    needs=("act_hist",),
    unit="whole",
    single=False,
    cite="Luo & Wu (2017), An Entropy-based Pruning Method for CNN Compression",
)
def activation_entropy(
    ev: Evidence, *, bins: int = 10, prune: Literal["low", "high"] = "low"
) -> Arrays:
    """s = -sum_b p_b ln(p_b), p_b the share of samples in bin b; prune="high": -s

    act_hist: (units, bins), how many samples' mean activation over the positions falls into each of
    equally wide bins over the unit's own range -> s: (units,), unit of measure: nat. A unit that
    says the same to every sample goes first; prune="high" turns it round. A unit without samples
    has 0. Raises ArgumentError for single weights, for another prune, and for histograms of another
    number of bins.
    """
    of_units("activation_entropy", ev)
    one_of("activation_entropy", "prune", prune, ("low", "high"))
    found = {}
    for name, counts in ev.of("act_hist").items():
        if counts.shape[1] != bins:
            raise ArgumentError(
                f"activation_entropy: bins is {bins!r}, and act_hist of {name} has "
                f"{counts.shape[1]}; say how many it has"
            )
        h = _entropy(counts)
        found[name] = (h if prune == "low" else 0.0 - h).astype(counts.dtype)
    return found


def _entropy(counts: Array) -> Array:
    wide = counts.astype(np.float64)
    total = wide.sum(axis=1, keepdims=True)
    p = wide / np.where(total > 0, total, 1)
    found: Array = (p * np.log(np.where(p > 0, p, 1))).sum(axis=1)
    return 0.0 - found  # not -0.0
