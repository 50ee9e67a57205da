"""s = |w| and s = (sum |w|^p)^(1/p): what a weight weighs."""

import numpy as np

from minprune.core import Arrays, Evidence, criterion
from minprune.errors import ArgumentError


@criterion(needs=("weights",), cite="Han et al. (2015), Learning both Weights and Connections")
def magnitude(ev: Evidence) -> Arrays:
    """s = |w|      s, w: one shape per tensor      unit: that of the weight"""
    return {name: np.abs(w) for name, w in ev.of("weights").items()}


@criterion(needs=("weights",), cite="Li et al. (2016), Pruning Filters; L0, L1, L2 and L-infinity")
def norm(ev: Evidence, *, p: float = 2, tol: float = 0.0) -> Arrays:
    """s = (|w|^p)^(1/p) = |w|; p = 0: s = 1 if |w| > tol, else 0      s, w: one shape per tensor

    The p-norm of a single weight: p = 1, 2 and inf rank as magnitude, p = 0 counts. `tol` is for
    p = 0 alone. Raises ArgumentError for a p other than 0, 1, 2 or inf.
    """
    if p not in (0, 1, 2, np.inf):
        raise ArgumentError(f"norm: p is {p!r}, expected 0, 1, 2 or inf; choose one of them")
    if p == 0:
        return {name: (np.abs(w) > tol).astype(w.dtype) for name, w in ev.of("weights").items()}
    return {name: np.abs(w) for name, w in ev.of("weights").items()}
