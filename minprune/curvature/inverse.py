"""H^-1 of the damped GGN, and the updates of Optimal Brain Surgeon, in float64.

H = alpha I + (1/P) sum_p sum_o x_po x_po^T, alpha = damp * mean(diag of the sum).
Sources: Hassibi & Stork (1992), Second order derivatives for network pruning: Optimal Brain
Surgeon; blocks: Singh & Alistarh (2020), WoodFisher.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real

import numpy as np

from minprune import arguments
from minprune.arguments import guard
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.model import all_finite

Places = int | Sequence[int] | Array  # one entry or several
LOW, HIGH = 1e-8, 1e-4  # of damp: below, rounding dominates; above, it is another Hessian
LIMIT = 2**31  # bytes that an inverse may take unless the caller says otherwise
TRAIN = "train with a lower learning rate, or check the data"
BLOCK = 128  # entries of a block of the Fisher
TOGETHER = 32  # rows that enter the recursion at a time


@dataclass(frozen=True)
class Inverse:
    """inverse = inv(alpha I + H), symmetric, float64; alpha: the damping that was added"""

    inverse: Array
    alpha: float


def inverse_from_rows(
    rows: Iterable[Array], count: int, damp: float = 1e-6, *,
    limit: int = LIMIT, strict: bool = True,
) -> Inverse:  # fmt: skip
    """inv(alpha I + (1/P) sum x x^T), P = count, by the recursion A -= A x x^T A / (P + x^T A x)

    rows: blocks (m, N) that can be iterated twice, such as a list: first for alpha. The
    recursion starts at A = I / alpha and takes up to 32 rows X at a time, which is the same:
    A -= A X^T (P I + X A X^T)^-1 X A. strict: damp must lie in 1e-8..1e-4.

    Raises ArgumentError for a damp outside, or too small for rounding, rows that can be iterated
    only once or are all zero, or an inverse of more than `limit` bytes; ShapeError and
    NonFiniteError for such rows.
    """
    (found,) = block_inverses(rows, count, None, damp, limit=limit, strict=strict)
    return found


def block_inverses(
    rows: Iterable[Array], count: int, size: int | None = BLOCK, damp: float = 1e-6, *,
    limit: int = LIMIT, strict: bool = True,
) -> list[Inverse]:  # fmt: skip
    """The same for each `size` consecutive entries, couplings between blocks neglected

    One alpha for all, from the mean of the whole diagonal. With rows g_p, the gradients of the
    samples, these are the blocks of the empirical Fisher. size None: one block.
    """
    check_damp(damp, strict)
    arguments.count("inverse", "count", count)
    arguments.count("inverse", "size", 1 if size is None else size)
    if iter(rows) is rows:
        raise ArgumentError(
            "inverse: rows must be blocks that can be iterated twice, not an iterator; pass a list"
        )
    diag = mean_squares(rows, count)
    alpha = damp * float(diag.mean()) if diag.size else 0.0
    not_zero(alpha, diag.size)
    n = diag.size
    spans = list(pairwise([*range(0, n, size or n), n]))
    nbytes, remedy = sum(8 * (b - a) ** 2 for a, b in spans), "use a smaller net, or raise limit="
    guard(f"an inverse over {n} entries", nbytes, limit, remedy)
    inverses = [np.eye(b - a) / alpha for a, b in spans]
    for block in rows:
        for start in range(0, len(block), TOGETHER):
            x = np.asarray(block[start : start + TOGETHER], np.float64)
            for inverse, (a, b) in zip(inverses, spans, strict=True):
                absorb(inverse, x[:, a:b], count)
    return [Inverse(inverse, alpha) for inverse in inverses]


def absorb(inverse: Array, x: Array, count: int) -> None:
    """A -= (X A)^T (P I + X A X^T)^-1 X A, in place      x: (m, N)"""
    y = x @ inverse
    lower = cholesky(
        y @ x.T + count * np.eye(len(x)),
        f"H^-1 lost positive definiteness to rounding in {len(inverse)} entries; raise damp",
    )
    part = np.linalg.solve(lower, y)
    inverse -= part.T @ part  # A^T A of one array: BLAS gives both triangles the same bits


def mean_squares(rows: Iterable[Array], count: int) -> Array:
    """(1/P) sum x^2, (N,): the diagonal of H without damping"""
    total: Array | None = None
    for block in rows:
        x = np.asarray(block, np.float64)
        if x.ndim != 2 or (total is not None and x.shape[1] != total.size):
            wanted = "N" if total is None else total.size
            raise ShapeError(
                f"inverse: a block of rows must have the shape (m, {wanted}), not {x.shape}; "
                f"pass matrices"
            )
        squares = np.einsum("pi,pi->i", x, x)
        total = squares if total is None else total + squares
    if total is None:
        raise ArgumentError("inverse: rows must hold at least one block, not none; pass samples")
    all_finite("inverse", "the diagonal of H", total, TRAIN)
    return total / count


def not_zero(h: Array | float, n: int) -> None:
    """Raises ArgumentError where H, over n entries, is 0."""
    if not np.any(h):
        raise ArgumentError(
            f"inverse: H must not be 0, as it is over all {n} entries; check the data, or whether "
            f"the units before or behind these weights are dead"
        )


def cholesky(h: Array, refusal: str) -> Array:
    """L, L L^T = h; raises ArgumentError where h is not positive definite."""
    try:
        return np.linalg.cholesky(h)
    except np.linalg.LinAlgError:
        raise ArgumentError(f"inverse: {refusal}") from None


def check_damp(damp: float, strict: bool) -> float:
    """damp; raises ArgumentError unless damp is a number above 0, and in LOW..HIGH where strict."""
    low, high = (LOW, HIGH) if strict else (0.0, np.inf)
    if not isinstance(damp, Real) or not low <= damp <= high or not 0 < damp < np.inf:
        raise ArgumentError(
            f"inverse: damp must be {'from 1e-8 to 1e-4' if strict else 'a number above 0'}, not "
            f"{damp!r}; pass damp=1e-6, for example"
        )
    return float(damp)


def damped_by(h: Array, damp: float, live: Array | None = None) -> tuple[Array, float]:
    """(h + alpha I, alpha), alpha = damp mean(diag h), one for all of an h (groups, N, N)

    live: (rows, N) bool, as many rows for each group: the mean is over the entries that are live,
    row by row, unless their inputs are all 0; None: all are.
    """
    n = h.shape[-1]
    alpha = damp * float(np.trace(h, axis1=-2, axis2=-1).mean()) / max(n, 1)
    if live is not None and not live.all():
        diag = np.diagonal(h, axis1=-2, axis2=-1).reshape(-1, 1, n)
        level = float((diag * live.reshape(len(diag), -1, n)).sum())
        alpha = damp * level / int(np.count_nonzero(live)) if level else alpha
    return h + alpha * np.eye(n), alpha


def damped_inverse(h: Array, damp: float = 1e-6, live: Array | None = None) -> Inverse:
    """inv(alpha I + h), alpha as damped_by has it, for an h (N, N) or (groups, N, N)

    damp: 1e-8..1e-4, or 0 for inv(h). live: see damped_by. Raises ArgumentError for another damp,
    an h that is zero, or singular beyond damp; NonFiniteError for one that is not finite.
    """
    if damp != 0:
        check_damp(damp, strict=True)
    n = h.shape[-1]
    all_finite("inverse", "H", h, TRAIN)
    if h.size:
        not_zero(h, n)
    damped, alpha = damped_by(h, damp, live)
    refusal = f"H + {alpha!r} I over {n} entries is not positive definite"
    cholesky(damped, f"{refusal}; raise damp, 1e-4 at most, or pass more samples")
    inverse = np.linalg.inv(damped)
    return Inverse((inverse + inverse.swapaxes(-1, -2)) / 2, alpha)


def downdate(inverse: Array, q: Places) -> Array:
    """A - A[:, Q] (A[Q, Q])^-1 A[Q], rows and columns Q exactly 0: the inverse of H without Q

    Raises ArgumentError where A[Q, Q] is not positive definite: an entry that is removed already,
    or named twice.
    """
    part = half(inverse, q)
    left: Array = inverse - part.T @ part
    left[q] = left[:, q] = 0.0
    return left


def remove(w: Array, inverse: Array, q: Places) -> tuple[Array, float]:
    """(w - A[:, Q] (A[Q, Q])^-1 w_Q, 1/2 w_Q^T (A[Q, Q])^-1 w_Q)      w: (N,), w[Q] exactly 0 after

    The set is removed as one: a sum of single updates is another, larger change. Raises as
    downdate does.
    """
    part = half(inverse, q, w)
    moved: Array = w - part[:, :-1].T @ part[:, -1]
    moved[q] = 0.0
    return moved, 0.5 * float(part[:, -1] @ part[:, -1])


def half(inverse: Array, q: Places, w: Array | None = None) -> Array:
    """L^-1 A[Q], with L^-1 w_Q as a last column where w is given      L L^T = A[Q, Q]"""
    q = np.atleast_1d(np.asarray(q, np.intp))
    right = inverse[q] if w is None else np.column_stack([inverse[q], w[q]])
    remedy = "leave out what is removed already, name each entry once, or raise damp"
    refusal = f"the part of {q.size} entries is not positive definite; {remedy}"
    lower = cholesky(inverse[np.ix_(q, q)], refusal)
    return np.asarray(np.linalg.solve(lower, right))
