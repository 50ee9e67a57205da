"""Choosing entries to remove in plain NumPy: the definition of select_jit."""

import numpy as np

from minprune.core import Array
from minprune.errors import NonFiniteError


def smallest(scores: Array, k: int, out: Array) -> None:
    """out[j] = True at the k first of the order (score, then the HIGHER index first)"""
    order = np.lexsort((-np.arange(scores.size), scores.reshape(-1)))
    out[...] = False
    out.reshape(-1)[order[:k]] = True


def indefinite(row: int) -> NonFiniteError:
    """What is raised where an A_qq is not above 0"""
    return NonFiniteError(
        f"obs_sweep: the diagonal of the inverse must stay above 0, not fall to 0 or below in row "
        f"{row}, so it is not positive definite to rounding; raise damp"
    )


def obs_sweep(
    w: Array, inverse: Array, count: int | None, order: Array, losses: Array, left: Array
) -> None:
    """q = argmin w_q^2 / A_qq    loss = w_q^2 / (2 A_qq)    w -= w_q / A_qq A e_q, A likewise

    A -= A e_q e_q^T A / A_qq. Repeated order.shape[1] times for each row of w, from the same
    inverse A; among equals the higher index goes. NonFiniteError where an A_qq is not above 0.
    """
    left[...] = w
    for r, x in enumerate(left):
        a, live = inverse.copy(), np.arange(len(inverse))
        for step in range(order.shape[1]):
            d = a.diagonal()[live]
            if not (d > 0).all():
                raise indefinite(r)
            score = x[live] ** 2 / d
            q = live[::-1][np.argmin(score[::-1])]
            column, pivot = a[:, q].copy(), a[q, q]
            order[r, step], losses[r, step] = q, x[q] ** 2 / pivot / 2
            x -= x[q] / pivot * column
            a -= np.outer(column, column) / pivot
            x[q] = 0.0
            a[q] = a[:, q] = 0.0
            live = live[live != q]
