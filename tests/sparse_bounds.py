"""How far off each sparse kernel may be: sums of products, so gamma(terms) sum |a| |b|.

Terms: the entries of the longest row of the matrix (or all positions and samples), and one more
where there is a bias. See bounds.py.
"""

from typing import Any

import numpy as np
from kernel_bounds import Wide, after_act, places, size, within
from twins import ref

from minprune.core import Array


def floating(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def definition(name: str, *args: Any, shape: tuple[int, ...]) -> Array:
    """The definition, its floats in long double; shape: that of the result."""
    out = np.empty(shape, Wide)
    getattr(ref, name)(*[a.astype(Wide) if floating(a) else a for a in args], out)
    return out


def longest(starts: Array) -> int:
    """The entries of the longest row."""
    return int(np.diff(starts.astype(np.int64)).max(initial=0))


def linear(  # type: ignore[no-untyped-def]
    name: str, f: Any, args: tuple[Any, ...], terms: int, shape: tuple[int, ...], kind: str | None,
    *more: Any,
):  # fmt: skip
    """gamma(terms) kernel(|args|), then act      kind: None where the kernel has no act

    more: the arguments behind that.
    """
    end = () if kind is None else ("none", *more)
    total = definition(name, *[size(a) if floating(a) else a for a in args], *end, shape=shape)
    error = within(terms, total, f)
    if kind not in (None, "none"):
        error = after_act(kind, definition(name, *args, *end, shape=shape), error, f)
    return (error,)


def csr_matmul(f: Any, values, columns, row_start, x, b=None, act="none"):  # type: ignore[no-untyped-def]
    """gamma(k + 1) (|A| |x| + |b|), then act"""
    shape = row_start.size - 1, x.shape[1]
    args = values, columns, row_start, x, b
    return linear("csr_matmul", f, args, longest(row_start) + 1, shape, act)


def csr_matvec(f: Any, values, columns, row_start, x):  # type: ignore[no-untyped-def]
    """gamma(k) |A| |x|"""
    args, m = (values, columns, row_start, x), row_start.size - 1
    return linear("csr_matvec", f, args, longest(row_start), (m,), None)


def csr_matmul_t(f: Any, values, positions, rows, column_start, g):  # type: ignore[no-untyped-def]
    """gamma(k) |A|^T |g|"""
    shape = column_start.size - 1, g.shape[1]
    args = values, positions, rows, column_start, g
    return linear("csr_matmul_t", f, args, longest(column_start), shape, None)


def csr_sampled(f: Any, columns, row_start, g, x):  # type: ignore[no-untyped-def]
    """gamma(p) |g| |x|^T"""
    args = columns, row_start, g, x
    return linear("csr_sampled", f, args, x.shape[1], columns.shape, None)


def block_matmul(f: Any, values, columns, row_start, side, shape, x, b=None, act="none"):  # type: ignore[no-untyped-def]
    """gamma(k + 1) (|A| |x| + |b|), then act"""
    args = values, columns, row_start, side, shape, x, b
    terms = longest(row_start) * side + 1
    return linear("block_matmul", f, args, terms, (shape[0], x.shape[1]), act)


def block_matmul_t(f: Any, values, positions, rows, column_start, side, shape, g):  # type: ignore[no-untyped-def]
    """gamma(k) |A|^T |g|"""
    args = values, positions, rows, column_start, side, shape, g
    terms = longest(column_start) * side
    return linear("block_matmul_t", f, args, terms, (shape[1], g.shape[1]), None)


def block_sampled(f: Any, columns, row_start, side, stored, g, x):  # type: ignore[no-untyped-def]
    """gamma(p) |g| |x|^T"""
    args = columns, row_start, side, stored, g, x
    return linear("block_sampled", f, args, x.shape[1], (stored,), None)


def csr_conv2d(  # type: ignore[no-untyped-def]
    f: Any, values, columns, row_start, kernel, x, b=None, stride=(1, 1), padding=(0, 0), groups=1,
    act="none", dilation=(1, 1),
):  # fmt: skip
    """gamma(k + 1) conv2d(|x|, |w|, |b|), then act"""
    shape = row_start.size - 1, *places(x.shape, kernel, stride, padding, dilation), x.shape[3]
    args = values, columns, row_start, kernel, x, b, stride, padding, groups
    return linear("csr_conv2d", f, args, longest(row_start) + 1, shape, act, dilation)


def csr_conv2d_grad_input(  # type: ignore[no-untyped-def]
    f: Any, values, columns, row_start, kernel, g, shape, stride=(1, 1), padding=(0, 0), groups=1,
    dilation=(1, 1),
):  # fmt: skip
    """gamma(k) conv2d_grad_input(|g|, |w|)      k: all entries of the group that has the most"""
    args = values, columns, row_start, kernel, g, shape, stride, padding, groups, dilation
    terms = longest(row_start[:: len(g) // groups])
    return linear("csr_conv2d_grad_input", f, args, terms, shape, None)


def csr_conv2d_grad_weight(  # type: ignore[no-untyped-def]
    f: Any, columns, row_start, kernel, g, x, stride=(1, 1), padding=(0, 0), groups=1,
    dilation=(1, 1),
):  # fmt: skip
    """gamma(oh*ow*n) conv2d_grad_weight(|g|, |x|)"""
    args = columns, row_start, kernel, g, x, stride, padding, groups, dilation
    return linear("csr_conv2d_grad_weight", f, args, g[0].size, columns.shape, None)
