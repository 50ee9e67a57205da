"""What the constructors of the formats check, so that kernels and files can trust them."""

from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError

Shape = tuple[int, int]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def described(a: Any) -> str:
    """Dtype and shape of an array, or what else it is."""
    return f"{a.dtype} {a.shape}" if isinstance(a, np.ndarray) else type(a).__name__


def matrix(format: str, shape: Any) -> None:
    """shape is (m, n)."""
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(map(is_size, shape)):
        raise ArgumentError(
            f"{format}: shape must be two integers of at least 0, not {shape!r}; "
            f"pass the shape (m, n) of the dense matrix"
        )


def is_size(k: Any) -> bool:
    return isinstance(k, int | np.integer) and not isinstance(k, bool) and int(k) >= 0


def freeze(owner: Any, name: str, dtype: Any, axes: int) -> None:
    """The index array `name` of a format becomes a read-only one of its own."""
    a = getattr(owner, name)
    if not isinstance(a, np.ndarray) or a.dtype != dtype or a.ndim != axes:
        raise ArgumentError(
            f"{type(owner).__name__}: {name} must be {('a vector', 'a matrix')[axes - 1]} of "
            f"{np.dtype(dtype)}, not {described(a)}; make it with from_dense"
        )
    if a.flags.writeable or a.base is not None or not a.flags.c_contiguous:
        a = np.array(a, order="C")
        a.flags.writeable = False
        object.__setattr__(owner, name, a)


def climb(format: str, columns: Array, row_start: Array, shape: Shape) -> None:
    """row_start climbs from 0 to the number of columns; in each row columns climb, below n."""
    m, n = shape
    if row_start.size != m + 1 or row_start[0] or row_start[-1] != columns.size:
        ends = f"{row_start[0]} .. {row_start[-1]}" if row_start.size else "nothing"
        raise ShapeError(
            f"{format}: row_start must have {m + 1} entries, 0 .. {columns.size}, not "
            f"{row_start.size}, {ends}; it holds where each row begins, and where the last ends"
        )
    if (row_start[1:] < row_start[:-1]).any():
        r = int(np.argmax(row_start[1:] < row_start[:-1]))
        raise ArgumentError(
            f"{format}: row_start must never fall, but row {r} begins at {row_start[r]} and ends "
            f"at {row_start[r + 1]}; sort the entries by row"
        )
    if columns.size and columns.max() >= n:
        k = int(np.argmax(columns >= n))
        raise ArgumentError(
            f"{format}: columns[{k}] must be below {n}, not {columns[k]}; "
            f"pass indices that belong to this shape"
        )
    begins = np.zeros(columns.size + 1, bool)
    begins[row_start] = True
    falls = (columns[1:] <= columns[:-1]) & ~begins[1:-1]
    if falls.any():
        k = int(np.argmax(falls)) + 1
        found = "twice" if columns[k] == columns[k - 1] else f"after {columns[k - 1]}"
        raise ArgumentError(
            f"{format}: columns must climb in each row, but columns[{k}] is {columns[k]}, {found}; "
            f"sort the entries of each row, and add up equal ones"
        )


def count(format: str, values: Array, expected: int) -> None:
    """values is a vector of so many floats."""
    if not isinstance(values, np.ndarray) or values.dtype not in FLOATS or values.ndim != 1:
        raise ArgumentError(
            f"{format}: values must be a vector of float32 or float64, not {described(values)}; "
            f"convert it with np.asarray(values, np.float32)"
        )
    if values.size != expected:
        raise ShapeError(
            f"{format}: values must have {expected} entries, one for each place that the indices "
            f"name, not {values.size}; pass values and indices of one matrix"
        )


def pair(format: str, array: Array, mask: Array) -> tuple[Array, Array]:
    """array and mask, once they are a matrix of floats and booleans of its shape"""
    if not isinstance(array, np.ndarray) or array.dtype not in FLOATS or array.ndim != 2:
        raise ArgumentError(
            f"{format}: array must be a matrix of float32 or float64, not {described(array)}; "
            f"reshape a convolution's weight to (o, i*ky*kx)"
        )
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != array.shape:
        raise ShapeError(
            f"{format}: mask must be bool {array.shape}, not {described(mask)}; "
            f"True means stored, and np.ones(array.shape, bool) stores all"
        )
    return array, mask


def ratio(keep: Any, group: Any) -> None:
    """keep of group is a pattern."""
    if not (is_size(keep) and is_size(group) and 1 <= keep <= group <= 256):
        raise ArgumentError(
            f"NofM: keep and group must be integers with 1 <= keep <= group <= 256, not "
            f"{keep!r} and {group!r}; pass keep=2, group=4, for example"
        )
