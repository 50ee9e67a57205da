"""Choosing entries, fast: a partition instead of a sort, and a transposing gather in squares."""

from math import prod

import numpy as np

from minprune.core import Array
from minprune.kernels.compile_jit import loops
from minprune.kernels.dense import select_ref
from minprune.kernels.registers_jit import gather_square, lanes_of


@loops
def gather_columns(x, index, out):  # type: ignore[no-untyped-def]
    """out[f, j] = x[index[j], f]      squares as wide as a register, then the edges"""
    n, features = index.size, x.shape[1]
    lanes = lanes_of(x)
    down, across = n - n % lanes, features - features % lanes
    source, target = x.reshape(-1), out.reshape(-1)
    for j in range(0, down, lanes):
        for f in range(0, across, lanes):
            gather_square(source, index, j, features, f, target, f * n + j, n)
    for j in range(n):
        row = x[index[j]]
        for f in range(across if j < down else 0, features):
            out[f, j] = row[f]


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


def gather_last(x: Array, index: Array, out: Array) -> None:
    """out[..., j] = x[index[j], ...]"""
    if x.flags.c_contiguous and x.flags.aligned:
        features = prod(x.shape[1:])  # spelt out: of no rows, -1 could be anything
        gather_columns(x.reshape(len(x), features), index, out.reshape(features, index.size))
    else:
        select_ref.gather_last(x, index, out)
