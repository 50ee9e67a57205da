"""Choosing entries to remove, compiled: the k smallest, and row sweeps of Optimal Brain Surgeon.

A sweep costs n^3 / 6 multiply-adds for each row. A downdate is memory bound, so BLOCK of them wait
as rows p_k = A e_q / sqrt(A_qq) of P. A step needs the diagonal, kept up to date, and one column,
A e_q - P^T P e_q. Then A - P^T P is formed by one symmetric product of BLAS, and the removed rows
and columns are left out: the live entries stay packed in the front of the buffer.
"""

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops
from minprune.kernels.dense.select_ref import indefinite

BLOCK = 64  # downdates that wait; 32 to 96 take the same time within a third


@loops
def steps(a, x, d, score, closed, p, order, losses):  # type: ignore[no-untyped-def]
    """p.shape[0] removals from the packed a (m, m); order: places in it. False: an A_qq <= 0

    x, d: weights and diagonal, changed. closed: infinity where a weight is gone, else 0.
    """
    m = x.size
    for k in range(order.size):
        for j in range(m):
            score[j] = x[j] * x[j] / d[j] + closed[j]
        q, least = -1, np.inf
        for j in range(m):
            if score[j] <= least and closed[j] == 0.0:
                q, least = j, score[j]
            if not d[j] > 0.0:
                return False
        if q < 0:  # all are NaN
            return False
        column, row = p[k], a[q]
        for j in range(m):
            column[j] = row[j]
        for i in range(k):
            before, f = p[i], p[i, q]
            for j in range(m):
                column[j] -= f * before[j]
        pivot = d[q]
        step, scale = x[q] / pivot, 1.0 / np.sqrt(pivot)
        order[k], losses[k] = q, 0.5 * x[q] * step
        for i in range(k):
            column[order[i]] = 0.0
        for j in range(m):
            x[j] -= step * column[j]
        for j in range(m):
            column[j] *= scale
            d[j] -= column[j] * column[j]
        x[q], d[q], closed[q], column[q] = 0.0, 1.0, np.inf, 0.0
    return True


@loops
def pack(a, product, live, out):  # type: ignore[no-untyped-def]
    """out[i, j] = a[live[i], live[j]] - product[i, j]      out may lie in the front of a"""
    for i in range(live.size):
        row, target, part = a[live[i]], out[i], product[i]
        for j in range(live.size):
            target[j] = row[live[j]] - part[j]


def smallest(scores: Array, k: int, out: Array) -> None:
    """out[j] = True at the k first of the order (score, then the HIGHER index first)"""
    if k == 0 or k == scores.size:
        out.fill(k > 0)
        return
    scores, out = scores.reshape(-1), out.reshape(-1)
    last = np.partition(scores, k - 1)[k - 1]  # the k-th smallest; an exact value, no rounding
    np.less(scores, last, out=out)
    missing = k - int(np.count_nonzero(out))
    out[np.flatnonzero(scores == last)[-missing:]] = True


def obs_sweep(
    w: Array, inverse: Array, count: int | None, order: Array, losses: Array, left: Array
) -> None:
    """q = argmin w_q^2 / A_qq    loss = w_q^2 / (2 A_qq)    w -= w_q / A_qq A e_q, A likewise

    NonFiniteError where an A_qq is not above 0; see select_ref.
    """
    n, removed = len(inverse), order.shape[1]
    left[...] = 0.0
    buffer, spare = np.empty(n * n), np.empty(n * n)
    score, waiting = np.empty(n), np.empty((BLOCK, n))
    for r in range(len(w)):
        a = buffer.reshape(n, n)
        a[...] = inverse
        x, d = w[r].astype(np.float64), inverse.diagonal().copy()
        names = np.arange(n, dtype=np.uint32)
        for start in range(0, removed, BLOCK):
            k, m = min(BLOCK, removed - start), len(x)
            p, closed = waiting.reshape(-1)[: k * m].reshape(k, m), np.zeros(m)
            gone = order[r, start : start + k]
            if not steps(a, x, d, score[:m], closed, p, gone, losses[r, start : start + k]):
                raise indefinite(r)
            gone[...] = names[gone]
            live = np.flatnonzero(closed == 0).astype(np.uint32)
            names, x, d = names[live], x[live], d[live]
            if start + k < removed:
                p = np.take(p, live, axis=1)
                m = len(live)
                product = np.matmul(p.T, p, out=spare[: m * m].reshape(m, m))
                packed = buffer[: m * m].reshape(m, m)
                pack(a, product, live, packed)
                a = packed
        left[r, names] = x
