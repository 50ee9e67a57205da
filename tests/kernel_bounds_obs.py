"""How far off a row sweep may be, derived: losses by eta t, weights by eta sqrt(A_jj t).

Steps eliminate the pivots of B = [[A, w], [w^T, t]], A = H^-1, t = 2 w^T H w; w is never a pivot.
The corner falls from t by twice the losses so far. Rounding makes the result that of B + E exactly,
|E_ij| <= gamma(n + 8) sqrt(B_ii B_jj) (Higham 2002, theorem 10.3, a few roundings added for the
scaling). With l the least eigenvalue of B scaled to a diagonal of ones, and
eta = (n + 1) gamma(n + 8) / l, therefore (1 - eta) B <= B + E <= (1 + eta) B as quadratic forms,
and what elimination leaves obeys the same: an entry i, j of it is off by at most eta times the root
of its diagonal entries. That holds while both take the same order.
"""

from typing import Any

import numpy as np
from kernel_bounds import Wide, gamma

from minprune.core import Array


def obs_sweep(
    _: Any, w: Array, inverse: Array, count: int | None = None
) -> tuple[int, Array, Array]:
    """order: 0      losses: eta t      left: eta sqrt(A_jj t)      always those of float64"""
    f, (rows, n) = np.finfo(np.float64), w.shape
    losses = np.zeros((rows, n if count is None else count), Wide)
    left = np.zeros((rows, n), Wide)
    for r in range(rows if n else 0):
        x = w[r].astype(np.float64)
        t = 2 * x @ np.linalg.solve(inverse, x)
        if t <= 0:  # a row of zeros stays exact
            continue
        b = np.block([[inverse, x[:, None]], [x[None], np.full((1, 1), t)]])
        scale = np.sqrt(b.diagonal())
        least = np.linalg.eigvalsh(b / np.outer(scale, scale))[0]
        eta = (n + 1) * gamma(n + 8, f) / least if least > 0 else np.inf
        eta = eta if eta < 0.5 else np.inf
        losses[r], left[r] = eta * t, eta * np.sqrt(inverse.diagonal() * t)
    return 0, losses, left
