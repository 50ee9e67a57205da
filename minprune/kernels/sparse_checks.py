"""What the sparse door checks: index arrays, and how many values they call for.

Indices are uint32, so that no loop has to ask for negative ones. A full check reads all of them;
arrays that nobody can write to (read-only, as the formats keep them) are checked once, and then
known by identity.
"""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError

Pair = tuple[int, int]
Check = Callable[..., Any]
MOST = 4096  # index arrays that are remembered
_seen: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = {}
_csr: dict[tuple[int, int, int], tuple[Any, Any]] = {}


def once(check: Check, kernel: str, arrays: tuple[Array, ...], *numbers: Any) -> Any:
    """check(kernel, *arrays, *numbers), remembered where the arrays cannot change"""
    key = check, numbers, *map(id, arrays)
    found = _seen.get(key)
    if found is not None and all(a is ref() for a, ref in zip(arrays, found[0], strict=True)):
        return found[1]
    result = check(kernel, *arrays, *numbers)
    if all(map(fixed, arrays)):
        room(_seen)
        _seen[key] = tuple(map(weakref.ref, arrays)), result
    return result


def fixed(a: Any) -> bool:
    """a is read-only, and so is what it looks at."""
    return isinstance(a, np.ndarray) and not a.flags.writeable and (a.base is None or fixed(a.base))


def index(kernel: str, name: str, a: Array, dtype: Any = np.uint32, axes: int = 1) -> Array:
    """a, contiguous and read-only, once it is known to be an array of this dtype."""
    if not isinstance(a, np.ndarray) or a.dtype != dtype or a.ndim != axes:
        found = f"{a.dtype} {a.shape}" if isinstance(a, np.ndarray) else type(a).__name__
        raise ArgumentError(
            f"{kernel}: {name} is {found}, expected {('a vector', 'a matrix')[axes - 1]} of "
            f"{np.dtype(dtype)}; take it from a format of minprune.sparse"
        )
    if not a.flags.c_contiguous or not a.flags.aligned:
        a = a.copy()
    if a.flags.writeable:
        a = a.view()
        a.flags.writeable = False
    return a


def rows_and_columns(
    kernel: str, columns: Array, row_start: Array, top: int, names: tuple[str, str]
) -> None:
    """row_start climbs from 0 to columns.size, and all columns are below top."""
    inner, outer = names
    if not row_start.size or row_start[0] or row_start[-1] != columns.size:
        ends = f"{row_start[0]} to {row_start[-1]}" if row_start.size else "nothing"
        raise ArgumentError(
            f"{kernel}: {outer} goes from {ends}, expected 0 to {columns.size}, the number of "
            f"{inner}; it has one entry more than there are lines"
        )
    if (row_start[1:] < row_start[:-1]).any():
        bad = int(np.argmax(row_start[1:] < row_start[:-1]))
        raise ArgumentError(
            f"{kernel}: {outer}[{bad + 1}] is {row_start[bad + 1]}, below {row_start[bad]} before "
            f"it; expected starts that never fall, so sort the entries by line"
        )
    if columns.size and columns.max() >= top:
        bad = int(np.argmax(columns >= top))
        raise ArgumentError(
            f"{kernel}: {inner}[{bad}] is {columns[bad]}, expected below {top}; "
            f"give indices that belong to this matrix and this batch"
        )


def csr(
    kernel: str, columns: Array, row_start: Array, top: int,
    names: tuple[str, str] = ("columns", "row_start"),
) -> tuple[Array, Array]:  # fmt: skip
    """columns and row_start of a matrix with `top` columns, checked"""
    key = id(columns), id(row_start), top  # as in `once`, spelt out: small products feel it
    found = _csr.get(key)
    if found is not None and found[0]() is columns and found[1]() is row_start:
        return columns, row_start
    pair = index(kernel, names[0], columns), index(kernel, names[1], row_start)
    rows_and_columns(kernel, *pair, top, names)
    if pair[0] is columns and pair[1] is row_start and all(map(fixed, pair)):
        room(_csr)
        _csr[key] = weakref.ref(columns), weakref.ref(row_start)
    return pair


def room(memory: dict[Any, Any]) -> None:
    """Forget all when there is too much; what is still in use comes back."""
    if len(memory) >= MOST:
        memory.clear()


def is_order(kernel: str, positions: Array) -> None:
    """positions holds each of 0 .. size - 1 once."""
    there = np.zeros(positions.size, bool)
    there[positions[positions < positions.size]] = True
    if not there.all():
        raise ArgumentError(
            f"{kernel}: positions lacks {int(np.argmin(there))} of 0 to {positions.size - 1}, "
            f"expected each once; take it from csr_transpose"
        )


def order(kernel: str, positions: Array, rows: Array) -> Array:
    """positions of a transpose, checked: one for each row index"""
    positions = index(kernel, "positions", positions)
    if positions.shape != rows.shape:
        raise ShapeError(
            f"{kernel}: positions is {positions.shape}, rows is {rows.shape}, expected one shape; "
            f"take both from csr_transpose"
        )
    once(is_order, kernel, (positions,))
    return positions


def block_area(kernel: str, columns: Array, row_start: Array, size: int, shape: Pair) -> int:
    """How many entries of a matrix of this shape lie in the blocks, which are cut at its edges"""
    wide = np.minimum(size, shape[1] - columns.astype(np.int64) * size)
    high = np.minimum(size, shape[0] - np.arange(row_start.size - 1) * size)
    counts = (row_start[1:] - row_start[:-1]).astype(np.int64)
    return int(wide @ np.repeat(high, counts))


def is_extent(n: Any) -> bool:
    """n counts rows or columns."""
    return isinstance(n, int | np.integer) and not isinstance(n, bool) and int(n) >= 0


def extent(kernel: str, n: Any) -> None:
    """n is a number of columns."""
    if not is_extent(n):
        raise ArgumentError(
            f"{kernel}: n is {n!r}, expected an integer of at least 0; "
            f"pass the number of columns of the matrix"
        )


def block_side(kernel: str, size: int, shape: Any) -> Pair:
    """How many blocks stand above and beside each other in a matrix of this shape"""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ArgumentError(
            f"{kernel}: size is {size!r}, expected an integer of at least 1; blocks are size x size"
        )
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(map(is_extent, shape)):
        raise ArgumentError(
            f"{kernel}: shape is {shape!r}, expected (m, n); pass the shape of the matrix"
        )
    return -(-shape[0] // size), -(-shape[1] // size)


def lines(kernel: str, name: str, start: Array, count: int, what: str) -> None:
    """start has one entry more than there are lines."""
    if start.size != count + 1:
        raise ShapeError(
            f"{kernel}: {name} has {start.size} entries, expected {count + 1}, one more than "
            f"there are {what}; give indices that belong to this matrix"
        )


def pattern(kernel: str, keep: int, group: int, n: int) -> Pair:
    """(values, bytes of packed positions) of a row of n columns with keep of every group"""
    extent(kernel, n)
    if not (is_extent(keep) and is_extent(group) and 1 <= keep <= group <= 256):
        raise ArgumentError(
            f"{kernel}: {keep!r} of {group!r}, expected integers with 1 <= N <= M <= 256; "
            f"2 of 4, for example"
        )
    count = n // group * keep + min(keep, n % group)
    return count, -(-count * position_bits(group) // 8)


def position_bits(group: int) -> int:
    """Bits of a position below `group`: 1, 2, 4 or 8, so that none lies across two bytes"""
    return next(k for k in (1, 2, 4, 8) if 1 << k >= group)


def climbing(kernel: str, positions: Array, keep: int, group: int, n: int) -> None:
    """The columns of each row climb, and stay in their groups and in the matrix."""
    from minprune.kernels.sparse_ref import nm_columns

    columns = np.empty((len(positions), pattern(kernel, keep, group, n)[0]), np.uint32)
    nm_columns(positions, keep, group, n, columns)
    bad = columns >= n
    bad[:, 1:] |= columns[:, 1:] <= columns[:, :-1]
    bad |= columns // group != np.arange(columns.shape[1]) // keep
    if bad.any():
        r, s = (int(k) for k in np.argwhere(bad)[0])
        raise ArgumentError(
            f"{kernel}: position {s} of row {r} is column {columns[r, s]}, expected columns that "
            f"climb, {keep} in each group of {group} and below {n}; "
            f"take positions from minprune.sparse.NofM"
        )


def packed(kernel: str, positions: Array, keep: int, group: int, n: int) -> Array:
    """positions (m, bytes) of a matrix of n columns, checked"""
    wide = pattern(kernel, keep, group, n)[1]
    positions = index(kernel, "positions", positions, np.uint8, 2)
    if positions.shape[1] != wide:
        raise ShapeError(
            f"{kernel}: positions has {positions.shape[1]} bytes a row, expected {wide} for "
            f"{keep} of {group} in {n} columns; give positions that belong to this matrix"
        )
    once(climbing, kernel, (positions,), keep, group, n)
    return positions


def one_each(kernel: str, values: Array, count: int) -> None:
    """As many values as the indices have places."""
    if values.size != count:
        raise ShapeError(
            f"{kernel}: values has {values.size} entries, expected {count}, one for each place "
            f"that the indices name; give values and indices of one matrix"
        )
