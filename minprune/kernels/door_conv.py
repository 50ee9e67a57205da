"""The door to unfold, fold and convolution: checks, allocates, calls the implementation.

Images are (c, h, w, n), weights (o, i/groups, ky, kx); kernel, stride, padding are pairs of
integers, vertical first. Padding is zeros. (oh, ow): output positions, (h + 2*py - ky) // sy + 1.
All raise ShapeError for shapes that do not fit, ArgumentError for other arguments.
"""

from minprune.core import Array
from minprune.errors import ShapeError
from minprune.kernels.checks import (
    IMAGE,
    KERNEL,
    MATRIX,
    VECTOR,
    Pair,
    expect,
    grouping,
    known_act,
    positions,
    ready,
)
from minprune.kernels.choice import impl
from minprune.kernels.workspace import empty


def unfold(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """cols[(c, y, x), (oy, ox, n)] = padded[c, oy*sy + y, ox*sx + x, n]

    x: (c, h, w, n) -> cols: (c*ky*kx, oh*ow*n). As torch.nn.functional.unfold, batch last.
    """
    x = ready("unfold", "x", x, IMAGE)
    oh, ow = positions("unfold", x.shape, kernel, stride, padding)
    out = empty((x.shape[0] * kernel[0] * kernel[1], oh * ow * x.shape[3]), x.dtype)
    impl().unfold(x, kernel, stride, padding, out)
    return out


def fold(cols: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """padded[c, oy*sy + y, ox*sx + x, n] += cols[(c, y, x), (oy, ox, n)]; the rim is cut off

    cols: (c*ky*kx, oh*ow*n) -> shape = (c, h, w, n). The adjoint of unfold.
    """
    cols = ready("fold", "cols", cols, MATRIX)
    c, _, _, n = four("fold", shape)
    oh, ow = positions("fold", shape, kernel, stride, padding)
    expect("fold", "cols", cols, (c * kernel[0] * kernel[1], oh * ow * n), f"unfolded {shape}")
    out = empty(shape, cols.dtype)
    impl().fold(cols, kernel, stride, padding, out)
    return out


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    groups: int = 1,
    act: str = "none",
) -> Array:
    """out[o, oy, ox, n] = act(sum_iyx w[o, i, y, x] * padded[i, oy*sy + y, ox*sx + x, n] + b[o])

    x: (i, h, w, n), w: (o, i/groups, ky, kx), b: (o,) or None -> (o, oh, ow, n).
    Cross-correlation, as torch.nn.functional.conv2d. act: see `act`.
    """
    x = ready("conv2d", "x", x, IMAGE)
    w = ready("conv2d", "w", w, KERNEL, x)
    o = w.shape[0]
    if b is not None:
        b = ready("conv2d", "b", b, VECTOR, x)
        expect("conv2d", "b", b, (o,), "one per output channel of w")
    grouping("conv2d", x.shape[0], o, w.shape[1], groups)
    known_act("conv2d", act)
    oh, ow = positions("conv2d", x.shape, w.shape[2:], stride, padding)
    out = empty((o, oh, ow, x.shape[3]), x.dtype)
    impl().conv2d(x, w, b, stride, padding, groups, act, out)
    return out


def conv2d_grad_input(
    g: Array,
    w: Array,
    shape: tuple[int, ...],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    groups: int = 1,
) -> Array:
    """dx = fold(w^T @ g)      the adjoint of conv2d in x

    g: (o, oh, ow, n), w: (o, i/groups, ky, kx) -> shape = (i, h, w, n).
    """
    g = ready("conv2d_grad_input", "g", g, IMAGE)
    w = ready("conv2d_grad_input", "w", w, KERNEL, g, "g")
    i, _, _, n = four("conv2d_grad_input", shape)
    grouping("conv2d_grad_input", i, w.shape[0], w.shape[1], groups)
    oh, ow = positions("conv2d_grad_input", shape, w.shape[2:], stride, padding)
    expect("conv2d_grad_input", "g", g, (w.shape[0], oh, ow, n), "the shape of the output")
    out = empty(shape, g.dtype)
    impl().conv2d_grad_input(g, w, stride, padding, groups, out)
    return out


def conv2d_grad_weight(
    g: Array,
    x: Array,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    groups: int = 1,
) -> Array:
    """dw = g @ unfold(x)^T      the adjoint of conv2d in w

    g: (o, oh, ow, n), x: (i, h, w, n) -> (o, i/groups, ky, kx). Summed over the batch.
    """
    g = ready("conv2d_grad_weight", "g", g, IMAGE)
    x = ready("conv2d_grad_weight", "x", x, IMAGE, g, "g")
    i, o = x.shape[0], g.shape[0]
    grouping("conv2d_grad_weight", i, o, i // max(groups, 1), groups)
    oh, ow = positions("conv2d_grad_weight", x.shape, kernel, stride, padding)
    expect("conv2d_grad_weight", "g", g, (o, oh, ow, x.shape[3]), "the shape of the output")
    out = empty((o, i // groups, *kernel), x.dtype)
    impl().conv2d_grad_weight(g, x, stride, padding, groups, out)
    return out


def four(kernel: str, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """shape, once it is known to be (c, h, w, n)."""
    if len(shape) != 4:
        raise ShapeError(
            f"{kernel}: shape is {shape}, expected (c, h, w, n); pass the shape of the input"
        )
    return shape
