"""The door to pooling. Images are (c, h, w, n), outputs (c, oh, ow, n); pairs are vertical first.

All raise ShapeError for shapes that do not fit, ArgumentError for other arguments.
"""

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.kernels.checks import IMAGE, Pair, contiguous, expect, positions, ready
from minprune.kernels.choice import impl
from minprune.kernels.door_conv import four
from minprune.kernels.workspace import empty

INDEX = np.dtype(np.uint16)


def max_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """y = max over the window      index = y*KX + x of the first maximum inside it

    x: (c, h, w, n) -> y: (c, oh, ow, n), index: the same shape, uint16. Padding never wins; NaN
    does. Raises ArgumentError for padding as large as the kernel, or above 65536 places in it.
    """
    x, shape = pooled("max_pool", x, kernel, stride, padding)
    countable("max_pool", kernel)
    y, index = empty(shape, x.dtype), empty(shape, INDEX)
    impl().max_pool(x, kernel, stride, padding, y, index)
    return y, index


def max_values(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """y = max over the window: max_pool without the index, which only derivatives need

    x: (c, h, w, n) -> (c, oh, ow, n). Padding never wins; NaN does. Raises ArgumentError for
    padding as large as the kernel.
    """
    x, shape = pooled("max_values", x, kernel, stride, padding)
    y = empty(shape, x.dtype)
    impl().max_values(x, kernel, stride, padding, y)
    return y


def pick(x: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """out[c, oy, ox, n] = the entry of the window that index[c, oy, ox, n] names

    x: (c, h, w, n), index: (c, oh, ow, n) as max_pool gives it -> (c, oh, ow, n). Padding is 0.
    """
    x = ready("pick", "x", x, IMAGE)
    oh, ow = positions("pick", x.shape, kernel, stride, padding)
    index = offsets("pick", index, (x.shape[0], oh, ow, x.shape[3]), kernel)
    out = empty(index.shape, x.dtype)
    impl().pick(x, index, kernel, stride, padding, out)
    return out


def put(
    g: Array,
    index: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Pair,
) -> Array:
    """out = fold of g at index, 0 elsewhere      the adjoint of pick: places met twice add up

    g, index: (c, oh, ow, n) -> shape = (c, h, w, n).
    """
    g = ready("put", "g", g, IMAGE)
    c, _, _, n = four("put", shape)
    oh, ow = positions("put", shape, kernel, stride, padding)
    expect("put", "g", g, (c, oh, ow, n), f"pooled {shape}")
    index = offsets("put", index, g.shape, kernel)
    out = empty(shape, g.dtype)
    impl().put(g, index, kernel, stride, padding, out)
    return out


def avg_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """out = mean over the window, its padding counted as zeros

    x: (c, h, w, n) -> (c, oh, ow, n). As torch.nn.functional.avg_pool2d by default.
    """
    x = ready("avg_pool", "x", x, IMAGE)
    oh, ow = positions("avg_pool", x.shape, kernel, stride, padding)
    out = empty((x.shape[0], oh, ow, x.shape[3]), x.dtype)
    impl().avg_pool(x, kernel, stride, padding, out)
    return out


def avg_pool_grad(
    g: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair
) -> Array:
    """out = fold(g / (KY*KX)) over the whole window      the adjoint of avg_pool

    g: (c, oh, ow, n) -> shape = (c, h, w, n).
    """
    g = ready("avg_pool_grad", "g", g, IMAGE)
    c, _, _, n = four("avg_pool_grad", shape)
    oh, ow = positions("avg_pool_grad", shape, kernel, stride, padding)
    expect("avg_pool_grad", "g", g, (c, oh, ow, n), f"pooled {shape}")
    out = empty(shape, g.dtype)
    impl().avg_pool_grad(g, kernel, stride, padding, out)
    return out


def pooled(
    name: str, x: Array, kernel: Pair, stride: Pair, padding: Pair
) -> tuple[Array, tuple[int, ...]]:
    """x, and the shape of its windows' maxima, once every window holds an entry"""
    x = ready(name, "x", x, IMAGE)
    oh, ow = positions(name, x.shape, kernel, stride, padding)
    if padding[0] >= kernel[0] or padding[1] >= kernel[1]:
        raise ArgumentError(
            f"{name}: padding is {padding}, kernel is {kernel}, and a window of nothing but "
            f"padding has no maximum; use padding below the kernel"
        )
    return x, (x.shape[0], oh, ow, x.shape[3])


def countable(kernel: str, window: Pair) -> None:
    """The offsets of the window fit the dtype of the index."""
    if window[0] * window[1] > 65536:
        raise ArgumentError(
            f"{kernel}: kernel {window} has {window[0] * window[1]} places, expected at most "
            f"65536; pool twice, with smaller kernels"
        )


def offsets(kernel: str, index: Array, shape: tuple[int, ...], window: Pair) -> Array:
    """index, once it is known to hold uint16 offsets inside the window."""
    if not isinstance(index, np.ndarray) or index.dtype != INDEX:
        found = getattr(index, "dtype", type(index).__name__)
        raise ArgumentError(
            f"{kernel}: index is {found}, expected uint16; pass the index that max_pool returned"
        )
    expect(kernel, "index", index, shape, "one per output")
    size = window[0] * window[1]
    if index.size and size < 65536 and index.max() >= size:
        raise ArgumentError(
            f"{kernel}: index holds {index.max()}, expected below {size} for kernel {window}; "
            f"pass the kernel that made the index"
        )
    return index if index.flags.carray else contiguous(index)
