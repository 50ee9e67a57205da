"""Direct sparse convolution in plain NumPy, by the dense weight: the definition of conv_jit."""

import numpy as np

from minprune.core import Array
from minprune.kernels.dense.conv_ref import Pair, conv2d, conv2d_grad_input, conv2d_grad_weight
from minprune.kernels.sparse.csr_ref import rows_of


def filters(values: Array, columns: Array, row_start: Array, shape: tuple[int, ...]) -> Array:
    """The dense weight (o, i/groups, ky, kx)"""
    w = np.zeros((shape[0], shape[1] * shape[2] * shape[3]), values.dtype)
    np.add.at(w, (rows_of(row_start), columns), values)
    return w.reshape(shape)


def csr_conv2d(
    values: Array, columns: Array, row_start: Array, kernel: Pair, x: Array, b: Array | None,
    stride: Pair, padding: Pair, groups: int, kind: str, out: Array,
) -> None:  # fmt: skip
    """out = act(conv2d(x, w) + b)      w: (o, i/groups*ky*kx) in CSR"""
    w = filters(values, columns, row_start, (len(out), len(x) // groups, *kernel))
    conv2d(x, w, b, stride, padding, groups, kind, out)


def csr_conv2d_grad_input(
    values: Array, columns: Array, row_start: Array, kernel: Pair, g: Array,
    shape: tuple[int, ...], stride: Pair, padding: Pair, groups: int, out: Array,
) -> None:  # fmt: skip
    """dx = the adjoint of csr_conv2d in x"""
    w = filters(values, columns, row_start, (len(g), shape[0] // groups, *kernel))
    conv2d_grad_input(g, w, shape, stride, padding, groups, out)


def csr_conv2d_grad_weight(
    columns: Array, row_start: Array, kernel: Pair, g: Array, x: Array, stride: Pair,
    padding: Pair, groups: int, out: Array,
) -> None:  # fmt: skip
    """dvalues = the adjoint of csr_conv2d in the values"""
    dw = np.empty((len(g), len(x) // groups, *kernel), x.dtype)
    conv2d_grad_weight(g, x, kernel, stride, padding, groups, dw)
    out[...] = dw.reshape(len(g), -1)[rows_of(row_start), columns]
