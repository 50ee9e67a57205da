"""The rules of sparse indices: they belong to the matrix, and there are as many values as places.

Indices are uint32, so that no loop has to ask for negative ones. A full check reads all of them;
arrays that cannot be written to (read-only, as the formats keep them) are checked once, and then
known by identity.
"""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minprune.arguments import count
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError
from minprune.kernels.door import Check
from minprune.kernels.replay import fixed
from minprune.kernels.shapes import Sizes

MOST = 4096  # pairs of index arrays that `csr` remembers
_kept: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = {}
_lines: dict[tuple[int, int, int], tuple[Any, Any]] = {}


def kept(make: Callable[..., Any], arrays: tuple[Array, ...], *others: Any) -> Any:
    """make(*arrays, *others), computed once for arrays that cannot change, while they exist"""
    key = make, others, *map(id, arrays)
    found = _kept.get(key)
    if found is not None and all(a is ref() for a, ref in zip(arrays, found[0], strict=True)):
        return found[1]
    made = make(*arrays, *others)
    if all(map(fixed, arrays)):
        forget = partial(_kept.pop, key)  # called with the dead reference, which is pop's default
        _kept[key] = tuple(weakref.ref(a, forget) for a in arrays), made
    return made


def read_only(a: Array) -> Array:
    """a, contiguous and read-only: one type for Numba"""
    if not a.flags.c_contiguous or not a.flags.aligned:
        a = a.copy()
    if a.flags.writeable:
        a = a.view()
        a.flags.writeable = False
    return a


def csr(columns: str, row_start: str, top: str) -> Check:
    """Those two arguments belong to a matrix whose number of columns is the size `top`."""
    names = columns, row_start

    def check(kernel: str, sizes: Sizes, *pair: Array) -> tuple[Array, ...]:
        most = sizes[top]
        # As in `kept`, written out, since small products would be slower.
        key = id(pair[0]), id(pair[1]), most
        found = _lines.get(key)
        if found is not None and found[0]() is pair[0] and found[1]() is pair[1]:
            return pair
        inner, outer = map(read_only, pair)
        climbs(kernel, inner, outer, most, names)
        if inner is pair[0] and outer is pair[1] and fixed(inner) and fixed(outer):
            if len(_lines) >= MOST:  # what is still in use is added again
                _lines.clear()
            _lines[key] = weakref.ref(inner), weakref.ref(outer)
        return inner, outer

    return Check(names, check)


def climbs(kernel: str, columns: Array, row_start: Array, top: int, names: tuple[str, str]) -> None:
    """row_start climbs from 0 to columns.size, and all columns are below top."""
    inner, outer = names
    if not row_start.size or row_start[0] or row_start[-1] != columns.size:
        ends = f"from {row_start[0]} to {row_start[-1]}" if row_start.size else "hold nothing"
        raise ArgumentError(
            f"{kernel}: {outer} must climb from 0 to {columns.size}, the number of {inner}, "
            f"not {ends}; it has one entry more than there are lines"
        )
    if (row_start[1:] < row_start[:-1]).any():
        bad = int(np.argmax(row_start[1:] < row_start[:-1]))
        raise ArgumentError(
            f"{kernel}: {outer} must never fall, but entry {bad + 1} is {row_start[bad + 1]}, "
            f"below {row_start[bad]} before it; sort the entries by line"
        )
    if columns.size and columns.max() >= top:
        bad = int(np.argmax(columns >= top))
        raise ArgumentError(
            f"{kernel}: {inner}[{bad}] must be below {top}, not {columns[bad]}; "
            f"pass indices that belong to this matrix and this batch"
        )


@partial(Check, ("positions",))
def order(kernel: str, sizes: Sizes, positions: Array) -> Array:
    """Each of 0 .. size - 1 once"""
    positions = read_only(positions)
    kept(is_order, (positions,), kernel)
    return positions


def is_order(positions: Array, kernel: str) -> None:
    there = np.zeros(positions.size, bool)
    there[positions[positions < positions.size]] = True
    if not there.all():
        raise ArgumentError(
            f"{kernel}: positions must hold each of 0 to {positions.size - 1} once, but "
            f"{int(np.argmin(there))} is absent; take them from csr_transpose"
        )


def extent(kernel: str, given: dict[str, Any], sizes: Sizes) -> None:
    """width = n, the number of columns"""
    sizes["width"] = count(kernel, "n", given["n"], 0)


def blocks(kernel: str, given: dict[str, Any], sizes: Sizes) -> None:
    """down, across: how many blocks are above and beside each other in the matrix (m, n)"""
    size = count(kernel, "size", given["size"])
    sizes["down"], sizes["across"] = -(-sizes["m"] // size), -(-sizes["n"] // size)
    if "stored" in given:
        sizes["area"] = count(kernel, "stored", given["stored"], 0)


def area(columns: str, row_start: str, high: str, wide: str) -> Check:
    """As many values as entries in the blocks of a matrix of the sizes (high, wide)"""

    def check(
        kernel: str, sizes: Sizes, inner: Array, outer: Array, size: int
    ) -> tuple[Array, Array, int]:
        shape = sizes[high], sizes[wide]
        found = kept(block_area, (inner, outer), size, shape)
        if sizes["area"] != found:
            raise ShapeError(
                f"{kernel}: values must have {found} entries, one for each entry of the blocks, "
                f"not {sizes['area']}; pass values and indices of one matrix"
            )
        return inner, outer, size

    return Check((columns, row_start, "size"), check)


def block_area(columns: Array, row_start: Array, size: int, shape: tuple[int, int]) -> int:
    """How many entries of a matrix of this shape are in the blocks, which are cut at its edges"""
    wide = np.minimum(size, shape[1] - columns.astype(np.int64) * size)
    high = np.minimum(size, shape[0] - np.arange(row_start.size - 1) * size)
    counts = (row_start[1:] - row_start[:-1]).astype(np.int64)
    return int(wide @ np.repeat(high, counts))
