"""Sparse kernels that are wrong on purpose, at least one of each; parameters as in their twins."""

from collections.abc import Callable
from typing import Any

import kernel_bounds as bounds
import numpy as np
from kernel_slips import Wrong, after, changed, drop_tail, edged, first_group, halved, without_tail
from twins import ref


def overwriting(values, columns, row_start, x, b, kind, out):  # type: ignore[no-untyped-def]
    out[...] = 0
    out[ref.rows_of(row_start)] = values[:, None] * x[columns]  # no +=
    ref.finish(b, kind, out)


def the_last_wins(values, columns, row_start, x, out):  # type: ignore[no-untyped-def]
    out[...] = 0
    out[ref.rows_of(row_start)] = values * x[columns]


def batch_first(values, columns, row_start, x, b, kind, out):  # type: ignore[no-untyped-def]
    ref.csr_matmul(values, columns, row_start, x.reshape(x.shape[::-1]).T, b, kind, out)


def unstable(columns, row_start, n, positions, rows, column_start):  # type: ignore[no-untyped-def]
    positions[...], rows[...] = positions[::-1].copy(), rows[::-1].copy()


def not_turned(values, positions, rows, column_start, g, out):  # type: ignore[no-untyped-def]
    ref.csr_matmul_t(values[np.argsort(positions)], positions, rows, column_start, g, out)


def one_column(columns, row_start, g, x, out):  # type: ignore[no-untyped-def]
    ref.csr_sampled(columns, row_start, g[:, :1], x[:, :1], out)


def wrapped_block(values, columns, row_start, size, shape, x, b, kind, out):  # type: ignore[no-untyped-def]
    """What overhangs the edge reads x from the other side."""
    y, z = ref.block_places(ref.rows_of(row_start), columns, size, (10**6, 10**6))
    value = np.resize(values, y.size) if values.size else np.zeros(y.size, x.dtype)
    inside = y < shape[0]
    ref.product(value[inside], y[inside], z[inside] % max(len(x), 1), x, out)
    ref.finish(b, kind, out)


def by_column(rows: Any, columns: Any, size: int, shape: Any) -> tuple[Any, Any]:
    """The places of the blocks, each column by column"""
    y, z = ref.block_places(rows, columns, size, shape)
    block = np.searchsorted(np.unique(y // size * 10**6 + z // size), y // size * 10**6 + z // size)
    order = np.lexsort((y, z, block))
    return y[order], z[order]


def blocks_by_column(values, columns, row_start, size, shape, x, b, kind, out):  # type: ignore[no-untyped-def]
    ref.product(values, *by_column(ref.rows_of(row_start), columns, size, shape), x, out)
    ref.finish(b, kind, out)


def blocks_not_turned(values, positions, rows, column_start, size, shape, g, out):  # type: ignore[no-untyped-def]
    """The blocks of A^T in their order, but each as it stands in A."""
    order = np.argsort(positions)
    y, z = by_column(rows[order], ref.rows_of(column_start)[order], size, shape)
    ref.product(values, z, y, g, out)


def blocks_sampled_by_column(columns, row_start, size, stored, g, x, out):  # type: ignore[no-untyped-def]
    y, z = by_column(ref.rows_of(row_start), columns, size, (len(g), len(x)))
    out[...] = (g[y] * x[z]).sum(1)


def flipped(name: str) -> Wrong:
    """The kernel of a convolution from its last tap to its first"""

    def wrong(values, columns, row_start, kernel, *rest):  # type: ignore[no-untyped-def]
        taps = kernel[0] * kernel[1]
        columns = columns // taps * taps + (taps - 1 - columns % taps)
        getattr(ref, name)(values, columns, row_start, kernel, *rest)

    return wrong


def conv(change: Callable[..., Any]) -> Wrong:
    """csr_conv2d of what change(x, stride, padding, groups) gives in their places"""

    def wrong(values, columns, row_start, kernel, x, b, *at):  # type: ignore[no-untyped-def]
        stride, padding, groups, kind, dilation, out = at
        x, stride, padding, groups = change(x, stride, padding, groups)
        sides = bounds.places(x.shape, kernel, stride, padding, dilation)
        y = np.zeros((len(out), *sides, x.shape[3]), out.dtype)
        at = stride, padding, groups, kind, dilation, y
        ref.csr_conv2d(values, columns, row_start, kernel, x, b, *at)
        out[...] = y[:, : out.shape[1], : out.shape[2]]

    return wrong


def grad_input(change: Callable[..., Any]) -> Wrong:
    """csr_conv2d_grad_input of change(g, groups)"""

    def wrong(values, columns, row_start, kernel, g, shape, stride, padding, groups, *rest):  # type: ignore[no-untyped-def]
        at = change(g, groups), shape, stride, padding, groups, *rest
        ref.csr_conv2d_grad_input(values, columns, row_start, kernel, *at)

    return wrong


def undilated(values, columns, row_start, kernel, x, b, *at):  # type: ignore[no-untyped-def]
    stride, padding, groups, kind, _, out = at
    sides = bounds.places(x.shape, kernel, stride, padding)
    y = np.zeros((len(out), *sides, x.shape[3]), out.dtype)
    at = stride, padding, groups, kind, (1, 1), y
    ref.csr_conv2d(values, columns, row_start, kernel, x, b, *at)
    out[...] = y[:, : out.shape[1], : out.shape[2]]


def grad_not_cut(values, columns, row_start, kernel, g, shape, stride, padding, *rest):  # type: ignore[no-untyped-def]
    """The gradient of the padded image from its corner: as if the padding were no offset."""
    groups, dilation, out = rest
    (i, h, w, n), high, long = out.shape, padding[0] + padding[-2], padding[1] + padding[-1]
    wide = np.zeros((i, h + high, w + long, n), out.dtype)
    at = g, wide.shape, stride, (0, 0), groups, dilation, wide
    ref.csr_conv2d_grad_input(values, columns, row_start, kernel, *at)
    out[...] = wide[:, :h, :w]


def weight_with_edge(columns, row_start, kernel, g, x, stride, padding, *rest):  # type: ignore[no-untyped-def]
    at = g, edged(x, padding), stride, (0, 0), *rest
    ref.csr_conv2d_grad_weight(columns, row_start, kernel, *at)


def weight_of_one_group(columns, row_start, kernel, g, x, stride, padding, groups, *rest):  # type: ignore[no-untyped-def]
    at = g, first_group(x, groups), stride, padding, groups, *rest
    ref.csr_conv2d_grad_weight(columns, row_start, kernel, *at)


def but(name: str, **places: Callable[[Any], Any]) -> tuple[str, Wrong]:
    return name, changed(ref, name, **places)


def then(name: str, change: Callable[..., None]) -> tuple[str, Wrong]:
    return name, after(ref, name, change)


SLIPS: dict[str, tuple[str, Wrong]] = {
    "the last of a row wins": ("csr_matmul", overwriting),
    "x is batch-first": ("csr_matmul", batch_first),
    "no bias": but("csr_matmul", _4=lambda b: None),
    "no activation": but("csr_matmul", _5=lambda kind: "none"),
    "half precision": but("csr_matmul", _0=halved),
    "csr without the last samples": then("csr_matmul", drop_tail),
    "the last product alone": ("csr_matvec", the_last_wins),
    "entries of a column from the last": then("csr_transpose", unstable),
    "positions turned the other way": ("csr_matmul_t", not_turned),
    "csr turned, without the last samples": then("csr_matmul_t", drop_tail),
    "only the first of the batch": ("csr_sampled", one_column),
    "sampled without the last samples": but("csr_sampled", _2=without_tail),
    "a block wrapped round the edge": ("block_matmul", wrapped_block),
    "a block column by column": ("block_matmul", blocks_by_column),
    "blocks without the last samples": then("block_matmul", drop_tail),
    "blocks not turned": ("block_matmul_t", blocks_not_turned),
    "gradients of a block column by column": ("block_sampled", blocks_sampled_by_column),
    "gradients of a block without the last samples": but("block_sampled", _4=without_tail),
    "convolution in place of correlation": ("csr_conv2d", flipped("csr_conv2d")),
    "direct: padding with the edge": (
        "csr_conv2d", conv(lambda x, s, p, groups: (edged(x, p), s, (0, 0), groups)),
    ),
    "direct: padding at the end alone": (
        "csr_conv2d",
        conv(lambda x, s, p, groups: (
            np.pad(x, ((0, 0), (0, p[0] + p[-2]), (0, p[1] + p[-1]), (0, 0))), s, (0, 0), groups,
        )),
    ),
    "direct: every group reads the first": (
        "csr_conv2d", conv(lambda x, s, p, groups: (first_group(x, groups), s, p, groups)),
    ),
    "direct: stride forgotten": (
        "csr_conv2d", conv(lambda x, s, p, groups: (x, (1, 1), p, groups)),
    ),
    "direct: dilation forgotten": ("csr_conv2d", undilated),
    "direct: without the last samples": then("csr_conv2d", drop_tail),
    "direct: kernel not turned round": (
        "csr_conv2d_grad_input", flipped("csr_conv2d_grad_input"),
    ),
    "direct: gradient of the first group for all": (
        "csr_conv2d_grad_input", grad_input(first_group),
    ),
    "direct: padding not cut off": ("csr_conv2d_grad_input", grad_not_cut),
    "direct: gradient without the last samples": then("csr_conv2d_grad_input", drop_tail),
    "image upside down": but("csr_conv2d_grad_weight", _4=lambda x: x[:, ::-1]),
    "direct: gradient with the edge": ("csr_conv2d_grad_weight", weight_with_edge),
    "direct: weights of every group meet the first": (
        "csr_conv2d_grad_weight", weight_of_one_group,
    ),
    "direct: weights without the last samples": but("csr_conv2d_grad_weight", _3=without_tail),
}  # fmt: skip
