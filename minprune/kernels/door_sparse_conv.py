"""The door to direct sparse convolution: checks, allocates, calls the implementation.

The weight (o, i/groups, ky, kx) is a matrix (o, i/groups*ky*kx) in CSR: values, columns,
row_start; kernel = (ky, kx). Images are (c, h, w, n); stride and padding as for conv2d. All raise
ShapeError for shapes that do not fit, ArgumentError for other arguments.
"""

from minprune.core import Array
from minprune.kernels import sparse_checks as checks
from minprune.kernels.checks import IMAGE, VECTOR, Pair, expect, grouping, positions, ready
from minprune.kernels.choice import sparse_impl
from minprune.kernels.door_conv import four
from minprune.kernels.door_sparse import bias
from minprune.kernels.workspace import empty


def weight(
    name: str, columns: Array, row_start: Array, kernel: Pair, shape: tuple[int, ...], o: int,
    stride: Pair, padding: Pair, groups: int,
) -> tuple[Array, Array, int, int]:  # fmt: skip
    """columns and row_start, checked against the shape of the input, and (oh, ow)"""
    grouping(name, shape[0], o, shape[0] // max(groups, 1), groups)
    oh, ow = positions(name, shape, kernel, stride, padding)
    taps = shape[0] // groups * kernel[0] * kernel[1]
    columns, row_start = checks.csr(name, columns, row_start, taps)
    checks.lines(name, "row_start", row_start, o, "output channels")
    return columns, row_start, oh, ow


def csr_conv2d(
    values: Array, columns: Array, row_start: Array, kernel: Pair, x: Array,
    b: Array | None = None, stride: Pair = (1, 1), padding: Pair = (0, 0), groups: int = 1,
    act: str = "none",
) -> Array:  # fmt: skip
    """out[o, oy, ox, n] = act(sum_k values[k] * padded[i, oy*sy + y, ox*sx + x, n] + b[o])

    k over row o, columns[k] = (i, y, x) counted within the group. x: (i, h, w, n), b: (o,) or
    None -> (o, oh, ow, n). No unfolded copy is made. act: see `act`.
    """
    x = ready("csr_conv2d", "x", x, IMAGE)
    values = ready("csr_conv2d", "values", values, VECTOR, x)
    o = checks.index("csr_conv2d", "row_start", row_start).size - 1
    columns, row_start, oh, ow = weight(
        "csr_conv2d", columns, row_start, kernel, x.shape, o, stride, padding, groups
    )
    checks.one_each("csr_conv2d", values, columns.size)
    b = bias("csr_conv2d", b, o, x, act)
    out = empty((o, oh, ow, x.shape[3]), x.dtype)
    sparse_impl().csr_conv2d(
        values, columns, row_start, kernel, x, b, stride, padding, groups, act, out
    )  # fmt: skip
    return out


def csr_conv2d_grad_input(
    values: Array, columns: Array, row_start: Array, kernel: Pair, g: Array,
    shape: tuple[int, ...], stride: Pair = (1, 1), padding: Pair = (0, 0), groups: int = 1,
) -> Array:  # fmt: skip
    """dx = the adjoint of csr_conv2d in x      g: (o, oh, ow, n) -> shape = (i, h, w, n)"""
    name = "csr_conv2d_grad_input"
    g = ready(name, "g", g, IMAGE)
    values = ready(name, "values", values, VECTOR, g, "g")
    n = four(name, shape)[3]
    columns, row_start, oh, ow = weight(
        name, columns, row_start, kernel, shape, len(g), stride, padding, groups
    )
    expect(name, "g", g, (len(g), oh, ow, n), "the shape of the output")
    checks.one_each(name, values, columns.size)
    out = empty(shape, g.dtype)
    sparse_impl().csr_conv2d_grad_input(
        values, columns, row_start, kernel, g, stride, padding, groups, out
    )
    return out


def csr_conv2d_grad_weight(
    columns: Array, row_start: Array, kernel: Pair, g: Array, x: Array, stride: Pair = (1, 1),
    padding: Pair = (0, 0), groups: int = 1,
) -> Array:  # fmt: skip
    """dvalues[k] = sum over positions and samples of g[o] * the window of (i, y, x)

    The adjoint of csr_conv2d in the values. g: (o, oh, ow, n), x: (i, h, w, n) -> (k,).
    """
    name = "csr_conv2d_grad_weight"
    x = ready(name, "x", x, IMAGE)
    g = ready(name, "g", g, IMAGE, x)
    columns, row_start, oh, ow = weight(
        name, columns, row_start, kernel, x.shape, len(g), stride, padding, groups
    )
    expect(name, "g", g, (len(g), oh, ow, x.shape[3]), "the shape of the output")
    out = empty(columns.shape, x.dtype)
    sparse_impl().csr_conv2d_grad_weight(
        columns, row_start, kernel, g, x, stride, padding, groups, out
    )
    return out
