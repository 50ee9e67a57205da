"""CONTRACT[name]: what each kernel promises: shapes, multiply-adds, and how far off it may be.

Tests, measures and benchmarks read it. The functions take all arguments of the kernel; the bound
takes f = np.finfo of the dtype first. See bounds.py for where the bounds come from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.kernels import bounds
from minprune.kernels import sparse_bounds as sparse
from minprune.kernels.bounds_obs import obs_sweep

Count = Callable[..., int]
Bound = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Contract:
    """shapes: in words    madds(*args): int    bound(f, *args): one per result    in_place: changed

    The results of a kernel that changes its arguments are those, at the places `in_place`.
    """

    shapes: str
    madds: Count
    bound: Bound
    in_place: tuple[int, ...] = ()


def bytes_moved(name: str, args: tuple[Any, ...], results: tuple[Array, ...]) -> int:
    """bytes = every array among the arguments, read once, and every result, written once"""
    read = sum(a.nbytes for a in args if isinstance(a, np.ndarray))
    return read + sum(r.nbytes for r in results)


def none(*_: Any) -> int:
    """0: nothing is multiplied"""
    return 0


def entries(x: Array, *_: Any) -> int:
    """One multiply-add for each entry of the first argument."""
    return x.size


def forward(x: Array, w: Array, b: Array | None, stride: Any, padding: Any, *_: Any) -> int:
    """o * i/groups * ky * kx * oh * ow * n"""
    oh, ow = bounds.places(x.shape, w.shape[2:], stride, padding)
    count: int = w.size * oh * ow * x.shape[3]
    return count


def sweeping(w: Array, inverse: Array, count: int | None = None) -> int:
    """sum over steps of (m^2 + m) / 2, m weights left: one triangle of each downdate"""
    n = len(inverse)
    return len(w) * sum(m * (m + 1) // 2 for m in range(n - (n if count is None else count), n))


def live(values: Array, columns: Array, row_start: Array, x: Array, *_: Any) -> int:
    """One multiply-add for each live value and column of x."""
    return values.size * (x.shape[1] if x.ndim == 2 else 1)


def with_last(values: Array, *args: Any) -> int:
    """One multiply-add for each live value and column of the last argument, g."""
    return values.size * int(args[-1].shape[1])


CONTRACT = {
    "unfold": Contract("(c, h, w, n) -> (c*ky*kx, oh*ow*n)", none, bounds.exact),
    "fold": Contract("(c*ky*kx, oh*ow*n) -> (c, h, w, n)", none, partial(bounds.spread, "fold")),
    "conv2d": Contract(
        "(i, h, w, n), (o, i/groups, ky, kx), (o,) -> (o, oh, ow, n)", forward, bounds.conv2d
    ),
    "conv2d_grad_input": Contract(
        "(o, oh, ow, n), (o, i/groups, ky, kx) -> (i, h, w, n)",
        lambda g, w, *_: w[0].size * g.size,
        bounds.conv2d_grad_input,
    ),
    "conv2d_grad_weight": Contract(
        "(o, oh, ow, n), (i, h, w, n) -> (o, i/groups, ky, kx)",
        lambda g, x, kernel, s, p, groups: len(x) // groups * prod(kernel) * g.size,
        bounds.conv2d_grad_weight,
    ),
    "affine": Contract(
        "(o, i), (i, n), (o,) -> (o, n)", lambda w, x, *_: w.size * x.shape[1], bounds.affine
    ),
    "matmul": Contract(
        "(m, n), (n, p) -> (m, p)",
        lambda a, b, ta, tb: a.size * b.shape[0 if tb else 1],
        bounds.matmul,
    ),
    "act": Contract("any -> the same", entries, bounds.act),
    "act_grad": Contract("any, the same -> the same", entries, bounds.act_grad),
    "erf": Contract("any -> the same", entries, bounds.erf),
    "scale_shift": Contract("(c, ...), (c,), (c,) -> (c, ...)", entries, bounds.scale_shift),
    "row_sum": Contract("(c, ...) -> (c,)", none, bounds.row_sum),
    "row_dot": Contract("(c, ...), the same -> (c,)", entries, bounds.row_dot),
    "moments": Contract("(c, ...) -> (c,), (c,)", entries, bounds.moments),
    "normalise": Contract("(c, ...), (c,), (c,) -> (c, ...)", entries, bounds.normalise),
    "normalise_grad": Contract(
        "(c, ...), the same, (c,) -> (c, ...)", lambda g, *_: 3 * g.size, bounds.normalise_grad
    ),
    "max_pool": Contract("(c, h, w, n) -> (c, oh, ow, n) twice", none, bounds.exact),
    "max_values": Contract("(c, h, w, n) -> (c, oh, ow, n)", none, bounds.exact),
    "pick": Contract("(c, h, w, n), (c, oh, ow, n) -> (c, oh, ow, n)", none, bounds.exact),
    "put": Contract(
        "(c, oh, ow, n), the same -> (c, h, w, n)", none, partial(bounds.spread, "put")
    ),
    "avg_pool": Contract("(c, h, w, n) -> (c, oh, ow, n)", none, bounds.avg_pool),
    "avg_pool_grad": Contract(
        "(c, oh, ow, n) -> (c, h, w, n)", entries, partial(bounds.spread, "avg_pool_grad")
    ),
    "softmax": Contract("(k, n) -> (k, n)", entries, bounds.softmax),
    "cross_entropy": Contract("(k, n), (n,) -> ()", entries, bounds.cross_entropy),
    "mse": Contract("(..., n), the same -> ()", entries, bounds.mse),
    "sgd_step": Contract(
        "any, and the same for all", lambda w, *_: 3 * w.size, bounds.sgd_step, in_place=(0, 2)
    ),
    "adam_step": Contract(
        "any, and the same for all", lambda w, *_: 7 * w.size, bounds.adam_step, in_place=(0, 2, 3)
    ),
    "smallest": Contract("any -> bool, the same", none, bounds.exact),
    "gather_last": Contract("(rows, ...), (n,) -> (..., n)", none, bounds.exact),
    "obs_sweep": Contract(
        "(rows, n), (n, n) -> (rows, count), the same, (rows, n)", sweeping, obs_sweep
    ),
    "csr_matmul": Contract("(m, n) in CSR, (n, p), (m,) -> (m, p)", live, sparse.csr_matmul),
    "csr_matvec": Contract("(m, n) in CSR, (n,) -> (m,)", live, sparse.csr_matvec),
    "csr_transpose": Contract("(k,), (m + 1,) -> (k,), (k,), (n + 1,)", none, lambda *_: (0, 0, 0)),
    "csr_matmul_t": Contract(
        "(m, n) in CSR, turned, (m, p) -> (n, p)", with_last, sparse.csr_matmul_t
    ),
    "csr_sampled": Contract(
        "places of (m, n), (m, p), (n, p) -> (k,)",
        lambda columns, starts, g, x: columns.size * x.shape[1],
        sparse.csr_sampled,
    ),
    "block_matmul": Contract(
        "(m, n) in block CSR, (n, p), (m,) -> (m, p)",
        lambda values, columns, starts, size, shape, x, *_: values.size * x.shape[1],
        sparse.block_matmul,
    ),
    "block_matmul_t": Contract(
        "(m, n) in block CSR, turned, (m, p) -> (n, p)", with_last, sparse.block_matmul_t
    ),
    "block_sampled": Contract(
        "places of (m, n), (m, p), (n, p) -> (k,)",
        lambda *args: sparse.block_sampled(np.finfo(np.float64), *args)[0].size * args[-1].shape[1],
        sparse.block_sampled,
    ),
    "nm_columns": Contract("(m, bytes) -> (m, k)", none, bounds.exact),
    "nm_matmul": Contract(
        "(m, n) in N:M, (n, p), (m,) -> (m, p)",
        lambda values, places, keep, group, x, *_: values.size * x.shape[1],
        sparse.nm_matmul,
    ),
    "nm_matmul_t": Contract("(m, n) in N:M, (m, p) -> (n, p)", with_last, sparse.nm_matmul_t),
    "nm_sampled": Contract(
        "places of (m, n), (m, p), (n, p) -> (k,)",
        lambda places, keep, group, g, x: (
            len(g) * (len(x) // group * keep + min(keep, len(x) % group)) * x.shape[1]
        ),
        sparse.nm_sampled,
    ),
    "csr_conv2d": Contract(
        "(o, i/groups*ky*kx) in CSR, (i, h, w, n), (o,) -> (o, oh, ow, n)",
        lambda values, columns, starts, kernel, x, b=None, stride=(1, 1), padding=(0, 0), *_: (
            values.size * prod(bounds.places(x.shape, kernel, stride, padding)) * x.shape[3]
        ),
        sparse.csr_conv2d,
    ),
    "csr_conv2d_grad_input": Contract(
        "(o, i/groups*ky*kx) in CSR, (o, oh, ow, n) -> (i, h, w, n)",
        lambda values, columns, starts, kernel, g, *_: values.size * g[0].size,
        sparse.csr_conv2d_grad_input,
    ),
    "csr_conv2d_grad_weight": Contract(
        "places of (o, i/groups*ky*kx), (o, oh, ow, n), (i, h, w, n) -> (k,)",
        lambda columns, starts, kernel, g, *_: columns.size * g[0].size,
        sparse.csr_conv2d_grad_weight,
    ),
}
