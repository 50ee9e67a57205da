"""H^-1 of the damped GGN, and what Optimal Brain Surgeon does with it, in float64.

H = alpha I + (1/P) sum_p sum_o x_po x_po^T, alpha = damp * mean(diag of the sum).
Sources: Hassibi & Stork (1992), Second order derivatives for network pruning: Optimal Brain
Surgeon; blocks: Singh & Alistarh (2020), WoodFisher.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real

import numpy as np

from minprune.core import Array
from minprune.curvature.checks import guard
from minprune.errors import ArgumentError, NonFiniteError, ShapeError

LOW, HIGH = 1e-8, 1e-4  # of damp: less drowns in rounding, more is another Hessian
LIMIT = 2**31  # bytes that an inverse may take unless the caller says otherwise
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

    rows: blocks (m, N) that can be walked twice, such as a list: the first walk finds alpha. The
    recursion starts at A = I / alpha and takes up to 32 rows X at a time, which is the same:
    A -= A X^T (P I + X A X^T)^-1 X A. strict: damp must lie in 1e-8..1e-4.

    Raises ArgumentError for a damp outside, or so small that rounding wins, rows that can be walked
    only once or are all zero, or an inverse of more than `limit` bytes; ShapeError and
    NonFiniteError for such rows.
    """
    (found,) = block_inverses(rows, count, None, damp, limit=limit, strict=strict)
    return found


def block_inverses(
    rows: Iterable[Array], count: int, size: int | None = 128, damp: float = 1e-6, *,
    limit: int = LIMIT, strict: bool = True,
) -> list[Inverse]:  # fmt: skip
    """The same for each `size` consecutive entries, couplings between blocks neglected

    One alpha for all, from the mean of the whole diagonal. With rows g_p, the gradients of the
    samples, these are the blocks of the empirical Fisher. size None: one block.
    """
    check_damp(damp, strict)
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ArgumentError(
            f"count is {count!r}, expected the number of samples, at least 1; "
            f"give len(x), not the number of rows"
        )
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1
    ):
        raise ArgumentError(f"size is {size!r}, expected an integer of at least 1; use size=128")
    if iter(rows) is rows:
        raise ArgumentError(
            "rows is an iterator, which can be walked once, expected blocks that can be walked "
            "twice; give a list, or an object whose __iter__ makes them anew"
        )
    diag = mean_squares(rows, count)
    alpha = damp * float(diag.mean()) if diag.size else 0.0
    if alpha == 0.0:
        raise ArgumentError(
            f"all rows are zero over {diag.size} entries, so H = 0, which has no inverse and gives "
            f"damp no scale; check the data, or whether the net's output depends on these weights"
        )
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
    try:
        lower = np.linalg.cholesky(y @ x.T + count * np.eye(len(x)))
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"rounding has won over {len(inverse)} entries: a part of H^-1 is not positive "
            f"definite; raise damp"
        ) from None
    part = np.linalg.solve(lower, y)
    inverse -= part.T @ part  # A^T A of one array: BLAS gives both triangles the same bits


def mean_squares(rows: Iterable[Array], count: int) -> Array:
    """(1/P) sum x^2, (N,): the diagonal of H without damping"""
    total: Array | None = None
    for block in rows:
        x = np.asarray(block, np.float64)
        if x.ndim != 2 or (total is not None and x.shape[1] != total.size):
            wanted = "N" if total is None else total.size
            raise ShapeError(f"a block of rows is {x.shape}, expected (m, {wanted}); give matrices")
        squares = np.einsum("pi,pi->i", x, x)
        total = squares if total is None else total + squares
    if total is None:
        raise ArgumentError("there are no rows, expected at least one block; give some samples")
    bad = total.size - int(np.count_nonzero(np.isfinite(total)))
    if bad:
        raise NonFiniteError(
            f"{bad} of {total.size} entries of the diagonal of H are not finite, expected numbers; "
            f"train with a lower learning rate, or mend the data"
        )
    return total / count


def check_damp(damp: float, strict: bool) -> None:
    """Raises ArgumentError unless damp is a number above 0, and in LOW..HIGH where strict."""
    low, high = (LOW, HIGH) if strict else (0.0, np.inf)
    if not isinstance(damp, Real) or not low <= damp <= high or not 0 < damp < np.inf:
        raise ArgumentError(
            f"damp is {damp!r}, expected {'1e-8 to 1e-4' if strict else 'a number above 0'}, a "
            f"share of the mean of diag H; give damp=1e-6, for example"
        )


def damped_by(h: Array, damp: float) -> tuple[Array, float]:
    """(h + alpha I, alpha), alpha = damp mean(diag h), one for all of an h (groups, N, N)"""
    n = h.shape[-1]
    alpha = damp * float(np.trace(h, axis1=-2, axis2=-1).mean()) / max(n, 1)
    return h + alpha * np.eye(n), alpha


def damped_inverse(h: Array, damp: float = 1e-6) -> Inverse:
    """inv(alpha I + h), alpha as damped_by has it, for an h (N, N) or (groups, N, N) at hand

    damp: 1e-8..1e-4, or 0 for inv(h). Raises ArgumentError for another damp, an h that is zero, or
    singular beyond damp; NonFiniteError for one that is not finite.
    """
    if damp != 0:
        check_damp(damp, strict=True)
    n = h.shape[-1]
    bad = h.size - int(np.count_nonzero(np.isfinite(h)))
    if bad:
        raise NonFiniteError(
            f"{bad} of {h.size} entries of H are not finite, expected numbers; "
            f"train with a lower learning rate, or mend the data"
        )
    if h.size and not h.any():
        raise ArgumentError(
            f"H is zero over {n} entries, which has no inverse and gives damp no scale; check the "
            f"data, or whether the units that this layer reads are dead"
        )
    damped, alpha = damped_by(h, damp)
    try:
        np.linalg.cholesky(damped)
        inverse = np.linalg.inv(damped)
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"H + {alpha!r} I over {n} entries is not positive definite, so it has no inverse to "
            f"sweep by; raise damp, 1e-4 at most, or give more samples"
        ) from None
    return Inverse((inverse + inverse.swapaxes(-1, -2)) / 2, alpha)


def downdate(inverse: Array, q: int) -> Array:
    """A - A e_q e_q^T A / A_qq, row and column q exactly 0: the inverse of H without q"""
    return downdate_set(inverse, [q])


def downdate_set(inverse: Array, q: Sequence[int] | Array) -> Array:
    """A - A[:, Q] (A[Q, Q])^-1 A[Q], rows and columns Q exactly 0: the inverse of H without Q

    Raises ArgumentError where A[Q, Q] is not positive definite: a q that is gone already, or twice.
    """
    part = half(inverse, q)
    left: Array = inverse - part.T @ part
    left[q] = left[:, q] = 0.0
    return left


def remove(w: Array, inverse: Array, q: int) -> tuple[Array, float]:
    """(w - w_q / A_qq A e_q, w_q^2 / (2 A_qq)): w without q, all others adjusted, and the score"""
    return remove_set(w, inverse, [q])


def remove_set(w: Array, inverse: Array, q: Sequence[int] | Array) -> tuple[Array, float]:
    """(w - A[:, Q] (A[Q, Q])^-1 w_Q, 1/2 w_Q^T (A[Q, Q])^-1 w_Q)      w: (N,), w[Q] exactly 0 after

    The set is removed as one: a sum of single updates is another, larger change. Raises as
    downdate_set does.
    """
    part = half(inverse, q, w)
    moved: Array = w - part[:, :-1].T @ part[:, -1]
    moved[q] = 0.0
    return moved, 0.5 * float(part[:, -1] @ part[:, -1])


def half(inverse: Array, q: Sequence[int] | Array, w: Array | None = None) -> Array:
    """L^-1 A[Q], with L^-1 w_Q as a last column where w is given      L L^T = A[Q, Q]"""
    q = np.asarray(q, np.intp)
    right = inverse[q] if w is None else np.column_stack([inverse[q], w[q]])
    try:
        lower = np.linalg.cholesky(inverse[np.ix_(q, q)])
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"inverse[Q, Q] over {q.size} entries is not positive definite, so they cannot be "
            f"removed; leave out what is gone already, name each once, or raise damp"
        ) from None
    solved: Array = np.linalg.solve(lower, right)
    return solved
