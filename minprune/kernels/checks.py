"""What the door checks, once, so that the loops can trust their input.

A layout is (number of axes, how to write them). An input that is not contiguous, aligned and
writable is copied, so that Numba compiles once per dtype.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.kernels.workspace import empty

Pair = tuple[int, int]
Layout = tuple[int, str]
IMAGE: Layout = (4, "(c, h, w, n)")
KERNEL: Layout = (4, "(o, i/groups, ky, kx)")
MATRIX: Layout = (2, "a matrix")
ROWS: Layout = (-2, "(c, ...) with at least two axes")  # -k: at least k axes
VECTOR: Layout = (1, "a vector")
ANY: Layout = (0, "")  # any shape
FLOATS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
ACTS = frozenset({"none", "relu", "leaky_relu", "tanh", "sigmoid"})


def ready(
    kernel: str, name: str, x: Array, layout: Layout, like: Array | None = None, of: str = "x"
) -> Array:
    """x, or a contiguous writable copy, once it is known to be floats of this layout.

    `like`, called `of`: the array whose dtype x must share.
    """
    dtype = getattr(x, "dtype", None)
    if dtype not in FLOATS or not isinstance(x, np.ndarray):
        found = type(x).__name__ if dtype is None else f"of {dtype}"
        raise ArgumentError(
            f"{kernel}: {name} is {found}, expected an array of float32 or float64; "
            f"convert it with np.asarray({name}, np.float32)"
        )
    if like is not None and dtype != like.dtype:
        raise ArgumentError(
            f"{kernel}: {name} is {dtype}, {of} is {like.dtype}; give all arrays one dtype"
        )
    ndim = layout[0]
    if x.ndim != ndim and (ndim > 0 or x.ndim < -ndim):
        raise ShapeError(
            f"{kernel}: {name} is {x.shape}, expected {layout[1]}; "
            f"reshape it, with the batch as the last axis of activations"
        )
    return x if x.flags.carray else contiguous(x)


def contiguous(x: Array) -> Array:
    """A C-contiguous, aligned, writable copy of x."""
    copy = empty(x.shape, x.dtype)
    copy[...] = x
    return copy


def expect(kernel: str, name: str, x: Array, shape: tuple[int, ...], why: str) -> None:
    """x.shape == shape, or a ShapeError that says why it should be."""
    if x.shape != shape:
        raise ShapeError(
            f"{kernel}: {name} is {x.shape}, expected {shape}, {why}; "
            f"give arrays that belong to one layer and one batch"
        )


def some(kernel: str, name: str, x: Array) -> None:
    """x has at least one entry: a mean over nothing is undefined."""
    if not x.size:
        raise ShapeError(f"{kernel}: {name} is {x.shape}, which is empty; give at least one sample")


def flag(kernel: str, name: str, x: Array, shape: tuple[int, ...]) -> Array:
    """x, or a contiguous copy, once it is known to be booleans of this shape."""
    if not isinstance(x, np.ndarray) or x.dtype != np.bool_:
        found = getattr(x, "dtype", type(x).__name__)
        raise ArgumentError(
            f"{kernel}: {name} is {found}, expected an array of bool; True means kept"
        )
    expect(kernel, name, x, shape, "the shape of w")
    return x if x.flags.carray else contiguous(x)


def integers(kernel: str, name: str, x: Array, top: int) -> Array:
    """x (n,) as contiguous int64, once all entries are known to be at least 0 and below top."""
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "iu" or x.ndim != 1:
        found = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ArgumentError(
            f"{kernel}: {name} is {found}, expected a vector of integers; "
            f"convert it with np.asarray({name}, np.int64)"
        )
    # Seen as unsigned, a negative number is huge: one pass checks both ends.
    if x.dtype != np.int64 or not x.flags.carray:
        x = np.require(x, np.int64, ["C", "W", "A"])
    if x.size and x.view(np.uint64).max() >= top:
        bad = int(np.argmax((x < 0) | (x >= top)))
        raise ArgumentError(
            f"{kernel}: {name}[{bad}] is {x[bad]}, expected 0 to {top - 1}; "
            f"count classes and rows from 0"
        )
    return x


def known_act(kernel: str, kind: str) -> None:
    """kind is the name of an activation."""
    if kind not in ACTS:
        raise ArgumentError(
            f"{kernel}: act is {kind!r}, expected one of {', '.join(sorted(ACTS))}; "
            f"apply another function as a layer of its own"
        )


def positions(
    kernel: str, shape: tuple[int, ...], window: Pair, stride: Pair, padding: Pair
) -> Pair:
    """(oh, ow): how many windows fit, (h + 2*py - ky) // sy + 1 along each axis."""
    if not (shape[0] and shape[3]):
        raise ShapeError(
            f"{kernel}: the image is {shape}, which is empty; give at least one channel and sample"
        )
    try:
        return _positions(kernel, shape[1], shape[2], window, stride, padding)
    except TypeError:  # unhashable: a list
        raise ArgumentError(
            f"{kernel}: kernel, stride, padding are {window}, {stride}, {padding}, expected "
            f"pairs of integers; pass tuples such as (1, 1)"
        ) from None


@lru_cache(maxsize=4096)
def _positions(kernel: str, h: int, w: int, window: Pair, stride: Pair, padding: Pair) -> Pair:
    least = {"kernel": 1, "stride": 1, "padding": 0}
    for name, pair in zip(least, (window, stride, padding), strict=True):
        if not is_pair(pair) or min(pair) < least[name]:
            raise ArgumentError(
                f"{kernel}: {name} is {pair}, expected two integers of at least {least[name]}; "
                f"pass a tuple such as (1, 1)"
            )
    oh = (h + 2 * padding[0] - window[0]) // stride[0] + 1
    ow = (w + 2 * padding[1] - window[1]) // stride[1] + 1
    if oh < 1 or ow < 1:
        raise ShapeError(
            f"{kernel}: kernel {window} is larger than the image {(h, w)} with padding {padding}; "
            f"use a smaller kernel or more padding"
        )
    return oh, ow


def is_pair(pair: Any) -> bool:
    """A tuple of two integers."""
    return (
        isinstance(pair, tuple)
        and len(pair) == 2
        and all(isinstance(k, int | np.integer) and not isinstance(k, bool) for k in pair)
    )


def grouping(kernel: str, i: int, o: int, i_group: int, groups: int) -> None:
    """groups divides both channel counts, and each group of w takes i/groups channels."""
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer) or groups < 1:
        raise ArgumentError(
            f"{kernel}: groups is {groups!r}, expected an integer of at least 1; use 1 for none"
        )
    if i % groups or o % groups or i // groups != i_group or not (i and o):
        raise ShapeError(
            f"{kernel}: {i} channels in, {o} out and {i_group} per filter do not fit {groups} "
            f"groups; w is (o, i/groups, ky, kx), and groups divides both o and i"
        )
