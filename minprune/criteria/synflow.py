"""s = |w| dR/d|w|: what flows through a weight when all weights and inputs are positive."""

import numpy as np

from minprune.core import Arrays, Evidence, criterion
from minprune.criteria.options import alike


@criterion(
    needs=("weights", "path_grads"),
    unit="outgoing",
    cite="Tanaka et al. (2020), Pruning Neural Networks without any Data (SynFlow)",
)
def synflow(ev: Evidence) -> Arrays:
    """s = |w| dR/d|w|, R = 1^T (prod |W_l|) 1; unit: the sum over its outgoing weights

    s, w, dR/d|w|: one shape per tensor; for units (units, outgoing) -> s: (units,). Never negative;
    unit of measure: that of R. What goes into a hidden unit, over all that makes it, comes out of
    it (a depthwise layer passes it on, so it counts once), and each layer has the same total.
    Biases are 0, activations the identity, BatchNorm a positive scale. Version: the paper's score;
    its 100 rounds, without which high sparsities empty layers, are the caller's.
    """
    found = alike("synflow", ev, "weights", "path_grads")
    return {name: ev.sum(np.abs(w) * paths) for name, (w, paths) in found.items()}
