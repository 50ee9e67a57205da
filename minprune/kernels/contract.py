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
    "scale_shift": Contract("(c, ...), (c,), (c,) -> (c, ...)", entries, bounds.scale_shift),
    "row_sum": Contract("(c, ...) -> (c,)", none, bounds.row_sum),
    "row_dot": Contract("(c, ...), the same -> (c,)", entries, bounds.row_dot),
    "moments": Contract("(c, ...) -> (c,), (c,)", entries, bounds.moments),
    "normalise": Contract("(c, ...), (c,), (c,) -> (c, ...)", entries, bounds.normalise),
    "normalise_grad": Contract(
        "(c, ...), the same, (c,) -> (c, ...)", lambda g, *_: 3 * g.size, bounds.normalise_grad
    ),
    "max_pool": Contract("(c, h, w, n) -> (c, oh, ow, n) twice", none, bounds.exact),
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
}
