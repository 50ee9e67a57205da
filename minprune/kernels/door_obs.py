"""The door to the row sweeps of Optimal Brain Surgeon: checks, allocates, calls."""

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, NonFiniteError
from minprune.kernels.checks import MATRIX, expect, ready
from minprune.kernels.choice import impl


def obs_sweep(w: Array, inverse: Array, count: int | None = None) -> tuple[Array, Array, Array]:
    """order, losses, left: repeat {q = argmin w_q^2 / (2 [H^-1]_qq); remove, adjust, downdate}

    w: (rows, n), inverse: (n, n) float64, H^-1 that all rows share, symmetric. -> order: (rows,
    count) int64, losses: (rows, count), the loss of each step, left: (rows, n), the weights after
    `count` removals (all, unless given), 0.0 where removed. All in float64, also for float32 w.
    Among equal scores the higher index goes first, as everywhere; scores that only rounding tells
    apart may go either way.

    The sum of the first k losses is 1/2 d^T H d, d the change of w: the error of the least-squares
    refit on what is left, if H = (2/P) X X^T. Source: Hassibi & Stork (1992); Frantar & Alistarh
    (2022), ExactOBS. Raises NonFiniteError where a diagonal entry is not above 0 when it is needed:
    H^-1 is not positive definite to rounding.
    """
    w, inverse = ready("obs_sweep", "w", w, MATRIX), ready("obs_sweep", "inverse", inverse, MATRIX)
    rows, n = w.shape
    if inverse.dtype != np.float64:
        raise ArgumentError(
            f"obs_sweep: inverse is {inverse.dtype}, expected float64; "
            f"sweeps in single precision lose their way"
        )
    expect("obs_sweep", "inverse", inverse, (n, n), "one row and column per column of w")
    count = n if count is None else count
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or not 0 <= count <= n:
        raise ArgumentError(
            f"obs_sweep: count is {count!r}, expected an integer from 0 to {n}, the weights of a "
            f"row; count first, then sweep"
        )
    for name, a in (("w", w), ("inverse", inverse)):
        bad = a.size - int(np.count_nonzero(np.isfinite(a)))
        if bad:
            raise NonFiniteError(
                f"obs_sweep: {bad} of {a.size} entries of {name} are not finite, expected numbers; "
                f"find where they came from"
            )
    order = np.empty((rows, count), np.int64)
    losses, left = np.empty((rows, count)), np.empty((rows, n))
    failed = impl().obs_sweep(w.astype(np.float64, copy=False), inverse, order, losses, left)
    if failed is not None:
        raise NonFiniteError(
            f"obs_sweep: row {failed} meets a diagonal entry that is not above 0, so the inverse "
            f"is not positive definite to rounding; raise damp"
        )
    return order, losses, left
