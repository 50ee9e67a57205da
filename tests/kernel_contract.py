"""CONTRACT[name]: what each kernel promises: multiply-adds, and how far off it may be.

Tests read it. The functions take all arguments of the kernel; the bound
takes f = np.finfo of the dtype first. See kernel_bounds.py for where the bounds come from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import kernel_bounds as bounds
import numpy as np
import sparse_bounds as sparse
from kernel_bounds_obs import obs_sweep

from minprune.core import Array

Count = Callable[..., int]
Bound = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Contract:
    """madds(*args): int    bound(f, *args): one per result    in_place: changed

    The results of a kernel that changes its arguments are those, at the places `in_place`.
    """

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


def forward(
    x: Array, w: Array, b: Array | None, stride: Any, padding: Any, groups: int = 1,
    kind: str = "none", dilation: Any = (1, 1),
) -> int:  # fmt: skip
    """o * i/groups * ky * kx * oh * ow * n"""
    oh, ow = bounds.places(x.shape, w.shape[2:], stride, padding, dilation)
    count: int = w.size * oh * ow * x.shape[3]
    return count


def sweeping(w: Array, inverse: Array, count: int | None = None) -> int:
    """sum over steps of (m^2 + m) / 2, m weights left: one triangle of each downdate"""
    n = len(inverse)
    return len(w) * sum(m * (m + 1) // 2 for m in range(n - (n if count is None else count), n))


def live(values: Array, columns: Array, row_start: Array, x: Array, *_: Any) -> int:
    """One multiply-add for each live value and column of x."""
    return values.size * (x.shape[1] if x.ndim == 2 else 1)


def live_forward(
    values: Array, columns: Array, row_start: Array, kernel: Any, x: Array, b: Array | None = None,
    stride: Any = (1, 1), padding: Any = (0, 0), groups: int = 1, kind: str = "none",
    dilation: Any = (1, 1),
) -> int:  # fmt: skip
    """k * oh * ow * n"""
    oh, ow = bounds.places(x.shape, kernel, stride, padding, dilation)
    count: int = values.size * oh * ow * x.shape[3]
    return count


def with_last(values: Array, *args: Any) -> int:
    """One multiply-add for each live value and column of the last argument, g."""
    return values.size * int(args[-1].shape[1])


CONTRACT = {
    "unfold": Contract(none, bounds.exact),
    "fold": Contract(none, partial(bounds.spread, "fold")),
    "conv2d": Contract(forward, bounds.conv2d),
    "conv2d_grad_input": Contract(
        lambda g, w, *_: w[0].size * g.size,
        bounds.conv2d_grad_input,
    ),
    "conv2d_grad_weight": Contract(
        lambda g, x, kernel, s, p, groups, *_: len(x) // groups * prod(kernel) * g.size,
        bounds.conv2d_grad_weight,
    ),
    "affine": Contract(lambda w, x, *_: w.size * x.shape[1], bounds.affine),
    "matmul": Contract(
        lambda a, b, ta, tb: a.size * b.shape[0 if tb else 1],
        bounds.matmul,
    ),
    "act": Contract(entries, bounds.act),
    "act_grad": Contract(entries, bounds.act_grad),
    "erf": Contract(entries, bounds.erf),
    "scale_shift": Contract(entries, bounds.scale_shift),
    "noisy": Contract(entries, bounds.noisy),
    "noisy_grad": Contract(entries, bounds.noisy_grad),
    "row_sum": Contract(none, bounds.row_sum),
    "row_dot": Contract(entries, bounds.row_dot),
    "moments": Contract(entries, bounds.moments),
    "normalise": Contract(entries, bounds.normalise),
    "normalise_grad": Contract(lambda g, *_: 3 * g.size, bounds.normalise_grad),
    "max_pool": Contract(none, bounds.exact),
    "max_values": Contract(none, bounds.exact),
    "pick": Contract(none, bounds.exact),
    "put": Contract(none, partial(bounds.spread, "put")),
    "avg_pool": Contract(none, bounds.avg_pool),
    "avg_pool_grad": Contract(entries, partial(bounds.spread, "avg_pool_grad")),
    "softmax": Contract(entries, bounds.softmax),
    "cross_entropy": Contract(entries, bounds.cross_entropy),
    "mse": Contract(entries, bounds.mse),
    "sgd_step": Contract(lambda w, *_: 3 * w.size, bounds.sgd_step, in_place=(0, 2)),
    "adam_step": Contract(lambda w, *_: 7 * w.size, bounds.adam_step, in_place=(0, 2, 3)),
    "smallest": Contract(none, bounds.exact),
    "gather_last": Contract(none, bounds.exact),
    "obs_sweep": Contract(sweeping, obs_sweep),
    "csr_matmul": Contract(live, sparse.csr_matmul),
    "csr_matvec": Contract(live, sparse.csr_matvec),
    "csr_transpose": Contract(none, lambda *_: (0, 0, 0)),
    "csr_matmul_t": Contract(with_last, sparse.csr_matmul_t),
    "csr_sampled": Contract(
        lambda columns, starts, g, x: columns.size * x.shape[1],
        sparse.csr_sampled,
    ),
    "block_matmul": Contract(
        lambda values, columns, starts, size, shape, x, *_: values.size * x.shape[1],
        sparse.block_matmul,
    ),
    "block_matmul_t": Contract(with_last, sparse.block_matmul_t),
    "block_sampled": Contract(
        lambda c, r, size, stored, g, x: stored * x.shape[1], sparse.block_sampled
    ),
    "csr_conv2d": Contract(
        live_forward,
        sparse.csr_conv2d,
    ),
    "csr_conv2d_grad_input": Contract(
        lambda values, columns, starts, kernel, g, *_: values.size * g[0].size,
        sparse.csr_conv2d_grad_input,
    ),
    "csr_conv2d_grad_weight": Contract(
        lambda columns, starts, kernel, g, *_: columns.size * g[0].size,
        sparse.csr_conv2d_grad_weight,
    ),
}
