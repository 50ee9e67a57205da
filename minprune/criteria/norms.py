"""s = |w| and s = (sum |w|^p)^(1/p): what a weight, or a unit, weighs."""

import numpy as np

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.criteria.options import belongs, one_of, rows, tolerance


@criterion(needs=("weights",), cite="Han et al. (2015), Learning both Weights and Connections")
def magnitude(ev: Evidence) -> Arrays:
    """s = |w|; unit: s = sqrt(sum w^2)      unit of measure: that of the weight

    s, w: one shape per tensor; for units w: (units, incoming) -> s: (units,).
    """
    return norm(ev, p=2)


@criterion(needs=("weights",), cite="Li et al. (2016), Pruning Filters; L0, L1, L2 and L-infinity")
def norm(ev: Evidence, *, p: float = 2, tol: float = 0.0) -> Arrays:
    """s = (sum |w|^p)^(1/p); p = 0: the count of |w| > tol; p = inf: max |w|

    For a unit the sum runs over its incoming weights, w: (units, incoming) -> s: (units,). For a
    single weight it has one term, s = |w| (p = 0: 1 or 0), so p = 1, 2 and inf rank as magnitude.
    Sums in float64. Raises ArgumentError for a p other than 0, 1, 2 or inf, and for a tol that is
    not finite, below 0, or of another p.
    """
    one_of("norm", "p", p, (0, 1, 2, np.inf))
    tolerance("norm", tol, "p = 0 counts the weights with |w| > tol")
    if p != 0 and tol:
        belongs("norm", "tol", "p=0", p)
    weights = rows(ev.of("weights")) if ev.unit else ev.of("weights")
    return {name: _norm(np.abs(w), ev.unit, p, tol) for name, w in weights.items()}


def _norm(size: Array, unit: bool, p: float, tol: float) -> Array:
    if p == 0:
        over = size > tol
        return (over.sum(axis=1) if unit else over).astype(size.dtype)
    if not unit:
        return size
    largest: Array = size.max(axis=1, initial=0)
    if p == np.inf:
        return largest
    scale = np.where(largest > 0, largest, 1)  # so that no square overflows or vanishes
    terms = (size / scale[:, None]).astype(np.float64) ** p
    total: Array = scale * terms.sum(axis=1) ** (1 / p)
    return total.astype(size.dtype)
