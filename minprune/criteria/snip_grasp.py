"""Criteria for pruning before training: what a weight does to the loss, or to its gradient."""

import numpy as np

from minprune.core import Arrays, Evidence, criterion
from minprune.criteria.options import alike


@criterion(
    needs=("weights", "grads"),
    unit="gate",
    cite="Lee et al. (2019), SNIP: Single-shot Network Pruning based on Connection Sensitivity",
)
def snip(ev: Evidence) -> Arrays:
    """s = |g w| / sum |g w|, the sum over all scored entries of all layers; 0/0 = 0

    s, w, g: one shape per tensor; for a unit w = 1 is its gate, all (units,). A share, without a
    unit of measure; all scores sum to 1. |g w| = |dL/dc| at c = 1 for the gates w * c. g is of all
    samples given, at once. Sums in float64.
    """
    found = alike("snip", ev, "weights", "grads")
    size = {n: np.abs(np.multiply(w, g, dtype=np.float64)) for n, (w, g) in found.items()}
    top = max((s.max(initial=0) for s in size.values()), default=0) or 1  # no sum overflows
    total = sum(float((s / top).sum()) for s in size.values()) or 1
    return {name: (s / top / total).astype(found[name][0].dtype) for name, s in size.items()}


@criterion(
    needs=("weights", "hess_grad"),
    unit="outgoing",
    cite="Wang et al. (2020), Picking Winning Tickets Before Training (GraSP)",
)
def grasp(ev: Evidence) -> Arrays:
    """s = w (H g); unit: the sum over its outgoing weights

    s, w, H g: one shape per tensor; for units (units, outgoing) -> s: (units,). Unit of measure:
    gradient squared. The paper removes the highest of -w (H g), so s is turned round: higher =
    keep. To first order removing w changes norm(g)^2 by -2 s: what goes first (s < 0) makes the
    gradient grow. A statement on small steps: removing much at once may do the opposite. H and g
    are of the SAME samples.
    """
    found = alike("grasp", ev, "weights", "hess_grad")
    return {name: ev.sum(w * hess_grad) for name, (w, hess_grad) in found.items()}
